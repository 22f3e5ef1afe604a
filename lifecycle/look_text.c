/* The report of `inspect` as a text for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lifecycle/look.h"

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void print_list(const char *label, const json_t *array)
{
    size_t i;
    json_t *v;
    if (json_array_size(array) == 0)
        return;
    printf("  %s: ", label);
    json_array_foreach(array, i, v)
    {
        printf("%s%s", i ? ", " : "", json_string_value(v));
    }
    putchar('\n');
}

static void print_devices(const json_t *file)
{
    const json_t *devices = json_object_get(file, "devices");
    size_t i;
    json_t *d;
    if (!devices) {
        puts("  devices: a network device for each link of the container");
        if (json_is_true(json_object_get(file, "directories")))
            puts("  directories: volumes that are some, by 9p");
        return;
    }
    if (json_array_size(devices) == 0)
        puts("  devices: none");
    json_array_foreach(devices, i, d)
    {
        printf("  device %s: %s\n", text_of(d, "name"), text_of(d, "type"));
    }
}

static void print_monitors(const json_t *file)
{
    size_t i;
    json_t *m;
    json_array_foreach(json_object_get(file, "monitors"), i, m)
    {
        if (!json_object_get(m, "kind"))
            continue;
        printf("  monitor %s: ", text_of(m, "name"));
        if (!json_is_true(json_object_get(m, "boots")))
            printf("no, %s\n", text_of(m, "reason"));
        else if (*text_of(m, "machine"))
            printf("boots it as %s, machine %s\n", text_of(m, "kind"), text_of(m, "machine"));
        else
            printf("boots it as %s\n", text_of(m, "kind"));
    }
}

static void print_evidence(const json_t *of, const char *indent)
{
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(of, "evidence"), i, e)
    {
        printf("%sat 0x%" PRIx64 ": %s\n", indent, (uint64_t)json_integer_value(json_object_get(e, "offset")),
               text_of(e, "what"));
    }
}

static void print_loader(const json_t *loader)
{
    if (!loader)
        return;
    printf("  loader: %s\n", text_of(loader, "path"));
    print_evidence(loader, "    ");
}

static void print_file(const json_t *file)
{
    bool recognised = json_is_true(json_object_get(file, "recognised"));
    bool boots = json_array_size(json_object_get(file, "kinds")) > 0;
    json_int_t memory = json_integer_value(json_object_get(file, "memory"));
    const char *family = text_of(file, "family");
    printf("%s: %s\n", text_of(file, "path"),
           boots        ? "bootable"
           : recognised ? "not bootable"
                        : "no unikernel");
    if (*family)
        printf("  family: %s\n", family);
    print_list("kinds", json_object_get(file, "kinds"));
    if (*text_of(file, "architecture"))
        printf("  architecture: %s\n", text_of(file, "architecture"));
    print_evidence(file, "  ");
    print_loader(json_object_get(file, "loader"));
    if (boots)
        print_devices(file);
    if (boots && memory)
        printf("  memory: %" PRIu64 " KiB at the least\n", ((uint64_t)memory + 1023) / 1024);
    if (*text_of(file, "obstacle"))
        printf("  in the way: %s\n", text_of(file, "obstacle"));
    print_monitors(file);
}

/* Whether an example stands in what the guest is told. */
static bool is_shown(const json_t *report, const char *example)
{
    bool shown = strstr(text_of(report, "commandLine"), example) != NULL;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(report, "init"), i, v)
    {
        shown = shown || strstr(json_string_value(v), example);
    }
    return shown;
}

/* The last lines: what would happen. */
static void print_outcome(const json_t *report)
{
    const json_t *choice = json_object_get(report, "choice");
    const char *runs = text_of(report, "runs"), *key;
    size_t i;
    json_t *v;
    if (strcmp(runs, "runc") == 0)
        puts(strcmp(text_of(report, "type"), "bundle") == 0 ? "an ordinary container: runc gets it"
                                                            : "nothing for runuk: runc gets it");
    if (choice)
        printf("boots: %s by %s, as %s\n", text_of(choice, "path"), text_of(choice, "monitor"),
               text_of(choice, "kind"));
    if (*text_of(report, "error"))
        printf("does not boot here: %s\n", text_of(report, "error"));
    print_list("warnings", json_object_get(report, "warnings"));
    if (!json_object_get(report, "commandLine"))
        return;
    printf("command line: %s\n", text_of(report, "commandLine"));
    if (json_object_get(report, "init"))
        puts("runuk-init is process 1 and is told:");
    json_array_foreach(json_object_get(report, "init"), i, v)
    {
        printf("  %s\n", json_string_value(v));
    }
    json_object_foreach(json_object_get(report, "examples"), key, v)
    {
        if (is_shown(report, key))
            printf("  where %s stands for %s\n", key, json_string_value(v));
    }
}

void ctr_look_print(const json_t *report)
{
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(report, "files"), i, file)
    {
        print_file(file);
    }
    json_int_t ordinary = json_integer_value(json_object_get(report, "ordinary"));
    if (ordinary)
        printf("%" JSON_INTEGER_FORMAT " other name%s: no unikernel\n", ordinary, ordinary == 1 ? "" : "s");
    print_outcome(report);
}

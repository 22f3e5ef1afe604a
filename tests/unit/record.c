/* The record of a container: written and read again it is the same, and what is malformed is refused. */
#include "lifecycle/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lifecycle/record_net.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tap.h"

/* A record with everything in it. */
static const char whole[] =
    "{\"version\":1,\"id\":\"web\",\"ociVersion\":\"1.0.2\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
    "\"created\":\"2024-01-02T03:04:05.000000006Z\",\"owner\":1000,\"annotations\":{\"k\":\"v\"},\"status\":"
    "\"running\","
    "\"pid\":123,\"pidStart\":456789,\"pidBoot\":\"0b6f7a52-95c2-4a4c-9e55-9a6d7a0c3f11\",\"image\":\"/"
    "app\",\"imagePlace\":\"/p\",\"loader\":\"/l\",\"monitor\":\"spt\",\"family\":\"mirage\","
    "\"keys\":[\"ipv4\"],\"args\":[\"a "
    "b\",\"\",\"\\u00e9\"],\"verbatim\":true,\"env\":[\"A=b\"],\"cwd\":\"/\",\"kind\":1,"
    "\"machine\":\"q35\",\"qemu\":\"/"
    "q\",\"kvm\":true,\"imageReadonly\":true,\"initrd\":true,\"ownInit\":true,"
    "\"terminal\":true,\"user\":[\"1\",\"2\",\"3\"],\"files\":[\"/etc/"
    "hosts\"],\"tmpfs\":[\"- /t\"],\"rootReadonly\":true,\"anyNet\":true,\"memory\":536870912,"
    "\"devices\":[{\"name\":\"service\",\"type\":2,\"readonly\":false,\"hostDevice\":false,\"fstype\":\"\"},"
    "{\"name\":\"storage\",\"type\":1,\"readonly\":true,\"hostDevice\":true,\"fstype\":\"ext4\","
    "\"destination\":\"/data\"}],\"shares\":[{\"destination\":\"/data\",\"readonly\":true}],\"uid\":65534,"
    "\"userns\":true,\"tapOwner\":165534,"
    "\"hostname\":\"h\",\"resolvConf\":\"/r\",\"netns\":\"/n\",\"usernsPath\":\"/"
    "u\",\"networkMode\":\"redirect\","
    "\"wires\":[{\"mode\":\"redirect\",\"tap\":\"tap0\",\"tapIndex\":7,\"link\":\"eth0\",\"linkIndex\":2,"
    "\"bridge\":\"\","
    "\"bridgeIndex\":0,\"mac\":\"02:42:ac:11:00:02\",\"mtu\":1500,\"relayed\":true,\"before\":{\"name\":"
    "\"eth0\",\"ifindex\":"
    "2,"
    "\"mac\":\"02:42:ac:11:00:02\",\"mtu\":1500,\"up\":true,"
    "\"addresses\":[{\"family\":2,\"address\":\"172.17.0.2\",\"prefix\":16,\"scope\":0}],"
    "\"routes\":[{\"family\":2,\"default\":true,\"dst\":\"0.0.0.0\",\"prefix\":0,\"gateway\":\"172.17.0.1\","
    "\"metric\":4294967295,\"protocol\":3,\"scope\":0,\"table\":4294967295}]}},"
    "{\"mode\":\"none\",\"tap\":\"tap1\",\"tapIndex\":8,\"link\":\"\",\"linkIndex\":0,\"bridge\":\"\","
    "\"bridgeIndex\":0,"
    "\"mac\":\"ff:ff:ff:ff:ff:ff\",\"mtu\":1500}],"
    "\"cgroupUnified\":true,\"cgroups\":[\"/sys/fs/cgroup/web\"],\"startHooks\":false,"
    "\"unit\":{\"name\":\"docker-web.scope\",\"description\":\"d\",\"program\":\"/p\",\"user\":true},"
    "\"poststart\":[{\"path\":\"/h\",\"args\":[\"h\"],\"env\":[\"A=b\"],\"timeout\":3}],"
    "\"poststop\":[{\"path\":\"/i\",\"args\":[]}]}";

static const char least[] = "{\"version\":1,\"id\":\"x\",\"ociVersion\":\"1\",\"bundle\":\"/"
                            "b\",\"rootfs\":\"/r\",\"created\":\"now\","
                            "\"status\":\"created\",\"image\":\"/"
                            "a\",\"monitor\":\"spt\",\"family\":\"solo5\",\"networkMode\":\"redirect\"}";

/* The whole record with `key` changed to `value` (JSON text; NULL: without it), and what the error must say.
 */
static const struct {
    const char *key, *value, *error;
} spoils[] = {
    {"version", "2", "version 2 is not one"},
    {"version", NULL, "version 0 is not one"},
    {"version", "\"1\"", "version: expected an integer"},
    {"id", NULL, "id: missing"},
    {"bundle", "1", "bundle: expected a string"},
    {"rootfs", "null", "rootfs: missing"},
    {"image", NULL, "image: missing"},
    {"monitor", NULL, "monitor: missing"},
    {"family", NULL, "family: missing"},
    {"networkMode", NULL, "networkMode: missing"},
    {"hostname", "[]", "hostname: expected a string"},
    {"status", "\"frozen\"", "status: unknown value \"frozen\""},
    {"status", NULL, "status: unknown value"},
    {"pid", "1.5", "pid: expected an integer"},
    {"pidBoot", "1", "pidBoot: expected a string"},
    {"pidBoot", "\"0b6f7a52\"", "pidBoot: \"0b6f7a52\" is no boot id"},
    {"keys", "{}", "keys: expected an array"},
    {"args", "[1]", "args: expected an array of strings"},
    {"devices", "1", "devices: expected an array"},
    {"shares", "1", "shares: expected an array"},
    {"shares", "[{\"readonly\":true}]", "shares[].destination: missing"},
    {"shares", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", "shares: more than 16"},
    {"devices", "[{\"name\":1}]", "devices[].name: expected a string"},
    {"wires", "{}", "wires: expected an array"},
    {"wires", "[{}]", "wires: malformed"},
    {"wires", "[7]", "wires: malformed"},
    {"cgroupUnified", "1", "cgroupUnified: expected true or false"},
    {"unit", "1", "unit: expected an object"},
    {"unit", "{}", "unit: name, description or program is missing"},
    {"unit", "{\"name\":\"n\",\"description\":\"d\"}", "unit: name, description or program is missing"},
    {"unit", "{\"name\":1}", "unit.name: expected a string"},
    {"cgroups", "[null]", "cgroups: expected an array of strings"},
    {"poststop", "[{\"path\":\"i\"}]", "expected an absolute path"},
    {"annotations", "[]", "annotations: expected an object"},
};

static json_t *parse(const char *text)
{
    json_error_t where;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &where);
    if (!json) {
        fprintf(stderr, "%s: %s\n", text, where.text);
        abort();
    }
    return json;
}

static void test_round_trip(void)
{
    struct ctr_record *r = NULL;
    struct rk_err err = {0};
    rk_autojson json_t *json = parse(whole);
    if (!tap_ok(ctr_record_from_json(&r, json, &err) == 0, "a whole record is read")) {
        printf("# %s\n", err.text);
        return;
    }
    rk_autojson json_t *again = ctr_record_to_json(r);
    if (!tap_ok(json_equal(json, again), "and written as it was")) {
        rk_autofree char *text = again ? json_dumps(again, JSON_COMPACT) : NULL;
        printf("# %s\n# %s\n", whole, text ? text : "NULL");
    }
    const struct net_wire *w = &r->wires[0].wire;
    tap_ok(r->wire_count == 2 && w->fd == -1 && w->mac[1] == 0x42 &&
               r->wires[0].link.routes[0].table == UINT32_MAX && r->wires[0].link.addr_count == 1 &&
               r->wires[1].link.addr_count == 0,
           "wires, without descriptors");
    tap_ok(r->args.n == 3 && strcmp(r->args.v[2], "\xc3\xa9") == 0 && r->process.pid == 123 &&
               r->process.start == 456789 &&
               strcmp(r->process.boot, "0b6f7a52-95c2-4a4c-9e55-9a6d7a0c3f11") == 0 &&
               r->memory == 536870912 && r->device_count == 2 && r->devices[1].type == RK_SOLO5_BLOCK &&
               r->poststart.v[0].timeout_s == 3 && !r->poststop.v[0].env_given,
           "arguments, process, memory, devices, hooks");
    ctr_record_free(r);
    LLVMFuzzerTestOneInput((const uint8_t *)whole, strlen(whole));
    LLVMFuzzerTestOneInput((const uint8_t *)least, strlen(least));
}

static void test_spoilt(void)
{
    for (size_t i = 0; i < RK_COUNT(spoils); i++) {
        struct ctr_record *r = NULL;
        struct rk_err err = {0};
        rk_autojson json_t *json = parse(whole);
        if (spoils[i].value)
            json_object_set_new(json, spoils[i].key, parse(spoils[i].value));
        else
            json_object_del(json, spoils[i].key);
        int code = ctr_record_from_json(&r, json, &err);
        if (!tap_ok(code == -EINVAL && !r && strstr(err.text, spoils[i].error), "%s: %s", spoils[i].key,
                    spoils[i].error))
            printf("# got %d \"%s\"\n", code, err.text);
        ctr_record_free(r);
        rk_autofree char *text = json_dumps(json, JSON_COMPACT);
        LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
    }
}

/* Each member of a wire, and of the link behind it, is needed. */
static void test_wires(void)
{
    const char *key;
    json_t *value;
    void *next;
    unsigned accepted = 0, count = 0;
    for (int before = 0; before <= 1; before++) {
        rk_autojson json_t *model = parse(whole);
        json_t *members = json_array_get(json_object_get(model, "wires"), 0);
        if (before)
            members = json_object_get(members, "before");
        json_object_foreach_safe(members, next, key, value)
        {
            struct ctr_record *r = NULL;
            struct rk_err err = {0};
            rk_autojson json_t *json = json_deep_copy(model);
            json_t *wire = json_array_get(json_object_get(json, "wires"), 0);
            if (!before && (strcmp(key, "before") == 0 || strcmp(key, "relayed") == 0))
                continue; /* a wire to nothing has none, and most are without a relay */
            json_object_del(before ? json_object_get(wire, "before") : wire, key);
            count++;
            if (ctr_record_from_json(&r, json, &err) != -EINVAL || !strstr(err.text, "malformed")) {
                printf("# accepted without %s\n", key);
                accepted++;
            }
            ctr_record_free(r);
        }
    }
    tap_ok(count == 16 && accepted == 0, "no member of a wire may be missing");
}

static void test_state(void)
{
    struct ctr_record *r = NULL;
    struct rk_err err = {0};
    rk_autojson json_t *json = parse(least);
    if (!tap_ok(ctr_record_from_json(&r, json, &err) == 0, "a record with the least is read"))
        return;
    rk_autojson json_t *written = ctr_record_to_json(r);
    tap_ok(written, "and written");
    rk_autofree char *text = NULL;
    tap_ok(ctr_record_state(&text, r, CTR_STOPPED, false, &err) == 0, "it has a state");
    rk_autojson json_t *state = text ? parse(text) : NULL;
    rk_autojson json_t *want =
        parse("{\"ociVersion\":\"1\",\"id\":\"x\",\"status\":\"stopped\",\"pid\":0,\"bundle\":\"/b\"}");
    tap_ok(json_equal(state, want), "its state has the specification's members");
    tap_ok(ctr_record_status(r) == CTR_STOPPED, "without a process it is stopped, whatever was written");
    tap_ok(rk_process_get(&r->process, getpid()) == 0 && ctr_record_status(r) == CTR_CREATED,
           "with a living process the written status holds");
    r->process.start++;
    tap_ok(ctr_record_status(r) == CTR_STOPPED, "a recycled pid is no living process");
    free(r->bundle);
    r->bundle = strdup("/\xff");
    tap_ok(!ctr_record_to_json(r), "a path that JSON cannot carry is not dropped silently");
    ctr_record_free(r);
    ctr_record_free(NULL);
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < RK_COUNT(spoils) + 2; i++) {
        char path[4096];
        rk_autojson json_t *json = parse(i == RK_COUNT(spoils) ? least : whole);
        if (i < RK_COUNT(spoils) && spoils[i].value)
            json_object_set_new(json, spoils[i].key, parse(spoils[i].value));
        snprintf(path, sizeof path, "%s/case-%zu", dir, i);
        if (json_dump_file(json, path, JSON_COMPACT) < 0) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    test_round_trip();
    test_spoilt();
    test_wires();
    test_state();
    return tap_end();
}

/* runuk-scope: a container's systemd unit started, changed and stopped over D-Bus, for runuk, which is static
 * and so cannot have libsystemd itself.
 *
 *   runuk-scope [--user] control-group                the cgroup of the service manager itself
 *   runuk-scope [--user] start UNIT PROPERTY…         the cgroup of the new transient unit
 *   runuk-scope [--user] set UNIT PROPERTY…           for this boot
 *   runuk-scope [--user] stop UNIT DESCRIPTION        unless it bears another description; gone is no error
 *
 * PROPERTY: see unit.h. --user: the caller's own service manager, not the host's. The answer is one line on
 * standard output; an error one line on standard error, with status 1.
 *
 * Source of the interface: org.freedesktop.systemd1(5). */
#include "sandbox/systemd/scope.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT      "/org/freedesktop/systemd1"
#define MANAGER     DESTINATION ".Manager"
#define PATIENCE_US (30 * 1000000ULL) /* for a job's end; runc has the same */

/* A job that is waited for. */
struct job {
    char *path, *result; /* `result` is set when it is over */
};

/* The words that are left on the command line. */
struct words {
    char **v;
    int n;
};

static const char *next(struct words *words)
{
    if (words->n == 0)
        return NULL;
    words->n--;
    return *words->v++;
}

/* The text of a failed call: what systemd said, else what errno says. */
static int bus_fail(struct rk_err *err, int r, const sd_bus_error *error, const char *what, const char *unit)
{
    return rk_fail(err, r, "%s%s%s%s: %s", what, unit ? " '" : "", unit ? unit : "", unit ? "'" : "",
                   error && error->message ? error->message : strerror(-r));
}

/* --- the bus -----------------------------------------------------------------------------------------------
 */

/* systemd's own socket, where no D-Bus daemon is, as systemctl has it. */
static int open_private(sd_bus **ret_bus, bool user)
{
    char address[PATH_MAX + 32];
    const char *run = getenv("XDG_RUNTIME_DIR");
    sd_bus *bus = NULL;
    if (user && !run)
        return -ENOENT;
    snprintf(address, sizeof address, "unix:path=%s/systemd/private", user ? run : "/run");
    int r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret_bus = bus;
    return 0;
}

static int open_bus(sd_bus **ret_bus, bool user, struct rk_err *err)
{
    int r = user ? sd_bus_open_user(ret_bus) : sd_bus_open_system(ret_bus);
    if (r < 0 && open_private(ret_bus, user) >= 0)
        return 0;
    if (r < 0 && user)
        return rk_fail(err, r,
                       "connect to the user's service manager: %s: is there a session with XDG_RUNTIME_DIR "
                       "and a D-Bus daemon (package dbus-user-session)?",
                       strerror(-r));
    if (r < 0)
        return rk_fail(err, r, "connect to systemd: %s: is it this host's init, and does it run?",
                       strerror(-r));
    return 0;
}

/* The version number of the manager; 0 when it does not say. */
static int manager_version(sd_bus *bus)
{
    rk_autofree char *text = NULL;
    if (sd_bus_get_property_string(bus, DESTINATION, OBJECT, MANAGER, "Version", NULL, &text) < 0)
        return 0;
    return atoi(text + strcspn(text, "0123456789"));
}

/* --- properties --------------------------------------------------------------------------------------------
 */

/* Properties that only newer versions have; without them the cgroup's own file has the limit all the same. */
static bool too_new(sd_bus *bus, const char *property)
{
    static const struct {
        const char *name;
        int since;
    } news[] = {{"CPUQuotaPeriodUSec", 242}, {"AllowedCPUs", 244}, {"AllowedMemoryNodes", 244}};
    for (size_t i = 0; i < RK_COUNT(news); i++)
        if (strcmp(news[i].name, property) == 0)
            return manager_version(bus) < news[i].since;
    return false;
}

/* One value of the basic type `type`, from the next word. */
static int append_basic(sd_bus_message *m, char type, struct words *words)
{
    const char *word = next(words);
    if (!word)
        return -EINVAL;
    switch (type) {
    case 's':
        return sd_bus_message_append(m, "s", word);
    case 'b':
        return sd_bus_message_append(m, "b", strcmp(word, "true") == 0);
    case 't':
        return sd_bus_message_append(m, "t", (uint64_t)strtoull(word, NULL, 10));
    case 'u':
        return sd_bus_message_append(m, "u", (uint32_t)strtoul(word, NULL, 10));
    case 'i':
        return sd_bus_message_append(m, "i", (int32_t)strtol(word, NULL, 10));
    case 'y':
        return sd_bus_message_append(m, "y", (uint8_t)strtoul(word, NULL, 10));
    default:
        return -EINVAL;
    }
}

static int append_array(sd_bus_message *m, const char *element, struct words *words)
{
    const char *word = next(words);
    bool pair = strcmp(element, "(ss)") == 0;
    if (!word)
        return -EINVAL;
    int r = sd_bus_message_open_container(m, 'a', element);
    for (long i = strtol(word, NULL, 10); i > 0 && r >= 0; i--) {
        if (pair)
            r = sd_bus_message_open_container(m, 'r', "ss");
        if (r >= 0)
            r = append_basic(m, pair ? 's' : *element, words);
        if (r >= 0 && pair)
            r = append_basic(m, 's', words);
        if (r >= 0 && pair)
            r = sd_bus_message_close_container(m);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Pass over a property's words. */
static int skip_value(const char *signature, struct words *words)
{
    int count = 1;
    if (signature[0] == 'a') {
        const char *word = next(words);
        if (!word)
            return -EINVAL;
        count = atoi(word) * (signature[1] == '(' ? 2 : 1);
    }
    if (count > words->n)
        return -EINVAL;
    words->v += count;
    words->n -= count;
    return 0;
}

static int append_property(sd_bus_message *m, const char *name, const char *signature, struct words *words)
{
    int r = sd_bus_message_open_container(m, 'r', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", name);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', signature);
    if (r >= 0)
        r = signature[0] == 'a' ? append_array(m, signature + 1, words)
                                : append_basic(m, signature[0], words);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

/* All the words that are left, as the array a(sv). */
static int append_properties(sd_bus *bus, sd_bus_message *m, struct words words, struct rk_err *err)
{
    int r = sd_bus_message_open_container(m, 'a', "(sv)");
    for (const char *name; r >= 0 && (name = next(&words));) {
        const char *signature = next(&words);
        if (!signature)
            r = -EINVAL;
        else if (too_new(bus, name))
            r = skip_value(signature, &words);
        else
            r = append_property(m, name, signature, &words);
        if (r < 0)
            return bus_fail(err, r, NULL, "read property", name);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? bus_fail(err, r, NULL, "write a message to systemd", NULL) : 0;
}

/* --- jobs --------------------------------------------------------------------------------------------------
 */

/* JobRemoved: id, job, unit, result. Those of other jobs come too. */
static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
    struct job *job = data;
    const char *path, *result;
    (void)error;
    if (sd_bus_message_read(m, "uoss", NULL, &path, NULL, &result) >= 0 && job->path && !job->result &&
        strcmp(path, job->path) == 0)
        job->result = strdup(result);
    return 0;
}

/* Before the call that makes the job, so that its end cannot be missed. */
static int watch_jobs(sd_bus *bus, struct job *job, struct rk_err *err)
{
    /* A direct connection has no senders. */
    const char *sender = sd_bus_is_bus_client(bus) > 0 ? DESTINATION : NULL;
    int r = sd_bus_match_signal(bus, NULL, sender, OBJECT, MANAGER, "JobRemoved", on_job_removed, job);
    return r < 0 ? bus_fail(err, r, NULL, "watch systemd's jobs", NULL) : 0;
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* `reply` names the job; wait until it is over. */
static int await_job(sd_bus *bus, struct job *job, sd_bus_message *reply, const char *unit,
                     struct rk_err *err)
{
    uint64_t deadline = now_us() + PATIENCE_US;
    const char *path;
    int r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return bus_fail(err, r, NULL, "read systemd's answer about", unit);
    free(job->path);
    free(job->result);
    job->result = NULL;
    if (!(job->path = strdup(path)))
        return rk_fail(err, -ENOMEM, "out of memory");
    while (!job->result) {
        uint64_t now = now_us();
        if (now >= deadline)
            return rk_fail(err, -ETIMEDOUT, "systemd has not finished with unit '%s' after %d s", unit,
                           (int)(PATIENCE_US / 1000000));
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, deadline - now);
        if (r < 0 && r != -EINTR)
            return bus_fail(err, r, NULL, "wait for systemd and unit", unit);
    }
    return 0;
}

static void reset_failed(sd_bus *bus, const char *unit)
{
    sd_bus_call_method(bus, DESTINATION, OBJECT, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

/* --- what it is called for ---------------------------------------------------------------------------------
 */

static int print_property(sd_bus *bus, const char *path, const char *interface, const char *unit,
                          const char *property, struct rk_err *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    rk_autofree char *text = NULL;
    int r = sd_bus_get_property_string(bus, DESTINATION, path, interface, property, &error, &text);
    if (r < 0)
        bus_fail(err, r, &error, "read the cgroup of", unit);
    else
        puts(text);
    sd_bus_error_free(&error);
    return r < 0 ? r : 0;
}

static int print_unit_cgroup(sd_bus *bus, const char *unit, struct rk_err *err)
{
    rk_autofree char *path = NULL;
    size_t len = strlen(unit);
    bool slice = len > 6 && strcmp(unit + len - 6, ".slice") == 0;
    int r = sd_bus_path_encode(OBJECT "/unit", unit, &path);
    if (r < 0)
        return bus_fail(err, r, NULL, "name unit", unit);
    return print_property(bus, path, slice ? DESTINATION ".Slice" : DESTINATION ".Scope", unit,
                          "ControlGroup", err);
}

/* A name that is taken may be a failed unit that nobody has reset: that is done, and the call tried again. */
static int call_start(sd_bus *bus, sd_bus_message **ret_reply, const char *unit, struct words words,
                      struct rk_err *err)
{
    for (int round = 0;; round++) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, DESTINATION, OBJECT, MANAGER, "StartTransientUnit");
        if (r >= 0)
            r = sd_bus_message_append(m, "ss", unit, "replace");
        r = r < 0 ? bus_fail(err, r, NULL, "write a message to systemd", NULL)
                  : append_properties(bus, m, words, err);
        if (r >= 0)
            r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0) {
            r = sd_bus_call(bus, m, PATIENCE_US, &error, ret_reply);
            if (r < 0)
                bus_fail(err, r, &error, "start unit", unit);
        }
        bool exists = r < 0 && sd_bus_error_has_name(&error, DESTINATION ".UnitExists");
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        if (!exists || round > 0)
            return r < 0 ? r : 0;
        reset_failed(bus, unit);
    }
}

static int do_start(sd_bus *bus, struct words words, struct rk_err *err)
{
    struct job job = {.path = NULL};
    sd_bus_message *reply = NULL;
    const char *unit = next(&words);
    int r = watch_jobs(bus, &job, err);
    if (r == 0)
        r = call_start(bus, &reply, unit, words, err);
    if (r == 0)
        r = await_job(bus, &job, reply, unit, err);
    if (r == 0 && strcmp(job.result, "done") != 0)
        r = rk_fail(err, -ECANCELED, "start unit '%s': systemd's job ended as '%s', see its journal", unit,
                    job.result);
    if (r < 0 && reply)
        reset_failed(bus, unit);
    sd_bus_message_unref(reply);
    free(job.path);
    free(job.result);
    return r < 0 ? r : print_unit_cgroup(bus, unit, err);
}

static int do_set(sd_bus *bus, struct words words, struct rk_err *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *m = NULL;
    const char *unit = next(&words);
    int r = sd_bus_message_new_method_call(bus, &m, DESTINATION, OBJECT, MANAGER, "SetUnitProperties");
    if (r >= 0)
        r = sd_bus_message_append(m, "sb", unit, true);
    r = r < 0 ? bus_fail(err, r, NULL, "write a message to systemd", NULL)
              : append_properties(bus, m, words, err);
    if (r >= 0) {
        r = sd_bus_call(bus, m, PATIENCE_US, &error, NULL);
        if (r < 0)
            bus_fail(err, r, &error, "change unit", unit);
    }
    sd_bus_error_free(&error);
    sd_bus_message_unref(m);
    return r < 0 ? r : 0;
}

/* A unit that others only mention, or that is just going, is there and yet is none. */
static bool is_inactive(sd_bus *bus, const char *path)
{
    rk_autofree char *state = NULL;
    return sd_bus_get_property_string(bus, DESTINATION, path, DESTINATION ".Unit", "ActiveState", NULL,
                                      &state) >= 0 &&
           strcmp(state, "inactive") == 0;
}

/* Whether the unit is there and bears that description: 1, 0 when it is not there, -EXDEV when it is another.
 */
static int find_own(sd_bus *bus, const char *unit, const char *description, struct rk_err *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    rk_autofree char *text = NULL;
    const char *path = NULL;
    int r = sd_bus_call_method(bus, DESTINATION, OBJECT, MANAGER, "GetUnit", &error, &reply, "s", unit);
    bool gone = r < 0 && sd_bus_error_has_name(&error, DESTINATION ".NoSuchUnit");
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &path);
    if (r >= 0)
        r = sd_bus_get_property_string(bus, DESTINATION, path, DESTINATION ".Unit", "Description", &error,
                                       &text);
    if (r < 0 && !gone)
        bus_fail(err, r, &error, "look at unit", unit);
    bool own = r >= 0 && strcmp(text, description) == 0;
    if (r >= 0 && !own && is_inactive(bus, path))
        gone = true;
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    if (gone || r < 0)
        return gone ? 0 : r;
    return own ? 1 : rk_fail(err, -EXDEV, "unit '%s' is another one: '%s'", unit, text);
}

static int do_stop(sd_bus *bus, struct words words, struct rk_err *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct job job = {.path = NULL};
    sd_bus_message *reply = NULL;
    const char *unit = next(&words), *description = next(&words);
    int r = find_own(bus, unit, description, err);
    if (r <= 0)
        return r;
    r = watch_jobs(bus, &job, err);
    if (r == 0) {
        r = sd_bus_call_method(bus, DESTINATION, OBJECT, MANAGER, "StopUnit", &error, &reply, "ss", unit,
                               "replace");
        bool gone = r < 0 && sd_bus_error_has_name(&error, DESTINATION ".NoSuchUnit");
        if (r < 0 && !gone)
            bus_fail(err, r, &error, "stop unit", unit);
        r = gone ? 0 : r;
    }
    if (r >= 0 && reply)
        r = await_job(bus, &job, reply, unit, err);
    reset_failed(bus, unit);
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    free(job.path);
    free(job.result);
    return r < 0 ? r : 0;
}

static int do_control_group(sd_bus *bus, struct words words, struct rk_err *err)
{
    (void)words;
    return print_property(bus, OBJECT, MANAGER, "systemd itself", "ControlGroup", err);
}

static const struct verb {
    const char *name;
    int words; /* that it needs at the least */
    int (*run)(sd_bus *bus, struct words words, struct rk_err *err);
} verbs[] = {
    {"control-group", 0, do_control_group},
    {"start", 1, do_start},
    {"set", 1, do_set},
    {"stop", 2, do_stop},
};

int main(int argc, char **argv)
{
    static struct rk_err err;
    struct words words = {.v = argv + 1, .n = argc - 1};
    const struct verb *verb = NULL;
    sd_bus *bus = NULL;
    const char *name = next(&words);
    bool user = name && strcmp(name, "--user") == 0;
    if (user)
        name = next(&words);
    for (size_t i = 0; i < RK_COUNT(verbs) && name; i++)
        if (strcmp(verbs[i].name, name) == 0 && words.n >= verbs[i].words)
            verb = &verbs[i];
    if (!verb) {
        fputs("runuk-scope: usage: runuk-scope [--user] control-group | start UNIT PROPERTY… | "
              "set UNIT PROPERTY… | stop UNIT DESCRIPTION\n",
              stderr);
        return 1;
    }
    int status = 0;
    if (open_bus(&bus, user, &err) < 0)
        status = SCOPE_NO_BUS;
    else if (verb->run(bus, words, &err) < 0)
        status = err.code == -EXDEV ? SCOPE_FOREIGN : 1;
    sd_bus_flush_close_unref(bus);
    if (status > 0)
        fprintf(stderr, "%s\n", err.text);
    return status;
}

/* The administrator's settings. */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"
#include "lib/json.h"

#define SETTINGS_MAX (1 << 20) /* bytes */

static const char *const known_keys[] = {
    "runc", "monitor_dir", "network_mode", "memory_mib", "memory_headroom_kib", "uid", "gid",
};

static int check_keys(json_t *json, struct rk_err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        size_t i = 0;
        while (i < RK_COUNT(known_keys) && strcmp(known_keys[i], key) != 0)
            i++;
        if (i == RK_COUNT(known_keys))
            return rk_fail(err, -EINVAL, "unknown key \"%s\"", key);
    }
    return 0;
}

static int read_keys(struct cfg_settings *s, json_t *json, struct rk_err *err)
{
    int r;
    if ((r = rk_json_strdup(json, "", "runc", &s->runc, err)) < 0 ||
        (r = rk_json_strdup(json, "", "monitor_dir", &s->monitor_dir, err)) < 0 ||
        (r = rk_json_strdup(json, "", "network_mode", &s->network_mode, err)) < 0 ||
        (r = rk_json_int(json, "", "memory_mib", &s->memory_mib, err)) < 0 ||
        (r = rk_json_int(json, "", "memory_headroom_kib", &s->memory_headroom_kib, err)) < 0 ||
        (r = rk_json_int(json, "", "uid", &s->uid, err)) < 0 ||
        (r = rk_json_int(json, "", "gid", &s->gid, err)) < 0)
        return r;
    if (s->memory_mib < 1 || s->memory_mib > 1 << 20)
        return rk_fail(err, -EINVAL, "memory_mib: expected 1 to %d", 1 << 20);
    if (s->memory_headroom_kib < -1)
        return rk_fail(err, -EINVAL, "memory_headroom_kib: expected -1 or more");
    if (s->uid < 1 || s->uid >= UINT32_MAX || s->gid < 1 || s->gid >= UINT32_MAX)
        return rk_fail(err, -EINVAL, "uid, gid: expected those of an unprivileged user, not root's");
    if ((s->runc && s->runc[0] != '/') || (s->monitor_dir && s->monitor_dir[0] != '/'))
        return rk_fail(err, -EINVAL, "runc, monitor_dir: expected an absolute path");
    return 0;
}

static int load_file(struct cfg_settings *s, const char *path, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    size_t len;
    int r = rk_read_file_at(AT_FDCWD, path, SETTINGS_MAX, &text, &len);
    if (r < 0) {
        errno = -r;
        return rk_fail_errno(err, "read");
    }
    json_error_t where;
    rk_autojson json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return rk_fail(err, -EINVAL, "line %d: %s", where.line, where.text);
    if (!json_is_object(json))
        return rk_fail(err, -EINVAL, "expected an object");
    r = check_keys(json, err);
    return r < 0 ? r : read_keys(s, json, err);
}

static int default_string(char **value, const char *fallback)
{
    if (!*value)
        *value = strdup(fallback);
    return *value ? 0 : -ENOMEM;
}

int cfg_settings_load(struct cfg_settings *ret_settings, const char *path, struct rk_err *err)
{
    struct cfg_settings s = {.memory_mib = 512, .memory_headroom_kib = -1, .uid = 65534, .gid = 65534};
    const char *file = path ? path : RUNUK_SYSCONFDIR "/runuk.json";
    int r = load_file(&s, file, err);
    if (r == -ENOENT && !path)
        r = 0;
    if (r < 0) {
        cfg_settings_fini(&s);
        return rk_wrap(err, "settings file '%s'", file);
    }
    if (default_string(&s.monitor_dir, RUNUK_LIBEXECDIR) < 0 ||
        default_string(&s.network_mode, "redirect") < 0) {
        cfg_settings_fini(&s);
        return rk_fail(err, -ENOMEM, "out of memory");
    }
    *ret_settings = s;
    return 0;
}

void cfg_settings_fini(struct cfg_settings *settings)
{
    free(settings->runc);
    free(settings->monitor_dir);
    free(settings->network_mode);
    *settings = (struct cfg_settings){0};
}

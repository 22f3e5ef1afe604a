/* Which files QEMU needs: the dynamic loader knows its libraries. */
#include "hypervisor/qemu_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/monitor.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/fd.h"

#define CACHE_FILE ".runuk-qemu" /* a file: listings of containers look at directories */
#define LOADER     "/lib64/ld-linux-x86-64.so.2"
#define ANSWER_MAX 65536 /* bytes */

/* Where distributions keep what is booted before a guest. */
static const char *const firmware_dirs[] = {"/usr/share/qemu", "/usr/share/seabios", "/usr/local/share/qemu"};

static const struct {
    const char *name;
    bool needed;
} firmware[] = {
    {"bios-256k.bin", true},      /* the BIOS of pc and q35 */
    {"qboot.rom", true},          /* microvm, by -bios */
    {"kvmvapic.bin", false},      /* pc with KVM */
    {"linuxboot_dma.bin", false}, /* what enters a kernel behind a BIOS */
    {"linuxboot.bin", false},     {"multiboot_dma.bin", false}, {"multiboot.bin", false}, {"pvh.bin", false},
};

/* Where QEMU's loadable parts are, for a build that has them. */
static const char *const modules[] = {
    "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so",
    "/usr/lib64/qemu/accel-tcg-x86_64.so",
    "/usr/lib/qemu/accel-tcg-x86_64.so",
};

static int add_file(struct rk_argv *files, const char *host, const char *inside)
{
    for (size_t i = 0; i + 1 < files->n; i += 2)
        if (strcmp(files->v[i + 1], inside) == 0)
            return 0;
    int r = rk_argv_add(files, host);
    return r < 0 ? r : rk_argv_add(files, inside);
}

/* What the loader prints of `path`: lines "NAME => PATH (ADDRESS)" and "PATH (ADDRESS)". Heap text. */
static int ask_loader(char **ret_text, const char *path, struct rk_err *err)
{
    int out[2], status = 0;
    char arg0[] = LOADER, arg1[] = "--list";
    char *argv[] = {arg0, arg1, NULL, NULL}, *envp[] = {NULL};
    rk_autofree char *file = strdup(path);
    argv[2] = file;
    if (!file || pipe2(out, O_CLOEXEC) < 0)
        return rk_fail_errno(err, "ask for the libraries of '%s'", path);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        execve(LOADER, argv, envp);
        _exit(127);
    }
    close(out[1]);
    int r = pid < 0 ? -errno : rk_read_fd(out[0], ANSWER_MAX, ret_text, NULL);
    close(out[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 || status != 0) {
        free(r < 0 ? NULL : *ret_text);
        return rk_fail(err, r < 0 ? r : -ENOEXEC, "'%s' tells no libraries of '%s', status %d", LOADER, path,
                       status);
    }
    return 0;
}

static int add_libraries(struct rk_argv *files, const char *path, struct rk_err *err)
{
    rk_autofree char *text = NULL;
    int r = ask_loader(&text, path, err);
    if (r < 0)
        return r;
    for (char *line = text, *save = NULL; (line = strtok_r(line, "\n", &save)); line = NULL) {
        char *name = strchr(line, '/'), *end = name ? strstr(name, " (0x") : NULL;
        char *target = strstr(line, "=> /");
        if (!end) /* the kernel's own */
            continue;
        if (target)
            name = target + 3;
        *end = '\0';
        if (add_file(files, name, name) < 0)
            return rk_fail(err, -ENOMEM, "out of memory");
    }
    return add_file(files, LOADER, LOADER) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

/* What the kept answer holds for. */
static int cache_key(char *out, size_t size, const char *qemu)
{
    struct stat st;
    if (stat(qemu, &st) < 0)
        return -errno;
    snprintf(out, size, "%s %lx %lx %lld.%09ld %lld", qemu, (unsigned long)st.st_dev,
             (unsigned long)st.st_ino, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
             (long long)st.st_size);
    return 0;
}

/* Add the kept answer: a line with the key, then a path a line. Negative when there is none that holds. */
static int cache_load(struct rk_argv *files, const struct hv_host *host, const char *key)
{
    rk_autofree char *text = NULL;
    int r = host->state_root < 0 ? -ENOENT
                                 : rk_read_file_at(host->state_root, CACHE_FILE, ANSWER_MAX, &text, NULL);
    if (r < 0)
        return r;
    char *save = NULL, *line = strtok_r(text, "\n", &save);
    if (!line || strcmp(line, key) != 0)
        return -ESTALE;
    while ((line = strtok_r(NULL, "\n", &save)))
        if (access(line, R_OK) < 0 || add_file(files, line, line) < 0)
            return -ESTALE;
    return 0;
}

static void cache_save(const struct rk_argv *files, const struct hv_host *host, const char *key)
{
    rk_autofree char *text = NULL;
    size_t size = 0;
    FILE *out = host->state_root < 0 ? NULL : open_memstream(&text, &size);
    if (!out)
        return;
    fprintf(out, "%s\n", key);
    for (size_t i = 0; i < files->n; i += 2)
        fprintf(out, "%s\n", files->v[i]);
    /* Not being able to remember only means asking again. */
    if (fclose(out) == 0)
        rk_write_file_atomic(host->state_root, CACHE_FILE, text, size, 0600);
}

/* The binary, its module and their libraries. */
static int add_program(struct rk_argv *files, const struct hv_host *host, struct rk_err *err)
{
    char key[PATH_MAX + 128];
    if (cache_key(key, sizeof key, host->qemu) < 0)
        return rk_fail_errno(err, "QEMU '%s'", host->qemu);
    if (cache_load(files, host, key) == 0)
        return 0;
    rk_argv_fini(files);
    int r = add_file(files, host->qemu, host->qemu) < 0 ? rk_fail(err, -ENOMEM, "out of memory")
                                                        : add_libraries(files, host->qemu, err);
    for (size_t i = 0; i < RK_COUNT(modules) && r == 0; i++) {
        if (access(modules[i], R_OK) < 0)
            continue;
        r = add_file(files, modules[i], modules[i]) < 0 ? rk_fail(err, -ENOMEM, "out of memory")
                                                        : add_libraries(files, modules[i], err);
    }
    if (r == 0)
        cache_save(files, host, key);
    return r;
}

static int add_firmware(struct rk_argv *files, const char *name, bool needed, struct rk_err *err)
{
    char path[PATH_MAX], inside[128];
    snprintf(inside, sizeof inside, HV_FIRMWARE_PATH "/%s", name);
    for (size_t i = 0; i < RK_COUNT(firmware_dirs); i++) {
        snprintf(path, sizeof path, "%s/%s", firmware_dirs[i], name);
        if (access(path, R_OK) == 0)
            return add_file(files, path, inside) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
    }
    return needed ? rk_fail(err, -ENOTSUP,
                            "QEMU's firmware '%s' is not installed (seabios, qemu-system-data)", name)
                  : 0;
}

static int add_loader(struct rk_argv *files, const struct hv_host *host, struct rk_err *err)
{
    rk_autofree char *path = NULL;
    if (asprintf(&path, "%s/runuk-loader.elf", host->monitor_dir) < 0)
        return rk_fail(err, -ENOMEM, "out of memory");
    if (access(path, R_OK) < 0)
        return rk_fail(err, -ENOTSUP,
                       "there is no '%s': install runuk, or set \"monitor_dir\" in its settings", path);
    return add_file(files, path, HV_LOADER_PATH) < 0 ? rk_fail(err, -ENOMEM, "out of memory") : 0;
}

int hv_qemu_files(const struct hv_host *host, enum bnd_kind kind, struct rk_argv *ret_files,
                  struct rk_err *err)
{
    int r = add_program(ret_files, host, err);
    if (r == 0 && kind == BND_LINUX64)
        r = add_loader(ret_files, host, err);
    for (size_t i = 0; i < RK_COUNT(firmware) && r == 0; i++)
        r = add_firmware(ret_files, firmware[i].name, firmware[i].needed, err);
    return r;
}

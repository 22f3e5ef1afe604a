/* Device rules of the cgroup: v1's two files, and for v2 the BPF program that says the same. */
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundle/spec.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "sandbox/cgroup_impl.h"

#define MAX_RULES 256

int cg_effective_rules(struct cg_rules *ret, const struct bnd_device_rule *rules, size_t count,
                       struct rk_err *err)
{
    *ret = (struct cg_rules){.v = rules, .n = count};
    for (size_t i = 0; i < count; i++) {
        if (rules[i].type == 'a')
            *ret = (struct cg_rules){.v = rules + i + 1, .n = count - i - 1, .allow = rules[i].allow};
        else if (rules[i].type != 'b' && rules[i].type != 'c')
            return rk_fail(err, -EINVAL, "limit devices: type '%c' of rule %zu is none of a, b, c",
                           rules[i].type, i);
    }
    if (ret->n > MAX_RULES)
        return rk_fail(err, -E2BIG, "limit devices: %zu rules, more than %d", ret->n, MAX_RULES);
    return 0;
}

/* --- v1 ----------------------------------------------------------------------------------------------------
 */

static void number_text(char *text, size_t size, int64_t number)
{
    if (number < 0)
        snprintf(text, size, "*");
    else
        snprintf(text, size, "%" PRId64, number);
}

static int v1_write(int dir, const char *path, const struct bnd_device_rule *rule, struct rk_err *err)
{
    char major[24], minor[24], text[80];
    number_text(major, sizeof major, rule->major);
    number_text(minor, sizeof minor, rule->minor);
    snprintf(text, sizeof text, "%c %s:%s %s%s%s", rule->type, major, minor, rule->read ? "r" : "",
             rule->write ? "w" : "", rule->mknod ? "m" : "");
    return cg_write(dir, path, rule->allow ? "devices.allow" : "devices.deny", text, err);
}

static bool same_device(const struct bnd_device_rule *a, const struct bnd_device_rule *b)
{
    return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool overlap(const struct bnd_device_rule *a, const struct bnd_device_rule *b)
{
    return a->type == b->type && (a->major < 0 || b->major < 0 || a->major == b->major) &&
           (a->minor < 0 || b->minor < 0 || a->minor == b->minor) &&
           ((a->read && b->read) || (a->write && b->write) || (a->mknod && b->mknod));
}

/* The kernel keeps exceptions from one default. A rule that takes part of an earlier exception back only
 * works when both name the same device; the kernel ignores any other without a word, and then too much would
 * stay allowed. */
static int v1_check(const struct cg_rules *list, size_t i, const char *path, struct rk_err *err)
{
    const struct bnd_device_rule *rule = &list->v[i];
    if (rule->allow != list->allow)
        return 0;
    for (size_t k = 0; k < i; k++) {
        const struct bnd_device_rule *earlier = &list->v[k];
        if (earlier->allow != rule->allow && !same_device(earlier, rule) && overlap(earlier, rule))
            return rk_fail(err, -EINVAL,
                           "limit devices of '%s': cgroup v1 cannot express a rule for a part of what an "
                           "earlier rule %s "
                           "(%c %" PRId64 ":%" PRId64 ")",
                           path, earlier->allow ? "allows" : "denies", rule->type, rule->major, rule->minor);
    }
    return 0;
}

int cg_v1_devices(int dir, const char *path, const struct bnd_device_rule *rules, size_t count,
                  struct rk_err *err)
{
    struct cg_rules list;
    if (count == 0)
        return 0;
    int r = cg_effective_rules(&list, rules, count, err);
    if (r == 0)
        r = cg_write(dir, path, list.allow ? "devices.allow" : "devices.deny", "a", err);
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        r = v1_check(&list, i, path, err);
        if (r == 0)
            r = v1_write(dir, path, &list.v[i], err);
    }
    return r;
}

/* --- v2 ----------------------------------------------------------------------------------------------------
 */

/* Registers of the program. The context is struct bpf_cgroup_dev_ctx (linux/bpf.h). */
enum {
    RET = BPF_REG_0,
    CTX = BPF_REG_1,
    TYPE = BPF_REG_2,
    WANT = BPF_REG_3, /* the accesses that no rule has decided yet */
    MAJOR = BPF_REG_4,
    MINOR = BPF_REG_5,
    TEMP = BPF_REG_6,
};

#define MAX_INSNS (16 + MAX_RULES * 10)

struct program {
    struct bpf_insn v[MAX_INSNS];
    size_t n;
};

static size_t emit(struct program *program, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    program->v[program->n] =
        (struct bpf_insn){.code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = off, .imm = imm};
    return program->n++;
}

static void emit_return(struct program *program, bool allow)
{
    emit(program, BPF_ALU64 | BPF_MOV | BPF_K, RET, 0, 0, allow ? 1 : 0);
    emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Let the jump at `from` go to the next instruction. */
static void land(struct program *program, size_t from)
{
    program->v[from].off = (int16_t)(program->n - from - 1);
}

static void emit_prologue(struct program *program)
{
    emit(program, BPF_LDX | BPF_MEM | BPF_W, TYPE, CTX, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, WANT, TYPE, 0, 0);
    emit(program, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
    emit(program, BPF_ALU64 | BPF_RSH | BPF_K, WANT, 0, 0, 16);
    emit(program, BPF_LDX | BPF_MEM | BPF_W, MAJOR, CTX, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
    emit(program, BPF_LDX | BPF_MEM | BPF_W, MINOR, CTX, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
    size_t asked = emit(program, BPF_JMP | BPF_JNE | BPF_K, WANT, 0, 0, 0);
    emit_return(program, true); /* no access asked for, nothing to deny */
    land(program, asked);
}

/* A deny rule ends the matter for any access that it names; an allow rule settles the accesses that it names.
 */
static void emit_rule(struct program *program, const struct bnd_device_rule *rule)
{
    size_t miss[4], misses = 0;
    int32_t access = (rule->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (rule->read ? BPF_DEVCG_ACC_READ : 0) |
                     (rule->write ? BPF_DEVCG_ACC_WRITE : 0);
    int32_t type = rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    if (access == 0)
        return;
    miss[misses++] = emit(program, BPF_JMP | BPF_JNE | BPF_K, TYPE, 0, 0, type);
    if (rule->major >= 0)
        miss[misses++] = emit(program, BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, 0, (int32_t)rule->major);
    if (rule->minor >= 0)
        miss[misses++] = emit(program, BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, 0, (int32_t)rule->minor);
    if (rule->allow) {
        emit(program, BPF_ALU64 | BPF_AND | BPF_K, WANT, 0, 0, ~access);
        miss[misses++] = emit(program, BPF_JMP | BPF_JNE | BPF_K, WANT, 0, 0, 0);
    } else {
        emit(program, BPF_ALU64 | BPF_MOV | BPF_X, TEMP, WANT, 0, 0);
        emit(program, BPF_ALU64 | BPF_AND | BPF_K, TEMP, 0, 0, access);
        miss[misses++] = emit(program, BPF_JMP | BPF_JEQ | BPF_K, TEMP, 0, 0, 0);
    }
    emit_return(program, rule->allow);
    while (misses > 0)
        land(program, miss[--misses]);
}

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

/* Kernels before 5.11 charge programs to RLIMIT_MEMLOCK, whose default is soon used up: lift it for the
 * moment. */
static int load_program(const struct program *program)
{
    static const char license[] = "Apache-2.0";
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insn_cnt = (uint32_t)program->n,
        .insns = (uintptr_t)program->v,
        .license = (uintptr_t)license,
    };
    int fd = bpf(BPF_PROG_LOAD, &attr);
    struct rlimit before;
    if (fd >= 0 || errno != EPERM || getrlimit(RLIMIT_MEMLOCK, &before) < 0)
        return fd;
    const struct rlimit lifted = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &lifted) < 0) {
        errno = EPERM;
        return -1;
    }
    fd = bpf(BPF_PROG_LOAD, &attr);
    int saved = errno;
    setrlimit(RLIMIT_MEMLOCK, &before);
    errno = saved;
    return fd;
}

int cg_v2_devices(int dir, const char *path, const struct bnd_device_rule *rules, size_t count,
                  struct rk_err *err)
{
    struct cg_rules list;
    struct program program = {.n = 0};
    if (count == 0)
        return 0;
    int r = cg_effective_rules(&list, rules, count, err);
    if (r < 0)
        return r;
    if (list.n == 0 && list.allow)
        return 0;
    emit_prologue(&program);
    for (size_t i = list.n; i-- > 0;) /* backwards: the last rule that matches decides */
        emit_rule(&program, &list.v[i]);
    emit_return(&program, list.allow);

    rk_autoclose int fd = load_program(&program);
    if (fd < 0)
        return rk_fail_errno(err, "load the device filter of cgroup '%s'", path);
    union bpf_attr attr = {
        .target_fd = (uint32_t)dir,
        .attach_bpf_fd = (uint32_t)fd,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags =
            BPF_F_ALLOW_MULTI, /* a parent's filter, such as a service manager's, stays in force */
    };
    if (bpf(BPF_PROG_ATTACH, &attr) < 0)
        return rk_fail_errno(err, "attach the device filter to cgroup '%s'", path);
    return 0;
}

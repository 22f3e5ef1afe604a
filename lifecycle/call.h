/* One call of runuk: the command line as parsed so far, the settings, and the verbs. */
#ifndef CTR_CALL_H
#define CTR_CALL_H

#include "config/global.h"
#include "config/settings.h"
#include "lifecycle/store.h"

struct hv_host;
struct rk_err;

struct ctr_call {
    const struct cfg_global *global;
    struct cfg_settings settings;
    struct ctr_store store;
    int argc; /* of the verb: argv[0] is its name */
    char **argv;
    size_t inherited; /* descriptors from 3 on that the caller had open, without a gap */
};

/* A verb: returns the exit status of the process (0 or more), or a negative errno with a text that main
 * prints. */
typedef int ctr_verb_fn(struct ctr_call *call, struct rk_err *err);

ctr_verb_fn ctr_create_verb, ctr_start_verb, ctr_state_verb, ctr_kill_verb, ctr_delete_verb, ctr_run_verb,
    ctr_list_verb, ctr_pause_verb, ctr_resume_verb, ctr_ps_verb, ctr_update_verb, ctr_exec_verb,
    ctr_events_verb, ctr_features_verb, ctr_inspect_verb;

/* Every verb that runuk does not know itself: it goes to runc, unless the container is ours. */
ctr_verb_fn ctr_other_verb;

struct cfg_flag;

/* Parse the flags of a verb and its positional arguments, `min` to `max` of them, into `positional` (absent
 * ones NULL). 0: go on; 1: --help was asked for and printed; -EINVAL in runc's words for an unknown flag or a
 * wrong count. */
int ctr_call_parse(struct ctr_call *call, const struct cfg_flag *flags, const char **positional, int min,
                   int max, struct rk_err *err);

/* The first positional argument of a verb of runc's, whose flags take values or not as runc has it; NULL when
 * there is none. */
const char *ctr_first_positional(const struct ctr_call *call);

/* What the choice of a monitor may look at: the settings, and what annotations ask for (NULL: nothing). */
struct cfg_annotations;
struct hv_host ctr_call_host(const struct ctr_call *call, const struct cfg_annotations *wanted);

/* Whether the settings ("policy.linux") let an ordinary container go to runc: 0, or -EPERM. `spec` NULL: not
 * known, which is no pod's sandbox. */
struct bnd_spec;
int ctr_may_delegate(const struct ctr_call *call, const struct bnd_spec *spec, struct rk_err *err);

/* Hand the whole call over to runc: returns only when that fails. */
int ctr_delegate(const struct ctr_call *call, struct rk_err *err);

/* The path of runc: of the settings, else the first in PATH (then of the usual directories) that is not runuk
 * itself. */
int ctr_find_runc(char **ret_path, const struct ctr_call *call, struct rk_err *err);

/* Whether runc has something of that name under its own root, which is --root or the default that runc has
 * for this user. */
bool ctr_runc_has(const struct ctr_call *call, const char *id);

/* Whether neither runuk nor runc can have a container of that id: then no runc needs to be asked. */
bool ctr_known_nowhere(const struct ctr_call *call, const char *id);

/* What `runc [global options] ARGS…` prints, as heap memory; its errors are dropped. -ECHILD when it fails.
 */
int ctr_runc_output(char **ret_text, const struct ctr_call *call, char *const *args, struct rk_err *err);

/* Send a signal to the container's process; a SIGKILL also thaws a frozen one. 0, -ESRCH when it has ended,
 * or another negative errno. */
int ctr_signal(const struct ctr_record *record, int sig);

/* create, start and delete as functions: `run` is made of them. */
struct ctr_create_options {
    const char *bundle, *pid_file, *console_socket;
    int64_t preserve_fds;
    const char *pidfd_socket; /* refused for unikernels; runc knows it from 1.2 on */
    int *terminal; /* where the terminal's master goes when there is no console socket; NULL: that is an error
                    */
};

/* 1: created, *ret_pid (may be NULL) is the init, a child of the caller; 0: the bundle holds no unikernel,
 * nothing was done. */
int ctr_create(struct ctr_call *call, const char *id, const struct ctr_create_options *options,
               pid_t *ret_pid, struct rk_err *err);
int ctr_start(struct ctr_call *call, const char *id, struct rk_err *err);
int ctr_delete(struct ctr_call *call, const char *id, bool force, struct rk_err *err);

/* Take away all that create and start made for a container whose process is gone: wires, cgroup, state
 * directory (`dir`); then, when nothing is left of it, run the poststop hooks. After a failure the record
 * stays, and the hooks wait for the delete that succeeds. */
int ctr_dismantle(const struct ctr_store *store, struct ctr_record *record, int dir, struct rk_err *err);

#endif

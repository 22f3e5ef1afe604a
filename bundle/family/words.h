/* What the families share: reading what a guest is to be told, saying what can't be told, and quoting. */
#ifndef BND_WORDS_H
#define BND_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "bundle/guest.h"
#include "lib/argv.h"

struct rk_err;

/* Whether the image contains this option, by guest->keys; a key "NAME:N" says that it can be given N times:
 * *ret_times, which may be NULL, is `times` without such a number. */
bool bnd_words_key(const struct bnd_guest *guest, const char *name, size_t *ret_times);

/* The guest's i-th network device, links without a device left out, or NULL. */
const struct bnd_guest_net *bnd_words_net(const struct bnd_guest *guest, size_t i);

/* The root file system among guest->mounts, or NULL. */
const struct bnd_guest_mount *bnd_words_root(const struct bnd_guest *guest);

/* "255.255.0.0" for 16. */
void bnd_words_netmask(char out[INET_ADDRSTRLEN], unsigned prefix);

/* "webserver" that can be a host name everywhere: letters, digits, dots and hyphens, not empty. */
bool bnd_words_is_hostname(const char *s);

/* Append the guest's arguments with their placeholders filled. */
int bnd_words_args(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err);

/* The user's part of the command line when it is verbatim, its placeholders filled. 1: *ret_text is heap
 * memory and guest->args is not to be looked at; 0: it is not verbatim. */
int bnd_words_verbatim(char **ret_text, const struct bnd_guest *guest, struct rk_err *err);

/* Append it, when there is one. 1: done. */
int bnd_words_add_verbatim(struct rk_argv *ret, const struct bnd_guest *guest, struct rk_err *err);

/* Whether the variable ("NAME=…") is one that engines set in every container. */
bool bnd_words_is_engines(const char *variable);

/* Append the variables of the guest's environment, at most `max`: what engines set in every container (PATH,
 * HOME, HOSTNAME, TERM, container) comes last and is left out when there is no room. Variables without a name
 * or "=" are a warning. -E2BIG when the others are too many. */
int bnd_words_env(struct rk_argv *ret, const struct bnd_guest *guest, const char *family, size_t max,
                  struct rk_err *err);

/* `text`, or its beginning, as an error or a warning repeats it: what could break the line is written as
 * \xNN.
 */
#define BND_WORDS_SHOWN 168
void bnd_words_show(char out[BND_WORDS_SHOWN], const char *text);

/* One warning, when it is not there yet. */
void bnd_words_warn(const struct bnd_guest *guest, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Warnings of what a family's guests can't be told at all, each only when there is something to tell: the
 * environment (what engines always set excepted), the working directory (unless it is "/"), arguments, IPv6
 * addresses of links without IPv4, mounts, routes. */
void bnd_words_no_env(const struct bnd_guest *guest, const char *family);
void bnd_words_no_cwd(const struct bnd_guest *guest, const char *family);
void bnd_words_no_args(const struct bnd_guest *guest, const char *family);
void bnd_words_no_ipv4(const struct bnd_guest *guest, const char *family);
void bnd_words_no_ipv6(const struct bnd_guest *guest, const char *family);
void bnd_words_no_mounts(const struct bnd_guest *guest, const char *family);
void bnd_words_no_routes(const struct bnd_guest *guest, const char *family);

#define BND_WORDS_VARIABLE "environment variable"

/* The error that `what` ("argument", BND_WORDS_VARIABLE: then only its name is shown) `text` can't be passed
 * on, for `why` ("it contains a quotation mark"). -EINVAL. */
int bnd_words_refuse(struct rk_err *err, const char *family, const char *what, const char *text,
                     const char *why);

/* Append `arg`, its placeholders filled and quoted for guests that split their command line as MirageOS does
 * (blanks separate, double quotes group, a backslash takes the next character as it is). A verbatim command
 * line only gets its placeholders filled. */
int bnd_words_add_mirage(struct rk_argv *ret_args, const char *arg, const struct bnd_guest *guest,
                         struct rk_err *err);

/* Append all arguments so; those that are JSON (they begin with {") as they stand, which guests that are
 * configured so read from the first brace on. */
int bnd_words_add_solo5(struct rk_argv *ret_args, const struct bnd_guest *guest, struct rk_err *err);

#endif

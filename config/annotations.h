/* The annotations that runuk reads: org.runuk.*. They choose among what runuk offers; none carries a path, a
 * program or an argument. */
#ifndef CFG_ANNOTATIONS_H
#define CFG_ANNOTATIONS_H

struct rk_err;

#define CFG_ANNOTATION_PREFIX "org.runuk."

/* What a container's annotations ask for; NULL: nothing. Strings are borrowed. */
struct cfg_annotations {
    const char *network_mode; /* org.runuk.network-mode */
};

/* Take one annotation into account. Those without our prefix are none of ours; an unknown one with it is
 * -EINVAL. */
int cfg_annotations_add(struct cfg_annotations *annotations, const char *key, const char *value,
                        struct rk_err *err);

#endif

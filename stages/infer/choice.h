/* Which kernel variant runs an operator, where that has been measured (tune.h), by name of the operator.
 *
 * The name is a hash of all that a variant's speed may depend on, short of the values: kind, attributes, shapes, types,
 * layouts, which inputs are known at load, the device's vector width and number of compute units. Device, driver and
 * kernel_sources_hash are the caller's to tell apart.
 *
 * Thread-safety: one thread at a time per table; reading is pure.
 */
#ifndef CLIPQ_STAGES_INFER_CHOICE_H
#define CLIPQ_STAGES_INFER_CHOICE_H

#include "kernels/kernel.h"

enum { CHOICE_KEY = 33 };        /* 32 hex digits */

void choice_key(const struct device *dev, const struct op_inst *inst, char out[CHOICE_KEY]);

struct choice {
    char key[CHOICE_KEY];
    const struct kernel_class *kernel;
};

struct choices {                 /* zeroed: empty */
    struct choice *list;         /* owned, sorted by key */
    int n, max;
};

void choices_finish(struct choices *c);

/* The last word on a key counts. A key or variant that this program does not know is left out: CQ_OK. CQ_NOMEM. */
enum cq_err choices_add(struct choices *c, const char *key, const char *variant);

/* NULL where nothing was chosen, or what was no longer serves. `c` may be NULL. */
const struct kernel_class *choices_find(const struct choices *c, const struct device *dev, const struct op_inst *inst);

#endif

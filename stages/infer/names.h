/* A map from names to small numbers. Names are borrowed.
 * Thread-safety: one thread at a time. */
#ifndef CLIPQ_STAGES_INFER_NAMES_H
#define CLIPQ_STAGES_INFER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct names {
    struct names_slot { const char *name; int number; } *slots;  /* a power of two of them */
    size_t mask, used;
};

/* Room for `count` names; false when memory is short. */
bool names_init(struct names *n, size_t count);
void names_finish(struct names *n);

int names_find(const struct names *n, const char *name);   /* -1 when unknown */
bool names_put(struct names *n, const char *name, int number);  /* false when full */

#endif

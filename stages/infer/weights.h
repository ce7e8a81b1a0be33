/* Constants on the device, packed by kernels or as they are, shared by all plans of a session.
 *
 * They are known by a hash of their content, the operator and the kernel that packs them, so a plan for another batch
 * size finds what the first has uploaded without knowing of it.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_STAGES_INFER_WEIGHTS_H
#define CLIPQ_STAGES_INFER_WEIGHTS_H

#include <stdint.h>

#include "kernels/kernel.h"

struct weight_key { uint64_t low, high; };

/* Something that a plan wants on the device. */
struct weight_need {
    struct weight_key key;
    size_t bytes;
    const struct kernel_class *kernel;   /* packs it; NULL: `data` is uploaded as it is */
    const struct op_inst *inst;
    const void *data;
};

struct weight_key weights_key(const struct kernel_class *k, const struct op_inst *inst);
struct weight_key weights_key_of(const void *data, size_t bytes);

struct weights {
    struct device *dev;
    struct weight_entry { struct weight_key key; struct mem_ref ref; } *entries;   /* sorted by key */
    int n_entries;
    struct device_mem **chunks;
    int n_chunks;
};

void weights_finish(struct weights *w);

/* Uploads those of the needs that are missing. CQ_OOM, CQ_DEVICE, CQ_NOMEM. */
enum cq_err weights_ensure(struct weights *w, const struct weight_need *needs, int n);

/* Where it lies; weights_ensure must have succeeded for it. */
struct mem_ref weights_find(const struct weights *w, const struct weight_key *key);

#endif

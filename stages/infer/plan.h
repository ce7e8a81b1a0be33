/* A net ready to run at one set of input shapes: kernels chosen, constants named, every byte accounted for,
 * nothing allocated on the device yet.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_STAGES_INFER_PLAN_H
#define CLIPQ_STAGES_INFER_PLAN_H

#include "kernels/kernel.h"
#include "stages/infer/net.h"
#include "stages/infer/place.h"
#include "stages/infer/session.h"
#include "stages/infer/tail.h"
#include "stages/infer/weights.h"

struct choices;
struct graph;

struct plan_step {
    const struct step *step;
    const struct kernel_class *kernel;
    struct op_inst *inst;        /* in the net's pool */
    int packed;                  /* need that holds the packed constants, -1: none */
    size_t scratch, scratch_at;  /* bytes, and their offset in the arena */
};

struct plan {
    struct net net;
    struct tail *tail;           /* what is left for the host after each run, NULL: nothing; owned */
    int64_t cells;               /* of the model's output, where only candidates come out (candidates.h); else 0 */
    int64_t *inner;              /* per output of the net: as batch_inner (net.h); in the net's pool */
    struct placement places;
    struct plan_step *steps;     /* that are run; in the net's pool */
    int n_steps;
    struct weight_need *needs;   /* owned */
    int n_needs, max_needs;
    int *need_of;                /* per tensor: need that holds a constant as it is, -1: none; in the pool */
    size_t scratch_bytes, weight_bytes;   /* scratch: of the step that takes most */
    double flops;
    int host_steps;
};

struct plan_params {
    const struct tensor_desc *inputs;     /* of the model, concrete */
    const struct session_image *image;    /* when the first input comes as frames */
    bool as_written;                      /* the file holds for any batch: no rewriting (batch.h) */
    bool half;                            /* as op_inst.half */
    const struct choices *choices;        /* of kernels, by measurement; NULL: none */
    const struct session_candidates *candidates;   /* the only cells that are wanted; NULL: all */
};

/* `exported` are the shapes for which the model was made, to find where the batch sits (batch.h); may equal
 * inputs. CQ_UNSUPPORTED, CQ_OOM (a tensor that no device memory holds), CQ_NOMEM. */
enum cq_err plan_create(struct cq_log *log, struct device *dev, const struct graph *g, const struct plan_params *params,
                        const struct tensor_desc *exported, struct plan **out);
void plan_destroy(struct plan **plan);

/* Bytes that the plan takes beside weights that other plans share. */
struct session_memory plan_memory(const struct plan *p);

#endif

/* The engine's own form of a network on concrete shapes: steps of kernels' operators over numbered tensors.
 *
 * Lowering (lower.h) writes a net, passes (pass.h) rewrite it, the plan (plan.h) gives its tensors places
 * in memory. Steps stand in the order in which they run. A step whose inputs are all known is never written:
 * net_emit computes it at once with the C reference, which is all the constant folding there is.
 *
 * Thread-safety: one thread at a time per net.
 */
#ifndef CLIPQ_STAGES_INFER_NET_H
#define CLIPQ_STAGES_INFER_NET_H

#include <stdbool.h>

#include "kernels/op.h"
#include "stages/infer/pool.h"

struct cq_log;

struct tensor {
    const char *name;            /* for messages; may be NULL */
    struct tensor_desc desc;
    const void *data;            /* host array of a constant, NULL for what is computed */
    int64_t batch_inner;         /* see batch.h; 0: the batch is the outermost of its dimension */
};

struct step {
    struct op op;
    int n_in, n_out;
    int *in;                     /* tensors, -1 where left out; in the net's pool */
    int *out;
    const char *name, *type;     /* of the ONNX node, for messages */
    bool dead;                   /* removed by net_sweep */
};

/* Computes one step with known inputs, as op_reference does. */
typedef enum cq_err net_compute(void *ctx, const struct op_inst *inst, const void *const *in, void *const *out);

struct net {
    struct pool pool;
    struct tensor *tensors;
    int n_tensors, max_tensors;
    struct step *steps;
    int n_steps, max_steps;
    int n_inputs, n_outputs;
    int *inputs, *outputs;       /* tensors, in the model's order */
    size_t folded_bytes;         /* made by folding so far */
    double folded_flops;         /* spent on it */
    bool half;                   /* as op_inst.half, for all steps */
    net_compute *heavy;          /* folds steps that are dear; NULL: the reference folds all */
    void *heavy_ctx;
};

void net_finish(struct net *p);

/* The new tensor's number, -1 when memory is short. `name` is borrowed. */
int net_tensor(struct net *p, const char *name, const struct tensor_desc *desc);

/* Room for `bytes` of a constant made here, in the pool; counted against a limit. NULL when there is none. */
void *net_constant_room(struct net *p, size_t bytes);

/* Appends a step that makes the tensors out[0..n_out), or computes it when all inputs are constants.
 * CQ_UNSUPPORTED when the reference cannot compute it (logged); CQ_NOMEM. */
enum cq_err net_emit(struct cq_log *log, struct net *p, const struct step *step);

/* Puts a copy of the step before the one at `at`, links included; never computes it. CQ_NOMEM. */
enum cq_err net_insert(struct net *p, int at, const struct step *step);

/* Fills `inst` for a step. */
void net_inst(const struct net *p, const struct step *s, struct op_inst *inst);

/* Removes steps marked dead and those whose results nobody reads. */
enum cq_err net_sweep(struct net *p);

/* Everywhere that `from` is read, `to` is read instead; the net's outputs included. */
void net_replace(struct net *p, int from, int to);

/* How often each tensor is read; outputs of the net count once more. `uses` has n_tensors entries. */
void net_count_uses(const struct net *p, int *uses);

/* The step that makes each tensor, -1 for constants and inputs. `makers` has n_tensors entries. */
void net_find_makers(const struct net *p, int *makers);

/* tensor_elems and tensor_bytes both fit. */
bool desc_valid(const struct tensor_desc *d);

#endif

/* The part of a graph whose shapes depend on data: what to do with the boxes that NonMaxSuppression kept.
 *
 * The net runs everything that has a shape beforehand, for a whole batch, on the device. What is left, the nodes that
 * lowering put off (lower.h), runs on the host image by image: each node is lowered again by its own function
 * with all of its inputs known, so that constant folding computes it with the C reference. There is no second
 * implementation of any operator, and a shape is as concrete here as everywhere.
 *
 * Thread-safety: a tail is read-only; tail_run as the device.
 */
#ifndef CLIPQ_STAGES_INFER_TAIL_H
#define CLIPQ_STAGES_INFER_TAIL_H

#include "stages/infer/graph.h"
#include "stages/infer/lower.h"

/* A value that the tail reads and the net makes. */
struct tail_value {
    int value;
    struct constant constant;    /* its shape for one image; data is NULL where it is cut */
};

struct device;

struct tail {
    const struct graph *graph;   /* borrowed */
    struct pool pool;
    int *nodes, n_nodes;         /* of the graph, in order */
    struct tail_value *cut;      /* the net's last n_cut outputs */
    struct tail_value *known;    /* computed from constants and shapes, copied */
    int n_cut, n_known;
    int *output;                 /* per model output: the net's output, -1 where the tail makes it */
};

/* From the lowering at the exported shapes; *out is NULL where nothing was left for later. CQ_NOMEM. */
enum cq_err tail_create(const struct graph *g, const struct lowered *l, struct tail **out);
void tail_destroy(struct tail **t);

/* Runs one image (as many as the model was exported for). cut[i] are the data of t->cut[i]; outputs[i] gets the model
 * outputs that the tail makes, of which `net` owns the data: it must be zeroed and is for the caller to finish,
 * on failure too. Operators of much arithmetic run on `dev`, if not NULL. CQ_UNSUPPORTED, CQ_INVALID (logged with the
 * node): the values of this image do not go through the graph; CQ_NOMEM, CQ_OOM, CQ_DEVICE. */
enum cq_err tail_run(struct cq_log *log, struct device *dev, const struct tail *t, const void *const *cut,
                     struct net *net, struct constant *outputs);

/* A net_compute on the device `ctx`. */
enum cq_err tail_compute(void *ctx, const struct op_inst *inst, const void *const *in, void *const *out);

#endif

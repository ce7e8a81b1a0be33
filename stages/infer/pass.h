/* Rewriting a net into a cheaper one with the same results: one pass a file, run in the order of the table.
 *
 * A pass sees who makes and who reads each tensor, changes steps in place, marks those it no longer needs
 * dead, and leaves the sweeping to pass_run_all.
 *
 * Thread-safety: as the net.
 */
#ifndef CLIPQ_STAGES_INFER_PASS_H
#define CLIPQ_STAGES_INFER_PASS_H

#include "stages/infer/net.h"

struct rewrite {
    struct cq_log *log;
    struct net *net;
    int *uses;                   /* per tensor, fresh when a pass begins */
    int *makers;                 /* per tensor: step, -1 for constants and inputs */
    int room;                    /* tensors that uses and makers have entries for */
};

struct pass {
    const char *name;
    enum cq_err (*run)(struct rewrite *r);
};

/* Until nothing is left to do; CQ_NOMEM. */
enum cq_err pass_run_all(struct cq_log *log, struct net *net);

extern const struct pass pass_view, pass_transpose, pass_select, pass_gelu, pass_layer_norm, pass_affine, pass_silu,
    pass_pad, pass_residual, pass_activation, pass_sibling, pass_focus, pass_channels_last, pass_scale, pass_sum;

/* ---- for the passes ---- */

/* The step that makes tensor t, when it is of that kind and t has exactly one reader; NULL otherwise. */
struct step *rewrite_only_source(const struct rewrite *r, int t, enum op_kind kind);

/* Data of a float32 constant, NULL for anything else. */
const float *rewrite_floats(const struct rewrite *r, int t);
/* The one value of a scalar float32 constant. */
bool rewrite_scalar(const struct rewrite *r, int t, float *out);

/* As near as constants in files come to what exporters mean by them. */
bool rewrite_near(float a, float b);
/* The step `fn`, without an activation, that only makes t and has the scalar `value` as one operand (of a division: as
 * the divisor); *other is the other operand. */
struct step *rewrite_by_scalar(const struct rewrite *r, int t, enum binary fn, float value, int *other);

/* A new float32 constant of that shape, to be filled through *data; -1 when memory is short. */
int rewrite_constant(struct rewrite *r, const struct tensor_desc *desc, float **data);

/* Makes `into` write what `last` wrote, and `last` dead. */
void rewrite_take_output(struct rewrite *r, struct step *into, struct step *last);

#endif

/* Losses of classifiers, as models exported for evaluation carry them.
 *
 * The probability of the true class is picked by a mask over all classes rather than by index, so that all of it runs
 * on the device, and a label outside the classes counts as nothing instead of being read.
 */
#include <string.h>

#include "stages/infer/build.h"

/* Where class (dimension 1) and label agree; nowhere for labels to be ignored. */
static int true_class(struct build *b, int label, const struct tensor_desc *x)
{
    int64_t dim[TENSOR_MAX_RANK];
    memcpy(dim, x->dim, sizeof dim);
    dim[1] = 1;
    label = build_view(b, build_cast(b, label, DT_I64), x->rank, dim);
    if (node_attr(b->c->node, "ignore_index")) {
        int ignored = build_constant(b, &(struct tensor_desc){.type = DT_I64},
                                     &node_attr(b->c->node, "ignore_index")->i);
        label = build_where(b, build_binary(b, BIN_EQUAL, label, ignored), build_scalar(b, DT_I64, -1), label);
    }
    return build_binary(b, BIN_EQUAL, label, build_counting(b, x->dim[1], x->rank, 1));
}

/* The value of the true class, per label. */
static int pick(struct build *b, int mask, int values, enum dtype type)
{
    return build_reduce(b, RED_SUM, build_where(b, mask, values, build_scalar(b, type, 0)), 1u << 1, false);
}

static enum cq_err bind_loss(struct build *b, int log_prob)
{
    struct lower *c = b->c;
    struct tensor_desc x = build_desc(b, log_prob), w = lower_desc(c, 2);
    const char *reduction = node_string(c->node, "reduction", "mean");
    bool mean = !strcmp(reduction, "mean");
    uint32_t all = (1u << (x.rank - 1)) - 1;
    int64_t per_class[TENSOR_MAX_RANK] = {1, x.dim[1], 1, 1, 1, 1, 1, 1};
    int mask = true_class(b, build_in(b, 1), &x), weight = build_scalar(b, x.type, 1);
    if (w.type != DT_NONE)
        weight = build_view(b, lower_in(c, 2), x.rank, per_class);
    weight = pick(b, mask, weight, x.type);
    int loss = build_binary(b, BIN_MUL, build_unary(b, UN_NEG, pick(b, mask, log_prob, x.type)), weight);
    if (mean || !strcmp(reduction, "sum"))
        loss = build_reduce(b, RED_SUM, loss, all, false);
    else if (strcmp(reduction, "none"))
        return lower_fail(c, "reduction '%s' is not one of ONNX's", reduction);
    if (mean)
        loss = build_binary(b, BIN_DIV, loss, build_reduce(b, RED_SUM, weight, all, false));
    return build_bind(b, 0, loss);
}

static enum cq_err check_shapes(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), label = lower_desc(c, 1), w = lower_desc(c, 2);
    bool fits = x.rank >= 2 && label.rank == x.rank - 1;
    for (int i = 0; fits && i < label.rank; i++)
        fits = label.dim[i] == x.dim[i ? i + 1 : 0];
    if (!fits)
        return lower_fail(c, "needs classes in dimension 1, and labels for what is left");
    if (w.type != DT_NONE && (w.rank != 1 || w.dim[0] != x.dim[1]))
        return lower_fail(c, "does not have one weight per class");
    return CQ_OK;
}

static enum cq_err lower_nll_loss(struct lower *c)
{
    struct build b = {c};
    enum cq_err err = check_shapes(c);
    return err ? err : bind_loss(&b, build_in(&b, 0));
}

static enum cq_err lower_softmax_loss(struct lower *c)
{
    struct build b = {c};
    enum cq_err err = check_shapes(c);
    if (err)
        return err;
    int log_prob = build_softmax(&b, build_in(&b, 0), 1, true);
    err = build_bind(&b, 1, log_prob);
    return err ? err : bind_loss(&b, log_prob);
}

const struct lower_op lower_ops_loss[] = {
    {"NegativeLogLikelihoodLoss", lower_nll_loss, 0},
    {"SoftmaxCrossEntropyLoss", lower_softmax_loss, 0},
    {0},
};

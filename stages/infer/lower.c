/* The table of operators, and what their functions need. The walk over the graph is lower_graph.c. */
#include "stages/infer/lower.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"

static const struct lower_op *const families[] = {
    lower_ops_elementwise, lower_ops_conv, lower_ops_view, lower_ops_move, lower_ops_math, lower_ops_norm,
    lower_ops_resize, lower_ops_recurrent,
    lower_ops_sample, lower_ops_pool, lower_ops_pad, lower_ops_deform,
    lower_ops_index, lower_ops_loss, lower_ops_einsum, lower_ops_signal, lower_ops_patch,
    lower_ops_quant,
    lower_ops_fused,
    lower_ops_attention,
    lower_ops_qlinear,
    lower_ops_select, lower_ops_nms, lower_ops_flow,
};

const struct lower_op *lower_find_op(const struct node *n)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const struct lower_op *op = families[f]; op->type; op++)
            if (!strcmp(op->type, n->type) && !strcmp(op->domain ? op->domain : "", n->domain))
                return op;
    return NULL;
}

/* What the user of a model with such an operator can do; a type or domain that contains `word`. */
static const char *advice_on(const struct node *n)
{
    static const struct { const char *word, *advice; } known[] = {
        {"nchwc", "it was optimised for one processor: take the model as exported, or optimise it at level 'extended'"},
        {"com.microsoft", "take the model as it was before ONNX Runtime optimised it"},
        {"NMS", "export the model without it, clipq drops overlapping boxes itself"},
        {"Random", "it makes random numbers, which is no part of inference: export the model for inference"},
        {"Bernoulli", "it makes random numbers, which is no part of inference: export the model for inference"},
        {"Multinomial", "it makes random numbers, which is no part of inference: export the model for inference"},
        {"Sequence", "clipq computes on tensors only: export the model without sequences"},
        {"Optional", "clipq computes on tensors only: export the model without optional values"},
        {"String", "clipq computes on numbers only: leave the work on text to the program around the model"},
        {"TfIdf", "clipq computes on numbers only: leave the work on text to the program around the model"},
        {"ImageDecoder", "clipq decodes images itself: export the model from the decoded picture on"},
        {"training", "it belongs to training: export the model for inference"},
        {"Loop", "export the model for fixed sizes, which folds branches and loops away"},
        {"Scan", "export the model for fixed sizes, which folds branches and loops away"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(n->type, known[i].word) || strstr(n->domain, known[i].word))
            return known[i].advice;
    return *n->domain ? "export the model with operators of ONNX itself only"
                      : "export the model without it, or without its post-processing";
}

enum cq_err lower_check_op(struct cq_log *log, const struct node *n)
{
    if (lower_find_op(n))
        return CQ_OK;
    cq_log_error(log, "operator %s%s%s (node '%s') is not supported: %s", n->domain, *n->domain ? "." : "", n->type,
                 n->name, advice_on(n));
    return CQ_UNSUPPORTED;
}

enum cq_err lower_check_ops(struct cq_log *log, const struct graph *g)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < g->n_nodes && !err; i++)
        err = lower_check_op(log, &g->nodes[i]);
    return err;
}

enum cq_err lower_fail(const struct lower *c, const char *fmt, ...)
{
    char text[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cq_log_error(c->log, "node '%s' (%s): %s", c->node->name, c->node->type, text);
    return CQ_UNSUPPORTED;
}

enum cq_err lower_later(const struct lower *c, int i, const char *what)
{
    if (lower_in(c, i) >= 0 && !lower_data(c, i) && !c->in_tail)
        return CQ_AGAIN;
    return lower_fail(c, "%s must be known before the model runs", what);
}

int lower_in(const struct lower *c, int i)
{
    return i < c->node->n_in && c->node->in[i] >= 0 ? c->tensor_of[c->node->in[i]] : -1;
}

struct tensor_desc lower_desc(const struct lower *c, int i)
{
    int t = lower_in(c, i);
    return t >= 0 ? c->net->tensors[t].desc : (struct tensor_desc){0};
}

const void *lower_data(const struct lower *c, int i)
{
    int t = lower_in(c, i);
    return t >= 0 ? c->net->tensors[t].data : NULL;
}

bool lower_has_output(const struct lower *c, int i)
{
    return i < c->node->n_out && c->node->out[i] >= 0;
}

static bool int_at(enum dtype type, const void *data, int64_t i, int64_t *out)
{
    switch (type) {
    case DT_I64: *out = ((const int64_t *) data)[i]; return true;
    case DT_U64: *out = (int64_t) ((const uint64_t *) data)[i]; return *out >= 0;
    case DT_I32: *out = ((const int32_t *) data)[i]; return true;
    case DT_U32: *out = ((const uint32_t *) data)[i]; return true;
    case DT_I16: *out = ((const int16_t *) data)[i]; return true;
    case DT_U16: *out = ((const uint16_t *) data)[i]; return true;
    case DT_I8: *out = ((const int8_t *) data)[i]; return true;
    case DT_U8: case DT_BOOL: *out = ((const uint8_t *) data)[i]; return true;
    default: return false;
    }
}

bool lower_const_ints(const struct lower *c, int i, int64_t *out, int max, int *count)
{
    struct tensor_desc d = lower_desc(c, i);
    const void *data = lower_data(c, i);
    int64_t n = tensor_elems(&d);
    if (!data || n < 0 || n > max)
        return false;
    for (int64_t k = 0; k < n; k++)
        if (!int_at(d.type, data, k, &out[k]))
            return false;
    *count = (int) n;
    return true;
}

enum cq_err lower_ints(const struct lower *c, const char *name, int i, int64_t *out, int *count)
{
    int n;
    const struct attr *a = node_attr(c->node, name);
    *count = -1;
    if (a) {
        const int64_t *values = node_ints(c->node, name, &n);
        if (n > TENSOR_MAX_RANK)
            return lower_fail(c, "attribute %s has %d values", name, n);
        for (int k = 0; k < n; k++)
            out[k] = values[k];
        *count = n;
        return CQ_OK;
    }
    if (i < 0 || lower_in(c, i) < 0)
        return CQ_OK;
    if (!lower_const_ints(c, i, out, TENSOR_MAX_RANK, count))
        return lower_later(c, i, name);
    return CQ_OK;
}

bool lower_const_float(const struct lower *c, int i, float *out)
{
    struct tensor_desc d = lower_desc(c, i);
    const void *data = lower_data(c, i);
    if (!data || tensor_elems(&d) != 1)
        return false;
    int64_t v;
    if (d.type == DT_F32)
        *out = *(const float *) data;
    else if (d.type == DT_F64)
        *out = (float) *(const double *) data;
    else if (int_at(d.type, data, 0, &v))
        *out = (float) v;
    else
        return false;
    return true;
}

enum cq_err lower_axis(const struct lower *c, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= (rank ? rank : 1))
        return lower_fail(c, "axis %lld of a tensor with %d dimensions", (long long) axis, rank);
    *out = (int) (axis < 0 ? axis + rank : axis);
    return CQ_OK;
}

enum cq_err lower_emit(struct lower *c, const struct op *op, const int *in, int n_in,
                       const struct tensor_desc *desc, int n_out, int *out)
{
    int made[OP_MAX_OUTPUTS];
    if (n_in > OP_MAX_INPUTS || n_out > OP_MAX_OUTPUTS)
        return lower_fail(c, "more inputs or outputs than the engine takes");
    for (int i = 0; i < n_out; i++) {
        if (!desc_valid(&desc[i]))
            return lower_fail(c, "its result would be impossibly large");
        made[i] = net_tensor(c->net, c->node->name, &desc[i]);
        if (made[i] < 0)
            return CQ_NOMEM;
    }
    struct step s = {
        .op = *op, .n_in = n_in, .n_out = n_out, .in = (int *) in, .out = made,
        .name = c->node->name, .type = c->node->type,
    };
    enum cq_err err = net_emit(c->log, c->net, &s);
    if (!err)
        memcpy(out, made, (size_t) n_out * sizeof *out);
    return err;
}

enum cq_err lower_emit1(struct lower *c, const struct op *op, const int *in, int n_in, const struct tensor_desc *desc)
{
    int out;
    enum cq_err err = lower_emit(c, op, in, n_in, desc, 1, &out);
    if (!err)
        lower_bind(c, 0, out);
    return err;
}

void lower_bind(struct lower *c, int i, int tensor)
{
    if (lower_has_output(c, i))
        c->tensor_of[c->node->out[i]] = tensor;
}

int lower_constant(struct lower *c, const struct tensor_desc *desc, const void *data)
{
    size_t bytes = tensor_bytes(desc);
    void *copy = bytes != SIZE_MAX ? net_constant_room(c->net, bytes) : NULL;
    int t = copy ? net_tensor(c->net, c->node->name, desc) : -1;
    if (t < 0)
        return -1;
    if (bytes)
        memcpy(copy, data, bytes);
    c->net->tensors[t].data = copy;
    return t;
}

int lower_constant_float(struct lower *c, float v)
{
    return lower_constant(c, &(struct tensor_desc){.type = DT_F32}, &v);
}

void *lower_known_output(struct lower *c, int i, const struct tensor_desc *desc)
{
    void *data = desc_valid(desc) ? net_constant_room(c->net, tensor_bytes(desc)) : NULL;
    int t = data ? net_tensor(c->net, c->node->name, desc) : -1;
    if (t < 0)
        return NULL;
    c->net->tensors[t].data = data;
    lower_bind(c, i, t);
    return data;
}

enum cq_err lower_view(struct lower *c, int tensor, const struct tensor_desc *desc, int *out)
{
    const struct tensor_desc *from = &c->net->tensors[tensor].desc;
    if (tensor_elems(from) != tensor_elems(desc)) {
        char a[TENSOR_TEXT_SIZE], b[TENSOR_TEXT_SIZE];
        return lower_fail(c, "%s cannot be seen as %s", tensor_text(from, a), tensor_text(desc, b));
    }
    return lower_emit(c, &(struct op){.kind = OP_COPY}, &tensor, 1, desc, 1, out);
}

bool broadcast(const struct tensor_desc *a, const struct tensor_desc *b, struct tensor_desc *y)
{
    struct tensor_desc out = {.type = a->type, .rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < out.rank; i++) {
        int ia = i - (out.rank - a->rank), ib = i - (out.rank - b->rank);
        int64_t da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        out.dim[i] = da == 1 ? db : da;
    }
    *y = out;
    return true;
}

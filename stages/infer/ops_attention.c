/* Attention as ONNX Runtime's optimiser writes it (com.microsoft): products, a softmax between them, and the dimensions
 * turned so that each head is a matrix of its own. Masks and states of earlier calls are refused: models of images have
 * none.
 */
#include <math.h>

#include "stages/infer/build.h"

/* [batch][length][heads*size] as [batch][heads][length][size], or with the last two exchanged. */
static int split_heads(struct build *b, int x, int64_t heads, bool transposed)
{
    struct tensor_desc d = build_desc(b, x);
    if (!b->err && (d.rank != 3 || heads < 1 || d.dim[2] % heads || d.dim[2] == 0))
        b->err = lower_fail(b->c, "its inputs do not divide into %lld heads", (long long) heads);
    if (b->err)
        return -1;
    int64_t split[] = {d.dim[0], d.dim[1], heads, d.dim[2] / heads};
    return build_transpose(b, build_view(b, x, 4, split), transposed ? (int[]){0, 2, 3, 1} : (int[]){0, 2, 1, 3});
}

/* softmax(q*k^T*scale + bias)*v; q, k, v are [batch][length][hidden]. The bias is the node's input `bias_input`, if it
 * is there. */
static int attention(struct build *b, int q, int k, int v, int bias_input)
{
    int64_t heads = node_int(b->c->node, "num_heads", 0);
    struct tensor_desc dq = build_desc(b, q), dv = build_desc(b, v);
    float scale = node_float(b->c->node, "scale", 0);
    q = split_heads(b, q, heads, false);
    k = split_heads(b, k, heads, true);
    v = split_heads(b, v, heads, false);
    struct tensor_desc head = build_desc(b, q);
    if (b->err)
        return -1;
    double by = scale != 0 ? (double) scale : 1 / sqrt((double) head.dim[3]);
    int scores = build_binary(b, BIN_MUL, build_matmul(b, q, k), build_scalar(b, head.type, by));
    struct tensor_desc before = build_desc(b, scores);
    if (lower_in(b->c, bias_input) >= 0)
        scores = build_binary(b, BIN_ADD, scores, lower_in(b->c, bias_input));
    struct tensor_desc after = build_desc(b, scores);
    if (!b->err && !tensor_same_shape(&before, &after))
        b->err = lower_fail(b->c, "its attention bias does not fit");
    int y = build_transpose(b, build_matmul(b, build_softmax(b, scores, 3, false), v), (int[]){0, 2, 1, 3});
    return build_view(b, y, 3, (int64_t[]){dq.dim[0], dq.dim[1], dv.dim[2]});
}

static enum cq_err refuse_rest(const struct lower *c, const int *inputs, int n)
{
    for (int i = 0; i < n; i++)
        if (lower_in(c, inputs[i]) >= 0)
            return lower_fail(c, "its input %d, a mask or an earlier state, is not supported: take the model as "
                              "exported", inputs[i]);
    if (node_int(c->node, "unidirectional", 0) || node_int(c->node, "do_rotary", 0))
        return lower_fail(c, "attention to what came before, or rotary, is not supported: take the model as exported");
    return CQ_OK;
}

/* Query, key and value as given, each plus its part of the bias (input 3). */
static enum cq_err lower_multi_head(struct lower *c)
{
    struct build b = {c, refuse_rest(c, (int[]){4, 6, 7, 8, 9}, 5)};
    int in[3];
    int64_t from = 0;
    for (int i = 0; i < 3; i++) {
        in[i] = build_in(&b, i);
        struct tensor_desc d = build_desc(&b, in[i]), bias = lower_desc(c, 3);
        if (!b.err && d.rank != 3)
            return lower_fail(c, "packed query, key and value are not supported: take the model as exported");
        if (b.err || bias.type == DT_NONE)
            continue;
        if (bias.rank != 1 || from + d.dim[2] > bias.dim[0])
            return lower_fail(c, "its bias does not fit");
        in[i] = build_binary(&b, BIN_ADD, in[i], build_slice(&b, lower_in(c, 3), 0, from, 1, d.dim[2]));
        from += d.dim[2];
    }
    return build_bind(&b, 0, attention(&b, in[0], in[1], in[2], 5));
}

/* Query, key and value from one product with the input. */
static enum cq_err lower_attention(struct lower *c)
{
    struct build b = {c, refuse_rest(c, (int[]){3, 4, 6}, 3)};
    int all = build_matmul(&b, build_in(&b, 0), build_in(&b, 1)), part[3], count;
    if (lower_in(c, 2) >= 0)
        all = build_binary(&b, BIN_ADD, all, lower_in(c, 2));
    struct tensor_desc d = build_desc(&b, all);
    const int64_t *sizes = node_ints(c->node, "qkv_hidden_sizes", &count);
    if (b.err)
        return b.err;
    int64_t from = 0;
    for (int i = 0; i < 3; i++) {
        int64_t size = d.rank != 3 ? -1 : count == 3 ? sizes[i] : d.dim[2] / 3;
        if (size < 0 || size > d.dim[2] - from)
            return lower_fail(c, "its weights do not divide into query, key and value");
        part[i] = build_slice(&b, all, 2, from, 1, size);
        from += size;
    }
    return build_bind(&b, 0, attention(&b, part[0], part[1], part[2], 5));
}

const struct lower_op lower_ops_attention[] = {
    {"MultiHeadAttention", lower_multi_head, 0, "com.microsoft"},
    {"Attention", lower_attention, 0, "com.microsoft"},
    {0},
};

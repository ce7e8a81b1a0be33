/* Operators that pick elements by their values, so that the size of the result depends on the data: NonZero,
 * Compress, Unique. They are computed here, once their input is known; before that they are left for later. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ref/ref.h"
#include "stages/infer/lower.h"

/* Whose data the result's size depends on. */
static enum cq_err need_known(struct lower *c, int i)
{
    if (lower_in(c, i) < 0)
        return lower_fail(c, "has too few inputs");
    return lower_data(c, i) ? CQ_OK : lower_later(c, i, "its input");
}

/* ---- NonZero ---- */

/* One row per dimension; a scalar counts as a vector of one. */
static enum cq_err lower_nonzero(struct lower *c)
{
    enum cq_err err = need_known(c, 0);
    if (err)
        return err;
    struct tensor_desc x = lower_desc(c, 0);
    const void *data = lower_data(c, 0);
    int64_t total = tensor_elems(&x), n = 0, at = 0;
    if (!x.rank)
        x.dim[x.rank++] = 1;
    for (int64_t i = 0; i < total; i++)
        n += ref_load(data, x.type, i) != 0;
    int64_t *out = lower_known_output(c, 0, &(struct tensor_desc){.type = DT_I64, .rank = 2, .dim = {x.rank, n}});
    if (!out)
        return CQ_NOMEM;
    for (int64_t i = 0; i < total; i++) {
        if (ref_load(data, x.type, i) == 0)
            continue;
        int64_t rest = i;
        for (int d = x.rank - 1; d >= 0; rest /= x.dim[d], d--)
            out[d * n + at] = rest % x.dim[d];
        at++;
    }
    return CQ_OK;
}

/* ---- Compress ---- */

static enum cq_err pick_axis(struct lower *c, int *in, struct tensor_desc *x, int *axis)
{
    if (node_attr(c->node, "axis"))
        return lower_axis(c, node_int(c->node, "axis", 0), x->rank, axis);
    *x = (struct tensor_desc){.type = x->type, .rank = 1, .dim = {tensor_elems(x)}};
    *axis = 0;
    return lower_view(c, *in, x, in);
}

/* A Gather by the numbers of the true entries. The condition may be shorter than the axis. */
static enum cq_err lower_compress(struct lower *c)
{
    struct tensor_desc x = lower_desc(c, 0), condition = lower_desc(c, 1);
    struct op op = {.kind = OP_GATHER};
    int in[2] = {lower_in(c, 0), -1};
    if (in[0] < 0)
        return lower_fail(c, "has no input");
    enum cq_err err = need_known(c, 1);
    if (!err)
        err = pick_axis(c, &in[0], &x, &op.u.axis.axis);
    if (!err && !x.rank)
        err = lower_fail(c, "picks along an axis of a scalar");
    if (err)
        return err;
    const void *keep = lower_data(c, 1);
    int64_t length = tensor_elems(&condition), n = 0;
    length = length < x.dim[op.u.axis.axis] ? length : x.dim[op.u.axis.axis];
    int64_t *index = malloc(((size_t) length + 1) * sizeof *index);
    if (!index)
        return CQ_NOMEM;
    for (int64_t i = 0; i < length; i++)
        if (ref_load(keep, condition.type, i) != 0)
            index[n++] = i;
    in[1] = lower_constant(c, &(struct tensor_desc){.type = DT_I64, .rank = 1, .dim = {n}}, index);
    free(index);
    x.dim[op.u.axis.axis] = n;
    return in[1] < 0 ? CQ_NOMEM : lower_emit1(c, &op, in, 2, &x);
}

/* ---- Unique ---- */

/* A tensor as n slices along one axis. */
struct slices {
    const void *data;
    enum dtype type;
    int64_t n, outer, inner;
};

struct slice {
    const struct slices *of;
    int64_t index;
    int64_t group, first;        /* filled behind the sort: rank of its value, the first slice that is equal */
};

static int64_t element_of(const struct slices *s, int64_t slice, int64_t k)
{
    return (k / s->inner * s->n + slice) * s->inner + k % s->inner;
}

/* NaN comes last and equals itself. */
static int compare_elements(const struct slices *s, int64_t a, int64_t b)
{
    if (!ref_is_float(s->type) && s->type != DT_U64) {
        int64_t x = ref_load_int(s->data, s->type, a), y = ref_load_int(s->data, s->type, b);
        return (x > y) - (x < y);
    }
    if (s->type == DT_U64) {
        uint64_t x = ((const uint64_t *) s->data)[a], y = ((const uint64_t *) s->data)[b];
        return (x > y) - (x < y);
    }
    double x = ref_load(s->data, s->type, a), y = ref_load(s->data, s->type, b);
    return isnan(x) || isnan(y) ? !!isnan(x) - !!isnan(y) : (x > y) - (x < y);
}

static int compare_slices(const struct slice *a, const struct slice *b)
{
    int64_t elements = a->of->outer * a->of->inner;
    for (int64_t k = 0; k < elements; k++) {
        int order = compare_elements(a->of, element_of(a->of, a->index, k), element_of(a->of, b->index, k));
        if (order)
            return order;
    }
    return 0;
}

static int by_value(const void *pa, const void *pb)
{
    const struct slice *a = pa, *b = pb;
    int order = compare_slices(a, b);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

static int by_first(const void *pa, const void *pb)
{
    const struct slice *a = pa, *b = pb;
    int order = (a->first > b->first) - (a->first < b->first);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Brings equal slices together, in the order in which their values shall come; returns how many values. */
static int64_t group_slices(const struct slices *s, bool sorted, struct slice *slices)
{
    for (int64_t i = 0; i < s->n; i++)
        slices[i] = (struct slice){.of = s, .index = i};
    qsort(slices, (size_t) s->n, sizeof *slices, by_value);
    for (int64_t i = 0; i < s->n; i++) {
        bool same = i && !compare_slices(&slices[i - 1], &slices[i]);
        slices[i].first = same ? slices[i - 1].first : slices[i].index;
    }
    if (!sorted)
        qsort(slices, (size_t) s->n, sizeof *slices, by_first);
    int64_t groups = 0;
    for (int64_t i = 0; i < s->n; i++) {
        groups += !i || slices[i].first != slices[i - 1].first;
        slices[i].group = groups - 1;
    }
    return groups;
}

static enum cq_err bind_unique(struct lower *c, const struct slices *s, const struct slice *slices, int64_t groups,
                               const struct tensor_desc *y)
{
    struct slices to = {.type = s->type, .n = groups, .outer = s->outer, .inner = s->inner};
    void *values = lower_known_output(c, 0, y);
    int64_t *out[4] = {0};
    for (int i = 1; i < 4; i++) {
        int64_t n = i == 2 ? s->n : groups;
        if (!lower_has_output(c, i))
            continue;
        out[i] = lower_known_output(c, i, &(struct tensor_desc){.type = DT_I64, .rank = 1, .dim = {n}});
        if (!out[i])
            return CQ_NOMEM;
        memset(out[i], 0, (size_t) n * sizeof *out[i]);
    }
    if (!values)
        return CQ_NOMEM;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t g = slices[i].group;
        for (int64_t k = 0; slices[i].index == slices[i].first && k < s->outer * s->inner; k++)
            ref_move(values, element_of(&to, g, k), s->data, element_of(s, slices[i].index, k), dtype_size(s->type));
        if (out[1])
            out[1][g] = slices[i].first;
        if (out[2])
            out[2][slices[i].index] = g;
        if (out[3])
            out[3][g]++;
    }
    return CQ_OK;
}

static enum cq_err lower_unique(struct lower *c)
{
    enum cq_err err = need_known(c, 0);
    struct tensor_desc x = lower_desc(c, 0), y = {.type = x.type, .rank = 1};
    struct slices s = {.data = lower_data(c, 0), .type = x.type, .n = tensor_elems(&x), .outer = 1, .inner = 1};
    int axis = 0;
    if (!err && node_attr(c->node, "axis")) {
        err = lower_axis(c, node_int(c->node, "axis", 0), x.rank, &axis);
        if (!err && !x.rank)
            err = lower_fail(c, "has an axis, but its input is a scalar");
        if (!err) {
            y = x;
            s.n = x.dim[axis];
            s.outer = ref_span(&x, 0, axis);
            s.inner = ref_span(&x, axis + 1, x.rank);
        }
    }
    struct slice *slices = err ? NULL : malloc(((size_t) s.n + 1) * sizeof *slices);
    if (!slices)
        return err ? err : CQ_NOMEM;
    y.dim[axis] = group_slices(&s, node_int(c->node, "sorted", 1), slices);
    err = bind_unique(c, &s, slices, y.dim[axis], &y);
    free(slices);
    return err;
}

const struct lower_op lower_ops_select[] = {
    {"NonZero", lower_nonzero, 0},
    {"Compress", lower_compress, 0},
    {"Unique", lower_unique, 0},
    {0},
};

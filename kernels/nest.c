/* Merging loops, and cutting them into work-items. */
#include "kernels/nest.h"

#include <string.h>

#include "kernels/device.h"
#include "kernels/op.h"
#include "kernels/program.h"

/* Elements per work-item on a CPU: some microseconds of work, for a group costs about 12 ns there. */
enum { CPU_GRAIN = 4096, CPU_ITEMS_PER_UNIT = 16, SIMT_GROUP = 64 };

enum { SHORT_ROW = 8 };

void loops_push(struct loops *l, int64_t dim, const int64_t *strides)
{
    l->dim[l->rank] = dim;
    memset(l->stride[l->rank], 0, sizeof l->stride[l->rank]);
    memcpy(l->stride[l->rank], strides, (size_t) l->tensors * sizeof *strides);
    l->rank++;
}

void nest_broadcast_strides(const struct tensor_desc *d, const struct tensor_desc *out,
                            int64_t strides[TENSOR_MAX_RANK])
{
    int64_t stride = 1;
    memset(strides, 0, TENSOR_MAX_RANK * sizeof *strides);
    for (int i = d->rank - 1; i >= 0; i--) {
        int o = i + out->rank - d->rank;
        if (o >= 0)
            strides[o] = d->dim[i] == 1 ? 0 : stride;
        stride *= d->dim[i];
    }
}

/* Does loop `inner` continue loop `outer` without a jump, in every tensor? */
static bool continues(const struct loops *l, int outer, int inner)
{
    for (int t = 0; t < l->tensors; t++)
        if (l->stride[outer][t] != l->stride[inner][t] * l->dim[inner])
            return false;
    return true;
}

static struct loops merged(const struct loops *l)
{
    struct loops m = {.tensors = l->tensors, .width = l->width ? l->width : 1};
    for (int i = 0; i < l->rank; i++) {
        if (l->dim[i] == 1)
            continue;
        loops_push(&m, l->dim[i], l->stride[i]);
        int last = m.rank - 1;
        if (last > 0 && continues(&m, last - 1, last)) {
            int64_t both = m.dim[last - 1] * m.dim[last];
            m.rank = last - 1;
            loops_push(&m, both, l->stride[i]);
        }
    }
    if (m.rank == 0)
        loops_push(&m, 1, (int64_t[NEST_TENSORS]){0});
    return m;
}

/* A row of a few elements costs more to find than to walk. */
static void lengthen_row(struct loops *l)
{
    int last = l->rank - 1;
    if (last < 1 || l->dim[last] >= SHORT_ROW || l->dim[last - 1] <= l->dim[last])
        return;
    struct loops before = *l;
    l->rank -= 2;
    loops_push(l, before.dim[last], before.stride[last]);
    loops_push(l, before.dim[last - 1], before.stride[last - 1]);
}

/* All offsets must fit in int, and so must the unit count. */
static bool fits(const struct loops *l)
{
    int64_t elems = 1;
    for (int i = 0; i < l->rank; i++)
        if (__builtin_mul_overflow(elems, l->dim[i], &elems) || elems >= INT32_MAX)
            return false;
    for (int i = 0; i < l->rank; i++)
        for (int t = 0; t < l->tensors; t++)
            if (l->stride[i][t] * (l->dim[i] > 0 ? l->dim[i] - 1 : 0) > INT32_MAX / 2 ||
                l->stride[i][t] * (l->dim[i] > 0 ? l->dim[i] - 1 : 0) < -(INT32_MAX / 2))
                return false;
    return l->rank <= NEST_RANK + 1;
}

/* `width`: floats per element. */
static void cut(const struct device *dev, struct nest *n, int64_t rows, int width)
{
    const struct device_info *info = device_get_info(dev);
    int64_t total = rows * n->len, vector = width == 1 ? info->float_width : 1, grain = vector;
    if (!info->simt) {
        int64_t share = total / ((int64_t) device_units(dev) * CPU_ITEMS_PER_UNIT);
        grain = share > CPU_GRAIN / width ? share : CPU_GRAIN / width;
    }
    n->chunks = (int32_t) ((n->len + grain - 1) / grain);
    if (n->chunks == 0)
        return;
    int64_t even = (n->len + n->chunks - 1) / n->chunks;
    n->chunk = (int32_t) ((even + vector - 1) / vector * vector);
    n->chunks = (n->len + n->chunk - 1) / n->chunk;
    n->units = (int32_t) (rows * n->chunks);
    n->per_item = n->len < grain ? (int32_t) (grain / n->len) : 1;
}

bool nest_make(const struct device *dev, const struct loops *l, struct nest *out)
{
    struct loops m = merged(l);
    if (l->any_row)
        lengthen_row(&m);
    if (!fits(&m))
        return false;
    int64_t rows = 1;
    memset(out, 0, sizeof *out);
    out->rank = m.rank - 1;
    for (int i = 0; i < out->rank; i++) {
        out->dim[i] = (int32_t) m.dim[i];
        rows *= m.dim[i];
        for (int t = 0; t < m.tensors; t++)
            out->stride[i][t] = (int32_t) m.stride[i][t];
    }
    out->len = (int32_t) m.dim[out->rank];
    for (int t = 0; t < m.tensors; t++)
        out->step[t] = (int32_t) m.stride[out->rank][t];
    cut(dev, out, rows, m.width);
    return true;
}

bool nest_of_broadcast(const struct device *dev, const struct op_inst *inst, struct nest *out)
{
    const struct tensor_desc *y = &inst->out[0];
    int64_t strides[NEST_TENSORS][TENSOR_MAX_RANK] = {0};
    struct loops loops = {.tensors = inst->n_in + 1};
    if (loops.tensors > NEST_TENSORS)
        return false;
    for (int t = 0; t < loops.tensors; t++)
        nest_broadcast_strides(t < inst->n_in ? &inst->in[t] : y, y, strides[t]);
    for (int i = 0; i < y->rank; i++)
        loops_push(&loops, y->dim[i], (int64_t[]){strides[0][i], strides[1][i], strides[2][i], strides[3][i]});
    return nest_make(dev, &loops, out);
}

int nest_local_size(const struct device *dev)
{
    return device_get_info(dev)->simt ? SIMT_GROUP : 1;
}

int nest_rows_per_item(const struct device *dev, int64_t cost)
{
    if (device_get_info(dev)->simt || cost >= CPU_GRAIN || cost < 1)
        return 1;
    return (int) (CPU_GRAIN / cost);
}

void nest_launch(const struct device *dev, const struct nest *nest, struct launch *launch)
{
    int items = nest->units ? (nest->units + nest->per_item - 1) / nest->per_item : 0;
    launch->dims = 1;
    launch->global[0] = (size_t) items;
    launch->local[0] = (size_t) nest_local_size(dev);
}

void nest_image_launch(const struct device *dev, struct launch *launch, size_t columns, size_t lines, size_t planes)
{
    bool simt = device_get_info(dev)->simt;
    launch->dims = 3;
    memcpy(launch->global, (size_t[]){columns, lines, planes}, sizeof launch->global);
    memcpy(launch->local, (size_t[]){simt ? 16 : 1, simt ? SIMT_GROUP / 16 : 1, 1}, sizeof launch->local);
}

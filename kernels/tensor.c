/* Sizes and names of tensors; every product is checked. */
#include "kernels/tensor.h"

#include <stdio.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [DT_NONE] = {"none", 0},   [DT_F32] = {"float32", 4}, [DT_F16] = {"float16", 2}, [DT_F64] = {"float64", 8},
    [DT_U8] = {"uint8", 1},    [DT_I8] = {"int8", 1},     [DT_U16] = {"uint16", 2},  [DT_I16] = {"int16", 2},
    [DT_I32] = {"int32", 4},   [DT_U32] = {"uint32", 4},  [DT_I64] = {"int64", 8},   [DT_U64] = {"uint64", 8},
    [DT_BOOL] = {"bool", 1},
};

const char *dtype_name(enum dtype type)
{
    return (size_t) type < sizeof types / sizeof *types ? types[type].name : "unknown";
}

size_t dtype_size(enum dtype type)
{
    return (size_t) type < sizeof types / sizeof *types ? types[type].size : 0;
}

/* Elements as stored: channels rounded up to whole blocks. */
static int64_t stored_elems(const struct tensor_desc *d, bool padded)
{
    int64_t n = 1;
    for (int i = 0; i < d->rank; i++) {
        int64_t dim = d->dim[i];
        if (padded && d->layout == LAYOUT_BLOCKED && i == 1 && d->block > 0 && dim > 0)
            dim = (dim - 1) / d->block * d->block + d->block;
        if (dim < 0 || __builtin_mul_overflow(n, dim, &n))
            return -1;
    }
    return n;
}

int64_t tensor_elems(const struct tensor_desc *d)
{
    return stored_elems(d, false);
}

size_t tensor_bytes(const struct tensor_desc *d)
{
    int64_t n = stored_elems(d, true);
    size_t bytes;
    if (n < 0 || __builtin_mul_overflow((size_t) n, dtype_size(d->type), &bytes))
        return SIZE_MAX;
    return bytes;
}

bool tensor_same_shape(const struct tensor_desc *a, const struct tensor_desc *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

char *tensor_text(const struct tensor_desc *d, char out[TENSOR_TEXT_SIZE])
{
    int at = snprintf(out, TENSOR_TEXT_SIZE, "%s[", dtype_name(d->type));
    for (int i = 0; i < d->rank; i++)
        at += snprintf(out + at, (size_t) (TENSOR_TEXT_SIZE - at), i ? ",%lld" : "%lld", (long long) d->dim[i]);
    snprintf(out + at, (size_t) (TENSOR_TEXT_SIZE - at), d->layout == LAYOUT_BLOCKED ? "]/b%d" : "]", d->block);
    return out;
}

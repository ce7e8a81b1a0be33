/* Tensors as [outer][n][inner]. */
#include "kernels/rows.h"

#include "kernels/device.h"
#include "kernels/nest.h"

bool rows_of(const struct tensor_desc *d, uint32_t axes, struct rows *out)
{
    bool blocked = d->layout == LAYOUT_BLOCKED;
    *out = (struct rows){1, 1, 1};
    if (blocked && axes & 2)
        return false;
    bool seen = false;
    for (int i = 0; i < d->rank; i++) {
        int64_t dim = blocked && i == 1 ? (d->dim[1] + d->block - 1) / d->block : d->dim[i];
        bool reduced = axes >> i & 1;
        if (dim == 1)
            continue;
        if (reduced && out->inner != 1)
            return false;
        if (reduced)
            out->n *= dim;
        else
            *(seen ? &out->inner : &out->outer) *= dim;
        seen = seen || reduced;
    }
    /* Without a reduced dimension everything is outer, rows of one element. */
    out->inner *= blocked ? d->block : 1;
    return true;
}

int64_t rows_units(const struct device *dev, const struct rows *rows)
{
    int width = device_get_info(dev)->float_width;
    return rows->inner == 1 ? rows->outer : rows->outer * ((rows->inner + width - 1) / width);
}

int rows_per_item(const struct device *dev, const struct rows *rows)
{
    int width = device_get_info(dev)->float_width;
    return nest_rows_per_item(dev, rows->n * (rows->inner == 1 ? 1 : width));
}

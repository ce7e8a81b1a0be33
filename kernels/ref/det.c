/* Determinants, by elimination with the largest pivot of each column. */
#include "kernels/ref/ref.h"

#include <math.h>
#include <stdlib.h>

static void swap_rows(double *m, int64_t n, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < n; i++) {
        double kept = m[a * n + i];
        m[a * n + i] = m[b * n + i];
        m[b * n + i] = kept;
    }
}

/* Leaves an upper triangle in m. */
static double determinant(double *m, int64_t n)
{
    double det = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(m[r * n + c]) > fabs(m[pivot * n + c]))
                pivot = r;
        if (m[pivot * n + c] == 0)
            return 0;
        if (pivot != c) {
            swap_rows(m, n, pivot, c);
            det = -det;
        }
        det *= m[c * n + c];
        for (int64_t r = c + 1; r < n; r++) {
            double factor = m[r * n + c] / m[c * n + c];
            for (int64_t i = c; i < n; i++)
                m[r * n + i] -= factor * m[c * n + i];
        }
    }
    return det;
}

enum cq_err ref_det(const struct op_inst *inst, const void *const *in, void *const *out)
{
    const struct tensor_desc *x = &inst->in[0];
    if (!ref_is_float(x->type))
        return CQ_UNSUPPORTED;
    int64_t n = x->dim[x->rank - 1], count = ref_span(x, 0, x->rank - 2);
    double *m = calloc((size_t) (n * n) + 1, sizeof *m);
    if (!m)
        return CQ_NOMEM;
    for (int64_t k = 0; k < count; k++) {
        for (int64_t i = 0; i < n * n; i++)
            m[i] = ref_load(in[0], x->type, k * n * n + i);
        ref_store(out[0], inst->out[0].type, k, determinant(m, n));
    }
    free(m);
    return CQ_OK;
}

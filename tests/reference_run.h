/* One operator on small tensors through the C reference, compared with values written by hand. For tests that have
 * included cmocka. */
#ifndef CLIPQ_TESTS_REFERENCE_RUN_H
#define CLIPQ_TESTS_REFERENCE_RUN_H

#include <math.h>
#include <string.h>

#include "kernels/op.h"

enum { RUN_MAX_BYTES = 1024 };

/* One operator with its tensors; the expected output is given to `check`. */
struct run {
    struct op op;
    struct op_inst inst;
    const void *in[OP_MAX_INPUTS];
    char out[4][RUN_MAX_BYTES];
};

static inline struct tensor_desc desc(enum dtype type, int rank, const int64_t *dim)
{
    struct tensor_desc d = {.type = type, .rank = rank};
    for (int i = 0; i < rank; i++)
        d.dim[i] = dim[i];
    return d;
}

#define DIMS(...) (int) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define SCALAR 0, (int64_t[]){0}
#define INPUT(r, type, data, dims) add_input(r, desc(type, dims), data)
#define OUTPUT(r, type, dims) add_output(r, desc(type, dims))

static inline void add_input(struct run *r, struct tensor_desc d, const void *data)
{
    r->in[r->inst.n_in] = data;
    r->inst.in[r->inst.n_in++] = d;
}

static inline void add_output(struct run *r, struct tensor_desc d)
{
    assert_true(tensor_bytes(&d) <= RUN_MAX_BYTES);
    r->inst.out[r->inst.n_out++] = d;
}

static inline enum cq_err execute(struct run *r)
{
    void *out[] = {r->out[0], r->out[1], r->out[2], r->out[3]};
    r->inst.op = &r->op;
    memset(r->out, 0x5a, sizeof r->out);
    return op_reference(&r->inst, r->in, out);
}

static inline void expect_floats(struct run *r, const float *want)
{
    assert_int_equal(execute(r), CQ_OK);
    int64_t n = tensor_elems(&r->inst.out[0]);
    for (int64_t i = 0; i < n; i++) {
        float got;
        memcpy(&got, r->out[0] + (size_t) i * sizeof got, sizeof got);
        if (isnan(want[i]))
            assert_true(isnan(got));
        else
            assert_float_equal(got, want[i], 1e-6f);
    }
}

static inline void expect_bytes(struct run *r, int which, const void *want)
{
    assert_int_equal(execute(r), CQ_OK);
    assert_memory_equal(r->out[which], want, tensor_bytes(&r->inst.out[which]));
}

#define FLOATS(...) (const float[]){__VA_ARGS__}
#define LONGS(...) (const int64_t[]){__VA_ARGS__}

#endif

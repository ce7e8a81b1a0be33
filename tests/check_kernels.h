/* What a family of kernels gives to check_kernels: random instances, real ones to time, and tolerances.
 *
 * A generator describes an instance with PLAIN tensors only. The harness fills the inputs, asks
 * op_reference for the answer, and then runs every variant of the kind that serves the instance, in every
 * combination of PLAIN and BLOCKED inputs and outputs it serves: pad lanes and everything around each tensor
 * hold NaN (or 0xff), so that a read past the end is seen, and what surrounds the outputs must stay as it was.
 *
 * To add a family: one file with a `const struct check_family`, one line in the table of check_kernels.c, one
 * in tests/kernels.cmake.
 */
#ifndef CLIPQ_TESTS_CHECK_KERNELS_H
#define CLIPQ_TESTS_CHECK_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/op.h"

struct check_case {
    struct op op;
    struct op_inst inst;            /* inst.op and inst.constant are set by the harness */
    uint64_t constants;             /* one bit per input known at load (weights, bias) */
    /* Values of floating-point and integer inputs; lo == hi == 0 means [-1, 1] for floats, [0, 9] for integers.
     * Booleans and bytes take their whole range. */
    float lo[OP_MAX_INPUTS], hi[OP_MAX_INPUTS];
    uint64_t edges;                 /* one bit per input whose values are often the extremes of its type, among them
                                       NaN and infinities */
    uint64_t nonzero;               /* one bit per input of integers without 0: divisors */
    void *data[OP_MAX_INPUTS];      /* malloc'ed by the generator where it wants values of its own; freed by
                                       the harness */
    float tolerance;                /* 0: the variant's; else instead of it */
    /* Size of what is rounded on the way, where outputs are smaller (a sum that an activation then bounds):
     * errors are relative to the larger of both. */
    float scale;
    bool small;                     /* for --small, whatever its size: some variants serve nothing smaller */
    char text[240];                 /* what it is, for messages and --bench */
};

struct check_tolerance {
    const char *kernel;             /* kernel_class.name */
    float max_error;                /* of a float output, relative to its largest magnitude, or to check_case.scale
                                       where that is larger; integers are exact */
};

struct check_rng { uint64_t state; };

/* Uniform in [lo, hi]. */
int check_int(struct check_rng *r, int lo, int hi);
bool check_chance(struct check_rng *r, int percent);
float check_float(struct check_rng *r, float lo, float hi);
/* One of n ints. */
int check_pick(struct check_rng *r, const int *values, int n);

struct check_family {
    const char *name;
    int cases;                      /* how many random cases a plain run makes */
    /* `c` comes zeroed; the n-th case, all randomness from `r`. */
    void (*make)(struct check_rng *r, int n, struct check_case *c);
    /* Instances worth timing; false when there is no n-th. May be NULL. */
    bool (*bench)(int n, struct check_case *c);
    const struct check_tolerance *tolerances;   /* ends with a NULL name; every variant needs one */
};

/* A PLAIN descriptor, e.g. check_tensor(DT_F32, 4, 1, 3, 8, 8). */
struct tensor_desc check_tensor(enum dtype type, int rank, ...);

/* Of float32, with often odd and small dimensions, seldom an empty one. */
struct tensor_desc check_shape(struct check_rng *r, int rank);
/* What broadcasts to `y`. */
struct tensor_desc check_broadcast_from(struct check_rng *r, const struct tensor_desc *y);
/* [N,C,1,1] and its like. */
struct tensor_desc check_per_channel(struct check_rng *r, const struct tensor_desc *y);
/* Two inputs and what they broadcast to. */
void check_operands(struct check_rng *r, struct check_case *c);

extern const struct check_family check_conv;
extern const struct check_family check_binary, check_unary, check_move, check_pool, check_resize, check_numbers,
    check_rows, check_gemm, check_sample;
extern const struct check_family check_integer;

#endif

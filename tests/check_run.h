/* Between the files of check_kernels itself: what a run of one variant on one case takes. */
#ifndef CLIPQ_TESTS_CHECK_RUN_H
#define CLIPQ_TESTS_CHECK_RUN_H

#include "kernels/kernel.h"
#include "tests/check_kernels.h"

/* Zeroed; ends the program when there is none, as a test may. */
void *check_alloc(size_t bytes);

/* Gives every input its values and sets inst.op and inst.constant. */
void check_fill(struct check_case *c, struct check_rng *r);
void check_finish(struct check_case *c);

double check_value_at(const void *data, int64_t i, enum dtype type);
bool check_is_float(enum dtype type);

enum { CHECK_LAYOUTS = 8 };

/* Bit 0: the first input, bit 1: the other inputs, bit 2: the outputs are BLOCKED. False where that says
 * nothing new. */
bool check_apply_layouts(struct op_inst *inst, int bits, int block);

/* "blocked>plain": the first input and the first output; "+" what the other inputs are, if that differs. */
char *check_layout_text(const struct op_inst *inst, int bits, char out[40]);

/* Runs one variant on one case; *error is its largest error, 0 where `want` has nothing to compare with; `why`
 * says where. *seconds is its time when not NULL. */
enum cq_err check_run(struct device *dev, const struct kernel_class *k, const struct check_case *c, void *const *want,
                      float *error, char *why, size_t why_size, double *seconds);

#endif

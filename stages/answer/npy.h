/* Writes a tensor as NumPy's .npy (format 1.0). The file appears under its name only when it is whole. */
#ifndef CLIPQ_STAGES_ANSWER_NPY_H
#define CLIPQ_STAGES_ANSWER_NPY_H

#include "kernels/base/err.h"
#include "kernels/tensor.h"

struct cq_log;

/* `desc` is PLAIN; float16 is written from its 16-bit form. CQ_IO and the like are logged with the path. */
enum cq_err npy_write(struct cq_log *log, const char *path, const struct tensor_desc *desc, const void *data);

#endif

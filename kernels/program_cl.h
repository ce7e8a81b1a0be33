/* Programs and kernels as OpenCL's objects, for the files of kernels/ that look at them (chain_program.c).
 * Thread-safety: as the device. */
#ifndef CLIPQ_KERNELS_PROGRAM_CL_H
#define CLIPQ_KERNELS_PROGRAM_CL_H

#include <CL/cl.h>

#include "kernels/program.h"

/* Of what the launch names, built when it is not yet. Borrowed from the device. */
enum cq_err program_of(struct device *dev, const struct launch *l, cl_program *program, cl_kernel *kernel);

/* The options with which a program is built that asks for `more`; CQ_INTERNAL (logged) when they are too long. */
enum { PROGRAM_OPTIONS_SIZE = 512 };
enum cq_err program_options(struct device *dev, const struct program_class *class, const char *more,
                            char out[PROGRAM_OPTIONS_SIZE]);

/* Logs what the compiler had to say of it. */
void program_log_build(const struct device *dev, const char *name, cl_program program);

#endif

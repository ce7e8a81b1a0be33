/* Inside of a chain, for chain*.c. */
#ifndef CLIPQ_KERNELS_CHAIN_CL_H
#define CLIPQ_KERNELS_CHAIN_CL_H

#include <CL/cl.h>

#include "kernels/base/buf.h"
#include "kernels/chain.h"
#include "kernels/program.h"

enum { CHAIN_MEMORIES = 8, CHAIN_LINE = 16 };         /* as in cl/chain.cl */
enum { CHAIN_ARGS = 32, CHAIN_ALIGN = 16 };

/* The kernels of one program. */
struct chain_unit {
    const struct program_class *class;
    char *options;                   /* owned */
};

struct chain_body {
    int unit;
    const char *kernel;              /* borrowed: names of kernels are constants */
    struct { enum kernel_arg_type type; int at; } args[CHAIN_ARGS];   /* at: bytes into the arguments of a step */
    int n_args;
};

/* As struct ChainStep in cl/chain.cl. */
struct chain_step {
    cl_int unit, body, args, size[3], items, piece, pieces;
};

struct chain {
    struct device *dev;
    int threads;
    bool whole;                      /* for all of the device */
    struct chain_unit *units;        /* owned, as are bodies and steps */
    struct chain_body *bodies;
    struct chain_step *steps;
    int n_units, n_bodies, n_steps;
    struct cq_buf args;              /* of the steps, one after another */
    struct device_mem *memory[CHAIN_MEMORIES];   /* borrowed */
    int n_memory;
    size_t local_bytes;              /* the most that a step wants */

    cl_kernel kernel;                /* once built, as what follows */
    struct device_mem *table, *counters;
    cl_uint turn;
};

/* The program with the chain's kernel: borrowed from the device, which keeps it for others. */
enum cq_err chain_program(const struct chain *c, cl_program *out);

#endif

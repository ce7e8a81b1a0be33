/* The cache of built programs and their kernels, and the launch, which a chain may ask to note instead.
 *
 * Two short lists: one of programs by (class, options), one of kernels by (program, name). A network has tens
 * of kernels, and a launch takes microseconds anyway.
 */
#include "kernels/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/chain.h"
#include "kernels/device_cl.h"
#include "kernels/program_cl.h"
#include "kernels/program_store.h"

struct built_kernel {
    struct built_kernel *next;
    char *name;              /* owned */
    cl_kernel kernel;
};

struct built_program {
    struct built_program *next;
    const struct program_class *class;
    char *options;           /* owned */
    cl_program program;
    struct built_kernel *kernels;
};

struct program_cache {
    struct built_program *programs;
};

static void kernel_list_destroy(struct built_kernel *k)
{
    while (k) {
        struct built_kernel *next = k->next;
        if (k->kernel)
            clReleaseKernel(k->kernel);
        free(k->name);
        free(k);
        k = next;
    }
}

static void program_destroy(struct built_program *p)
{
    kernel_list_destroy(p->kernels);
    if (p->program)
        clReleaseProgram(p->program);
    free(p->options);
    free(p);
}

void program_cache_destroy(struct program_cache **cache)
{
    if (!*cache)
        return;
    struct built_program *p = (*cache)->programs;
    while (p) {
        struct built_program *next = p->next;
        program_destroy(p);
        p = next;
    }
    free(*cache);
    *cache = NULL;
}

void program_log_build(const struct device *dev, const char *name, cl_program program)
{
    size_t size = 0;
    clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *text = calloc(1, size + 1);
    if (!text)
        return;
    clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, size, text, NULL);
    cq_log_error(dev->log, "device %s: program %s does not build: %s", dev->info.spec, name, text);
    free(text);
}

enum cq_err program_options(struct device *dev, const struct program_class *class, const char *more,
                            char out[PROGRAM_OPTIONS_SIZE])
{
    int n = snprintf(out, PROGRAM_OPTIONS_SIZE, "-cl-std=CL1.2 -cl-kernel-arg-info -DV=%d %s", dev->info.float_width, more);
    if (n >= 0 && n < PROGRAM_OPTIONS_SIZE)
        return CQ_OK;
    cq_log_error(dev->log, "program %s: options too long: %s", class->name, more);
    return CQ_INTERNAL;
}

static enum cq_err build(struct device *dev, struct built_program *p)
{
    char options[PROGRAM_OPTIONS_SIZE];
    enum cq_err err = program_options(dev, p->class, p->options, options);
    if (err)
        return err;
    const char *text[PROGRAM_MAX_SOURCES];
    cl_uint count = 0;
    while (count < PROGRAM_MAX_SOURCES && p->class->source[count]) {
        text[count] = (const char *) p->class->source[count];
        count++;
    }
    struct program_key key = program_store_key(dev, text, (int) count, options, PROGRAM_OF_KERNELS);
    p->program = program_store_build(dev, &key, options);
    if (p->program)
        return CQ_OK;
    cl_int status;
    p->program = clCreateProgramWithSource(dev->context, count, text, NULL, &status);
    err = device_check(dev, status, "clCreateProgramWithSource");
    if (err)
        return err;
    status = clBuildProgram(p->program, 1, &dev->id, options, NULL, NULL);
    if (status == CL_BUILD_PROGRAM_FAILURE)
        program_log_build(dev, p->class->name, p->program);
    err = device_check(dev, status, "clBuildProgram");
    if (!err)
        program_store_save(dev, &key, p->program);
    return err;
}

static enum cq_err get_program(struct device *dev, const struct launch *l, struct built_program **out)
{
    const char *options = l->options ? l->options : "";
    if (!dev->programs)
        dev->programs = calloc(1, sizeof *dev->programs);
    if (!dev->programs)
        return CQ_NOMEM;
    for (struct built_program *p = dev->programs->programs; p; p = p->next) {
        if (p->class == l->program && !strcmp(p->options, options)) {
            *out = p;
            return CQ_OK;
        }
    }
    struct built_program *p = calloc(1, sizeof *p);
    if (!p)
        return CQ_NOMEM;
    p->class = l->program;
    p->options = strdup(options);
    enum cq_err err = p->options ? build(dev, p) : CQ_NOMEM;
    if (err) {
        program_destroy(p);
        return err;
    }
    p->next = dev->programs->programs;
    dev->programs->programs = p;
    *out = p;
    return CQ_OK;
}

static enum cq_err get_kernel(struct device *dev, struct built_program *p, const struct launch *l, cl_kernel *out)
{
    for (struct built_kernel *k = p->kernels; k; k = k->next) {
        if (!strcmp(k->name, l->kernel)) {
            *out = k->kernel;
            return CQ_OK;
        }
    }
    struct built_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return CQ_NOMEM;
    k->name = strdup(l->kernel);
    cl_int status = CL_OUT_OF_HOST_MEMORY;
    if (k->name)
        k->kernel = clCreateKernel(p->program, l->kernel, &status);
    enum cq_err err = device_check(dev, status, l->kernel);
    if (err) {
        kernel_list_destroy(k);
        return err;
    }
    k->next = p->kernels;
    p->kernels = k;
    *out = k->kernel;
    return CQ_OK;
}

enum cq_err program_of(struct device *dev, const struct launch *l, cl_program *program, cl_kernel *kernel)
{
    struct built_program *p;
    enum cq_err err = get_program(dev, l, &p);
    if (!err)
        err = get_kernel(dev, p, l, kernel);
    if (!err)
        *program = p->program;
    return err;
}

/* A memory reference sets two arguments; *index goes past what was set. */
static cl_int set_arg(cl_kernel kernel, cl_uint *index, const struct kernel_arg *a)
{
    switch (a->type) {
    case ARG_TYPE_REF: {
        cl_mem mem = a->u.ref.mem ? a->u.ref.mem->mem : NULL;
        cl_ulong offset = a->u.ref.mem ? a->u.ref.offset : 0;
        cl_int status = clSetKernelArg(kernel, (*index)++, sizeof mem, mem ? &mem : NULL);
        return status ? status : clSetKernelArg(kernel, (*index)++, sizeof offset, &offset);
    }
    case ARG_TYPE_I32:
        return clSetKernelArg(kernel, (*index)++, sizeof a->u.i32, &a->u.i32);
    case ARG_TYPE_I64:
        return clSetKernelArg(kernel, (*index)++, sizeof a->u.i64, &a->u.i64);
    case ARG_TYPE_F32:
        return clSetKernelArg(kernel, (*index)++, sizeof a->u.f32, &a->u.f32);
    case ARG_TYPE_BYTES:
        return clSetKernelArg(kernel, (*index)++, a->u.bytes.size, a->u.bytes.data);
    case ARG_TYPE_LOCAL:
        return clSetKernelArg(kernel, (*index)++, a->u.local, NULL);
    }
    return CL_INVALID_VALUE;
}

static enum cq_err set_args(struct device *dev, cl_kernel kernel, const struct launch *l)
{
    cl_uint index = 0;
    for (int i = 0; i < l->n_args; i++) {
        cl_int status = set_arg(kernel, &index, &l->args[i]);
        if (status != CL_SUCCESS) {
            cq_log_error(dev->log, "kernel %s: argument %d of the launch does not fit", l->kernel, i);
            return device_check(dev, status, "clSetKernelArg");
        }
    }
    return CQ_OK;
}

const char *program_type(enum dtype type)
{
    switch (type) {
    case DT_F32: return "float";
    case DT_U8: case DT_BOOL: return "uchar";
    case DT_I8: return "char";
    case DT_U16: return "ushort";
    case DT_I16: return "short";
    case DT_I32: return "int";
    case DT_U32: return "uint";
    case DT_I64: return "long";
    default: return NULL;
    }
}

enum cq_err program_run(struct device *dev, const struct launch *l)
{
    size_t global[3] = {1, 1, 1};
    const size_t *local = l->local[0] ? l->local : NULL;
    for (int i = 0; i < l->dims; i++) {
        global[i] = l->global[i];
        if (!global[i])
            return CQ_OK;
        if (local)
            global[i] = (global[i] + local[i] - 1) / local[i] * local[i];
    }
    if (dev->noting)
        return chain_note(dev->noting, l);
    cl_program program;
    cl_kernel kernel;
    enum cq_err err = program_of(dev, l, &program, &kernel);
    if (!err)
        err = set_args(dev, kernel, l);
    if (!err)
        err = device_may_enqueue(dev);
    if (err)
        return err;
    cl_int status = clEnqueueNDRangeKernel(dev->queue, kernel, (cl_uint) l->dims, NULL, global, local, 0, NULL, NULL);
    return device_check(dev, status, l->kernel);
}

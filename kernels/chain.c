/* Noting launches into a table, and running it. The program is chain_program.c's. */
#include "kernels/chain.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/chain_cl.h"
#include "kernels/device_cl.h"

/* A thread takes so many pieces of its share of a step: fewer, and one that is held up holds up all; more, and taking
 * them shows. */
enum { PIECES_PER_THREAD = 6, LEAST_LOCAL = 64 };

bool chain_suits(const struct device *dev)
{
    const char *wish = getenv("CLIPQ_CHAINS");
    const struct device_info *info = device_get_info(dev);
    return info->kind == DEVICE_CPU && !info->simt && (!wish || strcmp(wish, "0"));
}

enum cq_err chain_begin(struct device *dev, struct chain **out)
{
    struct chain *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return CQ_NOMEM;
    c->dev = dev;
    c->threads = device_units(dev);
    c->whole = device_uses_whole(dev);
    dev->noting = c;
    return CQ_OK;
}

void chain_destroy(struct chain **chain)
{
    struct chain *c = *chain;
    if (!c)
        return;
    if (c->kernel)
        clReleaseKernel(c->kernel);
    device_free(&c->table);
    device_free(&c->counters);
    for (int i = 0; i < c->n_units; i++)
        free(c->units[i].options);
    free(c->units);
    free(c->bodies);
    free(c->steps);
    cq_buf_finish(&c->args);
    free(c);
    *chain = NULL;
}

/* ---- noting ---- */

/* Makes room for one more after `n`; false when memory is short. */
static bool one_more(void **array, int n, size_t size)
{
    void *bigger = realloc(*array, (size_t) (n + 1) * size);
    if (!bigger)
        return false;
    *array = bigger;
    return true;
}

/* -1 when memory is short. */
static int unit_of(struct chain *c, const struct launch *l)
{
    const char *options = l->options ? l->options : "";
    for (int i = 0; i < c->n_units; i++)
        if (c->units[i].class == l->program && !strcmp(c->units[i].options, options))
            return i;
    char *copy = strdup(options);
    if (!copy || !one_more((void **) &c->units, c->n_units, sizeof *c->units)) {
        free(copy);
        return -1;
    }
    c->units[c->n_units] = (struct chain_unit){l->program, copy};
    return c->n_units++;
}

static int body_of(struct chain *c, const struct launch *l)
{
    int unit = unit_of(c, l);
    for (int i = 0; i < c->n_bodies; i++)
        if (c->bodies[i].unit == unit && !strcmp(c->bodies[i].kernel, l->kernel))
            return i;
    if (unit < 0 || !one_more((void **) &c->bodies, c->n_bodies, sizeof *c->bodies))
        return -1;
    c->bodies[c->n_bodies] = (struct chain_body){.unit = unit, .kernel = l->kernel, .n_args = l->n_args};
    return c->n_bodies++;
}

/* -1 for no memory at all, CHAIN_MEMORIES when there are too many. */
static int memory_of(struct chain *c, struct device_mem *mem)
{
    int i = 0;
    if (!mem)
        return -1;
    while (i < c->n_memory && c->memory[i] != mem)
        i++;
    if (i == c->n_memory && i < CHAIN_MEMORIES)
        c->memory[c->n_memory++] = mem;
    return i;
}

static void align(struct cq_buf *b)
{
    while (b->size % CHAIN_ALIGN && !b->err)
        cq_put_u8(b, 0);
}

static enum cq_err note_arg(struct chain *c, const struct kernel_arg *a)
{
    int memory;
    switch (a->type) {
    case ARG_TYPE_REF:
        memory = memory_of(c, a->u.ref.mem);
        cq_put_i64(&c->args, memory);
        cq_put_i64(&c->args, memory < 0 ? 0 : (int64_t) a->u.ref.offset);
        return memory < CHAIN_MEMORIES ? CQ_OK : CQ_UNSUPPORTED;
    case ARG_TYPE_I32:
        cq_put_i32(&c->args, a->u.i32);
        return CQ_OK;
    case ARG_TYPE_I64:
        cq_put_i64(&c->args, a->u.i64);
        return CQ_OK;
    case ARG_TYPE_F32:
        cq_put_f32(&c->args, a->u.f32);
        return CQ_OK;
    case ARG_TYPE_BYTES:
        cq_put(&c->args, a->u.bytes.data, a->u.bytes.size);
        return CQ_OK;
    case ARG_TYPE_LOCAL:
        c->local_bytes = c->local_bytes < a->u.local ? a->u.local : c->local_bytes;
        return CQ_OK;
    }
    return CQ_UNSUPPORTED;
}

static enum cq_err note_args(struct chain *c, const struct launch *l, struct chain_body *body)
{
    size_t start = c->args.size;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < l->n_args && !err; i++) {
        body->args[i].type = l->args[i].type;
        body->args[i].at = (int) (c->args.size - start);
        err = note_arg(c, &l->args[i]);
        align(&c->args);
    }
    return err ? err : c->args.err;
}

/* False where the items are more than the kernel counts, or not work-groups by themselves. */
static bool count_items(const struct chain *c, const struct launch *l, struct chain_step *s)
{
    int64_t items = 1;
    for (int i = 0; i < 3; i++) {
        size_t n = i < l->dims ? l->global[i] : 1;
        if (n > INT32_MAX || (l->local[0] && i < l->dims && l->local[i] > 1))
            return false;
        s->size[i] = (cl_int) n;
        items *= (int64_t) n;
        if (items > INT32_MAX)
            return false;
    }
    int64_t pieces = (int64_t) c->threads * PIECES_PER_THREAD;
    s->items = (cl_int) items;
    s->piece = (cl_int) ((items + pieces - 1) / pieces);
    s->pieces = (s->items + s->piece - 1) / s->piece;
    return true;
}

enum cq_err chain_note(struct chain *c, const struct launch *l)
{
    struct chain_step s = {.args = (cl_int) c->args.size};
    if (l->n_args > CHAIN_ARGS || !count_items(c, l, &s))
        return CQ_UNSUPPORTED;
    s.body = body_of(c, l);
    if (s.body < 0 || !one_more((void **) &c->steps, c->n_steps, sizeof *c->steps))
        return CQ_NOMEM;
    s.unit = c->bodies[s.body].unit;
    c->steps[c->n_steps++] = s;
    return note_args(c, l, &c->bodies[s.body]);
}

/* ---- building ---- */

static enum cq_err make_counters(struct chain *c)
{
    size_t bytes = (size_t) c->n_steps * (size_t) (c->threads + 1) * CHAIN_LINE * sizeof(cl_uint);
    void *zeros = calloc(1, bytes);
    enum cq_err err = zeros ? device_alloc(c->dev, bytes, &c->counters) : CQ_NOMEM;
    if (!err)
        err = device_write(c->dev, c->counters, 0, zeros, bytes);
    free(zeros);
    return err;
}

/* Steps, then their arguments. */
static enum cq_err make_table(struct chain *c)
{
    size_t head = ((size_t) c->n_steps * sizeof *c->steps + CHAIN_ALIGN - 1) / CHAIN_ALIGN * CHAIN_ALIGN;
    for (int i = 0; i < c->n_steps; i++)
        c->steps[i].args += (cl_int) head;
    enum cq_err err = device_alloc(c->dev, head + c->args.size, &c->table);
    if (!err)
        err = device_write(c->dev, c->table, 0, c->steps, (size_t) c->n_steps * sizeof *c->steps);
    if (!err)
        err = device_write(c->dev, c->table, head, c->args.data, c->args.size);
    return err;
}

enum { ARG_TURN = 3, ARG_FIRST = 5 };     /* which every launch sets */

static enum cq_err set_args(struct chain *c)
{
    cl_int n = c->n_steps, threads = c->threads;
    size_t local = c->local_bytes > LEAST_LOCAL ? c->local_bytes : LEAST_LOCAL;
    cl_uint i = 0;
    cl_int status = clSetKernelArg(c->kernel, i++, sizeof c->table->mem, &c->table->mem);
    status = status ? status : clSetKernelArg(c->kernel, i++, sizeof n, &n);
    status = status ? status : clSetKernelArg(c->kernel, i++, sizeof c->counters->mem, &c->counters->mem);
    i++;
    status = status ? status : clSetKernelArg(c->kernel, i++, sizeof threads, &threads);
    i++;
    status = status ? status : clSetKernelArg(c->kernel, i++, local, NULL);
    for (int k = 0; k < CHAIN_MEMORIES && !status; k++) {
        cl_mem mem = k < c->n_memory ? c->memory[k]->mem : NULL;
        status = clSetKernelArg(c->kernel, i++, sizeof mem, mem ? &mem : NULL);
    }
    return device_check(c->dev, status, "clSetKernelArg");
}

static enum cq_err build(struct chain *c)
{
    cl_program program;
    cl_int status;
    enum cq_err err = chain_program(c, &program);
    if (!err) {
        c->kernel = clCreateKernel(program, "chain_run", &status);
        err = device_check(c->dev, status, "clCreateKernel");
    }
    if (!err)
        err = make_table(c);
    if (!err)
        err = make_counters(c);
    return err ? err : set_args(c);
}

enum cq_err chain_end(struct chain **chain, enum cq_err err)
{
    struct chain *c = *chain;
    c->dev->noting = NULL;
    if (!err)
        err = c->n_steps ? build(c) : CQ_UNSUPPORTED;
    if (err)
        chain_destroy(chain);
    return err;
}

/* ---- running ---- */

/* One launch; it waits for `after`, if not NULL. Work-groups are handed out to a queue's threads in bunches, so that
 * there must be more of them than threads for each to get one. */
static enum cq_err launch(struct chain *c, cl_command_queue queue, int first, int threads, const cl_event *after)
{
    size_t global = (size_t) threads * (size_t) threads, local = 1;
    enum cq_err err = device_may_enqueue(c->dev);
    if (err)
        return err;
    cl_int status = clSetKernelArg(c->kernel, ARG_TURN, sizeof c->turn, &c->turn);
    status = status ? status : clSetKernelArg(c->kernel, ARG_FIRST, sizeof first, &first);
    if (!status)
        status = clEnqueueNDRangeKernel(queue, c->kernel, 1, NULL, &global, &local, after ? 1 : 0, after, NULL);
    return device_check(c->dev, status, "chain_run");
}

/* In each stream: the first carries what came before and what comes after, the others join in once it is their turn. */
static enum cq_err join_in(struct chain *c, const cl_event *ready)
{
    struct device *dev = c->dev;
    int units = device_units(dev);
    enum cq_err err = device_check(dev, clFlush(dev->queue), "clFlush");
    for (int i = 1; i < device_streams(dev) && !err; i++) {
        err = launch(c, device_stream_queue(dev, i), i * units, units, ready);
        if (!err)
            err = device_check(dev, clFlush(device_stream_queue(dev, i)), "clFlush");
    }
    return err;
}

/* The turn is over with the first launch, which does all of the work where no other comes. */
enum cq_err chain_run(struct chain *c)
{
    struct device *dev = c->dev;
    bool shared = c->whole && device_streams(dev) > 1;
    cl_event ready = NULL;
    cl_int status = shared ? clEnqueueMarkerWithWaitList(dev->queue, 0, NULL, &ready) : CL_SUCCESS;
    enum cq_err err = device_check(dev, status, "clEnqueueMarkerWithWaitList");
    if (!err && !(err = launch(c, dev->queue, 0, device_units(dev), NULL))) {
        err = shared ? join_in(c, &ready) : CQ_OK;
        c->turn++;
    }
    if (ready)
        clReleaseEvent(ready);
    return err;
}

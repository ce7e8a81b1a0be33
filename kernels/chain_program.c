/* The program of a chain. Each program that its kernels come from is compiled once more as a unit in which they are
 * plain functions, told where their work-item is; a last unit holds the kernel. Units are compiled one by one and
 * linked, since helpers of different programs may share a name.
 *
 * The types of structs among a kernel's arguments are asked of the kernel itself. All of this takes a second even where
 * everything was compiled before, so the linked program is kept (program_store.h) under what decides over its texts, and
 * where it is found none of its parts is needed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/chain_cl.h"
#include "kernels/cl_sources.h"
#include "kernels/device_cl.h"
#include "kernels/program_cl.h"
#include "kernels/program_store.h"

enum { NAME_SIZE = 64, LINE_SIZE = 512 };

struct chain_built {
    struct chain_built *next;
    struct program_key key;
    cl_program program;
};

/* A unit as it is compiled; the last of a chain is the kernel itself. */
struct source {
    struct cq_buf text;
    char options[PROGRAM_OPTIONS_SIZE];
    cl_program program;
};

void chain_programs_destroy(struct chain_built **list)
{
    while (*list) {
        struct chain_built *b = *list;
        *list = b->next;
        if (b->program)
            clReleaseProgram(b->program);
        free(b);
    }
}

/* ---- texts ---- */

__attribute__((format(printf, 2, 3))) static void say(struct cq_buf *b, const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (n < 0 || n >= (int) sizeof line)
        b->err = b->err ? b->err : CQ_INTERNAL;
    else
        cq_put(b, line, (size_t) n);
}

static void say_source(struct cq_buf *b, const unsigned char *text)
{
    cq_put(b, text, strlen((const char *) text));
}

/* All kernels of the program, not only those of the chain, become functions that are told where they are. */
static enum cq_err say_functions(struct device *dev, struct cq_buf *text, cl_program program)
{
    size_t size = 0;
    cl_int status = clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, 0, NULL, &size);
    char *names = calloc(1, size + 1), *rest = NULL;
    if (!names)
        return CQ_NOMEM;
    if (!status)
        status = clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, size, names, NULL);
    say(text, "#define kernel static\n#define inline static inline\n"
              "#define get_global_id(d) chain_at[d]\n#define get_global_size(d) chain_size[d]\n");
    for (char *name = strtok_r(names, ";", &rest); name && !status; name = strtok_r(NULL, ";", &rest))
        say(text, "#define %s(...) chain_%s(const ulong *chain_at, const ulong *chain_size, __VA_ARGS__)\n", name, name);
    free(names);
    return device_check(dev, status, "clGetProgramInfo");
}

/* Reads the argument from where chain_note has put it; *index counts the kernel's own arguments. */
static enum cq_err say_arg(struct device *dev, struct cq_buf *text, cl_kernel kernel, enum kernel_arg_type type, int at,
                           int *index)
{
    static const char *const names[] = {[ARG_TYPE_I32] = "int", [ARG_TYPE_I64] = "long", [ARG_TYPE_F32] = "float"};
    char name[NAME_SIZE];
    int i = (*index)++;
    if (type == ARG_TYPE_LOCAL) {
        say(text, "local void *a%d = c->room;\n", i);
        return CQ_OK;
    }
    if (type == ARG_TYPE_REF) {
        say(text, "global void *a%d = chain_memory(c, o + %d);\n", i, at);
        say(text, "const ulong a%d = *(global const ulong *) (o + %d);\n", (*index)++, at + 8);
        return CQ_OK;
    }
    cl_int status = CL_SUCCESS;
    if (type == ARG_TYPE_BYTES)
        status = clGetKernelArgInfo(kernel, (cl_uint) i, CL_KERNEL_ARG_TYPE_NAME, sizeof name, name, NULL);
    const char *c_type = type == ARG_TYPE_BYTES ? name : names[type];
    say(text, "const %s a%d = *(global const %s *) (o + %d);\n", c_type, i, c_type, at);
    return device_check(dev, status, "clGetKernelArgInfo");
}

static enum cq_err say_body(const struct chain *c, struct cq_buf *text, int body, cl_kernel kernel)
{
    const struct chain_body *b = &c->bodies[body];
    int n = 0;
    enum cq_err err = CQ_OK;
    say(text, "case %d: {\n", body);
    for (int i = 0; i < b->n_args && !err; i++)
        err = say_arg(c->dev, text, kernel, b->args[i].type, b->args[i].at, &n);
    say(text, "CHAIN_EACH(chain_%s(w.at, w.size", b->kernel);
    for (int i = 0; i < n; i++)
        say(text, ", a%d", i);
    say(text, "))\nbreak;\n}\n");
    return err;
}

static struct launch launch_of(const struct chain *c, int body)
{
    const struct chain_unit *u = &c->units[c->bodies[body].unit];
    return (struct launch){.program = u->class, .options = u->options, .kernel = c->bodies[body].kernel};
}

static enum cq_err say_unit(const struct chain *c, int unit, struct cq_buf *text)
{
    const struct chain_unit *u = &c->units[unit];
    cl_program program = NULL;
    cl_kernel kernel;
    enum cq_err err = CQ_OK;
    for (int b = 0; b < c->n_bodies && !program && !err; b++) {
        struct launch l = launch_of(c, b);
        if (c->bodies[b].unit == unit)
            err = program_of(c->dev, &l, &program, &kernel);
    }
    say_source(text, cl_chain);
    if (!err)
        err = say_functions(c->dev, text, program);
    for (int i = 0; u->class->source[i]; i++)
        say_source(text, u->class->source[i]);
    say(text, "\n#undef inline\nvoid chain_unit_%d(const struct Chain *c, const struct ChainStep *s)\n{\n"
              "global const char *o = c->table + s->args;\nswitch (s->body) {\n", unit);
    for (int b = 0; b < c->n_bodies && !err; b++) {
        struct launch l = launch_of(c, b);
        if (c->bodies[b].unit != unit)
            continue;
        err = program_of(c->dev, &l, &program, &kernel);
        if (!err)
            err = say_body(c, text, b, kernel);
    }
    say(text, "}\n}\n");
    return err;
}

static void say_kernel(const struct chain *c, struct cq_buf *text)
{
    say_source(text, cl_chain);
    for (int i = 0; i < c->n_units; i++)
        say(text, "void chain_unit_%d(const struct Chain *c, const struct ChainStep *s);\n", i);
    say(text, "CHAIN_INLINE void chain_unit(const struct Chain *c, const struct ChainStep *s)\n{\nswitch (s->unit) {\n");
    for (int i = 0; i < c->n_units; i++)
        say(text, "case %d: chain_unit_%d(c, s); break;\n", i, i);
    say(text, "}\n}\n");
    say_source(text, cl_chain_run);
}

static enum cq_err say_all(const struct chain *c, struct source *sources)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < c->n_units && !err; i++) {
        err = program_options(c->dev, c->units[i].class, c->units[i].options, sources[i].options);
        if (!err)
            err = say_unit(c, i, &sources[i].text);
        cq_put_u8(&sources[i].text, 0);
        err = err ? err : sources[i].text.err;
    }
    struct source *last = &sources[c->n_units];
    snprintf(last->options, sizeof last->options, "-cl-std=CL1.2");
    say_kernel(c, &last->text);
    cq_put_u8(&last->text, 0);
    return err ? err : last->text.err;
}

/* ---- building ---- */

static enum cq_err compile(struct device *dev, struct source *s)
{
    const char *text = (const char *) s->text.data;
    cl_int status;
    s->program = clCreateProgramWithSource(dev->context, 1, &text, NULL, &status);
    enum cq_err err = device_check(dev, status, "clCreateProgramWithSource");
    if (err)
        return err;
    char options[PROGRAM_OPTIONS_SIZE + 4];      /* -w: that some functions are of no use here is no news */
    snprintf(options, sizeof options, "%s -w", s->options);
    status = clCompileProgram(s->program, 1, &dev->id, options, 0, NULL, NULL, NULL, NULL);
    if (status == CL_COMPILE_PROGRAM_FAILURE)
        program_log_build(dev, "chain", s->program);
    return device_check(dev, status, "clCompileProgram");
}

static enum cq_err link_all(struct device *dev, struct source *sources, int n, cl_program *out)
{
    cl_program *programs = calloc((size_t) n, sizeof *programs);
    enum cq_err err = programs ? CQ_OK : CQ_NOMEM;
    for (int i = 0; i < n && !err; i++) {
        err = compile(dev, &sources[i]);
        programs[i] = sources[i].program;
    }
    if (!err) {
        cl_int status;
        *out = clLinkProgram(dev->context, 1, &dev->id, "", (cl_uint) n, programs, NULL, NULL, &status);
        if (status == CL_LINK_PROGRAM_FAILURE && *out)
            program_log_build(dev, "chain", *out);
        err = device_check(dev, status, "clLinkProgram");
    }
    free(programs);
    return err;
}

/* Of parts that are compiled for it. */
static enum cq_err make(const struct chain *c, cl_program *out)
{
    int n = c->n_units + 1;
    struct source *sources = calloc((size_t) n, sizeof *sources);
    enum cq_err err = sources ? say_all(c, sources) : CQ_NOMEM;
    if (!err)
        err = link_all(c->dev, sources, n, out);
    for (int i = 0; sources && i < n; i++) {
        cq_buf_finish(&sources[i].text);
        if (sources[i].program)
            clReleaseProgram(sources[i].program);
    }
    free(sources);
    return err;
}

/* ---- keeping ---- */

/* What the texts are made of, and this code by the hash of all kernels' sources. */
static enum cq_err say_parts(const struct chain *c, struct cq_buf *text)
{
    char options[PROGRAM_OPTIONS_SIZE];
    enum cq_err err = CQ_OK;
    say(text, "%s\n", kernel_sources_hash);
    for (int i = 0; i < c->n_units && !err; i++) {
        err = program_options(c->dev, c->units[i].class, c->units[i].options, options);
        cq_put(text, options, strlen(options));
        for (int k = 0; c->units[i].class->source[k]; k++)
            say_source(text, c->units[i].class->source[k]);
    }
    for (int i = 0; i < c->n_bodies; i++) {
        const struct chain_body *b = &c->bodies[i];
        say(text, "\n%d %s", b->unit, b->kernel);
        for (int k = 0; k < b->n_args; k++)
            say(text, " %d:%d", (int) b->args[k].type, b->args[k].at);
    }
    cq_put_u8(text, 0);
    return err ? err : text->err;
}

static enum cq_err key_of(const struct chain *c, struct program_key *out)
{
    struct cq_buf parts = {0};
    enum cq_err err = say_parts(c, &parts);
    if (!err) {
        const char *text = (const char *) parts.data;
        *out = program_store_key(c->dev, &text, 1, "chain", PROGRAM_OF_ONE_KERNEL);
    }
    cq_buf_finish(&parts);
    return err ? err : out->hex[0] ? CQ_OK : CQ_NOMEM;
}

static enum cq_err load_or_make(const struct chain *c, const struct program_key *key, cl_program *out)
{
    *out = program_store_build(c->dev, key, "");
    if (*out)
        return CQ_OK;
    enum cq_err err = make(c, out);
    if (!err)
        program_store_save(c->dev, key, *out);
    return err;
}

enum cq_err chain_program(const struct chain *c, cl_program *out)
{
    struct program_key key;
    struct chain_built *b = c->dev->chains;
    enum cq_err err = key_of(c, &key);
    if (err)
        return err;
    while (b && strcmp(b->key.hex, key.hex))
        b = b->next;
    if (!b) {
        b = calloc(1, sizeof *b);
        if (!b)
            return CQ_NOMEM;
        b->key = key;
        err = load_or_make(c, &key, &b->program);
        if (err) {
            chain_programs_destroy(&b);
            return err;
        }
        b->next = c->dev->chains;
        c->dev->chains = b;
    }
    *out = b->program;
    return CQ_OK;
}

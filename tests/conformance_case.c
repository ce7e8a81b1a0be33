/* See conformance_case.h. */
#include "tests/conformance_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <onnx.pb-c.h>

#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/model.h"
#include "stages/infer/onnx.h"
#include "stages/infer/session.h"

enum { MAX_IO = 64 };

struct conformance_case {
    Onnx__ModelProto *model;
    Onnx__TensorProto *in[MAX_IO], *want[MAX_IO];
    int n_in, n_want;
};

/* ---- reading ---- */

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t) ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static int read_tensors(const char *dir, const char *kind, Onnx__TensorProto **out)
{
    int n = 0;
    for (; n < MAX_IO; n++) {
        char path[700];
        size_t size;
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", dir, kind, n);
        uint8_t *data = read_file(path, &size);
        if (!data)
            break;
        out[n] = onnx__tensor_proto__unpack(NULL, size, data);
        free(data);
        if (!out[n])
            break;
    }
    return n;
}

struct conformance_case *case_read(const char *dir)
{
    char path[700];
    size_t size;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    uint8_t *data = read_file(path, &size);
    struct conformance_case *c = calloc(1, sizeof *c);
    assert_non_null(c);
    if (data)
        c->model = onnx__model_proto__unpack(NULL, size, data);
    free(data);
    c->n_in = read_tensors(dir, "input", c->in);
    c->n_want = read_tensors(dir, "output", c->want);
    if (!c->model || !c->model->graph)
        case_destroy(&c);
    return c;
}

void case_destroy(struct conformance_case **out)
{
    struct conformance_case *c = *out;
    if (!c)
        return;
    if (c->model)
        onnx__model_proto__free_unpacked(c->model, NULL);
    for (int i = 0; i < c->n_in; i++)
        onnx__tensor_proto__free_unpacked(c->in[i], NULL);
    for (int i = 0; i < c->n_want; i++)
        onnx__tensor_proto__free_unpacked(c->want[i], NULL);
    free(c);
    *out = NULL;
}

/* Gives inputs from `first` on to the model as initialisers, which then own them. */
static void make_constants(struct conformance_case *c, int first)
{
    Onnx__GraphProto *g = c->model->graph;
    if (first >= c->n_in)
        return;
    g->initializer = realloc(g->initializer, (g->n_initializer + MAX_IO) * sizeof *g->initializer);
    assert_non_null(g->initializer);
    for (int i = first; i < c->n_in && (size_t) i < g->n_input; i++) {
        free(c->in[i]->name);
        c->in[i]->name = strdup(g->input[i]->name);
        g->initializer[g->n_initializer++] = c->in[i];
    }
    c->n_in = first;
}

/* ---- comparing ---- */

/* Elements as doubles, whatever the type. */
static double element(const struct tensor_desc *d, const void *data, int64_t i)
{
    switch (d->type) {
    case DT_F32: return (double) ((const float *) data)[i];
    case DT_F64: return ((const double *) data)[i];
    case DT_I64: return (double) ((const int64_t *) data)[i];
    case DT_I32: return ((const int32_t *) data)[i];
    case DT_I16: return ((const int16_t *) data)[i];
    case DT_U16: return ((const uint16_t *) data)[i];
    case DT_I8:  return ((const int8_t *) data)[i];
    case DT_U8: case DT_BOOL: return ((const uint8_t *) data)[i];
    case DT_U32: return ((const uint32_t *) data)[i];
    case DT_U64: return (double) ((const uint64_t *) data)[i];
    default: return NAN;
    }
}

static bool close_to(double got, double want)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= 1e-5 + 1e-3 * fabs(want);
}

static bool is_right(struct onnx_reader *r, const struct session_output *got, const Onnx__TensorProto *want)
{
    struct constant c;
    if (onnx_tensor(r, want, &c))
        return false;
    if (c.desc.type != got->desc.type || !tensor_same_shape(&c.desc, &got->desc))
        return false;
    for (int64_t i = 0; i < tensor_elems(&c.desc); i++)
        if (!close_to(element(&got->desc, got->data, i), element(&c.desc, c.data, i)))
            return false;
    return true;
}

/* ---- running ---- */

/* float16 was widened when it was read; it is fed as the model declares it. */
static enum cq_err feed_one(struct onnx_reader *r, const Onnx__TensorProto *t, enum dtype declared,
                            struct session_input *in)
{
    struct constant k;
    enum cq_err err = onnx_tensor(r, t, &k);
    if (err)
        return err;
    *in = (struct session_input){k.desc, k.data};
    if (declared == DT_F16) {
        in->desc.type = DT_F16;
        in->data = t->has_raw_data ? t->raw_data.data : NULL;
    }
    return in->data || !tensor_elems(&in->desc) ? CQ_OK : CQ_UNSUPPORTED;
}

static enum cq_err feed(struct onnx_reader *r, const struct conformance_case *c, const struct model *m,
                        struct session_input *in)
{
    enum cq_err err = model_input_count(m) == c->n_in ? CQ_OK : CQ_UNSUPPORTED;
    if (err)
        cq_log_error(r->log, "the case has %d inputs, the model %d", c->n_in, model_input_count(m));
    for (int i = 0; i < c->n_in && !err; i++)
        err = feed_one(r, c->in[i], model_input(m, i)->type, &in[i]);
    return err;
}

static void count_step(void *ctx, const char *text)
{
    (void) text;
    ++*(int *) ctx;
}

static enum cq_err run_model(const struct conformance_case *c, struct cq_log *log, struct device *dev,
                             struct onnx_reader *r, const struct model *m, struct case_run *out)
{
    struct session *s = NULL;
    struct session_input in[MAX_IO];
    const struct session_output *got;
    int n_got = 0;
    enum cq_err err = feed(r, c, m, in);
    if (!err)
        err = session_create(log, dev, m, &(struct session_params){.skip_batch_check = true}, &s);
    if (!err)
        err = session_run_tensors(s, in, c->n_in, &got, &n_got);
    out->right = !err && n_got == c->n_want;
    for (int i = 0; i < n_got && out->right; i++)
        out->right = is_right(r, &got[i], c->want[i]);
    if (!err && session_describe(s, 1, count_step, &out->steps) == CQ_OK)
        out->host_steps = session_host_ops(s, 1);
    session_destroy(&s);
    return err;
}

enum cq_err case_run(struct conformance_case *c, struct cq_log *log, struct device *dev, enum case_way way,
                     struct case_run *out)
{
    *out = (struct case_run){0};
    if (way != WAY_AS_IT_STANDS)
        make_constants(c, way == WAY_FIRST_INPUT ? 1 : 0);
    size_t size = onnx__model_proto__get_packed_size(c->model);
    uint8_t *data = malloc(size + 1);
    struct model *m = NULL;
    struct graph scratch = {0};
    struct onnx_reader r = {.log = log, .name = "case", .graph = &scratch};
    assert_non_null(data);
    onnx__model_proto__pack(c->model, data);
    enum cq_err err = model_load_memory(log, "case", data, size, &m);
    if (!err)
        err = run_model(c, log, dev, &r, m, out);
    model_destroy(&m);
    graph_finish(&scratch);
    free(data);
    return err;
}

/* ONNX's own backend tests (Debian's libonnx-testdata) through the engine: every answer that clipq gives must
 * be right; what it declines is counted.
 *
 * Many of these models take shapes and axes as inputs, which real models hold as constants. A model that is
 * declined as it stands is tried again with all inputs but the first made constants, then with all.
 */
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <onnx.pb-c.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/graph.h"
#include "stages/infer/model.h"
#include "stages/infer/onnx.h"
#include "stages/infer/session.h"

enum { MAX_IO = 64 };
/* Fewer than these pass only when something that worked is broken. */
enum { LEAST_NODE = 580, LEAST_PYTORCH = 80 };

struct case_data {
    Onnx__ModelProto *model;
    Onnx__TensorProto *in[MAX_IO], *want[MAX_IO];
    int n_in, n_want;
};

static struct device *dev;
static struct cq_log logger = {.level = CQ_ERROR, .name = "conformance"};

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

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
        char path[600];
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

static bool read_case(const char *dir, struct case_data *c)
{
    char path[600];
    size_t size;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    uint8_t *data = read_file(path, &size);
    *c = (struct case_data){0};
    if (!data)
        return false;
    c->model = onnx__model_proto__unpack(NULL, size, data);
    free(data);
    c->n_in = read_tensors(dir, "input", c->in);
    c->n_want = read_tensors(dir, "output", c->want);
    return c->model && c->model->graph;
}

static void free_case(struct case_data *c)
{
    if (c->model)
        onnx__model_proto__free_unpacked(c->model, NULL);
    for (int i = 0; i < c->n_in; i++)
        onnx__tensor_proto__free_unpacked(c->in[i], NULL);
    for (int i = 0; i < c->n_want; i++)
        onnx__tensor_proto__free_unpacked(c->want[i], NULL);
}

/* Gives inputs from `first` on to the model as initialisers. */
static void make_constants(struct case_data *c, int first)
{
    Onnx__GraphProto *g = c->model->graph;
    g->initializer = realloc(g->initializer, (g->n_initializer + MAX_IO) * sizeof *g->initializer);
    assert_non_null(g->initializer);
    for (int i = first; i < c->n_in && (size_t) i < g->n_input; i++) {
        free(c->in[i]->name);
        c->in[i]->name = strdup(g->input[i]->name);
        g->initializer[g->n_initializer++] = c->in[i];
    }
    c->n_in = c->n_in > first ? first : c->n_in;
}

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
    if (!tensor_same_shape(&c.desc, &got->desc))
        return false;
    for (int64_t i = 0; i < tensor_elems(&c.desc); i++)
        if (!close_to(element(&got->desc, got->data, i), element(&c.desc, c.data, i)))
            return false;
    return true;
}

static enum cq_err feed(struct onnx_reader *r, const struct case_data *c, const struct model *m,
                        struct session_input *in)
{
    if (model_input_count(m) != c->n_in)
        return CQ_UNSUPPORTED;
    for (int i = 0; i < c->n_in; i++) {
        struct constant k;
        enum cq_err err = onnx_tensor(r, c->in[i], &k);
        if (err)
            return err;
        in[i] = (struct session_input){k.desc, k.data};
        if (model_input(m, i)->type == DT_F16) {       /* read as float32, must be fed as it is declared */
            in[i].desc.type = DT_F16;
            in[i].data = c->in[i]->has_raw_data ? c->in[i]->raw_data.data : NULL;
            if (!in[i].data)
                return CQ_UNSUPPORTED;
        }
    }
    return CQ_OK;
}

static enum cq_err run_case(const struct case_data *c, struct cq_log *log, bool *right)
{
    size_t size = onnx__model_proto__get_packed_size(c->model);
    uint8_t *data = malloc(size + 1);
    struct model *m = NULL;
    struct session *s = NULL;
    struct graph scratch = {0};
    struct onnx_reader r = {.log = log, .name = "case", .graph = &scratch};
    struct session_input in[MAX_IO];
    const struct session_output *out;
    int n_out = 0;
    assert_non_null(data);
    onnx__model_proto__pack(c->model, data);
    enum cq_err err = model_load_memory(log, "case", data, size, &m);
    if (!err)
        err = feed(&r, c, m, in);
    if (!err)
        err = session_create(log, dev, m, &(struct session_params){.skip_batch_check = true}, &s);
    if (!err)
        err = session_run_tensors(s, in, c->n_in, &out, &n_out);
    *right = !err && n_out == c->n_want;
    for (int i = 0; i < n_out && *right; i++)
        *right = is_right(&r, &out[i], c->want[i]);
    session_destroy(&s);
    model_destroy(&m);
    graph_finish(&scratch);
    free(data);
    return err;
}

/* With scales and align_corners, the suite's own reference counts pixels of a size that is not rounded, while the
 * operator's text and ONNX Runtime (which leaves these two out as well) count those of the result. The suite
 * writes bfloat16 as uint16. */
static bool is_disputed(const char *name)
{
    return strstr(name, "BFLOAT16") || !strcmp(name, "test_resize_downsample_scales_cubic_align_corners") ||
           !strcmp(name, "test_resize_downsample_scales_linear_align_corners");
}

struct tally { int right, wrong, declined; };

static void run_folder(const char *dir, const char *name, struct tally *t)
{
    struct case_data c;
    struct cq_log quiet = {.level = CQ_ERROR, .sink = ignore};
    bool right = false, usable = read_case(dir, &c);
    enum cq_err err = usable ? run_case(&c, &quiet, &right) : CQ_UNSUPPORTED;
    for (int first = 1; usable && err && first >= 0; first--) {
        make_constants(&c, first);
        err = run_case(&c, &quiet, &right);
    }
    free_case(&c);
    if (err) {
        t->declined++;
        if (getenv("CLIPQ_VERBOSE") || err == CQ_INTERNAL)
            printf("  declined %s: %s: %s\n", name, cq_err_text(err), quiet.last_error);
    } else if (right) {
        t->right++;
    } else {
        t->wrong++;
        printf("  WRONG %s\n", name);
    }
}

static void run_suite(const char *suite, int least)
{
    char root[400], dir[560];
    struct tally t = {0};
    struct dirent **names;
    snprintf(root, sizeof root, "%s/%s", ONNX_TESTDATA, suite);
    int n = scandir(root, &names, NULL, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.' && !is_disputed(names[i]->d_name)) {
            snprintf(dir, sizeof dir, "%s/%.120s", root, names[i]->d_name);
            run_folder(dir, names[i]->d_name, &t);
        }
        free(names[i]);
    }
    free(names);
    printf("%s: %d right, %d wrong, %d declined\n", suite, t.right, t.wrong, t.declined);
    assert_int_equal(t.wrong, 0);
    assert_true(t.right >= least);
}

static void test_node(void **state)
{
    (void) state;
    run_suite("node", LEAST_NODE);
}

static void test_pytorch(void **state)
{
    (void) state;
    run_suite("pytorch-converted", LEAST_PYTORCH / 2);
    run_suite("pytorch-operator", LEAST_PYTORCH / 8);
}

int main(void)
{
    struct device_info info;
    DIR *d = opendir(ONNX_TESTDATA);
    if (!d) {
        printf("SKIP: no ONNX backend tests (package libonnx-testdata)\n");
        return 77;
    }
    closedir(d);
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_node), cmocka_unit_test(test_pytorch)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

/* Models whose results differ in size from image to image: together, one by one, and with nothing found.
 */
#include "stages/infer/session_impl.h"
#include "tests/session_fixture.h"

enum { SIDE = 12, PIXELS = 3 * SIDE * SIDE, IMAGES = 5, OUTPUTS = 3 };

/* A convolution gives 4 coordinates and 2 scores per cell; boxes that NonMaxSuppression keeps are gathered. `squeezed`
 * drops the batch dimension first, as exporters do for one image. */
static Onnx__ModelProto *detector(bool squeezed)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){1, 3, SIDE, SIDE});
    onnx_weights(p, "w", 4, (int64_t[]){6, 3, 1, 1});
    onnx_node(p, "Conv", "x,w", "y");
    onnx_ints(p, "parts", 2, (int64_t[]){4, 2});
    onnx_attr_int(onnx_node(p, "Split", "y,parts", "b,s"), "axis", 1);
    onnx_node(p, "Sigmoid", "s", "p");
    onnx_ints(p, "as_scores", 3, (int64_t[]){1, 2, -1});
    onnx_node(p, "Reshape", "p,as_scores", "scores");
    onnx_ints(p, "as_boxes", 3, (int64_t[]){1, 4, -1});
    onnx_node(p, "Reshape", "b,as_boxes", "columns");
    onnx_attr_ints(onnx_node(p, "Transpose", "columns", "boxes"), "perm", 3, (int64_t[]){0, 2, 1});
    onnx_ints(p, "most", 1, (int64_t[]){20});
    onnx_float(p, "overlap", 0.4f);
    onnx_float(p, "threshold", 0.6f);
    onnx_node(p, "NonMaxSuppression", "boxes,scores,most,overlap,threshold", "kept");
    onnx_ints(p, "first", 1, (int64_t[]){0});
    onnx_ints(p, "last", 1, (int64_t[]){2});
    onnx_attr_int(onnx_node(p, "Gather", "kept,last", "column"), "axis", 1);
    onnx_ints(p, "flat", 1, (int64_t[]){-1});
    onnx_node(p, "Reshape", "column,flat", "index");
    if (squeezed) {
        onnx_node(p, "Squeeze", "columns,first", "c2");
        onnx_attr_int(onnx_node(p, "Gather", "c2,index", "found"), "axis", 1);
    } else {
        onnx_node(p, "Squeeze", "boxes,first", "b2");
        onnx_node(p, "Gather", "b2,index", "found");
    }
    onnx_node(p, "GlobalAveragePool", "y", "mean");
    onnx_output(p, "found");
    onnx_output(p, "mean");
    onnx_output(p, "kept");
    return p;
}

static struct session *open_frames(const struct model *m)
{
    static const struct session_image image = {
        .width = SIDE, .height = SIDE, .channels = 3, .scale = {1 / 64.f, 1 / 64.f, 1 / 64.f},
    };
    struct session *s;
    if (session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s))
        fail_msg("%s", logger.last_error);
    return s;
}

/* Noise of different contrast, and a black image in which nothing can be found. */
static void make_images(uint8_t images[IMAGES][PIXELS], const uint8_t **list)
{
    uint32_t state = 99;
    for (int i = 0; i < IMAGES; i++) {
        list[i] = images[i];
        for (int k = 0; k < PIXELS; k++) {
            state = state * 1664525u + 1013904223u;
            images[i][k] = i == 2 ? 0 : (uint8_t) ((state >> 24) * (unsigned) (i + 1) / IMAGES);
        }
    }
}

struct kept_part { struct tensor_desc desc; void *data; };

static struct kept_part keep(const struct session_output *o)
{
    struct kept_part k = {o->desc, malloc(tensor_bytes(&o->desc) + 1)};
    assert_non_null(k.data);
    memcpy(k.data, o->data, tensor_bytes(&o->desc));
    return k;
}

static void run(struct session *s, const uint8_t **images, int batch, const struct session_output **out)
{
    int n;
    if (session_run_images(s, images, batch, out, &n))
        fail_msg("%s", logger.last_error);
    assert_int_equal(n, OUTPUTS);
}

static void assert_same(const struct session_output *o, const struct kept_part *want)
{
    assert_int_equal(o->desc.type, want->desc.type);
    assert_true(tensor_same_shape(&o->desc, &want->desc));
    int64_t n = tensor_elems(&want->desc);
    for (int64_t i = 0; i < n && o->desc.type == DT_F32; i++)
        assert_true(fabsf(((const float *) o->data)[i] - ((const float *) want->data)[i]) < 1e-4f);
    if (o->desc.type != DT_F32)
        assert_memory_equal(o->data, want->data, tensor_bytes(&o->desc));
}

/* Every image's part in a batch is what the image gives alone. */
static void check_batches(const struct model *m)
{
    static uint8_t pixels[IMAGES][PIXELS];
    const uint8_t *images[IMAGES];
    const struct session_output *out;
    struct kept_part alone[IMAGES][OUTPUTS];
    bool differs = false;
    struct session *s = open_frames(m);
    assert_true(session_batchable(s));
    make_images(pixels, images);
    for (int i = 0; i < IMAGES; i++) {
        run(s, images + i, 1, &out);
        for (int o = 0; o < OUTPUTS; o++)
            alone[i][o] = keep(&out[o]);
        differs |= alone[i][2].desc.dim[0] != alone[0][2].desc.dim[0];
    }
    assert_true(differs);
    assert_int_equal(alone[2][2].desc.dim[0], 0);
    assert_true(alone[4][2].desc.dim[0] > 0);
    for (int batch = 2; batch <= IMAGES; batch += 3) {
        run(s, images, batch, &out);
        assert_null(out[1].each);
        for (int i = 0; i < batch; i++)
            for (int o = 0; o < OUTPUTS; o++) {
                struct session_output part = session_output_image(&out[o], i, batch);
                assert_same(&part, &alone[i][o]);
            }
    }
    for (int i = 0; i < IMAGES; i++)
        for (int o = 0; o < OUTPUTS; o++)
            free(alone[i][o].data);
    session_destroy(&s);
}

static void test_batches(void **state)
{
    (void) state;
    struct model *m = load_and_free(detector(false));
    check_batches(m);
    model_destroy(&m);
}

/* The cut values hold the batch in a dimension that is not the first. */
static void test_batches_squeezed(void **state)
{
    (void) state;
    struct model *m = load_and_free(detector(true));
    check_batches(m);
    model_destroy(&m);
}

/* Image tokens [36*batch, 8], where the batch lies behind the tokens. */
static void test_batch_behind_tokens(void **state)
{
    (void) state;
    enum { BATCH = 3 };
    float x[BATCH * IMAGE];
    const struct session_output *out;
    int n;
    Onnx__ModelProto *p = image_model();
    add_conv(p, "x", "y");
    onnx_ints(p, "rows", 3, (int64_t[]){1, 8, 36});
    onnx_ints(p, "tokens", 2, (int64_t[]){36, 8});
    onnx_node(p, "Relu", "y", "a");
    onnx_node(p, "Reshape", "a,rows", "b");
    onnx_attr_ints(onnx_node(p, "Transpose", "b", "c"), "perm", 3, (int64_t[]){2, 0, 1});
    onnx_node(p, "Reshape", "c,tokens", "d");
    onnx_node(p, "NonZero", "d", "found");
    onnx_output(p, "found");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    struct kept_part alone[BATCH];
    assert_true(session_batchable(s));
    fill(x, BATCH * IMAGE);
    for (int i = 0; i < BATCH; i++) {
        struct session_input one = {{DT_F32, .rank = 4, .dim = {1, 8, 6, 6}}, x + i * IMAGE};
        assert_int_equal(session_run_tensors(s, &one, 1, &out, &n), CQ_OK);
        alone[i] = keep(out);
    }
    struct session_input all = {{DT_F32, .rank = 4, .dim = {BATCH, 8, 6, 6}}, x};
    assert_int_equal(session_run_tensors(s, &all, 1, &out, &n), CQ_OK);
    for (int i = 0; i < BATCH; i++) {
        struct session_output part = session_output_image(out, i, BATCH);
        assert_same(&part, &alone[i]);
        free(alone[i].data);
    }
    session_destroy(&s);
    model_destroy(&m);
}

/* The description of a whole output says how many rows its parts have together. */
static void test_parts_join(void **state)
{
    (void) state;
    static uint8_t pixels[IMAGES][PIXELS];
    const uint8_t *images[IMAGES];
    const struct session_output *out;
    struct model *m = load_and_free(detector(false));
    struct session *s = open_frames(m);
    make_images(pixels, images);
    run(s, images, IMAGES, &out);
    int64_t rows = 0;
    for (int i = 0; i < IMAGES; i++)
        rows += out[2].each[i].dim[0];
    assert_int_equal(out[2].desc.rank, 2);
    assert_int_equal(out[2].desc.dim[0], rows);
    assert_int_equal(out[0].desc.dim[0], rows);
    session_destroy(&s);
    model_destroy(&m);
}

static void count_line(void *ctx, const char *text)
{
    *(int *) ctx += strstr(text, "NonMaxSuppression") && strstr(text, "[host]");
}

static void test_tail_is_shown(void **state)
{
    (void) state;
    int lines = 0;
    struct model *m = load_and_free(detector(false));
    struct session *s = open_frames(m);
    assert_int_equal(session_describe(s, 2, count_line, &lines), CQ_OK);
    assert_int_equal(lines, 1);
    assert_true(session_host_ops(s, 2) >= 4);
    session_destroy(&s);
    model_destroy(&m);
}

/* ---- If ---- */

enum { VECTOR = 4 };

/* y = if(cond) x + k else -x, x and k being outer values; `cond` must be a value of the model. */
static void add_if(Onnx__ModelProto *p)
{
    Onnx__NodeProto *n = onnx_node(p, "If", "cond", "y");
    Onnx__GraphProto *outer = onnx_branch(p);
    onnx_node(p, "Add", "x,k", "then_y");
    onnx_output(p, "then_y");
    onnx_attr_branch(p, n, "then_branch", outer);
    outer = onnx_branch(p);
    onnx_node(p, "Neg", "x", "else_y");
    onnx_output(p, "else_y");
    onnx_attr_branch(p, n, "else_branch", outer);
}

static Onnx__ModelProto *vector_model(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 2, (int64_t[]){1, VECTOR});
    onnx_float(p, "k", 10);
    onnx_float(p, "zero", 0);
    return p;
}

/* cond = sum of x > 0 */
static void add_condition(Onnx__ModelProto *p, const char *x)
{
    onnx_attr_int(onnx_node(p, "ReduceSum", x, "sum"), "keepdims", 0);
    onnx_node(p, "Greater", "sum,zero", "cond");
}

static void expect_vector(struct session *s, const float *x, int rows, const float *want)
{
    const struct session_output *out;
    int n;
    struct session_input in = {{DT_F32, .rank = 2, .dim = {rows, VECTOR}}, x};
    if (session_run_tensors(s, &in, 1, &out, &n))
        fail_msg("%s", logger.last_error);
    assert_int_equal(tensor_elems(&out[0].desc), rows * VECTOR);
    for (int i = 0; i < rows * VECTOR; i++)
        assert_true(((const float *) out[0].data)[i] == want[i]);
}

/* Each image of a batch chooses for itself. */
static void test_if_at_run_time(void **state)
{
    (void) state;
    static const float x[] = {1, 2, 3, 4, -1, -2, -3, -4}, want[] = {11, 12, 13, 14, 1, 2, 3, 4};
    Onnx__ModelProto *p = vector_model();
    add_condition(p, "x");
    add_if(p);
    onnx_output(p, "y");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    assert_true(session_host_ops(s, 1) >= 1);
    expect_vector(s, x, 1, want);
    expect_vector(s, x + VECTOR, 1, want + VECTOR);
    expect_vector(s, x, 2, want);
    session_destroy(&s);
    model_destroy(&m);
}

/* A condition on constants leaves nothing for later, whatever the other branch holds. */
static void test_if_folds(void **state)
{
    (void) state;
    static const float x[] = {1, 2, 3, 4}, want[] = {11, 12, 13, 14};
    Onnx__ModelProto *p = vector_model();
    onnx_node(p, "Greater", "k,zero", "cond");
    add_if(p);
    onnx_node(p, "Relu", "y", "z");
    onnx_output(p, "z");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    assert_int_equal(session_host_ops(s, 1), 0);
    expect_vector(s, x, 1, want);
    session_destroy(&s);
    model_destroy(&m);
}

/* An If inside a branch reads a value two graphs further out, and its nodes come before what they read is made. */
static void test_if_nested_and_unsorted(void **state)
{
    (void) state;
    static const float x[] = {1, 2, 3, 4, -1, -2, -3, -4}, want[] = {21, 22, 23, 24, 2, 4, 6, 8};
    Onnx__ModelProto *p = vector_model();
    onnx_node(p, "Add", "branched,y", "z");
    Onnx__NodeProto *n = onnx_node(p, "If", "cond", "branched");
    Onnx__GraphProto *outer = onnx_branch(p);
    add_if(p);
    onnx_node(p, "Sub", "y,x", "y_less_x");
    onnx_output(p, "y_less_x");
    onnx_attr_branch(p, n, "then_branch", outer);
    outer = onnx_branch(p);
    onnx_node(p, "Identity", "y", "same");
    onnx_output(p, "same");
    onnx_attr_branch(p, n, "else_branch", outer);
    add_if(p);
    add_condition(p, "x");
    onnx_output(p, "z");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    expect_vector(s, x, 2, want);
    session_destroy(&s);
    model_destroy(&m);
}

static void expect_refused(Onnx__ModelProto *p, enum cq_err want, const char *word)
{
    size_t size;
    struct model *m;
    uint8_t *data = onnx_bytes(p, &size);
    assert_int_equal(model_load_memory(&logger, "test", data, size, &m), want);
    if (!strstr(logger.last_error, word))
        fail_msg("'%s' lacks '%s'", logger.last_error, word);
    free(data);
    onnx_free(p);
}

/* A graph in a graph in a graph... */
static void add_nested(Onnx__ModelProto *p, int depth)
{
    Onnx__NodeProto *n = onnx_node(p, "If", "cond", "y");
    Onnx__GraphProto *outer = onnx_branch(p);
    if (depth > 1)
        add_nested(p, depth - 1);
    else
        onnx_node(p, "Neg", "x", "y");
    onnx_output(p, "y");
    onnx_attr_branch(p, n, "then_branch", outer);
    outer = onnx_branch(p);
    onnx_node(p, "Identity", "x", "else_y");
    onnx_output(p, "else_y");
    onnx_attr_branch(p, n, "else_branch", outer);
}

static void test_depth(void **state)
{
    (void) state;
    static const float x[] = {1, 2, 3, 4}, want[] = {-1, -2, -3, -4};
    for (int depth = 5; depth <= 500; depth *= 100) {
        Onnx__ModelProto *p = vector_model();
        add_condition(p, "x");
        add_nested(p, depth);
        onnx_output(p, "y");
        if (depth > 5) {
            expect_refused(p, CQ_CORRUPT, "damaged");
            continue;
        }
        struct model *m = load_and_free(p);
        struct session *s = open_session(m);
        expect_vector(s, x, 1, want);
        session_destroy(&s);
        model_destroy(&m);
    }
}

static void test_bad_branches(void **state)
{
    (void) state;
    Onnx__ModelProto *p = vector_model();
    onnx_node(p, "Identity", "y", "k2");
    add_condition(p, "x");
    add_if(p);
    free(p->graph->node[3]->attribute[0]->g->node[0]->input[1]);
    p->graph->node[3]->attribute[0]->g->node[0]->input[1] = strdup("k2");
    onnx_output(p, "y");
    expect_refused(p, CQ_CORRUPT, "cycle");

    p = vector_model();
    add_condition(p, "x");
    add_if(p);
    free(p->graph->node[2]->attribute[1]->g->node[0]->op_type);
    p->graph->node[2]->attribute[1]->g->node[0]->op_type = strdup("Strange");
    onnx_output(p, "y");
    expect_refused(p, CQ_UNSUPPORTED, "Strange");

    p = vector_model();
    add_condition(p, "x");
    add_if(p);
    onnx_node(p, "Neg", "then_y", "z");
    onnx_output(p, "z");
    expect_refused(p, CQ_CORRUPT, "then_y");
}

/* ---- what else may happen ---- */

/* The rows of a table for which x is not 0 times a matrix: 50 MFLOP. */
static void test_heavy_operators(void **state)
{
    (void) state;
    enum { ROWS = 200, DEPTH = 256, COLUMNS = 512 };
    const struct session_output *out;
    int n_out;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 2, (int64_t[]){1, ROWS});
    onnx_weights(p, "table", 2, (int64_t[]){ROWS, DEPTH});
    onnx_weights(p, "w", 2, (int64_t[]){DEPTH, COLUMNS});
    onnx_ints(p, "flat", 1, (int64_t[]){-1});
    onnx_node(p, "NonZero", "x", "at");
    onnx_ints(p, "second", 1, (int64_t[]){1});
    onnx_node(p, "Gather", "at,second", "column");
    onnx_node(p, "Reshape", "column,flat", "index");
    onnx_node(p, "Gather", "table,index", "rows");
    onnx_node(p, "MatMul", "rows,w", "y");
    onnx_output(p, "y");
    const float *table = (const float *) p->graph->initializer[0]->raw_data.data;
    const float *w = (const float *) p->graph->initializer[1]->raw_data.data;
    size_t size;
    struct model *m;
    uint8_t *data = onnx_bytes(p, &size);
    assert_int_equal(model_load_memory(&logger, "test", data, size, &m), CQ_OK);
    struct session *s = open_session(m);
    float x[ROWS] = {0};
    for (int i = 5; i < ROWS; i++)
        x[i] = 1;
    struct session_input in = {{DT_F32, .rank = 2, .dim = {1, ROWS}}, x};
    if (session_run_tensors(s, &in, 1, &out, &n_out))
        fail_msg("%s", logger.last_error);
    assert_int_equal(out[0].desc.dim[0], ROWS - 5);
    assert_int_equal(out[0].desc.dim[1], COLUMNS);
    for (int i = 0; i < ROWS - 5; i += 7)
        for (int j = 0; j < COLUMNS; j += 13) {
            double sum = 0;
            for (int k = 0; k < DEPTH; k++)
                sum += (double) table[(i + 5) * DEPTH + k] * (double) w[k * COLUMNS + j];
            assert_true(fabs(((const float *) out[0].data)[i * COLUMNS + j] - sum) < 1e-3);
        }
    /* On the device, where buffers may run out; the session works again afterwards. */
    device_fail_at(dev, 1, 0);
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OOM);
    assert_false(device_fault_waits(dev));
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OK);
    session_destroy(&s);
    model_destroy(&m);
    free(data);
    onnx_free(p);
}

/* The numbers 0..n-1 pick from a table of 8, n being the image's value. */
static void test_one_bad_image(void **state)
{
    (void) state;
    static const float x[] = {3, 9, 8, 0};
    const struct session_output *out;
    int n_out;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 2, (int64_t[]){1, 1});
    onnx_weights(p, "table", 1, (int64_t[]){8});
    onnx_ints(p, "flat", 1, (int64_t[]){-1});
    onnx_attr_int(onnx_node(p, "Cast", "x", "n"), "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    onnx_node(p, "Reshape", "n,flat", "shape");
    onnx_ints(p, "one", 1, (int64_t[]){1});
    onnx_node(p, "Expand", "one,shape", "ones");
    onnx_node(p, "NonZero", "ones", "index");
    onnx_node(p, "Gather", "table,index", "y");
    onnx_output(p, "y");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    struct session_input in = {{DT_F32, .rank = 2, .dim = {4, 1}}, x};
    if (session_run_tensors(s, &in, 1, &out, &n_out))
        fail_msg("%s", logger.last_error);
    assert_true(session_batchable(s));
    assert_int_equal(out[0].each[0].dim[1], 3);
    assert_int_equal(out[0].each[1].type, DT_NONE);
    assert_int_equal(out[0].each[2].dim[1], 8);
    assert_int_equal(out[0].each[3].dim[1], 0);
    assert_non_null(strstr(logger.last_error, "out of range"));
    struct session_output part = session_output_image(&out[0], 2, 4);
    assert_memory_equal(part.data, (const float *) out[0].data + 3, 8 * sizeof(float));
    in = (struct session_input){{DT_F32, .rank = 2, .dim = {1, 1}}, x + 1};
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_INVALID);
    session_destroy(&s);
    model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_batches_squeezed),
        cmocka_unit_test(test_batch_behind_tokens),
        cmocka_unit_test(test_parts_join),
        cmocka_unit_test(test_tail_is_shown),
        cmocka_unit_test(test_if_at_run_time),
        cmocka_unit_test(test_if_folds),
        cmocka_unit_test(test_if_nested_and_unsorted),
        cmocka_unit_test(test_bad_branches),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_heavy_operators),
        cmocka_unit_test(test_one_bad_image),
    };
    if (!open_device())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

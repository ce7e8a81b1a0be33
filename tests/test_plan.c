/* From graph to plan to session on small models: passes fuse what they should, tensors that live at once do
 * not overlap, memory is kept within limits. Batches are in test_batch.c.
 */
#include "stages/infer/lower.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/pass.h"
#include "stages/infer/session_impl.h"
#include "tests/session_fixture.h"

/* Lowers and simplifies at batch 1. */
static void simplified(const struct model *m, struct net *net)
{
    struct tensor_desc in[4];
    *net = (struct net){0};
    assert_true(model_default_inputs(m, in));
    assert_int_equal(lower_graph(&logger, model_graph(m), in, NULL, net, NULL), CQ_OK);
    assert_int_equal(pass_run_all(&logger, net), CQ_OK);
}

static void test_everything_into_one_conv(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "pads", 8, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    onnx_weights(p, "k", 3, (int64_t[]){8, 1, 1});
    for (int i = 0; i < 4; i++)
        onnx_weights(p, (const char *[]){"scale", "bias", "mean", "var"}[i], 1, (int64_t[]){8});
    for (int i = 0; i < 8; i++)     /* a variance is not negative */
        ((float *) p->graph->initializer[5]->raw_data.data)[i] = 1 + (float) i;
    onnx_weights(p, "w", 4, (int64_t[]){8, 8, 3, 3});
    onnx_node(p, "Pad", "x,pads", "padded");
    onnx_node(p, "Conv", "padded,w", "y");
    onnx_node(p, "BatchNormalization", "y,scale,bias,mean,var", "n");
    onnx_node(p, "Mul", "n,k", "scaled");
    onnx_node(p, "Identity", "scaled", "same");
    onnx_node(p, "Add", "same,x", "sum");
    onnx_node(p, "Sigmoid", "sum", "gate");
    onnx_node(p, "Mul", "sum,gate", "out");
    onnx_output(p, "out");
    struct model *m = load_and_free(p);
    simplified(m, &net);
    assert_int_equal(net.n_steps, 1);
    assert_int_equal(net.steps[0].op.kind, OP_CONV);
    assert_int_equal(net.steps[0].op.act, ACT_SILU);
    assert_int_equal(net.steps[0].n_in, 4);
    assert_int_equal(net.steps[0].op.u.conv.pad_begin[0], 1);
    net_finish(&net);
    model_destroy(&m);
}

static void test_hard_swish_spelling(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = image_model();
    onnx_float(p, "three", 3);
    onnx_float(p, "zero", 0);
    onnx_float(p, "six", 6);
    add_conv(p, "x", "y");
    onnx_node(p, "Add", "y,three", "a");
    onnx_node(p, "Clip", "a,zero,six", "c");
    onnx_node(p, "Mul", "y,c", "m");
    onnx_node(p, "Div", "m,six", "out");
    onnx_output(p, "out");
    struct model *m = load_and_free(p);
    simplified(m, &net);
    assert_int_equal(net.n_steps, 1);
    assert_int_equal(net.steps[0].op.act, ACT_HARD_SWISH);
    net_finish(&net);
    model_destroy(&m);
}

/* What another reader, or the caller, still needs must not be fused away. */
static void test_shared_results_stay(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = image_model();
    add_conv(p, "x", "y");
    onnx_node(p, "Relu", "y", "out");
    onnx_output(p, "out");
    onnx_output(p, "y");
    struct model *m = load_and_free(p);
    simplified(m, &net);
    assert_int_equal(net.n_steps, 2);
    assert_int_equal(net.steps[0].op.act, ACT_NONE);
    net_finish(&net);
    model_destroy(&m);
}

static Onnx__ModelProto *tower(void)
{
    Onnx__ModelProto *p = image_model();
    add_conv(p, "x", "a");
    onnx_node(p, "Relu", "a", "b");
    add_conv(p, "b", "c");
    onnx_node(p, "Add", "b,c", "d");
    add_conv(p, "d", "e");
    onnx_attr_int(onnx_node(p, "Concat", "b,d,e", "out"), "axis", 1);
    onnx_output(p, "out");
    return p;
}

/* Every pair of tensors whose contents are needed at the same step lies apart. */
static void test_places_do_not_overlap(void **state)
{
    (void) state;
    struct net net;
    struct placement places;
    struct model *m = load_and_free(tower());
    simplified(m, &net);
    assert_int_equal(place_tensors(&net, NULL, 0, &places), CQ_OK);
    for (int n = 0; n < net.n_steps; n++)
        for (int i = 0; i < net.steps[n].n_in; i++) {
            int x = net.steps[n].in[i], y = net.steps[n].out[0];
            if (x < 0 || places.of[x].kind != PLACE_ARENA)
                continue;
            size_t x0 = places.of[x].offset, x1 = x0 + tensor_bytes(&net.tensors[x].desc);
            size_t y0 = places.of[y].offset, y1 = y0 + tensor_bytes(&net.tensors[y].desc);
            assert_true(x1 <= y0 || y1 <= x0);
            assert_true(x0 % PLACE_ALIGN == 0 && x1 <= places.arena_bytes);
        }
    placement_finish(&places);

    size_t segment = 8192;
    assert_int_equal(place_tensors(&net, NULL, segment, &places), CQ_OK);
    for (int n = 0; n < net.n_steps; n++) {
        int y = net.steps[n].out[0];
        size_t y0 = places.of[y].offset, bytes = tensor_bytes(&net.tensors[y].desc);
        assert_int_equal(y0 / segment, (y0 + bytes - 1) / segment);
    }
    placement_finish(&places);
    assert_int_equal(place_tensors(&net, NULL, 512, &places), CQ_OOM);
    net_finish(&net);
    model_destroy(&m);
}

static void test_memory_limit(void **state)
{
    (void) state;
    struct model *m = load_and_free(tower());
    struct session *s;
    struct session_memory one, four;
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.whole_device = true}, &s), CQ_OK);
    assert_int_equal(session_plan_memory(s, 1, &one), CQ_OK);
    assert_int_equal(session_plan_memory(s, 4, &four), CQ_OK);
    assert_int_equal(one.weights, four.weights);
    assert_true(four.activations >= 3 * one.activations);
    assert_int_equal(session_max_batch(s, 16), 16);
    s->memory_limit = four.total;
    assert_int_equal(session_max_batch(s, 16), 4);
    s->memory_limit = 100;
    assert_int_equal(session_max_batch(s, 16), 0);
    session_destroy(&s);
    model_destroy(&m);
}

/* Packed weights of the first plan serve the second: nothing new is uploaded. */
static void test_weights_are_shared(void **state)
{
    (void) state;
    float x[4 * IMAGE];
    size_t n;
    struct model *m = load_and_free(tower());
    struct session *s = open_session(m);
    fill(x, 4 * IMAGE);
    free(run_floats(s, 1, x, &n));
    int chunks = s->weights.n_chunks, entries = s->weights.n_entries;
    assert_true(entries > 0);
    free(run_floats(s, 4, x, &n));
    assert_int_equal(s->weights.n_chunks, chunks);
    assert_int_equal(s->weights.n_entries, entries);
    session_destroy(&s);
    model_destroy(&m);
}

/* The n-th allocation or enqueue fails, whichever it is: CQ_OOM, and after a trim the same images run. */
static void test_out_of_memory_is_survived(void **state)
{
    (void) state;
    float x[2 * IMAGE];
    size_t n;
    struct model *m = load_and_free(tower());
    struct session *s = open_session(m);
    struct session_input in = {{DT_F32, .rank = 4, .dim = {2, 8, 6, 6}}, x};
    const struct session_output *out;
    int n_out, failures = 0;
    fill(x, 2 * IMAGE);
    for (int kind = 0; kind < 2; kind++)
        for (int nth = 1; nth < 40; nth++) {
            session_trim(s);
            device_fail_at(dev, kind == 0 ? nth : 0, kind == 1 ? nth : 0);
            enum cq_err err = session_run_tensors(s, &in, 1, &out, &n_out);
            device_fail_at(dev, 0, 0);
            assert_true(err == CQ_OK || err == CQ_OOM);
            failures += err == CQ_OOM;
            session_trim(s);
            free(run_floats(s, 2, x, &n));
        }
    assert_true(failures >= 4);
    session_destroy(&s);
    model_destroy(&m);
}

/* Of pictures of 5x4 pixels with 3 channels. */
static struct model *relu_of_images(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){-1, 3, 4, 5});
    onnx_node(p, "Relu", "x", "out");
    onnx_output(p, "out");
    return load_and_free(p);
}

/* Two batches are started before the first is finished; a third must wait, and what was dropped says so. */
static void test_two_batches_started(void **state)
{
    (void) state;
    int n_out;
    int64_t ticket[3];
    struct session *s;
    const struct session_output *out;
    struct model *m = relu_of_images();
    struct session_image image = {.width = 5, .height = 4, .channels = 3, .scale = {1, 1, 1}};
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s), CQ_OK);
    uint8_t frames[4][60];
    const uint8_t *list[4] = {frames[0], frames[1], frames[2], frames[3]};
    for (int i = 0; i < 4; i++)
        memset(frames[i], i + 1, sizeof frames[i]);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(session_start_images(s, list, 3, &ticket[0]), CQ_OK);
        assert_int_equal(session_start_images(s, list + 3, 1, &ticket[1]), CQ_OK);
        assert_int_equal(session_start_images(s, list, 1, &ticket[2]), CQ_INVALID);
        assert_int_equal(session_run_images(s, list, 1, &out, &n_out), CQ_INVALID);
        assert_int_equal(session_finish(s, ticket[1], &out, &n_out), CQ_AGAIN);
        assert_int_equal(session_finish(s, ticket[0], &out, &n_out), CQ_OK);
        for (int i = 0; i < 180; i++)
            assert_true(((const float *) out[0].data)[i] == (float) (i / 60 + 1));
        if (round == 1)
            session_trim(s);
        assert_int_equal(session_finish(s, ticket[1], &out, &n_out), round == 1 ? CQ_AGAIN : CQ_OK);
        assert_true(round == 1 || *(const float *) out[0].data == 4.0f);
    }
    session_destroy(&s);
    model_destroy(&m);
}

static void count_line(void *ctx, const char *text)
{
    int *lines = ctx;
    assert_non_null(text);
    (*lines)++;
}

static void test_images_are_normalised(void **state)
{
    (void) state;
    int lines = 0, n_out;
    struct session *s;
    const struct session_output *out;
    struct model *m = relu_of_images();
    struct session_image image = {
        .width = 5, .height = 4, .channels = 3, .mean = {10, 20, 30}, .scale = {1, 0.5f, 0.25f},
    };
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s), CQ_OK);
    uint8_t frames[3][60];
    for (int i = 0; i < 180; i++)
        frames[i / 60][i % 60] = (uint8_t) (i * 7);
    const uint8_t *list[3] = {frames[0], frames[1], frames[2]};
    assert_int_equal(session_run_images(s, list, 3, &out, &n_out), CQ_OK);
    assert_int_equal(out[0].desc.dim[0], 3);
    const float *y = out[0].data;
    for (int n = 0; n < 3; n++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 20; i++) {
                float want = ((float) frames[n][i * 3 + c] - image.mean[c]) * image.scale[c];
                assert_true(fabsf(y[(n * 3 + c) * 20 + i] - (want > 0 ? want : 0)) < 1e-4f);
            }
    assert_int_equal(session_describe(s, 3, count_line, &lines), CQ_OK);
    assert_int_equal(lines, 2);
    assert_int_equal(session_host_ops(s, 3), 0);
    session_destroy(&s);

    image.width = 6;
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s), CQ_INVALID);
    model_destroy(&m);
}

static void note_frames(void *ctx, const char *text)
{
    bool *joined = ctx;
    *joined |= strstr(text, "CONV_FRAMES") != NULL;
}

/* The output from frames against that from the normalised images; is the first layer one with the normalisation? */
static bool first_layer_joined(const struct model *m)
{
    enum { W = 9, H = 7, BYTES = 3 * W * H };
    struct session_image image = {
        .width = W, .height = H, .channels = 3, .mean = {10, 120, 30}, .scale = {0.01f, 0.02f, 0.03f},
    };
    uint8_t frame[BYTES];
    float x[BYTES];
    for (int i = 0; i < BYTES; i++)
        frame[i] = (uint8_t) (i * 37);
    for (int i = 0; i < BYTES; i++)
        x[i % 3 * W * H + i / 3] = ((float) frame[i] - image.mean[i % 3]) * image.scale[i % 3];
    struct session *s, *plain = open_session(m);
    const struct session_output *out, *want;
    int n_out;
    bool joined = false;
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s), CQ_OK);
    assert_int_equal(session_run_images(s, (const uint8_t *[]){frame}, 1, &out, &n_out), CQ_OK);
    struct session_input in = {{DT_F32, .rank = 4, .dim = {1, 3, H, W}}, x};
    assert_int_equal(session_run_tensors(plain, &in, 1, &want, &n_out), CQ_OK);
    assert_true(tensor_same_shape(&out[0].desc, &want[0].desc));
    for (int64_t i = 0; i < tensor_elems(&want[0].desc); i++)
        assert_true(fabsf(((const float *) out[0].data)[i] - ((const float *) want[0].data)[i]) < 1e-4f);
    assert_int_equal(session_describe(s, 1, note_frames, &joined), CQ_OK);
    session_destroy(&plain);
    session_destroy(&s);
    return joined;
}

static void test_frames_into_the_first_layer(void **state)
{
    (void) state;
    for (int groups = 1; groups <= 3; groups += 2)
        for (int readers = 1; readers <= 2; readers++) {
            Onnx__ModelProto *p = onnx_model(13);
            onnx_input(p, "x", 4, (int64_t[]){1, 3, 7, 9});
            onnx_weights(p, "w", 4, (int64_t[]){6, 3 / groups, 3, 3});
            Onnx__NodeProto *conv = onnx_node(p, "Conv", "x,w", "c");
            onnx_attr_ints(conv, "pads", 4, (int64_t[]){1, 1, 1, 1});
            onnx_attr_ints(conv, "strides", 2, (int64_t[]){2, 2});
            onnx_attr_int(conv, "group", groups);
            onnx_node(p, "Relu", "c", "out");
            onnx_output(p, "out");
            if (readers == 2) {
                onnx_node(p, "Neg", "x", "other");
                onnx_output(p, "other");
            }
            struct model *m = load_and_free(p);
            bool possible = groups == 1 && readers == 1 && !device_get_info(dev)->simt;
            assert_int_equal(first_layer_joined(m), possible);
            model_destroy(&m);
        }
}

/* Height and width left open: each size gets a plan of its own, and none can be made before one is known. */
static void test_free_size(void **state)
{
    (void) state;
    static const int sizes[][2] = {{12, 8}, {33, 17}};
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){1, 3, -1, -1});
    onnx_weights(p, "w", 4, (int64_t[]){8, 3, 3, 3});
    onnx_node(p, "Conv", "x,w", "out");
    onnx_output(p, "out");
    struct model *m = load_and_free(p);
    uint8_t *frame = calloc(33 * 17, 3);
    assert_non_null(frame);
    for (int i = 0; i < 2; i++) {
        struct session *s;
        const struct session_output *out;
        int n_out;
        struct session_image image = {.width = sizes[i][0], .height = sizes[i][1], .channels = 3, .scale = {1, 1, 1}};
        assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.image = &image}, &s), CQ_OK);
        assert_int_equal(session_run_images(s, (const uint8_t *[]){frame, frame}, 2, &out, &n_out), CQ_OK);
        assert_int_equal(out[0].desc.dim[0], 2);
        assert_int_equal(out[0].desc.dim[2], image.height - 2);
        assert_int_equal(out[0].desc.dim[3], image.width - 2);
        session_destroy(&s);
    }
    struct session *s = open_session(m);
    struct session_memory memory;
    assert_int_equal(session_plan_memory(s, 1, &memory), CQ_INVALID);
    assert_non_null(strstr(logger.last_error, "size"));
    session_destroy(&s);
    model_destroy(&m);
    free(frame);
}

static void to_half(const float *from, _Float16 *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (_Float16) from[i];
}

/* The same network with weights and input of half precision; the one input keeps its name. */
static void make_half(Onnx__ModelProto *p)
{
    for (size_t i = 0; i < p->graph->n_initializer; i++) {
        Onnx__TensorProto *t = p->graph->initializer[i];
        float *wide = (float *) t->raw_data.data;
        size_t n = t->raw_data.len / sizeof *wide;
        _Float16 *half = malloc(n * sizeof *half);
        assert_non_null(half);
        to_half(wide, half, n);
        t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
        onnx_raw(t, half, n * sizeof *half);
        free(wide);
        free(half);
    }
    p->graph->input[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
}

static void test_half_model(void **state)
{
    (void) state;
    float x[IMAGE];
    _Float16 half[IMAGE];
    size_t n;
    int n_out;
    const struct session_output *out;
    Onnx__ModelProto *p = image_model(), *p_half = image_model();
    add_conv(p, "x", "out");
    add_conv(p_half, "x", "out");
    onnx_output(p, "out");
    onnx_output(p_half, "out");
    make_half(p_half);
    struct model *m = load_and_free(p), *m_half = load_and_free(p_half);
    struct session *s = open_session(m), *s_half = open_session(m_half);
    fill(x, IMAGE);
    to_half(x, half, IMAGE);
    float *want = run_floats(s, 1, x, &n);
    struct session_input in = {{DT_F16, .rank = 4, .dim = {1, 8, 6, 6}}, half};
    assert_int_equal(session_run_tensors(s_half, &in, 1, &out, &n_out), CQ_OK);
    assert_int_equal(out[0].desc.type, DT_F32);
    assert_int_equal(tensor_elems(&out[0].desc), n);
    for (size_t i = 0; i < n; i++)
        assert_true(fabsf(((const float *) out[0].data)[i] - want[i]) < 1e-2f);
    free(want);
    session_destroy(&s_half);
    session_destroy(&s);
    model_destroy(&m_half);
    model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_into_one_conv), cmocka_unit_test(test_hard_swish_spelling),
        cmocka_unit_test(test_shared_results_stay),      cmocka_unit_test(test_places_do_not_overlap),
        cmocka_unit_test(test_memory_limit),             cmocka_unit_test(test_weights_are_shared),
        cmocka_unit_test(test_out_of_memory_is_survived), cmocka_unit_test(test_images_are_normalised),
        cmocka_unit_test(test_two_batches_started),
        cmocka_unit_test(test_frames_into_the_first_layer),
        cmocka_unit_test(test_free_size),                cmocka_unit_test(test_half_model),
    };
    if (!open_device())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

/* Weights as float16: how far answers move. In the mean (root of squares), tensors of real models move by less than
 * a fiftieth of what their values are; single values of a detector that sees nothing there move more, in ONNX Runtime
 * with rounded weights just so. Of detections the same are found, with scores within 0.01 and boxes within half a pixel
 * of the model's input.
 */
#include <math.h>
#include <string.h>

#include "kernels/device.h"
#include "stages/infer/model.h"
#include "tests/answer_frame.h"
#include "tests/npy.h"

static const double tensor_tolerance = 2e-2, score_tolerance = 0.01, box_tolerance = 0.5;

static struct device *dev;

static const char *data_root(void)
{
    const char *set = getenv("CLIPQ_DATA");
    return set && *set ? set : "../shared/data";
}

struct subject {
    struct model *m;
    struct tensor_desc desc;
    float *input;
    struct session *s[2];                      /* by precision */
    const struct session_output *out[2];
    int n_out;
};

static void subject_start(struct subject *t, const char *name)
{
    char path[1024];
    *t = (struct subject){0};
    snprintf(path, sizeof path, "%s/models/%s.onnx", data_root(), name);
    assert_int_equal(model_load(NULL, path, &t->m), CQ_OK);
    snprintf(path, sizeof path, "%s/golden/%s/input.npy", data_root(), name);
    assert_true(npy_read(path, &t->desc, &t->input));
    for (int p = 0; p < 2; p++) {
        const struct session_params params = {.precision = (enum precision) p, .skip_batch_check = true};
        const struct session_input in = {t->desc, t->input};
        assert_int_equal(session_create(NULL, dev, t->m, &params, &t->s[p]), CQ_OK);
        assert_int_equal(session_run_tensors(t->s[p], &in, 1, &t->out[p], &t->n_out), CQ_OK);
    }
}

static void subject_finish(struct subject *t)
{
    session_destroy(&t->s[0]);
    session_destroy(&t->s[1]);
    model_destroy(&t->m);
    free(t->input);
}

static size_t weight_bytes(struct session *s)
{
    struct session_memory m = {0};
    assert_int_equal(session_plan_memory(s, 1, &m), CQ_OK);
    return m.weights;
}

static double relative_difference(const struct session_output *a, const struct session_output *b)
{
    const float *x = a->data, *y = b->data;
    double squares = 1e-18, differences = 0;
    for (int64_t i = 0; i < tensor_elems(&a->desc); i++) {
        double d = (double) x[i] - (double) y[i];
        differences += d * d;
        squares += (double) x[i] * (double) x[i];
    }
    return sqrt(differences / squares);
}

static void tensors_stay_near(void **state)
{
    static const char *const models[] = {
        "FastestDet", "person-reid-0288", "squeezenet_fp32_from_fp16", "super_resolution",
        "version-RFB-320", "yolox_nano", "yunet_n_320_320",
    };
    (void) state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct subject t;
        double worst = 0;
        subject_start(&t, models[i]);
        for (int o = 0; o < t.n_out; o++) {
            double moved = relative_difference(&t.out[0][o], &t.out[1][o]);
            worst = moved > worst || isnan(moved) ? moved : worst;
        }
        size_t full = weight_bytes(t.s[0]), half = weight_bytes(t.s[1]);
        print_message("%s: moved by %.1e, weights %zu instead of %zu KiB\n", models[i], worst, half >> 10,
                      full >> 10);
        assert_true(worst <= tensor_tolerance);
        assert_true(half <= full);              /* Winograd keeps float32 */
        subject_finish(&t);
    }
}

/* What the model's decoder reads from one session's outputs, in pixels of the input. */
static void detect(const struct subject *t, int precision, struct answer *out)
{
    struct test_frame f;
    struct card c;
    assert_int_equal(card_from_model(NULL, t->m, NULL, 0, 0, &c), CQ_OK);
    int width = (int) t->desc.dim[3], height = (int) t->desc.dim[2];
    test_frame_init(&f, c.decoder, FIT_STRETCH, width, height, width, height);
    f.card = c;
    f.card.image.width = width;
    f.card.image.height = height;
    for (int o = 0; o < t->n_out; o++) {
        f.frame.names[o] = model_output(t->m, o)->name;
        f.frame.outputs[o] = session_output_image(&t->out[precision][o], 0, (int) t->desc.dim[0]);
    }
    f.frame.n_outputs = t->n_out;
    assert_int_equal(test_frame_decode(&f, out), CQ_OK);
    card_finish(&f.card);
}

static void detections_stay(void **state)
{
    static const char *const models[] = {"yolox_nano", "yunet_n_320_320", "version-RFB-320", "FastestDet"};
    (void) state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct subject t;
        struct answer a[2];
        subject_start(&t, models[i]);
        detect(&t, PRECISION_FP32, &a[0]);
        detect(&t, PRECISION_FP16, &a[1]);
        assert_true(a[0].n_detections > 0);
        assert_int_equal(a[0].n_detections, a[1].n_detections);
        for (int k = 0; k < a[0].n_detections; k++) {
            const struct detection *x = &a[0].detections[k], *y = &a[1].detections[k];
            assert_int_equal(x->class_id, y->class_id);
            assert_float_equal(x->score, y->score, score_tolerance);
            assert_float_equal(x->x0, y->x0, box_tolerance);
            assert_float_equal(x->y0, y->y0, box_tolerance);
            assert_float_equal(x->x1, y->x1, box_tolerance);
            assert_float_equal(x->y1, y->y1, box_tolerance);
        }
        answer_finish(&a[0]);
        answer_finish(&a[1]);
        subject_finish(&t);
    }
}

int main(void)
{
    char path[1024];
    struct device_info info;
    snprintf(path, sizeof path, "%s/golden/yolox_nano/input.npy", data_root());
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("SKIP: no golden results in %s (CLIPQ_DATA)\n", data_root());
        return 77;
    }
    fclose(f);
    device_setup_environment(0);
    if (device_find(NULL, "auto", &info) || device_open(NULL, &info, &dev)) {
        puts("SKIP: no OpenCL device");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_stay_near),
        cmocka_unit_test(detections_stay),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

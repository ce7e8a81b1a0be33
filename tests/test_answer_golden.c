/* Real models and real tensors: which decoder takes which model, and what the recorded outputs say.
 *
 * What stands here of faces and persons was seen on the frames themselves; see the data's own README. */
#include <string.h>
#include <unistd.h>

#include "stages/infer/model.h"
#include "tests/answer_frame.h"

static const char *data_root(void)
{
    const char *set = getenv("CLIPQ_DATA");
    return set && *set ? set : "../shared/data";
}

static void load_model(const char *name, struct model **out)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/models/%s.onnx", data_root(), name);
    assert_int_equal(model_load(NULL, path, out), CQ_OK);
}

static void every_model_finds_its_decoder(void **state)
{
    (void) state;
    static const struct {
        const char *model, *decoder;
        enum channel_order channels;
        int width, height;
    } awaited[] = {
        {"yolox_nano", "yolox", CHANNELS_BGR, 416, 416},
        {"yunet_n_320_320", "yunet", CHANNELS_BGR, 320, 320},
        {"yunet_n_dynamic", "yunet", CHANNELS_BGR, 640, 640},
        {"version-RFB-320", "ultraface", CHANNELS_RGB, 320, 240},
        {"FastestDet", "fastestdet", CHANNELS_BGR, 352, 352},
        {"squeezenet_fp32_from_fp16", "classification", CHANNELS_BGR, 224, 224},
        {"person-reid-0288", "embedding", CHANNELS_BGR, 128, 256},
        {"super_resolution", "image", CHANNELS_GRAY, 224, 224},
    };
    for (size_t i = 0; i < sizeof awaited / sizeof *awaited; i++) {
        struct model *m;
        struct card c;
        load_model(awaited[i].model, &m);
        assert_int_equal(card_from_model(NULL, m, NULL, 0, 0, &c), CQ_OK);
        print_message("%s: %s (%s)\n", awaited[i].model, c.decoder, c.why);
        assert_string_equal(c.decoder, awaited[i].decoder);
        assert_int_equal(c.channels, awaited[i].channels);
        assert_int_equal(c.image.width, awaited[i].width);
        assert_int_equal(c.image.height, awaited[i].height);
        assert_int_equal(c.image.nhwc, !strcmp(c.decoder, "embedding"));
        card_finish(&c);
        model_destroy(&m);
    }
}

/* Frame number `n` of a recorded output, as one of the frame's outputs. */
static void add_golden(struct test_frame *t, const char *model, const char *output, int n)
{
    char path[1024], header[65536];
    snprintf(path, sizeof path, "%s/golden/%s/output_%s.npy", data_root(), model, output);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(header, 1, 10, f), 10);
    size_t size = (uint8_t) header[8] | (size_t) (uint8_t) header[9] << 8;
    assert_int_equal(fread(header, 1, size, f), size);
    header[size - 1] = '\0';
    assert_non_null(strstr(header, "<f4"));

    int rank = 0;
    int64_t dim[TENSOR_MAX_RANK] = {0};
    for (char *at = strchr(strstr(header, "'shape'"), '(') + 1; *at != ')'; at += strspn(at, ", "))
        dim[rank++] = strtoll(at, &at, 10);
    assert_in_range(n, 0, dim[0] - 1);
    dim[0] = 1;
    float *v = test_frame_output(t, output, rank, dim);
    size_t bytes = tensor_bytes(&t->frame.outputs[t->frame.n_outputs - 1].desc);
    assert_int_equal(fseek(f, (long) ((size_t) n * bytes), SEEK_CUR), 0);
    assert_int_equal(fread(v, 1, bytes, f), bytes);
    fclose(f);
}

/* The card is the model's own, but for the fit that the recording was made with. */
static void start(struct test_frame *t, const char *model, const char *decoder, enum fit fit, int display_w,
                  int display_h, int input_w, int input_h)
{
    test_frame_init(t, decoder, fit, display_w, display_h, input_w, input_h);
    struct model *m;
    load_model(model, &m);
    assert_int_equal(card_from_model(NULL, m, decoder, input_w, input_h, &t->card), CQ_OK);
    model_destroy(&m);
}

static void yolox_finds_the_person(void **state)
{
    (void) state;
    struct test_frame t;
    start(&t, "yolox_nano", "yolox", FIT_LETTERBOX_TOP_LEFT, 768, 432, 416, 416);
    add_golden(&t, "yolox_nano", "output", 0);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_int_equal(a.detections[0].class_id, 0);
    assert_float_equal(a.detections[0].score, 0.9012, 1e-3);
    assert_box(a.detections[0], 380.62, 4.38, 544.87, 368.25);      /* as NumPy decodes it */
    answer_finish(&a);
    card_finish(&t.card);
    test_frame_finish(&t);
}

/* Corners in shares of the picture. */
static void assert_face(const struct answer *a, const double corners[4], double tolerance)
{
    assert_int_equal(a->n_detections, 1);
    const struct detection *d = &a->detections[0];
    print_message("face %.3f: %.3f %.3f %.3f %.3f\n", d->score, d->x0 / 640, d->y0 / 480, d->x1 / 640, d->y1 / 480);
    assert_float_equal(d->x0 / 640, corners[0], tolerance);
    assert_float_equal(d->y0 / 480, corners[1], tolerance);
    assert_float_equal(d->x1 / 640, corners[2], tolerance);
    assert_float_equal(d->y1 / 480, corners[3], tolerance);
}

static void yunet_finds_the_face(void **state)
{
    (void) state;
    static const char *const models[] = {"yunet_n_320_320", "yunet_n_dynamic"};
    static const char *const parts[] = {"cls", "obj", "bbox", "kps"};
    for (int i = 0; i < 2; i++) {
        struct test_frame t;
        start(&t, models[i], "yunet", FIT_STRETCH, 640, 480, 320, 320);
        char names[12][16];
        for (int k = 0; k < 12; k++) {
            snprintf(names[k], sizeof names[k], "%s_%d", parts[k / 3], 8 << k % 3);
            add_golden(&t, models[i], names[k], i);        /* of the three: the frame at 0.4 s */
        }
        struct answer a;
        assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
        /* What OpenCV's FaceDetectorYN says of the same input. */
        static const double points[5][2] = {
            {0.4637, 0.4861}, {0.6057, 0.4906}, {0.5429, 0.5868}, {0.4686, 0.6541}, {0.5984, 0.6584},
        };
        assert_face(&a, (const double[]) {0.3762, 0.2855, 0.3762 + 0.2909, 0.2855 + 0.5054}, 0.001);
        assert_float_equal(a.detections[0].score, 0.9448, 0.001);
        assert_int_equal(a.detections[0].n_points, 5);
        for (int k = 0; k < 5; k++) {
            assert_float_equal(a.detections[0].point[k][0] / 640, points[k][0], 0.001);
            assert_float_equal(a.detections[0].point[k][1] / 480, points[k][1], 0.001);
        }
        answer_finish(&a);
        card_finish(&t.card);
        test_frame_finish(&t);
    }
}

static void ultraface_finds_the_face(void **state)
{
    (void) state;
    struct test_frame t;
    start(&t, "version-RFB-320", "ultraface", FIT_STRETCH, 640, 480, 320, 240);
    add_golden(&t, "version-RFB-320", "scores", 0);
    add_golden(&t, "version-RFB-320", "boxes", 0);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_face(&a, (const double[]) {0.401, 0.312, 0.668, 0.802}, 0.004);
    assert_true(a.detections[0].score > 0.99f);
    answer_finish(&a);
    card_finish(&t.card);
    test_frame_finish(&t);
}

static void fastestdet_finds_the_juggler(void **state)
{
    (void) state;
    struct test_frame t;
    start(&t, "FastestDet", "fastestdet", FIT_STRETCH, 1280, 720, 352, 352);
    add_golden(&t, "FastestDet", "758", 0);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_true(a.n_detections >= 1);
    assert_int_equal(a.detections[0].class_id, 0);
    assert_float_equal(a.detections[0].score, 0.89, 0.01);
    answer_finish(&a);
    card_finish(&t.card);
    test_frame_finish(&t);
}

static void squeezenet_ranks_as_numpy_does(void **state)
{
    (void) state;
    struct test_frame t;
    start(&t, "squeezenet_fp32_from_fp16", "classification", FIT_STRETCH, 1280, 720, 224, 224);
    add_golden(&t, "squeezenet_fp32_from_fp16", "softmaxout_1", 0);
    char labels[1024];
    snprintf(labels, sizeof labels, "%s/models/imagenet_labels.txt", data_root());
    assert_int_equal(card_apply_labels(NULL, &t.card, labels), CQ_OK);
    assert_int_equal(t.card.n_labels, 1000);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    static const struct classification awaited[] = {{523, 0.2199f}, {702, 0.1266f}, {421, 0.0994f}, {602, 0.0628f},
                                                    {880, 0.0586f}};
    assert_int_equal(a.n_classes, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(a.classes[i].class_id, awaited[i].class_id);
        assert_float_equal(a.classes[i].score, awaited[i].score, 1e-3);
    }
    assert_string_equal(card_label(&t.card, 523), "crutch");
    answer_finish(&a);
    card_finish(&t.card);
    test_frame_finish(&t);
}

static void person_reid_gives_256_numbers(void **state)
{
    (void) state;
    struct test_frame t;
    start(&t, "person-reid-0288", "embedding", FIT_STRETCH, 768, 432, 128, 256);
    add_golden(&t, "person-reid-0288", "Identity_0", 0);
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.dims, 256);
    assert_memory_equal(a.embedding, t.frame.outputs[0].data, 256 * sizeof(float));
    answer_finish(&a);
    card_finish(&t.card);
    test_frame_finish(&t);
}

int main(void)
{
    if (access(data_root(), R_OK)) {
        printf("skipped: no data at %s (set CLIPQ_DATA)\n", data_root());
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_finds_its_decoder),
        cmocka_unit_test(yolox_finds_the_person),
        cmocka_unit_test(yunet_finds_the_face),
        cmocka_unit_test(ultraface_finds_the_face),
        cmocka_unit_test(fastestdet_finds_the_juggler),
        cmocka_unit_test(person_reid_gives_256_numbers),
        cmocka_unit_test(squeezenet_ranks_as_numpy_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

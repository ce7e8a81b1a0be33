/* Decoders on tensors made by hand: known boxes in, the same boxes out; junk in, nothing out. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "stages/answer/npy.h"
#include "tests/answer_frame.h"

/* A 64x64 input: grids of 8x8, 4x4 and 2x2 cells. */
enum { CELLS = 84, STRIDE16 = 64, STRIDE32 = 80 };

static void yolox_box(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolox", FIT_LETTERBOX_TOP_LEFT, 128, 96, 64, 64);
    float *v = test_frame_output(&t, "output", 3, DIMS(1, CELLS, 7));

    /* Stride 16, column 2, row 1: centre (40, 24), size 16x8 in the input, twice that on the display. */
    float *cell = v + 7 * (STRIDE16 + 1 * 4 + 2);
    memcpy(cell, (float[]) {0.5f, 0.5f, 0, logf(0.5f), 0.9f, 0.1f, 0.8f}, 7 * sizeof(float));
    /* The same box from a finer grid, a little weaker: suppressed. */
    cell = v + 7 * (3 * 8 + 5);
    memcpy(cell, (float[]) {0, 0, logf(2), 0, 0.8f, 0.1f, 0.8f}, 7 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_int_equal(a.detections[0].class_id, 1);
    assert_float_equal(a.detections[0].score, 0.72, 1e-6);
    assert_box(a.detections[0], 64, 40, 96, 56);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void yolox_decoded_boxes_are_pixels(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolox", FIT_LETTERBOX_TOP_LEFT, 64, 64, 64, 64);
    t.card.decoded = true;
    float *v = test_frame_output(&t, "output", 3, DIMS(1, CELLS, 6));
    memcpy(v + 6 * 10, (float[]) {32, 16, 20, 10, 1, 0.5f}, 6 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_box(a.detections[0], 22, 11, 42, 21);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void boxes_are_cut_to_the_picture(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolox", FIT_LETTERBOX_TOP_LEFT, 64, 32, 64, 64);
    t.card.decoded = true;
    float *v = test_frame_output(&t, "output", 3, DIMS(1, CELLS, 6));
    memcpy(v, (float[]) {0, 32, 40, 40, 1, 0.9f}, 6 * sizeof(float));         /* over the corner */
    memcpy(v + 6, (float[]) {32, 50, 20, 20, 1, 0.9f}, 6 * sizeof(float));    /* wholly in the padding */
    memcpy(v + 12, (float[]) {32, 16, -5, 4, 1, 0.9f}, 6 * sizeof(float));    /* inside out */

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_box(a.detections[0], 0, 12, 20, 32);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void what_is_not_finite_is_no_box(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolox", FIT_STRETCH, 64, 64, 64, 64);
    float *v = test_frame_output(&t, "output", 3, DIMS(1, CELLS, 6));
    memcpy(v, (float[]) {0, 0, 0, 0, 1, NAN}, 6 * sizeof(float));
    memcpy(v + 6, (float[]) {NAN, 0, 0, 0, 1, 1}, 6 * sizeof(float));
    memcpy(v + 12, (float[]) {0, 0, 1000, 0, 1, 1}, 6 * sizeof(float));
    memcpy(v + 18, (float[]) {0, 0, 0, 0, INFINITY, 1}, 6 * sizeof(float));
    memcpy(v + 24, (float[]) {0, 0, 0, 0, NAN, 1}, 6 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 0);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void yunet_face_with_landmarks(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yunet", FIT_LETTERBOX, 128, 64, 64, 64);      /* picture in rows 16..47 */
    for (int stride = 8; stride <= 32; stride *= 2) {
        int cells = (64 / stride) * (64 / stride);
        static char names[12][16];
        static const char *const parts[] = {"cls", "obj", "bbox", "kps"};
        static const int widths[] = {1, 1, 4, 10};
        for (int p = 0; p < 4; p++) {
            char *name = names[t.frame.n_outputs];
            snprintf(name, sizeof names[0], "%s_%d", parts[p], stride);
            float *v = test_frame_output(&t, name, 3, DIMS(1, cells, widths[p]));
            int cell = 1 * (64 / stride) + 2;      /* stride 16: column 2, row 1 */
            if (stride == 16 && p == 0)
                v[cell] = 0.81f;
            if (stride == 16 && p == 1)
                v[cell] = 1.2f;                    /* taken as 1 */
            if (stride == 16 && p == 2)
                memcpy(v + 4 * cell, (float[]) {0, 0.5f, 0, 0}, 4 * sizeof(float));
            if (stride == 16 && p == 3)
                for (int k = 0; k < 10; k++)
                    v[10 * cell + k] = (float) k / 10;
        }
    }

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_float_equal(a.detections[0].score, 0.9, 1e-6);
    /* Centre (32, 24), size 16 in the input; two display pixels to one, 16 rows of padding above. */
    assert_box(a.detections[0], 48, 0, 80, 32);
    assert_int_equal(a.detections[0].n_points, 5);
    for (int k = 0; k < 5; k++) {
        assert_float_equal(a.detections[0].point[k][0], (2 + 0.2 * k) * 16 * 2, 0.01);
        assert_float_equal(a.detections[0].point[k][1], ((1.1 + 0.2 * k) * 16 - 16) * 2, 0.01);
    }
    answer_finish(&a);
    test_frame_finish(&t);
}

static void ultraface_corners(void **state)
{
    (void) state;
    for (int boxes_first = 0; boxes_first < 2; boxes_first++) {
        struct test_frame t;
        test_frame_init(&t, "ultraface", FIT_STRETCH, 640, 480, 320, 240);
        float *boxes = boxes_first ? test_frame_output(&t, "boxes", 3, DIMS(1, 5, 4)) : NULL;
        float *scores = test_frame_output(&t, "scores", 3, DIMS(1, 5, 2));
        if (!boxes)
            boxes = test_frame_output(&t, "boxes", 3, DIMS(1, 5, 4));
        scores[2 * 3 + 1] = 0.75f;
        scores[2 * 4] = 0.9f;                      /* background */
        memcpy(boxes + 4 * 3, (float[]) {0.25f, 0.5f, 0.5f, 0.75f}, 4 * sizeof(float));
        memcpy(boxes + 4 * 4, (float[]) {0, 0, 1, 1}, 4 * sizeof(float));

        struct answer a;
        assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
        assert_int_equal(a.n_detections, 1);
        assert_float_equal(a.detections[0].score, 0.75, 1e-6);
        assert_box(a.detections[0], 160, 240, 320, 360);
        answer_finish(&a);
        test_frame_finish(&t);
    }
}

static void fastestdet_cell(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "fastestdet", FIT_STRETCH, 640, 320, 64, 64);
    float *v = test_frame_output(&t, "758", 4, DIMS(1, 5 + 3, 4, 4));
    int cell = 2 * 4 + 1;
    v[cell] = 0.9f;
    v[16 + cell] = atanhf(0.5f);                   /* centre (1.5/4, 2/4) of the input */
    v[3 * 16 + cell] = 0;                          /* half the width */
    v[4 * 16 + cell] = -logf(3);                   /* a quarter of the height */
    v[(5 + 2) * 16 + cell] = 0.8f;

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_int_equal(a.detections[0].class_id, 2);
    assert_float_equal(a.detections[0].score, powf(0.9f, 0.6f) * powf(0.8f, 0.4f), 1e-5);
    assert_box(a.detections[0], (0.375 - 0.25) * 640, (0.5 - 0.125) * 320, (0.375 + 0.25) * 640, (0.5 + 0.125) * 320);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void yolov8_planes(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolov8", FIT_LETTERBOX, 128, 64, 64, 64);
    float *v = test_frame_output(&t, "output0", 3, DIMS(1, 4 + 3, CELLS));
    float column[] = {32, 32, 16, 8, 0.1f, 0.7f, 0.6f}, other[] = {33, 32, 16, 8, 0.1f, 0.2f, 0.65f};
    for (int i = 0; i < 7; i++) {
        v[i * CELLS + 50] = column[i];
        v[i * CELLS + 51] = other[i];              /* of another class, so it stays beside the first */
    }

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 2);
    assert_int_equal(a.detections[0].class_id, 1);
    assert_int_equal(a.detections[1].class_id, 2);
    assert_float_equal(a.detections[0].score, 0.7, 1e-6);
    assert_box(a.detections[0], 48, 24, 80, 40);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void yolov8_pose(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "yolov8", FIT_STRETCH, 64, 64, 64, 64);
    t.card.keypoints = 2;
    float *v = test_frame_output(&t, "output0", 3, DIMS(1, 4 + 1 + 6, CELLS));
    float column[] = {32, 32, 16, 8, 0.7f, 30, 31, 0.9f, 34, 35, 0.1f};
    for (int i = 0; i < 11; i++)
        v[i * CELLS + 3] = column[i];

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_detections, 1);
    assert_int_equal(a.detections[0].class_id, 0);
    assert_int_equal(a.detections[0].n_points, 2);
    assert_float_equal(a.detections[0].point[0][0], 30, 1e-4);
    assert_float_equal(a.detections[0].point[1][1], 35, 1e-4);
    answer_finish(&a);

    t.card.keypoints = 3;                          /* more planes than there are */
    assert_int_equal(test_frame_decode(&t, &a), CQ_UNSUPPORTED);
    test_frame_finish(&t);
}

static void classification_of_logits(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "classification", FIT_STRETCH, 64, 64, 64, 64);
    t.card.threshold = 0;
    t.card.top_k = 2;
    float *v = test_frame_output(&t, "logits", 2, DIMS(1, 5));
    memcpy(v, (float[]) {1000, 1002, 1001, NAN, -INFINITY}, 5 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_classes, 2);
    assert_int_equal(a.classes[0].class_id, 1);
    assert_int_equal(a.classes[1].class_id, 2);
    double sum = 1 + exp(-1) + exp(-2);
    assert_float_equal(a.classes[0].score, 1 / sum, 1e-6);
    assert_float_equal(a.classes[1].score, exp(-1) / sum, 1e-6);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void classification_of_probabilities(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "classification", FIT_STRETCH, 64, 64, 64, 64);
    float *v = test_frame_output(&t, "probabilities", 4, DIMS(1, 4, 1, 1));
    memcpy(v, (float[]) {0.25f, 0.5f, 0.25f, 0}, 4 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_classes, 1);              /* the threshold is 0.3 */
    assert_float_equal(a.classes[0].score, 0.5, 1e-6);
    answer_finish(&a);

    /* Independent scores do not add up to 1; the card says that they are final. */
    v[0] = 0.75f;
    t.card.decoded = true;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_classes, 2);
    assert_float_equal(a.classes[0].score, 0.75, 1e-6);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void embedding_as_it_comes(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "embedding", FIT_STRETCH, 64, 64, 64, 64);
    float *v = test_frame_output(&t, "Identity:0", 2, DIMS(1, 3));
    memcpy(v, (float[]) {1, -2, 3}, 3 * sizeof(float));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.dims, 3);
    assert_memory_equal(a.embedding, v, 3 * sizeof(float));
    answer_finish(&a);

    v[1] = NAN;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.dims, 0);
    test_frame_finish(&t);
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void) state;
    snprintf(folder, sizeof folder, "/tmp/clipq-decoders-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    static const char *const names[] = {"1-1-0-7-0-out_1.png", "1-1-0-7-1-rgb.png", "1-1-0-7-0-a_b.npy",
                                        "1-1-0-7-1-a_b.npy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);      /* fails when something else was left behind */
}

static size_t read_file(const char *name, uint8_t *out, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, size, f);
    fclose(f);
    return n;
}

static void to_folder(struct test_frame *t)
{
    t->frame.folder = folder;
    t->frame.folder_label = "clipq.files";
    t->frame.stem = "1-1-0-7";
}

static void raw_writes_npy(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "raw", FIT_STRETCH, 64, 64, 64, 64);
    to_folder(&t);
    float *v = test_frame_output(&t, "a/b", 2, DIMS(1, 3));
    memcpy(v, (float[]) {1, NAN, 3}, 3 * sizeof(float));
    const int64_t id = 42;
    memcpy(test_frame_output(&t, "a:b", 1, DIMS(2)), &id, sizeof id);
    t.frame.outputs[1].desc = (struct tensor_desc) {.type = DT_I64, .rank = 1, .dim = {1}};

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_artifacts, 2);
    assert_string_equal(a.artifacts[0].kind, "npy");
    assert_string_equal(a.artifacts[0].name, "a/b");
    assert_string_equal(a.artifacts[0].shape, "1x3");
    assert_string_equal(a.artifacts[0].path, "clipq.files/1-1-0-7-0-a_b.npy");
    assert_string_equal(a.artifacts[1].path, "clipq.files/1-1-0-7-1-a_b.npy");

    uint8_t bytes[512];
    size_t size = read_file("1-1-0-7-0-a_b.npy", bytes, sizeof bytes);
    assert_int_equal(size, 128 + 3 * sizeof(float));
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(bytes + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,3,), }  ", 61);
    assert_memory_equal(bytes + 128, v, 3 * sizeof(float));
    size = read_file("1-1-0-7-1-a_b.npy", bytes, sizeof bytes);
    assert_int_equal(size, 128 + sizeof(int64_t));
    assert_memory_equal(bytes + 128, &id, sizeof id);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void npy_refuses_and_tidies_up(void **state)
{
    (void) state;
    struct tensor_desc d = {.type = DT_F32, .rank = 1, .dim = {1}};
    char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(npy_write(NULL, endless, &d, &(float) {1}), CQ_INVALID);
    assert_int_not_equal(npy_write(NULL, folder, &d, &(float) {1}), CQ_OK);     /* a folder stands there */
    char part[96];
    snprintf(part, sizeof part, "%s.part", folder);
    assert_int_not_equal(access(part, F_OK), 0);
    d.type = DT_NONE;
    assert_int_equal(npy_write(NULL, folder, &d, NULL), CQ_INVALID);
}

/* Where there is no folder, files are left out and the rest of the run goes on. */
static void no_folder_no_files(void **state)
{
    (void) state;
    static const char *const decoders[] = {"raw", "image"};
    for (int i = 0; i < 2; i++) {
        struct test_frame t;
        test_frame_init(&t, decoders[i], FIT_STRETCH, 64, 64, 64, 64);
        test_frame_output(&t, "out", 4, DIMS(1, 1, 2, 2));
        struct answer a;
        assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
        assert_int_equal(a.n_artifacts, 0);
        test_frame_finish(&t);
    }
}

static void image_writes_png(void **state)
{
    (void) state;
    struct test_frame t;
    test_frame_init(&t, "image", FIT_STRETCH, 64, 64, 64, 64);
    t.card.image.scale[0] = 1 / 255.0f;
    to_folder(&t);
    test_frame_output(&t, "out.1", 4, DIMS(1, 1, 20, 30))[0] = NAN;
    test_frame_output(&t, "rgb", 4, DIMS(1, 3, 4, 5));

    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_OK);
    assert_int_equal(a.n_artifacts, 2);
    assert_string_equal(a.artifacts[0].kind, "png");
    assert_string_equal(a.artifacts[0].shape, "30x20");
    uint8_t bytes[4096];
    assert_true(read_file("1-1-0-7-0-out_1.png", bytes, sizeof bytes) > 33);
    /* Signature, IHDR: width 30, height 20, 8 bits, grey. */
    assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x1e\0\0\0\x14\x08\0", 26);
    assert_true(read_file("1-1-0-7-1-rgb.png", bytes, sizeof bytes) > 33);
    assert_memory_equal(bytes + 16, "\0\0\0\x05\0\0\0\x04\x08\x02", 10);
    answer_finish(&a);

    test_frame_output(&t, "two channels", 4, DIMS(1, 2, 4, 5));
    assert_int_equal(test_frame_decode(&t, &a), CQ_UNSUPPORTED);
    answer_finish(&a);
    test_frame_finish(&t);
}

static void unwritable_folder_is_an_error(void **state)
{
    (void) state;
    static const char *const decoders[] = {"raw", "image"};
    for (int i = 0; i < 2; i++) {
        struct test_frame t;
        test_frame_init(&t, decoders[i], FIT_STRETCH, 64, 64, 64, 64);
        to_folder(&t);
        t.frame.folder = "/nonexistent/clipq";
        test_frame_output(&t, "out", 4, DIMS(1, 1, 2, 2));
        struct answer a;
        assert_int_not_equal(test_frame_decode(&t, &a), CQ_OK);
        assert_int_equal(a.n_artifacts, 0);
        answer_finish(&a);
        test_frame_finish(&t);
    }
}

static void names_that_do_not_fit(void **state)
{
    (void) state;
    static char deep[600];
    memset(deep, 'x', sizeof deep - 1);
    struct test_frame t;
    test_frame_init(&t, "raw", FIT_STRETCH, 64, 64, 64, 64);
    to_folder(&t);
    test_frame_output(&t, deep, 1, DIMS(2));      /* a long tensor name is cut */
    t.frame.folder_label = deep;                  /* a long folder is an error */
    struct answer a;
    assert_int_equal(test_frame_decode(&t, &a), CQ_INVALID);
    assert_int_equal(a.n_artifacts, 0);
    test_frame_finish(&t);
}

/* Every decoder but raw must refuse what it does not read, whatever the shape. */
static void other_shapes_are_refused(void **state)
{
    (void) state;
    static const int64_t shapes[][4] = {{1, 0, 4, 4}, {2, 3, 4, 4}, {1, 2, 2, 2}, {1, 1, 3, 1}, {1, 84, 5, 7}};
    for (int i = 0; decoder_classes[i]; i++) {
        const char *name = decoder_classes[i]->name;
        if (!strcmp(name, "raw"))
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (int rank = 0; rank <= 4; rank++) {
                struct test_frame t;
                test_frame_init(&t, name, FIT_STRETCH, 64, 64, 64, 64);
                to_folder(&t);
                t.frame.folder = NULL;
                test_frame_output(&t, "odd", rank, shapes[s]);
                t.frame.outputs[0].desc.type = rank == 2 ? DT_I64 : DT_F32;
                struct answer a;
                enum cq_err err = test_frame_decode(&t, &a);
                assert_true(err == CQ_OK || err == CQ_UNSUPPORTED);
                assert_int_equal(a.n_detections + a.n_classes, 0);
                answer_finish(&a);
                test_frame_finish(&t);
            }
        }
        struct test_frame none;
        test_frame_init(&none, name, FIT_STRETCH, 64, 64, 64, 64);
        struct answer a;
        enum cq_err err = test_frame_decode(&none, &a);
        assert_true(err == CQ_UNSUPPORTED || !strcmp(name, "image"));
        answer_finish(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolox_box),
        cmocka_unit_test(yolox_decoded_boxes_are_pixels),
        cmocka_unit_test(boxes_are_cut_to_the_picture),
        cmocka_unit_test(what_is_not_finite_is_no_box),
        cmocka_unit_test(yunet_face_with_landmarks),
        cmocka_unit_test(ultraface_corners),
        cmocka_unit_test(fastestdet_cell),
        cmocka_unit_test(yolov8_planes),
        cmocka_unit_test(yolov8_pose),
        cmocka_unit_test(classification_of_logits),
        cmocka_unit_test(classification_of_probabilities),
        cmocka_unit_test(embedding_as_it_comes),
        cmocka_unit_test(raw_writes_npy),
        cmocka_unit_test(npy_refuses_and_tidies_up),
        cmocka_unit_test(no_folder_no_files),
        cmocka_unit_test(image_writes_png),
        cmocka_unit_test(unwritable_folder_is_an_error),
        cmocka_unit_test(names_that_do_not_fit),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

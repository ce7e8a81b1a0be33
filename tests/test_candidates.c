/* The same pictures with whole outputs and with candidates alone: the same boxes, scores and order, whatever stands in
 * the output, and whether or not there is room for all of them.
 *
 * The model's output is the picture itself, so that a picture says what every cell holds. Values have few levels, which
 * makes scores that are equal, also to the threshold.
 */
#include "stages/answer/decoder.h"
#include "tests/answer_frame.h"
#include "tests/npy.h"
#include "tests/session_fixture.h"

enum { CELLS = 84 /* of 64x64 pixels */, VALUES = 13, PIXELS = CELLS * VALUES, IMAGES = 3, LEVELS = 6, ROOM = CELLS / 8 };

struct family {
    const char *decoder;
    bool planes;
    int scores, gate, points;
};
static const struct family families[] = {
    {"yolox", false, 5, 4, 0}, {"yolov8", true, 4, -1, 0}, {"yolov8", true, 4, -1, 2},
};

static uint32_t noise = 7;

static unsigned next(unsigned n)
{
    noise = noise * 1664525u + 1013904223u;
    return (noise >> 16) % n;
}

static struct model *mirror(bool planes)
{
    int64_t rows = planes ? VALUES : CELLS, columns = planes ? CELLS : VALUES;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){1, 1, rows, columns});
    onnx_ints(p, "shape", 3, (int64_t[]){1, rows, columns});
    onnx_node(p, "Reshape", "x,shape", "y");
    onnx_output(p, "y");
    return load_and_free(p);
}

/* A picture in which `strong` cells may be boxes and the others may not. */
static void draw(const struct family *f, int strong, uint8_t *pixels)
{
    bool is_strong[CELLS] = {false};
    for (int left = strong; left;) {
        unsigned c = next(CELLS);
        left -= !is_strong[c];
        is_strong[c] = true;
    }
    for (int c = 0; c < CELLS; c++)
        for (int v = 0; v < VALUES; v++) {
            bool counts = v >= f->scores && v < VALUES - 3 * f->points;
            unsigned level = counts && !is_strong[c] ? next(2) : 1 + next(LEVELS - 1);
            level = is_strong[c] && (v == f->scores || v == f->gate) ? LEVELS - 2 + next(2) : level;
            pixels[f->planes ? v * CELLS + c : c * VALUES + v] = (uint8_t) level;
        }
}

static void init_frame(const struct family *f, struct test_frame *t)
{
    test_frame_init(t, f->decoder, FIT_STRETCH, 640, 480, 64, 64);
    float level = 1.0f / (LEVELS - 1), strong = level * (LEVELS - 2);
    t->card.threshold = f->gate < 0 ? (double) strong : (double) (strong * strong);   /* what some scores are */
    t->card.keypoints = f->points;
    t->card.nms = 1;                                    /* all of them, equal ones too */
    t->card.max_items = 1000;
}

static struct session *open_with(const struct model *m, const struct session_image *image, const struct test_frame *t,
                                 bool picks)
{
    struct session *s;
    struct session_candidates what;
    assert_true(decoder_candidates(decoder_find(t->card.decoder), &t->card, &what));
    if (session_create(&logger, dev, m, &(struct session_params){.image = image, .candidates = picks ? &what : NULL}, &s))
        fail_msg("%s", logger.last_error);
    return s;
}

static struct session *open_mirror(const struct model *m, const struct family *f, const struct test_frame *t, bool picks)
{
    const float scale = 1.0f / (LEVELS - 1);
    const struct session_image image = {
        .width = f->planes ? CELLS : VALUES, .height = f->planes ? VALUES : CELLS, .channels = 1, .scale = {scale},
    };
    return open_with(m, &image, t, picks);
}

static struct answer answer_of(struct test_frame *t, const struct session_output *out, int i, int batch)
{
    struct answer a;
    t->frame.outputs[0] = session_output_image(out, i, batch);
    t->frame.names[0] = "y";
    t->frame.n_outputs = 1;
    assert_int_equal(test_frame_decode(t, &a), CQ_OK);
    return a;
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->n_detections, b->n_detections);
    if (a->n_detections)
        assert_memory_equal(a->detections, b->detections, (size_t) a->n_detections * sizeof *a->detections);
}

/* Of what was started first in either session, and how many boxes that are; -1 candidates: the output must be whole. */
static int compare_started(struct test_frame *t, struct session *whole, struct session *picking, int64_t tickets[2],
                            const int *candidates)
{
    const struct session_output *a, *b;
    int n, boxes = 0;
    assert_int_equal(session_finish(whole, tickets[0], &a, &n), CQ_OK);
    assert_null(a->cells);
    assert_int_equal(session_finish(picking, tickets[1], &b, &n), CQ_OK);
    assert_int_equal(!b->cells, candidates[0] < 0);
    for (int i = 0; i < IMAGES; i++) {
        struct answer want = answer_of(t, a, i, IMAGES), got = answer_of(t, b, i, IMAGES);
        assert_same(&want, &got);
        boxes += want.n_detections;
        if (candidates[0] >= 0)
            assert_int_equal(b->each[i].dim[t->frame.outputs[0].desc.dim[1] == VALUES ? 2 : 1], candidates[i]);
        answer_finish(&want);
        answer_finish(&got);
    }
    return boxes;
}

static void start_both(struct session *whole, struct session *picking, const uint8_t *const *images, int64_t tickets[2])
{
    assert_int_equal(session_start_images(whole, images, IMAGES, &tickets[0]), CQ_OK);
    assert_int_equal(session_start_images(picking, images, IMAGES, &tickets[1]), CQ_OK);
}

/* Batches of a family: each row says how many cells may be boxes in its images. The next is started before the first is
 * finished, as engines do. */
static void compare_batches(const struct family *f, const int (*strong)[IMAGES], int n, bool ends_whole)
{
    struct test_frame t;
    init_frame(f, &t);
    struct model *m = mirror(f->planes);
    struct session *whole = open_mirror(m, f, &t, false), *picking = open_mirror(m, f, &t, true);
    static uint8_t pixels[2][IMAGES][PIXELS];
    const uint8_t *images[2][IMAGES];
    int64_t tickets[2][2];
    const int none[] = {-1};
    int boxes = 0;
    for (int k = 0; k <= n; k++) {
        for (int i = 0; i < IMAGES && k < n; i++) {
            draw(f, strong[k][i], pixels[k % 2][i]);
            images[k % 2][i] = pixels[k % 2][i];
        }
        if (k < n)
            start_both(whole, picking, images[k % 2], tickets[k % 2]);
        if (k > 0)
            boxes += compare_started(&t, whole, picking, tickets[(k - 1) % 2], ends_whole ? none : strong[k - 1]);
    }
    assert_true(boxes > 10);
    session_destroy(&whole);
    session_destroy(&picking);
    model_destroy(&m);
}

static void boxes_are_the_same(void **state)
{
    (void) state;
    static const int strong[][IMAGES] = {{3, 0, ROOM}, {0, 0, 0}, {1, 7, 2}, {ROOM, ROOM, ROOM}, {5, 1, 0}};
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        compare_batches(&families[k], strong, sizeof strong / sizeof *strong, false);
}

/* The batch with too many is run again, and so is the one that was under way behind it, if it must. */
static void none_is_lost(void **state)
{
    (void) state;
    static const int strong[][IMAGES] = {{3, ROOM + 1, 0}, {CELLS, 0, CELLS}, {2, 1, 0}, {0, 60, 1}};
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        compare_batches(&families[k], strong, sizeof strong / sizeof *strong, true);
}

/* A real picture through a real model. */
static void golden_picture(void **state)
{
    (void) state;
    const char *data = getenv("CLIPQ_DATA");
    char path[1024];
    struct tensor_desc d;
    struct model *m;
    float *x;
    data = data ? data : "../shared/data";
    snprintf(path, sizeof path, "%s/golden/yolox_nano/input.npy", data);
    if (!npy_read(path, &d, &x))
        skip();
    snprintf(path, sizeof path, "%s/models/yolox_nano.onnx", data);
    assert_int_equal(model_load(&logger, path, &m), CQ_OK);
    const struct session_image image = {
        .width = (int) d.dim[3], .height = (int) d.dim[2], .channels = 3, .scale = {1, 1, 1},
    };
    struct test_frame t;
    test_frame_init(&t, "yolox", FIT_LETTERBOX_TOP_LEFT, 640, 480, image.width, image.height);
    t.card.threshold = 0.05;
    int area = image.width * image.height;
    uint8_t *pixels = malloc((size_t) area * 3);
    for (int i = 0; i < 3 * area; i++)
        pixels[i] = (uint8_t) x[i % 3 * area + i / 3];

    const struct session_output *out;
    struct answer answers[2];
    int n;
    for (int picks = 0; picks < 2; picks++) {
        struct session *s = open_with(m, &image, &t, picks);
        assert_int_equal(session_run_images(s, (const uint8_t *const[]){pixels}, 1, &out, &n), CQ_OK);
        assert_int_equal(out->cells != NULL, picks);
        answers[picks] = answer_of(&t, out, 0, 1);
        session_destroy(&s);
    }
    assert_true(answers[0].n_detections > 0);
    assert_same(&answers[0], &answers[1]);
    answer_finish(&answers[0]);
    answer_finish(&answers[1]);
    model_destroy(&m);
    free(pixels);
    free(x);
}

/* Nobody said which cells count, or that they do not pay here: outputs are whole. */
static void only_where_wanted(void **state)
{
    (void) state;
    struct session_candidates what;
    struct card c = card_neutral();
    assert_false(decoder_candidates(decoder_find("raw"), &c, &what));
    assert_false(decoder_candidates(decoder_find("embedding"), &c, &what));
    c.threshold = 0.3;                  /* a float above it would drop what is between */
    assert_true(decoder_candidates(decoder_find("yolox"), &c, &what));
    assert_true((double) what.threshold <= 0.3 && (double) what.threshold > 0.2999999);

    const struct family *f = &families[0];
    const struct session_output *out;
    struct test_frame t;
    static uint8_t pixels[PIXELS];
    int n;
    init_frame(f, &t);
    struct model *m = mirror(f->planes);
    setenv("CLIPQ_CANDIDATES", "0", 1);
    struct session *s = open_mirror(m, f, &t, true);
    assert_int_equal(session_run_images(s, (const uint8_t *const[]){pixels}, 1, &out, &n), CQ_OK);
    assert_null(out->cells);
    assert_int_equal(out->desc.dim[1], CELLS);
    setenv("CLIPQ_CANDIDATES", "1", 1);
    session_destroy(&s);
    model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_the_same),
        cmocka_unit_test(none_is_lost),
        cmocka_unit_test(golden_picture),
        cmocka_unit_test(only_where_wanted),
    };
    setenv("CLIPQ_CANDIDATES", "1", 1);
    if (!open_device())
        return 77;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

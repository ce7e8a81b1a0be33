/* Every allocation of this layer fails once: the code that comes back is CQ_NOMEM, and nothing leaks (the
 * sanitizer build sees that). malloc, realloc and strndup are wrapped by the linker. */
#include <string.h>

#include "stages/answer/labels.h"
#include "stages/answer/png.h"
#include "tests/answer_frame.h"

static int until_failure;      /* allocations that still succeed; negative: all */

static int fails_now(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return fails_now() ? NULL : __real_realloc(p, size);
}

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    return fails_now() ? NULL : __real_strndup(s, n);
}

enum cq_err png_write(struct cq_log *log, const char *path, const uint8_t *pixels, int width, int height, int channels)
{
    (void) log, (void) path, (void) pixels, (void) width, (void) height, (void) channels;
    return CQ_OK;
}

/* Runs `work` with the first, second, .. allocation failing, until none is left to fail. */
static void each_failure(enum cq_err (*work)(void *ctx), void *ctx)
{
    for (int n = 0;; n++) {
        assert_in_range(n, 0, 1000);
        until_failure = n;
        enum cq_err err = work(ctx);
        int left = until_failure;
        until_failure = -1;
        if (left >= 0) {
            assert_int_equal(err, CQ_OK);
            assert_true(n > 0);
            return;
        }
        assert_int_equal(err, CQ_NOMEM);
    }
}

static enum cq_err decode_frame(void *ctx)
{
    struct answer a;
    enum cq_err err = test_frame_decode(ctx, &a);
    answer_finish(&a);
    return err;
}

static void decoders(void **state)
{
    (void) state;
    static const struct {
        const char *decoder;
        int rank;
        int64_t dim[4];
    } cases[] = {
        {"yolox", 3, {1, 84, 6}},
        {"yolov8", 3, {1, 5, 84}},
        {"fastestdet", 4, {1, 6, 4, 4}},
        {"classification", 2, {1, 10}},
        {"embedding", 2, {1, 10}},
        {"image", 4, {1, 1, 4, 4}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_frame t;
        test_frame_init(&t, cases[i].decoder, FIT_STRETCH, 64, 64, 64, 64);
        t.card.threshold = 0;
        t.frame.folder = "folder";
        t.frame.stem = "stem";
        float *v = test_frame_output(&t, "out", cases[i].rank, cases[i].dim);
        int64_t n = tensor_elems(&t.frame.outputs[0].desc);
        for (int64_t k = 0; k < n; k++)
            v[k] = 0.5f;
        each_failure(decode_frame, &t);
        test_frame_finish(&t);
    }
}

static enum cq_err get_answer(void *ctx)
{
    const struct cq_buf *b = ctx;
    struct cq_rd r = cq_rd_of(b->data, b->size);
    struct answer a = {0};
    enum cq_err err = answer_get(&r, &a);
    answer_finish(&a);
    return err;
}

static void wire(void **state)
{
    (void) state;
    struct answer a = {0};
    struct detection d = {.class_id = 1};
    struct artifact f = {"npy", "out", "1", "file"};
    assert_int_equal(answer_add_detection(&a, &d), CQ_OK);
    assert_int_equal(answer_add_class(&a, 1, 0.5f), CQ_OK);
    assert_int_equal(answer_set_embedding(&a, (float[]) {1, 2}, 2), CQ_OK);
    assert_int_equal(answer_add_artifact(&a, &f), CQ_OK);
    struct cq_buf b = {0};
    answer_put(&b, &a);
    each_failure(get_answer, &b);
    answer_finish(&a);
    cq_buf_finish(&b);
}

static enum cq_err read_names(void *ctx)
{
    struct labels l;
    enum cq_err err = labels_from_python(ctx, &l);
    if (!err)
        labels_finish(&l);
    return err;
}

static enum cq_err read_card(void *ctx)
{
    struct card c;
    enum cq_err err = card_from_json(NULL, ctx, &c);
    if (!err)
        card_finish(&c);
    return err;
}

static enum cq_err write_card(void *ctx)
{
    json_t *json = card_to_json(ctx);
    json_decref(json);
    return json ? CQ_OK : CQ_NOMEM;
}

static void *failing_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

static void cards(void **state)
{
    (void) state;
    each_failure(read_names, "{0: 'person', 1: 'bicycle', 2: 'car'}");

    struct card c = card_neutral();
    snprintf(c.decoder, sizeof c.decoder, "raw");
    c.image.width = c.image.height = 8;
    assert_int_equal(labels_one(&c, "person"), CQ_OK);
    json_t *json = card_to_json(&c);
    assert_non_null(json);
    each_failure(read_card, json);
    json_decref(json);

    json_malloc_t usual_malloc;
    json_free_t usual_free;
    json_get_alloc_funcs(&usual_malloc, &usual_free);
    json_set_alloc_funcs(failing_malloc, free);
    each_failure(write_card, &c);
    json_set_alloc_funcs(usual_malloc, usual_free);
    card_finish(&c);
}

int main(void)
{
    until_failure = -1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders),
        cmocka_unit_test(wire),
        cmocka_unit_test(cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

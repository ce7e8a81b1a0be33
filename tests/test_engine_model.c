/* Batches whose memory runs out: every allocation on the device, every enqueue and every allocation of ours fails once,
 * in turn, and each time every frame gets the answer of the undisturbed run. Where nothing fits, it says how much would
 * have been needed. malloc and its kin are wrapped by the linker, for our own code only.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "runner/engine_model.h"
#include "runner/pipeline_load.h"
#include "stages/answer/card.h"
#include "stages/answer/scene.h"
#include "stages/infer/model.h"

enum { FRAMES = 5, MAX_BATCH = 8, MAX_CALLS = 20000, PLENTY = 1 << 30 };

/* ---- allocations that fail ---- */

static int until_failure = -1;      /* allocations that still succeed; negative: all */

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

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return fails_now() ? NULL : __real_realloc(p, size);
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
    return fails_now() ? NULL : __real_strdup(s);
}

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    return fails_now() ? NULL : __real_strndup(s, n);
}

/* ---- the model, and what it answers ---- */

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static struct cq_log quiet = {.level = CQ_WARN, .sink = ignore};
static struct device *dev;
static char hash[33], *card_text;
static int width, height;
static uint8_t *pixels[FRAMES];
static struct msg_batch batch = {.n = FRAMES};
static struct { uint8_t *data; size_t size; } want[FRAMES];

static int set_up(void **state)
{
    (void) state;
    const struct pipeline_flags flags = {.threshold = NAN, .nms = NAN};
    struct device_info info;
    struct model *m;
    struct card card;
    device_setup_environment(0);
    if (device_find(&quiet, "auto", &info) || device_open(&quiet, &info, &dev) ||
        pipeline_load_model(&quiet, BUILTIN_SCENE, &flags, &m, &card))
        return 1;
    snprintf(hash, sizeof hash, "%s", model_hash(m));
    json_t *json = card_to_json(&card);
    card_text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    width = card.image.width;
    height = card.image.height;
    size_t bytes = (size_t) card.image.width * (size_t) card.image.height * (size_t) card.image.channels;
    for (int i = 0; i < FRAMES; i++) {
        pixels[i] = malloc(bytes);
        for (size_t k = 0; k < bytes; k++)
            pixels[i][k] = (uint8_t) (k * (size_t) (i + 3) % 251 + (size_t) i * 20 % 200);
        batch.items[i] = (struct msg_batch_item) {.job_id = 1, .seq = i, .attempt = 1};
        batch.items[i].geometry = geometry_fit(card.fit, 64, 48, card.image.width, card.image.height);
    }
    card_finish(&card);
    model_destroy(&m);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    for (int i = 0; i < FRAMES; i++) {
        free(pixels[i]);
        free(want[i].data);
    }
    free(card_text);
    device_close(&dev);
    return 0;
}

static enum cq_err create(size_t left, size_t share, struct engine_model **m)
{
    const struct engine_model_params params = {
        .path = BUILTIN_SCENE, .hash = hash, .card = card_text, .width = width, .height = height,
        .max_batch = MAX_BATCH, .memory_left = left, .memory_share = share, .folder = "", .folder_label = "",
    };
    return engine_model_create(&quiet, dev, &params, m);
}

static struct engine_model *must_create(void)
{
    struct engine_model *m;
    if (create(PLENTY, PLENTY, &m))
        fail_msg("%s", quiet.last_error);
    assert_int_equal(engine_model_max_batch(m), MAX_BATCH);
    assert_true(engine_model_batchable(m));
    return m;
}

static enum cq_err run(struct engine_model *m, struct msg_result *r)
{
    memset(r, 0, sizeof *r);
    return engine_model_run(m, &batch, (const uint8_t *const *) pixels, r);
}

static void keep_answers(const struct msg_result *r)
{
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(r->answers[i].err, CQ_OK);
        want[i].size = r->answers[i].size;
        want[i].data = malloc(want[i].size);
        memcpy(want[i].data, r->answers[i].blob, want[i].size);
    }
    assert_true(want[0].size != want[1].size || memcmp(want[0].data, want[1].data, want[0].size));
}

static void check_answers(const struct msg_result *r)
{
    assert_int_equal(r->err, CQ_OK);
    assert_int_equal(r->n, FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(r->answers[i].err, CQ_OK);
        assert_int_equal(r->answers[i].size, want[i].size);
        assert_memory_equal(r->answers[i].blob, want[i].data, want[i].size);
    }
}

/* ---- the tests; the first gives the answers that the others expect ---- */

static struct msg_result result;

static void test_undisturbed(void **state)
{
    (void) state;
    struct engine_model *m = must_create();
    assert_int_equal(run(m, &result), CQ_OK);
    assert_int_equal(result.halvings, 0);
    assert_int_equal(result.runs, 1);
    keep_answers(&result);
    assert_int_equal(run(m, &result), CQ_OK);
    check_answers(&result);
    engine_model_destroy(&m);
}

/* One fault in the n-th call of a batch, for every n; in the first batch of a fresh model where it allocates. */
static void each_call_of_a_run(bool is_alloc)
{
    int halved = 0;
    struct engine_model *m = NULL;
    for (bool waits = false; !waits;) {
        int n = halved + 1;
        assert_in_range(n, 1, MAX_CALLS);
        if (is_alloc)
            engine_model_destroy(&m);
        if (!m)
            m = must_create();
        device_fail_at(dev, is_alloc ? n : 0, is_alloc ? 0 : n);
        assert_int_equal(run(m, &result), CQ_OK);
        waits = device_fault_waits(dev);
        device_fail_at(dev, 0, 0);
        check_answers(&result);
        assert_int_equal(result.halvings, waits ? 0 : 1);
        if (!waits)
            assert_int_equal(result.safe_batch, FRAMES / 2);
        halved += result.halvings;
        assert_int_equal(run(m, &result), CQ_OK);       /* and on it goes */
        check_answers(&result);
    }
    engine_model_destroy(&m);
    print_message("%d calls failed in turn\n", halved);
    assert_true(halved > (is_alloc ? 0 : 5));        /* 20 with two streams, 8 where there is one core */
}

static void test_each_allocation(void **state)
{
    (void) state;
    each_call_of_a_run(true);
}

static void test_each_enqueue(void **state)
{
    (void) state;
    each_call_of_a_run(false);
}

/* While a model is loaded and checked: it is refused, or loaded and right. */
static void each_call_of_loading(bool is_alloc)
{
    int refused = 0, survived = 0;
    for (int n = 1;; n++) {
        struct engine_model *m;
        assert_in_range(n, 1, MAX_CALLS);
        device_fail_at(dev, is_alloc ? n : 0, is_alloc ? 0 : n);
        enum cq_err err = create(PLENTY, PLENTY, &m);
        bool waits = device_fault_waits(dev);
        device_fail_at(dev, 0, 0);
        refused += err == CQ_OOM;
        survived += !err && !waits;
        if (err) {
            assert_int_equal(err, CQ_OOM);
            assert_null(m);
        } else {
            assert_int_equal(run(m, &result), CQ_OK);
            check_answers(&result);
            assert_int_equal(result.runs, 1);           /* whatever happened to the check of two images */
        }
        engine_model_destroy(&m);
        if (waits)
            break;
    }
    print_message("%d calls failed in turn, in %d of them the model was not loaded\n", refused + survived, refused);
    assert_true(refused > 0);
}

static void test_each_allocation_of_loading(void **state)
{
    (void) state;
    each_call_of_loading(true);
}

static void test_each_enqueue_of_loading(void **state)
{
    (void) state;
    each_call_of_loading(false);
}

/* The host's memory, malloc and its kin, while a model is loaded and run: all of the first, then a sample. */
static void test_host_allocations(void **state)
{
    (void) state;
    int failures = 0, refused = 0;
    bool waits = false;
    for (int n = 0; !waits; n += 1 + n / 16) {
        struct engine_model *m;
        assert_in_range(n, 0, MAX_CALLS);
        until_failure = n;
        enum cq_err err = create(PLENTY, PLENTY, &m), ran = err ? CQ_OK : run(m, &result);
        waits = until_failure >= 0;
        until_failure = -1;
        assert_true(!err || err == CQ_NOMEM || err == CQ_OOM);      /* the latter where no batch could be planned */
        assert_int_equal(ran, CQ_OK);
        if (!err)
            check_answers(&result);
        engine_model_destroy(&m);
        failures += !waits;
        refused += err != CQ_OK;
    }
    print_message("%d allocations failed, in %d of them the model was not loaded\n", failures, refused);
    assert_true(refused > 20 && failures > refused);
}

/* Two batches on their way while enqueues of both fail, the first ones and then a sample: whatever was started, dropped or run again, both
 * are answered, and rightly. */
static void test_two_started(void **state)
{
    (void) state;
    int failures = 0, halved = 0;
    bool waits = false;
    for (int n = 1; !waits; n += 1 + n / 16) {
        struct engine_model *m = must_create();
        assert_in_range(n, 1, MAX_CALLS);
        device_fail_at(dev, 0, n);
        bool first = engine_model_start(m, &batch, (const uint8_t *const *) pixels);
        bool second = first && engine_model_start(m, &batch, (const uint8_t *const *) pixels);
        assert_false(second && engine_model_start(m, &batch, (const uint8_t *const *) pixels));
        for (int i = 0; i < 2; i++) {
            bool started = i ? second : first;
            assert_int_equal(started ? engine_model_finish(m, &batch, (const uint8_t *const *) pixels, &result)
                                     : run(m, &result), CQ_OK);
            check_answers(&result);
            halved += result.halvings > 0;
        }
        waits = device_fault_waits(dev);
        device_fail_at(dev, 0, 0);
        assert_true(waits ? second : !second);
        failures += !waits;
        engine_model_destroy(&m);
    }
    print_message("%d calls failed\n", failures);
    assert_true(failures > 10);
    assert_int_equal(halved, failures);
}

/* Nothing can be had at all: halved down to one frame, and then it says what is missing. */
static void test_nothing_left(void **state)
{
    (void) state;
    char bytes[32];
    struct engine_model *m = must_create();
    device_fail_at(dev, 0, -1);
    assert_int_equal(run(m, &result), CQ_OK);
    device_fail_at(dev, 0, 0);
    assert_int_equal(result.err, CQ_OOM);
    assert_int_equal(result.n, 0);
    assert_int_equal(result.halvings, 2);
    snprintf(bytes, sizeof bytes, "%zu bytes", engine_model_frame_bytes_needed(m));
    assert_non_null(strstr(result.message, bytes));
    assert_non_null(strstr(result.message, "1073741824 bytes"));
    assert_int_equal(run(m, &result), CQ_OK);
    check_answers(&result);
    engine_model_destroy(&m);
}

/* The largest batch that fits; a share may be passed by for one frame; less than one frame is refused by numbers. */
static void test_limits(void **state)
{
    (void) state;
    struct engine_model *m = must_create();
    size_t one = engine_model_frame_bytes_needed(m), eight = engine_model_bytes(m);
    engine_model_destroy(&m);
    assert_true(eight > one);

    assert_int_equal(create(PLENTY, eight - 1, &m), CQ_OK);
    int most = engine_model_max_batch(m);
    assert_in_range(most, 1, MAX_BATCH - 1);
    assert_true(engine_model_bytes(m) <= eight - 1);
    assert_int_equal(run(m, &result), CQ_OK);
    check_answers(&result);
    engine_model_destroy(&m);

    assert_int_equal(create(one + one / 4, one / 2, &m), CQ_OK);
    assert_int_equal(engine_model_max_batch(m), 1);
    assert_int_equal(run(m, &result), CQ_OK);           /* larger than it may be: in parts */
    check_answers(&result);
    assert_int_equal(result.safe_batch, 1);
    engine_model_destroy(&m);

    char bytes[64];
    assert_int_equal(create(one - 1, one - 1, &m), CQ_OOM);
    assert_null(m);
    snprintf(bytes, sizeof bytes, "needs %zu bytes of memory, the limit is %zu", one, one - 1);
    assert_non_null(strstr(quiet.last_error, bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undisturbed),
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_each_enqueue),
        cmocka_unit_test(test_each_allocation_of_loading),
        cmocka_unit_test(test_each_enqueue_of_loading),
        cmocka_unit_test(test_host_allocations),
        cmocka_unit_test(test_two_started),
        cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

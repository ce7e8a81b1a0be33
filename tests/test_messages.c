/* Every message comes back as it went; every cut, and every flipped byte, is either refused or read within its
 * bounds (sanitizers look on). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/messages_decode.h"
#include "runner/messages_engine.h"

static const struct geometry shape = {1280, 720, 416, 416, 0, 0, 416, 234};

static const struct segment piece = {
    .from_s = 1.5, .to_s = 2.5, .from_pts = INT64_MIN, .to_pts = 77, .first_ordinal = -1, .first_seq = 4,
    .sampler = {true, 0.25, 5, -6}, .frames = 7, .digest = UINT64_MAX - 3, .sampled = 2,
};

static void make_job(struct cq_buf *b)
{
    struct msg_job m = {
        .serial = 9, .path = "/clips/-odd name.mp4", .stream_index = 2, .expect_size = 5, .expect_mtime_ns = 6,
        .sample = {.mode = SAMPLE_FPS, .every = 1, .fps = 2.5, .from_s = 1, .to_s = 9}, .decode_all = true, .threads = 3,
        .is_segment = true, .segment = piece, .wish = {300, 2}, .rotation = 90, .mirrored = true,
        .n_targets = 2, .targets = {{416, 416, CHANNELS_BGR, FIT_LETTERBOX_TOP_LEFT, RESAMPLE_LINEAR, 114}, {224, 224, CHANNELS_GRAY, FIT_STRETCH, 0}},
    };
    msg_put_job(b, &m);
}

static void make_grant(struct cq_buf *b)
{
    msg_put_grant(b, &(struct msg_grant) {.serial = 9, .n = 3, .offsets = {0, 4096, 8192}});
}

static void make_frame(struct cq_buf *b)
{
    msg_put_frame(b, &(struct msg_frame) {.serial = 9, .slot = 4096, .seq = 3, .ordinal = -1, .pts = -7, .time_s = 0.25,
                                          .decode_ns = 10, .scale_ns = 11, .n_targets = 1, .geometry = {shape}});
}

static void make_alive(struct cq_buf *b)
{
    msg_put_alive(b, &(struct msg_alive) {9, 77});
}

static void make_segments(struct cq_buf *b)
{
    static struct msg_segments m = {.serial = 9, .why = "", .n = 2};
    m.list[0] = m.list[1] = piece;
    msg_put_segments(b, &m);
}

static void make_end(struct cq_buf *b)
{
    msg_put_end(b, &(struct msg_end) {.serial = 9, .end = {.failure = FAIL_TRUNCATED, .message = "half", .decoded = 5,
                                      .sampled = 4, .errors = 1, .doubtful = true, .last_s = 3.5}, .decode_ns = 8, .cpu_ns = 7});
}

static void make_setup(struct cq_buf *b)
{
    msg_put_setup(b, &(struct msg_setup) {.device = "cpu", .threads = 2, .memory_limit = 3, .folder = "d", .folder_label = "l", .sandbox = SANDBOX_REQUIRE});
}

static void make_hello(struct cq_buf *b)
{
    msg_put_hello(b, &(struct msg_hello) {.err = CQ_OK, .message = "", .spec = "0:0", .name = "cpu", .driver = "1", .is_cpu = true, .compute_units = 2});
}

static void make_model(struct cq_buf *b)
{
    msg_put_model(b, &(struct msg_model) {.lane = 3, .path = "m.onnx", .hash = "ab", .card = "{}", .width = 64, .height = 48,
                                          .max_batch = 8, .sharers = 2});
}

static void make_choices(struct cq_buf *b)
{
    msg_put_choices(b, &(struct msg_choices) {.n = 2, .list = {{"00ff", "conv_tile"}, {"01fe", "gemm_tile"}}});
}

static const struct msg_tuned tuned = {
    .lane = 3, .key = "00112233445566778899aabbccddeeff", .text = "CONV f32[1,3] -> f32[1,4]", .n = 2, .first = 1, .best = 0,
    .list = {{"conv_tile", 0.5}, {"conv_strip2", 0.75}},
};

static void make_tuned(struct cq_buf *b)
{
    msg_put_tuned(b, &tuned);
}

static void make_ready(struct cq_buf *b)
{
    msg_put_ready(b, &(struct msg_ready) {.lane = 3, .err = CQ_OK, .message = "", .max_batch = 8, .batchable = true, .flops = 1e9});
}

static void make_batch(struct cq_buf *b)
{
    static struct msg_batch m = {.id = 5, .lane = 3, .n = 2};
    for (int i = 0; i < 2; i++)
        m.items[i] = (struct msg_batch_item) {.input = 4096 * i, .geometry = shape, .job_id = 7, .seq = i, .attempt = 1, .model = 1};
    msg_put_batch(b, &m);
}

static void make_result(struct cq_buf *b)
{
    static struct msg_result m = {.id = 5, .lane = 3, .message = "", .safe_batch = 4, .halvings = 1, .runs = 2, .infer_ns = 6,
                                  .postprocess_ns = 7, .n = 2};
    m.answers[0] = (struct msg_answer) {.message = "", .blob = "bytes", .size = 5};
    m.answers[1] = (struct msg_answer) {.err = CQ_UNSUPPORTED, .message = "shape", .blob = "", .size = 0};
    msg_put_result(b, &m);
}

#define GET(name) static enum cq_err get_##name(struct cq_rd *r) { static struct msg_##name m; return msg_get_##name(r, &m); }
GET(job) GET(grant) GET(frame) GET(alive) GET(segments) GET(end) GET(setup) GET(hello) GET(choices) GET(model) GET(tuned) GET(ready) GET(batch) GET(result)

#define MESSAGE(name) {#name, make_##name, get_##name}
static const struct {
    const char *name;
    void (*make)(struct cq_buf *b);
    enum cq_err (*get)(struct cq_rd *r);
} messages[] = {
    MESSAGE(job), MESSAGE(grant), MESSAGE(frame), MESSAGE(alive), MESSAGE(segments), MESSAGE(end), MESSAGE(setup), MESSAGE(hello),
    MESSAGE(choices), MESSAGE(model), MESSAGE(tuned), MESSAGE(ready), MESSAGE(batch), MESSAGE(result),
};
enum { N = sizeof messages / sizeof *messages };

static void job_and_frame_round_trip(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    make_job(&b);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    struct msg_job j;
    assert_int_equal(msg_get_job(&r, &j), CQ_OK);
    assert_int_equal(r.pos, r.size);
    assert_string_equal(j.path, "/clips/-odd name.mp4");
    assert_int_equal(j.sample.mode, SAMPLE_FPS);
    assert_true(j.sample.fps == 2.5 && j.decode_all && j.mirrored && j.rotation == 90);
    assert_int_equal(j.targets[1].channels, CHANNELS_GRAY);
    assert_int_equal(j.targets[0].pad, 114);
    const struct segment *g = &j.segment;
    assert_true(j.is_segment && j.wish.longest_s == 300 && j.wish.at_once == 2);
    assert_true(g->from_s == 1.5 && g->to_s == 2.5 && g->from_pts == INT64_MIN && g->to_pts == 77 && g->first_ordinal == -1);
    assert_true(g->first_seq == 4 && g->frames == 7 && g->digest == UINT64_MAX - 3 && g->sampled == 2);
    assert_true(g->sampler.started && g->sampler.first_s == 0.25 && g->sampler.seen == 5 && g->sampler.next_tick == -6);

    cq_buf_clear(&b);
    make_frame(&b);
    r = cq_rd_of(b.data, b.size);
    struct msg_frame f;
    assert_int_equal(msg_get_frame(&r, &f), CQ_OK);
    assert_true(f.pts == -7 && f.ordinal == -1 && f.seq == 3 && f.slot == 4096);
    assert_memory_equal(&f.geometry[0], &shape, sizeof shape);
    cq_buf_finish(&b);
}

static void result_round_trips(void **state)
{
    (void) state;
    static struct msg_result m;
    struct cq_buf b = {0};
    make_result(&b);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    assert_int_equal(msg_get_result(&r, &m), CQ_OK);
    assert_int_equal(m.n, 2);
    assert_int_equal(m.answers[0].size, 5);
    assert_memory_equal(m.answers[0].blob, "bytes", 5);
    assert_int_equal(m.answers[1].err, CQ_UNSUPPORTED);
    assert_string_equal(m.answers[1].message, "shape");
    cq_buf_finish(&b);
}

static bool is_taken(const struct msg_tuned *m)
{
    struct cq_buf b = {0};
    struct msg_tuned got;
    msg_put_tuned(&b, m);
    struct cq_rd r = cq_rd_of(b.data, b.size);
    bool taken = msg_get_tuned(&r, &got) == CQ_OK;
    assert_true(!taken || (got.n == m->n && got.best == m->best && got.first == m->first && !strcmp(got.key, m->key) &&
                           !strcmp(got.list[1].kernel, m->list[1].kernel) && got.list[1].ms == m->list[1].ms));
    cq_buf_finish(&b);
    return taken;
}

static void only_sane_timings_are_taken(void **state)
{
    (void) state;
    char long_text[2 * MSG_TEXT];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    struct msg_tuned wrong[10];
    assert_true(is_taken(&tuned));
    for (int i = 0; i < 10; i++)
        wrong[i] = tuned;
    wrong[0].lane = BATCHER_LANES;
    wrong[1].key = "00112233445566778899aabbccddeef";
    wrong[2].key = "00112233445566778899aabbccddeefg";
    wrong[3].text = long_text;
    wrong[4].n = 1;
    wrong[5].best = 2;
    wrong[6].first = -1;
    wrong[7].list[1].kernel = "conv'; DROP TABLE jobs; --";
    wrong[8].list[1].kernel = "";
    wrong[9].list[1].ms = -1;
    for (int i = 0; i < 10; i++)
        if (is_taken(&wrong[i]))
            fail_msg("the %d-th was taken", i);
}

/* A copy of exactly `size` bytes on the heap, so that reading past its end is seen. */
static enum cq_err get_exact(int i, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    struct cq_rd r = cq_rd_of(copy, size);
    enum cq_err err = messages[i].get(&r);
    free(copy);
    return err;
}

static void every_cut_is_refused(void **state)
{
    (void) state;
    for (int i = 0; i < N; i++) {
        struct cq_buf b = {0};
        messages[i].make(&b);
        assert_int_equal(get_exact(i, b.data, b.size), CQ_OK);
        for (size_t size = 0; size < b.size; size++)
            if (get_exact(i, b.data, size) != CQ_PROTOCOL)
                fail_msg("%s cut to %zu of %zu bytes was taken", messages[i].name, size, b.size);
        cq_buf_finish(&b);
    }
}

static void noise_stays_within_bounds(void **state)
{
    (void) state;
    unsigned seed = 99;
    for (int i = 0; i < N; i++) {
        struct cq_buf b = {0};
        messages[i].make(&b);
        for (int round = 0; round < 20000; round++) {
            uint8_t keep[4];
            size_t at[4];
            for (int k = 0; k < 4; k++) {
                seed = seed * 1103515245 + 12345;
                at[k] = (seed >> 8) % b.size;
                keep[k] = b.data[at[k]];
                b.data[at[k]] = (uint8_t) (seed >> 24);
            }
            get_exact(i, b.data, b.size);
            for (int k = 3; k >= 0; k--)
                b.data[at[k]] = keep[k];
        }
        cq_buf_finish(&b);
    }
}

static void refuses_what_would_mislead(void **state)
{
    (void) state;
    struct cq_buf b = {0};
    struct msg_frame f;
    struct geometry wrong[] = {{0, 720, 416, 416, 0, 0, 416, 234}, {1280, 720, 416, 416, 0, 0, 417, 234},
                               {1280, 720, 416, 416, 416, 0, 1, 1}, {1280, 720, 1 << 20, 416, 0, 0, 1, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cq_buf_clear(&b);
        msg_put_frame(&b, &(struct msg_frame) {.n_targets = 1, .geometry = {wrong[i]}});
        struct cq_rd r = cq_rd_of(b.data, b.size);
        assert_int_equal(msg_get_frame(&r, &f), CQ_PROTOCOL);
    }
    cq_buf_clear(&b);
    msg_put_frame(&b, &(struct msg_frame) {.n_targets = 1, .geometry = {shape}, .slot = -4096});
    struct cq_rd r = cq_rd_of(b.data, b.size);
    assert_int_equal(msg_get_frame(&r, &f), CQ_PROTOCOL);
    cq_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_and_frame_round_trip),
        cmocka_unit_test(result_round_trips),
        cmocka_unit_test(only_sane_timings_are_taken),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(noise_stays_within_bounds),
        cmocka_unit_test(refuses_what_would_mislead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

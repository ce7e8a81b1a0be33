/* Submitting, with real probing children and a real database: this program is its own child, as clipq is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "runner/child.h"
#include "runner/pipeline.h"
#include "runner/probe_pool.h"
#include "runner/store.h"
#include "runner/submit.h"
#include "stages/media/probe.h"

enum { CLIPS = 40 };

static char root[256], db[300];
static struct pipeline pipeline;

/* An uncompressed clip of two 16x16 frames; `seed` makes its content its own. */
static void make_clip(const char *name, int seed)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("YUV4MPEG2 W16 H16 F10:1 Ip A1:1 C420jpeg\n", f);
    for (int frame = 0; frame < 2; frame++) {
        fputs("FRAME\n", f);
        for (int i = 0; i < 16 * 16 * 3 / 2; i++)
            fputc((seed * 7 + i + frame) & 0xff, f);
    }
    fclose(f);
}

static void make_text(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_pipeline(void)
{
    memset(&pipeline, 0, sizeof pipeline);
    pipeline.sample = (struct sample_spec) {.mode = SAMPLE_EVERY, .every = 1};
    pipeline.n_models = 1;
    struct pipeline_model *m = &pipeline.models[0];
    snprintf(m->name, sizeof m->name, "m.onnx");
    snprintf(m->path, sizeof m->path, "/m.onnx");
    snprintf(m->hash, sizeof m->hash, "0123456789abcdef0123456789abcdef");
    m->card = card_neutral();
    m->card.image.width = m->card.image.height = 64;
    snprintf(m->card.decoder, sizeof m->card.decoder, "raw");
}

static int set_up(void **state)
{
    (void) state;
    snprintf(root, sizeof root, "/tmp/clipq-submit-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(db, sizeof db, "%s/queue.db", root);
    for (int i = 0; i < CLIPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "clip%02d.y4m", i);
        make_clip(name, i);
    }
    make_text("empty.mp4", "");
    make_text("text.mp4", "this is no video, whatever its name says\n");
    make_pipeline();
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    unsetenv("CLIPQ_FAULT");
    return system(command) ? -1 : 0;
}

static void drop(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx; (void) level; (void) text;
}

static struct cq_log quiet = {.sink = drop};

struct tally { int queued, known, same, failed, by_class[FAIL_COUNT]; };

static void count(void *ctx, const struct submit_event *e)
{
    struct tally *t = ctx;
    t->queued += !strcmp(e->outcome, "queued");
    t->known += !strcmp(e->outcome, "known");
    t->same += !strcmp(e->outcome, "same_content");
    t->failed += !strcmp(e->outcome, "failed");
    t->by_class[e->failure]++;
}

static struct submit_result submit(const char *path, bool dry_run, struct tally *t)
{
    char name[400];
    snprintf(name, sizeof name, "%s", path);
    char *paths[] = {name};
    struct submit_params p = {.db_path = db, .pipeline = &pipeline, .paths = paths, .n_paths = 1, .dry_run = dry_run,
                              .probers = 2, .event = count, .ctx = t, .log = &quiet};
    struct submit_result r;
    memset(t, 0, sizeof *t);
    assert_int_equal(submit_run(&p, &r), CQ_OK);
    return r;
}

static struct store_counts counts(void)
{
    struct store *s;
    struct store_counts c;
    assert_int_equal(store_open(&quiet, db, STORE_READ, &s), CQ_OK);
    assert_int_equal(store_get_counts(s, &c), CQ_OK);
    store_close(&s);
    return c;
}

static void a_dry_run_writes_nothing(void **state)
{
    (void) state;
    struct tally t;
    struct submit_result r = submit(root, true, &t);
    assert_int_equal(r.totals.queued, CLIPS);
    assert_int_equal(r.totals.failed, 2);
    assert_int_equal(access(db, F_OK), -1);
}

static void every_candidate_gets_a_row_once(void **state)
{
    (void) state;
    struct tally t;
    struct submit_result r = submit(root, false, &t);
    assert_int_equal(r.totals.found, CLIPS + 2);
    assert_int_equal(r.totals.settled, CLIPS + 2);
    assert_int_equal(t.queued, CLIPS);
    assert_int_equal(t.failed, 2);
    assert_int_equal(t.by_class[FAIL_EMPTY], 1);
    assert_int_equal(t.by_class[FAIL_NOT_MEDIA], 1);
    assert_int_equal(counts().pending, CLIPS);
    assert_int_equal(counts().failed, 2);

    r = submit(root, false, &t);
    assert_int_equal(t.known, CLIPS + 2);
    assert_int_equal(r.totals.queued, 0);
    assert_int_equal(counts().submitted, CLIPS + 2);
}

static void a_copy_is_known_and_another_pipeline_is_new(void **state)
{
    (void) state;
    struct tally t;
    char copy[400];
    make_clip("copy.y4m", 3);
    snprintf(copy, sizeof copy, "%s/copy.y4m", root);
    submit(copy, false, &t);
    assert_int_equal(t.same, 1);
    assert_int_equal(counts().submitted, CLIPS + 2);

    pipeline.models[0].card.threshold = 0.5;
    submit(copy, true, &t);
    assert_int_equal(t.queued, 1);
    assert_int_equal(counts().submitted, CLIPS + 2);
    submit(copy, false, &t);
    assert_int_equal(t.queued, 1);
    assert_int_equal(counts().submitted, CLIPS + 3);
}

static void a_crash_costs_one_path(void **state)
{
    (void) state;
    struct tally t;
    setenv("CLIPQ_FAULT", "probe-crash@/clip1", 1);
    pipeline.models[0].card.threshold = 0.25;
    submit(root, false, &t);
    unsetenv("CLIPQ_FAULT");
    assert_int_equal(t.by_class[FAIL_CRASH], 10);
    assert_int_equal(t.queued, CLIPS - 10);
}

static void not_a_database_is_refused(void **state)
{
    (void) state;
    char *paths[] = {root};
    struct submit_params p = {.db_path = root, .pipeline = &pipeline, .paths = paths, .n_paths = 1, .log = &quiet};
    struct submit_result r;
    assert_int_not_equal(submit_run(&p, &r), CQ_OK);
    assert_true(r.in_store);
}

/* ---- the pool alone ---- */

struct pool_test {
    struct probe_pool *pool;
    uv_loop_t loop;
    int settled, hangs, wanted;
};

static void pool_settled(void *ctx, const char *path, const struct probe *p, int64_t ns)
{
    struct pool_test *t = ctx;
    assert_non_null(strstr(path, "clip"));
    assert_true(ns >= 0);
    t->hangs += p->failure == FAIL_HANG;
    if (++t->settled == t->wanted)
        uv_stop(&t->loop);
}

static void a_hang_is_ended_and_the_rest_goes_on(void **state)
{
    (void) state;
    struct pool_test t = {.wanted = 3};
    struct probe_pool_params params = {.children = 1, .timeout_ms = 400, .log = &quiet, .settled = pool_settled,
                                       .ctx = &t};
    assert_int_equal(uv_loop_init(&t.loop), 0);
    setenv("CLIPQ_FAULT", "probe-hang@clip00", 1);
    assert_int_equal(probe_pool_create(&t.loop, &params, &t.pool), CQ_OK);
    for (int i = 0; i < t.wanted; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/clip%02d.y4m", root, i);
        assert_true(probe_pool_has_room(t.pool));
        assert_int_equal(probe_pool_add(t.pool, path), CQ_OK);
    }
    assert_false(probe_pool_has_room(t.pool));
    uv_run(&t.loop, UV_RUN_DEFAULT);
    unsetenv("CLIPQ_FAULT");
    assert_int_equal(t.settled, 3);
    assert_int_equal(t.hangs, 1);
    assert_int_equal(probe_pool_pending(t.pool), 0);
    assert_int_equal(probe_pool_error(t.pool), CQ_OK);
    probe_pool_destroy(&t.pool);
    uv_run(&t.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t.loop), 0);
}

/* ---- documents ---- */

static void a_pipeline_survives_its_document(void **state)
{
    (void) state;
    struct pipeline back;
    char first[33], second[33];
    pipeline.sample = (struct sample_spec) {.mode = SAMPLE_FPS, .every = 1, .fps = 2.5, .from_s = 1.25, .to_s = 7};
    char *text = pipeline_to_text(&pipeline);
    assert_non_null(text);
    assert_int_equal(pipeline_from_text(&quiet, text, &back), CQ_OK);
    assert_int_equal(back.sample.mode, SAMPLE_FPS);
    assert_true(back.sample.fps == 2.5 && back.sample.from_s == 1.25 && back.sample.to_s == 7);
    assert_string_equal(back.models[0].name, "m.onnx");
    assert_string_equal(back.models[0].path, "");
    char *again = pipeline_to_text(&back);
    assert_string_equal(text, again);
    pipeline_hash(text, first);
    pipeline_hash(again, second);
    assert_string_equal(first, second);
    pipeline.models[0].card.threshold = 0.26;
    char *other = pipeline_to_text(&pipeline);
    pipeline_hash(other, second);
    assert_string_not_equal(first, second);
    free(text);
    free(again);
    free(other);
    pipeline_finish(&back);
}

static void broken_documents_are_refused(void **state)
{
    (void) state;
    static const struct { const char *text; enum cq_err err; } bad[] = {
        {"", CQ_CORRUPT}, {"{", CQ_CORRUPT}, {"[]", CQ_CORRUPT},
        {"{\"version\":2}", CQ_NEWER}, {"{\"version\":1}", CQ_CORRUPT},
        {"{\"version\":1,\"sample\":{\"mode\":\"every\",\"every\":1,\"from_s\":0.0,\"to_s\":0.0},\"models\":[]}",
         CQ_CORRUPT},
        {"{\"version\":1,\"sample\":{\"mode\":\"often\",\"from_s\":0.0,\"to_s\":0.0},\"models\":[{}]}", CQ_CORRUPT},
        {"{\"version\":1,\"sample\":{\"mode\":\"every\",\"every\":0,\"from_s\":0.0,\"to_s\":0.0},\"models\":[{}]}",
         CQ_CORRUPT},
        {"{\"version\":1,\"sample\":{\"mode\":\"every\",\"every\":1,\"from_s\":0.0,\"to_s\":0.0},\"models\":[{}]}",
         CQ_CORRUPT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pipeline p;
        assert_int_equal(pipeline_from_text(&quiet, bad[i].text, &p), bad[i].err);
        assert_int_equal(p.n_models, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--child=probe"))
        return child_probe_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_writes_nothing),
        cmocka_unit_test(every_candidate_gets_a_row_once),
        cmocka_unit_test(a_copy_is_known_and_another_pipeline_is_new),
        cmocka_unit_test(a_crash_costs_one_path),
        cmocka_unit_test(not_a_database_is_refused),
        cmocka_unit_test(a_hang_is_ended_and_the_rest_goes_on),
        cmocka_unit_test(a_pipeline_survives_its_document),
        cmocka_unit_test(broken_documents_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

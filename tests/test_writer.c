/* The writer thread: order, one `done` per post, groups, failures alone and together, shutdown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "runner/writer.h"
#include "tests/store_fixture.h"

struct world {
    struct fixture f;
    uv_loop_t loop;
    struct writer *writer;
    int delivered;               /* number of the newest `done`; they come in order of posting */
    int posted;
};

struct task {
    struct world *w;
    int number;
    enum cq_err fails;           /* what its work returns after having written */
    enum cq_err want;
    int done;                    /* calls of done */
    bool chain;                  /* posts `next` from done */
    struct task *next;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    fixture_setup(&w->f);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(writer_create(&w->loop, NULL, w->f.store, &w->writer), CQ_OK);
    w->f.store = NULL;           /* the writer's */
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    writer_destroy(&w->writer);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    fixture_check_books(&w->f);
    fixture_teardown(&w->f);
    free(w);
    return 0;
}

static enum cq_err submit_one(struct store *s, void *arg)
{
    struct task *t = arg;
    struct probe p = fixture_probe(t->number);
    int64_t job;
    enum store_put what;
    enum cq_err err = store_put_clip_job(s, p.fingerprint, &p, 0, t->w->f.pipeline, 0, &job, &what);
    return err ? err : t->fails;
}

static void post(struct world *w, struct task *t);

static void on_done(void *arg, enum cq_err err)
{
    struct task *t = arg;
    assert_int_equal(err, t->want);
    assert_int_equal(++t->done, 1);
    assert_int_equal(t->number, t->w->delivered++);
    if (t->chain)
        post(t->w, t->next);
}

static void post(struct world *w, struct task *t)
{
    t->w = w;
    t->number = w->posted++;
    const struct writer_post p = {.work = submit_one, .done = on_done, .arg = t};
    assert_int_equal(writer_post(w->writer, &p), CQ_OK);
}

static void many_in_order(void **state)
{
    struct world *w = *state;
    enum { N = 3000 };
    struct task *tasks = calloc(N, sizeof *tasks);
    for (int i = 0; i < N; i++) {
        post(w, &tasks[i]);
        assert_int_equal(writer_full(w->writer), writer_pending(w->writer) >= WRITER_QUEUE);
        while (writer_full(w->writer))
            uv_run(&w->loop, UV_RUN_ONCE);
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);            /* ends when the last `done` is delivered */
    assert_int_equal(w->delivered, N);
    assert_int_equal(writer_pending(w->writer), 0);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), N);
    free(tasks);
}

static void a_failing_post_is_undone_alone(void **state)
{
    struct world *w = *state;
    struct task tasks[9] = {{0}};
    for (int i = 0; i < 9; i++) {
        if (i % 3 == 1)
            tasks[i].fails = tasks[i].want = CQ_STALE;
        post(w, &tasks[i]);
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->delivered, 9);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), 6);
}

static void done_comes_after_the_commit(void **state)
{
    struct world *w = *state;
    struct task t = {0};
    post(w, &t);
    while (!t.done)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), 1);    /* seen by another connection */
}

static enum cq_err break_the_transaction(struct store *s, void *arg)
{
    (void) arg;
    store_rollback(s);
    return CQ_OK;
}

static void count_io_errors(void *arg, enum cq_err err)
{
    *(int *) arg += err == CQ_IO;
}

/* Holds the thread until the posts behind it are queued, so that they make one group with it. */
static enum cq_err wait_for_the_others(struct store *s, void *arg)
{
    (void) s;
    uv_sem_wait(arg);
    return CQ_OK;
}

static void a_broken_transaction_fails_its_group(void **state)
{
    struct world *w = *state;
    uv_sem_t queued;
    uv_sem_init(&queued, 0);
    int failed = 0;
    const struct writer_post hold = {.work = wait_for_the_others, .arg = &queued};
    assert_int_equal(writer_post(w->writer, &hold), CQ_OK);
    struct task lost = {.want = CQ_IO};
    post(w, &lost);
    const struct writer_post breaker = {.work = break_the_transaction, .done = count_io_errors, .arg = &failed};
    assert_int_equal(writer_post(w->writer, &breaker), CQ_OK);
    uv_sem_post(&queued);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(failed, 1);
    assert_int_equal(lost.done, 1);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), 0);

    struct task after = {0};                                 /* and the next group is well again */
    post(w, &after);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), 1);
    uv_sem_destroy(&queued);
}

static void destroying_delivers_everything(void **state)
{
    struct world *w = *state;
    enum { N = 500 };
    struct task *tasks = calloc(N + 1, sizeof *tasks);
    for (int i = 0; i < N; i++)
        post(w, &tasks[i]);
    tasks[N - 1].chain = true;                               /* posted while destroy drains */
    tasks[N - 1].next = &tasks[N];
    writer_destroy(&w->writer);
    assert_null(w->writer);
    assert_int_equal(w->delivered, N + 1);
    assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), N + 1);
    free(tasks);
}

static void tally(void *arg, enum cq_err err)
{
    struct task *t = arg;
    t->done++;
    t->want = err;
}

/* The n-th step fails, for every n: each post is answered once, and the database holds exactly those that
 * were told so. */
static void every_step_may_fail(void **state)
{
    struct world *w = *state;
    enum { N = 6 };
    int64_t jobs = 0;
    for (int step = 1; step < 60; step++) {
        char fault[32];
        snprintf(fault, sizeof fault, "sql@%d", step);
        setenv("CLIPQ_FAULT", fault, 1);
        struct store *s;
        enum cq_err err = store_open(&w->f.log, w->f.db, STORE_WRITE, &s);
        unsetenv("CLIPQ_FAULT");
        if (err)
            continue;                                        /* that step belongs to opening */
        struct writer *writer;
        assert_int_equal(writer_create(&w->loop, NULL, s, &writer), CQ_OK);
        struct task tasks[N] = {{0}};
        for (int i = 0; i < N; i++) {
            tasks[i].w = w;
            tasks[i].number = step * N + i;
            const struct writer_post p = {.work = submit_one, .done = tally, .arg = &tasks[i]};
            assert_int_equal(writer_post(writer, &p), CQ_OK);
        }
        writer_destroy(&writer);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        for (int i = 0; i < N; i++) {
            assert_int_equal(tasks[i].done, 1);
            jobs += tasks[i].want == CQ_OK;
        }
        assert_int_equal(fixture_int(&w->f, "SELECT count(*) FROM jobs"), jobs);
    }
    assert_true(jobs > 0 && jobs < 59 * N);
}

static void nothing_to_destroy(void **state)
{
    (void) state;
    struct writer *none = NULL;
    writer_destroy(&none);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_post_is_undone_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(done_comes_after_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_transaction_fails_its_group, setup, teardown),
        cmocka_unit_test_setup_teardown(destroying_delivers_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(every_step_may_fail, setup, teardown),
        cmocka_unit_test(nothing_to_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

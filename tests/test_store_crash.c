/* What a kill or a failing disk leaves: a whole database whose books balance, and work that can go on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/store_fixture.h"

enum { JOBS = 5, FRAMES = 3 };

/* Everything a run does to the store, any step of which may fail: one transaction per move, as the writer
 * does it. Gives the first error. */
struct move { enum cq_err (*run)(struct store *s, struct fixture *f, struct store_job *j); };

static enum cq_err submit_all(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) j;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < JOBS && !err; i++) {
        struct probe p = fixture_probe(i);
        int64_t job;
        enum store_put what;
        err = store_put_clip_job(s, p.fingerprint, &p, 1000, f->pipeline, 0, &job, &what);
    }
    return err;
}

static enum cq_err claim(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) f;
    int n;
    return store_claim(s, "me", 0, -1, 1, j, &n);       /* a lease that has run out: the next run may go on */
}

static enum cq_err add_frames(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) f;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < FRAMES && !err; i++)
        err = fixture_add_frame(s, j, i);
    return err;
}

static enum cq_err add_shots(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) f;
    struct shot shot = {.first = 0, .last = FRAMES - 1, .end_s = 1};
    struct signature sig = {.dims = 4, .v = {1}};
    return store_add_shots(s, j->id, j->attempt, 1, &shot, 1, &sig);
}

static enum cq_err complete(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) f;
    return fixture_complete(s, j, "me", j->id % 2 ? FAIL_NONE : FAIL_DAMAGED);
}

static enum cq_err fail_it(struct store *s, struct fixture *f, struct store_job *j)
{
    (void) f;
    return store_fail_attempt(s, j->id, j->attempt, "me", FAIL_IO, "disk", 2);
}

static enum cq_err in_transaction(struct store *s, struct fixture *f, struct store_job *j, struct move m)
{
    enum cq_err err = store_begin(s);
    if (!err)
        err = store_savepoint(s);
    if (!err) {
        err = m.run(s, f, j);
        enum cq_err released = store_release_savepoint(s, !err);
        err = err ? err : released;
    }
    if (!err)
        err = store_commit(s);
    if (err)
        store_rollback(s);
    return err;
}

static enum cq_err run_all(struct store *s, struct fixture *f)
{
    static const struct move moves[] = {{submit_all}, {claim}, {add_frames}, {add_shots}, {complete}, {claim}, {add_frames}, {fail_it}};
    struct store_job j = {0};
    enum cq_err err = CQ_OK;
    for (size_t i = 0; i < sizeof moves / sizeof *moves && !err; i++)
        err = in_transaction(s, f, &j, moves[i]);
    return err;
}

/* The n-th step fails, for every n there is; then a fresh store finishes the work on the same file. */
static void every_step_may_fail(void **state)
{
    (void) state;
    int n = 1;
    for (bool failed = true; failed; n++) {
        struct fixture f;
        fixture_setup(&f);
        fixture_close(&f);
        char fault[32];
        snprintf(fault, sizeof fault, "other@1,sql@%d", n);
        setenv("CLIPQ_FAULT", fault, 1);
        struct store *s;
        enum cq_err err = store_open(&f.log, f.db, STORE_WRITE, &s);
        if (!err)
            err = run_all(s, &f);
        failed = err != CQ_OK;
        if (failed)
            assert_int_equal(err, CQ_IO);
        store_close(&s);
        unsetenv("CLIPQ_FAULT");
        fixture_check_books(&f);

        assert_int_equal(store_open(&f.log, f.db, STORE_WRITE, &s), CQ_OK);
        struct store_job none;
        assert_int_equal(in_transaction(s, &f, &none, (struct move) {submit_all}), CQ_OK);
        fixture_change(&f, "UPDATE jobs SET not_before_ms = 0 WHERE state = 'pending'");
        while (fixture_work_one(s, "after", 2))
            ;
        store_close(&s);
        assert_int_equal(fixture_int(&f, "SELECT count(*) FROM v_jobs WHERE state IN ('done', 'partial')"), JOBS);
        fixture_check_books(&f);
        fixture_teardown(&f);
    }
    print_message("%d steps failed one by one\n", n - 2);
    assert_true(n > 100);
}

static void creation_may_fail_at_any_step(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/new", f->folder);
    int n = 1;
    for (bool failed = true; failed; n++) {
        char fault[32];
        snprintf(fault, sizeof fault, "sql@%d", n);
        setenv("CLIPQ_FAULT", fault, 1);
        struct store *s;
        failed = store_open(&f->log, path, STORE_CREATE, &s) != CQ_OK;
        store_close(&s);
        unsetenv("CLIPQ_FAULT");
        assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_OK);
        struct store_counts counts;
        assert_int_equal(store_get_counts(s, &counts), CQ_OK);
        store_close(&s);
        unlink(path);
    }
    assert_true(n > 30);
}

/* A child works as fast as it can and is killed at some moment; what it had committed is there, what it had
 * not is not, and the next one goes on until all is done. */
static void killed_in_the_middle(void **state)
{
    struct fixture *f = *state;
    enum { CLIPS = 300 };
    fixture_submit_all(f, CLIPS);
    fixture_close(f);
    int64_t done = 0;
    int kills = 0;
    for (; kills < 40; kills++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        if (!pid) {
            struct store *s;
            if (store_open(&f->log, f->db, STORE_WRITE, &s))
                _exit(1);
            store_begin(s);
            store_release(s, "worker", 0);               /* what the one before held */
            store_commit(s);
            if (write(ready[1], "", 1) != 1)
                _exit(1);
            while (fixture_work_one(s, "worker", 20))
                ;
            _exit(0);
        }
        close(ready[1]);
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        struct timespec nap = {.tv_nsec = (1 + kills * 7 % 23) * 1000000L};
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        close(ready[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        fixture_check_books(f);
        int64_t now_done = fixture_int(f, "SELECT count(*) FROM v_jobs WHERE state = 'done'");
        assert_true(now_done >= done);
        done = now_done;
        if (WIFEXITED(status))
            break;
    }
    struct store *s;
    assert_int_equal(store_open(&f->log, f->db, STORE_WRITE, &s), CQ_OK);
    assert_int_equal(store_begin(s), CQ_OK);
    assert_int_equal(store_release(s, "worker", 0), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    while (fixture_work_one(s, "worker", 20))
        ;
    store_close(&s);
    fixture_check_books(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_jobs WHERE state = 'done'"), CLIPS);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM v_frames"), CLIPS * 20 * 2);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM frames"), CLIPS * 20 * 2);       /* nothing left to sweep */
    print_message("%d kills; %lld clips were done before the last run\n", kills, (long long) done);
}

static void killed_while_creating(void **state)
{
    struct fixture *f = *state;
    char path[160], beside[200];
    snprintf(path, sizeof path, "%s/new", f->folder);
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (!pid) {
            struct store *s;
            _exit(store_open(&f->log, path, STORE_CREATE, &s));
        }
        struct timespec nap = {.tv_nsec = i * 200000L};
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        struct store *s;
        assert_int_equal(store_open(&f->log, path, STORE_CREATE, &s), CQ_OK);
        store_close(&s);
        unlink(path);
        snprintf(beside, sizeof beside, "%s-wal", path);
        unlink(beside);
        snprintf(beside, sizeof beside, "%s-shm", path);
        unlink(beside);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_may_fail),
        cmocka_unit_test_setup_teardown(creation_may_fail_at_any_step, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(killed_in_the_middle, fixture_begin, fixture_end),
        cmocka_unit_test_setup_teardown(killed_while_creating, fixture_begin, fixture_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

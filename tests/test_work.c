/* The supervisor through its good and bad days: real decode workers and a real database, a pretended engine.
 * After each day the books are checked: every clip in one state, no row twice. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/kernel.h"
#include "runner/child.h"
#include "runner/store_control.h"
#include "tests/work_fake.h"

enum { ALL = FAKE_CLIPS, FRAMES = FAKE_CLIPS * FAKE_FRAMES };

static struct fixture fx;

static int set_up(void **state)
{
    (void) state;
    fake_queue(&fx);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    fixture_check_books(&fx);
    fixture_teardown(&fx);
    return 0;
}

/* Every frame of the done clips is there once. */
static void check_rows(int64_t clips)
{
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_frames"), clips * FAKE_FRAMES);
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT job_id * 1000 + frame) FROM v_frames"), clips * FAKE_FRAMES);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_detections"), clips * FAKE_FRAMES);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'running'"), 0);
}

static void all_clips_are_done_in_full_batches(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 6}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    assert_int_equal(r.left, 0);
    check_rows(ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done' AND attempts = 1"), ALL);
    /* 25 frames a clip never fill batches of 8 alone: only across clips can so few batches do. */
    int64_t batches = fixture_int(&fx, "SELECT batches FROM runs");
    assert_in_range(batches, FRAMES / 8, FRAMES / 8 + 8);
    /* Brightness rises from frame to frame and from clip to clip: answers went to their own frames. */
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT round(score, 5)) > 20 FROM v_detections"), 1);

    assert_int_equal(fake_run(&fx, "", &(struct work_params) {0}, &r), CQ_OK);    /* nothing left to do */
    assert_int_equal(r.done, 0);
    check_rows(ALL);
}

/* Clip k + 1 begins with the last eighteen pictures of clip k, of which few can still be under way. */
static void known_answers_are_not_computed(void **state)
{
    (void) state;
    struct work_result r;
    enum { PICTURES = 7 * (FAKE_CLIPS - 1) + FAKE_FRAMES, UNDER_WAY = 8 };
    const struct work_params p = {.workers = 1, .arena_bytes = UNDER_WAY * 12288, .cache = WORK_CACHE_MEMORY};
    assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_in_range(fixture_int(&fx, "SELECT count(*) FROM v_frames WHERE source = 'cached'"), FRAMES - PICTURES - UNDER_WAY * (ALL - 1),
                    FRAMES - PICTURES);
    assert_int_equal(fixture_int(&fx, "SELECT frames_inferred = count(*) AND cache_misses = count(*) FROM v_runs, v_frames "
                                      "WHERE source = 'inferred'"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_job_cache WHERE frames_inferred + frames_cached = frames_sampled "
                                      "AND frames_cached > 0 AND saved_ms >= frames_cached / 8.0"), ALL - 1);
    assert_int_equal(fixture_int(&fx, "SELECT sum(frames_cached) = (SELECT frames_cached FROM runs) AND sum(saved_ms) > "
                                      "0.99e3 * (SELECT cache_saved_s FROM v_runs) FROM v_job_cache"), 1);
    /* As many different answers as there are pictures, and of each picture one. */
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT score) FROM v_detections"),
                     fixture_int(&fx, "SELECT count(DISTINCT score) FROM v_detections d JOIN v_frames f USING (job_id, seq) "
                                      "WHERE f.source = 'inferred'"));
}

static void a_cache_without_room_computes_all(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.cache = WORK_CACHE_MEMORY, .cache_bytes = 300};
    assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_true(fixture_int(&fx, "SELECT cache_evictions FROM v_runs") > FAKE_CLIPS);
}

static void killed_engines_and_a_cache(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.cache = WORK_CACHE_MEMORY};
    assert_int_equal(fake_run(&fx, "kill@3,crash@clip03", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL - 1);
    check_rows(ALL - 1);
}

static void more_workers_than_clips_and_one_slot_each(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.workers = 20, .arena_bytes = 4 * 16384, .batch = 8};
    assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
}

static void a_frame_larger_than_the_arena_fails_its_clip(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.arena_bytes = 8192}, &r), CQ_OK);
    assert_int_equal(r.failed, ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE reason = 'out_of_memory'"), ALL);
}

static void a_crashing_decoder_costs_its_own_clip(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "crash@clip03", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.done, ALL - 1);
    assert_int_equal(r.dead, 1);
    check_rows(ALL - 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'dead' AND reason = 'crash' AND attempts = 2 "
                                      "AND path LIKE '%clip03%'"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE message LIKE '%signal 6%'"), 2);
}

/* Once it may have been for others, and costs nothing. */
static void a_decoder_that_takes_all_memory_costs_its_own_clip(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "starve@clip03", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.done, ALL - 1);
    assert_int_equal(r.failed, 1);
    check_rows(ALL - 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'failed' AND reason = 'out_of_memory' AND attempts = 1 "
                                      "AND path LIKE '%clip03%' AND message LIKE '%second decoder%memory%retry%'"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE outcome = 'released' AND reason = 'out_of_memory' AND pid > 0"), 1);
}

static void a_hanging_decoder_is_killed(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.stall_timeout_s = 0.6};
    assert_int_equal(fake_run(&fx, "hang@clip05", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL - 1);
    assert_int_equal(r.dead, 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'dead' AND reason = 'hang'"), 1);
    check_rows(ALL - 1);
}

static void a_slow_engine_is_no_hang(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.stall_timeout_s = 0.3, .workers = 8, .batch = 1};
    assert_int_equal(fake_run(&fx, "slow@1", &p, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
}

static void an_engine_that_dies_costs_a_batch(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "kill@20", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_true(fixture_int(&fx, "SELECT engine_restarts FROM runs") > 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM device_limits WHERE device = 'pretended' AND batch < 8"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE attempts > 1"), 0);
}

static void an_engine_that_says_nothing_is_killed(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "mute@20", &(struct work_params) {.batch_timeout_s = 0.4}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_true(fixture_int(&fx, "SELECT engine_restarts FROM runs") > 0);
    /* Its batches are run again as they were: a driver hangs for other reasons than size. */
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM device_limits WHERE batch < 8"), 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE attempts > 1"), 0);
}

static void every_child_is_accounted_for(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "crash@clip03,slow@1", &(struct work_params) {.workers = 2}, &r), CQ_OK);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_workers WHERE role = 'decode' AND state = 'ended'"), 2);
    assert_int_equal(fixture_int(&fx, "SELECT sum(clips) FROM v_workers WHERE role = 'decode'"), ALL - 1);
    assert_int_equal(fixture_int(&fx, "SELECT sum(restarts) FROM v_workers WHERE role = 'decode'"), 2);
    assert_true(fixture_int(&fx, "SELECT sum(frames) FROM v_workers WHERE role = 'decode'") >= (ALL - 1) * FAKE_FRAMES);
    assert_true(fixture_int(&fx, "SELECT frames FROM v_workers WHERE role = 'engine'") >= (ALL - 1) * FAKE_FRAMES);
    assert_int_equal(fixture_int(&fx, "SELECT w.clips = r.batches FROM v_workers w JOIN v_runs r USING (run_id) "
                                      "WHERE role = 'engine'"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_workers WHERE last_frame IS NULL AND role <> 'supervisor'"), 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT role) FROM v_workers WHERE rss > 1000000"), 3);
}

static void an_engine_that_always_dies_is_given_up(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "exitall@1", &(struct work_params) {.workers = 1}, &r), CQ_DEVICE);
    assert_int_equal(r.done, 0);
    check_rows(0);
    assert_int_equal(r.left, fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'pending'"));
    assert_true(r.left >= ALL - 2);
}

static void count_halvings(void *ctx, enum cq_level level, const char *text)
{
    (void) level;
    *(int64_t *) ctx += strstr(text, "are now at most") != NULL;
}

/* The kernel kills what takes too much memory: that is no fault of the device. */
static void an_engine_that_is_always_killed_lacks_memory(void **state)
{
    (void) state;
    struct work_result r;
    int64_t halvings = 0;
    fx.log = (struct cq_log) {.level = CQ_WARN, .sink = count_halvings, .ctx = &halvings};
    assert_int_equal(fake_run(&fx, "killall@1", &(struct work_params) {.workers = 1}, &r), CQ_OK);
    assert_int_equal(r.failed, ALL);
    check_rows(0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE reason = 'out_of_memory' AND message LIKE "
                                      "'%needs 1234567 bytes%limit is 7654321 bytes%'"), ALL);
    assert_int_equal(fixture_int(&fx, "SELECT oom_halvings FROM v_runs"), halvings);
    assert_in_range(halvings, 1, 3);            /* three from eight to one; the first batch may go before it is full */
}

static void a_lying_engine_is_killed_and_given_up(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "lies@1", &(struct work_params) {0}, &r), CQ_DEVICE);
    check_rows(0);
}

static void halved_batches_are_remembered(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "oom@3", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_int_equal(fixture_int(&fx, "SELECT batch FROM device_limits"), 3);
    assert_true(fixture_int(&fx, "SELECT oom_halvings FROM runs") > 0);
}

static void put_tunings(struct store *s, int n, const char *driver, const char *kernels)
{
    for (int i = 0; i < n; i++) {
        char key[40];
        snprintf(key, sizeof key, "%032d", i);
        const struct store_tuning t = {"pretended", driver, kernels, key, "CONV", "conv_tile", "conv_tile", "{}"};
        assert_int_equal(store_put_tuning(s, &t), CQ_OK);
    }
}

/* Those of its device, driver and kernels, all of them, before its first model. */
static void engines_are_told_of_kernels(void **state)
{
    (void) state;
    struct work_result r;
    struct store *s;
    assert_int_equal(store_open(NULL, fx.db, STORE_WRITE, &s), CQ_OK);
    assert_int_equal(store_begin(s), CQ_OK);
    put_tunings(s, FAKE_CHOICES, "1.0", kernel_sources_hash);
    put_tunings(s, 7, "2.0", kernel_sources_hash);
    put_tunings(s, 7, "1.0", "of other kernels");
    assert_int_equal(store_commit(s), CQ_OK);
    store_close(&s);
    assert_int_equal(fake_run(&fx, "choices@1", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
}

static void not_even_one_frame_fits(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "nofit@1", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(r.failed, ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'failed' AND reason = 'out_of_memory'"), ALL);
    check_rows(0);
}

/* What cannot run at all leaves the queue as it was. */
static void no_device_or_no_model_touches_nothing(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(fake_run(&fx, "nodevice@1", &(struct work_params) {0}, &r), CQ_NO_DEVICE);
    assert_string_equal(fx.log.last_error, "no device here");
    assert_int_equal(fake_run(&fx, "badmodel@1", &(struct work_params) {0}, &r), CQ_NOT_FOUND);
    assert_string_equal(fx.log.last_error, "no such model file");
    assert_int_equal(r.left, ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'pending' AND attempts = 0"), ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts"), 0);
}

static void a_vanished_clip_is_tried_again_and_fails_alone(void **state)
{
    (void) state;
    struct work_result r;
    char path[256];
    snprintf(path, sizeof path, "%s/clip07.y4m", fx.folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.max_attempts = 2}, &r), CQ_OK);
    assert_int_equal(r.done, ALL - 1);
    assert_int_equal(r.dead, 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE reason = 'vanished' AND attempts = 2"), 1);
    check_rows(ALL - 1);
}

/* ---- supervisors that are killed or told to stop ---- */

static void log_to_file(void *ctx, enum cq_level level, const char *text)
{
    (void) level;
    fprintf(ctx, "%s\n", text);
}

/* Its log goes to a file, which await_end() prints when the run did not end as it should. */
static pid_t start_run(const char *faults)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    struct work_result r;
    char path[256];
    snprintf(path, sizeof path, "%s/run.log", fx.folder);
    FILE *out = fopen(path, "a");
    if (out) {
        setvbuf(out, NULL, _IOLBF, 0);
        fx.log = (struct cq_log) {.level = CQ_INFO, .sink = log_to_file, .ctx = out};
    }
    setpgid(0, 0);
    enum cq_err err = fake_run(&fx, faults, &(struct work_params) {.workers = 2}, &r);
    _exit(err ? 100 : r.aborted ? 2 : r.signal ? 1 : 0);
}

static void await_done(int64_t n)
{
    for (int i = 0; i < 6000 && fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'") < n; i++)
        usleep(10000);
    assert_true(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'") >= n);
}

static int end_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void print_log(void)
{
    char path[256], line[512];
    snprintf(path, sizeof path, "%s/run.log", fx.folder);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        fputs(line, stderr);
    if (f)
        fclose(f);
}

static void check_end(pid_t pid, int code)
{
    int status = end_of(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        print_log();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

/* The folder of the clips goes away, and comes back after `back_us`; < 0: not at all. */
struct outage {
    char here[128], away[140];
    int back_us;
};

static void *come_back(void *arg)
{
    const struct outage *o = arg;
    usleep((useconds_t) o->back_us);
    rename(o->away, o->here);
    return NULL;
}

/* Clips stand in a folder of their own, beside the database. */
static void begin_outage(struct outage *o, int back_us, pthread_t *thread)
{
    char sql[300], name[128], into[300];
    snprintf(o->here, sizeof o->here, "%s/share", fx.folder);
    snprintf(o->away, sizeof o->away, "%s.away", o->here);
    o->back_us = back_us;
    assert_int_equal(mkdir(o->away, 0700), 0);
    for (int i = 0; i < FAKE_CLIPS; i++) {
        snprintf(name, sizeof name, "%s/clip%02d.y4m", fx.folder, i);
        snprintf(into, sizeof into, "%s/clip%02d.y4m", o->away, i);
        assert_int_equal(rename(name, into), 0);
    }
    snprintf(sql, sizeof sql, "UPDATE clips SET path = '%s/' || substr(path, -10)", o->here);
    fixture_change(&fx, sql);
    if (back_us >= 0)
        assert_int_equal(pthread_create(thread, NULL, come_back, o), 0);
}

/* As it was, for the next test. */
static void end_outage(const struct outage *o)
{
    char name[300];
    for (int i = 0; i < FAKE_CLIPS; i++) {
        snprintf(name, sizeof name, "%s/clip%02d.y4m", o->here, i);
        assert_int_equal(unlink(name), 0);
    }
    assert_int_equal(rmdir(o->here), 0);
}

static void a_share_that_comes_back_costs_next_to_nothing(void **state)
{
    (void) state;
    struct outage o;
    pthread_t thread;
    struct work_result r;
    begin_outage(&o, 600000, &thread);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 4, .io_pause_s = 0.3}, &r), CQ_OK);
    pthread_join(thread, NULL);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    assert_int_equal(fixture_int(&fx, "SELECT max(failures) < 3 FROM jobs"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) BETWEEN 7 AND 11 FROM attempts WHERE outcome = 'retried'"), 1);
    end_outage(&o);
}

static void a_share_that_stays_away_keeps_its_clips(void **state)
{
    (void) state;
    struct outage o;
    pthread_t none;
    struct work_result r;
    begin_outage(&o, -1, &none);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 4, .io_pause_s = 0.1}, &r), CQ_OK);
    assert_int_equal(r.left, ALL);
    assert_int_equal(r.done + r.failed + r.dead, 0);
    assert_non_null(strstr(fx.log.last_error, "nothing else is left"));
    rename(o.away, o.here);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 4}, &r), CQ_OK);
    assert_int_equal(r.done, ALL);
    check_rows(ALL);
    end_outage(&o);
}

/* Of one clip, until a run has no more commits than that. The one that takes its last rows along is the worst: nothing
 * of the clip is missing then but what is not in the file. */
static void any_commit_may_fail(void **state)
{
    (void) state;
    struct work_result r;
    enum cq_err err = CQ_IO;
    int n = 0;
    fixture_change(&fx, "UPDATE jobs SET state = 'cancelled' WHERE id > 1");
    while (err) {
        char fault[32];
        snprintf(fault, sizeof fault, "commit@%d", ++n);
        err = fake_run(&fx, fault, &(struct work_params) {.workers = 1}, &r);
        assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'running'"), 0);
        assert_int_equal(fixture_int(&fx, "SELECT coalesce(sum(frames), 0) FROM v_jobs WHERE state = 'done'"),
                         fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE state = 'done'") * FAKE_FRAMES);
        fixture_change(&fx, "UPDATE jobs SET state = 'pending', accepted_id = NULL, frame_rows = 0 WHERE id = 1");
    }
    assert_true(n > 5);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 1}, &r), CQ_OK);
    assert_int_equal(r.done, 1);
    check_rows(1);
}

static void killed_in_the_middle_and_run_again(void **state)
{
    (void) state;
    struct work_result r;
    for (int round = 1; round <= 3; round++) {
        pid_t pid = start_run("crawl@1");
        await_done(round * 2);
        kill(round % 2 ? -pid : pid, SIGKILL);      /* the group, or the supervisor alone */
        assert_int_equal(WTERMSIG(end_of(pid)), SIGKILL);
    }
    assert_true(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'running'") > 0);
    int64_t start = cq_now_ns();
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {0}, &r), CQ_OK);
    assert_true(cq_now_ns() - start < 20000000000);  /* leases of the dead are not waited for */
    assert_true(r.done > 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), ALL);
    check_rows(ALL);
}

static void check_drained(void)
{
    int64_t drained = fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'");
    assert_in_range(drained, 1, ALL - 1);
    check_rows(drained);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE outcome NOT IN ('done', 'released')"), 0);
}

static void check_the_rest_can_be_done(void)
{
    struct work_result r;
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {0}, &r), CQ_OK);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), ALL);
    check_rows(ALL);
}

static void one_signal_drains(void **state)
{
    (void) state;
    pid_t pid = start_run("crawl@1");
    await_done(1);
    kill(pid, SIGINT);
    check_end(pid, 1);
    check_drained();
    check_the_rest_can_be_done();
}

/* Somebody has the database while both workers come to need a clip, so the claim is still out when the signal comes. */
static void a_claim_that_is_out_does_not_hold_up_the_drain(void **state)
{
    (void) state;
    sqlite3 *db;
    pid_t pid = start_run("crawl@1");
    await_done(1);
    assert_int_equal(sqlite3_open(fx.db, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    usleep(1500000);
    kill(pid, SIGINT);
    usleep(200000);
    sqlite3_close(db);
    check_end(pid, 1);
    check_drained();
}

/* One clip never ends. Of two signals of one number the second may be lost while the first is pending. */
static void two_signals_abort(void **state)
{
    (void) state;
    pid_t pid = start_run("hang@clip03");
    await_done(ALL - 1);
    kill(pid, SIGTERM);
    kill(pid, SIGINT);
    check_end(pid, 2);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'running'"), 0);
    check_the_rest_can_be_done();
}

static void two_supervisors_share_the_queue(void **state)
{
    (void) state;
    pid_t a = start_run("slow@1"), b = start_run("slow@1");
    check_end(a, 0);
    check_end(b, 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), ALL);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts"), ALL);
    check_rows(ALL);
}

/* By another process, as far as the one that works can tell. */
static void cancel_all(bool retry)
{
    struct store *s;
    int64_t pending, running, n;
    assert_int_equal(store_open(&fx.log, fx.db, STORE_WRITE, &s), CQ_OK);
    assert_int_equal(store_begin(s), CQ_OK);
    assert_int_equal(store_cancel(s, &(struct store_filter) {0}, &pending, &running), CQ_OK);
    assert_true(running > 0);
    if (retry)
        assert_int_equal(store_retry(s, &(struct store_filter) {.states = JOB_CANCELLED}, &n), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    store_close(&s);
}

static void cancelled_in_the_middle_of_batches(void **state)
{
    (void) state;
    pid_t pid = start_run("crawl@1");
    await_done(1);
    cancel_all(false);
    int64_t done = fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'");
    check_end(pid, 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), done);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'cancelled'"), ALL - done);
    check_rows(done);
    assert_true(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE outcome = 'cancelled' AND pid > 0") > 0);

    struct store *s;
    int64_t n;
    assert_int_equal(store_open(&fx.log, fx.db, STORE_WRITE, &s), CQ_OK);
    assert_int_equal(store_begin(s), CQ_OK);
    assert_int_equal(store_retry(s, &(struct store_filter) {.states = JOB_CANCELLED}, &n), CQ_OK);
    assert_int_equal(store_commit(s), CQ_OK);
    store_close(&s);
    check_the_rest_can_be_done();
}

/* The same process may claim it anew while it still has the cancelled attempt at hand. */
static void cancelled_and_retried_at_once(void **state)
{
    (void) state;
    pid_t pid = start_run("crawl@1");
    await_done(1);
    cancel_all(true);
    check_end(pid, 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), ALL);
    assert_true(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE outcome = 'cancelled'") > 0);
    check_rows(ALL);
}

int main(int argc, char **argv)
{
    int code = fake_child_main(argc, argv, child_decode_main);
    if (code >= 0)
        return code;
#define DAY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DAY(all_clips_are_done_in_full_batches),
        DAY(more_workers_than_clips_and_one_slot_each),
        DAY(a_frame_larger_than_the_arena_fails_its_clip),
        DAY(a_crashing_decoder_costs_its_own_clip),
        DAY(a_decoder_that_takes_all_memory_costs_its_own_clip),
        DAY(a_hanging_decoder_is_killed),
        DAY(a_slow_engine_is_no_hang),
        DAY(an_engine_that_dies_costs_a_batch),
        DAY(an_engine_that_says_nothing_is_killed),
        DAY(every_child_is_accounted_for),
        DAY(an_engine_that_always_dies_is_given_up),
        DAY(an_engine_that_is_always_killed_lacks_memory),
        DAY(a_lying_engine_is_killed_and_given_up),
        DAY(halved_batches_are_remembered),
        DAY(engines_are_told_of_kernels),
        DAY(not_even_one_frame_fits),
        DAY(no_device_or_no_model_touches_nothing),
        DAY(a_vanished_clip_is_tried_again_and_fails_alone),
        DAY(a_share_that_comes_back_costs_next_to_nothing),
        DAY(a_share_that_stays_away_keeps_its_clips),
        DAY(any_commit_may_fail),
        DAY(killed_in_the_middle_and_run_again),
        DAY(one_signal_drains),
        DAY(a_claim_that_is_out_does_not_hold_up_the_drain),
        DAY(two_signals_abort),
        DAY(two_supervisors_share_the_queue),
        DAY(cancelled_in_the_middle_of_batches),
        DAY(cancelled_and_retried_at_once),
        /* Last: threads that hash outlive a run, and what forks should be one thread. */
        DAY(known_answers_are_not_computed),
        DAY(a_cache_without_room_computes_all),
        DAY(killed_engines_and_a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

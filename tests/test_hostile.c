/* A decode worker that a clip has taken over: while it has that clip it sends the supervisor whatever may hurt. Changed
 * bytes and types, cut and overlong frames, noise, messages twice, old ones again, nothing at all, a flood. The
 * supervisor must live, every other clip must have its whole answers, and the clip itself must end in one state.
 *
 * Or it says what it should and writes, again and again, over all memory that it shares with anyone and all that it can
 * come by: the answers of clips that other workers decode must be those of an undisturbed run. There is no sandbox then,
 * for what keeps it from them is that it has nothing to reach them with.
 *
 * Or it stays: whatever clip comes after, it whitens what it should show. It must not get one.
 *
 * wire_send() is wrapped by the linker, so that the worker is the real one but for what leaves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/child.h"
#include "runner/wire.h"
#include "tests/work_fake.h"

enum { RUNS = 8, ONE_IN = 6 /* messages is changed */, FLOOD = 2000, AFTER_A_LOOK_US = 5000 /* the cache has looked, no engine yet */ };

#define HOSTILE_CLIP "clip03.y4m"

enum cq_err __real_wire_send(struct wire *w, uint16_t type, const struct cq_buf *body);
/* ---- writing over memory ---- */

static void scribble_on_mappings(void)
{
    char line[512];
    FILE *f = fopen("/proc/self/maps", "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && !strcmp(rights, "rw-s"))
            memset((void *) from, 0xff, to - from);
    }
    if (f)
        fclose(f);
}

static void scribble_on_descriptors(void)
{
    for (int fd = 3; fd < 64; fd++) {
        struct stat st;
        if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
            continue;
        void *p = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            continue;               /* its clip: only to read */
        memset(p, 0xff, (size_t) st.st_size);
        munmap(p, (size_t) st.st_size);
    }
}

enum cq_err __wrap_wire_send(struct wire *w, uint16_t type, const struct cq_buf *body);
enum cq_err __real_wire_receive(struct wire *w, struct wire_msg *out);
enum cq_err __wrap_wire_receive(struct wire *w, struct wire_msg *out);

/* ---- in the worker ---- */

static bool armed, scribbles, stays, late;
static uint64_t noise = 1;
static struct cq_buf earlier;       /* a frame that was sent before */

static unsigned random_below(unsigned n)
{
    noise = noise * 6364136223846793005u + 1442695040888963407u;
    return (unsigned) (noise >> 33) % n;
}

static void send_raw(struct wire *w, const struct cq_buf *frame)
{
    for (size_t at = 0; at < frame->size; ) {
        ssize_t n = write(w->fd, frame->data + at, frame->size - at);
        if (n <= 0)
            return;                 /* killed for it, most likely */
        at += (size_t) n;
    }
}

static void change_bytes(struct wire *w, struct cq_buf *f)
{
    for (unsigned i = 1 + random_below(8); i > 0; i--)
        f->data[WIRE_HEADER + random_below((unsigned) f->size - WIRE_HEADER)] = (uint8_t) random_below(256);
    send_raw(w, f);
}

static void change_header(struct wire *w, struct cq_buf *f)
{
    f->data[random_below(WIRE_HEADER)] = (uint8_t) random_below(256);
    send_raw(w, f);
}

static void cut(struct wire *w, struct cq_buf *f)
{
    f->size -= random_below((unsigned) f->size);
    send_raw(w, f);
}

static void claim_to_be_long(struct wire *w, struct cq_buf *f)
{
    f->data[3] = (uint8_t) random_below(256);
    send_raw(w, f);
}

static void make_noise(struct wire *w, struct cq_buf *f)
{
    for (size_t i = 0; i < f->size; i++)
        f->data[i] = (uint8_t) random_below(256);
    send_raw(w, f);
}

static void say_twice(struct wire *w, struct cq_buf *f)
{
    send_raw(w, f);
    send_raw(w, f);
}

static void say_again(struct wire *w, struct cq_buf *f)
{
    send_raw(w, &earlier);
    send_raw(w, f);
}

static void say_nothing(struct wire *w, struct cq_buf *f)
{
    (void) w;
    (void) f;
}

static void flood(struct wire *w, struct cq_buf *f)
{
    for (int i = 0; i < FLOOD; i++)
        send_raw(w, f);
}

static void (*const tricks[])(struct wire *w, struct cq_buf *f) = {
    change_bytes, change_bytes, change_header, cut, claim_to_be_long, make_noise, say_twice, say_again, say_nothing, flood,
};

enum cq_err __wrap_wire_send(struct wire *w, uint16_t type, const struct cq_buf *body)
{
    if (armed && stays) {
        scribble_on_mappings();
        return __real_wire_send(w, type, body);
    }
    if (armed && scribbles) {
        enum cq_err err = __real_wire_send(w, type, body);
        usleep(AFTER_A_LOOK_US);
        scribble_on_mappings();
        scribble_on_descriptors();
        return err;
    }
    if (armed && late) {            /* in order now; once more when it has the next clip */
        cq_buf_clear(&earlier);
        wire_pack(&earlier, type, body);
        return __real_wire_send(w, type, body);
    }
    if (!armed || random_below(ONE_IN))
        return __real_wire_send(w, type, body);
    struct cq_buf frame = {0};
    wire_pack(&frame, type, body);
    if (!frame.err && frame.size > WIRE_HEADER)
        tricks[random_below(sizeof tricks / sizeof *tricks)](w, &frame);
    cq_buf_finish(&earlier);
    earlier = frame;
    return CQ_OK;
}

/* Jobs name their clip by its path; so do requests to its opener, whom no clip takes over. */
enum cq_err __wrap_wire_receive(struct wire *w, struct wire_msg *out)
{
    enum cq_err err = __real_wire_receive(w, out);
    if (!err && w->fd == CHILD_FD && memmem(out->body.data, out->body.size, ".y4m", 4)) {
        if (armed && late)
            send_raw(w, &earlier);
        armed = (armed && stays) || memmem(out->body.data, out->body.size, HOSTILE_CLIP, strlen(HOSTILE_CLIP));
    }
    return err;
}

static int hostile_worker_main(void)
{
    const char *seed = getenv("CLIPQ_TEST_SEED");
    scribbles = getenv("CLIPQ_TEST_SCRIBBLES") != NULL;
    stays = getenv("CLIPQ_TEST_STAYS") != NULL;
    late = getenv("CLIPQ_TEST_LATE") != NULL;
    noise = strtoull(seed ? seed : "1", NULL, 10) * 2654435761u + (uint64_t) getpid();
    return child_decode_main();
}

/* ---- in the supervisor ---- */

static struct fixture fx;

static int64_t of_others(const char *sql)
{
    char text[512];
    snprintf(text, sizeof text, sql, "path NOT LIKE '%" HOSTILE_CLIP "'");
    return fixture_int(&fx, text);
}

static void the_supervisor_survives(void **state)
{
    (void) state;
    int killed = 0;
    for (int run = 0; run < RUNS; run++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", run + 1);
        setenv("CLIPQ_TEST_SEED", seed, 1);
        fake_queue(&fx);
        struct work_result r;
        const struct work_params p = {.stall_timeout_s = 1.5, .clips_per_worker = run % 3};
        assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
        assert_int_equal(r.left, 0);
        assert_int_equal(r.done + r.partial + r.failed + r.dead, FAKE_CLIPS);
        assert_int_equal(of_others("SELECT count(*) FROM v_jobs WHERE state = 'done' AND attempts = 1 AND %s"), FAKE_CLIPS - 1);
        assert_int_equal(of_others("SELECT count(*) FROM v_frames WHERE %s"), (FAKE_CLIPS - 1) * FAKE_FRAMES);
        assert_int_equal(of_others("SELECT count(DISTINCT job_id * 1000 + frame) FROM v_frames WHERE %s"),
                         (FAKE_CLIPS - 1) * FAKE_FRAMES);
        killed += (int) fixture_int(&fx, "SELECT count(*) FROM attempts WHERE reason IN ('crash', 'hang')");
        fixture_check_books(&fx);
        fixture_teardown(&fx);
    }
    assert_true(killed >= RUNS / 2);    /* it was worth the trouble */
}

/* A process that stays for many clips and repeats an END when it has the next clip: that one goes back untried. */
static void the_next_clip_is_not_blamed(void **state)
{
    (void) state;
    struct work_result r;
    fake_queue(&fx);
    setenv("CLIPQ_TEST_LATE", "1", 1);
    assert_int_equal(fake_run(&fx, "", &(struct work_params) {.workers = 1}, &r), CQ_OK);
    unsetenv("CLIPQ_TEST_LATE");
    assert_int_equal(r.done, FAKE_CLIPS);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_jobs WHERE attempts = 1 AND state = 'done'"), FAKE_CLIPS);
    assert_int_equal(of_others("SELECT count(*) FROM v_attempts WHERE outcome = 'released' AND reason = 'crash' AND %s"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT worker_restarts FROM runs"), 1);
    fixture_check_books(&fx);
    fixture_teardown(&fx);
}

#define OF_OTHER_WORKERS "(SELECT path FROM v_attempts WHERE pid NOT IN (SELECT pid FROM v_attempts WHERE path LIKE '%" HOSTILE_CLIP "'))"

/* Of each frame that other workers decoded, what it is and what was seen in it, which depends on each of its pixels. */
static void answers_of(char *out, int size)
{
    fixture_text(&fx, "SELECT group_concat(substr(path, -10) || ' ' || frame || ' ' || score || ';', char(10)) FROM "
                      "(SELECT path, frame, score FROM v_detections WHERE path IN " OF_OTHER_WORKERS " ORDER BY path, frame)",
                 out, size);
}

enum { TEXT = 1 << 16 };

static void other_clips_frames_are_out_of_reach(void **state)
{
    (void) state;
    const struct work_params p = {.sandbox = SANDBOX_OFF, .arena_bytes = 1 << 20};
    char *all = malloc(TEXT), *got = malloc(TEXT);
    struct work_result r;
    fake_queue(&fx);
    assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
    fixture_change(&fx, "UPDATE attempts SET pid = 1 WHERE job_id <> (SELECT job_id FROM v_jobs WHERE path LIKE '%" HOSTILE_CLIP "')");
    answers_of(all, TEXT);          /* as if the hostile clip had a worker of its own: those of all other clips */
    fixture_teardown(&fx);

    setenv("CLIPQ_TEST_SCRIBBLES", "1", 1);
    fake_queue(&fx);
    assert_int_equal(fake_run(&fx, "slow@1", &p, &r), CQ_OK);
    unsetenv("CLIPQ_TEST_SCRIBBLES");
    assert_int_equal(r.done, FAKE_CLIPS);
    answers_of(got, TEXT);
    int lines = 0;
    for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n"), lines++)
        assert_non_null(strstr(all, line));
    assert_true(lines >= FAKE_FRAMES);
    /* It was in earnest: its own frames, which it had handed over already, are white. */
    assert_true(fixture_int(&fx, "SELECT count(*) FROM v_detections WHERE path LIKE '%" HOSTILE_CLIP "' AND score > 0.99") > 0);
    fixture_teardown(&fx);
    free(all);
    free(got);
}

/* Its frames show what later clips show too, until it has sent them; then they are white. An answer for white under the
 * name of what was there before would be theirs. */
static void no_other_clip_gets_its_answers(void **state)
{
    (void) state;
    struct work_result r;
    const struct work_params p = {.workers = 1, .clips_per_worker = 1, .sandbox = SANDBOX_OFF, .cache = WORK_CACHE_MEMORY};
    fake_queue(&fx);
    setenv("CLIPQ_TEST_SCRIBBLES", "1", 1);
    assert_int_equal(fake_run(&fx, "slow@1", &p, &r), CQ_OK);
    unsetenv("CLIPQ_TEST_SCRIBBLES");
    assert_int_equal(r.done, FAKE_CLIPS);
    /* What it finds of the clip before is out of its reach only where that had another worker: see below. */
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_detections WHERE score > 0.99 AND path > "
                                      "(SELECT path FROM v_jobs WHERE path LIKE '%" HOSTILE_CLIP "')"), 0);
    assert_int_equal(of_others("SELECT count(*) FROM v_detections WHERE %s"), (FAKE_CLIPS - 1) * FAKE_FRAMES);
    assert_true(of_others("SELECT count(*) FROM v_frames WHERE source = 'cached' AND %s") > 0);
    assert_true(fixture_int(&fx, "SELECT count(*) FROM v_detections WHERE path LIKE '%" HOSTILE_CLIP "' AND score > 0.99") > 0);
    fixture_teardown(&fx);
}

/* Later clips with a false answer, after a run of one worker. */
static int64_t falsified_later(int clips_per_worker)
{
    struct work_result r;
    const struct work_params p = {.workers = 1, .sandbox = SANDBOX_OFF, .clips_per_worker = clips_per_worker};
    fake_queue(&fx);
    assert_int_equal(fake_run(&fx, "", &p, &r), CQ_OK);
    assert_int_equal(r.done, FAKE_CLIPS);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_frames"), FAKE_CLIPS * FAKE_FRAMES);
    return fixture_int(&fx, "SELECT count(DISTINCT path) FROM v_detections WHERE score > 0.99 AND path > "
                            "(SELECT path FROM v_jobs WHERE path LIKE '%" HOSTILE_CLIP "')");
}

/* Its frames that still wait for an engine are its own, and those of the clip before. */
static void who_is_taken_over_gets_no_other_clip(void **state)
{
    (void) state;
    setenv("CLIPQ_TEST_STAYS", "1", 1);
    assert_true(falsified_later(0) > 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT pid) FROM v_attempts"), 1);
    fixture_teardown(&fx);
    assert_int_equal(falsified_later(1), 0);
    assert_true(fixture_int(&fx, "SELECT count(*) FROM v_detections WHERE score > 0.99 AND path LIKE '%" HOSTILE_CLIP "'") > 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(DISTINCT pid) FROM v_attempts"), FAKE_CLIPS);
    assert_int_equal(fixture_int(&fx, "SELECT worker_restarts FROM runs"), 0);
    assert_int_equal(fixture_int(&fx, "SELECT restarts + clips FROM v_workers WHERE role = 'decode'"), FAKE_CLIPS);
    unsetenv("CLIPQ_TEST_STAYS");
    fixture_teardown(&fx);
}

int main(int argc, char **argv)
{
    int code = fake_child_main(argc, argv, hostile_worker_main);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_supervisor_survives),
        cmocka_unit_test(the_next_clip_is_not_blamed),
        cmocka_unit_test(other_clips_frames_are_out_of_reach),
        cmocka_unit_test(no_other_clip_gets_its_answers),
        cmocka_unit_test(who_is_taken_over_gets_no_other_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

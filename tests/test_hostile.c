/* A decode worker that a clip has taken over: while it has that clip it sends the supervisor whatever may hurt. Changed
 * bytes and types, cut and overlong frames, noise, messages twice, old ones again, nothing at all, a flood. The
 * supervisor must live, every other clip must have its whole answers, and the clip itself must end in one state.
 *
 * wire_send() is wrapped by the linker, so that the worker is the real one but for what leaves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/child.h"
#include "runner/wire.h"
#include "tests/work_fake.h"

enum { RUNS = 8, ONE_IN = 6 /* messages is changed */, FLOOD = 2000 };

#define HOSTILE_CLIP "clip03.y4m"

enum cq_err __real_wire_send(struct wire *w, uint16_t type, const struct cq_buf *body);
enum cq_err __wrap_wire_send(struct wire *w, uint16_t type, const struct cq_buf *body);
enum cq_err __real_wire_receive(struct wire *w, struct wire_msg *out);
enum cq_err __wrap_wire_receive(struct wire *w, struct wire_msg *out);

/* ---- in the worker ---- */

static bool armed;
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

/* Jobs name their clip by its path. */
enum cq_err __wrap_wire_receive(struct wire *w, struct wire_msg *out)
{
    enum cq_err err = __real_wire_receive(w, out);
    if (!err && memmem(out->body.data, out->body.size, ".y4m", 4))
        armed = memmem(out->body.data, out->body.size, HOSTILE_CLIP, strlen(HOSTILE_CLIP)) != NULL;
    return err;
}

static int hostile_worker_main(void)
{
    const char *seed = getenv("CLIPQ_TEST_SEED");
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
        const struct work_params p = {.stall_timeout_s = 1.5};
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

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--child=decode"))
        return hostile_worker_main();
    if (argc == 2 && !strcmp(argv[1], "--child=engine"))
        return fake_engine_main();
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_supervisor_survives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

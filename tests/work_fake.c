/* See work_fake.h. */
#include "tests/work_fake.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/arena_view.h"
#include "runner/batch_pixels.h"
#include "runner/child.h"
#include "runner/fault.h"
#include "runner/messages_engine.h"
#include "runner/pipeline.h"
#include "runner/wire.h"
#include "stages/answer/answer.h"
#include "stages/media/probe.h"

enum { SIDE = 64, MAX_BATCH = 8 };

/* ---- the queue ---- */

static void make_y4m(const char *path, int seed)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("YUV4MPEG2 W32 H32 F10:1 Ip A1:1 C420jpeg\n", f);
    for (int frame = 0; frame < FAKE_FRAMES; frame++) {
        fputs("FRAME\n", f);
        for (int i = 0; i < 32 * 32 * 3 / 2; i++)
            fputc((seed * 7 + i + frame) & 0xff, f);
    }
    fclose(f);
}

static int64_t put_pipeline(struct store *s)
{
    static struct pipeline p;
    memset(&p, 0, sizeof p);
    p.sample = (struct sample_spec) {.mode = SAMPLE_EVERY, .every = 1};
    p.n_models = 1;
    struct pipeline_model *m = &p.models[0];
    snprintf(m->name, sizeof m->name, "fake.onnx");
    snprintf(m->hash, sizeof m->hash, "0123456789abcdef0123456789abcdef");
    m->card = card_neutral();
    m->card.image.width = m->card.image.height = SIDE;
    snprintf(m->card.decoder, sizeof m->card.decoder, "rows");

    const struct store_model row = {m->name, m->hash, "/nowhere/fake.onnx", "rows", NULL, 0};
    int64_t model, id;
    char hash[33], *text = pipeline_to_text(&p);
    assert_non_null(text);
    pipeline_hash(text, hash);
    assert_int_equal(store_put_model(s, &row, &model), CQ_OK);
    assert_int_equal(store_put_pipeline(s, hash, text, &model, 1, &id), CQ_OK);
    free(text);
    return id;
}

void fake_queue(struct fixture *f)
{
    fixture_setup(f);
    assert_int_equal(store_begin(f->store), CQ_OK);
    f->pipeline = put_pipeline(f->store);
    for (int i = 0; i < FAKE_CLIPS; i++) {
        char path[256];
        struct probe p;
        int64_t job;
        enum store_put what;
        snprintf(path, sizeof path, "%s/clip%02d.y4m", f->folder, i);
        make_y4m(path, i);
        assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
        assert_int_equal(p.failure, FAIL_NONE);
        assert_int_equal(store_put_clip_job(f->store, path, &p, 1000, f->pipeline, 0, &job, &what), CQ_OK);
        assert_int_equal(what, STORE_NEW);
    }
    assert_int_equal(store_commit(f->store), CQ_OK);
    fixture_close(f);
}

enum cq_err fake_run(struct fixture *f, const char *faults, const struct work_params *p, struct work_result *out)
{
    struct work_params q = *p;
    q.db_path = f->db;
    q.log = &f->log;
    q.workers = q.workers ? q.workers : 3;
    setenv("CLIPQ_FAULT", faults, 1);
    f->log.last_error[0] = '\0';
    enum cq_err err = work_run(&q, out);
    unsetenv("CLIPQ_FAULT");
    return err;
}

/* ---- the engine ---- */

struct fake {
    struct wire wire;
    struct arena_reader arena;
    uint64_t seed;
    const uint8_t *pixels[BATCHER_MAX];
    struct batch_pixels own;
    struct msg_batch batch;
    struct msg_result result;
    int64_t batches;
    int choices;                /* kernels told so far */
};

static enum cq_err reply(struct fake *e, enum msg_type type, struct cq_buf *body)
{
    enum cq_err err = wire_send(&e->wire, (uint16_t) type, body);
    cq_buf_finish(body);
    return err;
}

static enum cq_err say_hello(struct fake *e, struct cq_rd *body)
{
    struct msg_setup setup;
    if (msg_get_setup(body, &setup))
        return CQ_PROTOCOL;
    e->seed = setup.seed;
    struct cq_buf b = {0};
    bool none = fault_at("nodevice", 1);
    msg_put_hello(&b, &(struct msg_hello) {.err = none ? CQ_NO_DEVICE : CQ_OK, .message = none ? "no device here" : "",
                                           .spec = "0:0", .name = "pretended", .driver = "1.0", .is_cpu = true, .compute_units = 1,
                                           .budget = 7654321});
    return reply(e, MSG_HELLO, &b);
}

static enum cq_err note_choices(struct fake *e, struct cq_rd *body)
{
    struct msg_choices m;
    if (msg_get_choices(body, &m))
        return CQ_PROTOCOL;
    e->choices += m.n;
    for (int i = 0; i < m.n; i++)
        if (strcmp(m.list[i].variant, "conv_tile"))
            return CQ_PROTOCOL;
    return CQ_OK;
}

static enum cq_err say_ready(struct fake *e, struct cq_rd *body)
{
    struct msg_model m;
    struct cq_buf b = {0};
    if (msg_get_model(body, &m))
        return CQ_PROTOCOL;
    bool bad = fault_at("badmodel", 1) || (fault_at("choices", 1) && e->choices != FAKE_CHOICES);
    int most = m.max_batch < MAX_BATCH ? m.max_batch : MAX_BATCH;
    msg_put_ready(&b, &(struct msg_ready) {.lane = m.lane, .err = bad ? CQ_NOT_FOUND : CQ_OK,
                                           .message = bad ? "no such model file" : "", .max_batch = most, .batchable = true,
                                           .bytes = 8000000, .frame_bytes = 1234567});
    return reply(e, MSG_READY, &b);
}

/* One detection for each frame, whose score is the mean of its pixels: an answer that only that frame gives. */
static void pretend(struct fake *e, int i, struct cq_buf *blobs)
{
    const uint8_t *px = e->pixels[i];
    double sum = 0;
    for (int k = 0; px && k < SIDE * SIDE * 3; k++)
        sum += px[k];
    struct answer a = {0};
    answer_add_detection(&a, &(struct detection) {.score = (float) (sum / (SIDE * SIDE * 3 * 255.0)), .x1 = 1, .y1 = 1});
    struct msg_answer *out = &e->result.answers[i];
    size_t start = blobs->size;
    answer_put(blobs, &a);
    answer_finish(&a);
    *out = (struct msg_answer) {.message = "", .blob = (void *) (uintptr_t) start, .size = blobs->size - start};
}

/* As engines do it. */
static void look_at_pixels(struct fake *e)
{
    for (int i = 0; i < e->batch.n; i++)
        e->pixels[i] = arena_read(&e->arena, e->batch.items[i].input, SIDE * SIDE * 3);
    batch_pixels_skip(&e->own);
    if (e->batch.hash)
        batch_pixels_take(&e->own, e->seed, e->pixels, e->batch.n, SIDE * SIDE * 3);
}

static enum cq_err say_result(struct fake *e, struct cq_rd *body)
{
    struct cq_buf b = {0}, blobs = {0};
    if (msg_get_batch(body, &e->batch))
        return CQ_PROTOCOL;
    if (fault_at("kill", ++e->batches) || (fault_at("killall", 1) && e->batch.n))
        raise(SIGKILL);
    while (fault_at("mute", e->batches))
        pause();
    if (fault_at("exitall", 1))
        _exit(1);
    if (fault_at("slow", 1))
        usleep(20000);
    if (fault_at("crawl", 1))
        usleep(100000);
    bool nofit = fault_at("nofit", 1);
    struct msg_result *r = &e->result;
    r->id = e->batch.id;
    r->lane = e->batch.lane;
    r->err = nofit ? CQ_OOM : CQ_OK;
    r->message = nofit ? "one frame is too much" : "";
    r->n = nofit ? 0 : e->batch.n;
    r->runs = 1;
    r->infer_ns = 1000000;
    r->safe_batch = MAX_BATCH;
    r->halvings = 0;
    for (int most = 1; most < e->batch.n; most++)
        if (fault_at("oom", most))
            r->halvings = 1, r->safe_batch = most;
    look_at_pixels(e);
    for (int i = 0; i < r->n; i++)
        pretend(e, i, &blobs);
    batch_pixels_tell(&e->own, r);
    for (int i = 0; i < r->n; i++)
        r->answers[i].blob = blobs.data + (uintptr_t) r->answers[i].blob;
    if (fault_at("lies", 1))
        r->id += 1000;
    msg_put_result(&b, r);
    cq_buf_finish(&blobs);
    return reply(e, MSG_RESULT, &b);
}

static int engine_main(void)
{
    static struct fake e;
    struct wire_msg msg;
    if (child_begin(NULL) || arena_reader_init(NULL, CHILD_ARENA_FD, &e.arena))
        return 1;
    wire_init(&e.wire, CHILD_FD);
    enum cq_err err;
    while (!(err = wire_receive(&e.wire, &msg))) {
        err = msg.type == MSG_SETUP ? say_hello(&e, &msg.body)
            : msg.type == MSG_CHOICES ? note_choices(&e, &msg.body)
            : msg.type == MSG_MODEL ? say_ready(&e, &msg.body)
            : msg.type == MSG_INFER ? say_result(&e, &msg.body)
            : CQ_PROTOCOL;
        if (err)
            break;
    }
    batch_pixels_finish(&e.own);
    wire_finish(&e.wire);
    arena_reader_finish(&e.arena);
    return err != CQ_EOF;
}

int fake_child_main(int argc, char **argv, int (*decode)(void))
{
    const char *role = argc == 2 ? argv[1] : "";
    return !strcmp(role, "--child=decode") ? decode() : !strcmp(role, "--child=engine") ? engine_main() : -1;
}

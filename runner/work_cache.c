#include "runner/work_cache.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "kernels/base/buf.h"
#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/budget.h"
#include "runner/cache_key.h"
#include "runner/cache_memory.h"
#include "runner/work_cache_disk.h"
#include "runner/work_jobs.h"
#include "runner/work_lanes.h"
#include "runner/work_posts.h"
#include "runner/work_state.h"
#include "stages/answer/decoder.h"

enum { ROUND = 64 /* inputs that are hashed in one go */, LOOK_AT_MEMORY_MS = 1000 };

/* What is the same for all frames of a lane. */
struct lane {
    int generation;             /* of the lane that it was worked out for; 0: of none */
    bool fit;                   /* its answers can serve other clips */
    struct cache_key maker;
};

struct asked {
    struct frame_input *in;
    const uint8_t *pixels;
    size_t bytes;
    struct cache_key maker, key;    /* key: once it is hashed */
    bool found;                 /* on disk: then its answer is in the round's blobs */
    size_t at, size;
    double cost_ms;
};

struct work_cache {
    uint64_t seed;
    struct cache_key program;
    struct cache_memory *memory;
    struct work_cache_disk *disk;   /* NULL: none */
    struct lane lanes[BATCHER_LANES];
    int64_t looked_ms;
    uv_work_t work;
    bool busy;                  /* `asked` is the other thread's */
    bool asks_disk;             /* in this round */
    int n_asked;
    struct asked asked[ROUND];
    struct cq_buf blobs;        /* that were found on disk */
};

enum cq_err work_cache_create(struct work *w)
{
    struct work_cache *c = w->cache = calloc(1, sizeof *c);
    if (!c)
        return CQ_NOMEM;
    c->work.data = w;
    if (w->p.cache == WORK_CACHE_OFF || cache_program(w->log, &c->program))
        return CQ_OK;
    c->disk = w->p.cache == WORK_CACHE_DISK ? work_cache_disk_create(w) : NULL;
    if (c->disk) {
        c->seed = work_cache_disk_seed(c->disk);
    } else if (uv_random(NULL, NULL, &c->seed, sizeof c->seed, 0, NULL)) {
        cq_log_warn(w->log, "the system gives no random numbers; answers are not reused in this run");
        return CQ_OK;
    }
    return cache_memory_create(w->p.cache_bytes, (int64_t) (w->p.cache_ttl_s * 1000), &c->memory);
}

void work_cache_destroy(struct work *w)
{
    if (!w->cache)
        return;
    work_cache_disk_destroy(&w->cache->disk);
    cache_memory_destroy(&w->cache->memory);
    cq_buf_finish(&w->cache->blobs);
    free(w->cache);
    w->cache = NULL;
}

uint64_t work_cache_seed(const struct work *w) { return w->cache->seed; }
bool work_cache_asks(const struct work *w) { return w->cache->n_asked || w->arrived.count; }

void work_cache_tick(struct work *w)
{
    struct work_cache *c = w->cache;
    int64_t now = cq_now_ns() / 1000000;
    if (c->disk)
        work_cache_disk_tick(c->disk);
    if (!c->memory || now - c->looked_ms < LOOK_AT_MEMORY_MS)
        return;
    c->looked_ms = now;
    size_t left = budget_host_left("");
    cache_memory_limit(c->memory, cache_budget(w->p.cache_bytes, cache_memory_bytes(c->memory),
                                               left < INT64_MAX ? (int64_t) left : INT64_MAX));
}

static const struct lane *lane_of(struct work *w, int lane)
{
    struct lane *l = &w->cache->lanes[lane];
    const struct work_lane *wl = work_lane(w, lane);
    if (l->generation == wl->generation)
        return l;
    const struct decoder_class *d = decoder_find(wl->decoder);
    *l = (struct lane) {
        .generation = wl->generation, .fit = d && !d->files,
        .maker = cache_maker(w->cache->seed, &w->cache->program, wl->hash, wl->card, &wl->target),
    };
    return l;
}

bool work_cache_keeps(struct work *w, int lane)
{
    return w->cache->memory && lane_of(w, lane)->fit;
}

/* ---- in ---- */

static void infer(struct frame_input *in)
{
    const struct frame *f = in->frame;
    batcher_add(&f->job->w->batcher, f->job->lanes[in->model], &in->item, f->arrived_ns);
}

/* False: it has to wait, for a round is under way. */
static bool send_on(void *ctx, struct batch_item *item)
{
    struct work *w = ctx;
    struct work_cache *c = w->cache;
    struct frame_input *in = (struct frame_input *) item;      /* its first member */
    const struct frame *f = in->frame;
    const struct job *j = f->job;
    int lane = j->lanes[in->model];
    const uint8_t *pixels = work_cache_keeps(w, lane) ? arena_look(w->arena, f->slot, j->inputs[in->model]) : NULL;
    if (!pixels) {
        infer(in);
        return true;
    }
    if (c->busy || c->n_asked == ROUND)
        return false;
    c->asked[c->n_asked++] = (struct asked) {
        .in = in, .pixels = pixels, .bytes = (size_t) scale_bytes(&j->targets[in->model]), .maker = lane_of(w, lane)->maker,
    };
    return true;
}

/* ---- the other thread ---- */

/* What memory knows is looked up in vain: it is the loop's, and a look costs little beside the hash. */
static void look_up_asked(struct work_cache *c)
{
    const int64_t now = cq_utc_ms();
    cq_buf_clear(&c->blobs);
    work_cache_disk_begin(c->disk);
    for (int i = 0; i < c->n_asked; i++) {
        struct asked *a = &c->asked[i];
        a->at = c->blobs.size;
        a->found = work_cache_disk_find(c->disk, &a->key, now, &c->blobs, &a->cost_ms);
        a->size = c->blobs.size - a->at;
    }
    work_cache_disk_end(c->disk);
}

static void hash_asked(uv_work_t *work)
{
    struct work_cache *c = ((struct work *) work->data)->cache;
    for (int i = 0; i < c->n_asked; i++) {
        struct asked *a = &c->asked[i];
        struct cache_key pixels = cache_pixels(c->seed, a->pixels, a->bytes);
        a->key = cache_key_of(c->seed, &a->maker, &pixels, &a->in->frame->geometry[a->in->model]);
    }
    if (c->asks_disk)
        look_up_asked(c);
}

/* ---- its results ---- */

static void add_use(struct store_cache_use *sum, const struct store_cache_use *u)
{
    sum->hits += u->hits;
    sum->misses += u->misses;
    sum->evictions += u->evictions;
    sum->saved_ns += u->saved_ns;
}

static void count(struct job *j, const struct store_cache_use *u)
{
    add_use(&j->cache, u);
    add_use(&j->w->tally.cache, u);
}

static void count_hit(struct work_cache *c, const struct asked *a, double cost_ms, bool life)
{
    struct job *j = a->in->frame->job;
    count(j, &(struct store_cache_use) {.hits = 1, .saved_ns = (int64_t) (cost_ms * 1e6)});
    if (c->disk)
        work_cache_disk_used(c->disk, &a->maker, work_lane(j->w, j->lanes[a->in->model]), &a->key, cost_ms, life);
}

static bool find_answer(struct work_cache *c, struct asked *a, struct msg_answer *out)
{
    struct cache_found found;
    if (cache_memory_use(c->memory, &a->key, cq_utc_ms(), &found)) {
        *out = (struct msg_answer) {.message = "", .blob = found.blob, .size = found.size};
        count_hit(c, a, found.cost_ms, found.proved);
        a->found = false;           /* it need not be remembered */
        return true;
    }
    if (a->found) {
        *out = (struct msg_answer) {.message = "", .blob = c->blobs.data + a->at, .size = a->size};
        count_hit(c, a, a->cost_ms, true);
        return true;
    }
    count(a->in->frame->job, &(struct store_cache_use) {.misses = 1});
    return false;
}

/* What the disk knew, for the next time; after answers of the round were copied, for they may go to make room. */
static void remember_found(struct work_cache *c)
{
    for (int i = 0; i < c->n_asked; i++) {
        const struct asked *a = &c->asked[i];
        if (a->found)
            cache_memory_put(c->memory, &a->key, c->blobs.data + a->at, a->size, a->cost_ms, cq_utc_ms());
    }
}

/* Posting copies, so answers may go from the cache afterwards. */
static void answer_asked(struct work *w)
{
    struct work_cache *c = w->cache;
    struct frame_input *hits[ROUND];
    struct msg_answer answers[ROUND];
    int n = 0;
    for (int i = 0; i < c->n_asked; i++) {
        struct frame_input *in = c->asked[i].in;
        if (in->frame->job->settled)
            frame_input_done(in);
        else if (find_answer(c, &c->asked[i], &answers[n]))
            hits[n++] = in;
        else
            infer(in);
    }
    if (n && work_post_rows(w, SOURCE_CACHED, hits, answers, n))
        work_fail(w, CQ_NOMEM);
    remember_found(c);
    for (int i = 0; i < n; i++)
        frame_input_done(hits[i]);
}

static void asked_hashed(uv_work_t *work, int status)
{
    struct work *w = work->data;
    struct work_cache *c = w->cache;
    (void) status;              /* nobody cancels it */
    c->busy = false;
    if (c->disk)
        work_cache_disk_settle(c->disk);
    if (w->phase == WORK_STOPPED)
        for (int i = 0; i < c->n_asked; i++)
            infer(c->asked[i].in);  /* they are dropped with all that waits for a batch */
    else
        answer_asked(w);
    c->n_asked = 0;
}

void work_cache_turn(struct work *w)
{
    struct work_cache *c = w->cache;
    batcher_lane_remove(&w->arrived, send_on, w);
    if (c->busy || !c->n_asked)
        return;
    c->asks_disk = work_cache_disk_is_on(c->disk);
    c->busy = !uv_queue_work(&w->loop, &c->work, hash_asked, asked_hashed);
    if (c->busy)
        return;
    for (int i = 0; i < c->n_asked; i++)
        infer(c->asked[i].in);
    c->n_asked = 0;
}

/* ---- back ---- */

static void keep_answer(struct work *w, int lane, const struct frame_input *in, const struct msg_answer *a, double cost_ms)
{
    struct work_cache *c = w->cache;
    const struct frame *f = in->frame;
    const struct cache_key *maker = &lane_of(w, lane)->maker;
    struct cache_key key = cache_key_of(c->seed, maker, &a->pixels, &f->geometry[in->model]);
    int64_t before = cache_memory_evictions(c->memory);
    cache_memory_put(c->memory, &key, a->blob, a->size, cost_ms, cq_utc_ms());
    if (c->disk)
        work_cache_disk_put(c->disk, maker, work_lane(w, lane), &key, a->blob, a->size, cost_ms);
    count(f->job, &(struct store_cache_use) {.evictions = cache_memory_evictions(c->memory) - before});
}

void work_cache_keep(struct work *w, int lane, struct frame_input *const *inputs, const struct msg_result *m)
{
    const double cost_ms = (double) (m->infer_ns + m->postprocess_ns) / 1e6 / (m->n ? m->n : 1);
    for (int i = 0; i < m->n && work_cache_keeps(w, lane); i++)
        if (!m->answers[i].err && m->answers[i].hashed)
            keep_answer(w, lane, inputs[i], &m->answers[i], cost_ms);
}

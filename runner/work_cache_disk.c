#include "runner/work_cache_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "kernels/base/clock.h"
#include "runner/store_cache.h"
#include "runner/work_lanes.h"
#include "runner/work_state.h"

enum { MAKERS = 2 * BATCHER_LANES, CHANGES_MAX = 8192, CHANGES_ENOUGH = 1024, WAIT_MS = 2000 };

static const size_t bytes_max = 16 << 20;

/* What is to be written. */
struct changes {
    struct store_cache_maker makers[MAKERS];
    int n_makers, n;
    struct store_cache_change *list;    /* owned; blobs are offsets + 1 into `bytes` until they are written */
    struct cq_buf bytes;
    int64_t since_ms;
};

struct work_cache_disk {
    struct work *w;
    struct store_cache *reader; /* the hashing thread's while it hashes */
    enum cq_err read_err;
    struct store_cache *writer; /* the writing thread's while `busy` */
    enum cq_err write_err;      /* of the newest write */
    uv_work_t work;
    bool busy, off;
    struct changes gathering, writing;
};

/* ---- life ---- */

struct work_cache_disk *work_cache_disk_create(struct work *w)
{
    struct work_cache_disk *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->w = w;
    d->work.data = d;
    if (!store_cache_open(w->log, true, &d->writer))
        store_cache_open(w->log, false, &d->reader);
    d->gathering.list = calloc(CHANGES_MAX, sizeof *d->gathering.list);
    d->writing.list = calloc(CHANGES_MAX, sizeof *d->writing.list);
    if (!d->reader || !d->gathering.list || !d->writing.list)
        work_cache_disk_destroy(&d);
    return d;
}

uint64_t work_cache_disk_seed(const struct work_cache_disk *d) { return store_cache_seed(d->reader); }

/* ---- writing ---- */

static void write_changes(struct work_cache_disk *d)
{
    struct changes *ch = &d->writing;
    int64_t evicted;
    for (int i = 0; i < ch->n; i++) {
        struct store_cache_change *a = &ch->list[i];
        if (a->blob)
            a->blob = ch->bytes.data + ((uintptr_t) a->blob - 1);
    }
    d->write_err = store_cache_write(d->writer, &(struct store_cache_write) {
        .makers = ch->makers, .n_makers = ch->n_makers, .changes = ch->list, .n = ch->n, .now_ms = cq_utc_ms(),
        .ttl_ms = (int64_t) (d->w->p.cache_ttl_s * 1000), .budget = d->w->p.cache_disk_bytes,
    }, &evicted);
}

static void clear(struct changes *ch)
{
    ch->n = ch->n_makers = 0;
    cq_buf_clear(&ch->bytes);
}

static void give_up(struct work_cache_disk *d, enum cq_err err)
{
    char path[STORE_CACHE_PATH];
    d->off = true;
    clear(&d->gathering);
    cq_log_warn(d->w->log, "the cache of answers on disk, %s, is not used any more in this run: %s; answers are computed instead%s",
                store_cache_path(path) ? path : "", cq_err_text(err),
                err == CQ_CORRUPT || err == CQ_FOREIGN ? "; `clipq cache clear` makes it anew" : "");
}

/* CQ_BUSY: somebody else writes for long, and it is only what was to be written that is lost. */
static void judge(struct work_cache_disk *d, enum cq_err err)
{
    if (err && err != CQ_BUSY && !d->off)
        give_up(d, err);
}

static void write_on_thread(uv_work_t *work)
{
    write_changes(work->data);
}

static void written(uv_work_t *work, int status)
{
    struct work_cache_disk *d = work->data;
    (void) status;              /* nobody cancels it */
    d->busy = false;
    clear(&d->writing);
    judge(d, d->write_err);
}

static void swap(struct work_cache_disk *d)
{
    struct changes ch = d->gathering;
    d->gathering = d->writing;
    d->writing = ch;
}

void work_cache_disk_tick(struct work_cache_disk *d)
{
    const struct changes *ch = &d->gathering;
    if (d->off || d->busy || !ch->n_makers || (ch->n < CHANGES_ENOUGH && cq_now_ns() / 1000000 - ch->since_ms < WAIT_MS))
        return;
    swap(d);
    d->busy = !uv_queue_work(&d->w->loop, &d->work, write_on_thread, written);
    if (!d->busy)
        clear(&d->writing);
}

void work_cache_disk_destroy(struct work_cache_disk **pd)
{
    struct work_cache_disk *d = *pd;
    if (!d)
        return;
    if (!d->off && d->gathering.n_makers) {
        swap(d);
        write_changes(d);
        judge(d, d->write_err);
    }
    store_cache_close(&d->reader);
    store_cache_close(&d->writer);
    free(d->gathering.list);
    free(d->writing.list);
    cq_buf_finish(&d->gathering.bytes);
    cq_buf_finish(&d->writing.bytes);
    free(d);
    *pd = NULL;
}

/* ---- finding ---- */

static void note(struct work_cache_disk *d, enum cq_err err)
{
    if (err && err != CQ_EOF && err != CQ_BUSY && !d->read_err)
        d->read_err = err;
}

void work_cache_disk_begin(struct work_cache_disk *d)
{
    if (!d->read_err)
        note(d, store_cache_begin(d->reader));
}

bool work_cache_disk_find(struct work_cache_disk *d, const struct cache_key *key, int64_t now_ms, struct cq_buf *blob, double *cost_ms)
{
    if (d->read_err)
        return false;
    enum cq_err err = store_cache_find(d->reader, key, now_ms, blob, cost_ms);
    note(d, err);
    return !err;
}

void work_cache_disk_end(struct work_cache_disk *d)
{
    store_cache_end(d->reader);
}

void work_cache_disk_settle(struct work_cache_disk *d)
{
    judge(d, d->read_err);
}

bool work_cache_disk_is_on(const struct work_cache_disk *d) { return d && !d->off; }

/* ---- gathering ---- */

/* Its index; -1: there are too many, until what is gathered has been written. */
static int maker_of(struct changes *ch, const struct cache_key *key, const struct work_lane *lane)
{
    for (int i = 0; i < ch->n_makers; i++)
        if (!memcmp(&ch->makers[i].key, key, sizeof *key))
            return i;
    if (ch->n_makers == MAKERS)
        return -1;
    if (!ch->n_makers)
        ch->since_ms = cq_now_ns() / 1000000;
    struct store_cache_maker *m = &ch->makers[ch->n_makers];
    *m = (struct store_cache_maker) {.key = *key};
    snprintf(m->model, sizeof m->model, "%s", lane->name);
    snprintf(m->shape, sizeof m->shape, "%s", lane->shape);
    return ch->n_makers++;
}

void work_cache_disk_put(struct work_cache_disk *d, const struct cache_key *maker, const struct work_lane *lane, const struct cache_key *key,
                         const void *blob, size_t size, double cost_ms)
{
    struct changes *ch = &d->gathering;
    int m = d->off ? -1 : maker_of(ch, maker, lane);
    if (m < 0 || ch->n == CHANGES_MAX || ch->bytes.size + size > bytes_max)
        return;
    size_t at = ch->bytes.size;
    cq_put(&ch->bytes, blob, size);
    if (ch->bytes.err) {
        ch->bytes.err = CQ_OK;
        return;
    }
    ch->list[ch->n++] = (struct store_cache_change) {
        .key = *key, .maker = m, .blob = (const void *) (uintptr_t) (at + 1), .size = size, .cost_ms = cost_ms,
    };
}

void work_cache_disk_used(struct work_cache_disk *d, const struct cache_key *maker, const struct work_lane *lane, const struct cache_key *key,
                          double saved_ms, bool life)
{
    struct changes *ch = &d->gathering;
    int m = d->off ? -1 : maker_of(ch, maker, lane);
    if (m < 0)
        return;
    ch->makers[m].hits++;
    ch->makers[m].saved_ms += saved_ms;
    if (life && ch->n < CHANGES_MAX)
        ch->list[ch->n++] = (struct store_cache_change) {.key = *key, .maker = m};
}

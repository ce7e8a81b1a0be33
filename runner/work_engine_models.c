/* Models given to engines, and what became of them there. An engine that died has them loaded anew; a model that was
 * being loaded then is tried once more.
 */
#include <inttypes.h>
#include <stdio.h>

#include "kernels/base/clock.h"
#include "runner/child.h"
#include "runner/work_engine.h"

enum { LOADING_DEATHS_MAX = 2 };
enum { BATCH_CPU = 8, BATCH_OTHER = 32 };      /* what --batch auto begins with */

static int batch_wanted(const struct engine *e)
{
    int batch = e->w->p.batch ? e->w->p.batch : e->is_cpu ? BATCH_CPU : BATCH_OTHER;
    return batch < BATCHER_MAX ? batch : BATCHER_MAX;
}

bool engine_is_loading(const struct engine *e)
{
    for (int lane = 0; lane < work_lanes(e->w); lane++)
        if (e->lanes[lane].sent && e->lanes[lane].state == MODEL_LOADING)
            return true;
    return false;
}

void engine_count_preparation(struct engine *e)
{
    int64_t now = cq_now_ns();
    e->prepare_ns += now - e->preparing_ns;
    e->preparing_ns = now;
}

/* Is one of these loaded already, or counted before it? */
static bool has_share(const struct engine *e, int lane)
{
    for (int i = 0; i < work_lanes(e->w); i++)
        if (i != lane && (e->lanes[i].sent || i < lane) && work_lanes_share(e->w, i, lane))
            return true;
    return false;
}

/* Models that are still to be loaded; one at several sizes counts once. */
static int sharers(const struct engine *e)
{
    int n = 0;
    for (int lane = 0; lane < work_lanes(e->w); lane++)
        n += !e->lanes[lane].sent && e->lanes[lane].state != MODEL_FAILED && work_lane_is_used(e->w, lane) &&
             !has_share(e, lane);
    return n ? n : 1;
}

static void send_model(struct engine *e, int lane)
{
    const struct work_lane *l = work_lane(e->w, lane);
    struct msg_model m = {
        .lane = (uint32_t) lane, .path = l->path, .hash = l->hash, .card = l->card, .width = l->target.width,
        .height = l->target.height, .max_batch = batch_wanted(e), .sharers = sharers(e),
    };
    struct cq_buf body = {0};
    work_tunings_allow(e, lane, m.sharers);
    m.tune_ms = e->lanes[lane].tune_ms;
    msg_put_model(&body, &m);
    if (!engine_is_loading(e))
        e->preparing_ns = cq_now_ns();
    e->lanes[lane].sent = ++e->loads;
    e->lanes[lane].state = MODEL_LOADING;
    child_send(e->child, MSG_MODEL, &body);      /* an error is followed by on_exit */
    cq_buf_finish(&body);
}

void work_engines_load(struct work *w)
{
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        struct engine *e = &w->engines->list[i];
        for (int lane = 0; e->state == ENGINE_UP && lane < work_lanes(w); lane++)
            if (!e->lanes[lane].sent && e->lanes[lane].state != MODEL_FAILED && work_lane_is_used(w, lane))
                send_model(e, lane);
    }
}

bool work_engines_load_lane(const struct work *w, int lane)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        if (w->engines->list[i].lanes[lane].sent && w->engines->list[i].lanes[lane].state == MODEL_LOADING)
            return true;
    return false;
}

void work_engines_forget_lane(struct work *w, int lane)
{
    for (int i = 0; w->engines && i < w->engines->n; i++)
        w->engines->list[i].lanes[lane] = (struct engine_lane) {.state = MODEL_LOADING};
}

enum model_state work_engines_lane_state(const struct work *w, int lane, const struct engine_lane **why)
{
    bool all_failed = w->engines && w->engines->n > 0;
    for (int i = 0; w->engines && i < w->engines->n; i++) {
        const struct engine *e = &w->engines->list[i];
        if (e->state == ENGINE_OUT)
            continue;
        if (e->lanes[lane].state == MODEL_READY)
            return MODEL_READY;
        if (e->lanes[lane].state == MODEL_FAILED)
            *why = &e->lanes[lane];
        else
            all_failed = false;
    }
    return all_failed && *why ? MODEL_FAILED : MODEL_LOADING;
}

static void fail_lane(struct engine *e, int lane, enum cq_err err, const char *message)
{
    struct engine_lane *l = &e->lanes[lane];
    l->state = MODEL_FAILED;
    l->err = err;
    snprintf(l->message, sizeof l->message, "%s", message);
    e->w->engines_changed = true;
}

enum cq_err engine_take_ready(struct engine *e, struct cq_rd *body)
{
    struct msg_ready m;
    if (msg_get_ready(body, &m) || (int) m.lane >= work_lanes(e->w) || !e->lanes[m.lane].sent ||
        (!m.err && !m.max_batch))
        return CQ_PROTOCOL;
    engine_count_preparation(e);
    work_tunings_loaded(e, (int) m.lane);
    struct engine_lane *l = &e->lanes[m.lane];
    if (m.err) {
        fail_lane(e, (int) m.lane, m.err, m.message);
        return CQ_OK;
    }
    const struct work_lane *lane = work_lane(e->w, (int) m.lane);
    cq_log_info(e->w->log, "%s (%s) on %s: up to %d frames a batch in %" PRId64 " of %" PRId64 " MiB, %.3g GFLOP a frame%s",
                lane->name, lane->shape, e->name, m.max_batch, m.bytes >> 20, e->budget >> 20, m.flops / 1e9,
                m.batchable ? "" : "; run one by one, for its answers depend on the batch");
    l->limit = m.max_batch;
    l->bytes = m.bytes;
    l->frame_bytes = m.frame_bytes;
    e->was_ready = true;
    return engine_look_up_limit(e, (int) m.lane);
}

/* The lane that it was loading: of those it was asked for, the first. NULL: it was not loading. */
static struct engine_lane *loading_lane(struct engine *e)
{
    struct engine_lane *first = NULL;
    for (int i = 0; i < BATCHER_LANES; i++) {
        struct engine_lane *l = &e->lanes[i];
        if (l->sent && l->state == MODEL_LOADING && (!first || l->sent < first->sent))
            first = l;
    }
    return first;
}

void engine_forget_models(struct engine *e, const struct child_exit *why)
{
    struct engine_lane *suspect = loading_lane(e);
    for (int i = 0; i < BATCHER_LANES; i++) {
        struct engine_lane *l = &e->lanes[i];
        l->sent = 0;
        if (l->state == MODEL_READY)
            l->state = MODEL_LOADING;
    }
    if (!suspect || ++suspect->deaths < LOADING_DEATHS_MAX)
        return;
    int lane = (int) (suspect - e->lanes);
    char text[MSG_TEXT];
    bool short_of_memory = child_exit_short_of_memory(why);
    snprintf(text, sizeof text, "%s: the engine died while loading it: %s", work_lane(e->w, lane)->name,
             !short_of_memory ? why->last_words
             : why->signal ? "it was killed, as the system does when memory runs out; give it more, or take a smaller --memory-limit"
             : "memory ran out; give it more, or take a smaller --memory-limit");
    fail_lane(e, lane, short_of_memory ? CQ_OOM : CQ_DEVICE, text);
}

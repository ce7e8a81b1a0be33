/* Telling how far the run is. Rates are taken over the last seconds, the remaining time from media time: clips
 * differ in length, so counting files would mislead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/work_engines.h"
#include "runner/work_jobs.h"
#include "runner/work_progress.h"
#include "runner/work_queue.h"
#include "runner/work_workers.h"

enum { SAMPLES = 32 };          /* at four a second: eight seconds */

struct sample {
    int64_t at_ns, frames;
};

struct work_progress_state {
    int64_t start_ns, first_ns; /* of the run; of its first answer */
    struct sample ring[SAMPLES];
    int n;                      /* samples taken so far */
};

enum cq_err work_progress_create(struct work *w)
{
    w->progress = calloc(1, sizeof *w->progress);
    if (!w->progress)
        return CQ_NOMEM;
    w->progress->start_ns = cq_now_ns();
    return CQ_OK;
}

void work_progress_destroy(struct work *w)
{
    free(w->progress);
    w->progress = NULL;
}

static double smoothed_rate(struct work_progress_state *p, int64_t now, int64_t frames)
{
    const struct sample *old = &p->ring[p->n < SAMPLES ? 0 : p->n % SAMPLES];
    double rate = p->n && now > old->at_ns ? (double) (frames - old->frames) / ((double) (now - old->at_ns) / 1e9) : 0;
    p->ring[p->n++ % SAMPLES] = (struct sample) {now, frames};
    return rate;
}

/* Seconds of video seen so far in clips that are not settled yet. */
static double media_under_way(const struct work *w)
{
    double s = 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled && j->newest_s > j->first_s)
            s += j->newest_s - j->first_s;
    return s;
}

/* Seconds of video of clips that we hold and that are not settled. */
static double media_held(const struct work *w)
{
    double s = 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled)
            s += j->claim.probe.duration_s;
    return s;
}

static double media_left(const struct work *w, double under_way)
{
    const struct store_counts *c = work_counts(w);
    double left = c->media_s_left > 0 ? c->media_s_left : 0;
    double held = media_held(w);
    /* What the newest claim counted as left includes what we held then; clips settled since are not. */
    left = left > held ? left : held;
    return left > under_way ? left - under_way : 0;
}

static int64_t decoded_so_far(const struct work *w)
{
    int64_t n = w->tally.frames_decoded;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled)
            n += j->decoded > j->next_seq ? j->decoded : j->next_seq;
    return n;
}

/* Is it the first that we hold of its clip, among those that wait or among those that do not? */
static bool stands_for_clip(const struct work *w, const struct job *job)
{
    for (const struct job *j = work_jobs_first(w); j != job; j = j->next)
        if (job->claim.parent_id && j->claim.parent_id == job->claim.parent_id && j->waiting == job->waiting)
            return false;
    return true;
}

/* Clips that we hold; segments that wait are of clips that run. */
static int64_t count_clips(const struct work *w, bool waiting)
{
    int64_t n = 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        n += j->waiting == waiting && (!waiting || !j->claim.parent_id) && stands_for_clip(w, j);
    return n;
}

static void fill(struct work *w, struct work_progress *out)
{
    struct work_progress_state *p = w->progress;
    const struct work_tally *t = &w->tally;
    int64_t now = cq_now_ns();
    double under_way = media_under_way(w);
    *out = (struct work_progress) {
        .elapsed_s = (double) (now - p->start_ns) / 1e9,
        .clips_done = t->done + t->partial,
        .clips_failed = t->failed + t->dead,
        .clips_running = count_clips(w, false),
        .clips_left = work_counts(w)->pending + count_clips(w, true),
        .frames_decoded = decoded_so_far(w),
        .frames_sampled = t->frames_sampled,
        .frames_inferred = t->frames_inferred,
        .frames_cached = t->cache.hits,
        .frames_per_s = smoothed_rate(p, now, t->frames_inferred + t->cache.hits),
        .media_s_done = t->media_s + under_way,
        .media_s_left = media_left(w, under_way),
        .eta_s = -1,
        .workers = work_workers_alive(w),
        .engines = work_engines_alive(w),
        .devices = work_engines_text(w),
        .note = w->note[0] ? w->note : NULL,
    };
    if ((t->frames_inferred || t->cache.hits) && !p->first_ns)
        p->first_ns = now;
    double working_s = p->first_ns ? (double) (now - p->first_ns) / 1e9 : 0;
    if (working_s > 0.5 && out->media_s_done > 0) {
        out->times_real_time = out->media_s_done / working_s;
        out->eta_s = out->media_s_left / out->times_real_time;
    }
}

void work_progress_tell(struct work *w, bool last)
{
    struct work_progress out;
    if (!w->p.progress)
        return;
    fill(w, &out);
    w->p.progress(w->p.ctx, &out, last);
}

void work_progress_log(struct work *w)
{
    struct work_progress p;
    enum cq_level level = w->log ? w->log->level : CQ_ERROR;
    fill(w, &p);
    if (w->log && level < CQ_INFO)
        w->log->level = CQ_INFO;          /* it was asked for */
    cq_log_info(w->log, "%" PRId64 " clips done, %" PRId64 " failed, %" PRId64 " running, %" PRId64 " left; %" PRId64
                " frames, %.1f a second, %.1f times real time; %d workers, %s", p.clips_done, p.clips_failed, p.clips_running,
                p.clips_left, p.frames_inferred, p.frames_per_s, p.times_real_time, p.workers, p.devices);
    if (w->log)
        w->log->level = level;
}

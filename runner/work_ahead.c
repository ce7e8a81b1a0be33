/* What is still to come, as far as headers and the queue tell; balancers weigh by it whether a slow one may take part.
 * Seconds of video stand for the clips that we do not hold: the rate is that of those which we do. */
#include "runner/work_jobs.h"
#include "runner/work_queue.h"
#include "runner/work_workers.h"

/* Of clips that nobody has claimed, or that others hold. */
static double media_beyond(const struct work *w)
{
    const struct store_counts *c = work_counts(w);
    double s = c->pending ? c->media_s_left : 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next)
        if (!j->settled)
            s -= j->claim.probe.duration_s;
    return s > 0 ? s : 0;
}

double work_ahead_cost(const struct work *w)
{
    double cost = 0, media = 0;
    for (const struct job *j = work_jobs_first(w); j; j = j->next) {
        cost += j->cost;
        media += j->claim.probe.duration_s;
    }
    return media > 0 ? media_beyond(w) * cost / media : 0;
}

/* Frames that a second of video has had so far. */
static double frames_per_media_s(const struct work *w, double seen_s)
{
    return seen_s > 0 ? (double) w->tally.frames_sampled / seen_s : 1;
}

double work_ahead_frames(const struct work *w)
{
    double seen = w->tally.media_s, left = media_beyond(w);
    for (const struct job *j = work_jobs_first(w); j; j = j->next) {
        if (j->settled)
            continue;
        double walked = j->newest_s - j->first_s, length = j->claim.probe.duration_s;
        seen += walked;
        left += !j->ended && length > walked ? length - walked : 0;
    }
    return left * frames_per_media_s(w, seen);
}

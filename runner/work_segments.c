/* Long clips in segments: a worker lists a clip's packets first, and where it can be cut well, segments take its place in
 * the queue (store_split). Each is then a job like others, for any worker of any run, and what it gives is held against
 * what was foretold: where that differs, nothing of the clip is kept and it is decoded whole.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner/work_jobs.h"
#include "runner/work_models.h"

bool segments_wanted(const struct job *j)
{
    const struct sample_spec *s = &j->pipeline->sample;
    double end_s = s->to_s > 0 ? fmin(s->to_s, j->claim.probe.duration_s) : j->claim.probe.duration_s;
    double split_s = j->w->p.split_s;
    bool may = split_s > 0 && !j->claim.parent_id && !j->claim.whole && !j->scanned && s->mode != SAMPLE_KEYFRAMES;
    return may && end_s - s->from_s > split_s;
}

/* Does each go on where the one before it ends? */
static bool are_in_order(const struct msg_segments *m)
{
    int64_t seq = 0;
    bool fine = true;
    for (int i = 0; i < m->n; i++) {
        fine = fine && m->list[i].first_seq == seq && (!i || m->list[i].from_pts == m->list[i - 1].to_pts);
        seq = fine && m->list[i].sampled < INT64_MAX - seq ? seq + m->list[i].sampled : -1;
    }
    return fine;
}

enum cq_err segments_found(struct job *j, struct cq_rd *body)
{
    struct msg_segments *m = malloc(sizeof *m);
    enum cq_err err = m ? msg_get_segments(body, m) : CQ_NOMEM;
    if (!err && (m->serial != j->serial || !are_in_order(m)))
        err = CQ_PROTOCOL;
    if (!err && m->n >= 2) {
        job_split(j, m->list, m->n);
    } else if (!err) {
        cq_log_info(j->w->log, "job %" PRId64 " (%s) is done whole: %s", j->claim.id, j->claim.path,
                    m->why[0] ? m->why : "its key frames are too far apart");
        j->scanned = true;
        job_wait_again(j);
    }
    free(m);
    return err;
}

bool segment_is_right(const struct job *j, char why[MSG_TEXT])
{
    const struct segment *g = &j->claim.segment;
    const struct clip_end *e = &j->end;
    if (e->failure) {
        snprintf(why, MSG_TEXT, "not as foretold: %s", e->message);
        return false;
    }
    snprintf(why, MSG_TEXT, "not as foretold: %" PRId64 " frames and %" PRId64 " of them sampled, not %" PRId64 " and %" PRId64
             "%s", e->counted, e->sampled, g->frames, g->sampled,
             e->counted == g->frames && e->sampled == g->sampled ? ", at other times" : "");
    return e->counted == g->frames && e->sampled == g->sampled && e->digest == g->digest;
}

void segments_drop(struct work *w, int64_t clip_job)
{
    for (struct job *j = work_jobs_first(w), *next; j; j = next) {
        next = j->next;
        if (j->claim.parent_id == clip_job && !j->settled)
            job_drop(j);
    }
}

/* How a job's work on a clip ends: completed, or given up in one of several ways. */
#include <inttypes.h>
#include <stdio.h>

#include "runner/work_jobs.h"
#include "runner/work_mounts.h"
#include "runner/work_posts.h"
#include "runner/work_workers.h"
#include "stages/failure.h"

static const int64_t spare_ms = 1000;   /* until those others are gone, perhaps */

void job_look(struct job *j)
{
    if (!j->settled && !j->incomplete && j->ended && !j->frames_out && !j->posts) {
        j->settled = true;
        work_post_completion(j);
    } else if (j->settled && !j->frames_out && !j->posts) {
        job_remove(j);
    }
}

void job_end(struct job *j, const struct msg_end *m)
{
    j->ended = true;
    j->end = m->end;
    j->decoded = m->end.decoded;
    if (m->decode_ns)
        histogram_add(&j->stages[METRIC_DECODE], m->decode_ns);
    job_score_decoded(j, m);
    if (work_mounts_blame(j->w, j, m->end.failure, m->end.message)) {
        job_postpone(j, m->end.message);
        return;
    }
    if (m->end.sampled != j->next_seq) {
        job_fail(j, FAIL_INTERNAL, "the worker lost count of its frames");
        return;
    }
    char why[MSG_TEXT];
    if (j->claim.parent_id && failure_rule(m->end.failure) == FAILURE_FINAL && !segment_is_right(j, why)) {
        job_unsplit(j, why);
        return;
    }
    if (m->end.doubtful && failure_rule(m->end.failure) == FAILURE_FINAL) {
        job_decode_again(j);
        return;
    }
    switch (m->end.failure) {
    case FAIL_NONE:
    case FAIL_TRUNCATED:
    case FAIL_DAMAGED:
        job_look(j);
        return;
    default:
        job_fail(j, m->end.failure, m->end.message);
    }
}

/* No more work goes into it; what is out comes back by itself. False: that was so already. Else given_up() follows. */
static bool give_up(struct job *j)
{
    if (j->settled)
        return false;
    j->settled = true;
    j->posts++;                 /* keeps it while its frames are dropped */
    job_stop_waiting(j);
    job_forget_frames(j);
    if (j->worker)
        worker_forget_job(j->worker);
    return true;
}

static void given_up(struct job *j)
{
    j->posts--;
    job_look(j);
}

void job_fail(struct job *j, enum failure f, const char *message)
{
    if (!give_up(j))
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), attempt %d: %s: %s", j->claim.id, j->claim.path, j->claim.attempt,
                failure_name(f), message);
    work_post_failure(j, f, message);
    given_up(j);
}

void job_split(struct job *j, const struct segment *parts, int n)
{
    if (!give_up(j))
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s) is done in %d segments", j->claim.id, j->claim.path, n);
    work_post_split(j, parts, n);
    given_up(j);
}

void job_unsplit(struct job *j, const char *message)
{
    if (!give_up(j))
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), a segment: %s; its clip is done whole", j->claim.id, j->claim.path, message);
    int64_t clip_job = j->claim.parent_id;
    struct work *w = j->w;
    work_post_unsplit(j, message);
    given_up(j);
    segments_drop(w, clip_job);
}

void job_release(struct job *j)
{
    if (!give_up(j))
        return;
    work_post_release(j);
    given_up(j);
}

void job_postpone(struct job *j, const char *message)
{
    if (!give_up(j))
        return;
    work_post_postponement(j, work_mounts_pause_ms(j->w, j), message);
    given_up(j);
}

void job_decode_again(struct job *j)
{
    char why[MSG_TEXT];
    if (!give_up(j))
        return;
    snprintf(why, sizeof why, "%s%sdecoded by %d threads, which damage may change; one does it again", j->end.message,
             j->end.message[0] ? "; " : "", j->threads);
    cq_log_info(j->w->log, "job %" PRId64 " (%s): %s", j->claim.id, j->claim.path, why);
    work_post_again(j, j->end.failure, 0, why);
    given_up(j);
}

void job_spare(struct job *j, enum failure f, const char *message)
{
    if (!give_up(j))
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s): %s; it is tried again", j->claim.id, j->claim.path, message);
    work_post_again(j, f, spare_ms, message);
    given_up(j);
}

void job_drop(struct job *j)
{
    if (!give_up(j))
        return;
    cq_log_info(j->w->log, "job %" PRId64 " (%s), attempt %d was cancelled or taken over: what is under way is dropped",
                j->claim.id, j->claim.path, j->claim.attempt);
    work_post_note(j);
    given_up(j);
}

/* Frames of a job: from the worker to where each model's look at them begins (work_cache.c), and gone when each has
 * answered.
 *
 * A frame of a job that was given up stays in its slot until the engine that reads it has answered; only then may the
 * slot be filled again.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/arena.h"
#include "runner/work_jobs.h"
#include "runner/work_models.h"

static void frame_free(struct frame *f)
{
    struct job *j = f->job;
    arena_give(j->w->arena, f->slot);
    free(f);
    j->frames_out--;
    job_look(j);
}

void frame_input_done(struct frame_input *in)
{
    if (!--in->frame->left)
        frame_free(in->frame);
}

static void count_frame(struct job *j, const struct msg_frame *m)
{
    histogram_add(&j->stages[METRIC_DECODE], m->decode_ns);
    histogram_add(&j->stages[METRIC_SCALE], m->scale_ns);
    if (!m->seq)
        j->first_s = m->time_s;
    j->newest_s = m->time_s;
    j->w->tally.frames_sampled++;
}

enum cq_err job_add_frame(struct job *j, const struct msg_frame *m)
{
    if (m->seq != j->next_seq || m->n_targets != j->pipeline->n_models || j->ended)
        return CQ_PROTOCOL;
    struct frame *f = calloc(1, sizeof *f + (size_t) m->n_targets * sizeof *f->inputs);
    if (!f)
        return CQ_NOMEM;
    *f = (struct frame) {
        .job = j, .slot = m->slot, .seq = j->claim.segment.first_seq + m->seq, .ordinal = m->ordinal, .pts = m->pts, .time_s = m->time_s,
        .arrived_ns = cq_now_ns(), .left = m->n_targets,
    };
    memcpy(f->geometry, m->geometry, sizeof f->geometry);
    j->next_seq++;
    j->frames_out++;
    count_frame(j, m);
    for (int i = 0; i < m->n_targets; i++) {
        f->inputs[i] = (struct frame_input) {.frame = f, .model = i};
        batcher_lane_add(&j->w->arrived, &f->inputs[i].item);
    }
    return CQ_OK;
}

static bool drop_of_job(void *ctx, struct batch_item *item)
{
    struct frame_input *in = (struct frame_input *) item;      /* its first member */
    if (in->frame->job != ctx)
        return false;
    frame_input_done(in);
    return true;
}

void job_forget_frames(struct job *j)
{
    batcher_lane_remove(&j->w->arrived, drop_of_job, j);
    for (int i = 0; j->has_lanes && i < j->pipeline->n_models; i++)
        batcher_remove(&j->w->batcher, j->lanes[i], drop_of_job, j);
}

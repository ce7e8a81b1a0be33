/* Answers on their way into the database, as rows of staged attempts.
 *
 * A row that the store refuses fails its own job, not the others of the same batch; a store that is broken ends the run.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "runner/store_jobs.h"
#include "runner/work_jobs.h"
#include "runner/work_posts.h"

struct row {
    struct job *job;            /* the loop's thread only */
    int64_t job_id;
    int attempt;
    struct store_frame frame;   /* without its answer */
    size_t blob, size;          /* within the post's blobs */
    enum cq_err err;            /* of this row alone */
};

struct rows {
    struct work *w;
    int64_t posted_ns;
    uint8_t *blobs;             /* owned */
    int n;
    struct row row[];
};

static bool breaks_the_store(enum cq_err err)
{
    switch (err) {
    case CQ_OK: case CQ_PROTOCOL: case CQ_INVALID: case CQ_STALE: case CQ_UNSUPPORTED: return false;
    default: return true;
    }
}

static enum cq_err write_row(struct store *s, const struct rows *p, struct row *r)
{
    struct answer answer = {0};
    struct cq_rd rd = cq_rd_of(p->blobs + r->blob, r->size);
    enum cq_err err = answer_get(&rd, &answer);
    if (err)
        return err;
    r->frame.answer = &answer;
    err = store_add_frame(s, r->job_id, r->attempt, &r->frame);
    r->frame.answer = NULL;
    answer_finish(&answer);
    return err;
}

static enum cq_err write_rows(struct store *s, void *arg)
{
    struct rows *p = arg;
    for (int i = 0; i < p->n; i++) {
        p->row[i].err = write_row(s, p, &p->row[i]);
        if (breaks_the_store(p->row[i].err))
            return p->row[i].err;
    }
    return CQ_OK;
}

static void rows_written(void *arg, enum cq_err err)
{
    struct rows *p = arg;
    int64_t took = cq_now_ns() - p->posted_ns;
    work_post_failed(p->w, err, "writing results");
    for (int i = 0; i < p->n; i++) {
        struct job *j = p->row[i].job;
        histogram_add(&j->stages[METRIC_WRITE], took);
        j->incomplete = j->incomplete || err;
        if (!err && p->row[i].err == CQ_STALE)
            job_drop(j);
        else if (!err && p->row[i].err)
            job_fail(j, FAIL_INTERNAL, "an answer could not be written as rows");
        j->posts--;
        job_look(j);
    }
    free(p->blobs);
    free(p);
}

static void fill_row(struct row *r, const struct frame_input *in, enum store_source source, size_t blob, size_t size)
{
    const struct frame *f = in->frame;
    *r = (struct row) {
        .job = f->job, .job_id = f->job->claim.id, .attempt = f->job->claim.attempt, .blob = blob, .size = size,
        .frame = {.model = in->model, .seq = f->seq, .ordinal = f->ordinal, .pts = f->pts, .time_s = f->time_s,
                  .source = source, .source_seq = -1},
    };
    f->job->posts++;
}

enum cq_err work_post_rows(struct work *w, enum store_source source, struct frame_input *const *inputs,
                           const struct msg_answer *answers, int n)
{
    size_t bytes = 0, at = 0;
    for (int i = 0; i < n; i++)
        bytes += answers[i].size;
    struct rows *p = calloc(1, sizeof *p + (size_t) n * sizeof *p->row);
    uint8_t *blobs = malloc(bytes ? bytes : 1);
    if (!p || !blobs) {
        free(p);
        free(blobs);
        return CQ_NOMEM;
    }
    *p = (struct rows) {.w = w, .posted_ns = cq_now_ns(), .blobs = blobs};
    for (int i = 0; i < n; i++) {
        if (inputs[i]->frame->job->settled || answers[i].err)
            continue;
        memcpy(blobs + at, answers[i].blob, answers[i].size);
        fill_row(&p->row[p->n++], inputs[i], source, at, answers[i].size);
        at += answers[i].size;
    }
    enum cq_err err = writer_post(w->writer, &(struct writer_post) {write_rows, rows_written, p});
    if (err) {
        for (int i = 0; i < p->n; i++) {
            p->row[i].job->incomplete = true;
            p->row[i].job->posts--;
        }
        free(blobs);
        free(p);
    }
    return err;
}

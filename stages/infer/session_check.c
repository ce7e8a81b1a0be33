/* Does the model give the same answers for two images together as for each alone?
 *
 * Batch rewriting (batch.h) is a good guess about constants in a file; this is the proof. The two images are
 * noise, so they differ everywhere.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

/* Largest difference, over the largest magnitude, that rounding may make. */
static const float TOLERANCE = 1e-3f;

static bool same_floats(const float *a, const float *b, size_t n)
{
    float largest = 0, difference = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) != isnan(b[i]))
            return false;
        if (!isfinite(a[i]) || !isfinite(b[i]))
            continue;
        largest = fmaxf(largest, fabsf(a[i]));
        difference = fmaxf(difference, fabsf(a[i] - b[i]));
    }
    return difference <= TOLERANCE * fmaxf(largest, 1e-6f);
}

static bool same_result(const struct tensor_desc *d, const void *a, const void *b)
{
    return d->type == DT_F32 ? same_floats(a, b, (size_t) tensor_elems(d)) : !memcmp(a, b, tensor_bytes(d));
}

/* What the tail reads may hold the batch in any dimension, so it is compared image by image. */
static bool same_cut(const struct tensor_desc *one, const struct session_result *a, const struct session_result *b)
{
    size_t bytes = tensor_bytes(one);
    void *pa = malloc(bytes + 1), *pb = malloc(bytes + 1);
    bool same = pa && pb;
    for (int i = 0; i < 2 && same; i++) {
        same = session_copy_part(a, one, i, 2, pa) && session_copy_part(b, one, i, 2, pb) &&
               same_result(one, pa, pb);
    }
    free(pa);
    free(pb);
    return same;
}

/* The tail itself runs image by image in any case. */
static bool same_results(const struct plan *p, const struct session_result *a, const struct session_result *b)
{
    int n = p->net.n_outputs - (p->tail ? p->tail->n_cut : 0);
    bool same = true;
    for (int i = 0; i < n && same; i++)
        same = a[i].desc.type == b[i].desc.type && tensor_same_shape(&a[i].desc, &b[i].desc) &&
               same_result(&a[i].desc, a[i].data, b[i].data);
    for (int i = n; i < p->net.n_outputs && same; i++)
        same = same_cut(&p->tail->cut[i - n].constant.desc, &a[i], &b[i]);
    return same;
}

static void free_results(struct session_result *r, int n)
{
    for (int i = 0; r && i < n; i++)
        free(r[i].data);
    free(r);
}

static enum cq_err compare(struct session *s, const struct tensor_desc *two, const struct session_feed *feed)
{
    enum cq_err err = session_run_in(s, s->log, &(struct session_way){0, 1}, two, feed);
    if (err)
        return err;
    struct session_flight *now = s->now;
    struct session_result *alone = now->results;
    int n = now->n_results;
    now->results = NULL;
    now->n_results = 0;
    /* A failure here is an answer, not an error: nothing is logged as one. */
    enum cq_err together = session_run_in(s, NULL, &(struct session_way){0, 2}, two, feed);
    s->checked = together != CQ_OOM && together != CQ_NOMEM;
    s->batchable = !s->checked || (!together && same_results(now->plan, alone, now->results));
    free_results(alone, n);
    if (!s->checked)
        session_trim(s);
    return CQ_OK;
}

enum cq_err session_run_once(struct session *s, const struct tensor_desc *inputs)
{
    struct session_noise *noise = NULL;
    if (!session_inputs_fit(s, inputs))
        return CQ_OK;
    enum cq_err err = session_noise_like(s, inputs, 1, &noise);
    if (!err) {
        struct session_feed feed = session_noise_feed(noise);
        err = session_run_in(s, s->log, &(struct session_way){0, 1}, inputs, &feed);
    }
    session_noise_destroy(&noise);
    return err;
}

enum cq_err session_check_batch(struct session *s, const struct tensor_desc *inputs)
{
    const struct graph *g = model_graph(s->model);
    struct session_noise *noise = NULL;
    struct tensor_desc *two = malloc(((size_t) g->n_inputs + 1) * sizeof *two);
    enum cq_err err = two ? CQ_OK : CQ_NOMEM;
    if (!err) {
        session_chunk_inputs(s, inputs, 2, two);
        err = session_noise_like(s, two, 2, &noise);
    }
    if (!err) {
        struct session_feed feed = session_noise_feed(noise);
        if (session_inputs_fit(s, two))
            err = compare(s, two, &feed);
        if (!err && !s->batchable && !s->rewrite) {
            s->rewrite = true;          /* the batch is said to be free, but something in the file is not */
            session_trim(s);
            err = compare(s, two, &feed);
        }
    }
    if (!err && !s->batchable)
        cq_log_info(s->log, "two images together give other answers than alone: this model runs them one by one");
    session_noise_destroy(&noise);
    free(two);
    return err;
}

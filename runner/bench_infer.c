/* Loading a model with or without a card, and timing its runs. */
#include "runner/bench_infer.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "runner/pipeline.h"
#include "runner/pipeline_load.h"
#include "stages/answer/card.h"
#include "stages/infer/model.h"

enum { MAX_RUNS = 1 << 20, CLIP_WIDTH = 1280, CLIP_HEIGHT = 720 };

struct bench_infer {
    struct cq_log *log;             /* borrowed */
    struct model *model;            /* owned, as is the session */
    struct session *session;
    char shape[PIPELINE_SHAPE];     /* "": it takes no picture */
};

/* The card's picture and precision. A model that does not take a picture is no error: out->image stays NULL, else it
 * is `image`. */
static enum cq_err take_card(struct cq_log *log, const struct model *m, const struct bench_infer_params *p,
                             struct session_image *image, struct session_params *out, char shape[PIPELINE_SHAPE])
{
    const struct pipeline_flags flags = {.threshold = NAN, .nms = NAN, .width = p->width, .height = p->height,
                                         .precision = p->precision};
    struct card card;
    out->precision = p->precision ? (enum precision) (p->precision - 1) : PRECISION_FP32;
    enum cq_err err = pipeline_make_card(NULL, m, p->model, &flags, &card);
    if (err == CQ_UNSUPPORTED)
        return CQ_OK;
    if (err)
        return pipeline_make_card(log, m, p->model, &flags, &card);      /* again, to be told why */
    *image = card.image;
    card_size_for(&card, CLIP_WIDTH, CLIP_HEIGHT, &image->width, &image->height);
    pipeline_shape(&card, image->width, image->height, shape);
    out->image = image;
    out->precision = card.precision;
    card_finish(&card);
    return CQ_OK;
}

enum cq_err bench_infer_create(struct cq_log *log, struct device *dev, const struct bench_infer_params *p,
                               struct bench_infer **out)
{
    struct session_image image;
    struct session_params params = {.memory_limit = p->memory_limit, .choices = p->choices};
    struct bench_infer *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b)
        return CQ_NOMEM;
    b->log = log;
    enum cq_err err = pipeline_load_file(log, p->model, &b->model);
    if (!err)
        err = take_card(log, b->model, p, &image, &params, b->shape);
    if (!err)
        err = session_create(log, dev, b->model, &params, &b->session);
    if (err)
        bench_infer_destroy(&b);
    else
        *out = b;
    return err;
}

void bench_infer_destroy(struct bench_infer **pb)
{
    struct bench_infer *b = *pb;
    if (!b)
        return;
    session_destroy(&b->session);
    model_destroy(&b->model);
    free(b);
    *pb = NULL;
}

bool bench_infer_key(const struct bench_infer *b, const char **hash, const char **shape)
{
    *hash = model_hash(b->model);
    *shape = b->shape;
    return b->shape[0];
}

static enum cq_err time_run(struct bench_infer *b, const struct session_noise *noise, double *ms)
{
    const struct session_output *outputs;
    int n_outputs;
    int64_t start = cq_now_ns();
    enum cq_err err = session_run_noise(b->session, noise, &outputs, &n_outputs);
    *ms = (double) (cq_now_ns() - start) / 1e6;
    return err;
}

static bool is_enough(const struct bench_effort *effort, int done, double ms)
{
    return done >= MAX_RUNS || (done >= effort->runs && ms >= effort->seconds * 1e3);
}

/* Room for one more of `n` values; their number grows by doubling. */
static enum cq_err make_room(double **values, int n)
{
    if (n & (n - 1))
        return CQ_OK;
    double *more = realloc(*values, (size_t) (n ? 2 * n : 1) * sizeof *more);
    if (!more)
        return CQ_NOMEM;
    *values = more;
    return CQ_OK;
}

static enum cq_err time_runs(struct bench_infer *b, const struct session_noise *noise, int batch,
                             const struct bench_effort *effort, struct bench_spread *out)
{
    double ms, total = 0, *values = NULL;
    int n = 0;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < BENCH_WARM_UPS && !err; i++)
        err = time_run(b, noise, &ms);
    while (!err && !is_enough(effort, n, total)) {
        err = make_room(&values, n);
        if (!err)
            err = time_run(b, noise, &ms);
        if (!err)
            values[n++] = ms / batch;
        total += ms;
    }
    if (!err)
        *out = bench_spread_of(values, n);
    free(values);
    return err;
}

enum cq_err bench_infer_run(struct bench_infer *b, int batch, const struct bench_effort *effort,
                            struct bench_infer_figures *out)
{
    struct session_noise *noise = NULL;
    struct bench_infer_figures f = {0};
    enum cq_err err = session_noise_create(b->session, batch, &noise);
    if (!err)
        err = time_runs(b, noise, batch, effort, &f.ms);
    session_noise_destroy(&noise);
    if (!err)
        err = session_plan_memory(b->session, batch, &f.memory);
    if (err)
        return err;
    f.flops = session_flops(b->session, batch) / batch;
    f.batchable = session_batchable(b->session);
    f.host_ops = session_host_ops(b->session, batch);
    *out = f;
    return CQ_OK;
}

enum cq_err bench_infer_layers(struct bench_infer *b, int runs,
                               void (*step)(void *ctx, const struct session_step *step), void *ctx)
{
    return session_profile(b->session, runs, step, ctx);
}

enum cq_err bench_infer_tune(struct bench_infer *b, int batch, double budget_ms,
                             void (*tell)(void *ctx, const struct session_tuned *tuned), void *ctx)
{
    const struct session_tuning t = {.batch = batch, .budget_ms = budget_ms, .tell = tell, .ctx = ctx};
    return session_tune(b->session, &t);
}

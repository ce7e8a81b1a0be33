/* A round is three measurements in turn, so that what else the machine does meets all of them alike. */
#include "runner/bench_e2e.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "runner/bench_decode.h"
#include "runner/bench_infer.h"
#include "runner/budget.h"
#include "runner/pipeline.h"
#include "runner/pipeline_load.h"
#include "runner/store.h"
#include "runner/submit.h"

enum { INFER_RUNS = 5, FOLDER_SIZE = 512 };
static const double infer_s = 1;       /* at least */

struct bench_e2e {
    struct bench_e2e_params params;
    struct pipeline *pipeline;         /* owned */
    struct bench_clips clips;
    struct bench_decode_clip *results; /* owned; for each clip */
    struct bench_decode *decode;
    struct bench_infer *infer;
    char folder[FOLDER_SIZE];          /* of the present round's database */
};

/* ---- life ---- */

static enum cq_err make_pipeline(struct bench_e2e *b)
{
    const struct bench_e2e_params *p = &b->params;
    const struct pipeline_flags flags = {.threshold = NAN, .nms = NAN, .width = p->width, .height = p->height};
    b->pipeline = calloc(1, sizeof *b->pipeline);
    if (!b->pipeline)
        return CQ_NOMEM;
    b->pipeline->sample = p->sample;
    return pipeline_add_model(p->log, b->pipeline, p->model, &flags);
}

static enum cq_err make_decode(struct bench_e2e *b)
{
    const struct bench_e2e_params *p = &b->params;
    enum cq_err err = bench_clips_find(p->log, p->paths, p->n_paths, &b->clips);
    if (err)
        return err;
    b->results = calloc((size_t) b->clips.n + 1, sizeof *b->results);
    if (!b->results)
        return CQ_NOMEM;
    const struct bench_decode_params decode = {
        .log = p->log, .clips = &b->clips, .card = &b->pipeline->models[0].card, .sample = p->sample,
        .workers = p->workers,
    };
    return bench_decode_create(&decode, &b->decode);
}

static enum cq_err make_infer(struct bench_e2e *b)
{
    const struct bench_e2e_params *p = &b->params;
    const struct bench_infer_params infer = {
        .model = p->model, .width = p->width, .height = p->height,
        .memory_limit = budget_here(device_get_info(p->dev), (size_t) p->memory_limit),
    };
    return bench_infer_create(p->log, p->dev, &infer, &b->infer);
}

enum cq_err bench_e2e_create(const struct bench_e2e_params *params, struct bench_e2e **out)
{
    *out = NULL;
    struct bench_e2e *b = calloc(1, sizeof *b);
    if (!b)
        return CQ_NOMEM;
    b->params = *params;
    enum cq_err err = make_pipeline(b);
    if (!err)
        err = make_decode(b);
    if (!err)
        err = make_infer(b);
    if (err)
        bench_e2e_destroy(&b);
    *out = b;
    return err;
}

void bench_e2e_destroy(struct bench_e2e **pb)
{
    struct bench_e2e *b = *pb;
    if (!b)
        return;
    bench_infer_destroy(&b->infer);
    bench_decode_destroy(&b->decode);
    bench_clips_finish(&b->clips);
    if (b->pipeline)
        pipeline_finish(b->pipeline);
    free(b->pipeline);
    free(b->results);
    free(b);
    *pb = NULL;
}

const struct bench_clips *bench_e2e_clips(const struct bench_e2e *b)
{
    return &b->clips;
}

/* ---- the halves ---- */

static enum cq_err measure_decode(struct bench_e2e *b, double *rate)
{
    double wall_s;
    int64_t frames = 0;
    enum cq_err err = bench_decode_run(b->decode, false, b->results, &wall_s);
    for (int i = 0; i < b->clips.n; i++)
        frames += b->results[i].sampled;
    if (!err && !frames) {
        cq_log_error(b->params.log, "no frame was decoded");
        err = CQ_NOT_FOUND;
    }
    *rate = (double) frames / wall_s;
    return err;
}

static enum cq_err measure_infer(struct bench_e2e *b, double *rate)
{
    const struct bench_effort effort = {.runs = INFER_RUNS, .seconds = infer_s};
    struct bench_infer_figures f;
    enum cq_err err = bench_infer_run(b->infer, b->params.batch, &effort, &f);
    *rate = err ? 0 : 1e3 / f.ms.median;
    return err;
}

/* ---- the whole ---- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void) st, (void) flag, (void) at;
    return remove(path);
}

static enum cq_err make_folder(struct bench_e2e *b)
{
    const char *base = getenv("TMPDIR");
    snprintf(b->folder, sizeof b->folder, "%s/clipq-bench-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(b->folder))
        return CQ_OK;
    cq_log_error(b->params.log, "no folder for the database can be made as %s; set TMPDIR", b->folder);
    return CQ_IO;
}

static enum cq_err fill_queue(const struct bench_e2e *b, const char *db)
{
    const struct submit_params params = {
        .db_path = db, .pipeline = b->pipeline, .paths = b->params.paths, .n_paths = b->params.n_paths,
        .log = b->params.log,
    };
    struct submit_result result;
    enum cq_err err = submit_run(&params, &result);
    return !err && result.signal ? CQ_CANCELLED : err;
}

static enum cq_err run_queue(const struct bench_e2e *b, const char *db, struct bench_e2e_round *r)
{
    const struct bench_e2e_params *p = &b->params;
    const struct work_params params = {
        .db_path = db, .devices = p->device, .workers = p->workers, .batch = p->batch, .memory_limit = p->memory_limit,
        .tune = TUNE_OFF, .log = p->log,
    };
    double own = cq_cpu_s(RUSAGE_SELF), children = cq_cpu_s(RUSAGE_CHILDREN);
    int64_t begun = cq_now_ns();
    enum cq_err err = work_run(&params, &r->result);
    r->whole_s = (double) (cq_now_ns() - begun) / 1e9;
    r->own_cpu_s = cq_cpu_s(RUSAGE_SELF) - own;
    r->cpu_s = r->own_cpu_s + cq_cpu_s(RUSAGE_CHILDREN) - children;
    return !err && r->result.signal ? CQ_CANCELLED : err;
}

static enum cq_err take_row(void *ctx, const struct store_run_row *row)
{
    struct bench_e2e_round *r = ctx;
    r->frames = row->frames_inferred;
    r->batches = row->batches;
    r->prepare_s = row->prepare_s;
    r->decode_s = row->decode_s;
    r->infer_s = row->infer_s;
    return CQ_OK;
}

static enum cq_err read_row(const struct bench_e2e *b, const char *db, struct bench_e2e_round *r)
{
    struct store *s;
    enum cq_err err = store_open(b->params.log, db, STORE_READ, &s);
    if (err)
        return err;
    err = store_each_run(s, 1, take_row, r);
    store_close(&s);
    return err;
}

static enum cq_err measure_whole(struct bench_e2e *b, struct bench_e2e_round *r)
{
    char db[FOLDER_SIZE + 16];
    enum cq_err err = make_folder(b);
    if (err)
        return err;
    snprintf(db, sizeof db, "%s/clipq.db", b->folder);
    err = fill_queue(b, db);
    if (!err)
        err = run_queue(b, db, r);
    if (!err)
        err = read_row(b, db, r);
    nftw(b->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return err;
}

enum cq_err bench_e2e_round(struct bench_e2e *b, struct bench_e2e_round *out)
{
    *out = (struct bench_e2e_round) {0};
    enum cq_err err = measure_decode(b, &out->decode_rate);
    if (!err)
        err = measure_infer(b, &out->infer_rate);
    return err ? err : measure_whole(b, out);
}

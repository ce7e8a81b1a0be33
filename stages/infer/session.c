/* A session's life, its plans, its memory, and what it says about itself. Running is session_run.c. */
#include "stages/infer/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/mma.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

/* ---- shapes ---- */

void session_chunk_inputs(const struct session *s, const struct tensor_desc *inputs, int chunk, struct tensor_desc *out)
{
    const struct graph *g = model_graph(s->model);
    for (int i = 0; i < g->n_inputs; i++) {
        out[i] = inputs[i];
        if (g->inputs[i].rank > 0 && out[i].rank > 0 && out[i].dim[0] > 0)   /* nothing at all is no batch */
            out[i].dim[0] = (g->inputs[i].dim[0] > 0 ? g->inputs[i].dim[0] : 1) * chunk;
    }
}

int session_group(const struct session *s)
{
    const struct graph *g = model_graph(s->model);
    bool fixed = s->has_image && g->n_inputs > 0 && g->inputs[0].rank > 0 && g->inputs[0].dim[0] > 1;
    return fixed ? (int) g->inputs[0].dim[0] : 1;
}

/* The model's input for one frame of the given size, checked against what the model says. */
enum cq_err session_check_image(const struct session *s)
{
    const struct graph *g = model_graph(s->model);
    const struct session_image *im = &s->image;
    const struct model_io *io = g->n_inputs == 1 ? &g->inputs[0] : NULL;
    if (!io || io->rank != 4 || (io->type != DT_F32 && io->type != DT_F16)) {
        cq_log_error(s->log, "the model does not take images: it needs exactly one input of 4 float dimensions");
        return CQ_UNSUPPORTED;
    }
    if (io->dim[0] > SESSION_MAX_GROUP) {
        cq_log_error(s->log, "the model was exported for %lld images at once: export it with batch 1 or a free batch",
                     (long long) io->dim[0]);
        return CQ_UNSUPPORTED;
    }
    if (im->width < 1 || im->height < 1 || (im->channels != 1 && im->channels != 3)) {
        cq_log_error(s->log, "frames of %dx%d with %d channels cannot be fed", im->width, im->height, im->channels);
        return CQ_INVALID;
    }
    int64_t want[3] = {im->channels, im->height, im->width};
    if (im->nhwc)
        want[0] = im->height, want[1] = im->width, want[2] = im->channels;
    for (int d = 0; d < 3; d++)
        if (io->dim[1 + d] > 0 && io->dim[1 + d] != want[d]) {
            cq_log_error(s->log, "input '%s' has dimension %lld where frames of %dx%d with %d channels give %lld",
                         io->name, (long long) io->dim[1 + d], im->width, im->height, im->channels,
                         (long long) want[d]);
            return CQ_INVALID;
        }
    return CQ_OK;
}

enum cq_err session_image_inputs(const struct session *s, int batch, struct tensor_desc *inputs)
{
    const struct session_image *im = &s->image;
    if (!s->has_image) {
        struct tensor_desc *d = inputs;
        if (!model_default_inputs(s->model, inputs)) {
            cq_log_error(s->log, "the model's input has no fixed size: give the size of its images");
            return CQ_INVALID;
        }
        for (int i = 0; i < model_input_count(s->model); i++)
            if (d[i].rank > 0)
                d[i].dim[0] *= batch;
        return CQ_OK;
    }
    if (session_group(s) > 1)
        batch = session_group(s);
    inputs[0] = im->nhwc ? (struct tensor_desc){DT_F32, .rank = 4, .dim = {batch, im->height, im->width, im->channels}}
                         : (struct tensor_desc){DT_F32, .rank = 4, .dim = {batch, im->channels, im->height, im->width}};
    return CQ_OK;
}

/* ---- plans ---- */

static void drop_plan(struct session *s, int i)
{
    session_free_legs(&s->plans[i]);
    plan_destroy(&s->plans[i].plan);
    free(s->plans[i].inputs);
    free(s->plans[i].bufs);
    s->plans[i] = s->plans[--s->n_plans];
}

static bool is_for(const struct session_plan *sp, const struct tensor_desc *inputs, int n)
{
    for (int i = 0; i < n; i++)
        if (!tensor_same_shape(&sp->inputs[i], &inputs[i]))
            return false;
    return true;
}

static int oldest_plan(const struct session *s)
{
    int oldest = 0;
    for (int i = 1; i < s->n_plans; i++)
        if (s->plans[i].used < s->plans[oldest].used)
            oldest = i;
    return oldest;
}

enum cq_err session_get_plan(struct session *s, struct cq_log *log, const struct tensor_desc *inputs,
                             struct session_plan **out)
{
    const struct graph *g = model_graph(s->model);
    size_t bytes = ((size_t) g->n_inputs + 1) * sizeof *inputs;
    s->clock++;
    for (int i = 0; i < s->n_plans; i++)
        if (s->plans[i].picks == s->picks && is_for(&s->plans[i], inputs, g->n_inputs)) {
            s->plans[i].used = s->clock;
            *out = &s->plans[i];
            return CQ_OK;
        }
    if (s->n_plans == SESSION_MAX_PLANS)
        drop_plan(s, oldest_plan(s));

    struct session_plan sp = {.inputs = malloc(bytes), .picks = s->picks, .used = s->clock, .bound = -1};
    struct tensor_desc *exported = malloc(bytes);
    enum cq_err err = sp.inputs && exported ? CQ_OK : CQ_NOMEM;
    if (!err) {
        memcpy(sp.inputs, inputs, (size_t) g->n_inputs * sizeof *inputs);
        session_chunk_inputs(s, inputs, 1, exported);
        struct plan_params params = {
            .inputs = inputs, .image = s->has_image ? &s->image : NULL, .as_written = !s->rewrite,
            .choices = s->choices, .half = s->precision == PRECISION_FP16,
            .candidates = s->picks ? &s->candidates : NULL,
        };
        err = plan_create(log, s->dev, g, &params, exported, &sp.plan);
    }
    free(exported);
    if (err) {
        free(sp.inputs);
        return err;
    }
    s->plans[s->n_plans] = sp;
    *out = &s->plans[s->n_plans++];
    return CQ_OK;
}

enum cq_err session_plan_for_batch(struct session *s, int batch, struct session_way *way,
                                   struct session_plan **out)
{
    struct tensor_desc *inputs = malloc(((size_t) model_input_count(s->model) + 1) * sizeof *inputs);
    if (!inputs)
        return CQ_NOMEM;
    enum cq_err err = batch < 1 ? CQ_INVALID : session_image_inputs(s, batch, inputs);
    if (!err) {
        *way = session_way(s, inputs, batch);
        err = session_image_inputs(s, way->chunk, inputs);
    }
    if (!err)
        err = session_get_plan(s, s->log, inputs, out);
    free(inputs);
    return err;
}

/* ---- life ---- */

static enum cq_err make_flight(struct session_flight *f, int n_outputs)
{
    f->parts = calloc((size_t) n_outputs + 1, sizeof *f->parts);
    f->outputs = calloc((size_t) n_outputs + 1, sizeof *f->outputs);
    return f->parts && f->outputs ? CQ_OK : CQ_NOMEM;
}

static void finish_flight(struct session_flight *f, int n_outputs)
{
    for (int i = 0; i < f->n_results; i++)
        free(f->results[i].data);
    for (int i = 0; f->parts && i < n_outputs; i++) {
        free(f->parts[i].each);
        free(f->parts[i].data);
    }
    free(f->results);
    free(f->images);
    free(f->parts);
    free(f->outputs);
}

void session_trim(struct session *s)
{
    for (; s->n_started; s->n_started--) {
        device_fence_wait(&s->flights[s->oldest].fence);
        s->oldest = (s->oldest + 1) % SESSION_FLIGHTS;
    }
    while (s->n_plans)
        drop_plan(s, s->n_plans - 1);
    session_free_streams(s);
}

void session_destroy(struct session **session)
{
    struct session *s = *session;
    if (!s)
        return;
    session_trim(s);
    weights_finish(&s->weights);
    for (int i = 0; i < SESSION_FLIGHTS; i++)
        finish_flight(&s->flights[i], model_output_count(s->model));
    free(s->streams);
    free(s);
    *session = NULL;
}

/* Makes the plan for one image and runs something, as far as shapes are known: two images together where that is
 * still to be checked and batches will be run so, else one. */
static enum cq_err prepare(struct session *s, bool check)
{
    struct tensor_desc *inputs = malloc(((size_t) model_input_count(s->model) + 1) * sizeof *inputs);
    struct session_plan *sp;
    if (!inputs)
        return CQ_NOMEM;
    enum cq_err err = CQ_OK;
    if (s->has_image || model_default_inputs(s->model, inputs)) {
        err = session_image_inputs(s, 1, inputs);
        if (!err)
            err = session_get_plan(s, s->log, inputs, &sp);
        if (!err && check)
            err = s->n_streams > 1 ? session_run_once(s, inputs) : session_check_batch(s, inputs);
    }
    free(inputs);
    return err;
}

static bool has_fixed_batch(const struct model *m)
{
    for (int i = 0; i < model_input_count(m); i++)
        if (model_input(m, i)->rank > 0 && model_input(m, i)->dim[0] > 0)
            return true;
    return false;
}

enum cq_err session_create(struct cq_log *log, struct device *dev, const struct model *model,
                           const struct session_params *params, struct session **out)
{
    *out = NULL;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return CQ_NOMEM;
    *s = (struct session){
        .log = log, .dev = dev, .model = model, .has_image = params->image, .batchable = true,
        .checked = params->skip_batch_check, .memory_limit = params->memory_limit, .choices = params->choices,
        .precision = params->precision,
        .weights.dev = dev,
        .rewrite = has_fixed_batch(model), .n_streams = params->whole_device ? 1 : device_streams(dev),
        .segment_bytes = device_get_info(dev)->max_alloc_bytes / PLACE_ALIGN * PLACE_ALIGN,
    };
    if (s->precision == PRECISION_FP16)
        mma_find(dev);
    s->now = s->flights;
    s->streams = calloc((size_t) s->n_streams, sizeof *s->streams);
    enum cq_err err = s->streams ? CQ_OK : CQ_NOMEM;
    for (int i = 0; i < SESSION_FLIGHTS && !err; i++)
        err = make_flight(&s->flights[i], model_output_count(model));
    if (!err && params->image) {
        s->image = *params->image;
        err = session_check_image(s);
    }
    if (!err && session_group(s) > 1)
        s->checked = true;          /* there is but one batch */
    if (!err)
        err = prepare(s, !s->checked);
    s->picks = params->image && params->candidates;
    if (s->picks)
        s->candidates = *params->candidates;
    if (err)
        session_destroy(&s);
    else
        *out = s;
    return err;
}

enum cq_err session_resize(struct session *s, int width, int height)
{
    struct session_image before = s->image;
    s->image.width = width;
    s->image.height = height;
    enum cq_err err = session_check_image(s);
    if (err)
        s->image = before;
    return err;
}

bool session_batchable(const struct session *s)
{
    return s->batchable;
}

/* ---- memory ---- */

enum cq_err session_plan_memory(struct session *s, int batch, struct session_memory *out)
{
    struct session_plan *sp;
    struct session_way way;
    enum cq_err err = session_plan_for_batch(s, batch, &way, &sp);
    if (!err)
        *out = session_way_memory(&way, sp->plan);
    return err;
}

void session_set_memory_limit(struct session *s, size_t bytes)
{
    s->memory_limit = bytes;
}

/* A plan that cannot be made is found out elsewhere. */
bool session_inputs_fit(struct session *s, const struct tensor_desc *inputs)
{
    struct session_plan *sp;
    return !s->memory_limit || session_get_plan(s, NULL, inputs, &sp) ||
           plan_memory(sp->plan).total <= s->memory_limit;
}

static bool fits(struct session *s, int batch, size_t *bytes)
{
    struct session_memory m;
    *bytes = SIZE_MAX;
    if (session_plan_memory(s, batch, &m))
        return false;
    *bytes = m.total;
    return !s->memory_limit || *bytes <= s->memory_limit;
}

int session_max_batch(struct session *s, int max)
{
    size_t least, most, bytes;
    if (max < 1 || !fits(s, 1, &least))
        return 0;
    if (session_group(s) > 1)
        return max < session_group(s) ? max : session_group(s);
    if (max == 1 || fits(s, max, &most))
        return max;
    /* low fits, high does not. Memory grows nearly evenly with the batch, so a straight line is a good guess. */
    int low = 1, high = max;
    while (high - low > 1) {
        double slope = most > least ? (double) (most - least) / (high - low) : 1;
        int middle = low + (int) ((double) (s->memory_limit - least) / slope);
        middle = middle <= low ? low + 1 : middle >= high ? high - 1 : middle;
        bool fit = fits(s, middle, &bytes);
        *(fit ? &low : &high) = middle;
        *(fit ? &least : &most) = bytes;
    }
    return low;
}

/* ---- about itself ---- */

static void step_text(const struct plan_step *ps, int index, char *out, size_t size)
{
    char x[TENSOR_TEXT_SIZE] = "", y[TENSOR_TEXT_SIZE];
    if (ps->step->n_in && ps->inst->in[0].type != DT_NONE)
        tensor_text(&ps->inst->in[0], x);
    tensor_text(&ps->inst->out[0], y);
    snprintf(out, size, "%4d %-16s %s -> %s  [%s]%s  %s", index, op_kind_name(ps->step->op.kind), x, y,
             ps->kernel->name, ps->step->op.act ? " +act" : "", ps->step->name);
}

static void tail_text(const struct tail *t, int i, int index, char *out, size_t size)
{
    const struct node *n = &t->graph->nodes[t->nodes[i]];
    snprintf(out, size, "%4d %-16s after the run, for each image  [host]  %s", index, n->type, n->name);
}

enum cq_err session_describe(struct session *s, int batch, void (*line)(void *ctx, const char *text), void *ctx)
{
    struct session_plan *sp;
    struct session_way way;
    enum cq_err err = session_plan_for_batch(s, batch, &way, &sp);
    const struct plan *p = err ? NULL : sp->plan;
    char text[640];
    for (int i = 0; p && i < p->n_steps; i++) {
        step_text(&p->steps[i], i, text, sizeof text);
        line(ctx, text);
    }
    for (int i = 0; p && p->tail && i < p->tail->n_nodes; i++) {
        tail_text(p->tail, i, p->n_steps + i, text, sizeof text);
        line(ctx, text);
    }
    return err;
}

double session_flops(struct session *s, int batch)
{
    struct session_plan *sp;
    struct session_way way;
    if (session_plan_for_batch(s, batch, &way, &sp))
        return 0;
    int group = session_group(s);
    return sp->plan->flops / (group > 1 ? group : way.chunk) * batch;
}

int session_host_ops(struct session *s, int batch)
{
    struct session_plan *sp;
    struct session_way way;
    if (session_plan_for_batch(s, batch, &way, &sp))
        return 0;
    return sp->plan->host_steps + (sp->plan->tail ? sp->plan->tail->n_nodes : 0);
}

/* Running: inputs up, kernels queued, outputs down. */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

/* ---- up ---- */

static enum cq_err upload_images(struct session *s, const struct plan *p, int stream, const struct session_feed *feed)
{
    struct mem_ref to = session_mem(s, p, stream, p->net.inputs[0]);
    size_t bytes = (size_t) s->image.width * (size_t) s->image.height * (size_t) s->image.channels;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < feed->count && !err; i++)
        err = device_write_later(s->dev, to.mem, to.offset + (size_t) i * bytes, feed->images[feed->first + i], bytes);
    return err;
}

static enum cq_err upload_half(struct session *s, const struct tensor_desc *as, const void *data, struct mem_ref to)
{
    size_t bytes = tensor_bytes(as);
    struct op_inst *inst = calloc(1, sizeof *inst);
    float *wide = malloc(bytes);
    enum cq_err err = CQ_NOMEM;
    if (inst && wide) {
        struct op cast = {.kind = OP_CAST};
        inst->op = &cast;
        inst->n_in = inst->n_out = 1;
        inst->in[0] = inst->out[0] = *as;
        inst->in[0].type = DT_F16;
        err = op_reference(inst, &data, (void *[]){wide});
        if (!err)
            err = device_write(s->dev, to.mem, to.offset, wide, bytes);
    }
    free(inst);
    free(wide);
    return err;
}

/* The part of a tensor that belongs to the images of this run; inputs without a batch go whole. */
static enum cq_err upload_tensors(struct session *s, const struct plan *p, int stream, const struct session_feed *feed)
{
    for (int i = 0; i < p->net.n_inputs; i++) {
        const struct session_input *in = &feed->in[i];
        struct tensor_desc as = p->net.tensors[p->net.inputs[i]].desc;
        size_t bytes = tensor_bytes(&as), whole = tensor_bytes(&in->desc);
        size_t wire = bytes / dtype_size(as.type) * dtype_size(in->desc.type);
        const uint8_t *data = in->data;
        if (wire < whole)
            data += wire * (size_t) (feed->first / (feed->count ? feed->count : 1));
        struct mem_ref to = session_mem(s, p, stream, p->net.inputs[i]);
        if (!bytes)
            continue;
        enum cq_err err = in->desc.type == DT_F16 ? upload_half(s, &as, data, to)
                                                  : device_write_later(s->dev, to.mem, to.offset, data, bytes);
        if (err)
            return err;
    }
    return CQ_OK;
}

/* ---- down ---- */

static enum cq_err fit_results(struct session_flight *f, int n)
{
    if (n <= f->n_results)
        return CQ_OK;
    struct session_result *results = realloc(f->results, (size_t) n * sizeof *results);
    if (!results)
        return CQ_NOMEM;
    memset(results + f->n_results, 0, (size_t) (n - f->n_results) * sizeof *results);
    f->results = results;
    f->n_results = n;
    return CQ_OK;
}

/* Of the run `done` out of `total` runs that make the batch. */
static enum cq_err read_result(struct session *s, const struct plan *p, int stream, int i, int done, int total)
{
    struct session_result *r = &s->now->results[i];
    int t = p->net.outputs[i];
    const struct tensor *tensor = &p->net.tensors[t];
    size_t bytes = tensor_bytes(&tensor->desc), all = bytes * (size_t) total;
    if (all > r->capacity || !r->data) {
        uint8_t *data = realloc(r->data, all ? all : 1);
        if (!data)
            return CQ_NOMEM;
        r->data = data;
        r->capacity = all ? all : 1;
    }
    r->desc = tensor->desc;
    r->alone = total > 1;
    r->inner = p->inner[i];
    if (total > 1 && r->desc.rank > 0)
        r->desc.dim[0] *= total;
    if (!bytes)
        return CQ_OK;
    const void *constant = p->net.tensors[p->places.of[t].root].data;
    struct mem_ref from = session_mem(s, p, stream, t);
    if (constant)
        memcpy(r->data + (size_t) done * bytes, constant, bytes);
    else
        return device_read_later(s->dev, from.mem, from.offset, r->data + (size_t) done * bytes, bytes);
    return CQ_OK;
}

/* ---- in between ---- */

static enum cq_err upload(struct session *s, const struct plan *p, int stream, const struct session_feed *feed)
{
    return feed->images ? upload_images(s, p, stream, feed) : upload_tensors(s, p, stream, feed);
}

static enum cq_err read_all(struct session *s, const struct plan *p, int stream, int done, int total)
{
    enum cq_err err = CQ_OK;
    for (int i = 0; i < p->net.n_outputs && !err; i++)
        err = read_result(s, p, stream, i, done, total);
    return err;
}

static enum cq_err queue_in_stream(struct session *s, const struct session_plan *sp, const struct session_way *way,
                                   int stream, const struct session_feed *feed, int done, int total)
{
    enum cq_err err = upload(s, sp->plan, stream, feed);
    if (!err)
        err = session_enqueue(s, sp, way->streams ? stream : DEVICE_WHOLE);
    if (!err)
        err = read_all(s, sp->plan, stream, done, total);
    return err;
}

static enum cq_err queue_all(struct session *s, const struct session_plan *sp, const struct session_way *way,
                             const struct session_feed *feed)
{
    int total = feed->count / way->chunk;
    enum cq_err err = CQ_OK;
    for (int i = 0; i < total && !err; i++) {
        struct session_feed part = {feed->images, feed->in, feed->first + i * way->chunk, way->chunk};
        int stream = way->streams ? i % way->streams : 0;
        device_use_stream(s->dev, way->streams || s->chained ? stream : DEVICE_WHOLE);
        err = queue_in_stream(s, sp, way, stream, &part, i, total);
    }
    device_use_stream(s->dev, DEVICE_WHOLE);
    return err;
}

/* The plan, ready to run. */
static enum cq_err get_ready(struct session *s, struct cq_log *log, const struct session_way *way,
                             const struct tensor_desc *inputs, const struct session_feed *feed, struct session_plan **out)
{
    struct tensor_desc *chunk = malloc(((size_t) model_input_count(s->model) + 1) * sizeof *chunk);
    if (!chunk)
        return CQ_NOMEM;
    session_chunk_inputs(s, inputs, way->chunk, chunk);
    enum cq_err err = session_get_plan(s, log, way->chunk == feed->count ? inputs : chunk, out);
    free(chunk);
    if (!err)
        err = fit_results(s->now, (*out)->plan->net.n_outputs);
    if (!err)
        err = session_bind(s, *out, way->streams ? way->streams : 1);
    if (!err)
        err = session_link(s, *out, way);
    return err;
}

static enum cq_err queue(struct session *s, struct cq_log *log, const struct session_way *way,
                         const struct tensor_desc *inputs, const struct session_feed *feed)
{
    struct session_plan *sp;
    enum cq_err err = get_ready(s, log, way, inputs, feed, &sp);
    bool chained = !err && session_is_chained(sp, way->streams ? 0 : DEVICE_WHOLE);
    if (!err && (way->streams != s->way.streams || chained != s->chained))
        err = device_finish_all(s->dev);    /* the whole device and the first stream use the same memory */
    if (err)
        return err;
    s->way = *way;
    s->chained = chained;
    s->now->plan = sp->plan;
    err = queue_all(s, sp, way, feed);
    if (err)
        device_finish_all(s->dev);          /* copies may be under way */
    return err;
}

enum cq_err session_run_in(struct session *s, struct cq_log *log, const struct session_way *way,
                           const struct tensor_desc *inputs, const struct session_feed *feed)
{
    enum cq_err err = queue(s, log, way, inputs, feed);
    return err ? err : device_finish_all(s->dev);
}

/* ---- starting and finishing ---- */

/* With a proof that images may be run together, where they will be. */
static enum cq_err choose_way(struct session *s, const struct tensor_desc *inputs, int count, struct session_way *way)
{
    enum cq_err err = CQ_OK;
    *way = session_way(s, inputs, count);
    if (way->chunk > 1 && !s->checked) {
        bool picks = s->picks;
        s->picks = false;               /* whole outputs tell more */
        err = session_check_batch(s, inputs);
        s->picks = picks;
        *way = session_way(s, inputs, count);
        if (!err && way->chunk > 1 && !s->checked)
            err = CQ_OOM;               /* two did not fit */
    }
    return err;
}

static enum cq_err start(struct session *s, const struct tensor_desc *inputs, const struct session_feed *feed, int shown,
                         int64_t *ticket)
{
    struct session_way way;
    if (s->n_started == SESSION_FLIGHTS)
        return CQ_INVALID;
    s->now = &s->flights[(s->oldest + s->n_started) % SESSION_FLIGHTS];
    enum cq_err err = choose_way(s, inputs, feed->count, &way);
    if (!err)
        err = queue(s, s->log, &way, inputs, feed);
    if (!err && s->now->plan->cells && (err = session_keep_feed(s, feed)))
        device_finish_all(s->dev);
    if (!err && (err = device_fence(s->dev, &s->now->fence)))
        device_finish_all(s->dev);
    if (err)
        return err;
    s->now->count = feed->count;
    s->now->shown = shown;
    s->now->ticket = *ticket = ++s->tickets;
    s->n_started++;
    return CQ_OK;
}

/* Of a group that was filled up, only the first images are shown. */
static void show_first(const struct session *s, struct session_flight *f)
{
    for (int i = 0; i < model_output_count(s->model) && f->shown < f->count; i++)
        if (!f->outputs[i].each && f->outputs[i].desc.rank > 0 && f->outputs[i].desc.dim[0] == f->count)
            f->outputs[i].desc.dim[0] = f->shown;
}

enum cq_err session_finish(struct session *s, int64_t ticket, const struct session_output **out, int *n_out)
{
    if (!s->n_started || s->flights[s->oldest].ticket != ticket)
        return CQ_AGAIN;
    struct session_flight *f = s->now = &s->flights[s->oldest];
    s->oldest = (s->oldest + 1) % SESSION_FLIGHTS;
    s->n_started--;
    enum cq_err err = device_fence_wait(&f->fence);
    if (!err && session_lacks_candidates(f))
        err = session_run_whole(s);
    if (!err)
        err = session_make_outputs(s);
    if (err)
        return err;
    show_first(s, f);
    *n_out = model_output_count(s->model);
    *out = f->outputs;
    return CQ_OK;
}

/* ---- the two ways in ---- */

/* A group of fixed size, filled up with the last image. */
static enum cq_err start_group(struct session *s, const uint8_t *const *images, int batch, int64_t *ticket)
{
    struct tensor_desc inputs[1];
    const uint8_t *group[SESSION_MAX_GROUP];
    int n = session_group(s);
    for (int i = 0; i < n; i++)
        group[i] = images[i < batch ? i : batch - 1];
    struct session_feed feed = {.images = group, .count = n};
    enum cq_err err = session_image_inputs(s, n, inputs);
    return err ? err : start(s, inputs, &feed, batch, ticket);
}

enum cq_err session_start_images(struct session *s, const uint8_t *const *images, int batch, int64_t *ticket)
{
    struct tensor_desc inputs[1];
    struct session_feed feed = {.images = images, .count = batch};
    int group = session_group(s);
    if (batch < 1 || !s->has_image || (group > 1 && batch > group)) {
        cq_log_error(s->log, s->has_image ? "the model takes 1 to %d images, not %d" : "this session was not made for images",
                     group, batch);
        return CQ_INVALID;
    }
    if (group > 1)
        return start_group(s, images, batch, ticket);
    enum cq_err err = session_image_inputs(s, batch, inputs);
    return err ? err : start(s, inputs, &feed, batch, ticket);
}

enum cq_err session_run_images(struct session *s, const uint8_t *const *images, int batch,
                               const struct session_output **out, int *n_out)
{
    int64_t ticket;
    enum cq_err err = s->n_started ? CQ_INVALID : session_start_images(s, images, batch, &ticket);
    return err ? err : session_finish(s, ticket, out, n_out);
}

static enum cq_err check_input(const struct session *s, const struct session_input *in, const struct model_io *io)
{
    bool fits = in->desc.type == io->type && in->desc.layout == LAYOUT_PLAIN && tensor_elems(&in->desc) >= 0 &&
                (in->desc.rank == io->rank || io->rank == 0);
    for (int d = 1; d < io->rank && fits; d++)
        fits = io->dim[d] < 0 || io->dim[d] == in->desc.dim[d];
    if (fits && io->rank > 0 && io->dim[0] > 0)
        fits = in->desc.dim[0] >= io->dim[0] && in->desc.dim[0] % io->dim[0] == 0;
    if (fits)
        return CQ_OK;
    char text[TENSOR_TEXT_SIZE];
    cq_log_error(s->log, "%s does not fit the model's input '%s'", tensor_text(&in->desc, text), io->name);
    return CQ_INVALID;
}

enum cq_err session_run_tensors(struct session *s, const struct session_input *in, int n_in,
                                const struct session_output **out, int *n_out)
{
    struct tensor_desc *inputs = calloc((size_t) n_in + 1, sizeof *inputs);
    struct tensor_desc *exported = calloc((size_t) n_in + 1, sizeof *exported);
    int64_t ticket;
    enum cq_err err = !inputs || !exported ? CQ_NOMEM : s->n_started ? CQ_INVALID : CQ_OK;
    if (!err && (n_in != model_input_count(s->model) || s->has_image)) {
        cq_log_error(s->log, "the model has %d inputs, %d were given", model_input_count(s->model), n_in);
        err = CQ_INVALID;
    }
    for (int i = 0; i < n_in && !err; i++) {
        err = check_input(s, &in[i], model_input(s->model, i));
        inputs[i] = in[i].desc;
    }
    if (!err) {
        session_chunk_inputs(s, inputs, 1, exported);
        bool batched = n_in && inputs[0].rank > 0 && exported[0].dim[0] > 0;
        int64_t batch = batched ? inputs[0].dim[0] / exported[0].dim[0] : 1;
        struct session_feed feed = {.in = in, .count = (int) batch};
        err = start(s, inputs, &feed, feed.count, &ticket);
    }
    if (!err)
        err = session_finish(s, ticket, out, n_out);
    free(inputs);
    free(exported);
    return err;
}

/* Inputs that stand for any picture: noise, the same in every run of the program. */
#include <stdlib.h>

#include "stages/infer/model_graph.h"
#include "stages/infer/noise.h"
#include "stages/infer/session_impl.h"

struct session_noise {
    int batch;
    uint8_t **images;               /* batch of them; NULL for a session without pictures */
    struct session_input *in;       /* n_in of them, for the whole batch; each one's data is owned */
    int n_in;
};

void session_noise_destroy(struct session_noise **noise)
{
    struct session_noise *n = *noise;
    if (!n)
        return;
    for (int i = 0; n->images && i < n->batch; i++)
        free(n->images[i]);
    for (int i = 0; i < n->n_in; i++)
        free((void *) n->in[i].data);
    free(n->images);
    free(n->in);
    free(n);
    *noise = NULL;
}

static enum cq_err make_images(const struct session *s, struct session_noise *n, uint32_t *state)
{
    size_t bytes = (size_t) s->image.width * (size_t) s->image.height * (size_t) s->image.channels;
    n->images = calloc((size_t) n->batch, sizeof *n->images);
    if (!n->images)
        return CQ_NOMEM;
    for (int i = 0; i < n->batch; i++) {
        n->images[i] = malloc(bytes);
        if (!n->images[i])
            return CQ_NOMEM;
        for (size_t b = 0; b < bytes; b++)
            n->images[i][b] = (uint8_t) (noise_next(state) >> 24);
    }
    return CQ_OK;
}

/* Floats in -1..1; integers 0 or 1, which are valid indices nearly everywhere. */
static void *make_tensor(const struct tensor_desc *d, uint32_t *state)
{
    size_t bytes = tensor_bytes(d), n = (size_t) tensor_elems(d);
    uint8_t *data = bytes < SIZE_MAX ? calloc(bytes + 1, 1) : NULL;
    for (size_t i = 0; i < n && data; i++) {
        uint32_t r = noise_next(state);
        if (d->type == DT_F32)
            ((float *) data)[i] = (float) (int32_t) r * 0x1p-31f;
        else if (d->type == DT_F64)
            ((double *) data)[i] = (double) (int32_t) r * 0x1p-31;
        else if (d->type == DT_F16)
            ((uint16_t *) data)[i] = (uint16_t) (0x3000 | (r & 0xfff));     /* 0.125..0.5 */
        else
            data[i * dtype_size(d->type)] = r & 1;
    }
    return data;
}

static enum cq_err make_tensors(const struct session *s, const struct tensor_desc *inputs, struct session_noise *n,
                                uint32_t *state)
{
    const struct graph *g = model_graph(s->model);
    n->in = calloc((size_t) g->n_inputs + 1, sizeof *n->in);
    if (!n->in)
        return CQ_NOMEM;
    for (int i = 0; i < g->n_inputs; i++, n->n_in++) {
        n->in[i].desc = inputs[i];
        n->in[i].desc.type = g->inputs[i].type;
        n->in[i].data = make_tensor(&n->in[i].desc, state);
        if (!n->in[i].data)
            return CQ_NOMEM;
    }
    return CQ_OK;
}

enum cq_err session_noise_like(const struct session *s, const struct tensor_desc *inputs, int batch,
                               struct session_noise **out)
{
    uint32_t state = 20261121;
    struct session_noise *n = calloc(1, sizeof *n);
    *out = NULL;
    if (!n)
        return CQ_NOMEM;
    n->batch = batch;
    enum cq_err err = s->has_image ? make_images(s, n, &state) : make_tensors(s, inputs, n, &state);
    if (err)
        session_noise_destroy(&n);
    else
        *out = n;
    return err;
}

struct session_feed session_noise_feed(const struct session_noise *n)
{
    return (struct session_feed) {
        .images = (const uint8_t *const *) n->images, .in = n->in, .count = n->batch,
    };
}

enum cq_err session_noise_create(const struct session *s, int batch, struct session_noise **out)
{
    *out = NULL;
    struct tensor_desc *inputs = malloc(((size_t) model_input_count(s->model) + 1) * sizeof *inputs);
    if (!inputs)
        return CQ_NOMEM;
    enum cq_err err = session_image_inputs(s, batch, inputs);
    if (!err)
        err = session_noise_like(s, inputs, batch, out);
    free(inputs);
    return err;
}

enum cq_err session_run_noise(struct session *s, const struct session_noise *n, const struct session_output **out,
                              int *n_out)
{
    if (n->images)
        return session_run_images(s, (const uint8_t *const *) n->images, n->batch, out, n_out);
    return session_run_tensors(s, n->in, n->n_in, out, n_out);
}

/* How a batch is run: in streams where the device has some and the batch can feed all of them, else on the whole
 * device.
 *
 * A stream takes one image after another. Its layers stay in the cache that way, and no batch needs to be proven
 * equal to its images (session_check.c). Models with much weight are the exception: they read all of it for each
 * run, so a stream gets several images at once, as long as those take less of the caches than the weights do.
 */
#include <stdlib.h>

#include "stages/infer/model_graph.h"
#include "stages/infer/session_impl.h"

enum { HEAVY_BYTES = 16 << 20, HEAVY_CHUNK = 4 };
/* By how much a byte of activations is dearer. Measured: ResNet-50 is fastest with two images at once, YOLOv8n with
 * one. */
enum { ACTIVATION_COST = 5 };

/* The results of chunks stand one behind the other, which is right where the batch is the outermost dimension. */
static bool joins(const struct plan *p, int chunk)
{
    bool joins = !p->tail;
    for (int i = 0; i < p->net.n_outputs && joins; i++) {
        const struct tensor_desc *d = &p->net.tensors[p->net.outputs[i]].desc;
        joins = d->rank > 0 && d->dim[0] == chunk && p->inner[i] == 0;
    }
    return joins;
}

static bool outweighs(const struct session *s, const struct plan *p)
{
    return p->weight_bytes > ACTIVATION_COST * (size_t) s->n_streams * plan_memory(p).activations;
}

static bool may_chunk(struct session *s, const struct tensor_desc *inputs, int chunk)
{
    struct tensor_desc *shapes = malloc(((size_t) model_input_count(s->model) + 1) * sizeof *shapes);
    struct session_plan *sp;
    if (!shapes)
        return false;
    session_chunk_inputs(s, inputs, 1, shapes);
    bool may = !session_get_plan(s, NULL, shapes, &sp) && sp->plan->weight_bytes > HEAVY_BYTES;
    session_chunk_inputs(s, inputs, chunk, shapes);
    may = may && !session_get_plan(s, NULL, shapes, &sp) && outweighs(s, sp->plan) && joins(sp->plan, chunk);
    free(shapes);
    return may;
}

/* The most images at once that pay and divide the batch evenly among the streams. */
static int chunk_in_streams(struct session *s, const struct tensor_desc *inputs, int batch)
{
    for (int chunk = HEAVY_CHUNK; chunk > 1 && s->batchable; chunk--)
        if (batch % (chunk * s->n_streams) == 0 && may_chunk(s, inputs, chunk))
            return chunk;
    return 1;
}

struct session_way session_way(struct session *s, const struct tensor_desc *inputs, int batch)
{
    if (session_group(s) > 1 || batch < 2)
        return (struct session_way){0, batch};
    if (s->n_streams > 1 && batch >= s->n_streams)
        return (struct session_way){s->n_streams, chunk_in_streams(s, inputs, batch)};
    return (struct session_way){0, s->batchable ? batch : 1};
}

struct session_memory session_way_memory(const struct session_way *way, const struct plan *p)
{
    struct session_memory m = plan_memory(p);
    size_t streams = way->streams > 1 ? (size_t) way->streams : 1;
    m.activations *= streams;
    m.activation_bound *= streams;
    m.scratch *= streams;
    m.staging *= streams;
    m.total = m.weights + m.activations + m.staging;
    return m;
}

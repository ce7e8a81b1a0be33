/* Outputs of which only the cells that may be boxes were read back: giving them image by image, and running a batch
 * once more for the whole output where one of its images has more of them than there is room for. */
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/infer/candidates.h"
#include "stages/infer/session_impl.h"

static const int32_t *list_of(const struct session_flight *f, int image)
{
    const struct session_result *list = &f->results[CANDIDATES_CELLS];
    return (const int32_t *) list->data + image * list->desc.dim[1];
}

/* ---- too many ---- */

enum cq_err session_keep_feed(struct session *s, const struct session_feed *feed)
{
    struct session_flight *f = s->now;
    f->image = s->image;
    if (feed->count > f->max_images) {
        const uint8_t **images = realloc(f->images, (size_t) feed->count * sizeof *images);
        if (!images)
            return CQ_NOMEM;
        f->images = images;
        f->max_images = feed->count;
    }
    memcpy(f->images, feed->images, (size_t) feed->count * sizeof *f->images);
    return CQ_OK;
}

bool session_lacks_candidates(const struct session_flight *f)
{
    bool lacks = false;
    for (int i = 0; i < f->count && f->plan->cells && !lacks; i++)
        lacks = list_of(f, i)[0] > f->results[CANDIDATES_ROWS].desc.dim[1];
    return lacks;
}

static enum cq_err run_again(struct session *s)
{
    struct session_flight *f = s->now;
    struct session_feed feed = {.images = f->images, .count = f->count};
    struct tensor_desc inputs[1];
    enum cq_err err = session_image_inputs(s, f->count, inputs);
    if (err)
        return err;
    struct session_way way = session_way(s, inputs, f->count);
    return session_run_in(s, s->log, &way, inputs, &feed);
}

enum cq_err session_run_whole(struct session *s)
{
    struct session_image now = s->image;     /* the session may have been resized since */
    if (s->picks)
        cq_log_info(s->log, "more than %d boxes may be in a picture: outputs are read back whole from now on",
                    (int) s->now->results[CANDIDATES_ROWS].desc.dim[1]);
    s->picks = false;
    s->image = s->now->image;
    enum cq_err err = run_again(s);
    s->image = now;
    return err;
}

/* ---- what decoders get ---- */

/* The rows as the model has its output: as they are, or turned into planes. */
static enum cq_err add_image(struct session *s, int image)
{
    const struct session_flight *f = s->now;
    const struct session_result *r = &f->results[CANDIDATES_ROWS];
    int64_t most = r->desc.dim[1], values = r->desc.dim[2], n = list_of(f, image)[0];
    const float *rows = (const float *) r->data + image * most * values;
    struct constant c = {{DT_F32, .rank = 3, .dim = {1, n, values}}, rows};
    if (!s->candidates.planes)
        return session_add_part(&f->parts[0], &c);

    float *planes = malloc((size_t) (n * values + 1) * sizeof *planes);
    if (!planes)
        return CQ_NOMEM;
    for (int64_t i = 0; i < n; i++)
        for (int64_t v = 0; v < values; v++)
            planes[v * n + i] = rows[i * values + v];
    c = (struct constant){{DT_F32, .rank = 3, .dim = {1, values, n}}, planes};
    enum cq_err err = session_add_part(&f->parts[0], &c);
    free(planes);
    return err;
}

enum cq_err session_make_candidates(struct session *s)
{
    struct session_flight *f = s->now;
    struct session_parts *p = &f->parts[0];
    enum cq_err err = CQ_OK;
    p->n_each = 0;
    p->size = 0;
    for (int i = 0; i < f->count && !err; i++)
        err = add_image(s, i);
    if (!err)
        f->outputs[0] = (struct session_output){
            .desc = session_join(p), .data = p->data, .each = p->each, .n_cells = f->plan->cells,
            .cells = list_of(f, 0) + 1, .cells_step = (int) f->results[CANDIDATES_CELLS].desc.dim[1],
        };
    return err;
}

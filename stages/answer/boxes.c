/* Output tensors in, detections in display pixels out. */
#include "stages/answer/boxes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/nms.h"

const float *output_floats(const struct decode_frame *f, int i, int rank, const int64_t *dim)
{
    if (i < 0 || i >= f->n_outputs)
        return NULL;
    const struct tensor_desc *d = &f->outputs[i].desc;
    if (d->type != DT_F32 || d->layout != LAYOUT_PLAIN || d->rank != rank || tensor_elems(d) <= 0)
        return NULL;
    for (int k = 0; k < rank; k++)
        if (dim[k] != ANY && dim[k] != d->dim[k])
            return NULL;
    return f->outputs[i].data;
}

const float *output_vector(const struct decode_frame *f, int *n)
{
    static const int64_t flat[] = {1, ANY}, planes[] = {1, ANY, 1, 1};
    if (f->n_outputs != 1)
        return NULL;
    const float *v = output_floats(f, 0, 2, flat);
    if (!v)
        v = output_floats(f, 0, 4, planes);
    if (!v || f->outputs[0].desc.dim[1] > INT32_MAX)
        return NULL;
    *n = (int) f->outputs[0].desc.dim[1];
    return v;
}

bool output_cells(const struct decode_frame *f, bool planes, int64_t all, struct cells *out)
{
    const struct session_output *o = &f->outputs[0];
    const struct tensor_desc *d = &o->desc;
    if (f->n_outputs != 1 || d->type != DT_F32 || d->layout != LAYOUT_PLAIN || d->rank != 3 || d->dim[0] != 1)
        return false;
    *out = (struct cells) {
        .v = o->data, .n = d->dim[planes ? 2 : 1], .values = d->dim[planes ? 1 : 2], .number = o->cells,
    };
    int64_t whole = o->cells ? o->n_cells : out->n;
    return out->values > 0 && out->values <= INT32_MAX && whole > 0 && (all == ANY || whole == all);
}

int64_t cell_number(const struct cells *c, int64_t i)
{
    return c->number ? c->number[i] : i;
}

static const struct tensor_desc *plain(const struct decode_frame *f, int i)
{
    bool there = i >= 0 && i < f->n_outputs && f->outputs[i].desc.layout == LAYOUT_PLAIN;
    return there && tensor_elems(&f->outputs[i].desc) >= 0 ? &f->outputs[i].desc : NULL;
}

bool output_rows(const struct decode_frame *f, int i, int width, int64_t *n)
{
    const struct tensor_desc *d = plain(f, i);
    if (!d || d->type != DT_F32 || (d->rank != 2 && d->rank != 3) || d->dim[d->rank - 1] != width ||
        (d->rank == 3 && d->dim[0] != 1))
        return false;
    *n = d->dim[d->rank - 2];
    return true;
}

bool output_list(const struct decode_frame *f, int i, int64_t *n)
{
    const struct tensor_desc *d = plain(f, i);
    if (!d || (d->rank != 1 && d->rank != 2) || (d->rank == 2 && d->dim[0] != 1))
        return false;
    *n = d->dim[d->rank - 1];
    return true;
}

double output_number(const struct session_output *o, int64_t i)
{
    switch (o->desc.type) {
    case DT_F32: return ((const float *) o->data)[i];
    case DT_I32: return ((const int32_t *) o->data)[i];
    case DT_I64: return (double) ((const int64_t *) o->data)[i];
    default:     return NAN;
    }
}

bool floats_finite(const float *v, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

int output_index(const struct decode_frame *f, const char *name)
{
    for (int i = 0; i < f->n_outputs; i++)
        if (!strcmp(f->names[i], name))
            return i;
    return -1;
}

enum cq_err output_mismatch(const struct decode_frame *f, const char *awaited)
{
    char text[TENSOR_TEXT_SIZE] = "none";
    if (f->n_outputs)
        tensor_text(&f->outputs[0].desc, text);
    cq_log_error(f->log, "decoder %s reads %s; the model gives %d output(s), the first %s: choose another --decoder",
                 f->card->decoder, awaited, f->n_outputs, text);
    return CQ_UNSUPPORTED;
}

int64_t grid_cells(int width, int height)
{
    int64_t n = 0;
    for (int stride = 8; stride <= 32; stride *= 2)
        n += (int64_t) (width / stride) * (height / stride);
    return n;
}

struct boxes boxes_begin(const struct decode_frame *f, struct answer *out)
{
    return (struct boxes) {.frame = f, .out = out};
}

static float clamp(float v, int limit)
{
    return v < 0 ? 0 : v > (float) limit ? (float) limit : v;
}

static bool to_display(const struct geometry *g, struct detection *d)
{
    d->x0 = geometry_display_x(g, d->x0);
    d->y0 = geometry_display_y(g, d->y0);
    d->x1 = geometry_display_x(g, d->x1);
    d->y1 = geometry_display_y(g, d->y1);
    bool finite = isfinite(d->x0) && isfinite(d->y0) && isfinite(d->x1) && isfinite(d->y1);
    for (int i = 0; i < d->n_points; i++) {
        d->point[i][0] = geometry_display_x(g, d->point[i][0]);
        d->point[i][1] = geometry_display_y(g, d->point[i][1]);
        finite = finite && isfinite(d->point[i][0]) && isfinite(d->point[i][1]);
    }
    return finite;
}

void boxes_add(struct boxes *b, const struct detection *d)
{
    if (b->err || d->score < b->frame->card->threshold)
        return;

    const struct geometry *g = b->frame->geometry;
    struct detection shown = *d;
    if (!isfinite(d->score) || !to_display(g, &shown)) {
        b->not_finite++;
        return;
    }
    shown.x0 = clamp(shown.x0, g->display_w);
    shown.y0 = clamp(shown.y0, g->display_h);
    shown.x1 = clamp(shown.x1, g->display_w);
    shown.y1 = clamp(shown.y1, g->display_h);
    if (shown.x1 - shown.x0 < 1e-3f || shown.y1 - shown.y0 < 1e-3f)
        return;
    b->err = answer_add_detection(b->out, &shown);
}

void box_centred(struct detection *d, float cx, float cy, float w, float h)
{
    d->x0 = cx - w / 2;
    d->y0 = cy - h / 2;
    d->x1 = cx + w / 2;
    d->y1 = cy + h / 2;
}

void boxes_add_as_told(struct boxes *b, const float box[4], float score, int class_id)
{
    const struct card *c = b->frame->card;
    float w = c->normalised ? (float) b->frame->geometry->input_w : 1;
    float h = c->normalised ? (float) b->frame->geometry->input_h : 1;
    struct detection d = {.class_id = class_id, .score = score};
    if (c->boxes == BOXES_CENTRED) {
        box_centred(&d, box[0] * w, box[1] * h, box[2] * w, box[3] * h);
    } else {
        int x = c->boxes == BOXES_YXYX;
        d.x0 = box[x] * w;
        d.y0 = box[1 - x] * h;
        d.x1 = box[2 + x] * w;
        d.y1 = box[3 - x] * h;
    }
    boxes_add(b, &d);
}

enum cq_err boxes_end(struct boxes *b)
{
    if (b->err)
        return b->err;
    if (b->not_finite)
        cq_log_debug(b->frame->log, "%s: dropped %d boxes that are not finite", b->frame->card->decoder, b->not_finite);
    nms(b->out, b->frame->card->nms, b->frame->card->max_items);
    return CQ_OK;
}

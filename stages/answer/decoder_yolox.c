/* YOLOX: one output [1,N,5+C] of cx, cy, w, h, objectness and C class scores, over the cells of three grids
 * (strides 8, 16, 32) one after the other, row by row.
 *
 * The usual export stops before the grid is applied:  cx = (dx + column)*stride, w = exp(dw)*stride  (Z. Ge et
 * al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430, and its anchor-free head). An export that
 * goes further needs an exponential in the graph, which is how it is told apart; the card's "decoded" says
 * otherwise. The network wants raw BGR, fitted into the top-left corner.
 */
#include <math.h>
#include <stdio.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

static int recognise(const struct model *m, char *why, int size)
{
    struct image_input in;
    if (!recognise_image(m, &in) || !in.width || !in.height || model_output_count(m) != 1)
        return 0;
    const struct model_io *out = model_output(m, 0);
    if (out->rank != 3 || out->dim[1] != grid_cells(in.width, in.height) || out->dim[2] < 6)
        return 0;
    snprintf(why, (size_t) size, "output [N,%lld,%lld] is the grids of strides 8, 16, 32 with 5+%lld values a cell",
             (long long) out->dim[1], (long long) out->dim[2], (long long) out->dim[2] - 5);
    return 90;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    defaults_raw(c, CHANNELS_BGR);
    c->fit = FIT_LETTERBOX_TOP_LEFT;
    c->resample = RESAMPLE_LINEAR;
    c->pad = 114;
    c->threshold = 0.3;
    c->nms = 0.45;
    c->decoded = recognise_op(m, "Exp");
    return CQ_OK;
}

/* Best class of one cell; `v` as in the output. */
static struct detection best_class(const float *v, int n_classes)
{
    int best = 0;
    for (int c = 1; c < n_classes; c++)
        if (v[5 + c] > v[5 + best])
            best = c;
    return (struct detection) {.class_id = best, .score = v[4] * v[5 + best]};
}

/* Cell `i` of a grid of so many columns. */
static void add_cell(struct boxes *b, const float *v, int n_classes, int stride, int columns, int i)
{
    if (v[4] < b->frame->card->threshold)
        return;
    struct detection d = best_class(v, n_classes);
    if (b->frame->card->decoded)
        box_centred(&d, v[0], v[1], v[2], v[3]);
    else
        box_centred(&d, (v[0] + (float) (i % columns)) * (float) stride, (v[1] + (float) (i / columns)) * (float) stride,
                    expf(v[2]) * (float) stride, expf(v[3]) * (float) stride);
    boxes_add(b, &d);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    const struct geometry *image = f->geometry;
    struct cells c;
    if (!output_cells(f, false, grid_cells(image->input_w, image->input_h), &c) || c.values < 6)
        return output_mismatch(f, "one output [1, cells of strides 8, 16, 32, 5+classes]");

    struct boxes b = boxes_begin(f, out);
    int64_t i = 0, first = 0;      /* of the grid */
    for (int stride = 8; stride <= 32; stride *= 2) {
        int columns = image->input_w / stride, rows = image->input_h / stride;
        for (; i < c.n && cell_number(&c, i) < first + columns * rows; i++)
            add_cell(&b, c.v + i * c.values, (int) c.values - 5, stride, columns, (int) (cell_number(&c, i) - first));
        first += columns * rows;
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_yolox = {
    .name      = "yolox",
    .help      = "YOLOX detectors",
    .recognise = recognise,
    .defaults  = defaults,
    .scores    = &(const struct score_place) {.first = 5, .gate = 4},
    .decode    = decode,
};

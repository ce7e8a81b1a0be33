/* Rows: detectors that suppress inside the graph and give a row of numbers for each box, in input pixels:
 *
 *     YOLOv10, YOLO26     [N,K,6]   x0 y0 x1 y1 score class
 *     YOLOv7 end to end   [n,7]     image x0 y0 x1 y1 class score
 *     PaddleDetection     [n,6]     class score x0 y0 x1 y1, and a second output of how many each image has
 *
 * Rows that only fill a fixed number have score 0 or class -1.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

struct form {
    int width, box, score, class;    /* numbers in a row, and where they stand */
};

static const struct form yolov10 = {6, 0, 4, 5}, yolov7 = {7, 1, 6, 5}, paddle = {6, 2, 1, 0};

static bool is_integer(enum dtype type)
{
    return type == DT_I32 || type == DT_I64;
}

static int recognise(const struct model *m, char *why, int size)
{
    const struct model_io *out = model_output_count(m) ? model_output(m, 0) : NULL;
    if (!out || (out->rank != 2 && out->rank != 3))
        return 0;
    int64_t width = out->dim[out->rank - 1];
    bool suppresses = recognise_op(m, "NonMaxSuppression"), picks = suppresses || recognise_op(m, "TopK");
    bool counts = model_output_count(m) == 2 && is_integer(model_output(m, 1)->type);
    bool is_paddle = out->rank == 2 && width == 6 && counts;
    bool is_yolo = model_output_count(m) == 1 && ((out->rank == 3 && width == 6 && picks) ||
                                                  (out->rank == 2 && (width == 6 || width == 7) && suppresses));
    if (!is_paddle && !is_yolo)
        return 0;
    snprintf(why, (size_t) size, "a row of %d numbers for each box that %s", (int) width,
             counts ? "is kept, and their count" : "the graph itself has picked");
    return 90;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    bool is_paddle = model_output_count(m) == 2;
    if (is_paddle)
        defaults_imagenet(c);
    else
        defaults_unit(c, CHANNELS_RGB);
    c->fit = is_paddle ? FIT_STRETCH : FIT_LETTERBOX;
    c->resample = RESAMPLE_LINEAR;
    c->pad = 114;
    c->threshold = 0.25;
    return labels_take_python(log, model_metadata(m, "names"), c);
}

static const struct form *form_of(const struct decode_frame *f)
{
    const struct tensor_desc *d = &f->outputs[0].desc;
    int64_t width = d->rank > 0 ? d->dim[d->rank - 1] : 0;
    if (f->n_outputs == 2)
        return &paddle;
    return width == yolov7.width ? &yolov7 : &yolov10;
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    int64_t n;
    const struct form *form = form_of(f);
    if (f->n_outputs < 1 || f->n_outputs > 2 || !output_rows(f, 0, form->width, &n))
        return output_mismatch(f, "rows of 6 or 7 numbers for each box");
    const float *v = f->outputs[0].data;
    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < n; i++, v += form->width)
        if (v[form->class] >= 0 && v[form->class] < INT32_MAX)
            boxes_add_as_told(&b, v + form->box, v[form->score], (int) v[form->class]);
    return boxes_end(&b);
}

const struct decoder_class decoder_rows = {
    .name      = "rows",
    .help      = "a row for each box: YOLOv10, YOLO26, YOLOv7 end to end, PaddleDetection",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

/* Lists: detectors that suppress inside the graph and give three outputs, in any order: boxes [n,4], scores [n] and
 * classes [n], each with a batch dimension in front or without.
 *
 * torchvision's (boxes, labels, scores) and RT-DETR's deployed form hold corners in input pixels; TensorFlow's object
 * detection (detection_boxes, detection_scores, detection_classes) holds y0 x0 y1 x1 in shares of the input, with
 * rows of score 0 behind those that count. A class keeps the number that the model gives it: torchvision's and
 * TensorFlow's begin with 1, so line 1 of their labels stands for the background.
 */
#include <stdio.h>
#include <string.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

enum list { LIST_BOXES, LIST_SCORES, LIST_CLASSES, LISTS };

static bool is_tensorflow(const char *name)
{
    return !strncmp(name, "detection_", 10);
}

/* By name; TensorFlow's models have outputs beside these three, whose names begin otherwise. */
static enum list list_of(const char *name)
{
    static const struct { const char *part; enum list list; } parts[] = {
        {"box", LIST_BOXES}, {"score", LIST_SCORES}, {"label", LIST_CLASSES}, {"class", LIST_CLASSES},
    };
    if (strncmp(name, "raw_", 4) && !strstr(name, "multiclass"))
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (strstr(name, parts[i].part))
                return parts[i].list;
    return LISTS;
}

static int recognise(const struct model *m, char *why, int size)
{
    const struct model_io *found[LISTS] = {NULL};
    for (int i = 0; i < model_output_count(m); i++) {
        enum list list = list_of(model_output(m, i)->name);
        if (list < LISTS && found[list])
            return 0;
        if (list < LISTS)
            found[list] = model_output(m, i);
    }
    for (int k = 0; k < LISTS; k++)
        if (!found[k])
            return 0;
    const struct model_io *boxes = found[LIST_BOXES];
    bool fits = (boxes->rank == 2 || boxes->rank == 3) && boxes->dim[boxes->rank - 1] == 4 &&
                found[LIST_SCORES]->rank == boxes->rank - 1 && found[LIST_CLASSES]->rank == boxes->rank - 1;
    if (!fits)
        return 0;
    snprintf(why, (size_t) size, "lists of boxes, scores and classes, %s",
             is_tensorflow(boxes->name) ? "named as TensorFlow's" : "in input pixels");
    return 92;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    struct image_input in;
    bool tensorflow = false;
    for (int i = 0; i < model_output_count(m); i++)
        tensorflow |= is_tensorflow(model_output(m, i)->name);
    if (tensorflow)
        defaults_raw(c, CHANNELS_RGB);
    else
        defaults_unit(c, CHANNELS_RGB);
    c->boxes = tensorflow ? BOXES_YXYX : BOXES_XYXY;
    c->normalised = tensorflow;
    c->fit = tensorflow || (recognise_image(m, &in) && in.width) ? FIT_STRETCH : FIT_LETTERBOX;
    c->resample = RESAMPLE_LINEAR;
    c->threshold = 0.5;
    return labels_take_python(log, model_metadata(m, "names"), c);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    int at[LISTS] = {-1, -1, -1};
    int64_t n, n_scores, n_classes;
    for (int i = 0; i < f->n_outputs; i++)
        if (list_of(f->names[i]) < LISTS)
            at[list_of(f->names[i])] = i;
    if (!output_rows(f, at[LIST_BOXES], 4, &n) || !output_list(f, at[LIST_SCORES], &n_scores) ||
        !output_list(f, at[LIST_CLASSES], &n_classes) || n_scores != n || n_classes != n)
        return output_mismatch(f, "boxes [n,4], scores [n] and classes [n]");

    const float *v = f->outputs[at[LIST_BOXES]].data;
    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < n; i++, v += 4) {
        double id = output_number(&f->outputs[at[LIST_CLASSES]], i);
        if (id >= 0 && id < INT32_MAX)
            boxes_add_as_told(&b, v, (float) output_number(&f->outputs[at[LIST_SCORES]], i), (int) id);
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_lists = {
    .name      = "lists",
    .help      = "boxes, scores and classes: torchvision, RT-DETR, TensorFlow object detection",
    .clip_size = true,
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

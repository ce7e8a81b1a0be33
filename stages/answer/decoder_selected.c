/* Selected: models that end with ONNX's NonMaxSuppression and give what it chose, [n,3] of image, class and box,
 * beside all boxes [N,K,4] and scores [N,C,K].
 *
 * The operator takes corners in any order, and says nothing of units: corners x0 y0 x1 y1 in input pixels are taken,
 * unless the card's "boxes" and "normalised" say otherwise.
 */
#include <stdio.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

struct parts {
    int chosen, boxes, scores;    /* outputs, -1: not found */
};

static bool is_complete(const struct parts *p)
{
    return p->chosen >= 0 && p->boxes >= 0 && p->scores >= 0;
}

static void place(struct parts *p, int i, enum dtype type, int rank, int64_t last)
{
    if (rank == 2 && last == 3 && (type == DT_I64 || type == DT_I32))
        p->chosen = i;
    else if (rank == 3 && last == 4 && p->boxes < 0)
        p->boxes = i;
    else if (rank == 3)
        p->scores = i;
}

static int recognise(const struct model *m, char *why, int size)
{
    struct parts p = {-1, -1, -1};
    if (model_output_count(m) != 3 || !recognise_op(m, "NonMaxSuppression"))
        return 0;
    for (int i = 0; i < 3; i++) {
        const struct model_io *io = model_output(m, i);
        place(&p, i, io->type, io->rank, io->rank > 0 ? io->dim[io->rank - 1] : 0);
    }
    if (!is_complete(&p))
        return 0;
    snprintf(why, (size_t) size, "what NonMaxSuppression chose, beside all boxes and scores");
    return 92;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    defaults_unit(c, CHANNELS_RGB);
    c->fit = FIT_LETTERBOX;
    c->resample = RESAMPLE_LINEAR;
    c->pad = 114;
    c->threshold = 0.25;
    return labels_take_python(log, model_metadata(m, "names"), c);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t box_shape[] = {1, ANY, 4}, score_shape[] = {1, ANY, ANY};
    struct parts p = {-1, -1, -1};
    for (int i = 0; i < f->n_outputs; i++) {
        const struct tensor_desc *d = &f->outputs[i].desc;
        place(&p, i, d->type, d->rank, d->rank > 0 ? d->dim[d->rank - 1] : 0);
    }
    const float *boxes = output_floats(f, p.boxes, 3, box_shape), *scores = output_floats(f, p.scores, 3, score_shape);
    if (!is_complete(&p) || !boxes || !scores || f->outputs[p.scores].desc.dim[2] != f->outputs[p.boxes].desc.dim[1])
        return output_mismatch(f, "indices [n,3], boxes [1,K,4] and scores [1,C,K]");

    const struct session_output *chosen = &f->outputs[p.chosen];
    int64_t n_boxes = f->outputs[p.boxes].desc.dim[1], n_classes = f->outputs[p.scores].desc.dim[1];
    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < chosen->desc.dim[0]; i++) {
        double class = output_number(chosen, 3 * i + 1), box = output_number(chosen, 3 * i + 2);
        if (class < 0 || class >= (double) n_classes || box < 0 || box >= (double) n_boxes)
            continue;
        int64_t k = (int64_t) box;
        boxes_add_as_told(&b, boxes + 4 * k, scores[(int64_t) class * n_boxes + k], (int) class);
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_selected = {
    .name      = "selected",
    .help      = "what NonMaxSuppression chose, beside all boxes and scores",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

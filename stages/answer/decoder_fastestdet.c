/* FastestDet: one output [1,5+C,H,W], planes of objectness, box (4) and class probabilities on one grid.
 *
 * Score = obj^0.6 * cls^0.4; centre = (tanh(dx) + column)/W and so on, size = sigmoid, all in shares of the
 * input (the FastestDet project's own post-processing). Objectness and classes come activated from the graph.
 * It takes BGR 0..1, stretched.
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
    if (!recognise_image(m, &in) || in.channels != 3 || model_output_count(m) != 1)
        return 0;
    const struct model_io *out = model_output(m, 0);
    if (out->rank != 4 || out->dim[1] < 6 || out->dim[2] < 2 || out->dim[3] < 2)
        return 0;
    if (out->dim[2] * 16 != in.height || out->dim[3] * 16 != in.width)
        return 0;
    if (!recognise_op(m, "Sigmoid") || !recognise_op(m, "Softmax"))
        return 0;
    snprintf(why, (size_t) size, "output [N,%lld,%lld,%lld] is one grid of stride 16, with sigmoid and softmax",
             (long long) out->dim[1], (long long) out->dim[2], (long long) out->dim[3]);
    return 80;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    defaults_unit(c, CHANNELS_BGR);
    c->fit = FIT_STRETCH;
    c->resample = RESAMPLE_LINEAR;
    c->threshold = 0.5;
    c->nms = 0.45;
    return CQ_OK;
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static void add_cell(struct boxes *b, const float *v, int n_classes, int columns, int rows, int i)
{
    int plane = columns * rows, best = 0;
    const float *classes = v + 5 * plane + i;
    for (int c = 1; c < n_classes; c++)
        if (classes[c * plane] > classes[best * plane])
            best = c;

    float width = (float) b->frame->geometry->input_w, height = (float) b->frame->geometry->input_h;
    struct detection d = {.class_id = best};
    d.score = powf(v[i], 0.6f) * powf(classes[best * plane], 0.4f);
    box_centred(&d, (tanhf(v[plane + i]) + (float) (i % columns)) / (float) columns * width,
                (tanhf(v[2 * plane + i]) + (float) (i / columns)) / (float) rows * height,
                sigmoid(v[3 * plane + i]) * width, sigmoid(v[4 * plane + i]) * height);
    boxes_add(b, &d);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t shape[] = {1, ANY, ANY, ANY};
    const float *v = f->n_outputs == 1 ? output_floats(f, 0, 4, shape) : NULL;
    const int64_t *dim = f->outputs[0].desc.dim;
    if (!v || dim[1] < 6 || tensor_elems(&f->outputs[0].desc) > INT32_MAX)
        return output_mismatch(f, "one output [1, 5+classes, rows, columns]");

    struct boxes b = boxes_begin(f, out);
    for (int i = 0; i < (int) (dim[2] * dim[3]); i++)
        add_cell(&b, v, (int) dim[1] - 5, (int) dim[3], (int) dim[2], i);
    return boxes_end(&b);
}

const struct decoder_class decoder_fastestdet = {
    .name      = "fastestdet",
    .help      = "FastestDet detectors",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

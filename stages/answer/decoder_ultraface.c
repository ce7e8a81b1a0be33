/* Ultra-Light-Fast face detectors (version-RFB and slim): scores [1,N,2] of background and face, boxes [1,N,4]
 * as corners in shares of the input's size. The priors are applied inside the graph.
 *
 * The frame is stretched to the input; colours are RGB, (x - 127)/128.
 */
#include <stdio.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/infer/model.h"

/* Which of two outputs has rows of `width`, by their shapes alone; -1 when not exactly one. */
static int output_of_width(const struct model *m, int64_t width)
{
    int found = -1;
    for (int i = 0; i < 2; i++) {
        const struct model_io *io = model_output(m, i);
        if (io->rank == 3 && io->dim[2] == width)
            found = found < 0 ? i : -2;
    }
    return found;
}

static int recognise(const struct model *m, char *why, int size)
{
    if (model_output_count(m) != 2)
        return 0;
    int scores = output_of_width(m, 2), boxes = output_of_width(m, 4);
    if (scores < 0 || boxes < 0 || model_output(m, scores)->dim[1] != model_output(m, boxes)->dim[1])
        return 0;
    snprintf(why, (size_t) size, "outputs [N,%lld,2] and [N,%lld,4]: two scores and a box per prior",
             (long long) model_output(m, scores)->dim[1], (long long) model_output(m, boxes)->dim[1]);
    return 85;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    static const float mean[] = {127, 127, 127}, scale[] = {1 / 128.0f, 1 / 128.0f, 1 / 128.0f};
    defaults_colours(c, CHANNELS_RGB, mean, scale);
    c->fit = FIT_STRETCH;
    c->resample = RESAMPLE_LINEAR;
    c->threshold = 0.7;
    c->nms = 0.3;
    return labels_one(c, "face");
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t score_shape[] = {1, ANY, 2};
    const float *scores = NULL, *corners = NULL;
    for (int i = 0; f->n_outputs == 2 && i < 2; i++) {
        scores = output_floats(f, i, 3, score_shape);
        if (!scores)
            continue;
        const int64_t box_shape[] = {1, f->outputs[i].desc.dim[1], 4};
        corners = output_floats(f, 1 - i, 3, box_shape);
        break;
    }
    if (!scores || !corners)
        return output_mismatch(f, "scores [1,N,2] and boxes [1,N,4]");

    float width = (float) f->geometry->input_w, height = (float) f->geometry->input_h;
    int64_t n = f->outputs[0].desc.dim[1];
    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < n; i++) {
        const float *c = corners + 4 * i;
        struct detection d = {.score = scores[2 * i + 1]};
        d.x0 = c[0] * width;
        d.y0 = c[1] * height;
        d.x1 = c[2] * width;
        d.y1 = c[3] * height;
        boxes_add(&b, &d);
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_ultraface = {
    .name      = "ultraface",
    .help      = "Ultra-Light-Fast faces (version-RFB, slim)",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

/* builtin:scene: an embedding for shots and near-duplicates, and what the picture itself is like.
 *
 * sharpness = sqrt(mean Laplacian^2 / variance of luma), of the picture at 256x256: about 0.2 for soft footage,
 * 1 for crisp detail; a blur finer than that size is not seen. 0 for a picture of one colour.
 * exposure is the mean of luma, contrast its standard deviation, both in 0..1.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/decoder.h"
#include "stages/infer/model.h"

enum { Q_EDGES, Q_LUMA, Q_LUMA_2, Q_DARK, Q_BRIGHT, Q_COUNT };

static const double FLAT_VARIANCE = 1e-5;

static int scene_recognise(const struct model *m, char *why, int size)
{
    const char *decoder = model_metadata(m, "decoder");
    if (!decoder || strcmp(decoder, "scene") || model_output_count(m) != 2)
        return 0;
    snprintf(why, (size_t) size, "the file's metadata names its decoder");
    return 100;
}

static enum cq_err scene_defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    c->channels = CHANNELS_RGB;
    c->fit = FIT_STRETCH;
    for (int i = 0; i < c->image.channels; i++) {
        c->image.mean[i] = 0;
        c->image.scale[i] = 1.0f / 255;
    }
    return CQ_OK;
}

static void fill_quality(const float *q, struct quality *out)
{
    double variance = (double) q[Q_LUMA_2] - (double) q[Q_LUMA] * q[Q_LUMA];
    out->exposure = q[Q_LUMA];
    out->contrast = (float) sqrt(fmax(variance, 0));
    out->sharpness = variance > FLAT_VARIANCE ? (float) sqrt(q[Q_EDGES] / variance) : 0;
    out->clipped_dark = q[Q_DARK];
    out->clipped_bright = q[Q_BRIGHT];
}

static enum cq_err scene_decode(const struct decode_frame *f, struct answer *out)
{
    if (f->n_outputs != 2 || tensor_elems(&f->outputs[1].desc) != Q_COUNT) {
        cq_log_error(f->log, "scene: expected an embedding and %d picture statistics", Q_COUNT);
        return CQ_UNSUPPORTED;
    }
    fill_quality(f->outputs[1].data, &out->quality);
    out->has_quality = 1;
    return answer_set_embedding(out, f->outputs[0].data, (int) tensor_elems(&f->outputs[0].desc));
}

const struct decoder_class decoder_scene = {
    .name = "scene",
    .help = "builtin:scene: embedding, sharpness, exposure; shots and near-duplicates follow from it",
    .recognise = scene_recognise,
    .defaults = scene_defaults,
    .decode = scene_decode,
};

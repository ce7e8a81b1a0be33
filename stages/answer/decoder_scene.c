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
#include "stages/answer/boxes.h"
#include "stages/answer/decoder.h"
#include "stages/infer/model.h"

enum { Q_EDGES, Q_LUMA, Q_LUMA_2, Q_DARK, Q_BRIGHT, Q_COUNT };

static const double FLAT_VARIANCE = 1e-5;

static int recognise(const struct model *m, char *why, int size)
{
    const char *decoder = model_metadata(m, "decoder");
    if (!decoder || strcmp(decoder, "scene") || model_output_count(m) != 2)
        return 0;
    snprintf(why, (size_t) size, "the file's metadata names its decoder");
    return 100;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
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

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t vector[] = {1, ANY}, statistics[] = {1, Q_COUNT};
    const float *v = f->n_outputs == 2 ? output_floats(f, 0, 2, vector) : NULL;
    const float *q = v ? output_floats(f, 1, 2, statistics) : NULL;
    if (!q)
        return output_mismatch(f, "an embedding [1,length] and picture statistics [1,5]");
    int n = (int) f->outputs[0].desc.dim[1];
    if (!floats_finite(v, n) || !floats_finite(q, Q_COUNT)) {
        cq_log_debug(f->log, "scene: dropped, a value is not finite");
        return CQ_OK;
    }
    fill_quality(q, &out->quality);
    out->has_quality = 1;
    return answer_set_embedding(out, v, n);
}

const struct decoder_class decoder_scene = {
    .name = "scene",
    .help = "builtin:scene: embedding, sharpness, exposure; shots and near-duplicates follow from it",
    .recognise = recognise,
    .defaults = defaults,
    .decode = decode,
};

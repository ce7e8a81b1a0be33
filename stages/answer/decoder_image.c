/* Image: models whose outputs are pictures (super resolution, matting, saliency), [1,1|3,H,W] with H and W
 * whole multiples of the input's. Each becomes a PNG beside the database.
 *
 * Values out are in the range of values in: 0..255 for a model fed with 0..255, else 0..1; colours come in the
 * order in which they went in. What is not finite becomes black.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/base/log.h"
#include "stages/answer/artifact.h"
#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/png.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

enum { MAX_SIZE = 16384 };

/* A dimension that the file leaves open may be anything; such a model is an image model only by its input. */
static bool is_picture(const struct model_io *io, const struct image_input *in)
{
    if (io->rank != 4 || (io->dim[1] != 1 && io->dim[1] != 3 && io->dim[1] != -1))
        return false;
    bool open = io->dim[2] < 0 || io->dim[3] < 0 || !in->width || !in->height;
    return open || (io->dim[2] % in->height == 0 && io->dim[3] % in->width == 0 &&
                    io->dim[2] / in->height == io->dim[3] / in->width && io->dim[2] > 0);
}

static int recognise(const struct model *m, char *why, int size)
{
    struct image_input in;
    if (!recognise_image(m, &in) || in.nhwc || !model_output_count(m))
        return 0;
    bool known = true;
    for (int i = 0; i < model_output_count(m); i++) {
        const struct model_io *io = model_output(m, i);
        if (!is_picture(io, &in))
            return 0;
        known = known && io->dim[2] > 0 && io->dim[3] > 0 && in.width && in.height;
    }
    snprintf(why, (size_t) size, known ? "every output is a picture of the input's size or a multiple of it"
                                       : "outputs of rank 4 and open size, taken for pictures");
    return known ? 65 : 30;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    defaults_unit(c, CHANNELS_RGB);
    c->fit = FIT_STRETCH;
    return CQ_OK;
}

static uint8_t to_byte(float v, float range)
{
    float x = v * range + 0.5f;
    return x >= 255 ? 255 : x >= 0 ? (uint8_t) x : 0;
}

/* Planes to interleaved RGB (or grey). */
static void interleave(const struct card *c, const float *v, int64_t area, int channels, uint8_t *out)
{
    float range = c->image.scale[0] > 0.5f ? 1 : 255;
    bool swap = channels == 3 && c->channels == CHANNELS_BGR;
    for (int k = 0; k < channels; k++) {
        const float *plane = v + (swap ? 2 - k : k) * area;
        for (int64_t i = 0; i < area; i++)
            out[i * channels + k] = isfinite(plane[i]) ? to_byte(plane[i], range) : 0;
    }
}

static enum cq_err write_picture(const struct decode_frame *f, int i, const float *v, struct answer *out)
{
    const int64_t *dim = f->outputs[i].desc.dim;
    struct artifact row;
    char path[ARTIFACT_PATH_MAX];
    enum cq_err err = artifact_name(f, i, "png", &row, path);
    if (err)
        return err;
    snprintf(row.shape, sizeof row.shape, "%lldx%lld", (long long) dim[3], (long long) dim[2]);

    uint8_t *pixels = malloc((size_t) (dim[1] * dim[2] * dim[3]));
    if (!pixels)
        return CQ_NOMEM;
    interleave(f->card, v, dim[2] * dim[3], (int) dim[1], pixels);
    err = png_write(f->log, path, pixels, (int) dim[3], (int) dim[2], (int) dim[1]);
    free(pixels);
    return err ? err : answer_add_artifact(out, &row);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t shape[] = {1, ANY, ANY, ANY};
    if (!f->folder) {
        cq_log_debug(f->log, "image: no folder to write to");
        return CQ_OK;
    }
    enum cq_err err = CQ_OK;
    for (int i = 0; !err && i < f->n_outputs; i++) {
        const float *v = output_floats(f, i, 4, shape);
        const int64_t *dim = f->outputs[i].desc.dim;
        if (!v || (dim[1] != 1 && dim[1] != 3) || dim[2] > MAX_SIZE || dim[3] > MAX_SIZE)
            return output_mismatch(f, "pictures [1, 1 or 3, height, width]");
        err = write_picture(f, i, v, out);
    }
    return err;
}

const struct decoder_class decoder_image = {
    .name      = "image",
    .help      = "pictures out: written as PNG",
    .files     = true,
    .clip_size = true,
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

/* YuNet: faces with five landmarks, from twelve outputs cls_S, obj_S, bbox_S, kps_S at strides S = 8, 16, 32,
 * each [1, cells, 1 | 1 | 4 | 10].
 *
 * Score = sqrt(cls*obj); box and landmarks are offsets from the cell in units of the stride, sizes through exp
 * (W. Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023). Landmarks: right eye, left eye, nose,
 * right and left corner of the mouth, as seen on the face's own sides.
 *
 * It takes raw BGR, in multiples of 32 pixels. The frame is letterboxed with black, so that faces keep their
 * aspect.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

enum { LANDMARKS = 5, PARTS = 4 };

static const struct {
    const char *name;
    int width;
} parts[PARTS] = {{"cls", 1}, {"obj", 1}, {"bbox", 4}, {"kps", 2 * LANDMARKS}};

static int recognise(const struct model *m, char *why, int size)
{
    if (model_output_count(m) != 3 * PARTS)
        return 0;
    for (int stride = 8; stride <= 32; stride *= 2) {
        for (int p = 0; p < PARTS; p++) {
            char name[16];
            snprintf(name, sizeof name, "%s_%d", parts[p].name, stride);
            const struct model_io *io = recognise_output(m, name);
            if (!io || io->rank != 3 || io->dim[2] != parts[p].width)
                return 0;
        }
    }
    snprintf(why, (size_t) size, "outputs cls, obj, bbox, kps at strides 8, 16, 32");
    return 95;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) m;
    defaults_size(c, 640, 640);
    if (c->image.width % 32 || c->image.height % 32) {
        cq_log_error(log, "yunet needs an input of multiples of 32 pixels, not %dx%d", c->image.width, c->image.height);
        return CQ_INVALID;
    }
    defaults_raw(c, CHANNELS_BGR);
    c->fit = FIT_LETTERBOX;
    c->resample = RESAMPLE_LINEAR;
    c->threshold = 0.6;
    c->nms = 0.3;
    return labels_one(c, "face");
}

/* The outputs of one stride, in the order of `parts`; false when one is missing or of another shape. */
static bool find_parts(const struct decode_frame *f, int stride, int cells, const float *out[PARTS])
{
    for (int p = 0; p < PARTS; p++) {
        char name[16];
        snprintf(name, sizeof name, "%s_%d", parts[p].name, stride);
        const int64_t shape[] = {1, cells, parts[p].width};
        out[p] = output_floats(f, output_index(f, name), 3, shape);
        if (!out[p])
            return false;
    }
    return true;
}

static float unit(float v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static void add_cell(struct boxes *b, const float *const part[PARTS], int i, int column, int row, float stride)
{
    struct detection d = {.score = sqrtf(unit(part[0][i]) * unit(part[1][i])), .n_points = LANDMARKS};
    const float *box = part[2] + 4 * i, *points = part[3] + 2 * LANDMARKS * i;
    box_centred(&d, ((float) column + box[0]) * stride, ((float) row + box[1]) * stride, expf(box[2]) * stride,
                expf(box[3]) * stride);
    for (int k = 0; k < LANDMARKS; k++) {
        d.point[k][0] = ((float) column + points[2 * k]) * stride;
        d.point[k][1] = ((float) row + points[2 * k + 1]) * stride;
    }
    boxes_add(b, &d);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    const struct geometry *image = f->geometry;
    struct boxes b = boxes_begin(f, out);
    for (int stride = 8; stride <= 32; stride *= 2) {
        int columns = image->input_w / stride, cells = columns * (image->input_h / stride);
        const float *part[PARTS];
        if (!find_parts(f, stride, cells, part))
            return output_mismatch(f, "cls, obj, bbox and kps at strides 8, 16, 32 of an input of multiples of 32");
        for (int i = 0; i < cells; i++)
            add_cell(&b, part, i, i % columns, i / columns, (float) stride);
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_yunet = {
    .name      = "yunet",
    .help      = "YuNet faces with five landmarks",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

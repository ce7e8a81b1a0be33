/* YOLOv8, YOLO11 and their kin: one output [1,4+C,N], plane after plane of cx, cy, w, h in input pixels and C
 * class scores; pose models put K landmarks of x, y, visibility behind them ([1,4+C+3K,N]).
 *
 * Exports of that family carry metadata: "names" (labels, a Python dict), "task", "imgsz", "kpt_shape". Tasks
 * whose planes mean something else (segment, obb) are not read here. Without metadata the number of cells,
 * that of the grids of strides 8, 16, 32, tells the model. Input is RGB 0..1, letterboxed in the middle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

enum { POINT_VALUES = 3 };

static const char *task_of(const struct model *m)
{
    const char *task = model_metadata(m, "task");
    return task ? task : "detect";
}

static bool is_known_task(const struct model *m)
{
    return !strcmp(task_of(m), "detect") || !strcmp(task_of(m), "pose");
}

/* Strides 8, 16, 32, with 4 before or 64 behind in some variants. */
static bool is_grid(int64_t cells, int w, int h)
{
    int64_t usual = grid_cells(w, h), finer = (int64_t) (w / 4) * (h / 4), coarser = (int64_t) (w / 64) * (h / 64);
    return cells == usual || cells == usual + finer || cells == usual + coarser;
}

static int recognise(const struct model *m, char *why, int size)
{
    struct image_input in;
    if (!recognise_image(m, &in) || model_output_count(m) != 1 || !is_known_task(m))
        return 0;
    const struct model_io *out = model_output(m, 0);
    if (out->rank != 3 || out->dim[1] < 5)
        return 0;

    bool tells = model_metadata(m, "names") && model_metadata(m, "stride");
    if (tells && (out->dim[2] < 0 || out->dim[2] > out->dim[1])) {
        snprintf(why, (size_t) size, "metadata of a YOLO export (task %.32s) and output [N,%lld,cells]", task_of(m),
                 (long long) out->dim[1]);
        return 95;
    }
    if (!in.width || !in.height || !is_grid(out->dim[2], in.width, in.height))
        return 0;
    snprintf(why, (size_t) size, "output [N,%lld,%lld] is 4+%lld planes over the grids of strides 8, 16, 32",
             (long long) out->dim[1], (long long) out->dim[2], (long long) out->dim[1] - 4);
    return 80;
}

/* "[17, 3]" */
static enum cq_err pose_defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    const char *shape = model_metadata(m, "kpt_shape");
    int points = 0, values = 0;
    if (!shape || sscanf(shape, "[%d, %d]", &points, &values) != 2)
        values = 0;
    if (values != POINT_VALUES || points < 1 || points > ANSWER_MAX_POINTS) {
        cq_log_error(log, "decoder yolov8 reads poses of at most %d landmarks with 3 values each, not kpt_shape %s: "
                     "use --decoder raw", ANSWER_MAX_POINTS, shape ? shape : "(none)");
        return CQ_UNSUPPORTED;
    }
    c->keypoints = points;
    return CQ_OK;
}

/* "imgsz" is "[height, width]". */
static void size_of_metadata(const struct model *m, struct card *c)
{
    const char *text = model_metadata(m, "imgsz");
    int height = 0, width = 0;
    bool told = text && sscanf(text, "[%d, %d]", &height, &width) == 2 && height > 0 && height <= CARD_MAX_SIZE &&
                width > 0 && width <= CARD_MAX_SIZE;
    if (told)
        defaults_size(c, width, height);
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    if (!is_known_task(m)) {
        cq_log_error(log, "decoder yolov8 does not read models of task \"%s\": use --decoder raw", task_of(m));
        return CQ_UNSUPPORTED;
    }
    defaults_unit(c, CHANNELS_RGB);
    c->fit = FIT_LETTERBOX;
    c->resample = RESAMPLE_LINEAR;
    c->pad = 114;
    c->threshold = 0.25;
    c->nms = 0.7;
    size_of_metadata(m, c);
    enum cq_err err = strcmp(task_of(m), "pose") ? CQ_OK : pose_defaults(log, m, c);
    return err ? err : labels_take_python(log, model_metadata(m, "names"), c);
}

/* Best class of every cell. Planes are read one after the other: a cell's own values lie far apart. */
static void best_classes(const float *planes, int n_classes, int64_t cells, struct classification *best)
{
    for (int64_t i = 0; i < cells; i++)
        best[i] = (struct classification) {.score = planes[i]};
    for (int c = 1; c < n_classes; c++) {
        const float *plane = planes + c * cells;
        for (int64_t i = 0; i < cells; i++)
            if (plane[i] > best[i].score)
                best[i] = (struct classification) {.class_id = c, .score = plane[i]};
    }
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    const int n_points = f->card->keypoints;
    struct cells c;
    if (!output_cells(f, true, ANY, &c) || c.values < 5 + POINT_VALUES * n_points)
        return output_mismatch(f, "one output [1, 4+classes+3*keypoints, cells]");

    const float *v = c.v;
    int64_t cells = c.n, n_classes = c.values - 4 - POINT_VALUES * n_points;
    struct classification *best = malloc((size_t) cells * sizeof *best + 1);
    if (!best)
        return CQ_NOMEM;
    best_classes(v + 4 * cells, (int) n_classes, cells, best);

    const float *points = v + (4 + n_classes) * cells;
    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < cells; i++) {
        struct detection d = {.class_id = best[i].class_id, .score = best[i].score, .n_points = n_points};
        box_centred(&d, v[i], v[cells + i], v[2 * cells + i], v[3 * cells + i]);
        for (int k = 0; k < n_points; k++) {
            d.point[k][0] = points[POINT_VALUES * k * cells + i];
            d.point[k][1] = points[(POINT_VALUES * k + 1) * cells + i];
        }
        boxes_add(&b, &d);
    }
    free(best);
    return boxes_end(&b);
}

const struct decoder_class decoder_yolov8 = {
    .name      = "yolov8",
    .help      = "YOLOv8 and YOLO11 detectors and poses",
    .recognise = recognise,
    .defaults  = defaults,
    .scores    = &(const struct score_place) {.planes = true, .first = 4, .per_point = POINT_VALUES, .gate = -1},
    .decode    = decode,
};

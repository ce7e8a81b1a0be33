/* Sizes and ranges of measurements with clips. */
#include "cmd/bench_media.h"

#include <math.h>

#include "runner/pipeline_load.h"
#include "stages/answer/scene.h"
#include "stages/infer/model.h"

enum cq_err bench_card(struct cq_log *log, const char *model, const struct cq_opt_size *size, struct card *out)
{
    const struct pipeline_flags flags = {.threshold = NAN, .nms = NAN, .width = size->width, .height = size->height};
    struct model *m = NULL;
    if (!model && size->width) {
        *out = card_neutral();
        out->fit = FIT_LETTERBOX;
        out->resample = RESAMPLE_LINEAR;
        out->image.width = size->width > 0 ? size->width : 0;
        out->image.height = size->height > 0 ? size->height : 0;
        return CQ_OK;
    }
    enum cq_err err = pipeline_load_model(log, model ? model : BUILTIN_SCENE, &flags, &m, out);
    model_destroy(&m);
    return err;
}

double bench_media_s(const struct bench_clip *c, const struct sampling_args *s)
{
    double end = c->probe.duration_s;
    if (s->to.s > 0 && s->to.s < end)
        end = s->to.s;
    return end > s->from.s ? end - s->from.s : 0;
}

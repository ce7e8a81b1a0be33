/* The registry of decoders, in the order in which `clipq model` lists them; where two are equally sure of a
 * model, the first has it. */
#include "stages/answer/decoder.h"

#include <math.h>
#include <string.h>

#include "stages/answer/decoders.h"

const struct decoder_class *const decoder_classes[] = {
    &decoder_yolox,
    &decoder_yunet,
    &decoder_ultraface,
    &decoder_fastestdet,
    &decoder_yolov8,
    &decoder_rows,
    &decoder_lists,
    &decoder_detr,
    &decoder_selected,
    &decoder_classification,
    &decoder_embedding,
    &decoder_image,
    &decoder_scene,
    &decoder_raw,
    NULL,
};

const struct decoder_class *decoder_find(const char *name)
{
    for (int i = 0; decoder_classes[i]; i++)
        if (!strcmp(decoder_classes[i]->name, name))
            return decoder_classes[i];
    return NULL;
}

/* The largest float that is not above. */
static float float_below(double v)
{
    float f = (float) v;
    return (double) f > v ? nextafterf(f, -INFINITY) : f;
}

bool decoder_candidates(const struct decoder_class *d, const struct card *c, struct session_candidates *out)
{
    const struct score_place *p = d->scores;
    if (!p)
        return false;
    *out = (struct session_candidates) {
        .planes = p->planes, .first = p->first, .behind = p->per_point * c->keypoints, .gate = p->gate,
        .threshold = float_below(c->threshold),
    };
    return true;
}

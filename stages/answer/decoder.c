/* The registry of decoders, in the order in which `clipq model` lists them; where two are equally sure of a
 * model, the first has it. */
#include "stages/answer/decoder.h"

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

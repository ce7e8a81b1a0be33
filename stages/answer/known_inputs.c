/* Detectors with their scaling inside the graph ask for the size of the picture that was shrunk (RT-DETR and D-FINE:
 * orig_target_sizes, width and height) or for how much it was (PaddleDetection: im_shape, height and width, and
 * scale_factor). They are told that nothing was: so boxes come in input pixels, and the way to display
 * pixels is the decoders', as for every other model. */
#include "stages/answer/known_inputs.h"

#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

enum meaning { UNKNOWN, WIDTH_HEIGHT, HEIGHT_WIDTH, ONE };

static enum meaning meaning_of(const struct model_io *io)
{
    static const struct {
        const char *name;
        enum meaning meaning;
    } known[] = {
        {"orig_target_sizes", WIDTH_HEIGHT},
        {"im_shape", HEIGHT_WIDTH},
        {"scale_factor", ONE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(io->name, known[i].name))
            return known[i].meaning;
    return UNKNOWN;
}

static enum cq_err fix(struct cq_log *log, struct model *m, int i, enum meaning meaning, const struct image_input *in)
{
    const double one = 1, size[2] = {meaning == WIDTH_HEIGHT ? in->width : in->height,
                                     meaning == WIDTH_HEIGHT ? in->height : in->width};
    if (meaning == ONE)
        return model_fix_input(log, m, i, &one, 1);
    if (in->width && in->height)
        return model_fix_input(log, m, i, size, 2);
    cq_log_error(log, "input '%s' asks for the picture's size, which the file leaves open: export the model for a fixed "
                 "height and width", model_input(m, i)->name);
    return CQ_UNSUPPORTED;
}

enum cq_err known_inputs_fix(struct cq_log *log, struct model *m)
{
    struct image_input in = {0};
    bool pictured = false;
    for (int i = 0; i < model_input_count(m) && !pictured; i++)
        pictured = recognise_picture(model_input(m, i), &in);
    enum cq_err err = CQ_OK;
    for (int i = model_input_count(m) - 1; i >= 0 && pictured && !err; i--) {
        enum meaning meaning = meaning_of(model_input(m, i));
        if (meaning != UNKNOWN)
            err = fix(log, m, i, meaning, &in);
    }
    return err;
}

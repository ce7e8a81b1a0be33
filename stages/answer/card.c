/* From a model to its card: which input takes the picture, which decoder is surest, what its family expects. */
#include "stages/answer/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/decoder.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

/* "images float32[1,3,?,?], mask float32[1,1]", cut where it gets too long. */
static void inputs_text(const struct model *m, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < model_input_count(m) && at < size; i++) {
        const struct model_io *io = model_input(m, i);
        at += (size_t) snprintf(out + at, size - at, "%s%s %s[", i ? ", " : "", io->name, dtype_name(io->type));
        for (int k = 0; k < io->rank && at < size; k++)
            at += (size_t) snprintf(out + at, size - at, io->dim[k] < 0 ? "%s?" : "%s%lld", k ? "," : "",
                                    (long long) io->dim[k]);
        if (at < size)
            at += (size_t) snprintf(out + at, size - at, "]");
    }
}

static enum cq_err not_one_picture(struct cq_log *log, const struct model *m)
{
    char text[256];
    inputs_text(m, text, sizeof text);
    cq_log_error(log, "the model must take one picture and nothing else: one float input [N,C,H,W] or [N,H,W,C] with C "
                 "1 or 3; it takes %s", text[0] ? text : "nothing");
    return CQ_UNSUPPORTED;
}

static const struct decoder_class *surest(const struct model *m, char *why, size_t size)
{
    const struct decoder_class *best = NULL;
    int sure = 0;
    for (int i = 0; decoder_classes[i]; i++) {
        char text[sizeof((struct card *) 0)->why];
        int this_sure = decoder_classes[i]->recognise(m, text, sizeof text);
        if (this_sure > sure) {
            best = decoder_classes[i];
            sure = this_sure;
            snprintf(why, size, "%s", text);
        }
    }
    return best;
}

static enum cq_err choose(struct cq_log *log, const struct model *m, const char *name, struct card *c,
                          const struct decoder_class **out)
{
    *out = name ? decoder_find(name) : surest(m, c->why, sizeof c->why);
    if (!*out) {
        cq_log_error(log, "there is no decoder \"%s\"", name);
        return CQ_INVALID;
    }
    if (name)
        snprintf(c->why, sizeof c->why, "chosen by name");
    snprintf(c->decoder, sizeof c->decoder, "%s", (*out)->name);
    return CQ_OK;
}

static void set_size(struct cq_log *log, const struct image_input *in, int width, int height, struct card *c)
{
    c->image.width = in->width ? in->width : width > 0 ? width : 0;
    c->image.height = in->height ? in->height : height > 0 ? height : 0;
    if ((width > 0 && c->image.width != width) || (height > 0 && c->image.height != height))
        cq_log_warn(log, "the model fixes its input to %dx%d (0: open), so %dx%d is not used", in->width, in->height,
                    width, height);
}

/* Sides that nobody set: the family's usual size, or the clip's. */
static void close_size(const struct image_input *in, bool clip, struct card *c)
{
    if (!clip) {
        defaults_size(c, 640, 640);
        return;
    }
    c->image.width = in->width;
    c->image.height = in->height;
}

static bool is_possible(int width, int height)
{
    bool clip = width == CARD_CLIP_SIZE && height == CARD_CLIP_SIZE;
    return clip || (width >= 0 && width <= CARD_MAX_SIZE && height >= 0 && height <= CARD_MAX_SIZE);
}

enum cq_err card_from_model(struct cq_log *log, const struct model *m, const char *decoder, int width, int height,
                            struct card *out)
{
    struct image_input in;
    if (!recognise_image(m, &in))
        return not_one_picture(log, m);
    if (model_output_count(m) > DECODE_MAX_OUTPUTS) {
        cq_log_error(log, "the model has %d outputs, more than %d", model_output_count(m), DECODE_MAX_OUTPUTS);
        return CQ_UNSUPPORTED;
    }
    if (!is_possible(width, height)) {
        cq_log_error(log, "an input of %dx%d is not possible: at most %d each way", width, height, CARD_MAX_SIZE);
        return CQ_INVALID;
    }

    struct card c = card_neutral();
    c.image.channels = in.channels;
    c.image.nhwc = in.nhwc;
    set_size(log, &in, width, height, &c);
    const struct decoder_class *class;
    enum cq_err err = choose(log, m, decoder, &c, &class);
    if (!err)
        err = class->defaults(log, m, &c);
    if (err) {
        card_finish(&c);
        return err;
    }
    close_size(&in, width == CARD_CLIP_SIZE || (class->clip_size && !width), &c);
    *out = c;
    return CQ_OK;
}

struct card card_neutral(void)
{
    struct card c = {.nms = 1, .top_k = 5, .max_items = 300, .max_size = 1920};
    c.image.channels = 3;
    for (int i = 0; i < 4; i++)
        c.image.scale[i] = 1;
    return c;
}

const char *card_label(const struct card *c, int class_id)
{
    return class_id >= 0 && class_id < c->n_labels ? c->labels[class_id] : NULL;
}

void card_finish(struct card *c)
{
    struct labels labels = {c->labels, c->n_labels};
    labels_finish(&labels);
    *c = (struct card) {0};
}

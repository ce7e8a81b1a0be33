/* From a model's name on the command line to its place in a pipeline. */
#include "runner/pipeline_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "kernels/base/log.h"
#include "runner/pipeline.h"
#include "stages/answer/card.h"
#include "stages/answer/decoder.h"
#include "stages/answer/known_inputs.h"
#include "stages/answer/scene.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"

static bool is_builtin(const char *spec) { return !strncmp(spec, "builtin:", 8); }

static enum cq_err load(struct cq_log *log, const char *spec, struct model **out)
{
    if (!is_builtin(spec))
        return model_load(log, spec, out);
    if (strcmp(spec, BUILTIN_SCENE)) {
        cq_log_error(log, "%s: there is one built-in model, %s", spec, BUILTIN_SCENE);
        return CQ_NOT_FOUND;
    }
    size_t size;
    const void *data = builtin_scene(&size);
    return model_load_memory(log, BUILTIN_SCENE, data, size, out);
}

static enum cq_err check_decoder(struct cq_log *log, const char *name)
{
    if (!name || decoder_find(name))
        return CQ_OK;
    char names[256] = "";
    size_t n = 0;
    for (int i = 0; decoder_classes[i] && n < sizeof names; i++)
        n += (size_t) snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", decoder_classes[i]->name);
    cq_log_error(log, "--decoder %s: unknown; there are %s", name, names);
    return CQ_INVALID;
}

static enum cq_err make_card(struct cq_log *log, const struct model *m, const char *spec,
                             const struct pipeline_flags *f, struct card *card)
{
    enum cq_err err = card_make(log, m, &(struct card_request) {
        .model_path = is_builtin(spec) ? NULL : spec,
        .decoder = f->decoder,
        .labels = f->labels,
        .width = f->width,
        .height = f->height,
    }, card);
    if (err)
        return err;
    if (!isnan(f->threshold))
        card->threshold = f->threshold;
    if (!isnan(f->nms))
        card->nms = f->nms;
    if (f->precision)
        card->precision = (enum precision) (f->precision - 1);
    return CQ_OK;
}

/* A clip's, where the input takes the clip's size. */
enum { TYPICAL_WIDTH = 1280, TYPICAL_HEIGHT = 720 };

/* Odd multiples of `step` that halve differently: rounded down or up, one of the two stays odd. */
static bool works_in_steps(const struct model *m, const struct card *c, int step)
{
    struct session_image image = c->image;
    image.width = image.width ? image.width : 256 - step;
    image.height = image.height ? image.height : 256 + step;
    return !session_check_shapes(NULL, m, &image);
}

/* The smallest step in which the input's size may change: where a network halves its input and later joins the
 * parts, its shapes fit together at multiples only. Sought from above, since an odd multiple of the right one's half
 * surely fails while that of a smaller one may fit by rounding. Stays open when even the largest fails. */
static void find_stride(const struct model *m, struct card *c)
{
    enum { LARGEST = 64 };
    int step = LARGEST;
    while (step && works_in_steps(m, c, step))
        step /= 2;
    if (step < LARGEST)
        c->stride = step ? 2 * step : 1;
}

/* Named now, at submit, rather than at night: what the engine cannot run. */
static enum cq_err check_shapes(struct cq_log *log, const struct model *m, struct card *c)
{
    struct session_image image = c->image;
    if (card_follows_clip(c) && !c->stride)
        find_stride(m, c);
    card_size_for(c, TYPICAL_WIDTH, TYPICAL_HEIGHT, &image.width, &image.height);
    return session_check_shapes(log, m, &image);
}

enum cq_err pipeline_load_file(struct cq_log *log, const char *spec, struct model **out)
{
    struct model *m = NULL;
    *out = NULL;
    enum cq_err err = load(log, spec, &m);
    if (!err)
        err = known_inputs_fix(log, m);
    if (err)
        model_destroy(&m);
    else
        *out = m;
    return err;
}

enum cq_err pipeline_make_card(struct cq_log *log, const struct model *m, const char *spec,
                               const struct pipeline_flags *flags, struct card *card)
{
    enum cq_err err = make_card(log, m, spec, flags, card);
    if (err)
        return err;
    err = check_shapes(log, m, card);
    if (err)
        card_finish(card);
    return err;
}

enum cq_err pipeline_load_model(struct cq_log *log, const char *spec, const struct pipeline_flags *flags,
                                struct model **out, struct card *card)
{
    struct model *m = NULL;
    *out = NULL;
    enum cq_err err = check_decoder(log, flags->decoder);
    if (!err)
        err = pipeline_load_file(log, spec, &m);
    if (err)
        return err;
    err = pipeline_make_card(log, m, spec, flags, card);
    if (err)
        model_destroy(&m);
    else
        *out = m;
    return err;
}

/* Names are shown and stored as text, so they must be text. */
static void put_name(const char *spec, char *out, size_t size)
{
    const char *slash = is_builtin(spec) ? NULL : strrchr(spec, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : spec);
    json_t *text = json_string(out);
    for (char *c = out; *c; c++)
        if ((unsigned char) *c < 0x20 || (unsigned char) *c == 0x7f || (!text && (unsigned char) *c >= 0x80))
            *c = '?';
    json_decref(text);
}

static enum cq_err put_path(struct cq_log *log, const char *spec, struct pipeline_model *m)
{
    if (is_builtin(spec)) {
        snprintf(m->path, sizeof m->path, "%s", spec);
        return CQ_OK;
    }
    if (!realpath(spec, m->path)) {
        cq_log_error(log, "%s: its full path cannot be found", spec);
        return CQ_IO;
    }
    return CQ_OK;
}

enum cq_err pipeline_add_model(struct cq_log *log, struct pipeline *p, const char *spec,
                               const struct pipeline_flags *flags)
{
    if (p->n_models == PIPELINE_MAX_MODELS) {
        cq_log_error(log, "more than %d models", PIPELINE_MAX_MODELS);
        return CQ_INVALID;
    }
    struct pipeline_model *m = &p->models[p->n_models];
    struct model *model;
    memset(m, 0, sizeof *m);
    enum cq_err err = pipeline_load_model(log, spec, flags, &model, &m->card);
    if (err)
        return err;
    put_name(spec, m->name, sizeof m->name);
    snprintf(m->hash, sizeof m->hash, "%s", model_hash(model));
    model_destroy(&model);
    err = put_path(log, spec, m);
    for (int i = 0; !err && i < p->n_models; i++)
        if (!strcmp(p->models[i].hash, m->hash)) {
            cq_log_error(log, "--model %s: the same model as %s; give it once", spec, p->models[i].path);
            err = CQ_INVALID;
        }
    if (err)
        card_finish(&m->card);
    else
        p->n_models++;
    return err;
}

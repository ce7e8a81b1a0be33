/* Pipelines as canonical JSON: sorted keys, no spaces, seventeen digits. */
#include "runner/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <xxhash.h>

#include "kernels/base/log.h"

enum { VERSION = 1 };

static const char *const mode_names[] = {
    [SAMPLE_EVERY] = "every", [SAMPLE_FPS] = "fps", [SAMPLE_KEYFRAMES] = "keyframes",
};

static json_t *sample_to_json(const struct sample_spec *s)
{
    json_t *j = json_pack("{s:s, s:f, s:f}", "mode", mode_names[s->mode], "from_s", s->from_s, "to_s", s->to_s);
    if (s->mode == SAMPLE_EVERY)
        json_object_set_new(j, "every", json_integer(s->every));
    if (s->mode == SAMPLE_FPS)
        json_object_set_new(j, "fps", json_real(s->fps));
    return j;
}

static json_t *models_to_json(const struct pipeline *p)
{
    json_t *list = json_array();
    for (int i = 0; list && i < p->n_models; i++) {
        const struct pipeline_model *m = &p->models[i];
        json_t *card = card_to_json(&m->card);
        json_t *entry = card ? json_pack("{s:s, s:s, s:o}", "name", m->name, "hash", m->hash, "card", card) : NULL;
        if (!entry || json_array_append_new(list, entry)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

char *pipeline_to_text(const struct pipeline *p)
{
    json_t *sample = sample_to_json(&p->sample), *models = models_to_json(p);
    json_t *root = NULL;
    if (sample && models) {
        root = json_pack("{s:i, s:o, s:o}", "version", VERSION, "sample", sample, "models", models);
    } else {
        json_decref(sample);
        json_decref(models);
    }
    char *text = root ? json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static enum cq_err corrupt(struct cq_log *log, const char *what)
{
    cq_log_error(log, "pipeline document: %s", what);
    return CQ_CORRUPT;
}

static enum cq_err sample_from_json(struct cq_log *log, json_t *j, struct sample_spec *out)
{
    const char *mode;
    *out = (struct sample_spec) {.every = 1};
    if (json_unpack(j, "{s:s, s:F, s:F, s?i, s?F}", "mode", &mode, "from_s", &out->from_s, "to_s", &out->to_s, "every",
                    &out->every, "fps", &out->fps))
        return corrupt(log, "sample needs mode, from_s, to_s");
    for (int m = 0; m < (int) (sizeof mode_names / sizeof *mode_names); m++)
        if (!strcmp(mode, mode_names[m])) {
            out->mode = (enum sample_mode) m;
            bool usable = (out->mode != SAMPLE_EVERY || out->every >= 1) && (out->mode != SAMPLE_FPS || out->fps > 0);
            return usable ? CQ_OK : corrupt(log, "sample asks for no frames");
        }
    return corrupt(log, "unknown sampling mode");
}

static enum cq_err model_from_json(struct cq_log *log, json_t *j, struct pipeline_model *out)
{
    const char *name, *hash;
    json_t *card;
    if (json_unpack(j, "{s:s, s:s, s:o}", "name", &name, "hash", &hash, "card", &card) ||
        strlen(name) >= sizeof out->name || strlen(hash) >= sizeof out->hash)
        return corrupt(log, "a model needs name, hash, card");
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->hash, sizeof out->hash, "%s", hash);
    return card_from_json(log, card, &out->card);
}

static enum cq_err pipeline_from_json(struct cq_log *log, json_t *root, struct pipeline *out)
{
    int version;
    json_t *sample, *models;
    if (json_unpack(root, "{s:i}", "version", &version))
        return corrupt(log, "no version");
    if (version > VERSION) {
        cq_log_error(log, "pipeline document version %d: made by a newer clipq (this one knows %d)", version, VERSION);
        return CQ_NEWER;
    }
    if (json_unpack(root, "{s:o, s:o}", "sample", &sample, "models", &models) || !json_is_array(models))
        return corrupt(log, "needs sample and models");
    size_t n = json_array_size(models);
    if (n < 1 || n > PIPELINE_MAX_MODELS)
        return corrupt(log, "needs one to eight models");
    enum cq_err err = sample_from_json(log, sample, &out->sample);
    for (size_t i = 0; !err && i < n; i++) {
        err = model_from_json(log, json_array_get(models, i), &out->models[i]);
        out->n_models = (int) i + !err;
    }
    return err;
}

enum cq_err pipeline_from_text(struct cq_log *log, const char *text, struct pipeline *out)
{
    json_error_t where;
    memset(out, 0, sizeof *out);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        cq_log_error(log, "pipeline document: %s at byte %d", where.text, where.position);
        return CQ_CORRUPT;
    }
    enum cq_err err = pipeline_from_json(log, root, out);
    json_decref(root);
    if (err)
        pipeline_finish(out);
    return err;
}

void pipeline_hash(const char *text, char out[33])
{
    XXH128_hash_t h = XXH3_128bits(text, strlen(text));
    snprintf(out, 33, "%016llx%016llx", (unsigned long long) h.high64, (unsigned long long) h.low64);
}

void pipeline_finish(struct pipeline *p)
{
    for (int i = 0; i < p->n_models; i++)
        card_finish(&p->models[i].card);
    memset(p, 0, sizeof *p);
}

struct scale_target pipeline_target(const struct card *c, int width, int height)
{
    return (struct scale_target) {
        .width = width, .height = height, .channels = c->channels, .fit = c->fit, .resample = c->resample,
        .pad = c->pad,
    };
}

void pipeline_shape(const struct card *c, int width, int height, char out[PIPELINE_SHAPE])
{
    snprintf(out, PIPELINE_SHAPE, "%dx%dx%d%s", width, height, c->image.channels, c->precision == PRECISION_FP16 ? " fp16" : "");
}

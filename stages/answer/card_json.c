/* The card as JSON, both ways, from one table of keys.
 *
 * Reading happens on a copy that replaces the card only when every key was right, so nothing half-read is ever
 * seen. Reals are written as doubles, so a float comes back as the same float.
 */
#include "stages/answer/card_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/decoder.h"
#include "stages/answer/labels.h"

enum kind { KIND_DECODER, KIND_CHANNELS, KIND_CHOICE, KIND_INT, KIND_BOOL, KIND_REAL, KIND_COLOURS, KIND_LABELS };

struct key {
    const char *name;
    enum kind kind;
    size_t offset;                    /* of the field in struct card */
    double min, max;                  /* of a number */
    const char *const *choices;       /* of KIND_CHANNELS and KIND_CHOICE; the field is an int or a bool */
    bool quiet;                       /* written only when it differs from card_neutral(): cards stay short, and the
                                       * hashes of pipelines that are older than the key stay as they were */
};

static const char *const orders[] = {[CHANNELS_RGB] = "rgb", [CHANNELS_BGR] = "bgr", [CHANNELS_GRAY] = "gray", NULL};
static const char *const fits[] = {
    [FIT_STRETCH] = "stretch", [FIT_LETTERBOX] = "letterbox", [FIT_LETTERBOX_TOP_LEFT] = "letterbox-top-left", NULL,
};

static const char *const resamples[] = {[RESAMPLE_AREA] = "area", [RESAMPLE_LINEAR] = "linear", NULL};

static const char *const box_forms[] = {
    [BOXES_XYXY] = "xyxy", [BOXES_YXYX] = "yxyx", [BOXES_CENTRED] = "cxcywh", NULL,
};
static const char *const logit_kinds[] = {[LOGITS_SIGMOID] = "sigmoid", [LOGITS_SOFTMAX] = "softmax", NULL};

static const char *const precisions[] = {[PRECISION_FP32] = "fp32", [PRECISION_FP16] = "fp16", NULL};

#define AT(field) offsetof(struct card, field)

/* "channels" stands before what is counted by it. */
static const struct key keys[] = {
    {"decoder", KIND_DECODER, AT(decoder)},
    {"channels", KIND_CHANNELS, AT(channels), .choices = orders},
    {"fit", KIND_CHOICE, AT(fit), .choices = fits},
    {"resample", KIND_CHOICE, AT(resample), .choices = resamples},
    {"pad", KIND_INT, AT(pad), 0, 255},
    {"width", KIND_INT, AT(image.width), 0, CARD_MAX_SIZE},
    {"height", KIND_INT, AT(image.height), 0, CARD_MAX_SIZE},
    {"stride", KIND_INT, AT(stride), 1, 1024, .quiet = true},
    {"max_size", KIND_INT, AT(max_size), 1, CARD_MAX_SIZE, .quiet = true},
    {"nhwc", KIND_BOOL, AT(image.nhwc)},
    {"mean", KIND_COLOURS, AT(image.mean), -1e6, 1e6},
    {"scale", KIND_COLOURS, AT(image.scale), -1e6, 1e6},
    {"threshold", KIND_REAL, AT(threshold), 0, 1},
    {"nms", KIND_REAL, AT(nms), 0, 1},
    {"top_k", KIND_INT, AT(top_k), 1, 1000},
    {"max_items", KIND_INT, AT(max_items), 1, 100000},
    {"decoded", KIND_BOOL, AT(decoded)},
    {"keypoints", KIND_INT, AT(keypoints), 0, ANSWER_MAX_POINTS},
    {"boxes", KIND_CHOICE, AT(boxes), .choices = box_forms, .quiet = true},
    {"normalised", KIND_BOOL, AT(normalised), .quiet = true},
    {"logits", KIND_CHOICE, AT(logits), .choices = logit_kinds, .quiet = true},
    {"precision", KIND_CHOICE, AT(precision), .choices = precisions, .quiet = true},
    {"labels", KIND_LABELS, 0},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

_Static_assert(sizeof(enum fit) == sizeof(int) && sizeof(enum resample) == sizeof(int) &&
               sizeof(enum channel_order) == sizeof(int) &&
               sizeof(enum box_form) == sizeof(int) && sizeof(enum logits) == sizeof(int) &&
               sizeof(enum precision) == sizeof(int), "choices are read as int");

static void *field(struct card *c, const struct key *k)
{
    return (char *) c + k->offset;
}

static const void *const_field(const struct card *c, const struct key *k)
{
    return (const char *) c + k->offset;
}

/* ---- out ---- */

static json_t *colours_to_json(const float *v, int channels)
{
    json_t *list = json_array();
    for (int i = 0; list && i < channels; i++) {
        if (json_array_append_new(list, json_real(v[i]))) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *labels_to_json(const struct card *c)
{
    json_t *list = json_array();
    for (int i = 0; list && i < c->n_labels; i++) {
        if (json_array_append_new(list, json_string(c->labels[i]))) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *key_to_json(const struct card *c, const struct key *k)
{
    const void *at = const_field(c, k);
    switch (k->kind) {
    case KIND_DECODER:
        return json_string(c->decoder);
    case KIND_CHANNELS:
    case KIND_CHOICE:
        return json_string(k->choices[*(const int *) at]);
    case KIND_INT:
        return json_integer(*(const int *) at);
    case KIND_BOOL:
        return json_boolean(*(const bool *) at);
    case KIND_REAL:
        return json_real(*(const double *) at);
    case KIND_COLOURS:
        return colours_to_json(at, c->image.channels);
    case KIND_LABELS:
        return labels_to_json(c);
    }
    return NULL;
}

static bool is_quiet(const struct card *c, const struct key *k)
{
    struct card neutral = card_neutral();
    if (k->quiet && k->kind == KIND_BOOL)
        return *(const bool *) const_field(c, k) == *(const bool *) const_field(&neutral, k);
    return k->quiet && *(const int *) const_field(c, k) == *(const int *) const_field(&neutral, k);
}

json_t *card_to_json(const struct card *c)
{
    json_t *object = json_object();
    for (int i = 0; object && i < N_KEYS; i++) {
        if (is_quiet(c, &keys[i]))
            continue;
        if (json_object_set_new(object, keys[i].name, key_to_json(c, &keys[i]))) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

/* ---- in ---- */

struct reading {
    struct cq_log *log;
    const char *where;
    bool model_known;
    struct card card;         /* its labels are borrowed from the card that is read over */
    struct labels labels;     /* owned; given over at the end */
    bool has_labels;
};

static enum cq_err take_decoder(struct reading *r, const json_t *v)
{
    const char *name = json_string_value(v);
    if (!name || !decoder_find(name)) {
        cq_log_error(r->log, "%s: \"decoder\" is not the name of a decoder: %s", r->where, name ? name : "(no text)");
        return CQ_INVALID;
    }
    snprintf(r->card.decoder, sizeof r->card.decoder, "%s", name);
    return CQ_OK;
}

static enum cq_err take_choice(struct reading *r, const struct key *k, const json_t *v)
{
    const char *text = json_string_value(v);
    char known[96] = "";
    size_t at = 0;
    for (int i = 0; k->choices[i]; i++) {
        if (text && !strcmp(text, k->choices[i])) {
            *(int *) field(&r->card, k) = i;
            return CQ_OK;
        }
        at += (size_t) snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", k->choices[i]);
    }
    cq_log_error(r->log, "%s: \"%s\" must be one of %s", r->where, k->name, known);
    return CQ_INVALID;
}

static enum cq_err take_channels(struct reading *r, const struct key *k, const json_t *v)
{
    enum cq_err err = take_choice(r, k, v);
    int channels = r->card.channels == CHANNELS_GRAY ? 1 : 3;
    if (!err && r->model_known && channels != r->card.image.channels) {
        cq_log_error(r->log, "%s: \"channels\" does not fit a model whose input has %d", r->where,
                     r->card.image.channels);
        return CQ_INVALID;
    }
    r->card.image.channels = channels;
    return err;
}

static enum cq_err out_of_range(struct reading *r, const struct key *k, const char *what)
{
    cq_log_error(r->log, "%s: \"%s\" must be %s from %g to %g", r->where, k->name, what, k->min, k->max);
    return CQ_INVALID;
}

static bool in_range(const struct key *k, const json_t *v)
{
    return json_is_number(v) && json_number_value(v) >= k->min && json_number_value(v) <= k->max;
}

static enum cq_err take_int(struct reading *r, const struct key *k, const json_t *v)
{
    if (!json_is_integer(v) || !in_range(k, v))
        return out_of_range(r, k, "a whole number");
    *(int *) field(&r->card, k) = (int) json_integer_value(v);
    return CQ_OK;
}

static enum cq_err take_real(struct reading *r, const struct key *k, const json_t *v)
{
    if (!in_range(k, v))
        return out_of_range(r, k, "a number");
    *(double *) field(&r->card, k) = json_number_value(v);
    return CQ_OK;
}

static enum cq_err take_bool(struct reading *r, const struct key *k, const json_t *v)
{
    if (!json_is_boolean(v)) {
        cq_log_error(r->log, "%s: \"%s\" must be true or false", r->where, k->name);
        return CQ_INVALID;
    }
    *(bool *) field(&r->card, k) = json_is_true(v);
    return CQ_OK;
}

static enum cq_err take_colours(struct reading *r, const struct key *k, const json_t *v)
{
    float *out = field(&r->card, k);
    for (int i = 0; i < r->card.image.channels; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, (size_t) i) : v;
        if (!in_range(k, item))
            return out_of_range(r, k, "one number, or one per channel,");
        out[i] = (float) json_number_value(item);
    }
    if (json_is_array(v) && json_array_size(v) != (size_t) r->card.image.channels)
        return out_of_range(r, k, "one number, or one per channel,");
    return CQ_OK;
}

static enum cq_err take_labels(struct reading *r, const json_t *v)
{
    enum cq_err err = json_is_array(v) ? CQ_OK : CQ_INVALID;
    for (size_t i = 0; !err && i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        err = CQ_INVALID;
        if (json_is_string(item))
            err = labels_add(&r->labels, json_string_value(item), json_string_length(item));
    }
    if (err)
        cq_log_error(r->log, "%s: \"labels\" must be a list of at most %d texts of at most %d bytes", r->where,
                     LABELS_MAX, LABEL_MAX);
    r->has_labels = true;
    return err;
}

static enum cq_err take_key(struct reading *r, const struct key *k, const json_t *v)
{
    switch (k->kind) {
    case KIND_DECODER:
        return take_decoder(r, v);
    case KIND_CHANNELS:
        return take_channels(r, k, v);
    case KIND_CHOICE:
        return take_choice(r, k, v);
    case KIND_INT:
        return take_int(r, k, v);
    case KIND_BOOL:
        return take_bool(r, k, v);
    case KIND_REAL:
        return take_real(r, k, v);
    case KIND_COLOURS:
        return take_colours(r, k, v);
    case KIND_LABELS:
        return take_labels(r, v);
    }
    return CQ_INTERNAL;
}

static enum cq_err refuse_unknown(struct cq_log *log, const char *where, const json_t *json)
{
    const char *name;
    json_t *v;
    /* The iterator's type asks for a json_t that may be written; nothing is. */
    json_object_foreach((json_t *) json, name, v) {
        int i = 0;
        while (i < N_KEYS && strcmp(keys[i].name, name))
            i++;
        if (i == N_KEYS) {
            cq_log_error(log, "%s: \"%s\" is not a key of a model card", where, name);
            return CQ_INVALID;
        }
    }
    return CQ_OK;
}

enum cq_err card_take_json(struct cq_log *log, const char *where, const json_t *json, bool model_known, struct card *c)
{
    if (!json_is_object(json)) {
        cq_log_error(log, "%s: a model card is a JSON object", where);
        return CQ_INVALID;
    }
    enum cq_err err = refuse_unknown(log, where, json);
    struct reading r = {.log = log, .where = where, .model_known = model_known, .card = *c};
    for (int i = 0; !err && i < N_KEYS; i++) {
        const json_t *v = json_object_get(json, keys[i].name);
        if (v)
            err = take_key(&r, &keys[i], v);
    }
    if (!err) {
        *c = r.card;
        if (r.has_labels)
            labels_give(&r.labels, c);
    }
    labels_finish(&r.labels);
    return err;
}

enum cq_err card_from_json(struct cq_log *log, const json_t *json, struct card *out)
{
    static const char *const required[] = {"decoder", "channels", "width", "height"};
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (!json_object_get(json, required[i])) {
            cq_log_error(log, "model card: \"%s\" is missing", required[i]);
            return CQ_INVALID;
        }
    }
    struct card c = card_neutral();
    enum cq_err err = card_take_json(log, "model card", json, false, &c);
    if (!err)
        *out = c;
    return err;
}

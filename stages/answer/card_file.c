/* The card file beside the model, and the order in which a card comes together. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/card_json.h"
#include "stages/answer/recognise.h"

enum cq_err card_path_of(const char *model_path, char *out, int size)
{
    static const char ending[] = ".onnx";
    size_t length = strlen(model_path), cut = sizeof ending - 1;
    if (length > cut && !strcmp(model_path + length - cut, ending))
        length -= cut;
    int n = snprintf(out, (size_t) size, "%.*s.card.json", (int) length, model_path);
    return n < 0 || n >= size ? CQ_INVALID : CQ_OK;
}

/* *out stays NULL when there is no such file. */
static enum cq_err load(struct cq_log *log, const char *path, json_t **out)
{
    *out = NULL;
    FILE *file = fopen(path, "re");
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return CQ_OK;
    if (!file) {
        enum cq_err err = cq_err_errno(errno);
        cq_log_error(log, "cannot read %s: %s", path, strerror(errno));
        return err;
    }
    json_error_t reason;
    *out = json_loadf(file, JSON_REJECT_DUPLICATES, &reason);
    fclose(file);
    if (*out)
        return CQ_OK;
    cq_log_error(log, "%s, line %d: %s", path, reason.line, reason.text);
    return CQ_INVALID;
}

enum cq_err card_apply_file(struct cq_log *log, struct card *c, const char *card_path)
{
    json_t *json;
    enum cq_err err = load(log, card_path, &json);
    if (!err && json)
        err = card_take_json(log, card_path, json, true, c);
    json_decref(json);
    return err;
}

/* A card file may set only what the model leaves open. */
static enum cq_err check_fixed(struct cq_log *log, const struct model *m, const char *path, const struct card *c)
{
    struct image_input in;
    if (!recognise_image(m, &in) || ((!in.width || in.width == c->image.width) &&
                                     (!in.height || in.height == c->image.height) && in.nhwc == c->image.nhwc))
        return CQ_OK;
    cq_log_error(log, "%s: width, height or nhwc do not fit the model's input, %dx%d %s (0: open)", path, in.width,
                 in.height, in.nhwc ? "NHWC" : "NCHW");
    return CQ_INVALID;
}

/* The file's decoder decides the defaults that its other keys are laid over; one that was asked for by name
 * goes before it. */
static enum cq_err make_with_json(struct cq_log *log, const struct model *m, const struct card_request *r,
                                  const char *path, json_t *json, struct card *out)
{
    const char *named = json_string_value(json_object_get(json, "decoder"));
    enum cq_err err = card_from_model(log, m, r->decoder ? r->decoder : named, r->width, r->height, out);
    if (err || !json)
        return err;
    if (r->decoder)
        json_object_del(json, "decoder");
    else if (named)
        snprintf(out->why, sizeof out->why, "named by its card file");
    err = card_take_json(log, path, json, true, out);
    if (!err)
        err = check_fixed(log, m, path, out);
    if (err)
        card_finish(out);
    return err;
}

enum cq_err card_make(struct cq_log *log, const struct model *m, const struct card_request *r, struct card *out)
{
    char path[4096] = "";
    json_t *json = NULL;
    enum cq_err err = r->model_path ? card_path_of(r->model_path, path, sizeof path) : CQ_OK;
    if (err)
        cq_log_error(log, "the model's path is too long: %s", r->model_path);
    else if (r->model_path)
        err = load(log, path, &json);
    if (err)
        return err;

    struct card c;
    err = make_with_json(log, m, r, path, json, &c);
    json_decref(json);
    if (err)
        return err;
    if (r->labels)
        err = card_apply_labels(log, &c, r->labels);
    if (err)
        card_finish(&c);
    else
        *out = c;
    return err;
}

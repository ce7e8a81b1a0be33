/* The model card: everything between a frame and an answer that the .onnx file does not say by itself.
 *
 * A card starts from what a decoder recognises, takes `MODEL.card.json` beside the model over that, and the
 * flags of `clipq submit` over both. It is written canonically into the pipeline document.
 *
 * Thread-safety: plain data.
 */
#ifndef CLIPQ_STAGES_ANSWER_CARD_H
#define CLIPQ_STAGES_ANSWER_CARD_H

#include <stdbool.h>

#include <jansson.h>

#include "kernels/base/err.h"
#include "stages/answer/geometry.h"
#include "stages/infer/session.h"

struct cq_log;
struct model;

enum channel_order { CHANNELS_RGB, CHANNELS_BGR, CHANNELS_GRAY };

struct card {
    char decoder[32];              /* name in the registry */
    char why[160];                 /* how it was recognised, one line */
    enum channel_order channels;
    enum fit fit;
    int pad;                       /* 0..255, of a letterbox's border */
    struct session_image image;    /* input size, layout, mean, scale */
    double threshold;              /* scores below are dropped */
    double nms;                    /* IoU above which the weaker box goes; 1: no suppression */
    int top_k;                     /* classification: how many are kept */
    int max_items;                 /* detections kept per frame */
    char **labels;                 /* owned; n_labels strings; may be NULL */
    int n_labels;
};

/* What the model tells; `decoder` forces one, NULL recognises. `size` "WxH" sets an input size that the
 * model leaves open, NULL or "" uses a default. CQ_UNSUPPORTED when no input takes an image. */
enum cq_err card_from_model(struct cq_log *log, const struct model *m, const char *decoder, int width, int height,
                            struct card *out);

/* Applies MODEL_PATH with ".onnx" replaced by ".card.json" when that file exists, and a labels file
 * (one per line) when `labels` is not NULL. CQ_INVALID names the key or line. */
enum cq_err card_apply_file(struct cq_log *log, struct card *c, const char *card_path);
enum cq_err card_apply_labels(struct cq_log *log, struct card *c, const char *labels_path);
enum cq_err card_path_of(const char *model_path, char *out, int size);

/* Canonical JSON and back. to: new reference, NULL when out of memory. */
json_t *card_to_json(const struct card *c);
enum cq_err card_from_json(struct cq_log *log, const json_t *json, struct card *out);

void card_finish(struct card *c);

#endif

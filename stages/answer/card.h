/* The model card: everything between a frame and an answer that the .onnx file does not say by itself.
 *
 * A card starts from what a decoder recognises, takes `MODEL.card.json` beside the model over that, and the
 * flags of `clipq submit` over both. It is written canonically into the pipeline document.
 *
 * Keys of the JSON form, all optional in a card file; an unknown key is an error:
 *
 *     "decoder"    name in the registry                  "threshold"  0..1
 *     "channels"   "rgb" | "bgr" | "gray"                "nms"        0..1, IoU; 1: no suppression
 *     "fit"        "stretch" | "letterbox"               "top_k"      1..1000
 *                  | "letterbox-top-left"                "max_items"  1..100000
 *     "pad"        0..255                                "decoded"    true | false
 *     "width"      0..16384, pixels; 0: the clip's       "keypoints"  0..17
 *     "height"     0..16384, pixels; 0: the clip's       "labels"     list of strings
 *     "stride"     1..1024, of sizes from clips          "resample"   "area" | "linear"
 *     "max_size"   1..16384, of sizes from clips         "nhwc"       true | false
 *     "boxes"      "xyxy" | "yxyx" | "cxcywh"            "logits"     "sigmoid" | "softmax"
 *     "normalised" true | false                          "precision"  "fp32" | "fp16", of its weights
 *     "mean"       one number, or one per channel, in the order of "channels", in units of 0..255
 *     "scale"      the same; x = (u8 - mean)*scale
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

enum { CARD_MAX_SIZE = 16384 };   /* pixels of an input, each way */
enum { CARD_CLIP_SIZE = -1 };     /* as a size that is asked for: the clip's */

/* How four numbers say a box, and how a class's logit becomes a score, where families differ. */
enum box_form { BOXES_XYXY, BOXES_YXYX, BOXES_CENTRED /* centre, size */ };
enum logits { LOGITS_SIGMOID, LOGITS_SOFTMAX /* the last class is "nothing" */ };

enum channel_order { CHANNELS_RGB, CHANNELS_BGR, CHANNELS_GRAY };

struct card {
    char decoder[32];              /* name in the registry */
    char why[160];                 /* how it was recognised, one line; not part of the JSON form */
    enum channel_order channels;
    enum fit fit;
    enum resample resample;
    int pad;                       /* 0..255, of a letterbox's border */
    struct session_image image;    /* input size (0 on a side: the clip's), layout, mean, scale */
    int stride, max_size;          /* of a side that is the clip's: see card_size_for */
    double threshold;              /* scores below are dropped */
    double nms;                    /* IoU above which the weaker box goes; 1: no suppression */
    int top_k;                     /* classification: how many are kept */
    int max_items;                 /* detections kept per frame */
    bool decoded;                  /* the graph ends with final values: boxes in input pixels (yolox), or scores
                                    * that need no softmax (classification) */
    enum box_form boxes;           /* rows, lists, detr, selected */
    bool normalised;               /* those boxes are in shares of the input, not in its pixels */
    enum logits logits;            /* detr */
    enum precision precision;      /* what the model is computed with */
    int keypoints;                 /* yolov8: landmarks per box, three numbers each */
    char **labels;                 /* owned; n_labels strings; may be NULL */
    int n_labels;
};

/* Raw 8-bit RGB, nothing suppressed; no decoder, no size. */
struct card card_neutral(void);

/* What the model tells; `decoder` forces one, NULL recognises. `width`, `height` set an input size that the
 * model leaves open: pixels, CARD_CLIP_SIZE, or 0 for the decoder's usual one. CQ_UNSUPPORTED when the model does not take exactly one
 * picture; CQ_INVALID for a decoder that does not exist. `out` is filled only on success. */
enum cq_err card_from_model(struct cq_log *log, const struct model *m, const char *decoder, int width, int height,
                            struct card *out);

/* All of it in order: the decoder's defaults for the model, the card file, the labels file. */
struct card_request {
    const char *model_path;        /* names the card file beside it; NULL: none */
    const char *decoder;           /* goes before the card file's "decoder"; NULL: that, or recognised */
    const char *labels;            /* path; NULL: none */
    int width, height;             /* as in card_from_model */
};
enum cq_err card_make(struct cq_log *log, const struct model *m, const struct card_request *r, struct card *out);

/* Takes what a card file says over `c`; a file that does not exist changes nothing. "decoder" changes the name
 * alone, not the defaults that came with it: card_make does both. CQ_INVALID names the key. On error `c` is
 * as it was. */
enum cq_err card_apply_file(struct cq_log *log, struct card *c, const char *card_path);
/* Labels, one per line, replacing those of `c`; "0,tench" and so on lose their numbers when every line has its
 * own. CQ_INVALID names the line. On error `c` is as it was. */
enum cq_err card_apply_labels(struct cq_log *log, struct card *c, const char *labels_path);
/* MODEL_PATH with ".onnx" replaced by ".card.json" (or appended); CQ_INVALID when that is too long. */
enum cq_err card_path_of(const char *model_path, char *out, int size);

/* Canonical JSON and back. to: new reference, NULL when out of memory. */
json_t *card_to_json(const struct card *c);
enum cq_err card_from_json(struct cq_log *log, const json_t *json, struct card *out);

/* Is a side of the input the clip's? */
bool card_follows_clip(const struct card *c);
/* The input's size for a clip of that display size (pixels, >= 1). Sides that the card knows stay; the others
 * take the clip's: made smaller, aspect kept, until the longer is at most max_size, then rounded to whole strides,
 * up for a letterbox, which pads, to the nearest otherwise. Beside a side that is known an open one keeps the
 * clip's aspect. */
void card_size_for(const struct card *c, int display_w, int display_h, int *width, int *height);

/* "640x640", or "of the clip, in steps of 32 up to 1920", with a side that is known. */
enum { CARD_SIZE_TEXT = 80 };
char *card_size_text(const struct card *c, char out[CARD_SIZE_TEXT]);

/* Label of a class, NULL where there is none. */
const char *card_label(const struct card *c, int class_id);

void card_finish(struct card *c);

#endif

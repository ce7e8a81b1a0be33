/* Cards: from models to decoders and defaults, from card files, out to JSON and back.
 *
 * The models here are described, not loaded: the accessors of stages/infer/model.h are this file's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "stages/answer/card.h"
#include "stages/answer/decoder.h"
#include "stages/answer/labels.h"
#include "stages/infer/model.h"

struct model {
    int n_inputs, n_outputs;
    struct model_io inputs[4], outputs[40];
    struct model_op_count ops[8];
    const char *producer;
    int opset;
    const char *metadata[8][2];
};

int model_input_count(const struct model *m) { return m->n_inputs; }
const struct model_io *model_input(const struct model *m, int i) { return &m->inputs[i]; }
int model_output_count(const struct model *m) { return m->n_outputs; }
const struct model_io *model_output(const struct model *m, int i) { return &m->outputs[i]; }
const char *model_producer(const struct model *m) { return m->producer; }
int model_opset(const struct model *m) { return m->opset; }

const char *model_metadata(const struct model *m, const char *key)
{
    for (int i = 0; i < 8; i++)
        if (m->metadata[i][0] && !strcmp(m->metadata[i][0], key))
            return m->metadata[i][1];
    return NULL;
}

const struct model_op_count *model_ops(const struct model *m, int *count)
{
    for (*count = 0; *count < 8 && m->ops[*count].op_type;)
        ++*count;
    return m->ops;
}

#define IO(name_, ...)                                                                       \
    (struct model_io)                                                                        \
    {                                                                                        \
        .name = name_, .type = DT_F32, .rank = sizeof((int64_t[]) {__VA_ARGS__}) / 8, .dim = \
        {                                                                                    \
            __VA_ARGS__                                                                      \
        }                                                                                    \
    }

static struct model one_to_one(struct model_io in, struct model_io out)
{
    return (struct model) {.n_inputs = 1, .n_outputs = 1, .inputs = {in}, .outputs = {out}, .opset = 11};
}

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    (void) level;
    (void) text;
}

static struct card card_of(const struct model *m, const char *awaited)
{
    struct card c;
    assert_int_equal(card_from_model(NULL, m, NULL, 0, 0, &c), CQ_OK);
    assert_string_equal(c.decoder, awaited);
    assert_true(c.why[0]);
    return c;
}

/* The reason of a refusal must say `word`. */
static void assert_refused(const struct model *m, const char *decoder, enum cq_err awaited, const char *word)
{
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    struct card c;
    assert_int_equal(card_from_model(&log, m, decoder, 0, 0, &c), awaited);
    if (!strstr(log.last_error, word))
        fail_msg("\"%s\" does not say %s", log.last_error, word);
}

static void assert_refused_size(const struct model *m, int width, int height, const char *word)
{
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    struct card c;
    assert_int_equal(card_from_model(&log, m, NULL, width, height, &c), CQ_INVALID);
    assert_non_null(strstr(log.last_error, word));
}

static void yolox(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", 1, 3, 416, 416), IO("output", 1, 3549, 85));
    struct card c = card_of(&m, "yolox");
    assert_int_equal(c.channels, CHANNELS_BGR);
    assert_int_equal(c.fit, FIT_LETTERBOX_TOP_LEFT);
    assert_int_equal(c.pad, 114);
    assert_int_equal(c.image.width, 416);
    assert_int_equal(c.image.channels, 3);
    assert_float_equal(c.image.scale[2], 1, 0);
    assert_false(c.decoded);

    m.ops[0] = (struct model_op_count) {"Exp", 1};
    assert_true(card_of(&m, "yolox").decoded);
    m.outputs[0].dim[1] = 3550;
    card_of(&m, "raw");
}

static struct model yunet_model(int64_t width, int64_t height)
{
    static const char *const names[] = {"cls_8", "cls_16", "cls_32", "obj_8", "obj_16", "obj_32",
                                        "bbox_8", "bbox_16", "bbox_32", "kps_8", "kps_16", "kps_32"};
    static const int64_t widths[] = {1, 1, 4, 10};
    struct model m = one_to_one(IO("input", -1, 3, height, width), IO("", 0));
    m.n_outputs = 12;
    for (int i = 0; i < 12; i++)
        m.outputs[i] = IO(names[i], -1, -1, widths[i / 3]);
    return m;
}

static void yunet(void **state)
{
    (void) state;
    struct model m = yunet_model(-1, -1);
    struct card c = card_of(&m, "yunet");
    assert_int_equal(c.channels, CHANNELS_BGR);
    assert_int_equal(c.image.width, 640);
    assert_int_equal(c.image.height, 640);
    assert_string_equal(card_label(&c, 0), "face");
    assert_null(card_label(&c, 1));
    assert_null(card_label(&c, -1));
    card_finish(&c);

    assert_int_equal(card_from_model(NULL, &m, NULL, 320, 256, &c), CQ_OK);
    assert_int_equal(c.image.width, 320);
    assert_int_equal(c.image.height, 256);
    card_finish(&c);

    assert_refused_size(&m, 320, 250, "multiples of 32");

    /* What the model fixes cannot be changed. */
    m = yunet_model(160, -1);
    assert_int_equal(card_from_model(NULL, &m, NULL, 320, 256, &c), CQ_OK);
    assert_int_equal(c.image.width, 160);
    assert_int_equal(c.image.height, 256);
    card_finish(&c);

    assert_refused_size(&m, 320, CARD_MAX_SIZE + 1, "not possible");

    m.outputs[4].name = "other";
    card_of(&m, "raw");
}

static void ultraface(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("input", 1, 3, 240, 320), IO("scores", 1, 4420, 2));
    m.outputs[m.n_outputs++] = IO("boxes", 1, 4420, 5);
    card_of(&m, "raw");
    m.outputs[1].dim[2] = 4;
    struct card c = card_of(&m, "ultraface");
    assert_int_equal(c.channels, CHANNELS_RGB);
    assert_int_equal(c.image.width, 320);
    assert_int_equal(c.image.height, 240);
    assert_float_equal(c.image.mean[0], 127, 0);
    assert_float_equal(c.image.scale[0], 1 / 128.0f, 0);
    card_finish(&c);
}

static void fastestdet(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("input.1", 1, 3, 352, 352), IO("758", 1, 85, 22, 22));
    m.ops[0] = (struct model_op_count) {"Sigmoid", 1};
    m.ops[1] = (struct model_op_count) {"Softmax", 1};
    struct card c = card_of(&m, "fastestdet");
    assert_int_equal(c.channels, CHANNELS_BGR);
    assert_int_equal(c.fit, FIT_STRETCH);
    assert_float_equal(c.image.scale[0], 1 / 255.0f, 0);

    m.ops[1].op_type = "Relu";      /* planes of features, more likely */
    card_of(&m, "raw");
}

static struct model with_op(struct model m, const char *op)
{
    m.ops[0] = (struct model_op_count) {op, 1};
    return m;
}

static void graphs_that_suppress(void **state)
{
    (void) state;
    struct model m = with_op(one_to_one(IO("images", 1, 3, 640, 640), IO("output0", 1, 300, 6)), "TopK");
    struct card c = card_of(&m, "rows");
    assert_int_equal(c.fit, FIT_LETTERBOX);
    assert_float_equal(c.nms, 1, 0);
    m.ops[0].op_type = "Conv";
    card_of(&m, "raw");
    m = with_op(one_to_one(IO("images", 1, 3, 640, 640), IO("output", -1, 7)), "NonMaxSuppression");
    card_of(&m, "rows");

    m = one_to_one(IO("image", 1, 3, -1, -1), IO("boxes", -1, 4));
    m.n_outputs = 3;
    m.outputs[1] = IO("labels", -1);
    m.outputs[2] = IO("scores", -1);
    c = card_of(&m, "lists");
    assert_int_equal(c.boxes, BOXES_XYXY);
    assert_false(c.normalised);
    assert_true(card_follows_clip(&c));
    m.outputs[0] = IO("detection_boxes", 1, 100, 4);
    m.outputs[1] = IO("detection_classes", 1, 100);
    m.outputs[2] = IO("detection_scores", 1, 100);
    m.outputs[3] = IO("num_detections", 1);
    m.n_outputs = 4;
    c = card_of(&m, "lists");
    assert_int_equal(c.boxes, BOXES_YXYX);
    assert_true(c.normalised);
    m.outputs[2].rank = 3;
    card_of(&m, "raw");

    m = one_to_one(IO("pixels", 1, 3, 640, 640), IO("pred_boxes", 1, 300, 4));
    m.n_outputs = 2;
    m.outputs[1] = IO("logits", 1, 300, 80);
    c = card_of(&m, "detr");
    assert_int_equal(c.logits, LOGITS_SOFTMAX);
    m = with_op(m, "TopK");
    assert_int_equal(card_of(&m, "detr").logits, LOGITS_SIGMOID);

    m = with_op(one_to_one(IO("x", 1, 3, 640, 640), IO("chosen", -1, 3)), "NonMaxSuppression");
    m.n_outputs = 3;
    m.outputs[0].type = DT_I64;
    m.outputs[1] = IO("scores", 1, 80, 8400);
    m.outputs[2] = IO("boxes", 1, 8400, 4);
    card_of(&m, "selected");
}

static void assert_size_for(const struct card *c, int display_w, int display_h, int width, int height)
{
    int w, h;
    card_size_for(c, display_w, display_h, &w, &h);
    assert_int_equal(w, width);
    assert_int_equal(h, height);
}

static void sizes_of_clips(void **state)
{
    (void) state;
    struct card c = card_neutral();
    assert_true(card_follows_clip(&c));
    c.fit = FIT_LETTERBOX;
    assert_size_for(&c, 1280, 720, 1280, 736);          /* a letterbox has room for all */
    assert_size_for(&c, 1280, 704, 1280, 704);
    assert_size_for(&c, 1, 1, 32, 32);
    c.fit = FIT_STRETCH;
    assert_size_for(&c, 1280, 720, 1280, 736);          /* the nearest: 22.5 steps */
    assert_size_for(&c, 1280, 719, 1280, 704);
    assert_size_for(&c, 7680, 4320, 1920, 1088);        /* the aspect is kept */
    assert_size_for(&c, 4320, 7680, 1088, 1920);
    c.max_size = 100;
    assert_size_for(&c, 1000, 1000, 96, 96);
    c.max_size = 8;
    assert_size_for(&c, 1000, 1000, 32, 32);            /* one step at least */
    c.max_size = 1920;
    c.stride = 1;
    assert_size_for(&c, 161, 121, 161, 121);
    c.image.height = 48;
    assert_size_for(&c, 1280, 720, 85, 48);
    c.image.height = 0;
    c.image.width = 640;
    assert_size_for(&c, 1280, 720, 640, 360);
    c.image.height = 640;
    assert_false(card_follows_clip(&c));
    assert_size_for(&c, 1280, 720, 640, 640);
}

/* Usual sizes stay where a family has one; unknown outputs and pictures take the clip's. */
static void sizes_left_open(void **state)
{
    (void) state;
    struct model m = yunet_model(-1, -1);
    struct card c;
    assert_int_equal(card_from_model(NULL, &m, NULL, CARD_CLIP_SIZE, CARD_CLIP_SIZE, &c), CQ_OK);
    assert_int_equal(c.image.width, 0);
    assert_int_equal(c.image.height, 0);
    card_finish(&c);

    m = yunet_model(320, -1);
    assert_int_equal(card_from_model(NULL, &m, NULL, CARD_CLIP_SIZE, CARD_CLIP_SIZE, &c), CQ_OK);
    assert_int_equal(c.image.width, 320);
    assert_int_equal(c.image.height, 0);
    card_finish(&c);

    m = one_to_one(IO("x", -1, 3, -1, -1), IO("y", -1, 1, -1, -1));
    c = card_of(&m, "image");
    assert_true(card_follows_clip(&c));
    card_finish(&c);
    m = one_to_one(IO("x", -1, 3, -1, -1), IO("y", -1, 21, -1, -1));
    c = card_of(&m, "raw");
    assert_true(card_follows_clip(&c));
    card_finish(&c);
    assert_int_equal(card_from_model(NULL, &m, NULL, 320, 256, &c), CQ_OK);
    assert_false(card_follows_clip(&c));
    card_finish(&c);
}

static void yolov8_by_metadata(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", -1, 3, -1, -1), IO("output0", -1, 6, -1));
    m.metadata[0][0] = "names", m.metadata[0][1] = "{0: 'person', 1: \"dog's\"}";
    m.metadata[1][0] = "stride", m.metadata[1][1] = "32";
    m.metadata[2][0] = "imgsz", m.metadata[2][1] = "[480, 640]";
    m.metadata[3][0] = "task", m.metadata[3][1] = "detect";
    struct card c = card_of(&m, "yolov8");
    assert_int_equal(c.channels, CHANNELS_RGB);
    assert_int_equal(c.fit, FIT_LETTERBOX);
    assert_int_equal(c.image.width, 640);
    assert_int_equal(c.image.height, 480);
    assert_int_equal(c.n_labels, 2);
    assert_string_equal(c.labels[1], "dog's");
    card_finish(&c);

    m.metadata[3][1] = "pose";
    m.metadata[4][0] = "kpt_shape", m.metadata[4][1] = "[17, 3]";
    m.outputs[0].dim[1] = 4 + 2 + 51;
    c = card_of(&m, "yolov8");
    assert_int_equal(c.keypoints, 17);
    card_finish(&c);
    m.metadata[4][1] = "[99, 3]";
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "kpt_shape [99, 3]");
    m.metadata[4][0] = NULL;
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "kpt_shape (none)");

    m.metadata[3][1] = "segment";
    c = card_of(&m, "raw");
    assert_non_null(strstr(c.why, "segment"));
    assert_refused(&m, "yolov8", CQ_UNSUPPORTED, "segment");
}

static void yolov8_by_shape(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", 1, 3, 640, 640), IO("output0", 1, 84, 8400));
    struct card c = card_of(&m, "yolov8");
    assert_int_equal(c.n_labels, 0);
    m.outputs[0].dim[2] = 8400 + 160 * 160;      /* with stride 4 */
    card_of(&m, "yolov8");
    m.outputs[0].dim[2] = 8400 + 100;            /* with stride 64 */
    card_of(&m, "yolov8");
    m.outputs[0].dim[2] = 8401;
    card_of(&m, "raw");
}

static void names_that_are_none(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", 1, 3, 640, 640), IO("output0", 1, 84, 8400));
    m.metadata[0][0] = "names", m.metadata[0][1] = "person, bicycle";
    struct card c = card_of(&m, "yolov8");
    assert_int_equal(c.n_labels, 0);
}

static void vectors(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("data_0", 1, 3, 224, 224), IO("softmaxout_1", 1, 1000, 1, 1));
    m.opset = 7;
    m.producer = "onnx-caffe2";
    m.ops[0] = (struct model_op_count) {"Softmax", 1};
    struct card c = card_of(&m, "classification");
    assert_int_equal(c.channels, CHANNELS_BGR);
    assert_float_equal(c.image.mean[0], 103.94f, 0);
    assert_float_equal(c.image.scale[0], 1, 0);
    assert_int_equal(c.top_k, 5);
    m.producer = NULL;
    assert_int_equal(card_of(&m, "classification").channels, CHANNELS_BGR);
    m.opset = 13;
    assert_int_equal(card_of(&m, "classification").channels, CHANNELS_RGB);

    m = one_to_one(IO("input", -1, 3, -1, -1), IO("output", -1, 1000));
    c = card_of(&m, "classification");
    assert_int_equal(c.channels, CHANNELS_RGB);
    assert_int_equal(c.image.width, 224);
    assert_float_equal(c.image.mean[0], 123.675, 1e-4);
    assert_float_equal((255 - c.image.mean[0]) * c.image.scale[0], (1 - 0.485) / 0.229, 1e-5);

    m.metadata[0][0] = "task", m.metadata[0][1] = "classify";
    m.metadata[1][0] = "names", m.metadata[1][1] = "{0: 'tench', 1: 'goldfish'}";
    c = card_of(&m, "classification");
    assert_float_equal(c.image.mean[0], 0, 0);
    assert_float_equal(c.image.scale[0], 1 / 255.0f, 0);
    assert_string_equal(card_label(&c, 1), "goldfish");
    card_finish(&c);

    m = one_to_one(IO("inputs:0", 1, 256, 128, 3), IO("Identity:0", 1, 256));
    c = card_of(&m, "embedding");
    assert_true(c.image.nhwc);
    assert_int_equal(c.image.width, 128);
    assert_int_equal(c.image.height, 256);
    assert_int_equal(c.channels, CHANNELS_BGR);

    m = one_to_one(IO("digit", 1, 1, 28, 28), IO("output", 1, 10));
    c = card_of(&m, "classification");
    assert_int_equal(c.channels, CHANNELS_GRAY);
    assert_float_equal(c.image.scale[0], 1 / 255.0f, 0);
    assert_non_null(strstr(c.why, "grey"));

    m = one_to_one(IO("x", 1, 3, 112, 112), IO("face_embedding", 1, 500));
    card_of(&m, "embedding");
    assert_int_equal(card_from_model(NULL, &m, "classification", 0, 0, &c), CQ_OK);
    assert_string_equal(c.decoder, "classification");
    assert_refused(&m, "magic", CQ_INVALID, "magic");
}

static void pictures(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("input", -1, 1, 224, 224), IO("output", -1, -1, -1, -1));
    struct card c = card_of(&m, "image");
    assert_int_equal(c.channels, CHANNELS_GRAY);
    assert_int_equal(c.image.channels, 1);
    assert_float_equal(c.image.scale[0], 1 / 255.0f, 0);
    m = one_to_one(IO("input", 1, 3, 100, 200), IO("output", 1, 3, 400, 800));
    card_of(&m, "image");
    m.outputs[0] = IO("output", 1, 3, 400, 600);
    card_of(&m, "raw");
    m.outputs[0] = IO("output", 1, 21, 100, 200);
    card_of(&m, "raw");
}

static void inputs_that_are_no_picture(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("tokens", 1, 77), IO("output", 1, 512));
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "tokens float32[1,77]");
    m.inputs[0] = IO("image", 1, 4, 64, 64);
    assert_refused(&m, "raw", CQ_UNSUPPORTED, "image float32[1,4,64,64]");
    m.inputs[0] = IO("image", -1, 3, -1, -1);
    m.inputs[m.n_inputs++] = IO("mask", 1);
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "mask float32[1]");
    m.n_inputs = 1;
    m.inputs[0].type = DT_I64;
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "int64");
    m.inputs[0] = IO("image", 1, 3, 0, 64);
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "image float32[1,3,0,64]");
    m.inputs[0] = IO("image", 1, 3, 64, 1 << 20);
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "1048576");
    m.inputs[0] = IO("image", -1, 3, -1, -1);
    m.inputs[0].type = DT_F16;
    card_of(&m, "embedding");
    m.n_inputs = 0;
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "nothing");
    m.n_inputs = 1;
    m.n_outputs = 33;
    assert_refused(&m, NULL, CQ_UNSUPPORTED, "33 outputs");
}

/* ---- JSON ---- */

static void json_out_and_back(void **state)
{
    (void) state;
    struct model m = yunet_model(320, 320);
    struct card c = card_of(&m, "yunet"), d;
    c.threshold = 0.1;
    c.image.scale[1] = 1 / 255.0f;
    c.decoded = true;
    c.keypoints = 3;
    json_t *json = card_to_json(&c);
    assert_non_null(json);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    json_t *again = json_loads(text, 0, NULL);
    assert_int_equal(card_from_json(NULL, again, &d), CQ_OK);
    assert_float_equal(d.threshold, 0.1, 0);
    assert_float_equal(d.image.scale[1], 1 / 255.0f, 0);
    assert_string_equal(d.labels[0], "face");
    assert_true(d.decoded);
    assert_int_equal(d.keypoints, 3);
    assert_int_equal(d.channels, CHANNELS_BGR);
    assert_int_equal(d.fit, FIT_LETTERBOX);

    json_t *third = card_to_json(&d);
    char *text3 = json_dumps(third, JSON_SORT_KEYS | JSON_COMPACT);
    assert_string_equal(text, text3);
    json_decref(json);
    json_decref(again);
    json_decref(third);
    free(text);
    free(text3);
    card_finish(&c);
    card_finish(&d);
}

static void bad_keys_are_named(void **state)
{
    (void) state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"{\"treshold\":0.5}", "treshold"},
        {"{\"threshold\":2}", "threshold"},
        {"{\"threshold\":\"0.5\"}", "threshold"},
        {"{\"width\":-1}", "width"},
        {"{\"stride\":0}", "stride"},
        {"{\"max_size\":20000}", "max_size"},
        {"{\"width\":416.5}", "width"},
        {"{\"height\":9999999999999}", "height"},
        {"{\"channels\":\"cmyk\"}", "bgr"},
        {"{\"channels\":7}", "channels"},
        {"{\"fit\":\"crop\"}", "letterbox-top-left"},
        {"{\"mean\":[1,2]}", "mean"},
        {"{\"mean\":[1,2,3,4]}", "mean"},
        {"{\"scale\":[1,2,\"3\"]}", "scale"},
        {"{\"scale\":1e300}", "scale"},
        {"{\"labels\":\"person\"}", "labels"},
        {"{\"labels\":[1]}", "labels"},
        {"{\"decoder\":\"magic\"}", "magic"},
        {"{\"decoder\":null}", "decoder"},
        {"{\"decoded\":1}", "decoded"},
        {"{\"keypoints\":18}", "keypoints"},
        {"{\"pad\":-1}", "pad"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
        json_t *json = json_loads(bad[i].text, 0, NULL);
        static const char *const required = "{\"decoder\":\"raw\",\"channels\":\"rgb\",\"width\":8,\"height\":8}";
        json_t *whole = json_loads(required, 0, NULL);
        json_object_update(whole, json);
        struct card c;
        assert_int_equal(card_from_json(&log, whole, &c), CQ_INVALID);
        if (!strstr(log.last_error, bad[i].word))
            fail_msg("%s: \"%s\" does not say %s", bad[i].text, log.last_error, bad[i].word);
        json_decref(json);
        json_decref(whole);
    }
}

/* One byte of a right card changed at a time: read or refused, never worse. */
static void twisted_json(void **state)
{
    (void) state;
    struct model m = yunet_model(320, 320);
    struct card c = card_of(&m, "yunet");
    json_t *json = card_to_json(&c);
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    size_t length = strlen(text);
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    static const char bytes[] = "09-.e{}[]\",:ntf\\ ";
    for (size_t i = 0; i < length; i++) {
        for (size_t k = 0; k + 1 < sizeof bytes; k++) {
            char was = text[i];
            text[i] = bytes[k];
            json_t *twisted = json_loads(text, 0, NULL);
            struct card d;
            if (twisted && !card_from_json(&log, twisted, &d)) {
                assert_in_range(d.image.width, 0, CARD_MAX_SIZE);
                card_finish(&d);
            }
            json_decref(twisted);
            text[i] = was;
        }
    }
    free(text);
    json_decref(json);
    card_finish(&c);
}

static char card_path[64];

static const char *card_file(const char *text)
{
    FILE *f = fopen(card_path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return card_path;
}

static int name_file(void **state)
{
    (void) state;
    snprintf(card_path, sizeof card_path, "/tmp/clipq-card-%d.card.json", (int) getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void) state;
    unlink(card_path);
    return 0;
}

static void file_goes_over_the_model(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", 1, 3, 416, 416), IO("output", 1, 3549, 85));
    struct card c = card_of(&m, "yolox");
    unlink(card_path);
    assert_int_equal(card_apply_file(NULL, &c, card_path), CQ_OK);
    assert_string_equal(c.decoder, "yolox");

    card_file("{\"channels\":\"rgb\",\"scale\":0.5,\"mean\":[1,2,3],\"threshold\":0,\"labels\":[\"a\",\"b\"]}");
    assert_int_equal(card_apply_file(NULL, &c, card_path), CQ_OK);
    assert_int_equal(c.channels, CHANNELS_RGB);
    assert_float_equal(c.image.scale[2], 0.5, 0);
    assert_float_equal(c.image.mean[2], 3, 0);
    assert_int_equal(c.pad, 114);
    assert_int_equal(c.n_labels, 2);

    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    card_file("{\"labels\":[\"c\"],\"pad\":7,\"channels\":\"gray\"}");
    assert_int_equal(card_apply_file(&log, &c, card_path), CQ_INVALID);
    assert_non_null(strstr(log.last_error, "channels"));
    assert_string_equal(c.labels[0], "a");
    assert_int_equal(c.pad, 114);
    card_file("{\"pad\":1,\n\"pad\":2}");
    assert_int_equal(card_apply_file(&log, &c, card_path), CQ_INVALID);
    assert_non_null(strstr(log.last_error, "line 2"));
    card_file("[]");
    assert_int_equal(card_apply_file(&log, &c, card_path), CQ_INVALID);
    assert_non_null(strstr(log.last_error, "object"));
    char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_not_equal(card_apply_file(&log, &c, endless), CQ_OK);
    card_finish(&c);
}

static void made_in_order(void **state)
{
    (void) state;
    struct model m = one_to_one(IO("images", 1, 3, 416, 416), IO("output", 1, 3549, 85));
    char model_path[64];
    snprintf(model_path, sizeof model_path, "/tmp/clipq-card-%d.onnx", (int) getpid());
    struct card_request r = {.model_path = model_path};
    struct card c;

    /* The file's decoder brings its own defaults; its other keys go over them. */
    card_file("{\"decoder\":\"ultraface\",\"pad\":9}");
    assert_int_equal(card_make(NULL, &m, &r, &c), CQ_OK);
    assert_string_equal(c.decoder, "ultraface");
    assert_float_equal(c.image.mean[0], 127, 0);
    assert_int_equal(c.pad, 9);
    card_finish(&c);

    /* One asked for by name goes before the file's. */
    r.decoder = "raw";
    assert_int_equal(card_make(NULL, &m, &r, &c), CQ_OK);
    assert_string_equal(c.decoder, "raw");
    assert_int_equal(c.pad, 9);
    card_finish(&c);

    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    card_file("{\"width\":640}");
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_INVALID);
    assert_non_null(strstr(log.last_error, "416"));
    card_file("{");
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_INVALID);

    r = (struct card_request) {.labels = card_file("person\n")};
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_OK);
    assert_string_equal(card_label(&c, 0), "person");
    card_finish(&c);
    r.labels = "/nonexistent/labels";
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_NOT_FOUND);
    r.decoder = "magic";
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_INVALID);
    char endless[5000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    r = (struct card_request) {.model_path = endless};
    assert_int_equal(card_make(&log, &m, &r, &c), CQ_INVALID);
}

static void paths(void **state)
{
    (void) state;
    char out[32];
    assert_int_equal(card_path_of("a.onnx/b.onnx", out, sizeof out), CQ_OK);
    assert_string_equal(out, "a.onnx/b.card.json");
    assert_int_equal(card_path_of("model", out, sizeof out), CQ_OK);
    assert_string_equal(out, "model.card.json");
    assert_int_equal(card_path_of("abcdefghijklmnopqrstuv.onnx", out, sizeof out), CQ_INVALID);
}

/* ---- labels ---- */

static void label_files(void **state)
{
    (void) state;
    struct card c = card_neutral();
    card_file("\xef\xbb\xbfperson\r\n\ntwo words\nlast");
    assert_int_equal(card_apply_labels(NULL, &c, card_path), CQ_OK);
    assert_int_equal(c.n_labels, 4);
    assert_string_equal(c.labels[0], "person");
    assert_string_equal(c.labels[1], "");
    assert_string_equal(c.labels[2], "two words");
    assert_string_equal(c.labels[3], "last");

    card_file("0,tench, Tinca tinca\n1, goldfish\n");
    assert_int_equal(card_apply_labels(NULL, &c, card_path), CQ_OK);
    assert_string_equal(c.labels[0], "tench, Tinca tinca");
    assert_string_equal(c.labels[1], "goldfish");
    card_file("0,tench\n7 seas\n2 much\n3\n");
    assert_int_equal(card_apply_labels(NULL, &c, card_path), CQ_OK);
    assert_int_equal(c.n_labels, 4);
    assert_string_equal(c.labels[0], "0,tench");

    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    card_file("fine\nK\xe4se\n");      /* Latin-1 */
    assert_int_equal(card_apply_labels(&log, &c, card_path), CQ_INVALID);
    assert_non_null(strstr(log.last_error, "line 2"));
    assert_int_equal(c.n_labels, 4);
    card_file("");
    assert_int_equal(card_apply_labels(&log, &c, card_path), CQ_INVALID);
    unlink(card_path);
    assert_int_equal(card_apply_labels(&log, &c, card_path), CQ_NOT_FOUND);
    card_finish(&c);
}

static void python_literals(void **state)
{
    (void) state;
    struct labels l;
    assert_int_equal(labels_from_python(" { 0 : 'a' , 1: \"b\" , }", &l), CQ_OK);
    assert_int_equal(l.n, 2);
    labels_finish(&l);
    assert_int_equal(labels_from_python("['it\\'s', 'b']", &l), CQ_OK);
    assert_string_equal(l.text[0], "it's");
    labels_finish(&l);
    assert_int_equal(labels_from_python("{}", &l), CQ_OK);
    assert_int_equal(l.n, 0);

    static const char *const bad[] = {"", "{", "[", "{0: 'a'", "{0: 'a", "{0: 'a\\", "{1: 'a'}", "{0 'a'}", "{0: a}",
                                      "['a' 'b']", "person", "{0: 'a', 0: 'b'}", "{-1: 'a'}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(labels_from_python(bad[i], &l), CQ_INVALID);
        assert_null(l.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolox),
        cmocka_unit_test(yunet),
        cmocka_unit_test(ultraface),
        cmocka_unit_test(fastestdet),
        cmocka_unit_test(graphs_that_suppress),
        cmocka_unit_test(sizes_of_clips),
        cmocka_unit_test(sizes_left_open),
        cmocka_unit_test(yolov8_by_metadata),
        cmocka_unit_test(yolov8_by_shape),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(vectors),
        cmocka_unit_test(pictures),
        cmocka_unit_test(inputs_that_are_no_picture),
        cmocka_unit_test(json_out_and_back),
        cmocka_unit_test(bad_keys_are_named),
        cmocka_unit_test(twisted_json),
        cmocka_unit_test(file_goes_over_the_model),
        cmocka_unit_test(made_in_order),
        cmocka_unit_test(paths),
        cmocka_unit_test(label_files),
        cmocka_unit_test(python_literals),
    };
    return cmocka_run_group_tests(tests, name_file, remove_file);
}

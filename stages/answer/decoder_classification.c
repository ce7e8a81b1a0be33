/* Classification: one output [1,C] (or [1,C,1,1]) of scores or logits; the best top_k classes become rows.
 *
 * Softmax is applied unless the values are a distribution already (none negative, sum 1) or the card says
 * "decoded". Preprocessing differs between families and is hardly written in the file: a Caffe export
 * (producer, or input data_0 with an old opset) wants BGR minus the ImageNet mean, a YOLO classifier RGB 0..1;
 * anything else gets torchvision's ImageNet mean and deviation.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

static bool is_caffe(const struct model *m)
{
    const char *producer = model_producer(m);
    return (producer && strstr(producer, "caffe")) ||
           (!strcmp(model_input(m, 0)->name, "data_0") && model_opset(m) <= 9);
}

static bool is_yolo(const struct model *m)
{
    const char *task = model_metadata(m, "task");
    return task && !strcmp(task, "classify");
}

/* No softmax and a power of two is what embeddings look like; they are left to that decoder. */
static int recognise(const struct model *m, char *why, int size)
{
    int64_t n = model_output_count(m) == 1 ? recognise_vector(model_output(m, 0)) : 0;
    struct image_input in;
    if (n < 2 || !recognise_image(m, &in))
        return 0;
    const char *colours = is_yolo(m)         ? "YOLO metadata: RGB 0..1"
                          : is_caffe(m)      ? "from Caffe: BGR minus mean"
                          : in.channels == 1 ? "grey 0..1"
                                             : "colours as torchvision's ImageNet models";
    snprintf(why, (size_t) size, "one vector of %lld values%s; %s", (long long) n,
             recognise_op(m, "Softmax") ? ", softmax in the graph" : "", colours);
    return is_yolo(m) || recognise_op(m, "Softmax") ? 70 : 40;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    static const float caffe_mean[] = {103.94f, 116.78f, 123.68f}, one[] = {1, 1, 1};
    if (is_yolo(m))
        defaults_unit(c, CHANNELS_RGB);
    else if (is_caffe(m))
        defaults_colours(c, CHANNELS_BGR, caffe_mean, one);
    else
        defaults_imagenet(c);
    defaults_size(c, 224, 224);
    c->fit = FIT_STRETCH;
    c->top_k = 5;
    return labels_take_python(log, model_metadata(m, "names"), c);
}

static bool is_distribution(const float *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(v[i] >= 0))
            return false;
        sum += v[i];
    }
    return fabs(sum - 1) < 0.01;
}

/* score = exp(v - top)*norm; the sum runs over what is finite. */
static double softmax_norm(const float *v, int64_t n, double top)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            sum += exp(v[i] - top);
    return 1 / sum;
}

struct ranked {
    int id;
    float value;
};

static int better_first(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->id - b->id;
}

static enum cq_err add_best(const struct decode_frame *f, const float *v, int64_t n, const struct ranked *order,
                            int n_finite, struct answer *out)
{
    bool final = f->card->decoded || is_distribution(v, n);
    double top = n_finite ? order[0].value : 0, norm = final ? 1 : softmax_norm(v, n, top);
    enum cq_err err = CQ_OK;
    for (int i = 0; !err && i < n_finite && i < f->card->top_k; i++) {
        double score = final ? order[i].value : exp(order[i].value - top) * norm;
        if (score >= f->card->threshold)
            err = answer_add_class(out, order[i].id, (float) score);
    }
    return err;
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    int n;
    const float *v = output_vector(f, &n);
    if (!v)
        return output_mismatch(f, "one output [1,classes] or [1,classes,1,1]");

    struct ranked *order = malloc((size_t) n * sizeof *order);
    if (!order)
        return CQ_NOMEM;
    int n_finite = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(v[i]))
            order[n_finite++] = (struct ranked) {i, v[i]};
    qsort(order, (size_t) n_finite, sizeof *order, better_first);
    enum cq_err err = add_best(f, v, n, order, n_finite, out);
    free(order);
    return err;
}

const struct decoder_class decoder_classification = {
    .name      = "classification",
    .help      = "one vector of class scores: the best few",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

/* DETR and its kin (RT-DETR, D-FINE, Deformable DETR): logits [N,K,C] and boxes [N,K,4] as centre and size in shares of
 * the input, one row for each query; nothing is to be suppressed.
 *
 * N. Carion et al., "End-to-End Object Detection with Transformers" (2020), takes softmax over the classes, the
 * last of which is "nothing". Those that pick queries inside the graph (TopK) take a sigmoid for each class.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/labels.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

static int recognise(const struct model *m, char *why, int size)
{
    if (model_output_count(m) != 2)
        return 0;
    for (int i = 0; i < 2; i++) {
        const struct model_io *logits = model_output(m, i), *boxes = model_output(m, 1 - i);
        if (!strstr(logits->name, "logits") || !strstr(boxes->name, "boxes") || logits->rank != 3 || boxes->rank != 3 ||
            boxes->dim[2] != 4)
            continue;
        snprintf(why, (size_t) size, "logits and boxes of queries; %s",
                 recognise_op(m, "TopK") ? "queries picked in the graph: sigmoid" : "softmax, the last class is nothing");
        return 92;
    }
    return 0;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    bool picks = recognise_op(m, "TopK");
    if (picks)
        defaults_unit(c, CHANNELS_RGB);
    else
        defaults_imagenet(c);
    c->logits = picks ? LOGITS_SIGMOID : LOGITS_SOFTMAX;
    c->boxes = BOXES_CENTRED;
    c->normalised = true;
    c->fit = FIT_STRETCH;
    c->resample = RESAMPLE_LINEAR;
    c->threshold = 0.5;
    return labels_take_python(log, model_metadata(m, "names"), c);
}

/* The best class of a row, and its score; the last one is no class after softmax. */
static float best_of(const float *v, int n, enum logits kind, int *id)
{
    int best = 0, classes = kind == LOGITS_SOFTMAX ? n - 1 : n;
    for (int i = 1; i < classes; i++)
        if (v[i] > v[best])
            best = i;
    *id = best;
    if (kind == LOGITS_SIGMOID)
        return 1 / (1 + expf(-v[best]));
    float top = v[best] > v[n - 1] ? v[best] : v[n - 1], sum = 0;
    for (int i = 0; i < n; i++)
        sum += expf(v[i] - top);
    return expf(v[best] - top) / sum;
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    static const int64_t any[] = {1, ANY, ANY};
    const float *logits = NULL, *boxes = NULL;
    int64_t n = 0, classes = 0;
    for (int i = 0; f->n_outputs == 2 && i < 2; i++) {
        if (!strstr(f->names[i], "logits") || !(logits = output_floats(f, i, 3, any)))
            continue;
        n = f->outputs[i].desc.dim[1];
        classes = f->outputs[i].desc.dim[2];
        boxes = output_floats(f, 1 - i, 3, (const int64_t[]) {1, n, 4});
    }
    if (!boxes || classes < 2 || classes > INT32_MAX)
        return output_mismatch(f, "logits [1,queries,classes] and boxes [1,queries,4]");

    struct boxes b = boxes_begin(f, out);
    for (int64_t i = 0; i < n; i++) {
        int id;
        float score = best_of(logits + i * classes, (int) classes, f->card->logits, &id);
        boxes_add_as_told(&b, boxes + 4 * i, score, id);
    }
    return boxes_end(&b);
}

const struct decoder_class decoder_detr = {
    .name      = "detr",
    .help      = "DETR, RT-DETR, D-FINE: logits and boxes of queries",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

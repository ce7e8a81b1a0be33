/* Embedding: one vector that describes the picture, kept as it comes.
 *
 * Nothing in a file says "embedding". A vector without a softmax in the graph is taken for one when its length
 * is a power of two from 64 up (class counts hardly ever are), or the output's name speaks of it; --decoder
 * settles it where this guesses wrong.
 */
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/boxes.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/recognise.h"
#include "stages/infer/model.h"

static bool speaks_of_it(const char *name)
{
    static const char *const words[] = {"embed", "feature", "reid", "descriptor"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

static int recognise(const struct model *m, char *why, int size)
{
    struct image_input in;
    int64_t n = model_output_count(m) == 1 ? recognise_vector(model_output(m, 0)) : 0;
    if (n < 2 || !recognise_image(m, &in))
        return 0;
    const char *name = model_output(m, 0)->name;
    bool named = speaks_of_it(name), length = n >= 64 && !(n & (n - 1)) && !recognise_op(m, "Softmax");
    if (!named && !length)
        return 0;
    snprintf(why, (size_t) size, "one vector of %lld values, %s%.40s%s", (long long) n,
             named ? "named " : "a power of two, and no softmax in the graph", named ? name : "",
             in.nhwc           ? "; NHWC: BGR 0..255 assumed"
             : in.channels < 3 ? "; grey 0..1"
                               : "; colours as torchvision's ImageNet models");
    return named ? 75 : 60;
}

/* NHWC comes from TensorFlow, where Open Model Zoo's re-identification models take raw BGR. */
static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    c->fit = FIT_STRETCH;
    if (c->image.nhwc) {
        defaults_raw(c, CHANNELS_BGR);
        c->resample = RESAMPLE_LINEAR;
    } else {
        defaults_imagenet(c);
    }
    defaults_size(c, 224, 224);
    return CQ_OK;
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    int n;
    const float *v = output_vector(f, &n);
    if (!v)
        return output_mismatch(f, "one output [1,length] or [1,length,1,1]");

    if (!floats_finite(v, n)) {
        cq_log_debug(f->log, "embedding: dropped, a value is not finite");
        return CQ_OK;
    }
    return answer_set_embedding(out, v, n);
}

const struct decoder_class decoder_embedding = {
    .name      = "embedding",
    .help      = "one vector that describes the picture",
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

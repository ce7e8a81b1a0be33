/* A frame of zeros around an image becomes the padding of the convolution that reads it. */
#include "stages/infer/pass.h"

static bool pads_zeros_outside(const struct rewrite *r, const struct step *pad, int rank)
{
    float value = 0;
    bool has_value = pad->n_in > 1 && pad->in[1] >= 0;
    if (pad->op.u.pad.mode != PAD_CONSTANT || (has_value && !rewrite_scalar(r, pad->in[1], &value)))
        return false;
    for (int i = 0; i < rank; i++) {
        int64_t begin = pad->op.u.pad.begin[i], end = pad->op.u.pad.end[i];
        if (begin < 0 || end < 0 || begin > 1024 || end > 1024 || (i < 2 && (begin || end)))
            return false;
    }
    return value == 0;
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *conv = &r->net->steps[n];
        struct step *pad = conv->op.kind == OP_CONV ? rewrite_only_source(r, conv->in[0], OP_PAD) : NULL;
        if (!pad || !pads_zeros_outside(r, pad, conv->op.u.conv.spatial + 2))
            continue;
        for (int i = 0; i < conv->op.u.conv.spatial; i++) {
            conv->op.u.conv.pad_begin[i] += (int) pad->op.u.pad.begin[2 + i];
            conv->op.u.conv.pad_end[i] += (int) pad->op.u.pad.end[2 + i];
        }
        conv->in[0] = pad->in[0];
        pad->dead = true;
    }
    return CQ_OK;
}

const struct pass pass_pad = {.name = "pad", .run = run};

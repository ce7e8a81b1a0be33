/* A frame of zeros around an image becomes the padding of the convolution or average that reads it. */
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

/* Does every window end within the image and its padding? Then what an average divides by is the same. */
static bool windows_fit(const struct rewrite *r, const struct step *s)
{
    const struct conv_attrs *a = &s->op.u.conv;
    const struct tensor_desc *x = &r->net->tensors[s->in[0]].desc, *y = &r->net->tensors[s->out[0]].desc;
    for (int i = 0; i < a->spatial; i++)
        if (a->pad_begin[i] || a->pad_end[i] ||
            (y->dim[2 + i] - 1) * a->stride[i] + (int64_t) (a->kernel[i] - 1) * a->dilation[i] >= x->dim[2 + i])
            return false;
    return true;
}

/* May the step's window look at padding instead of zeros? */
static bool can_pad(const struct rewrite *r, const struct step *s, const struct step *pad)
{
    if (s->op.kind == OP_CONV)
        return true;
    for (int i = 0; i < s->op.u.conv.spatial; i++)
        if (pad->op.u.pad.begin[2 + i] >= s->op.u.conv.kernel[i] || pad->op.u.pad.end[2 + i] >= s->op.u.conv.kernel[i])
            return false;
    return windows_fit(r, s);
}

static enum cq_err run(struct rewrite *r)
{
    for (int n = 0; n < r->net->n_steps; n++) {
        struct step *s = &r->net->steps[n];
        bool window = s->op.kind == OP_CONV || s->op.kind == OP_POOL_AVG;
        struct step *pad = window ? rewrite_only_source(r, s->in[0], OP_PAD) : NULL;
        if (!pad || !pads_zeros_outside(r, pad, s->op.u.conv.spatial + 2) || !can_pad(r, s, pad))
            continue;
        for (int i = 0; i < s->op.u.conv.spatial; i++) {
            s->op.u.conv.pad_begin[i] += (int) pad->op.u.pad.begin[2 + i];
            s->op.u.conv.pad_end[i] += (int) pad->op.u.pad.end[2 + i];
        }
        s->op.u.conv.count_include_pad = s->op.kind == OP_POOL_AVG;
        s->in[0] = pad->in[0];
        pad->dead = true;
    }
    return CQ_OK;
}

const struct pass pass_pad = {.name = "pad", .run = run};

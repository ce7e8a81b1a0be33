/* See candidates.h. */
#include "stages/infer/candidates.h"

#include "kernels/candidates.h"
#include "stages/infer/net.h"

enum { SHARE = 8 };

static bool fits(const struct net *net, const struct session_candidates *what, int64_t images)
{
    const struct tensor *x = &net->tensors[net->outputs[0]];
    return net->n_outputs == 1 && x->desc.type == DT_F32 && x->desc.rank == 3 && x->desc.dim[0] == images && !x->data &&
           x->batch_inner == 0 && x->desc.dim[what->planes ? 2 : 1] >= SHARE &&
           x->desc.dim[what->planes ? 1 : 2] > what->first + what->behind;
}

enum cq_err candidates_pick(struct cq_log *log, const struct device *dev, struct net *net,
                            const struct session_candidates *what, int64_t images, int64_t *cells)
{
    *cells = 0;
    if (!net->n_outputs || !fits(net, what, images))
        return CQ_OK;
    int x = net->outputs[0], out[CANDIDATES_OUTPUTS];
    const struct tensor_desc d = net->tensors[x].desc;
    if (!candidates_pay(dev, tensor_bytes(&d) / (size_t) images))
        return CQ_OK;
    int64_t n = d.dim[what->planes ? 2 : 1], values = d.dim[what->planes ? 1 : 2], most = n / SHARE;
    const struct tensor_desc rows = {DT_F32, .rank = 3, .dim = {images, most, values}};
    const struct tensor_desc list = {DT_I32, .rank = 2, .dim = {images, 1 + most}};
    out[CANDIDATES_ROWS] = net_tensor(net, "candidates", &rows);
    out[CANDIDATES_CELLS] = net_tensor(net, "candidate cells", &list);
    int *outputs = pool_alloc(&net->pool, CANDIDATES_OUTPUTS, sizeof *outputs);
    if (out[CANDIDATES_ROWS] < 0 || out[CANDIDATES_CELLS] < 0 || !outputs)
        return CQ_NOMEM;
    const struct step step = {
        .op = {.kind = OP_CANDIDATES, .u.candidates = {
                   .planes = what->planes, .first = what->first, .gate = what->gate, .threshold = what->threshold,
                   .scores = (int) values - what->first - what->behind,
               }},
        .n_in = 1, .n_out = CANDIDATES_OUTPUTS, .in = &x, .out = out, .name = "candidates", .type = "Candidates",
    };
    outputs[CANDIDATES_ROWS] = out[CANDIDATES_ROWS];
    outputs[CANDIDATES_CELLS] = out[CANDIDATES_CELLS];
    net->outputs = outputs;
    net->n_outputs = CANDIDATES_OUTPUTS;
    *cells = n;
    return net_emit(log, net, &step);
}

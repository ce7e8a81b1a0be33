/* Bytes as a model: load, and where that works, go as far as a plan goes without a device: once with inputs that
 * are known at run time only, once with inputs that are constants, so that the C reference computes the whole
 * model from them, with whatever attributes and indices the file has. For libFuzzer.
 *
 *     cmake -S . -B build-fuzz -DCMAKE_C_COMPILER=clang -DCLIPQ_FUZZ=ON "-DCLIPQ_SANITIZE=address;undefined"
 *     cmake --build build-fuzz --target fuzz_model
 *     build-fuzz/tests/fuzz_model -timeout=10 -max_len=16384 corpus/
 *
 * Start from small real models: random bytes hardly ever pass for protobuf. The ONNX test suite has about a
 * thousand (Debian: libonnx-testdata).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/lower.h"
#include "stages/infer/model.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/pass.h"
#include "stages/infer/place.h"
#include "stages/infer/tail.h"

enum { FREE_DIM = 32, SEGMENT = 1 << 28, INPUT_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages are made, as they would be, but not shown. */
static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

/* The model's input shapes for `batch` images where it was exported for one; free dimensions become 32. */
static void make_inputs(const struct graph *g, int batch, struct tensor_desc *out)
{
    for (int i = 0; i < g->n_inputs; i++) {
        const struct model_io *io = &g->inputs[i];
        out[i] = (struct tensor_desc){.type = io->type, .rank = io->rank};
        for (int d = 0; d < io->rank; d++)
            out[i].dim[d] = io->dim[d] > 0 ? io->dim[d] : d > 0 ? FREE_DIM : 1;
        if (io->rank && __builtin_mul_overflow(out[i].dim[0], batch, &out[i].dim[0]))
            out[i].dim[0] = batch;
    }
}

/* The tail on small numbers, without a device for what is dear. */
static void run_tail(struct cq_log *log, const struct graph *g, const struct lowered *base)
{
    struct tail *t;
    struct net net = {0};
    static const int64_t values[INPUT_BYTES / sizeof(int64_t)] = {1, 2, 0x3f8000003f000000, -1, 3, 0x40000000bf800000};
    if (tail_create(g, base, &t) || !t)
        return;
    const void **cut = calloc((size_t) t->n_cut + 1, sizeof *cut);
    struct constant *outputs = calloc((size_t) g->n_outputs + 1, sizeof *outputs);
    bool fits = cut && outputs;
    for (int i = 0; i < t->n_cut && fits; i++) {
        fits = tensor_bytes(&t->cut[i].constant.desc) <= sizeof values;
        cut[i] = values;
    }
    if (fits)
        tail_run(log, NULL, t, cut, &net, outputs);
    net_finish(&net);
    free(cut);
    free(outputs);
    tail_destroy(&t);
}

/* As plan_create does: at the exported shapes first, to learn where the batch sits. */
static void plan(struct cq_log *log, const struct graph *g, struct tensor_desc *inputs, struct lowered *base)
{
    struct net exported = {0}, net = {0};
    struct placement places = {0};
    make_inputs(g, 1, inputs);
    enum cq_err err = lower_graph(log, g, inputs, NULL, &exported, base);
    if (!err)
        run_tail(log, g, base);
    make_inputs(g, 2, inputs);
    if (!err)
        err = lower_graph(log, g, inputs, base, &net, NULL);
    if (!err)
        err = pass_run_all(log, &net);
    if (!err)
        place_tensors(&net, NULL, SEGMENT, &places);
    placement_finish(&places);
    net_finish(&net);
    net_finish(&exported);
}

/* Inputs as constants of small numbers, mostly valid as indices, some not. NULL: too large, or memory is short. */
static uint8_t *make_constants(struct graph *g, const struct tensor_desc *inputs)
{
    uint8_t *data = calloc(1, INPUT_BYTES);
    for (int i = 0; data && i < g->n_inputs; i++) {
        if (tensor_bytes(&inputs[i]) > INPUT_BYTES) {
            free(data);
            return NULL;
        }
        g->values[g->input_value[i]].constant = (struct constant){inputs[i], data};
    }
    size_t width = g->n_inputs ? dtype_size(inputs[0].type) : 0;
    for (size_t b = 0; data && width && b < INPUT_BYTES; b += width)
        data[b] = (uint8_t) (b / width * 7 % 5);
    g->n_inputs = 0;
    return data;
}

static void fold(struct cq_log *log, struct graph *g, struct tensor_desc *inputs)
{
    struct net net = {0};
    make_inputs(g, 1, inputs);
    uint8_t *data = make_constants(g, inputs);
    if (data)
        lower_graph(log, g, NULL, NULL, &net, NULL);
    net_finish(&net);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cq_log log = {.level = CQ_DEBUG, .sink = ignore};
    struct model *m;
    if (model_load_memory(&log, "fuzz", data, size, &m))
        return 0;
    /* The model is ours alone: nobody else sees that its inputs become constants. */
    struct graph *g = (struct graph *) model_graph(m);
    struct tensor_desc *inputs = calloc((size_t) g->n_inputs + 1, sizeof *inputs);
    struct lowered base = {0};
    if (inputs) {
        plan(&log, g, inputs, &base);
        fold(&log, g, inputs);
    }
    lowered_finish(&base);
    free(inputs);
    model_destroy(&m);
    return 0;
}

/* Bytes as a model: load, and where that works, go as far as a plan goes without a device. For libFuzzer.
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

enum { FREE_DIM = 32, SEGMENT = 1 << 28 };

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

/* As plan_create does: at the exported shapes first, to learn where the batch sits. */
static void plan(struct cq_log *log, const struct graph *g, struct tensor_desc *inputs, struct base_shapes *base)
{
    struct net exported = {0}, net = {0};
    struct placement places = {0};
    make_inputs(g, 1, inputs);
    enum cq_err err = lower_graph(log, g, inputs, NULL, &exported, base);
    make_inputs(g, 2, inputs);
    if (!err)
        err = lower_graph(log, g, inputs, base, &net, NULL);
    if (!err)
        err = pass_run_all(log, &net);
    if (!err)
        place_tensors(&net, SEGMENT, &places);
    placement_finish(&places);
    net_finish(&net);
    net_finish(&exported);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cq_log log = {.level = CQ_DEBUG, .sink = ignore};
    struct model *m;
    if (model_load_memory(&log, "fuzz", data, size, &m))
        return 0;
    const struct graph *g = model_graph(m);
    struct tensor_desc *inputs = calloc((size_t) g->n_inputs + 1, sizeof *inputs);
    struct base_shapes base = {.value = calloc((size_t) g->n_values + 1, sizeof *base.value)};
    if (inputs && base.value)
        plan(&log, g, inputs, &base);
    free(base.value);
    free(inputs);
    model_destroy(&m);
    return 0;
}

/* For tests of passes: the same model lowered twice, once as it is and once rewritten, both computed with the C
 * reference on the same inputs; the answers must agree. The test then looks at what steps are left.
 */
#ifndef CLIPQ_TESTS_PASS_CHECK_H
#define CLIPQ_TESTS_PASS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "stages/infer/lower.h"
#include "stages/infer/model.h"
#include "stages/infer/model_graph.h"
#include "stages/infer/pass.h"
#include "tests/onnx_build.h"

static struct cq_log logger = {.level = CQ_ERROR, .name = "test"};

/* Memory of every tensor, computed from inputs that look random; for free_net_values. */
static inline void **net_values(const struct net *net)
{
    void **value = calloc((size_t) net->n_tensors + 1, sizeof *value);
    assert_non_null(value);
    for (int t = 0; t < net->n_tensors; t++) {
        value[t] = malloc(tensor_bytes(&net->tensors[t].desc) + 1);
        assert_non_null(value[t]);
        if (net->tensors[t].data)
            memcpy(value[t], net->tensors[t].data, tensor_bytes(&net->tensors[t].desc));
    }
    for (int i = 0; i < net->n_inputs; i++)
        for (int64_t k = 0; k < tensor_elems(&net->tensors[net->inputs[i]].desc); k++)
            ((float *) value[net->inputs[i]])[k] = sinf((float) ((k * 7919 + i) % 1009));
    for (int n = 0; n < net->n_steps; n++) {
        const struct step *s = &net->steps[n];
        struct op_inst *inst = malloc(sizeof *inst);
        const void *in[OP_MAX_INPUTS] = {0};
        void *out[OP_MAX_OUTPUTS] = {0};
        net_inst(net, s, inst);
        for (int i = 0; i < s->n_in; i++)
            in[i] = s->in[i] < 0 ? NULL : value[s->in[i]];
        for (int i = 0; i < s->n_out; i++)
            out[i] = value[s->out[i]];
        assert_int_equal(op_reference(inst, in, out), CQ_OK);
        free(inst);
    }
    return value;
}

static inline void free_net_values(const struct net *net, void **value)
{
    for (int t = 0; t < net->n_tensors; t++)
        free(value[t]);
    free(value);
}

static inline void expect_same_answers(const struct net *as_written, const struct net *rewritten)
{
    void **want = net_values(as_written), **got = net_values(rewritten);
    assert_int_equal(as_written->n_outputs, rewritten->n_outputs);
    for (int i = 0; i < as_written->n_outputs; i++) {
        int a = as_written->outputs[i], b = rewritten->outputs[i];
        const struct tensor_desc *d = &as_written->tensors[a].desc;
        assert_true(tensor_same_shape(d, &rewritten->tensors[b].desc));
        assert_int_equal(d->type, DT_F32);
        for (int64_t k = 0; k < tensor_elems(d); k++)
            assert_float_equal(((float *) got[b])[k], ((float *) want[a])[k], 2e-5f);
    }
    free_net_values(as_written, want);
    free_net_values(rewritten, got);
}

/* Takes the model. The rewritten net is the caller's to finish, before model_destroy(). */
static inline struct model *rewrite_and_compare(Onnx__ModelProto *p, struct net *net)
{
    size_t size;
    struct model *m;
    struct tensor_desc in[4];
    struct net as_written = {0};
    uint8_t *data = onnx_bytes(p, &size);
    assert_int_equal(model_load_memory(&logger, "test", data, size, &m), CQ_OK);
    free(data);
    onnx_free(p);
    *net = (struct net){0};
    assert_true(model_default_inputs(m, in));
    assert_int_equal(lower_graph(&logger, model_graph(m), in, NULL, &as_written, NULL), CQ_OK);
    assert_int_equal(lower_graph(&logger, model_graph(m), in, NULL, net, NULL), CQ_OK);
    assert_int_equal(pass_run_all(&logger, net), CQ_OK);
    expect_same_answers(&as_written, net);
    net_finish(&as_written);
    return m;
}

static inline int count_kind(const struct net *net, enum op_kind kind)
{
    int n = 0;
    for (int i = 0; i < net->n_steps; i++)
        n += net->steps[i].op.kind == kind;
    return n;
}

#endif

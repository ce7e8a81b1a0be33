/* Quantised operators, ONNX Runtime's fused operators and narrow types, as whole models on the device: what ONNX's own
 * backend tests do not have. Expected values are worked out by hand from the operators' definitions.
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"
#include "tests/onnx_build.h"

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static struct cq_log logger = {.level = CQ_ERROR, .sink = ignore};
static struct device *dev;

#define TYPE(name) ONNX__TENSOR_PROTO__DATA_TYPE__##name
#define DIMS(...) (int) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define SCALAR 0, (int64_t[]){0}
#define FLOATS(...) (const float[]){__VA_ARGS__}
#define BYTES(...) (const uint8_t[]){__VA_ARGS__}
#define SIGNED(...) (const int8_t[]){__VA_ARGS__}
#define INTS(...) (const int32_t[]){__VA_ARGS__}

enum { UINT4 = 21, INT4 = 22, FLOAT8 = 17 };

static void constant(Onnx__ModelProto *p, const char *name, int type, int rank, const int64_t *dim, const void *data,
                     size_t item)
{
    onnx_raw(onnx_tensor_of(p, name, type, rank, dim), data, (size_t) onnx_count(rank, dim) * item);
}

static void floats(Onnx__ModelProto *p, const char *name, int rank, const int64_t *dim, const float *v)
{
    constant(p, name, TYPE(FLOAT), rank, dim, v, sizeof *v);
}

static void bytes(Onnx__ModelProto *p, const char *name, int rank, const int64_t *dim, const uint8_t *v)
{
    constant(p, name, TYPE(UINT8), rank, dim, v, 1);
}

static void signed_bytes(Onnx__ModelProto *p, const char *name, int rank, const int64_t *dim, const int8_t *v)
{
    constant(p, name, TYPE(INT8), rank, dim, v, 1);
}

static Onnx__NodeProto *of_runtime(Onnx__NodeProto *n)
{
    n->domain = strdup("com.microsoft");
    return n;
}

static void attr_float(Onnx__NodeProto *n, const char *name, float v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = 1;
    a->f = v;
}

static void attr_text(Onnx__NodeProto *n, const char *name, const char *v)
{
    Onnx__AttributeProto *a = onnx_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = 1;
    a->s.len = strlen(v);
    a->s.data = (uint8_t *) strdup(v);
}

/* Runs a model of one float input "x" and one output; frees the model. */
static enum cq_err run(Onnx__ModelProto *p, int rank, const int64_t *dim, const float *x, struct session **s,
                       struct model **m, struct session_output *out)
{
    size_t size;
    uint8_t *data = onnx_bytes(p, &size);
    const struct session_output *all;
    int n_out;
    struct session_input in = {{DT_F32, .rank = rank}, x};
    memcpy(in.desc.dim, dim, (size_t) rank * sizeof *dim);
    enum cq_err err = model_load_memory(&logger, "test", data, size, m);
    if (!err)
        err = session_create(&logger, dev, *m, &(struct session_params){.skip_batch_check = true}, s);
    if (!err)
        err = session_run_tensors(*s, &in, 1, &all, &n_out);
    if (!err)
        *out = all[0];
    free(data);
    onnx_free(p);
    return err;
}

static void expect(Onnx__ModelProto *p, int rank, const int64_t *dim, const float *x, enum dtype type, int64_t n,
                   const void *want)
{
    struct session *s = NULL;
    struct model *m = NULL;
    struct session_output got;
    if (run(p, rank, dim, x, &s, &m, &got))
        fail_msg("%s", logger.last_error);
    assert_string_equal(dtype_name(got.desc.type), dtype_name(type));
    assert_int_equal(tensor_elems(&got.desc), n);
    for (int64_t i = 0; i < n && type == DT_F32; i++)
        assert_float_equal(((const float *) got.data)[i], ((const float *) want)[i], 1e-6f);
    if (type != DT_F32)
        assert_memory_equal(got.data, want, (size_t) n * dtype_size(type));
    session_destroy(&s);
    model_destroy(&m);
}

static void expect_refused(Onnx__ModelProto *p, int rank, const int64_t *dim, const char *word)
{
    struct session *s = NULL;
    struct model *m = NULL;
    struct session_output got;
    static const float zeros[64];
    assert_int_equal(run(p, rank, dim, zeros, &s, &m, &got), CQ_UNSUPPORTED);
    if (!strstr(logger.last_error, word))
        fail_msg("\"%s\" is not in \"%s\"", word, logger.last_error);
    session_destroy(&s);
    model_destroy(&m);
}

static Onnx__ModelProto *model_of(int opset, int rank, const int64_t *dim)
{
    Onnx__ModelProto *p = onnx_model(opset);
    onnx_input(p, "x", rank, dim);
    onnx_output(p, "y");
    return p;
}

/* ---- to and from integers ---- */

static void quantize_rounds_to_even_and_saturates(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(10, DIMS(1, 8));
    onnx_float(p, "scale", 2);
    bytes(p, "zero", SCALAR, BYTES(10));
    onnx_node(p, "QuantizeLinear", "x,scale,zero", "y");
    expect(p, DIMS(1, 8), FLOATS(1, 3, 5, -1, -3, 1000, -1000, NAN), DT_U8, 8, BYTES(10, 12, 12, 10, 8, 255, 0, 0));
}

static void quantize_has_uint8_and_zero_as_defaults(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 3));
    onnx_float(p, "scale", 0.5f);
    onnx_node(p, "QuantizeLinear", "x,scale", "y");
    expect(p, DIMS(1, 3), FLOATS(-1, 1, 4), DT_U8, 3, BYTES(0, 2, 8));
}

static void quantize_takes_the_type_it_is_told(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(21, DIMS(1, 3));
    onnx_float(p, "scale", 0.5f);
    onnx_attr_int(onnx_node(p, "QuantizeLinear", "x,scale", "y"), "output_dtype", TYPE(INT16));
    expect(p, DIMS(1, 3), FLOATS(-1, 1, 1e9f), DT_I16, 3, ((const int16_t[]){-2, 2, 32767}));
}

static void quantize_works_along_an_axis(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2, 2));
    floats(p, "scale", DIMS(2), FLOATS(1, 10));
    signed_bytes(p, "zero", DIMS(2), SIGNED(0, -5));
    onnx_attr_int(onnx_node(p, "QuantizeLinear", "x,scale,zero", "y"), "axis", -2);
    expect(p, DIMS(1, 2, 2), FLOATS(1, 200, 10, 200), DT_I8, 4, SIGNED(1, 127, -4, 15));
}

static void blocks_have_their_own_scales(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(21, DIMS(1, 5));
    floats(p, "scale", DIMS(1, 3), FLOATS(1, 2, 4));
    signed_bytes(p, "zero", DIMS(1, 3), SIGNED(0, 1, 2));
    onnx_attr_int(onnx_node(p, "QuantizeLinear", "x,scale,zero", "q"), "block_size", 2);
    onnx_attr_int(onnx_node(p, "DequantizeLinear", "q,scale,zero", "y"), "block_size", 2);
    expect(p, DIMS(1, 5), FLOATS(1.2f, 2, 2.8f, 8, 9), DT_F32, 5, FLOATS(1, 2, 2, 8, 8));
}

static void dequantize_takes_int32(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2));
    constant(p, "bias", TYPE(INT32), DIMS(2), INTS(-100000, 7), 4);
    onnx_float(p, "scale", 0.01f);
    onnx_node(p, "DequantizeLinear", "bias,scale", "b");
    onnx_node(p, "Add", "x,b", "y");
    expect(p, DIMS(1, 2), FLOATS(0, 1), DT_F32, 2, FLOATS(-1000, 1.07f));
}

static void a_scale_must_fit(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 4));
    floats(p, "scale", DIMS(3), FLOATS(1, 2, 3));
    onnx_node(p, "QuantizeLinear", "x,scale", "y");
    expect_refused(p, DIMS(1, 4), "does not fit");
}

/* A black picture has no range; any scale but 0 is right, and ONNX Runtime says 1. */
static void dynamic_scale_of_zeros_is_one(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(11, DIMS(1, 4));
    onnx_node(p, "DynamicQuantizeLinear", "x", "q,scale,zero");
    onnx_node(p, "DequantizeLinear", "q,scale,zero", "d");
    onnx_node(p, "Add", "d,scale", "y");
    expect(p, DIMS(1, 4), FLOATS(0, 0, 0, 0), DT_F32, 4, FLOATS(1, 1, 1, 1));
}

/* ---- sums of integers ---- */

static void quantised_input(Onnx__ModelProto *p)
{
    onnx_float(p, "x_scale", 0.5f);
    bytes(p, "x_zero", SCALAR, BYTES(128));
    onnx_node(p, "QuantizeLinear", "x,x_scale,x_zero", "q");
}

/* Two groups, a scale and a zero point per channel, a bias; padding must count as the zero point, thus 0. */
static void qlinear_conv_per_channel(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(10, DIMS(1, 2, 1, 2));
    quantised_input(p);
    signed_bytes(p, "w", DIMS(2, 1, 1, 3), SIGNED(1, 2, 3, 1, 2, 3));
    floats(p, "w_scale", DIMS(2), FLOATS(1, 0.5f));
    signed_bytes(p, "w_zero", DIMS(2), SIGNED(0, 1));
    onnx_float(p, "y_scale", 0.25f);
    signed_bytes(p, "y_zero", SCALAR, SIGNED(-3));
    constant(p, "bias", TYPE(INT32), DIMS(2), INTS(1, -2), 4);
    Onnx__NodeProto *n =
        onnx_node(p, "QLinearConv", "q,x_scale,x_zero,w,w_scale,w_zero,y_scale,y_zero,bias", "y");
    onnx_attr_int(n, "group", 2);
    onnx_attr_ints(n, "pads", 4, (int64_t[]){0, 1, 0, 1});
    /* channel 0: x = 2, -4 in steps; (2*2 - 4*3 + 1)*2 = -14, (2*1 - 4*2 + 1)*2 = -10;
     * channel 1: x = 1, 3 in steps; taps 0, 1, 2: (1 + 6 - 2)*1 = 5, (0 + 3 - 2)*1 = 1; plus -3 */
    expect(p, DIMS(1, 2, 1, 2), FLOATS(1, -2, 0.5f, 1.5f), DT_I8, 4, SIGNED(-17, -13, 2, -2));
}

static void matmul_integer_has_zeros_per_row_and_column(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(10, DIMS(2, 2));
    onnx_float(p, "one", 1);
    onnx_node(p, "QuantizeLinear", "x,one", "a");
    signed_bytes(p, "b", DIMS(2, 2), SIGNED(1, -1, 2, 5));
    bytes(p, "a_zero", DIMS(2), BYTES(1, 0));
    signed_bytes(p, "b_zero", DIMS(2), SIGNED(0, 5));
    onnx_node(p, "MatMulInteger", "a,b,a_zero,b_zero", "y");
    expect(p, DIMS(2, 2), FLOATS(1, 3, 2, 0), DT_I32, 4, INTS(4, 0, 2, -12));
}

static void integer_product_with_a_float_result(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(10, DIMS(1, 2));
    onnx_float(p, "one", 1);
    onnx_node(p, "QuantizeLinear", "x,one", "a");
    signed_bytes(p, "b", DIMS(2, 2), SIGNED(1, -1, 2, 5));
    floats(p, "b_scale", DIMS(2), FLOATS(0.5f, 2));
    floats(p, "bias", DIMS(2), FLOATS(10, 20));
    of_runtime(onnx_node(p, "MatMulIntegerToFloat", "a,b,one,b_scale,,,bias", "y"));
    expect(p, DIMS(1, 2), FLOATS(3, 4), DT_F32, 2, FLOATS(15.5f, 54));
}

static void quantised_operators_of_the_runtime(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2));
    quantised_input(p);
    onnx_float(p, "y_scale", 0.25f);
    of_runtime(onnx_node(p, "QLinearAdd", "q,x_scale,x_zero,q,x_scale,x_zero,y_scale,x_zero", "sum"));
    of_runtime(onnx_node(p, "QLinearMul", "sum,y_scale,x_zero,q,x_scale,x_zero,y_scale,x_zero", "product"));
    Onnx__NodeProto *n = of_runtime(onnx_node(p, "QLinearLeakyRelu", "product,y_scale,x_zero,x_scale,x_zero", "leaky"));
    attr_float(n, "alpha", 0.5f);
    n = of_runtime(onnx_node(p, "QLinearConcat", "y_scale,x_zero,leaky,x_scale,x_zero,sum,y_scale,x_zero", "y"));
    onnx_attr_int(n, "axis", 1);
    /* x = 1, -2; sum = 2, -4; product = 2, 8; leaky = 2, 8 */
    expect(p, DIMS(1, 2), FLOATS(1, -2), DT_U8, 4, BYTES(136, 160, 136, 112));
}

/* ---- fused operators ---- */

static void fused_conv_adds_before_it_activates(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 1, 1, 3));
    floats(p, "w", DIMS(1, 1, 1, 1), FLOATS(2));
    floats(p, "b", DIMS(1), FLOATS(1));
    Onnx__NodeProto *n = of_runtime(onnx_node(p, "FusedConv", "x,w,b,x", "y"));
    attr_text(n, "activation", "LeakyRelu");
    Onnx__AttributeProto *a = onnx_attr(n, "activation_params", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    a->n_floats = 1;
    a->floats = malloc(sizeof *a->floats);
    a->floats[0] = 0.5f;
    expect(p, DIMS(1, 1, 1, 3), FLOATS(1, 0, -1), DT_F32, 3, FLOATS(4, 1, -1));
}

static void fused_conv_names_an_unknown_activation(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 1, 1, 3));
    floats(p, "w", DIMS(1, 1, 1, 1), FLOATS(2));
    attr_text(of_runtime(onnx_node(p, "FusedConv", "x,w", "y")), "activation", "Wobble");
    expect_refused(p, DIMS(1, 1, 1, 3), "Wobble");
}

static void fused_matmul_turns_batches(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(2, 1, 2));
    floats(p, "b", DIMS(1, 2, 1), FLOATS(1, 10));
    Onnx__NodeProto *n = of_runtime(onnx_node(p, "FusedMatMul", "x,b", "y"));
    onnx_attr_int(n, "transBatchA", 1);
    attr_float(n, "alpha", 0.5f);
    expect(p, DIMS(2, 1, 2), FLOATS(1, 2, 3, 4), DT_F32, 2, FLOATS(10.5f, 21.5f));
}

static void skip_norm_gives_its_sum(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 1, 2));
    floats(p, "scale", DIMS(2), FLOATS(1, 2));
    floats(p, "shift", DIMS(2), FLOATS(5, 5));
    floats(p, "bias", DIMS(2), FLOATS(1, 0));
    of_runtime(onnx_node(p, "SkipLayerNormalization", "x,x,scale,shift,bias", "norm,,,sum"));
    onnx_node(p, "Concat", "norm,sum", "y");
    onnx_attr_int(p->graph->node[1], "axis", 2);
    expect(p, DIMS(1, 1, 2), FLOATS(1, 3), DT_F32, 4, FLOATS(4, 7, 3, 6));
}

static void split_gelu_and_bias_add(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 1, 4));
    floats(p, "bias", DIMS(4), FLOATS(1, 1, 0, 0));
    floats(p, "more", DIMS(2), FLOATS(1, 2));
    of_runtime(onnx_node(p, "BiasSplitGelu", "x,bias", "split"));
    of_runtime(onnx_node(p, "BiasAdd", "split,more,split", "y"));
    /* gelu(0) = 0, gelu(1) = 0.841344746 */
    expect(p, DIMS(1, 1, 4), FLOATS(1, 2, 0, 1), DT_F32, 2, FLOATS(1, 2 + 6 * 0.841344746f));
}

static void attention_with_equal_keys_is_a_mean(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2, 2));
    floats(p, "zeros", DIMS(1, 2, 2), FLOATS(0, 0, 0, 0));
    floats(p, "bias", DIMS(6), FLOATS(1, 1, 1, 1, 0, 10));
    onnx_attr_int(of_runtime(onnx_node(p, "MultiHeadAttention", "zeros,zeros,x,bias", "y")), "num_heads", 2);
    expect(p, DIMS(1, 2, 2), FLOATS(1, 2, 3, 4), DT_F32, 4, FLOATS(2, 13, 2, 13));
}

static void attention_refuses_masks(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2, 2));
    constant(p, "mask", TYPE(INT32), DIMS(1, 2), INTS(1, 1), 4);
    onnx_attr_int(of_runtime(onnx_node(p, "MultiHeadAttention", "x,x,x,,mask", "y")), "num_heads", 2);
    expect_refused(p, DIMS(1, 2, 2), "mask");
}

/* One operator on constants of many shapes and types, which the model may never read. */
static Onnx__ModelProto *odd_model(const char *type, bool runtime, const char *inputs, bool has_first_output)
{
    static const float zeros[16];
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2, 4));
    floats(p, "s", SCALAR, FLOATS(1));
    floats(p, "f", DIMS(1), FLOATS(0.5f));
    floats(p, "e", DIMS(0, 2), zeros);
    floats(p, "m", DIMS(4, 4), zeros);
    bytes(p, "q", DIMS(1, 2, 4), (const uint8_t *) zeros);
    signed_bytes(p, "w", DIMS(3, 2, 2), (const int8_t *) zeros);
    bytes(p, "z", DIMS(1), BYTES(7));
    Onnx__NodeProto *n = onnx_node(p, type, inputs, has_first_output ? "r" : ",r");
    if (runtime)
        of_runtime(n);
    attr_text(n, "activation", "Relu");
    onnx_attr_int(n, "num_heads", 2);
    onnx_attr_ints(n, "kernel_shape", 1, (int64_t[]){2});
    onnx_node(p, "Identity", has_first_output ? "r" : "x", "y");
    return p;
}

static int run_odd_models(const char *const *types, size_t n, bool runtime)
{
    static const char *const inputs[] = {
        "x", "s,s,s,s,s,s,s,s,s", "q,f,z,q,f,z,f,z", "x,s", "q,s,s,q,s,s,s,s", "x,x,x,x,x,x", "q,q,z,z", "e,e,e,e,e,e,e",
        ",,,,", "x,f,f", "s,x,x,x", "f,z,q,f,z", "q,w,z,z", "m,m,m,m,m",
    };
    static const float zeros[8];
    int ran = 0;
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < 2 * sizeof inputs / sizeof *inputs; i++) {
            struct session *s = NULL;
            struct model *m = NULL;
            struct session_output got;
            Onnx__ModelProto *p = odd_model(types[t], runtime, inputs[i / 2], i % 2);
            ran += run(p, DIMS(1, 2, 4), zeros, &s, &m, &got) == CQ_OK;
            session_destroy(&s);
            model_destroy(&m);
        }
    return ran;
}

/* An error or an answer, and no access outside of anything (for the sanitizers). */
static void odd_inputs_do_no_harm(void **state)
{
    (void) state;
    static const char *const own[] = {
        "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "QLinearConv",
        "QLinearMatMul", "SimplifiedLayerNormalization",
    };
    static const char *const runtime[] = {
        "FusedConv", "FusedGemm", "FusedMatMul", "BiasGelu", "QuickGelu", "BiasSplitGelu", "BiasAdd",
        "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "MultiHeadAttention", "Attention", "QLinearAdd",
        "QLinearLeakyRelu", "QLinearWhere", "QLinearSoftmax", "QLinearAveragePool", "QLinearGlobalAveragePool",
        "QLinearConcat", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
    };
    assert_true(run_odd_models(own, sizeof own / sizeof *own, false) > 5);
    assert_true(run_odd_models(runtime, sizeof runtime / sizeof *runtime, true) > 10);
}

/* ---- narrow types ---- */

static void four_bits_are_unpacked(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(21, DIMS(1, 3));
    onnx_raw(onnx_tensor_of(p, "w", INT4, DIMS(3)), BYTES(0xf8, 0x07), 2);      /* -8, -1, 7 */
    Onnx__TensorProto *u = onnx_tensor_of(p, "u", UINT4, DIMS(3));              /* 15, 1, 9, in a typed field */
    u->n_int32_data = 2;
    u->int32_data = malloc(2 * sizeof *u->int32_data);
    u->int32_data[0] = 0x1f;
    u->int32_data[1] = 0x09;
    onnx_float(p, "scale", 0.5f);
    onnx_node(p, "DequantizeLinear", "w,scale", "dw");
    onnx_node(p, "DequantizeLinear", "u,scale", "du");
    onnx_node(p, "Add", "x,dw", "s");
    onnx_node(p, "Add", "s,du", "y");
    expect(p, DIMS(1, 3), FLOATS(0, 0, 0), DT_F32, 3, FLOATS(3.5f, 0, 8));
}

static void four_bits_are_no_result(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(21, DIMS(1, 3));
    onnx_raw(onnx_tensor_of(p, "zero", INT4, SCALAR), BYTES(0), 1);
    onnx_float(p, "scale", 0.5f);
    onnx_node(p, "QuantizeLinear", "x,scale,zero", "y");
    expect_refused(p, DIMS(1, 3), "4 bits");
}

static void float8_is_named(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(19, DIMS(1, 3));
    onnx_raw(onnx_tensor_of(p, "w", FLOAT8, DIMS(3)), BYTES(1, 2, 3), 3);
    onnx_node(p, "Add", "x,w", "y");
    expect_refused(p, DIMS(1, 3), "float8");
}

static void brain_floats_are_read_as_floats(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2));
    onnx_raw(onnx_tensor_of(p, "w", TYPE(BFLOAT16), DIMS(2)), (const uint16_t[]){0x3fc0, 0xc000}, 4);   /* 1.5, -2 */
    onnx_attr_int(onnx_node(p, "Cast", "x", "c"), "to", TYPE(BFLOAT16));
    onnx_node(p, "Mul", "c,w", "y");
    expect(p, DIMS(1, 2), FLOATS(2, 3), DT_F32, 2, FLOATS(3, -6));
}

static void doubles_are_computed(void **state)
{
    (void) state;
    Onnx__ModelProto *p = model_of(13, DIMS(1, 2));
    constant(p, "w", TYPE(DOUBLE), DIMS(2, 2), (const double[]){1, 2, 3, 4}, sizeof(double));
    onnx_attr_int(onnx_node(p, "Cast", "x", "wide"), "to", TYPE(DOUBLE));
    onnx_node(p, "MatMul", "wide,w", "product");
    onnx_node(p, "Relu", "product", "y");
    expect(p, DIMS(1, 2), FLOATS(1, 2), DT_F64, 2, ((const double[]){7, 10}));
}

/* Initialisers of every integer type, half of them in typed fields, each cast to float and added up. */
static void integers_of_every_type_load(void **state)
{
    (void) state;
    static const struct { const char *name; int type; size_t size; int64_t value; } all[] = {
        {"u8", TYPE(UINT8), 1, 200},       {"i8", TYPE(INT8), 1, -100},      {"u16", TYPE(UINT16), 2, 60000},
        {"i16", TYPE(INT16), 2, -30000},   {"i32", TYPE(INT32), 4, -70000},  {"u32", TYPE(UINT32), 4, 3000000000},
        {"i64", TYPE(INT64), 8, -5000000}, {"u64", TYPE(UINT64), 8, 7000000}, {"bool", TYPE(BOOL), 1, 1},
    };
    for (int typed = 0; typed < 2; typed++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            Onnx__ModelProto *p = model_of(13, DIMS(1, 1));
            Onnx__TensorProto *t = onnx_tensor_of(p, all[i].name, all[i].type, DIMS(1));
            if (!typed) {
                onnx_raw(t, &all[i].value, all[i].size);
            } else if (all[i].type == TYPE(UINT32) || all[i].type == TYPE(UINT64)) {
                t->n_uint64_data = 1;
                t->uint64_data = malloc(sizeof *t->uint64_data);
                *t->uint64_data = (uint64_t) all[i].value;
            } else if (all[i].type == TYPE(INT64)) {
                t->n_int64_data = 1;
                t->int64_data = malloc(sizeof *t->int64_data);
                *t->int64_data = all[i].value;
            } else {
                t->n_int32_data = 1;
                t->int32_data = malloc(sizeof *t->int32_data);
                *t->int32_data = (int32_t) all[i].value;
            }
            onnx_attr_int(onnx_node(p, "Cast", all[i].name, "f"), "to", TYPE(FLOAT));
            onnx_node(p, "Add", "x,f", "y");
            expect(p, DIMS(1, 1), FLOATS(0), DT_F32, 1, FLOATS((float) all[i].value));
        }
}

int main(void)
{
    struct device_info info;
    device_setup_environment(0);
    enum cq_err err = device_find(&logger, "auto", &info);
    if (err == CQ_NO_DEVICE) {
        printf("SKIP: no OpenCL device\n");
        return 77;
    }
    if (err || device_open(&logger, &info, &dev))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_rounds_to_even_and_saturates),
        cmocka_unit_test(quantize_has_uint8_and_zero_as_defaults),
        cmocka_unit_test(quantize_takes_the_type_it_is_told),
        cmocka_unit_test(quantize_works_along_an_axis),
        cmocka_unit_test(blocks_have_their_own_scales),
        cmocka_unit_test(dequantize_takes_int32),
        cmocka_unit_test(a_scale_must_fit),
        cmocka_unit_test(dynamic_scale_of_zeros_is_one),
        cmocka_unit_test(qlinear_conv_per_channel),
        cmocka_unit_test(matmul_integer_has_zeros_per_row_and_column),
        cmocka_unit_test(integer_product_with_a_float_result),
        cmocka_unit_test(quantised_operators_of_the_runtime),
        cmocka_unit_test(fused_conv_adds_before_it_activates),
        cmocka_unit_test(fused_conv_names_an_unknown_activation),
        cmocka_unit_test(fused_matmul_turns_batches),
        cmocka_unit_test(skip_norm_gives_its_sum),
        cmocka_unit_test(split_gelu_and_bias_add),
        cmocka_unit_test(attention_with_equal_keys_is_a_mean),
        cmocka_unit_test(attention_refuses_masks),
        cmocka_unit_test(odd_inputs_do_no_harm),
        cmocka_unit_test(four_bits_are_unpacked),
        cmocka_unit_test(four_bits_are_no_result),
        cmocka_unit_test(float8_is_named),
        cmocka_unit_test(brain_floats_are_read_as_floats),
        cmocka_unit_test(doubles_are_computed),
        cmocka_unit_test(integers_of_every_type_load),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

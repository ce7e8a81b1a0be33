/* Arithmetic with constants in a row becomes one batch normalisation, along whichever dimension the constants lie. */
#include "tests/pass_check.h"

static Onnx__ModelProto *begin(int rank, const int64_t *dim)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", rank, dim);
    onnx_node(p, "Cos", "x", "a");
    return p;
}

static void expect(Onnx__ModelProto *p, int norms, int steps)
{
    struct net net;
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_BATCH_NORM), norms);
    assert_int_equal(net.n_steps, steps);
    net_finish(&net);
    model_destroy(&m);
}

static void test_channels(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(4, (int64_t[]){2, 3, 4, 5});
    onnx_weights(p, "k", 3, (int64_t[]){3, 1, 1});
    onnx_weights(p, "c", 4, (int64_t[]){1, 3, 1, 1});
    onnx_float(p, "two", 2);
    onnx_float(p, "three", 3);
    onnx_node(p, "Mul", "a,k", "m");
    onnx_node(p, "Sub", "c,m", "s");
    onnx_node(p, "Div", "s,two", "d");
    onnx_node(p, "Sub", "d,three", "e");
    onnx_node(p, "Relu", "e", "y");
    expect(p, 1, 2);
}

/* Along the last dimension, with nothing in front of it: by way of two views. */
static void test_last_dimension(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(4, (int64_t[]){1, 1, 1, 5});
    onnx_weights(p, "k", 1, (int64_t[]){5});
    onnx_weights(p, "c", 1, (int64_t[]){5});
    onnx_node(p, "Mul", "k,a", "m");
    onnx_node(p, "Add", "m,c", "s");
    onnx_node(p, "Mul", "s,k", "t");
    onnx_node(p, "Exp", "t", "y");
    expect(p, 1, 5);
}

static void test_layer_norm(void **state)
{
    (void) state;
    for (int bias = 0; bias < 2; bias++) {
        Onnx__ModelProto *p = begin(4, (int64_t[]){2, 3, 4, 5});
        p->opset_import[0]->version = 17;
        onnx_weights(p, "scale", 3, (int64_t[]){3, 4, 5});
        onnx_weights(p, "bias", 3, (int64_t[]){3, 4, 5});
        onnx_weights(p, "k", 3, (int64_t[]){3, 1, 1});
        onnx_float(p, "two", 2);
        onnx_attr_int(onnx_node(p, "LayerNormalization", bias ? "a,scale,bias" : "a,scale", "n"), "axis", 1);
        onnx_node(p, "Mul", "n,k", "m");
        onnx_node(p, "Add", "m,two", "y");
        expect(p, 0, 2);
    }
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(4, (int64_t[]){1, 3, 4, 5});
    onnx_weights(p, "k", 1, (int64_t[]){5});
    onnx_weights(p, "c", 1, (int64_t[]){5});
    onnx_node(p, "Mul", "a,k", "m");         /* along the last dimension of several */
    onnx_node(p, "Add", "m,c", "y");
    expect(p, 0, 3);
    p = begin(4, (int64_t[]){1, 3, 5, 5});
    onnx_weights(p, "k", 3, (int64_t[]){3, 1, 1});
    onnx_weights(p, "c", 2, (int64_t[]){5, 1});
    onnx_node(p, "Mul", "a,k", "m");         /* along two different ones */
    onnx_node(p, "Add", "m,c", "y");
    expect(p, 0, 3);
    p = begin(4, (int64_t[]){1, 3, 4, 5});
    onnx_weights(p, "k", 3, (int64_t[]){3, 1, 1});
    onnx_node(p, "Div", "k,a", "d");         /* not a line */
    onnx_node(p, "Add", "d,k", "y");
    expect(p, 0, 3);
    p = begin(4, (int64_t[]){1, 3, 4, 5});
    onnx_weights(p, "k", 3, (int64_t[]){3, 1, 1});
    onnx_node(p, "Mul", "a,k", "m");
    onnx_node(p, "Add", "m,k", "s");
    onnx_node(p, "Mul", "s,m", "y");         /* reads what stands between */
    expect(p, 0, 4);
    p = begin(4, (int64_t[]){1, 3, 4, 5});
    onnx_float(p, "large", 3e38f);
    onnx_node(p, "Add", "a,large", "s");
    onnx_node(p, "Add", "s,large", "t");     /* their sum is no number */
    onnx_node(p, "Mul", "t,t", "square");
    onnx_node(p, "Div", "a,square", "y");
    expect(p, 0, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels), cmocka_unit_test(test_last_dimension), cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_layer_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Convolutions side by side: those with one geometry become one, depthwise ones behind them too; others stay. */
#include <stdio.h>

#include "tests/pass_check.h"

enum { CHANNELS = 8, SIDE = 5 };

static Onnx__ModelProto *begin(int pictures)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){pictures, CHANNELS, SIDE, SIDE});
    return p;
}

struct shape { int in, out, group, kernel, stride; bool bias; };

static void conv(Onnx__ModelProto *p, const char *in, const char *out, struct shape s)
{
    char w[40], b[40], links[120];
    snprintf(w, sizeof w, "w_%s", out);
    snprintf(b, sizeof b, "b_%s", out);
    snprintf(links, sizeof links, s.bias ? "%s,%s,%s" : "%s,%s", in, w, b);
    onnx_weights(p, w, 4, (int64_t[]){s.out, s.in / s.group, s.kernel, s.kernel});
    if (s.bias)
        onnx_weights(p, b, 1, (int64_t[]){s.out});
    int64_t pad = s.kernel / 2;
    Onnx__NodeProto *n = onnx_node(p, "Conv", links, out);
    onnx_attr_ints(n, "pads", 4, (int64_t[]){pad, pad, pad, pad});
    onnx_attr_ints(n, "strides", 2, (int64_t[]){s.stride, s.stride});
    onnx_attr_int(n, "group", s.group);
}

static void expect(Onnx__ModelProto *p, int convolutions, int splits)
{
    struct net net;
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_CONV), convolutions);
    assert_int_equal(count_kind(&net, OP_SPLIT), splits);
    net_finish(&net);
    model_destroy(&m);
}

static void test_heads(void **state)
{
    (void) state;
    static const int channels[] = {1, 4, 1, 10};
    for (int pictures = 1; pictures <= 2; pictures++) {
        Onnx__ModelProto *p = begin(pictures);
        for (int i = 0; i < 4; i++) {
            char point[8], deep[8];
            snprintf(point, sizeof point, "p%d", i);
            snprintf(deep, sizeof deep, "d%d", i);
            conv(p, "x", point, (struct shape){CHANNELS, channels[i], 1, 1, 1, i != 2});
            conv(p, point, deep, (struct shape){channels[i], channels[i], channels[i], 3, 1, i > 0});
            onnx_output(p, deep);
        }
        expect(p, 2, 1);
    }
}

static void test_whole_vectors(void **state)
{
    (void) state;
    for (int pictures = 1; pictures <= 2; pictures++) {    /* of two pictures the parts would have to be copied */
        Onnx__ModelProto *p = begin(pictures);
        conv(p, "x", "a", (struct shape){CHANNELS, 32, 1, 3, 1, true});
        conv(p, "x", "b", (struct shape){CHANNELS, 16, 1, 3, 1, false});
        onnx_node(p, "Relu", "a", "c");
        onnx_node(p, "Relu", "b", "d");
        onnx_output(p, "c");
        onnx_output(p, "d");
        expect(p, pictures == 1 ? 1 : 2, pictures == 1 ? 1 : 0);
    }
}

/* The same function behind each goes in front of the Split; into the convolution, where it can be. */
static void test_functions_behind(void **state)
{
    (void) state;
    for (int fused = 0; fused < 2; fused++) {
        struct net net;
        Onnx__ModelProto *p = begin(1);
        for (int i = 0; i < 3; i++) {
            char point[8], deep[8], act[8];
            snprintf(point, sizeof point, "p%d", i);
            snprintf(deep, sizeof deep, "d%d", i);
            snprintf(act, sizeof act, "a%d", i);
            conv(p, "x", point, (struct shape){CHANNELS, 1 + i, 1, 1, 1, true});
            onnx_node(p, fused ? "Relu" : "Sin", point, act);
            conv(p, act, deep, (struct shape){1 + i, 1 + i, 1 + i, 3, 1, false});
            onnx_output(p, deep);
        }
        struct model *m = rewrite_and_compare(p, &net);
        assert_int_equal(net.n_steps, fused ? 3 : 4);
        assert_int_equal(net.steps[0].op.act, fused ? ACT_RELU : ACT_NONE);
        net_finish(&net);
        model_destroy(&m);
    }
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *csp = begin(1);               /* one is to be made within a join */
    conv(csp, "x", "a", (struct shape){CHANNELS, 16, 1, 1, 1, true});
    conv(csp, "x", "b", (struct shape){CHANNELS, 16, 1, 1, 1, true});
    onnx_node(csp, "Relu", "a", "c");
    onnx_node(csp, "Relu", "b", "d");
    onnx_node(csp, "Sin", "c", "e");
    onnx_attr_int(onnx_node(csp, "Concat", "e,d", "f"), "axis", 1);
    onnx_output(csp, "f");
    expect(csp, 2, 0);

    static const struct shape other[] = {
        {CHANNELS, 4, 1, 1, 1, false}, {CHANNELS, 4, 1, 3, 2, false}, {CHANNELS, 4, 2, 3, 1, false},
    };
    for (int i = 0; i < 3; i++) {
        Onnx__ModelProto *p = begin(1);
        conv(p, "x", "a", (struct shape){CHANNELS, 4, 1, 3, 1, false});
        conv(p, "x", "b", other[i]);
        onnx_output(p, "a");
        onnx_output(p, "b");
        expect(p, 2, 0);
    }
    Onnx__ModelProto *p = begin(1);                 /* another activation */
    conv(p, "x", "a", (struct shape){CHANNELS, 4, 1, 3, 1, false});
    conv(p, "x", "b", (struct shape){CHANNELS, 4, 1, 3, 1, false});
    onnx_node(p, "Relu", "b", "c");
    onnx_output(p, "a");
    onnx_output(p, "c");
    expect(p, 2, 0);

    p = begin(1);                                   /* one part is read twice */
    conv(p, "x", "a", (struct shape){CHANNELS, 4, 1, 1, 1, false});
    conv(p, "x", "b", (struct shape){CHANNELS, 4, 1, 1, 1, false});
    conv(p, "a", "c", (struct shape){4, 4, 4, 3, 1, false});
    conv(p, "b", "d", (struct shape){4, 4, 4, 3, 1, false});
    onnx_node(p, "Exp", "b", "e");
    for (int i = 0; i < 3; i++)
        onnx_output(p, (const char *[]){"c", "d", "e"}[i]);
    expect(p, 3, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads), cmocka_unit_test(test_whole_vectors),
        cmocka_unit_test(test_functions_behind), cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

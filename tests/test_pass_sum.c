/* Sums of sums, and of products with a factor per channel, become one step each; what somebody else reads too, or has
 * an activation of its own, stays. */
#include <stdio.h>

#include "tests/pass_check.h"

static Onnx__ModelProto *begin(int branches)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){2, 4, 5, 3});
    onnx_input(p, "gate", 4, (int64_t[]){2, 4, 1, 1});
    for (int i = 0; i < branches; i++) {
        char out[8];
        snprintf(out, sizeof out, "b%d", i);
        onnx_node(p, i % 2 ? "Exp" : "Cos", "x", out);
    }
    return p;
}

/* Expects that many sums, the last of them of `n_in` inputs, and `others` of other kinds. */
static struct step expect(Onnx__ModelProto *p, int sums, int n_in, int others)
{
    struct net net;
    struct step last = {0};
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_GATED_SUM), sums);
    assert_int_equal(net.n_steps, sums + others);
    for (int n = 0; n < net.n_steps; n++)
        if (net.steps[n].op.kind == OP_GATED_SUM)
            last = net.steps[n];
    assert_int_equal(last.n_in, n_in);
    net_finish(&net);
    model_destroy(&m);
    return last;
}

static void test_three(void **state)
{
    (void) state;
    for (int side = 0; side < 2; side++) {
        Onnx__ModelProto *p = begin(3);
        onnx_node(p, "Add", "b0,b1", "s");
        onnx_node(p, "Add", side ? "s,b2" : "b2,s", "t");
        onnx_node(p, "Relu", "t", "y");
        assert_int_equal(expect(p, 1, 6, 3).op.act, ACT_RELU);
    }
}

static void test_gates(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(3);
    onnx_node(p, "Mul", "b0,gate", "g0");
    onnx_node(p, "Mul", "gate,b1", "g1");
    onnx_node(p, "Add", "g0,g1", "s");
    onnx_node(p, "Add", "s,b2", "y");
    expect(p, 1, 6, 3);
}

/* Nine terms: more than one step takes. */
static void test_many(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(9);
    onnx_node(p, "Add", "b0,b1", "s1");
    for (int i = 2; i < 9; i++) {
        char in[20], out[8];
        snprintf(in, sizeof in, "s%d,b%d", i - 1, i);
        snprintf(out, sizeof out, i < 8 ? "s%d" : "y", i);
        onnx_node(p, "Add", in, out);
    }
    expect(p, 2, 2 * OP_GATED_SUM_MOST, 9);
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(2);
    onnx_node(p, "Add", "b0,b1", "y");
    expect(p, 0, 0, 3);
    p = begin(3);
    onnx_node(p, "Add", "b0,b1", "s");
    onnx_node(p, "Relu", "s", "a");          /* between the sums */
    onnx_node(p, "Add", "a,b2", "y");
    expect(p, 0, 0, 5);
    p = begin(3);
    onnx_node(p, "Add", "b0,b1", "s");
    onnx_node(p, "Add", "s,b2", "t");
    onnx_node(p, "Mul", "s,t", "y");         /* reads the first too */
    expect(p, 0, 0, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three), cmocka_unit_test(test_gates), cmocka_unit_test(test_many),
        cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

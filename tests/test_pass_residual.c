/* Activations behind convolutions become part of them, reshapes and transposes between the two or not; so do sums, with
 * an activation behind the sum or in front of it, but not both. */
#include "tests/pass_check.h"

static Onnx__ModelProto *begin(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){2, 4, 5, 5});
    onnx_weights(p, "w", 4, (int64_t[]){4, 4, 1, 1});
    onnx_node(p, "Conv", "x,w", "c");
    return p;
}

/* Expects `steps` of which the first is the convolution, with the residual joined so. */
static void expect(Onnx__ModelProto *p, int steps, int n_in, enum act act, bool act_first)
{
    struct net net;
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, steps);
    assert_int_equal(net.steps[0].op.kind, OP_CONV);
    assert_int_equal(net.steps[0].n_in, n_in);
    assert_int_equal(net.steps[0].op.act, act);
    assert_int_equal(net.steps[0].op.u.conv.act_first, act_first);
    net_finish(&net);
    model_destroy(&m);
}

static void test_activation_behind(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Add", "c,x", "s");
    onnx_node(p, "Relu", "s", "y");
    expect(p, 1, 4, ACT_RELU, false);
}

static void test_activation_before(void **state)
{
    (void) state;
    for (int side = 0; side < 2; side++) {
        Onnx__ModelProto *p = begin();
        onnx_node(p, "Sigmoid", "c", "gate");
        onnx_node(p, "Mul", "c,gate", "silu");
        onnx_node(p, "Add", side ? "x,silu" : "silu,x", "y");
        expect(p, 1, 4, ACT_SILU, true);
    }
}

static void test_activation_on_both_sides(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Sigmoid", "c", "a");
    onnx_node(p, "Add", "a,x", "s");
    onnx_node(p, "Relu", "s", "y");
    expect(p, 2, 2, ACT_SIGMOID, false);
}

/* One residual is all that a convolution takes. */
static void test_second_sum(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Add", "c,x", "s");
    onnx_node(p, "Add", "s,x", "y");
    expect(p, 2, 4, ACT_NONE, false);
}

/* Somebody else needs what stands before the sum; or the sum spreads the other operand. */
static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Relu", "c", "a");
    onnx_node(p, "Add", "a,x", "s");
    onnx_node(p, "Mul", "s,a", "y");
    expect(p, 3, 2, ACT_RELU, false);
    p = begin();
    onnx_input(p, "row", 2, (int64_t[]){5, 5});
    onnx_node(p, "Relu", "c", "a");
    onnx_node(p, "Add", "a,row", "y");
    expect(p, 2, 2, ACT_RELU, false);
}

static void test_activation_behind_moves(void **state)
{
    (void) state;
    for (int shared = 0; shared < 2; shared++) {
        Onnx__ModelProto *p = begin();
        onnx_ints(p, "shape", 2, (int64_t[]){2, 100});
        onnx_attr_ints(onnx_node(p, "Transpose", "c", "t"), "perm", 4, (int64_t[]){0, 2, 3, 1});
        onnx_node(p, "Reshape", "t,shape", "r");
        onnx_node(p, "Sigmoid", "r", shared ? "a" : "y");
        if (shared)
            onnx_node(p, "Sub", "a,r", "y");
        expect(p, shared ? 5 : 3, 2, shared ? ACT_NONE : ACT_SIGMOID, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activation_behind),        cmocka_unit_test(test_activation_before),
        cmocka_unit_test(test_activation_on_both_sides), cmocka_unit_test(test_second_sum),
        cmocka_unit_test(test_left_alone),               cmocka_unit_test(test_activation_behind_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Transposes that cancel: networks written in NHWC between convolutions, or from the input on, end up in NCHW; where
 * nothing would be saved all stays as it is. */
#include "tests/pass_check.h"

enum { CHANNELS = 6, HEIGHT = 4, WIDTH = 5, PICTURES = 2 };

static Onnx__ModelProto *begin(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){PICTURES, CHANNELS, HEIGHT, WIDTH});
    onnx_node(p, "Sin", "x", "s");
    return p;
}

static void turn(Onnx__ModelProto *p, const char *in, const char *out, bool nhwc)
{
    static const int64_t perms[2][4] = {{0, 3, 1, 2}, {0, 2, 3, 1}};
    onnx_attr_ints(onnx_node(p, "Transpose", in, out), "perm", 4, perms[nhwc]);
}

static void expect(Onnx__ModelProto *p, int transposes, int steps)
{
    struct net net;
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_TRANSPOSE), transposes);
    assert_int_equal(net.n_steps, steps);
    net_finish(&net);
    model_destroy(&m);
}

/* Constants of every rank, a step that changes an axis, one that joins. */
static void test_between_convolutions(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_weights(p, "per_channel", 1, (int64_t[]){CHANNELS});
    onnx_weights(p, "per_column", 3, (int64_t[]){1, WIDTH, 1});
    onnx_weights(p, "whole", 4, (int64_t[]){1, HEIGHT, WIDTH, CHANNELS});
    onnx_float(p, "two", 2);
    turn(p, "s", "t", true);
    onnx_node(p, "Mul", "t,per_channel", "a");
    onnx_node(p, "Add", "per_column,a", "b");
    onnx_node(p, "Sub", "whole,b", "c");
    onnx_node(p, "Mul", "c,two", "d");
    onnx_attr_int(onnx_node(p, "Softmax", "d", "e"), "axis", 2);
    onnx_attr_int(onnx_node(p, "Concat", "e,d", "f"), "axis", 3);
    onnx_attr_int(onnx_node(p, "Split", "f", "g,h"), "axis", 1);
    onnx_node(p, "Max", "g,h", "i");
    turn(p, "i", "y", false);
    onnx_output(p, "y");
    expect(p, 0, 9);
}

/* A normalisation in NHWC around data that is also read in NCHW, gated by what was reduced. */
static void test_reductions(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    turn(p, "s", "t", true);
    onnx_attr_ints(onnx_node(p, "ReduceMean", "t", "mean"), "axes", 3, (int64_t[]){1, 2, 3});
    onnx_node(p, "Sub", "s,mean", "d");
    turn(p, "d", "u", true);
    onnx_attr_ints(onnx_node(p, "ReduceMax", "u", "gate"), "axes", 2, (int64_t[]){1, 2});
    onnx_node(p, "Mul", "u,gate", "v");
    turn(p, "v", "y", false);
    onnx_output(p, "y");
    expect(p, 0, 5);
}

/* Layer normalisation: over all of a picture it can be turned, with its scale; over channels last it cannot. */
static void test_normalisation(void **state)
{
    (void) state;
    for (int axis = 1; axis <= 3; axis += 2) {
        Onnx__ModelProto *p = onnx_model(17);
        onnx_input(p, "x", 4, (int64_t[]){PICTURES, CHANNELS, HEIGHT, WIDTH});
        int64_t shape[] = {HEIGHT, WIDTH, CHANNELS};
        onnx_weights(p, "scale", 4 - axis, shape + axis - 1);
        onnx_weights(p, "bias", 4 - axis, shape + axis - 1);
        turn(p, "x", "t", true);
        onnx_attr_int(onnx_node(p, "LayerNormalization", "t,scale,bias", "n"), "axis", axis);
        turn(p, "n", "y", false);
        onnx_output(p, "y");
        expect(p, axis == 1 ? 0 : 2, axis == 1 ? 1 : 3);
    }
}

/* What is small enough is looked at in the other order rather than turned. */
static void test_operand_that_is_a_view(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_ints(p, "shape", 4, (int64_t[]){PICTURES, 1, 1, CHANNELS});
    onnx_attr_ints(onnx_node(p, "ReduceMean", "s", "mean"), "axes", 2, (int64_t[]){2, 3});
    onnx_node(p, "Exp", "mean", "e");
    onnx_node(p, "Reshape", "e,shape", "gate");
    turn(p, "s", "t", true);
    onnx_node(p, "Mul", "t,gate", "v");
    turn(p, "v", "y", false);
    onnx_output(p, "y");
    expect(p, 0, 4);
}

/* One reader in each order: one transpose is left, of the two that there were. */
static void test_partly_read_turned(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_ints(p, "flat", 2, (int64_t[]){PICTURES, -1});
    turn(p, "s", "t", true);
    onnx_node(p, "Exp", "t", "e");
    turn(p, "e", "y", false);
    onnx_node(p, "Reshape", "e,flat", "z");
    onnx_output(p, "y");
    onnx_output(p, "z");
    expect(p, 1, 4);
}

/* Sliced and padded with the axes of NHWC. */
static void test_cut_and_padded(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_ints(p, "starts", 2, (int64_t[]){1, 2});
    onnx_ints(p, "ends", 2, (int64_t[]){4, 6});
    onnx_ints(p, "axes", 2, (int64_t[]){2, 3});
    onnx_ints(p, "pads", 8, (int64_t[]){0, 1, 0, 2, 0, 0, 3, 0});
    turn(p, "s", "t", true);
    onnx_node(p, "Slice", "t,starts,ends,axes", "a");
    onnx_node(p, "Pad", "a,pads", "b");
    turn(p, "b", "y", false);
    onnx_output(p, "y");
    expect(p, 0, 3);
}

static void test_input_in_nhwc(void **state)
{
    (void) state;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){PICTURES, HEIGHT, WIDTH, 3});
    onnx_weights(p, "k", 1, (int64_t[]){3});
    onnx_weights(p, "w", 4, (int64_t[]){4, 3, 1, 1});
    onnx_node(p, "Mul", "x,k", "a");
    turn(p, "a", "b", false);
    onnx_node(p, "Conv", "b,w", "y");
    onnx_output(p, "y");
    struct net net;
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, 3);
    assert_int_equal(net.steps[0].op.kind, OP_TRANSPOSE);
    assert_int_equal(net.steps[0].in[0], net.inputs[0]);
    net_finish(&net);
    model_destroy(&m);
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();          /* nothing turns it back */
    turn(p, "s", "t", true);
    onnx_node(p, "Exp", "t", "y");
    onnx_output(p, "y");
    expect(p, 1, 3);

    p = begin();                            /* another permutation comes behind */
    turn(p, "s", "t", true);
    onnx_node(p, "Exp", "t", "e");
    onnx_attr_ints(onnx_node(p, "Transpose", "e", "y"), "perm", 4, (int64_t[]){0, 2, 1, 3});
    onnx_output(p, "y");
    expect(p, 2, 4);

    p = begin();                            /* a step that depends on the order, between */
    onnx_ints(p, "same", 4, (int64_t[]){PICTURES, WIDTH, HEIGHT, CHANNELS});
    turn(p, "s", "t", true);
    onnx_node(p, "Reshape", "t,same", "e");
    turn(p, "e", "y", false);
    onnx_output(p, "y");
    expect(p, 2, 4);

    p = begin();                            /* one operand is turned, the other, as large, is not */
    onnx_input(p, "z", 4, (int64_t[]){PICTURES, HEIGHT, WIDTH, CHANNELS});
    onnx_node(p, "Cos", "z", "c");
    turn(p, "s", "t", true);
    onnx_ints(p, "shape", 4, (int64_t[]){PICTURES, HEIGHT, WIDTH, CHANNELS});
    onnx_node(p, "Reshape", "s,shape", "r");
    onnx_node(p, "Add", "t,r", "e");
    onnx_node(p, "Mul", "e,c", "f");
    turn(p, "f", "y", false);
    onnx_output(p, "y");
    expect(p, 2, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_convolutions), cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_normalisation),
        cmocka_unit_test(test_operand_that_is_a_view), cmocka_unit_test(test_partly_read_turned),
        cmocka_unit_test(test_cut_and_padded), cmocka_unit_test(test_input_in_nhwc), cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

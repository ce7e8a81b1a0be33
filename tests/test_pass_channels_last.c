/* Channels put last: a Transpose of joined heads is done for each head, of a flattened image for the image; and a frame
 * of zeros around what is averaged. Where nothing would be saved all stays as it is. */
#include "tests/pass_check.h"

enum { CHANNELS = 6, HEIGHT = 4, WIDTH = 5 };

static Onnx__ModelProto *begin(int pictures)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){pictures, CHANNELS, HEIGHT, WIDTH});
    onnx_ints(p, "flat", 3, (int64_t[]){pictures, CHANNELS, HEIGHT * WIDTH});
    onnx_ints(p, "torn", 3, (int64_t[]){pictures, CHANNELS * HEIGHT, WIDTH});
    onnx_node(p, "Sin", "x", "s");
    onnx_node(p, "Cos", "x", "c");
    return p;
}

static void turn(Onnx__ModelProto *p, const char *in)
{
    onnx_attr_ints(onnx_node(p, "Transpose", in, "y"), "perm", 3, (int64_t[]){0, 2, 1});
    onnx_output(p, "y");
}

/* How many transposes of images, and of other tensors, are left. */
static void expect(Onnx__ModelProto *p, int images, int others)
{
    struct net net;
    struct model *m = rewrite_and_compare(p, &net);
    int found[2] = {0, 0};
    for (int i = 0; i < net.n_steps; i++)
        if (net.steps[i].op.kind == OP_TRANSPOSE)
            found[net.tensors[net.steps[i].in[0]].desc.rank == 4]++;
    assert_int_equal(found[1], images);
    assert_int_equal(found[0], others);
    net_finish(&net);
    model_destroy(&m);
}

static void test_heads(void **state)
{
    (void) state;
    for (int pictures = 1; pictures <= 2; pictures++) {    /* of two, the join would not be without copies */
        Onnx__ModelProto *p = begin(pictures);
        onnx_node(p, "Reshape", "s,flat", "a");
        onnx_node(p, "Reshape", "c,flat", "b");
        onnx_attr_int(onnx_node(p, "Concat", "a,b", "j"), "axis", 2);
        turn(p, "j");
        expect(p, pictures == 1 ? 2 : 0, pictures == 1 ? 0 : 1);
    }
}

static void test_image(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(2);
    onnx_node(p, "Reshape", "s,flat", "a");
    turn(p, "a");
    expect(p, 1, 0);
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin(1);                 /* rows of the image, not channels */
    onnx_node(p, "Reshape", "s,torn", "a");
    turn(p, "a");
    expect(p, 0, 1);

    p = begin(1);                                   /* another reads the join */
    onnx_node(p, "Reshape", "s,flat", "a");
    onnx_node(p, "Reshape", "c,flat", "b");
    onnx_attr_int(onnx_node(p, "Concat", "a,b", "j"), "axis", 2);
    onnx_output(p, "j");
    turn(p, "j");
    expect(p, 0, 1);

    p = begin(1);                                   /* the joined dimension ends up last */
    onnx_node(p, "Reshape", "s,flat", "a");
    onnx_node(p, "Reshape", "c,flat", "b");
    onnx_attr_int(onnx_node(p, "Concat", "a,b", "j"), "axis", 1);
    turn(p, "j");
    expect(p, 0, 1);
}

static void pool(int64_t pad, int64_t own_pad, bool max, int steps)
{
    struct net net;
    Onnx__ModelProto *p = begin(1);
    onnx_ints(p, "pads", 8, (int64_t[]){0, 0, pad, 1, 0, 0, 0, pad});
    onnx_node(p, "Pad", "s,pads", "a");
    Onnx__NodeProto *n = onnx_node(p, max ? "MaxPool" : "AveragePool", "a", "y");
    onnx_attr_ints(n, "kernel_shape", 2, (int64_t[]){3, 2});
    onnx_attr_ints(n, "pads", 4, (int64_t[]){0, own_pad, 0, 0});
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, steps);
    net_finish(&net);
    model_destroy(&m);
}

static void test_padded_average(void **state)
{
    (void) state;
    pool(1, 0, false, 2);
    pool(2, 0, false, 3);                           /* a window of nothing but padding */
    pool(1, 1, false, 3);                           /* padding that does not count behind padding that does */
    pool(1, 0, true, 3);                            /* zeros can be the maximum */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads), cmocka_unit_test(test_image), cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_padded_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

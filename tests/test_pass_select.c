/* Channels that are only moved: shuffles in the ways in which networks write them become one Select, joins of what was
 * cut become what was cut, and moves that tear planes apart stay what they are. */
#include <stdio.h>

#include "tests/pass_check.h"

enum { CHANNELS = 12, SIDE = 5, PICTURES = 2 };

static Onnx__ModelProto *begin(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){PICTURES, CHANNELS, SIDE, SIDE});
    return p;
}

static void reshape(Onnx__ModelProto *p, const char *in, const char *out, int rank, const int64_t *dim)
{
    char shape[40], links[80];
    snprintf(shape, sizeof shape, "shape_%s", out);
    snprintf(links, sizeof links, "%s,%s", in, shape);
    onnx_ints(p, shape, rank, dim);
    onnx_node(p, "Reshape", links, out);
}

/* `in` has 12 channels in `groups` groups. */
static void shuffle(Onnx__ModelProto *p, const char *in, const char *out, int groups)
{
    char apart[40], turned[40];
    snprintf(apart, sizeof apart, "apart_%s", out);
    snprintf(turned, sizeof turned, "turned_%s", out);
    reshape(p, in, apart, 5, (int64_t[]){PICTURES, groups, CHANNELS / groups, SIDE, SIDE});
    onnx_attr_ints(onnx_node(p, "Transpose", apart, turned), "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
    reshape(p, turned, out, 4, (int64_t[]){PICTURES, CHANNELS, SIDE, SIDE});
}

static void finish(struct net *net, struct model *m)
{
    net_finish(net);
    model_destroy(&m);
}

static void test_shuffle(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Exp", "x", "e");
    shuffle(p, "e", "s", 3);
    onnx_node(p, "Cos", "s", "y");
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, 3);
    assert_int_equal(count_kind(&net, OP_SELECT), 1);
    finish(&net, m);
}

/* Two units as in ShuffleNet v2: each works on one half of a shuffled join, the other half passes. */
static void test_units(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = begin();
    onnx_attr_int(onnx_node(p, "Split", "x", "a0,b0"), "axis", 1);
    onnx_node(p, "Sin", "b0", "c0");
    onnx_attr_int(onnx_node(p, "Concat", "a0,c0", "j0"), "axis", 1);
    shuffle(p, "j0", "s0", 2);
    onnx_attr_int(onnx_node(p, "Split", "s0", "a1,b1"), "axis", 1);
    onnx_node(p, "Cos", "b1", "c1");
    onnx_attr_int(onnx_node(p, "Concat", "a1,c1", "j1"), "axis", 1);
    shuffle(p, "j1", "s1", 2);
    onnx_node(p, "Neg", "s1", "y");
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_SELECT), 2);      /* b1, s1 */
    assert_int_equal(net.n_steps, 6);                      /* and Split of x, Sin, Cos, Neg */
    finish(&net, m);
}

/* The batch folded into the channels, and the halves as two results of a Gather. */
static void test_folded(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = begin();
    onnx_float(p, "one", 1);
    onnx_raw(onnx_tensor_of(p, "second", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 0, (int64_t[]){0}), &(int64_t){1}, 8);
    onnx_node(p, "Exp", "x", "e");
    reshape(p, "e", "f", 3, (int64_t[]){PICTURES * CHANNELS / 2, 2, SIDE * SIDE});
    onnx_attr_ints(onnx_node(p, "Transpose", "f", "t"), "perm", 3, (int64_t[]){1, 0, 2});
    reshape(p, "t", "g", 5, (int64_t[]){2, PICTURES, CHANNELS / 2, SIDE, SIDE});
    onnx_node(p, "Gather", "g,second", "h");
    onnx_node(p, "Add", "h,one", "y");
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, 3);
    assert_int_equal(count_kind(&net, OP_SELECT), 1);
    finish(&net, m);
}

/* Halves that come together again are the whole; behind another tensor they are one operand. */
static void test_joined_again(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = begin();
    onnx_node(p, "Exp", "x", "e");
    onnx_attr_int(onnx_node(p, "Split", "e", "a,b"), "axis", 1);
    onnx_attr_int(onnx_node(p, "Concat", "a,b", "w"), "axis", 1);
    onnx_node(p, "Cos", "w", "v");
    onnx_attr_int(onnx_node(p, "Concat", "v,a,b", "y"), "axis", 1);
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, 3);
    assert_int_equal(net.steps[2].op.kind, OP_CONCAT);
    assert_int_equal(net.steps[2].n_in, 2);
    finish(&net, m);
}

static void expect_no_select(Onnx__ModelProto *p, int steps)
{
    struct net net;
    onnx_node(p, "Cos", "s", "y");
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_SELECT), 0);
    assert_int_equal(net.n_steps, steps);
    finish(&net, m);
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();              /* planes are turned */
    reshape(p, "x", "a", 5, (int64_t[]){PICTURES, 3, 4, SIDE, SIDE});
    onnx_attr_ints(onnx_node(p, "Transpose", "a", "t"), "perm", 5, (int64_t[]){0, 2, 1, 4, 3});
    reshape(p, "t", "s", 4, (int64_t[]){PICTURES, CHANNELS, SIDE, SIDE});
    expect_no_select(p, 4);

    p = begin();                                /* planes are torn */
    reshape(p, "x", "a", 3, (int64_t[]){PICTURES * CHANNELS * SIDE / 2, 2, SIDE});
    onnx_attr_ints(onnx_node(p, "Transpose", "a", "t"), "perm", 3, (int64_t[]){1, 0, 2});
    reshape(p, "t", "s", 4, (int64_t[]){PICTURES, CHANNELS, SIDE, SIDE});
    expect_no_select(p, 4);

    p = begin();                                /* channels change pictures */
    onnx_attr_ints(onnx_node(p, "Transpose", "x", "t"), "perm", 4, (int64_t[]){1, 0, 2, 3});
    reshape(p, "t", "s", 4, (int64_t[]){PICTURES, CHANNELS, SIDE, SIDE});
    expect_no_select(p, 3);

    p = begin();                                /* the picture has another shape */
    reshape(p, "x", "a", 5, (int64_t[]){PICTURES, 3, 4, SIDE, SIDE});
    onnx_attr_ints(onnx_node(p, "Transpose", "a", "t"), "perm", 5, (int64_t[]){0, 2, 1, 3, 4});
    reshape(p, "t", "s", 4, (int64_t[]){PICTURES, CHANNELS, 1, SIDE * SIDE});
    expect_no_select(p, 4);

    p = begin();                                /* a plain cut: a view where it can be */
    onnx_attr_int(onnx_node(p, "Split", "x", "a,s"), "axis", 1);
    expect_no_select(p, 2);
}

/* The model's own outputs and inputs are tensors like others. */
static void test_outputs(void **state)
{
    (void) state;
    struct net net;
    Onnx__ModelProto *p = begin();
    shuffle(p, "x", "s", 2);
    shuffle(p, "s", "y", 6);                     /* undoes it */
    onnx_output(p, "s");
    onnx_output(p, "y");
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(count_kind(&net, OP_SELECT), net.n_steps);
    finish(&net, m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shuffle),      cmocka_unit_test(test_units),      cmocka_unit_test(test_folded),
        cmocka_unit_test(test_joined_again), cmocka_unit_test(test_left_alone), cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

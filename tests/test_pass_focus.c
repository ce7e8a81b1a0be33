/* A convolution of an image taken apart into every other row and column is one of the whole image; where parts are
 * missing or not of one kind, nothing changes. */
#include <stdio.h>

#include "tests/pass_check.h"

enum { CHANNELS = 3, HEIGHT = 12, WIDTH = 18, OUT = 4 };

static Onnx__ModelProto *begin(void)
{
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){2, CHANNELS, HEIGHT, WIDTH});
    return p;
}

static void cut(Onnx__ModelProto *p, const char *in, const char *out, int axis, int64_t start, int64_t step)
{
    char names[4][40], links[200];
    int64_t values[] = {start, INT32_MAX, axis, step};
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "%s_%d", out, i);
        onnx_ints(p, names[i], 1, &values[i]);
    }
    snprintf(links, sizeof links, "%s,%s,%s,%s,%s", in, names[0], names[1], names[2], names[3]);
    onnx_node(p, "Slice", links, out);
}

/* The parts in the order of `starts` (row, column), joined as "f". */
static void focus(Onnx__ModelProto *p, int64_t step, int n, const int64_t starts[][2])
{
    char list[100] = "", rows[10], part[10];
    for (int i = 0; i < n; i++) {
        snprintf(rows, sizeof rows, "r%d", i);
        snprintf(part, sizeof part, "p%d", i);
        cut(p, "x", rows, 2, starts[i][0], step);
        cut(p, rows, part, 3, starts[i][1], step);
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? "," : "", part);
    }
    onnx_attr_int(onnx_node(p, "Concat", list, "f"), "axis", 1);
}

static Onnx__NodeProto *conv(Onnx__ModelProto *p, int in, int kernel, int stride)
{
    onnx_weights(p, "w", 4, (int64_t[]){OUT, in, kernel, kernel});
    onnx_weights(p, "b", 1, (int64_t[]){OUT});
    Onnx__NodeProto *n = onnx_node(p, "Conv", "f,w,b", "y");
    onnx_attr_ints(n, "pads", 4, (int64_t[]){1, 1, 0, 1});
    onnx_attr_ints(n, "strides", 2, (int64_t[]){stride, stride});
    onnx_output(p, "y");
    return n;
}

static void expect(Onnx__ModelProto *p, int steps)
{
    struct net net;
    struct model *m = rewrite_and_compare(p, &net);
    assert_int_equal(net.n_steps, steps);
    net_finish(&net);
    model_destroy(&m);
}

static const int64_t four[][2] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}};

static void test_slices(void **state)
{
    (void) state;
    for (int kernel = 1; kernel <= 3; kernel += 2)
        for (int stride = 1; stride <= 2; stride++) {
            Onnx__ModelProto *p = begin();
            focus(p, 2, 4, four);
            conv(p, 4 * CHANNELS, kernel, stride);
            expect(p, 1);
        }
    static const int64_t nine[][2] = {{2, 1}, {0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 2}};
    Onnx__ModelProto *p = begin();
    focus(p, 3, 9, nine);
    conv(p, 9 * CHANNELS, 3, 1);
    expect(p, 1);
}

static void test_space_to_depth(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();
    onnx_attr_int(onnx_node(p, "SpaceToDepth", "x", "f"), "blocksize", 3);
    conv(p, 9 * CHANNELS, 3, 1);
    expect(p, 1);
}

static void test_left_alone(void **state)
{
    (void) state;
    Onnx__ModelProto *p = begin();                  /* a part is missing */
    focus(p, 2, 3, four);
    conv(p, 3 * CHANNELS, 3, 1);
    expect(p, 8);

    p = begin();                                    /* one part twice, another not at all */
    focus(p, 2, 4, (const int64_t[][2]){{0, 0}, {1, 0}, {0, 1}, {0, 1}});
    conv(p, 4 * CHANNELS, 3, 1);
    expect(p, 10);

    p = begin();                                    /* a dilated kernel would mostly hold zeros */
    focus(p, 2, 4, four);
    onnx_attr_ints(conv(p, 4 * CHANNELS, 3, 1), "dilations", 2, (int64_t[]){2, 2});
    expect(p, 10);

    p = begin();                                    /* the parts themselves are asked for */
    focus(p, 2, 4, four);
    conv(p, 4 * CHANNELS, 3, 1);
    onnx_output(p, "f");
    expect(p, 10);

    p = begin();                                    /* the last column is in no part */
    cut(p, "x", "odd", 3, 1, 1);
    cut(p, "odd", "c", 3, 1, 2);
    cut(p, "odd", "d", 3, 0, 2);
    onnx_ints(p, "pads", 8, (int64_t[]){0, 0, 0, 0, 0, 0, 0, 1});
    onnx_node(p, "Pad", "c,pads", "e");
    onnx_attr_int(onnx_node(p, "Concat", "d,e", "f"), "axis", 1);
    conv(p, 2 * CHANNELS, 3, 1);
    expect(p, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices), cmocka_unit_test(test_space_to_depth), cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Batches of models that were exported for one image: baked sizes grow as batch.h says, what cannot be batched is
 * found out and still right. */
#include "tests/session_fixture.h"

/* Four images together against each alone. */
static void check_batch(struct model *m, bool batchable)
{
    float x[4 * IMAGE];
    size_t all, each;
    struct session *s;
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.whole_device = true}, &s), CQ_OK);
    assert_int_equal(session_batchable(s), batchable);
    fill(x, 4 * IMAGE);
    float *together = run_floats(s, 4, x, &all);
    for (size_t i = 0; i < 4; i++) {
        float *alone = run_floats(s, 1, x + i * IMAGE, &each);
        assert_int_equal(all, 4 * each);
        for (size_t k = 0; k < each; k++)
            assert_true(fabsf(alone[k] - together[i * each + k]) <= 1e-4f);
        free(alone);
    }
    free(together);
    session_destroy(&s);
    model_destroy(&m);
}

/* In streams and on the whole device, whatever the batch; a model of so much weight that a stream gets several
 * images at once too. */
static void check_streams(struct model *m)
{
    enum { MOST = 9 };
    float x[MOST * IMAGE];
    struct session *whole, *s = open_session(m);
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){.whole_device = true}, &whole), CQ_OK);
    fill(x, MOST * IMAGE);
    for (int batch = 1; batch <= MOST; batch++) {
        size_t n, n_whole;
        float *y = run_floats(s, batch, x, &n), *want = run_floats(whole, batch, x, &n_whole);
        assert_int_equal(n, n_whole);
        for (size_t k = 0; k < n; k++)
            assert_true(fabsf(y[k] - want[k]) <= 1e-4f);
        free(y);
        free(want);
    }
    session_destroy(&whole);
    session_destroy(&s);
    model_destroy(&m);
}

static void test_streams(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    add_conv(p, "x", "y");
    onnx_node(p, "Relu", "y", "z");
    add_conv(p, "z", "out");
    onnx_output(p, "out");
    check_streams(load_and_free(p));

    p = image_model();
    add_conv(p, "x", "y");
    onnx_attr_int(onnx_node(p, "Flatten", "y", "flat"), "axis", 1);
    onnx_weights(p, "first", 2, (int64_t[]){IMAGE, 15000});
    onnx_weights(p, "second", 2, (int64_t[]){15000, 4});
    onnx_node(p, "MatMul", "flat,first", "wide");
    onnx_node(p, "MatMul", "wide,second", "out");
    onnx_output(p, "out");
    check_streams(load_and_free(p));
}

/* A channel shuffle as exported at batch 1: the batch passes through a dimension of channels. */
static void test_shuffle_grows(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "pairs", 3, (int64_t[]){4, 2, 36});
    onnx_ints(p, "halves", 5, (int64_t[]){2, -1, 4, 6, 6});
    onnx_ints(p, "first", 1, (int64_t[]){0});
    add_conv(p, "x", "y");
    onnx_node(p, "Reshape", "y,pairs", "r");
    onnx_attr_ints(onnx_node(p, "Transpose", "r", "t"), "perm", 3, (int64_t[]){1, 0, 2});
    onnx_node(p, "Reshape", "t,halves", "h");
    onnx_attr_int(onnx_node(p, "Gather", "h,first", "g"), "axis", 0);
    onnx_ints(p, "flat", 2, (int64_t[]){1, -1});
    onnx_node(p, "Reshape", "g,flat", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

static void test_flatten_and_reduce_grow(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    add_conv(p, "x", "y");
    onnx_attr_ints(onnx_node(p, "ReduceMean", "y", "mean"), "axes", 4, (int64_t[]){0, 1, 2, 3});
    onnx_node(p, "Sub", "y,mean", "d");
    onnx_attr_int(onnx_node(p, "Flatten", "d", "out"), "axis", 0);
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* A softmax across the batch dimension: each image's answer depends on its neighbours. */
static void test_unbatchable_is_found(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_attr_int(onnx_node(p, "Softmax", "x", "s"), "axis", 0);
    onnx_node(p, "Add", "s,x", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), false);
}

/* A class token in front of every image's tokens. */
static void test_token_is_repeated(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_weights(p, "token", 3, (int64_t[]){1, 8, 1});
    onnx_ints(p, "rows", 3, (int64_t[]){1, 8, 36});
    onnx_node(p, "Reshape", "x,rows", "r");
    onnx_attr_int(onnx_node(p, "Concat", "token,r", "out"), "axis", 2);
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* Attention as PyTorch's MultiheadAttention writes it: tokens first, images second, heads folded into the images;
 * the projection sees all tokens of all images as rows. */
static void test_attention_with_tokens_first(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "flat", 3, (int64_t[]){1, 8, 36});
    onnx_ints(p, "heads", 3, (int64_t[]){36, 2, 4});
    onnx_ints(p, "rows", 2, (int64_t[]){36, 8});
    onnx_ints(p, "tokens", 3, (int64_t[]){36, 1, 8});
    onnx_weights(p, "w", 2, (int64_t[]){8, 8});
    onnx_node(p, "Reshape", "x,flat", "f");
    onnx_attr_ints(onnx_node(p, "Transpose", "f", "t"), "perm", 3, (int64_t[]){2, 0, 1});
    onnx_node(p, "Reshape", "t,heads", "h");
    onnx_attr_ints(onnx_node(p, "Transpose", "h", "q"), "perm", 3, (int64_t[]){1, 0, 2});
    onnx_attr_ints(onnx_node(p, "Transpose", "h", "k"), "perm", 3, (int64_t[]){1, 2, 0});
    onnx_node(p, "MatMul", "q,k", "qk");
    onnx_attr_int(onnx_node(p, "Softmax", "qk", "s"), "axis", -1);
    onnx_node(p, "MatMul", "s,q", "a");
    onnx_attr_ints(onnx_node(p, "Transpose", "a", "back"), "perm", 3, (int64_t[]){1, 0, 2});
    onnx_node(p, "Reshape", "back,rows", "r");
    onnx_node(p, "Gemm", "r,w", "g");
    onnx_node(p, "Reshape", "g,tokens", "y");
    onnx_node(p, "Add", "y,t", "z");
    onnx_attr_ints(onnx_node(p, "Transpose", "z", "out"), "perm", 3, (int64_t[]){1, 0, 2});
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* A shape put together at run time from the image's height and a batch of 1 that is a constant. */
static void test_shape_half_baked(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "one", 1, (int64_t[]){1});
    onnx_ints(p, "two", 1, (int64_t[]){2});
    onnx_ints(p, "rest", 1, (int64_t[]){-1});
    onnx_node(p, "Shape", "x", "shape");
    onnx_node(p, "Gather", "shape,two", "height");
    onnx_attr_int(onnx_node(p, "Concat", "one,rest,height", "to"), "axis", 0);
    onnx_node(p, "Reshape", "x,to", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* With a free batch the file is right as it stands, the last -1 being the rows of all images. */
static void test_free_batch_is_as_written(void **state)
{
    (void) state;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){-1, 8, 6, 6});
    onnx_ints(p, "rows", 2, (int64_t[]){-1, 6});
    onnx_weights(p, "w", 2, (int64_t[]){6, 6});
    onnx_attr_ints(onnx_node(p, "Transpose", "x", "t"), "perm", 4, (int64_t[]){1, 2, 0, 3});
    onnx_node(p, "Reshape", "t,rows", "r");
    onnx_node(p, "Gemm", "r,w", "g");
    onnx_node(p, "Shape", "t", "shape");
    onnx_node(p, "Reshape", "g,shape", "u");
    onnx_attr_ints(onnx_node(p, "Transpose", "u", "out"), "perm", 4, (int64_t[]){2, 0, 1, 3});
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* The batch is said to be free, but the exporter traced a reshape for one image. */
static void test_free_batch_with_baked_shape(void **state)
{
    (void) state;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 4, (int64_t[]){-1, 8, 6, 6});
    onnx_ints(p, "flat", 2, (int64_t[]){1, -1});
    onnx_node(p, "Reshape", "x,flat", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* An image's numbers spread over a shape as exported. */
static void test_expand_grows(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "row", 2, (int64_t[]){288, 1});
    onnx_ints(p, "wide", 2, (int64_t[]){288, 3});
    onnx_node(p, "Reshape", "x,row", "r");
    onnx_node(p, "Expand", "r,wide", "e");
    onnx_ints(p, "flat", 2, (int64_t[]){1, 864});
    onnx_node(p, "Reshape", "e,flat", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* boxes[i, best] with i = 0 baked in, as a detector without NonMaxSuppression picks its boxes. */
static void test_image_index_grows(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    onnx_ints(p, "rows", 3, (int64_t[]){1, 36, 8});
    onnx_ints(p, "first", 1, (int64_t[]){0});
    onnx_ints(p, "five", 1, (int64_t[]){5});
    onnx_ints(p, "zeros", 5, (int64_t[]){0, 0, 0, 0, 0});
    onnx_ints(p, "tuple", 3, (int64_t[]){1, 5, 1});
    onnx_node(p, "Reshape", "x,rows", "r");
    onnx_attr_int(onnx_node(p, "Gather", "r,first", "column"), "axis", 2);
    onnx_attr_int(onnx_node(p, "TopK", "column,five", "values,indices"), "axis", 1);
    onnx_node(p, "Reshape", "zeros,tuple", "image");
    onnx_attr_int(onnx_node(p, "Concat", "image,indices", "tuples"), "axis", -1);
    onnx_node(p, "GatherND", "r,tuples", "out");
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* A flattened image read through constant indices, as an exporter writes as_strided. */
static void test_indices_into_flat_image_grow(void **state)
{
    (void) state;
    Onnx__ModelProto *p = image_model();
    int64_t *at;
    onnx_ints(p, "flat", 1, (int64_t[]){-1});
    onnx_ints(p, "indices", 4, (int64_t[]){0, 287, 5, 100});
    Onnx__TensorProto *t = p->graph->initializer[p->graph->n_initializer - 1];
    at = realloc(t->dims, 2 * sizeof *at);
    assert_non_null(at);
    at[0] = 1, at[1] = 4;
    t->dims = at;
    t->n_dims = 2;
    onnx_node(p, "Reshape", "x,flat", "f");
    onnx_attr_int(onnx_node(p, "Gather", "f,indices", "out"), "axis", 0);
    onnx_output(p, "out");
    check_batch(load_and_free(p), true);
}

/* More inputs than one kernel takes: the second step reads what the first one made. */
static void test_long_concat(void **state)
{
    (void) state;
    char names[400] = "x";
    size_t all;
    float x[IMAGE];
    Onnx__ModelProto *p = image_model();
    for (int i = 1; i < 70; i++)
        strcat(names, ",x");
    onnx_attr_int(onnx_node(p, "Concat", names, "out"), "axis", 1);
    onnx_output(p, "out");
    struct model *m = load_and_free(p);
    struct session *s = open_session(m);
    fill(x, IMAGE);
    float *y = run_floats(s, 1, x, &all);
    assert_int_equal(all, 70 * IMAGE);
    for (size_t i = 0; i < all; i++)
        assert_true(y[i] == x[i % IMAGE]);
    free(y);
    session_destroy(&s);
    model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams), cmocka_unit_test(test_shuffle_grows),
        cmocka_unit_test(test_flatten_and_reduce_grow),
        cmocka_unit_test(test_unbatchable_is_found),
        cmocka_unit_test(test_token_is_repeated),
        cmocka_unit_test(test_attention_with_tokens_first),
        cmocka_unit_test(test_shape_half_baked),
        cmocka_unit_test(test_free_batch_is_as_written),
        cmocka_unit_test(test_free_batch_with_baked_shape),
        cmocka_unit_test(test_expand_grows),
        cmocka_unit_test(test_image_index_grows),
        cmocka_unit_test(test_indices_into_flat_image_grow),
        cmocka_unit_test(test_long_concat),
    };
    if (!open_device())
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

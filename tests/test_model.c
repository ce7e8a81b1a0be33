/* Loading: what a good file gives, and that no bad file does more than fail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "stages/infer/model.h"
#include "stages/infer/onnx.h"
#include "tests/onnx_build.h"

static void ignore(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static struct cq_log logger = {.level = CQ_ERROR, .sink = ignore};

static enum cq_err load(const Onnx__ModelProto *p, struct model **m)
{
    size_t size;
    uint8_t *data = onnx_bytes(p, &size);
    enum cq_err err = model_load_memory(&logger, "test", data, size, m);
    free(data);
    return err;
}

/* input:0 [1,3,8,8] -> Conv -> BatchNormalization -> Relu -> Reshape -> out:0 */
static Onnx__ModelProto *small_model(void)
{
    Onnx__ModelProto *m = onnx_model(13);
    onnx_input(m, "input:0", 4, (int64_t[]){1, 3, 8, 8});
    onnx_weights(m, "w", 4, (int64_t[]){4, 3, 3, 3});
    for (int i = 0; i < 4; i++)
        onnx_weights(m, (const char *[]){"scale", "bias", "mean", "var"}[i], 1, (int64_t[]){4});
    onnx_ints(m, "shape", 2, (int64_t[]){1, -1});
    onnx_node(m, "Conv", "input:0,w", "y");
    onnx_node(m, "BatchNormalization", "y,scale,bias,mean,var", "z");
    onnx_node(m, "Relu", "z", "r");
    onnx_node(m, "Reshape", "r,shape", "out:0");
    onnx_output(m, "out:0");
    return m;
}

static void test_small_model(void **state)
{
    (void) state;
    struct model *m;
    int n;
    Onnx__ModelProto *p = small_model();
    onnx_input(p, "w", 4, (int64_t[]){4, 3, 3, 3});     /* an initialiser listed as an input too */
    p->metadata_props = onnx_more(NULL, 0);
    p->n_metadata_props = 1;
    p->metadata_props[0] = onnx_new_string_string_entry_proto();
    p->metadata_props[0]->key = strdup("stride");
    p->metadata_props[0]->value = strdup("32");
    assert_int_equal(load(p, &m), CQ_OK);
    assert_int_equal(model_input_count(m), 1);
    assert_string_equal(model_input(m, 0)->name, "input:0");
    assert_int_equal(model_input(m, 0)->dim[3], 8);
    assert_int_equal(model_output_count(m), 1);
    assert_string_equal(model_output(m, 0)->name, "out:0");
    assert_int_equal(model_output(m, 0)->rank, 2);
    assert_int_equal(model_output(m, 0)->dim[1], 4 * 6 * 6);
    assert_string_equal(model_metadata(m, "stride"), "32");
    assert_null(model_metadata(m, "names"));
    assert_string_equal(model_producer(m), "clipq tests");
    assert_int_equal(model_opset(m), 13);
    assert_int_equal(model_parameters(m), 4 * 27 + 16);
    assert_non_null(model_ops(m, &n));
    assert_int_equal(n, 4);
    assert_int_equal(strlen(model_hash(m)), 32);
    model_destroy(&m);
    assert_null(m);
    onnx_free(p);
}

/* The message must name the node and the operator. */
static void expect_failure(Onnx__ModelProto *p, enum cq_err want, const char *word, const char *other_word)
{
    struct model *m;
    logger.last_error[0] = 0;
    assert_int_equal(load(p, &m), want);
    assert_null(m);
    if (!strstr(logger.last_error, word) || !strstr(logger.last_error, other_word))
        fail_msg("\"%s\" does not say %s and %s", logger.last_error, word, other_word);
    onnx_free(p);
}

static void test_unknown_operator(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    free(p->graph->node[2]->op_type);
    p->graph->node[2]->op_type = strdup("Frobnicate");
    expect_failure(p, CQ_UNSUPPORTED, "Frobnicate", "'r'");
}

static void test_blocked_layout_is_named(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    free(p->graph->node[2]->domain);
    p->graph->node[2]->domain = strdup("com.microsoft.nchwc");
    expect_failure(p, CQ_UNSUPPORTED, "test: operator com.microsoft.nchwc.Relu (node 'r')", "level 'extended'");
}

static void test_wrong_weights(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    p->graph->initializer[0]->dims[1] = 1;
    p->graph->initializer[0]->raw_data.len /= 3;
    expect_failure(p, CQ_UNSUPPORTED, "Conv", "'y'");
}

/* Both were found by fuzzing. */
static void test_resize_of_a_scalar(void **state)
{
    (void) state;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 0, (int64_t[]){0});
    onnx_node(p, "Resize", "x", "y");
    onnx_output(p, "y");
    expect_failure(p, CQ_UNSUPPORTED, "Resize", "0 axes");
}

/* Folded by the C reference, this window over constants would take hours; it is left to the device. */
static void test_dear_constants(void **state)
{
    (void) state;
    struct model *m;
    Onnx__ModelProto *p = onnx_model(13);
    onnx_input(p, "x", 1, (int64_t[]){1});
    onnx_ints(p, "shape", 4, (int64_t[]){1, 1, 3000, 3000});
    onnx_node(p, "ConstantOfShape", "shape", "zeros");
    onnx_attr_ints(onnx_node(p, "AveragePool", "zeros", "means"), "kernel_shape", 2, (int64_t[]){1500, 1500});
    onnx_node(p, "Add", "means,x", "y");
    onnx_output(p, "y");
    assert_int_equal(load(p, &m), CQ_OK);
    model_destroy(&m);
    onnx_free(p);
}

static void test_cycle(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    free(p->graph->node[0]->input[0]);
    p->graph->node[0]->input[0] = strdup("r");
    expect_failure(p, CQ_CORRUPT, "cycle", "Conv");
}

static void test_missing_input(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    free(p->graph->node[0]->input[1]);
    p->graph->node[0]->input[1] = strdup("nowhere");
    expect_failure(p, CQ_CORRUPT, "nowhere", "Conv");
}

static void test_two_makers(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    onnx_node(p, "Relu", "y", "r");
    expect_failure(p, CQ_CORRUPT, "two nodes", "r");
}

static void test_wrong_size(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    p->graph->initializer[0]->raw_data.len -= 4;
    expect_failure(p, CQ_CORRUPT, "'w'", "values");
}

/* Eight-byte values that stand in the field of four-byte ones. */
static void test_values_in_the_wrong_field(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    Onnx__TensorProto *w = p->graph->initializer[0];
    free(w->raw_data.data);
    w->raw_data.data = NULL;
    w->raw_data.len = 0;
    w->has_raw_data = 0;
    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
    w->n_int32_data = 108;
    w->int32_data = calloc(108, sizeof *w->int32_data);
    assert_non_null(w->int32_data);
    expect_failure(p, CQ_CORRUPT, "'w'", "values");
}

static void test_huge_dims(void **state)
{
    (void) state;
    Onnx__ModelProto *p = small_model();
    p->graph->initializer[0]->dims[0] = INT64_MAX / 2;
    expect_failure(p, CQ_CORRUPT, "'w'", "dimensions");

    p = small_model();
    onnx_ints(p, "many", 4, (int64_t[]){1, 1 << 30, 1 << 30, 1 << 30});
    onnx_node(p, "Tile", "r,many", "t");
    onnx_output(p, "t");
    expect_failure(p, CQ_UNSUPPORTED, "Tile", "large");
}

static void test_nodes_out_of_order(void **state)
{
    (void) state;
    struct model *m;
    Onnx__ModelProto *p = small_model();
    Onnx__NodeProto *first = p->graph->node[0];
    p->graph->node[0] = p->graph->node[3];
    p->graph->node[3] = first;
    assert_int_equal(load(p, &m), CQ_OK);
    model_destroy(&m);
    onnx_free(p);
}

/* Twice an attribute that holds a graph in each graph: deep enough to end a recursive parser's stack. */
static void test_deep_nesting(void **state)
{
    (void) state;
    enum { LEVELS = 60001 };    /* 3n + 1: the outermost field in the graph is a node */
    struct model *m;
    size_t capacity = (size_t) LEVELS * 24 + 64, at = capacity;
    uint8_t *data = calloc(capacity, 1);
    assert_non_null(data);
    /* Built from the inside: a length-delimited field around what is there so far. Field numbers: graph.node 1,
     * node.attribute 5, attribute.g 6. */
    static const uint8_t tags[] = {6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2};
    for (int i = 0; i < LEVELS; i++) {
        size_t size = capacity - at;
        uint8_t length[10];
        int n = 0;
        do
            length[n++] = (uint8_t) ((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
        while (size >>= 7);
        at -= (size_t) n;
        memcpy(data + at, length, (size_t) n);
        data[--at] = i == LEVELS - 1 ? 7 << 3 | 2 : tags[i % 3];
    }
    assert_false(onnx_wire_ok(data + at, capacity - at));
    assert_int_equal(model_load_memory(&logger, "deep", data + at, capacity - at, &m), CQ_CORRUPT);
    free(data);
}

static void test_truncated(void **state)
{
    (void) state;
    size_t size;
    Onnx__ModelProto *p = small_model();
    uint8_t *data = onnx_bytes(p, &size);
    for (size_t n = 0; n < size; n++) {
        struct model *m;
        uint8_t *part = malloc(n ? n : 1);     /* exact, so that a read past its end is seen */
        memcpy(part, data, n);
        model_load_memory(&logger, "cut", part, n, &m);
        model_destroy(&m);
        free(part);
    }
    free(data);
    onnx_free(p);
}

static void test_bit_flips(void **state)
{
    (void) state;
    size_t size;
    uint32_t random = 2463534242u;
    Onnx__ModelProto *p = small_model();
    uint8_t *data = onnx_bytes(p, &size), *bad = malloc(size);
    assert_non_null(bad);
    for (int i = 0; i < 4000; i++) {
        struct model *m;
        memcpy(bad, data, size);
        for (int k = 0; k <= i % 4; k++) {
            random = random * 1664525u + 1013904223u;
            /* half of the flips fall outside the weights, where structure is */
            size_t at = (random >> 8) % (i % 2 ? size : size / 3 + 1);
            bad[i % 2 ? at : size - 1 - at] ^= (uint8_t) (1u << (random & 7));
        }
        model_load_memory(&logger, "flipped", bad, size, &m);
        model_destroy(&m);
    }
    free(bad);
    free(data);
    onnx_free(p);
}

static void test_missing_file(void **state)
{
    (void) state;
    struct model *m;
    assert_int_equal(model_load(&logger, "/nonexistent/model.onnx", &m), CQ_NOT_FOUND);
    assert_null(m);
    assert_non_null(strstr(logger.last_error, "/nonexistent/model.onnx"));
    assert_int_equal(model_load(&logger, "/", &m), CQ_CORRUPT);
    assert_non_null(strstr(logger.last_error, "folder"));
}

static void test_text_file(void **state)
{
    (void) state;
    static const char text[] = "version https://git-lfs.github.com/spec/v1\nsize 1\n";
    struct model *m;
    assert_int_equal(model_load_memory(&logger, "m.onnx", text, sizeof text - 1, &m), CQ_CORRUPT);
    assert_null(m);
    assert_non_null(strstr(logger.last_error, "m.onnx: a text file"));
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void set_external(Onnx__TensorProto *t, const char *location)
{
    t->has_raw_data = 0;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->external_data = onnx_more(NULL, 0);
    t->n_external_data = 1;
    t->external_data[0] = onnx_new_string_string_entry_proto();
    t->external_data[0]->key = strdup("location");
    t->external_data[0]->value = strdup(location);
}

static enum cq_err load_external(const char *location, size_t bytes)
{
    char dir[] = "/tmp/clipq-model-XXXXXX", path[64], weights[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/m.onnx", dir);
    snprintf(weights, sizeof weights, "%s/w.bin", dir);
    Onnx__ModelProto *p = small_model();
    write_file(weights, p->graph->initializer[0]->raw_data.data, bytes);
    set_external(p->graph->initializer[0], location);
    size_t size;
    uint8_t *data = onnx_bytes(p, &size);
    write_file(path, data, size);
    struct model *m;
    enum cq_err err = model_load(&logger, path, &m);
    model_destroy(&m);
    unlink(path);
    unlink(weights);
    rmdir(dir);
    free(data);
    onnx_free(p);
    return err;
}

static void test_external_data(void **state)
{
    (void) state;
    assert_int_equal(load_external("w.bin", 432), CQ_OK);
    assert_int_equal(load_external("w.bin", 400), CQ_CORRUPT);
    assert_int_equal(load_external("../w.bin", 432), CQ_CORRUPT);
    assert_int_equal(load_external("gone.bin", 432), CQ_CORRUPT);
    assert_non_null(strstr(logger.last_error, "gone.bin"));
    assert_int_equal(load_external("/etc/hostname", 432), CQ_CORRUPT);
}

static void test_half_weights(void **state)
{
    (void) state;
    struct model *m;
    uint16_t halves[108];
    for (int i = 0; i < 108; i++)
        halves[i] = (uint16_t) (0x3c00 + i);
    Onnx__ModelProto *p = small_model();
    Onnx__TensorProto *w = p->graph->initializer[0];
    free(w->raw_data.data);
    w->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16;
    onnx_raw(w, halves, sizeof halves);
    assert_int_equal(load(p, &m), CQ_OK);
    model_destroy(&m);
    onnx_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_model),      cmocka_unit_test(test_unknown_operator),
        cmocka_unit_test(test_blocked_layout_is_named), cmocka_unit_test(test_wrong_weights),
        cmocka_unit_test(test_cycle),            cmocka_unit_test(test_missing_input),
        cmocka_unit_test(test_two_makers),       cmocka_unit_test(test_wrong_size),
        cmocka_unit_test(test_huge_dims),        cmocka_unit_test(test_nodes_out_of_order),
        cmocka_unit_test(test_deep_nesting),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bit_flips),        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_external_data),    cmocka_unit_test(test_half_weights),
        cmocka_unit_test(test_resize_of_a_scalar), cmocka_unit_test(test_dear_constants),
        cmocka_unit_test(test_text_file),        cmocka_unit_test(test_values_in_the_wrong_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

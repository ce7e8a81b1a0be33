/* Writes small models for the end-to-end tests:
 *
 *     model_make KIND FILE
 *
 * "halves": pictures of any size, halved, doubled and added to themselves; its shapes fit for even sizes only.
 * "four": four pictures of 16x8 at once, no more and no fewer; gives the mean of each channel. "one": the same for one.
 * "sized": a detector that asks for the size of its picture; every picture holds one box.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/onnx_build.h"

enum { OPSET = 13 };

static void add_output(Onnx__ModelProto *m, const char *name, int rank, const int64_t *dim)
{
    onnx_output(m, name);
    Onnx__ValueInfoProto **last = &m->graph->output[m->graph->n_output - 1];
    onnx__value_info_proto__free_unpacked(*last, NULL);
    *last = onnx_value(name, rank, dim);
}

static Onnx__ModelProto *halves(void)
{
    static const int64_t two[] = {2, 2}, any[] = {-1, 3, -1, -1};
    static const float twice[] = {1, 1, 2, 2};
    Onnx__ModelProto *m = onnx_model(OPSET);
    onnx_input(m, "x", 4, any);
    onnx_raw(onnx_tensor_of(m, "twice", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 1, (int64_t[]) {4}), twice, sizeof twice);
    onnx_float(m, "half", 0.5f);
    Onnx__NodeProto *pool = onnx_node(m, "MaxPool", "x", "small");
    onnx_attr_ints(pool, "kernel_shape", 2, two);
    onnx_attr_ints(pool, "strides", 2, two);
    onnx_node(m, "Resize", "small,,twice", "large");
    onnx_node(m, "Add", "x,large", "sum");
    onnx_node(m, "Mul", "sum,half", "y");
    add_output(m, "y", 4, any);
    return m;
}

static Onnx__ModelProto *means(int64_t batch)
{
    const int64_t in[] = {batch, 3, 8, 16}, out[] = {batch, 3, 1, 1};
    Onnx__ModelProto *m = onnx_model(OPSET);
    onnx_input(m, "x", 4, in);
    onnx_node(m, "GlobalAveragePool", "x", "y");
    add_output(m, "y", 4, out);
    return m;
}

static Onnx__ModelProto *four(void) { return means(4); }
static Onnx__ModelProto *one(void) { return means(1); }

/* As RT-DETR is deployed: a box in shares of the picture, times orig_target_sizes twice over. */
static Onnx__ModelProto *sized(void)
{
    static const int64_t in[] = {1, 3, 8, 16}, two[] = {-1, 2}, row[] = {-1, 1}, box[] = {-1, 1, 4};
    static const float shares[] = {0.25f, 0.25f, 0.5f, 0.75f}, score[] = {0.9f};
    static const int64_t label[] = {7};
    Onnx__ModelProto *m = onnx_model(OPSET);
    onnx_input(m, "images", 4, in);
    onnx_input(m, "orig_target_sizes", 2, two);
    m->graph->input[1]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    onnx_raw(onnx_tensor_of(m, "shares", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 3, (int64_t[]) {1, 1, 4}), shares,
             sizeof shares);
    onnx_raw(onnx_tensor_of(m, "score", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 2, (int64_t[]) {1, 1}), score, sizeof score);
    onnx_raw(onnx_tensor_of(m, "label", ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 2, (int64_t[]) {1, 1}), label, sizeof label);
    onnx_float(m, "none", 0);
    onnx_ints(m, "middle", 1, (const int64_t[]) {1});
    onnx_ints(m, "all", 3, (const int64_t[]) {1, 2, 3});
    onnx_attr_int(onnx_node(m, "Cast", "orig_target_sizes", "size"), "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    onnx_attr_int(onnx_node(m, "Concat", "size,size", "twice"), "axis", 1);
    onnx_node(m, "Unsqueeze", "twice,middle", "corners");
    onnx_node(m, "Mul", "images,none", "nothing");
    onnx_attr_int(onnx_node(m, "ReduceSum", "nothing,all", "zero"), "keepdims", 1);
    onnx_node(m, "Reshape", "zero,flat", "zeros");
    onnx_ints(m, "flat", 2, (const int64_t[]) {-1, 1});
    onnx_node(m, "Add", "score,zeros", "scores");
    onnx_attr_int(onnx_node(m, "Cast", "zeros", "whole"), "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    onnx_node(m, "Add", "label,whole", "labels");
    onnx_node(m, "Unsqueeze", "zeros,middle", "deep");
    onnx_node(m, "Mul", "shares,corners", "scaled");
    onnx_node(m, "Add", "scaled,deep", "boxes");
    add_output(m, "labels", 2, row);
    add_output(m, "boxes", 3, box);
    add_output(m, "scores", 2, row);
    return m;
}

static const struct {
    const char *name;
    Onnx__ModelProto *(*make)(void);
} kinds[] = {
    {"halves", halves},
    {"four", four},
    {"one", one},
    {"sized", sized},
};

static int write_model(Onnx__ModelProto *m, const char *path)
{
    size_t size;
    uint8_t *bytes = onnx_bytes(m, &size);
    FILE *f = fopen(path, "wb");
    bool fine = f && fwrite(bytes, 1, size, f) == size;
    if (f && fclose(f))
        fine = false;
    free(bytes);
    onnx_free(m);
    return fine ? 0 : 1;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(argv[1], kinds[i].name))
            return write_model(kinds[i].make(), argv[2]);
    fprintf(stderr, "usage: model_make KIND FILE\n");
    return 2;
}

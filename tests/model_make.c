/* Writes small models for the end-to-end tests:
 *
 *     model_make KIND FILE
 *
 * "halves": pictures of any size, halved, doubled and added to themselves; its shapes fit for even sizes only.
 * "four": four pictures of 16x8 at once, no more and no fewer; gives the mean of each channel. "one": the same for one.
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

static const struct {
    const char *name;
    Onnx__ModelProto *(*make)(void);
} kinds[] = {
    {"halves", halves},
    {"four", four},
    {"one", one},
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

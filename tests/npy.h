/* Reading the .npy files of golden results: little-endian float32, C order.
 * Format: numpy.lib.format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef CLIPQ_TESTS_NPY_H
#define CLIPQ_TESTS_NPY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/tensor.h"

/* Fills desc; *data is for the caller to free. */
static inline bool npy_read(const char *path, struct tensor_desc *desc, float **data)
{
    unsigned char head[10];
    char text[1024];
    FILE *f = fopen(path, "rb");
    *data = NULL;
    *desc = (struct tensor_desc){.type = DT_F32};
    if (!f)
        return false;
    bool ok = fread(head, 1, sizeof head, f) == sizeof head && !memcmp(head, "\x93NUMPY\x01", 7);
    size_t size = ok ? (size_t) (head[8] | head[9] << 8) : 0;
    ok = ok && size < sizeof text && fread(text, 1, size, f) == size;
    text[ok ? size : 0] = 0;
    char *shape = strstr(text, "'shape': (");
    ok = ok && strstr(text, "<f4") && strstr(text, "False") && shape;
    for (char *at = ok ? shape + 10 : text; ok && *at && *at != ')' && desc->rank < TENSOR_MAX_RANK;) {
        desc->dim[desc->rank++] = strtoll(at, &at, 10);
        at += strspn(at, ", ");
    }
    size_t n = ok ? (size_t) tensor_elems(desc) : 0;
    *data = ok ? malloc(n * sizeof **data + 1) : NULL;
    ok = *data && fread(*data, sizeof **data, n, f) == n;
    fclose(f);
    return ok;
}

#endif

/* Random numbers, and values of every type, for check_kernels. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check_run.h"

static uint64_t next_u64(struct check_rng *r)
{
    /* splitmix64 (Steele, Lea, Flood 2014). */
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int check_int(struct check_rng *r, int lo, int hi)
{
    return lo + (int) (next_u64(r) % (uint64_t) (hi - lo + 1));
}

bool check_chance(struct check_rng *r, int percent)
{
    return check_int(r, 0, 99) < percent;
}

float check_float(struct check_rng *r, float lo, float hi)
{
    return lo + (hi - lo) * (float) (next_u64(r) >> 40) / (float) ((1 << 24) - 1);
}

int check_pick(struct check_rng *r, const int *values, int n)
{
    return values[check_int(r, 0, n - 1)];
}

struct tensor_desc check_tensor(enum dtype type, int rank, ...)
{
    struct tensor_desc d = {.type = type, .rank = rank};
    va_list ap;
    va_start(ap, rank);
    for (int i = 0; i < rank; i++)
        d.dim[i] = va_arg(ap, int);
    va_end(ap);
    return d;
}

/* ---- values ----------------------------------------------------------------------------------------- */

static uint16_t half_of(float f)
{
    _Float16 h = (_Float16) f;
    uint16_t bits;
    memcpy(&bits, &h, sizeof bits);
    return bits;
}

static float float_of(uint16_t bits)
{
    _Float16 h;
    memcpy(&h, &bits, sizeof h);
    return (float) h;
}

static void put_value(void *data, int64_t i, enum dtype type, struct check_rng *r, float lo, float hi)
{
    bool whole = lo == 0 && hi == 0;
    float f = whole ? check_float(r, -1, 1) : check_float(r, lo, hi);
    int64_t n = whole ? check_int(r, 0, 9) : check_int(r, (int) lo, (int) hi);
    switch (type) {
    case DT_F32: ((float *) data)[i] = f; break;
    case DT_F64: ((double *) data)[i] = f; break;
    case DT_F16: ((uint16_t *) data)[i] = half_of(f); break;
    case DT_U8: ((uint8_t *) data)[i] = (uint8_t) (whole ? next_u64(r) : (uint64_t) n); break;
    case DT_I8: ((int8_t *) data)[i] = (int8_t) (whole ? (int64_t) next_u64(r) : n); break;
    case DT_BOOL: ((uint8_t *) data)[i] = (uint8_t) (next_u64(r) & 1); break;
    case DT_U16: ((uint16_t *) data)[i] = (uint16_t) n; break;
    case DT_I16: ((int16_t *) data)[i] = (int16_t) n; break;
    case DT_U32: ((uint32_t *) data)[i] = (uint32_t) n; break;
    case DT_I32: ((int32_t *) data)[i] = (int32_t) n; break;
    case DT_U64: ((uint64_t *) data)[i] = (uint64_t) n; break;
    case DT_I64: ((int64_t *) data)[i] = n; break;
    case DT_NONE: break;
    }
}

static void put_edge(void *data, int64_t i, enum dtype type, struct check_rng *r)
{
    static const double floats[] = {
        0, -0.0, 1, -1, 0.5, 1.5, 2.5, -0.5, NAN, INFINITY, -INFINITY, 127, 128, 255, 256, -129, 32768, 65504, 65520,
        65536, 16777217, 2147483520, 0x1p31, -0x1p31, 0x1p32, 0x1p53, 0x1p63, -0x1p63, 1e30, 1e-40, 6e-8, 3e-8,
    };
    static const int64_t ints[] = {
        0, 1, -1, 2, -2, 127, 128, -128, 255, 256, 32767, 32768, -32768, 65535, 65536, 16777217, INT32_MAX, INT32_MIN,
        UINT32_MAX, 9007199254740993, INT64_MAX, INT64_MIN,
    };
    double f = floats[check_int(r, 0, (int) (sizeof floats / sizeof *floats) - 1)];
    int64_t n = ints[check_int(r, 0, (int) (sizeof ints / sizeof *ints) - 1)];
    switch (type) {
    case DT_F32: ((float *) data)[i] = (float) f; break;
    case DT_F64: ((double *) data)[i] = f; break;
    case DT_F16: ((uint16_t *) data)[i] = half_of((float) f); break;
    case DT_BOOL: break;
    default: memcpy((char *) data + (size_t) i * dtype_size(type), &n, dtype_size(type));   /* the low bits */
    }
}

double check_value_at(const void *data, int64_t i, enum dtype type)
{
    switch (type) {
    case DT_F32: return ((const float *) data)[i];
    case DT_F64: return ((const double *) data)[i];
    case DT_F16: return float_of(((const uint16_t *) data)[i]);
    case DT_U8: case DT_BOOL: return ((const uint8_t *) data)[i];
    case DT_I8: return ((const int8_t *) data)[i];
    case DT_U16: return ((const uint16_t *) data)[i];
    case DT_I16: return ((const int16_t *) data)[i];
    case DT_U32: return ((const uint32_t *) data)[i];
    case DT_I32: return ((const int32_t *) data)[i];
    case DT_U64: return (double) ((const uint64_t *) data)[i];
    case DT_I64: return (double) ((const int64_t *) data)[i];
    case DT_NONE: break;
    }
    return 0;
}

bool check_is_float(enum dtype type)
{
    return type == DT_F32 || type == DT_F64 || type == DT_F16;
}

void *check_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) {
        fprintf(stderr, "check_kernels: out of memory\n");
        exit(1);
    }
    return p;
}

static void put_one(struct check_case *c, int input, int64_t i, struct check_rng *r)
{
    enum dtype type = c->inst.in[input].type;
    put_value(c->data[input], i, type, r, c->lo[input], c->hi[input]);
    if (c->edges >> input & 1 && check_chance(r, 40))
        put_edge(c->data[input], i, type, r);
    if (c->nonzero >> input & 1 && check_value_at(c->data[input], i, type) == 0)
        put_value(c->data[input], i, type, r, 1, 9);
}

void check_fill(struct check_case *c, struct check_rng *r)
{
    for (int i = 0; i < c->inst.n_in; i++) {
        const struct tensor_desc *d = &c->inst.in[i];
        if (d->type == DT_NONE || c->data[i])
            continue;
        int64_t n = tensor_elems(d);
        c->data[i] = check_alloc(tensor_bytes(d));
        for (int64_t k = 0; k < n; k++)
            put_one(c, i, k, r);
    }
    c->inst.op = &c->op;
    for (int i = 0; i < c->inst.n_in; i++)
        c->inst.constant[i] = c->constants >> i & 1 ? c->data[i] : NULL;
}

void check_finish(struct check_case *c)
{
    for (int i = 0; i < OP_MAX_INPUTS; i++)
        free(c->data[i]);
}

/* TensorProto to a host array: raw bytes, typed fields, or a file beside the model. int4 and uint4 become int8 and
 * uint8.
 *
 * Half-precision constants become float32 here: the engine computes in float32, and a float16 file is only
 * a smaller way to write the same network.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <onnx.pb-c.h>

#include "kernels/base/half.h"
#include "kernels/base/log.h"
#include "stages/infer/graph.h"
#include "stages/infer/onnx.h"

typedef Onnx__TensorProto tensor_proto;

enum dtype onnx_dtype(int onnx_type)
{
    static const enum dtype types[] = {
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = DT_F32,    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = DT_U8,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = DT_I8,      [ONNX__TENSOR_PROTO__DATA_TYPE__UINT16] = DT_U16,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT16] = DT_I16,    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = DT_I32,
        [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = DT_I64,    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = DT_BOOL,
        [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = DT_F16,  [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = DT_F64,
        [ONNX__TENSOR_PROTO__DATA_TYPE__UINT32] = DT_U32,   [ONNX__TENSOR_PROTO__DATA_TYPE__UINT64] = DT_U64,
        [ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16] = DT_F32,
    };
    return onnx_type >= 0 && (size_t) onnx_type < sizeof types / sizeof *types ? types[onnx_type] : DT_NONE;
}

/* Types newer than the message definitions that clipq is built with. */
enum { ONNX_FLOAT8_FIRST = 17, ONNX_FLOAT8_LAST = 20, ONNX_UINT4 = 21, ONNX_INT4 = 22 };

static bool is_four_bits(const tensor_proto *t)
{
    return t->data_type == ONNX_UINT4 || t->data_type == ONNX_INT4;
}

const char *onnx_dtype_refusal(int onnx_type)
{
    if (onnx_type >= ONNX_FLOAT8_FIRST && onnx_type <= ONNX_FLOAT8_LAST)
        return "holds float8, which is not supported: take a version of the model in float16 or int8";
    if (onnx_type == ONNX_UINT4 || onnx_type == ONNX_INT4)
        return "holds integers of 4 bits, which are supported in constants only";
    return "holds strings, complex numbers or an unknown type";
}

static const char *tensor_name(const tensor_proto *t)
{
    return t->name ? t->name : "";
}

static enum cq_err fail(struct onnx_reader *r, enum cq_err err, const tensor_proto *t, const char *what)
{
    cq_log_error(r->log, "%s: tensor '%s' %s", r->name, tensor_name(t), what);
    return err;
}

static enum cq_err read_desc(struct onnx_reader *r, const tensor_proto *t, struct tensor_desc *d)
{
    bool brain = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;   /* as wide as float16 */
    *d = (struct tensor_desc){.type = brain ? DT_F16 : onnx_dtype(t->data_type)};
    if (is_four_bits(t))
        d->type = t->data_type == ONNX_INT4 ? DT_I8 : DT_U8;
    if (d->type == DT_NONE)
        return fail(r, CQ_UNSUPPORTED, t, onnx_dtype_refusal(t->data_type));
    if (t->n_dims > TENSOR_MAX_RANK)
        return fail(r, CQ_UNSUPPORTED, t, "has more than 8 dimensions");
    d->rank = (int) t->n_dims;
    for (int i = 0; i < d->rank; i++)
        d->dim[i] = t->dims[i];
    if (tensor_elems(d) < 0 || tensor_bytes(d) == SIZE_MAX)
        return fail(r, CQ_CORRUPT, t, "has impossible dimensions");
    return CQ_OK;
}

static const char *external_entry(const tensor_proto *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        if (e->key && e->value && !strcmp(e->key, key))
            return e->value;
    }
    return NULL;
}

/* The real path of `location`, if it lies inside the folder even after following links. */
static bool inside_folder(const char *folder, const char *location, char out[PATH_MAX])
{
    char joined[PATH_MAX], root[PATH_MAX];
    int n = snprintf(joined, sizeof joined, "%s/%s", folder, location);
    if (location[0] == '/' || n < 0 || (size_t) n >= sizeof joined || !realpath(folder, root) ||
        !realpath(joined, out))
        return false;
    size_t length = strlen(root);
    return !strncmp(out, root, length) && (root[length - 1] == '/' || out[length] == '/');
}

/* Maps the whole file; the graph unmaps it. */
static enum cq_err map_file(struct onnx_reader *r, const char *path, const uint8_t **data, size_t *size)
{
    struct graph *g = r->graph;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        cq_log_error(r->log, "%s: cannot read external data %s: %s", r->name, path,
                     fd < 0 ? strerror(errno) : "not a file");
        if (fd >= 0)
            close(fd);
        return CQ_IO;
    }
    enum cq_err err = CQ_NOMEM;
    struct graph_map *maps = realloc(g->maps, (size_t) (g->n_maps + 1) * sizeof *maps);
    if (maps) {
        g->maps = maps;
        void *addr = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (addr != MAP_FAILED) {
            maps[g->n_maps++] = (struct graph_map){addr, (size_t) st.st_size};
            *data = addr;
            *size = (size_t) st.st_size;
            err = CQ_OK;
        }
    }
    close(fd);
    return err;
}

static bool parse_size(const char *text, size_t otherwise, size_t *out)
{
    *out = otherwise;
    if (!text)
        return true;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    *out = (size_t) v;
    return !errno && end != text && !*end && text[0] != '-';
}

static enum cq_err external_bytes(struct onnx_reader *r, const tensor_proto *t, const uint8_t **data, size_t *size)
{
    char path[PATH_MAX];
    const char *location = external_entry(t, "location");
    if (!location || !r->folder)
        return fail(r, CQ_UNSUPPORTED, t, "keeps its data in another file, but does not say where");
    if (!inside_folder(r->folder, location, path)) {
        cq_log_error(r->log, "%s: tensor '%s' keeps its data in '%s', which is missing or outside of the model's "
                     "folder: put it beside the model", r->name, tensor_name(t), location);
        return CQ_CORRUPT;
    }

    const uint8_t *file;
    size_t file_size, offset, length;
    enum cq_err err = map_file(r, path, &file, &file_size);
    if (err)
        return err;
    if (!parse_size(external_entry(t, "offset"), 0, &offset) || offset > file_size ||
        !parse_size(external_entry(t, "length"), file_size - offset, &length) || length > file_size - offset)
        return fail(r, CQ_CORRUPT, t, "points outside its data file");
    *data = file + offset;
    *size = length;
    return CQ_OK;
}

/* The bytes as they would stand in raw_data, when they lie somewhere as they are. */
static enum cq_err find_bytes(struct onnx_reader *r, const tensor_proto *t, const uint8_t **data, size_t *size)
{
    if (t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return external_bytes(r, t, data, size);
    *data = t->raw_data.data;
    *size = t->raw_data.len;
    if (t->has_raw_data)
        return CQ_OK;
    switch (onnx_dtype(t->data_type)) {
    case DT_F32: *data = (const uint8_t *) t->float_data, *size = t->n_float_data * sizeof(float); break;
    case DT_F64: *data = (const uint8_t *) t->double_data, *size = t->n_double_data * sizeof(double); break;
    case DT_I32: *data = (const uint8_t *) t->int32_data, *size = t->n_int32_data * sizeof(int32_t); break;
    case DT_I64: *data = (const uint8_t *) t->int64_data, *size = t->n_int64_data * sizeof(int64_t); break;
    case DT_U64: *data = (const uint8_t *) t->uint64_data, *size = t->n_uint64_data * sizeof(uint64_t); break;
    default: break;
    }
    return CQ_OK;
}

/* Small types travel one per int32_data entry, uint32 one per uint64_data entry. */
static bool travels_wide(enum dtype type)
{
    return dtype_size(type) < sizeof(int32_t) || type == DT_U32;
}

static enum cq_err narrow_fields(struct onnx_reader *r, const tensor_proto *t, const struct tensor_desc *d,
                                 const uint8_t **data, size_t *size)
{
    size_t item = dtype_size(d->type), n = d->type == DT_U32 ? t->n_uint64_data : t->n_int32_data;
    uint8_t *out = pool_alloc(&r->graph->pool, n, item);
    if (!out)
        return CQ_NOMEM;
    for (size_t i = 0; i < n; i++) {
        /* little-endian, as every machine that clipq is built for: the low bytes come first */
        if (d->type == DT_U32)
            memcpy(out + i * item, &t->uint64_data[i], item);
        else
            memcpy(out + i * item, &t->int32_data[i], item);
    }
    *data = out;
    *size = n * item;
    return CQ_OK;
}

static enum cq_err halves_to_float(struct onnx_reader *r, bool brain, struct constant *c, const uint8_t *data)
{
    size_t n = (size_t) tensor_elems(&c->desc);
    float *out = pool_alloc(&r->graph->pool, n, sizeof *out);
    if (!out)
        return CQ_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, data + 2 * i, sizeof h);
        uint32_t wide = (uint32_t) h << 16;
        if (brain)
            memcpy(&out[i], &wide, sizeof wide);
        else
            out[i] = cq_half_to_float(h);
    }
    c->desc.type = DT_F32;
    c->data = out;
    return CQ_OK;
}

/* Two values per byte, the first in the low bits. */
static enum cq_err unpack_four_bits(struct onnx_reader *r, struct constant *c, const uint8_t *data)
{
    size_t n = (size_t) tensor_elems(&c->desc);
    uint8_t *out = pool_alloc(&r->graph->pool, n, 1);
    if (!out)
        return CQ_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint8_t v = (data[i / 2] >> i % 2 * 4) & 15;
        out[i] = c->desc.type == DT_I8 && v > 7 ? (uint8_t) (v - 16) : v;
    }
    c->data = out;
    c->four_bits = true;
    return CQ_OK;
}

/* A copy where the bytes lie badly for their type, as data in a file may. */
static enum cq_err align_bytes(struct onnx_reader *r, const uint8_t *data, size_t size, size_t item, const void **out)
{
    *out = data;
    if (data && (uintptr_t) data % item == 0)
        return CQ_OK;
    void *copy = pool_alloc(&r->graph->pool, size, 1);
    if (!copy)
        return CQ_NOMEM;
    if (size)
        memcpy(copy, data, size);
    *out = copy;
    return CQ_OK;
}

enum cq_err onnx_tensor(struct onnx_reader *r, const tensor_proto *t, struct constant *out)
{
    struct constant c = {0};
    const uint8_t *data = NULL;
    size_t size = 0;
    enum cq_err err = read_desc(r, t, &c.desc);
    if (!err)
        err = find_bytes(r, t, &data, &size);
    if (!err && !data && travels_wide(c.desc.type))
        err = narrow_fields(r, t, &c.desc, &data, &size);
    if (err)
        return err;
    size_t values = tensor_bytes(&c.desc);
    if (size != (is_four_bits(t) ? values / 2 + values % 2 : values))
        return fail(r, CQ_CORRUPT, t, "has more or fewer values than its dimensions say");

    if (c.desc.type == DT_F16)
        err = halves_to_float(r, t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, &c, data);
    else if (is_four_bits(t))
        err = unpack_four_bits(r, &c, data);
    else
        err = align_bytes(r, data, size, dtype_size(c.desc.type), &c.data);
    if (!err)
        *out = c;
    return err;
}

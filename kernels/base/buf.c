/* Buffer and bounded reader. */
#include "kernels/base/buf.h"

#include <stdlib.h>
#include <string.h>

void cq_buf_finish(struct cq_buf *b)
{
    free(b->data);
    *b = (struct cq_buf) {0};
}

void cq_buf_clear(struct cq_buf *b)
{
    b->size = 0;
    b->err = CQ_OK;
}

static enum cq_err reserve(struct cq_buf *b, size_t more)
{
    if (more > SIZE_MAX / 2 - b->size)
        return CQ_NOMEM;
    size_t need = b->size + more;
    if (need <= b->capacity)
        return CQ_OK;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity < need)
        capacity *= 2;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return CQ_NOMEM;
    b->data = data;
    b->capacity = capacity;
    return CQ_OK;
}

void cq_put(struct cq_buf *b, const void *data, size_t size)
{
    if (b->err || !size)
        return;
    b->err = reserve(b, size);
    if (b->err)
        return;
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void cq_put_u8(struct cq_buf *b, uint8_t v) { cq_put(b, &v, sizeof v); }
void cq_put_u32(struct cq_buf *b, uint32_t v) { cq_put(b, &v, sizeof v); }
void cq_put_i32(struct cq_buf *b, int32_t v) { cq_put(b, &v, sizeof v); }
void cq_put_i64(struct cq_buf *b, int64_t v) { cq_put(b, &v, sizeof v); }
void cq_put_f32(struct cq_buf *b, float v) { cq_put(b, &v, sizeof v); }
void cq_put_f64(struct cq_buf *b, double v) { cq_put(b, &v, sizeof v); }

void cq_put_str(struct cq_buf *b, const char *s)
{
    size_t length = s ? strlen(s) : 0;
    cq_put_u32(b, (uint32_t) length);
    cq_put(b, s ? s : "", length + 1);
}

struct cq_rd cq_rd_of(const void *data, size_t size)
{
    return (struct cq_rd) {.data = data, .size = size};
}

const void *cq_get(struct cq_rd *r, size_t size)
{
    if (r->err)
        return NULL;
    if (size > r->size - r->pos) {
        r->err = CQ_PROTOCOL;
        return NULL;
    }
    const void *at = r->data + r->pos;
    r->pos += size;
    return at;
}

static void get_value(struct cq_rd *r, void *out, size_t size)
{
    const void *at = cq_get(r, size);
    if (at)
        memcpy(out, at, size);
}

uint8_t cq_get_u8(struct cq_rd *r) { uint8_t v = 0; get_value(r, &v, sizeof v); return v; }
uint32_t cq_get_u32(struct cq_rd *r) { uint32_t v = 0; get_value(r, &v, sizeof v); return v; }
int32_t cq_get_i32(struct cq_rd *r) { int32_t v = 0; get_value(r, &v, sizeof v); return v; }
int64_t cq_get_i64(struct cq_rd *r) { int64_t v = 0; get_value(r, &v, sizeof v); return v; }
float cq_get_f32(struct cq_rd *r) { float v = 0; get_value(r, &v, sizeof v); return v; }
double cq_get_f64(struct cq_rd *r) { double v = 0; get_value(r, &v, sizeof v); return v; }

const char *cq_get_str(struct cq_rd *r)
{
    size_t length = cq_get_u32(r);
    const char *s = cq_get(r, length + 1);
    if (!s)
        return "";
    if (s[length] != '\0') {
        r->err = CQ_PROTOCOL;
        return "";
    }
    return s;
}

uint32_t cq_get_count(struct cq_rd *r, size_t item_size)
{
    uint32_t n = cq_get_u32(r);
    if (item_size && n > (r->size - r->pos) / item_size) {
        r->err = CQ_PROTOCOL;
        return 0;
    }
    return n;
}

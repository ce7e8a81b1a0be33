/* A growing byte buffer to write values into, and a reader that cannot be led outside its bytes.
 *
 * Both ends of every message are the same binary on the same machine, so numbers are stored as they stand
 * in memory. Errors stick: after the first failure every further call does nothing (puts) or gives zero
 * (gets), and the caller looks at `err` once, at the end.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_KERNELS_BASE_BUF_H
#define CLIPQ_KERNELS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"

struct cq_buf {
    uint8_t *data;       /* owned */
    size_t size;         /* bytes written */
    size_t capacity;
    enum cq_err err;     /* CQ_NOMEM sticks */
};

void cq_buf_finish(struct cq_buf *b);   /* frees; `b` is empty and usable again */
void cq_buf_clear(struct cq_buf *b);    /* size 0, memory kept, error forgotten */

void cq_put(struct cq_buf *b, const void *data, size_t size);
void cq_put_u8(struct cq_buf *b, uint8_t v);
void cq_put_u32(struct cq_buf *b, uint32_t v);
void cq_put_i32(struct cq_buf *b, int32_t v);
void cq_put_i64(struct cq_buf *b, int64_t v);
void cq_put_f32(struct cq_buf *b, float v);
void cq_put_f64(struct cq_buf *b, double v);
void cq_put_str(struct cq_buf *b, const char *s);   /* length, bytes, NUL; NULL is written as "" */

struct cq_rd {
    const uint8_t *data; /* borrowed */
    size_t size;
    size_t pos;
    enum cq_err err;     /* CQ_PROTOCOL sticks */
};

struct cq_rd cq_rd_of(const void *data, size_t size);

/* Pointer to the next `size` bytes inside the message, or NULL with err set. */
const void *cq_get(struct cq_rd *r, size_t size);
uint8_t cq_get_u8(struct cq_rd *r);
uint32_t cq_get_u32(struct cq_rd *r);
int32_t cq_get_i32(struct cq_rd *r);
int64_t cq_get_i64(struct cq_rd *r);
float cq_get_f32(struct cq_rd *r);
double cq_get_f64(struct cq_rd *r);
const char *cq_get_str(struct cq_rd *r);  /* points into the message; "" on error */

/* A count of things of at least `item_size` bytes each: fails when they cannot fit in what is left. */
uint32_t cq_get_count(struct cq_rd *r, size_t item_size);

#endif

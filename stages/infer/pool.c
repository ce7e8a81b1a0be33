/* A list of blocks, filled from the front; anything large gets a block of its own. */
#include "stages/infer/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10, ALIGN = 64 };

struct pool_block {
    struct pool_block *next;
    size_t capacity;
    unsigned char *data;       /* aligned, zeroed */
    unsigned char raw[];
};

static struct pool_block *block_create(size_t capacity)
{
    size_t bytes;
    if (__builtin_add_overflow(capacity, sizeof(struct pool_block) + ALIGN, &bytes))
        return NULL;
    struct pool_block *b = calloc(1, bytes);
    if (!b)
        return NULL;
    b->capacity = capacity;
    b->data = (unsigned char *) (((uintptr_t) b->raw + ALIGN - 1) & ~(uintptr_t) (ALIGN - 1));
    return b;
}

void *pool_alloc(struct pool *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = bytes ? (bytes + ALIGN - 1) & ~(size_t) (ALIGN - 1) : ALIGN;

    if (!p->blocks || bytes > p->blocks->capacity - p->used) {
        struct pool_block *b = block_create(bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
        if (!b)
            return NULL;
        b->next = p->blocks;
        p->blocks = b;
        p->used = 0;
    }
    void *out = p->blocks->data + p->used;
    p->used += bytes;
    return out;
}

char *pool_text(struct pool *p, const void *data, size_t size)
{
    char *out = size < SIZE_MAX ? pool_alloc(p, size + 1, 1) : NULL;
    if (out && size)
        memcpy(out, data, size);
    return out;
}

void pool_finish(struct pool *p)
{
    while (p->blocks) {
        struct pool_block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
    p->used = 0;
}

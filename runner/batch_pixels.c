#include "runner/batch_pixels.h"

#include <stdlib.h>
#include <string.h>

#include "runner/messages_engine.h"

static bool make_room(struct batch_pixels *b, size_t bytes)
{
    if (bytes <= b->room)
        return true;
    free(b->copy);
    b->copy = malloc(bytes);
    b->room = b->copy ? bytes : 0;
    return b->copy;
}

void batch_pixels_take(struct batch_pixels *b, uint64_t seed, const uint8_t **pixels, int n, size_t bytes)
{
    b->n = make_room(b, (size_t) n * bytes) ? n : 0;
    for (int i = 0; i < b->n; i++) {
        uint8_t *copy = b->copy + (size_t) i * bytes;
        memcpy(copy, pixels[i], bytes);
        b->hashes[i] = cache_pixels(seed, copy, bytes);
        pixels[i] = copy;
    }
}

void batch_pixels_skip(struct batch_pixels *b)
{
    b->n = 0;
}

void batch_pixels_tell(const struct batch_pixels *b, struct msg_result *m)
{
    for (int i = 0; i < m->n; i++) {
        m->answers[i].hashed = i < b->n;
        m->answers[i].pixels = i < b->n ? b->hashes[i] : (struct cache_key) {0};
    }
}

void batch_pixels_finish(struct batch_pixels *b)
{
    free(b->copy);
    *b = (struct batch_pixels) {0};
}

#include "runner/cache_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "kernels/base/log.h"
#include "stages/answer/geometry.h"
#include "stages/media/scale.h"

enum { FORMAT = 1 /* of answers as bytes: answer_put() */, HASH_TEXT = 40 };

static struct cache_key key_of(XXH128_hash_t h)
{
    return (struct cache_key) {h.high64, h.low64};
}

static enum cq_err hash_file(int fd, XXH3_state_t *state)
{
    static const size_t size = 1 << 16;
    uint8_t *piece = malloc(size);
    ssize_t n;
    if (!piece)
        return CQ_NOMEM;
    while ((n = read(fd, piece, size)) > 0)
        XXH3_128bits_update(state, piece, (size_t) n);
    free(piece);
    return n < 0 ? cq_err_errno(errno) : CQ_OK;
}

enum cq_err cache_program(struct cq_log *log, struct cache_key *out)
{
    XXH3_state_t *state = XXH3_createState();
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    enum cq_err err = !state ? CQ_NOMEM : fd < 0 ? cq_err_errno(errno) : CQ_OK;
    if (!err) {
        XXH3_128bits_reset(state);
        err = hash_file(fd, state);
    }
    if (!err)
        *out = key_of(XXH3_128bits_digest(state));
    else
        cq_log_warn(log, "this program's own file cannot be read: %s", cq_err_text(err));
    if (fd >= 0)
        close(fd);
    XXH3_freeState(state);
    return err;
}

struct cache_key cache_maker(uint64_t seed, const struct cache_key *program, const char *model_hash, const char *card,
                             const struct scale_target *target)
{
    const int32_t sizes[] = {FORMAT, target->width, target->height};
    XXH128_hash_t card_hash = XXH3_128bits_withSeed(card, strlen(card), seed);
    uint8_t all[sizeof sizes + sizeof *program + sizeof card_hash + HASH_TEXT] = {0};
    memcpy(all, sizes, sizeof sizes);
    memcpy(all + sizeof sizes, program, sizeof *program);
    memcpy(all + sizeof sizes + sizeof *program, &card_hash, sizeof card_hash);
    memcpy(all + sizeof all - HASH_TEXT, model_hash, strnlen(model_hash, HASH_TEXT));
    return key_of(XXH3_128bits_withSeed(all, sizeof all, seed));
}

struct cache_key cache_pixels(uint64_t seed, const uint8_t *pixels, size_t bytes)
{
    return key_of(XXH3_128bits_withSeed(pixels, bytes, seed));
}

struct cache_key cache_key_of(uint64_t seed, const struct cache_key *maker, const struct cache_key *pixels,
                              const struct geometry *g)
{
    const int32_t place[] = {g->display_w, g->display_h, g->input_w, g->input_h, g->x, g->y, g->w, g->h};
    uint8_t all[sizeof place + 2 * sizeof *pixels];
    memcpy(all, maker, sizeof *maker);
    memcpy(all + sizeof *maker, pixels, sizeof *pixels);
    memcpy(all + 2 * sizeof *pixels, place, sizeof place);
    return key_of(XXH3_128bits_withSeed(all, sizeof all, seed));
}

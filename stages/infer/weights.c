/* See weights.h. What one call uploads goes into one buffer, or several where the device limits their size. */
#include "stages/infer/weights.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "kernels/device.h"
#include "stages/infer/place.h"

/* Each piece is hashed with what came before as its seed. */
static void mix(struct weight_key *key, const void *data, size_t bytes)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(data, bytes, key->low ^ key->high);
    *key = (struct weight_key){h.low64, h.high64};
}

struct weight_key weights_key_of(const void *data, size_t bytes)
{
    XXH128_hash_t h = XXH3_128bits(data, bytes);
    return (struct weight_key){h.low64 ^ bytes, h.high64};
}

static void mix_desc(struct weight_key *key, const struct tensor_desc *d)
{
    int head[4] = {(int) d->type, (int) d->layout, d->block, d->rank};
    mix(key, head, sizeof head);
    mix(key, d->dim, (size_t) d->rank * sizeof *d->dim);
}

/* Everything that packing may look at: all but the batch size, which it must not depend on. */
struct weight_key weights_key(const struct kernel_class *k, const struct op_inst *inst)
{
    struct weight_key key = {0};
    mix(&key, k->name, strlen(k->name));
    mix(&key, inst->op, sizeof *inst->op);
    for (int i = 0; i < inst->n_in + inst->n_out; i++) {
        struct tensor_desc d = i < inst->n_in ? inst->in[i] : inst->out[i - inst->n_in];
        const void *constant = i < inst->n_in ? inst->constant[i] : NULL;
        if (constant)
            mix(&key, constant, tensor_bytes(&d));
        else if (d.rank > 0)
            d.dim[0] = 0;
        mix_desc(&key, &d);
    }
    return key;
}

static int compare(const struct weight_key *a, const struct weight_key *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return (a->low > b->low) - (a->low < b->low);
}

/* Where the key is, or would be. */
static int position(const struct weights *w, const struct weight_key *key, bool *found)
{
    int low = 0, high = w->n_entries;
    while (low < high) {
        int middle = (low + high) / 2, order = compare(&w->entries[middle].key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

struct mem_ref weights_find(const struct weights *w, const struct weight_key *key)
{
    bool found;
    int at = position(w, key, &found);
    return found ? w->entries[at].ref : (struct mem_ref){0};
}

static size_t aligned(size_t bytes)
{
    return (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
}

static enum cq_err add_chunk(struct weights *w, size_t bytes, struct device_mem **out)
{
    struct device_mem **chunks = realloc(w->chunks, (size_t) (w->n_chunks + 1) * sizeof *chunks);
    if (!chunks)
        return CQ_NOMEM;
    w->chunks = chunks;
    enum cq_err err = device_alloc(w->dev, bytes, out);
    if (!err)
        w->chunks[w->n_chunks++] = *out;
    return err;
}

static enum cq_err upload(struct weights *w, const struct weight_need *need, struct mem_ref ref)
{
    if (!need->kernel)
        return device_write(w->dev, ref.mem, ref.offset, need->data, need->bytes);
    void *packed = malloc(need->bytes);
    if (!packed)
        return CQ_NOMEM;
    enum cq_err err = need->kernel->pack(w->dev, need->inst, packed);
    if (!err)
        err = device_write(w->dev, ref.mem, ref.offset, packed, need->bytes);
    free(packed);
    return err;
}

static enum cq_err add(struct weights *w, const struct weight_need *need, struct mem_ref ref)
{
    bool found;
    int at = position(w, &need->key, &found);
    if (found)
        return CQ_OK;
    enum cq_err err = upload(w, need, ref);
    struct weight_entry *entries = err ? NULL : realloc(w->entries, (size_t) (w->n_entries + 1) * sizeof *entries);
    if (!entries)
        return err ? err : CQ_NOMEM;
    w->entries = entries;
    memmove(entries + at + 1, entries + at, (size_t) (w->n_entries - at) * sizeof *entries);
    entries[at] = (struct weight_entry){need->key, ref};
    w->n_entries++;
    return CQ_OK;
}

static bool is_missing(const struct weights *w, const struct weight_need *need)
{
    bool found;
    position(w, &need->key, &found);
    return !found && need->bytes;
}

/* Bytes of the missing needs from *first on that one buffer of at most `limit` can hold; *end is behind the
 * last of them. */
static size_t fill_chunk(const struct weights *w, const struct weight_need *needs, int n, int first, size_t limit,
                         int *end)
{
    size_t bytes = 0;
    int i = first;
    for (; i < n; i++) {
        size_t more = is_missing(w, &needs[i]) ? aligned(needs[i].bytes) : 0;
        if (bytes && limit && bytes + more > limit)
            break;
        bytes += more;
    }
    *end = i;
    return bytes;
}

enum cq_err weights_ensure(struct weights *w, const struct weight_need *needs, int n)
{
    size_t limit = device_get_info(w->dev)->max_alloc_bytes;
    for (int first = 0, end; first < n; first = end) {
        struct device_mem *mem;
        size_t bytes = fill_chunk(w, needs, n, first, limit, &end), offset = 0;
        enum cq_err err = bytes ? add_chunk(w, bytes, &mem) : CQ_OK;
        for (int i = first; i < end && !err; i++) {
            if (!is_missing(w, &needs[i]))
                continue;
            err = add(w, &needs[i], (struct mem_ref){mem, offset});
            offset += aligned(needs[i].bytes);
        }
        if (err)
            return err;
    }
    return CQ_OK;
}

void weights_finish(struct weights *w)
{
    for (int i = 0; i < w->n_chunks; i++)
        device_free(&w->chunks[i]);
    free(w->chunks);
    free(w->entries);
    *w = (struct weights){.dev = w->dev};
}

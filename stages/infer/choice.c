/* See choice.h. */
#include "stages/infer/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "kernels/device.h"

/* Each piece is hashed with what came before as its seed. */
static void mix(XXH128_hash_t *h, const void *data, size_t bytes)
{
    *h = XXH3_128bits_withSeed(data, bytes, h->low64 ^ h->high64);
}

static void mix_desc(XXH128_hash_t *h, const struct tensor_desc *d)
{
    int64_t head[4] = {d->type, d->layout, d->block, d->rank};
    mix(h, head, sizeof head);
    mix(h, d->dim, (size_t) d->rank * sizeof *d->dim);
}

void choice_key(const struct device *dev, const struct op_inst *inst, char out[CHOICE_KEY])
{
    const struct device_info *info = device_get_info(dev);
    int64_t head[6] = {info->float_width, info->compute_units, info->simt, inst->n_in, inst->n_out, inst->half};
    XXH128_hash_t h = {0};
    mix(&h, head, sizeof head);
    mix(&h, inst->op, sizeof *inst->op);
    for (int i = 0; i < inst->n_in; i++) {
        unsigned char known = inst->constant[i] != NULL;
        mix_desc(&h, &inst->in[i]);
        mix(&h, &known, sizeof known);
    }
    for (int i = 0; i < inst->n_out; i++)
        mix_desc(&h, &inst->out[i]);
    snprintf(out, CHOICE_KEY, "%016llx%016llx", (unsigned long long) h.high64, (unsigned long long) h.low64);
}

void choices_finish(struct choices *c)
{
    free(c->list);
    *c = (struct choices){0};
}

/* Where the key is, or would be. */
static int position(const struct choices *c, const char *key, bool *found)
{
    int low = 0, high = c->n;
    *found = false;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(c->list[middle].key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return low;
}

enum cq_err choices_add(struct choices *c, const char *key, const char *variant)
{
    const struct kernel_class *kernel = kernel_by_name(variant);
    bool found;
    int at = position(c, key, &found);
    if (!kernel || kernel_is_host(kernel) || strlen(key) != CHOICE_KEY - 1)
        return CQ_OK;
    if (!found && c->n == c->max) {
        int more = c->max ? 2 * c->max : 64;
        struct choice *list = realloc(c->list, (size_t) more * sizeof *list);
        if (!list)
            return CQ_NOMEM;
        c->list = list;
        c->max = more;
    }
    if (!found) {
        memmove(c->list + at + 1, c->list + at, (size_t) (c->n - at) * sizeof *c->list);
        c->n++;
    }
    c->list[at].kernel = kernel;
    memcpy(c->list[at].key, key, CHOICE_KEY);
    return CQ_OK;
}

const struct kernel_class *choices_find(const struct choices *c, const struct device *dev, const struct op_inst *inst)
{
    char key[CHOICE_KEY];
    bool found;
    if (!c || !c->n)
        return NULL;
    choice_key(dev, inst, key);
    int at = position(c, key, &found);
    const struct kernel_class *k = found ? c->list[at].kernel : NULL;
    return k && k->kind == inst->op->kind && kernel_suits(k, dev) && k->serves(dev, inst) ? k : NULL;
}

/* Open addressing, at most half full. */
#include "stages/infer/names.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

bool names_init(struct names *n, size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    n->slots = calloc(slots, sizeof *n->slots);
    n->mask = slots - 1;
    return n->slots;
}

void names_finish(struct names *n)
{
    free(n->slots);
    *n = (struct names){0};
}

/* The slot that holds `name`, or the empty one where it would go. */
static struct names_slot *slot_of(const struct names *n, const char *name)
{
    size_t at = (size_t) XXH3_64bits(name, strlen(name)) & n->mask;
    while (n->slots[at].name && strcmp(n->slots[at].name, name))
        at = (at + 1) & n->mask;
    return &n->slots[at];
}

int names_find(const struct names *n, const char *name)
{
    const struct names_slot *s = slot_of(n, name);
    return s->name ? s->number : -1;
}

bool names_put(struct names *n, const char *name, int number)
{
    struct names_slot *slot = slot_of(n, name);
    if (!slot->name && n->used > n->mask / 2)
        return false;
    n->used += !slot->name;
    *slot = (struct names_slot){name, number};
    return true;
}

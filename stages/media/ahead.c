/* The packets' shells are kept and filled again; the queue starts at the front whenever it has run empty. */
#include "stages/media/ahead.h"

#include <stdlib.h>

#include <libavcodec/avcodec.h>

#include "stages/media/segment.h"

void ahead_finish(struct ahead *a)
{
    for (int i = 0; i < AHEAD_PACKETS; i++)
        av_packet_free(&a->packets[i]);
    free(a->passed);
    *a = (struct ahead) {0};
}

static void empty(struct ahead *a)
{
    for (int i = a->next; i < a->n; i++)
        av_packet_unref(a->packets[i]);
    a->next = a->released = a->n = 0;
    a->bytes = 0;
}

void ahead_clear(struct ahead *a)
{
    empty(a);
    a->n_passed = 0;
}

bool ahead_hold(struct ahead *a, AVPacket *packet)
{
    if (a->n == AHEAD_PACKETS || (!a->packets[a->n] && !(a->packets[a->n] = av_packet_alloc())))
        return false;
    a->bytes += packet->size;
    av_packet_move_ref(a->packets[a->n++], packet);
    return true;
}

bool ahead_is_full(const struct ahead *a)
{
    return a->n == AHEAD_PACKETS || a->bytes > AHEAD_BYTES;
}

bool ahead_holds_any(const struct ahead *a)
{
    return a->n > a->released;
}

void ahead_release(struct ahead *a)
{
    a->released = a->n;
    a->bytes = 0;
}

bool ahead_has_released(const struct ahead *a)
{
    return a->released > a->next;
}

bool ahead_take(struct ahead *a, AVPacket *out)
{
    if (!ahead_has_released(a))
        return false;
    av_packet_move_ref(out, a->packets[a->next++]);
    if (a->next == a->n)
        a->next = a->released = a->n = 0;
    return true;
}

void ahead_pass(struct ahead *a, int64_t pts)
{
    a->left_out++;
    a->left_out_digest += segment_digest(pts);
    if (a->n_passed == a->passed_room) {
        int room = a->passed_room ? 2 * a->passed_room : 64;
        int64_t *more = room > 0 ? realloc(a->passed, (size_t) room * sizeof *more) : NULL;
        if (!more) {
            a->lost_count = true;
            return;
        }
        a->passed = more;
        a->passed_room = room;
    }
    a->passed[a->n_passed++] = pts;
}

void ahead_drop(struct ahead *a)
{
    for (int i = a->released; i < a->n; i++) {
        ahead_pass(a, a->packets[i]->pts);
        av_packet_unref(a->packets[i]);
    }
    a->n = a->released;
    a->bytes = 0;
}

int64_t ahead_passed_before(struct ahead *a, int64_t pts)
{
    int kept = 0;
    for (int i = 0; i < a->n_passed; i++)
        if (a->passed[i] >= pts)
            a->passed[kept++] = a->passed[i];
    int64_t before = a->n_passed - kept;
    a->n_passed = kept;
    return before;
}

/* Packets read before it is known whether the decoder needs them.
 *
 * A queue whose front is released: the decoder takes from there. Behind stand the packets on hold, which are either
 * released or dropped together. The times of what was left out are kept until a later frame has come, so that frames
 * keep their numbers.
 *
 * Thread-safety: none, one thread at a time per object.
 */
#ifndef CLIPQ_STAGES_MEDIA_AHEAD_H
#define CLIPQ_STAGES_MEDIA_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

struct AVPacket;

enum { AHEAD_PACKETS = 2048, AHEAD_BYTES = 64 << 20 };

/* All zeros is an empty queue. */
struct ahead {
    struct AVPacket *packets[AHEAD_PACKETS];   /* owned; those outside next..n are blank or NULL */
    int next, released, n;                     /* next <= released <= n */
    int64_t bytes;                             /* on hold */
    int64_t *passed;                           /* owned, [n_passed of passed_room]: pts of packets left out */
    int n_passed, passed_room;
    int64_t left_out;                          /* packets so far, */
    uint64_t left_out_digest;                  /* segment_digest() of their times added up */
    bool lost_count;                           /* no memory for `passed`: numbers are unknown from here */
};

void ahead_finish(struct ahead *a);

/* Forgets all packets and times. */
void ahead_clear(struct ahead *a);

/* Moves `packet` behind the others; false without memory, `packet` then stays. Room there is after ahead_release()
 * or while ahead_is_full() denies. */
bool ahead_hold(struct ahead *a, struct AVPacket *packet);
bool ahead_is_full(const struct ahead *a);
bool ahead_holds_any(const struct ahead *a);

void ahead_release(struct ahead *a);
bool ahead_has_released(const struct ahead *a);

/* The foremost released packet is moved to `out`; false when there is none. */
bool ahead_take(struct ahead *a, struct AVPacket *out);

/* Drops what is on hold. */
void ahead_drop(struct ahead *a);

/* Notes a packet that is left out. */
void ahead_pass(struct ahead *a, int64_t pts);

/* How many of the packets left out come before `pts`; they are counted once. */
int64_t ahead_passed_before(struct ahead *a, int64_t pts);

#endif

/* Numbers that stand for any others, the same in every run.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_STAGES_INFER_NOISE_H
#define CLIPQ_STAGES_INFER_NOISE_H

#include <stdint.h>

/* xorshift32 (Marsaglia 2003); any seed but 0. */
static inline uint32_t noise_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif

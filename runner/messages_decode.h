/* The talk with decode workers: what its messages hold, and how they are written and read (messages.h).
 *
 * A worker's life:      JOB -> { GRANT -> FRAME | ALIVE }* -> END, then the next JOB
 *                       JOB with a wish -> ALIVE* -> SEGMENTS, then the next JOB
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_MESSAGES_DECODE_H
#define CLIPQ_RUNNER_MESSAGES_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/messages.h"
#include "runner/pipeline.h"
#include "stages/answer/geometry.h"
#include "stages/media/clip.h"
#include "stages/media/sample.h"
#include "stages/media/scale.h"
#include "stages/media/segment.h"

enum { MSG_SLOTS = 64, MSG_DECODER_THREADS = 64 };

/* Where a model's input lies within a slot. */
enum { SLOT_ALIGN = 64 };
int64_t slot_layout(const struct scale_target *targets, int n, int64_t offsets[PIPELINE_MAX_MODELS]);  /* bytes in all */

/* To the worker: decode this clip or a segment of it, or find its segments only. `serial` names the job in all that follows. */
struct msg_job {
    uint32_t serial;
    const char *path;
    int stream_index;
    int64_t expect_size, expect_mtime_ns;
    struct sample_spec sample;
    bool decode_all;            /* as in struct clip_params, */
    int threads;                /* that too */
    bool is_segment;            /* `segment` is meant, not the whole clip */
    struct segment segment;
    struct segment_wish wish;   /* longest_s > 0: nothing is decoded, SEGMENTS is the answer */
    int rotation;
    bool mirrored;
    int n_targets;
    struct scale_target targets[PIPELINE_MAX_MODELS];
};

/* To the worker: slots for that job, each as large as its slot_layout(). */
struct msg_grant {
    uint32_t serial;
    int n;
    int64_t offsets[MSG_SLOTS];
};

/* From the worker: a slot is filled, one input after the other, and no longer on loan. */
struct msg_frame {
    uint32_t serial;
    int64_t slot;               /* its offset in the worker's part of the arena */
    int64_t seq;                /* 0, 1, 2, ... within the job */
    int64_t ordinal, pts;
    double time_s;
    int64_t decode_ns, scale_ns;
    int n_targets;
    struct geometry geometry[PIPELINE_MAX_MODELS];
};

/* From the worker, while frames are decoded but none is sampled. */
struct msg_alive {
    uint32_t serial;
    int64_t decoded;
};

/* From the worker: how the clip can be cut. */
struct msg_segments {
    uint32_t serial;
    const char *why;            /* it cannot, if so */
    int n;                      /* below 2: it stays whole */
    struct segment list[SEGMENTS_MAX];
};

/* From the worker: the job is over, its unused slots are given back. */
struct msg_end {
    uint32_t serial;
    struct clip_end end;
    int64_t decode_ns;          /* spent after the last frame */
    int64_t cpu_ns;             /* of processors, from the JOB on, by all its threads */
};

void msg_put_job(struct cq_buf *b, const struct msg_job *m);
void msg_put_grant(struct cq_buf *b, const struct msg_grant *m);
void msg_put_frame(struct cq_buf *b, const struct msg_frame *m);
void msg_put_alive(struct cq_buf *b, const struct msg_alive *m);
void msg_put_segments(struct cq_buf *b, const struct msg_segments *m);
void msg_put_end(struct cq_buf *b, const struct msg_end *m);

enum cq_err msg_get_job(struct cq_rd *r, struct msg_job *m);
enum cq_err msg_get_grant(struct cq_rd *r, struct msg_grant *m);
enum cq_err msg_get_frame(struct cq_rd *r, struct msg_frame *m);
enum cq_err msg_get_alive(struct cq_rd *r, struct msg_alive *m);
enum cq_err msg_get_segments(struct cq_rd *r, struct msg_segments *m);
enum cq_err msg_get_end(struct cq_rd *r, struct msg_end *m);

#endif

/* The messages between the supervisor and its decode workers and engines: what they hold, and how they are
 * written and read. Framing is runner/wire.h's.
 *
 * Every msg_get_* checks what it reads (counts, enums, lengths, numbers that later divide or index), because a
 * worker that parses untrusted media is not to be trusted afterwards: CQ_PROTOCOL, and the sender is killed.
 * Pointers in what was read point into the message.
 *
 * A worker's life:      JOB -> { GRANT -> FRAME | ALIVE }* -> END, then the next JOB
 *                       JOB with a wish -> ALIVE* -> SEGMENTS, then the next JOB
 * An engine's life:     SETUP -> HELLO -> { CHOICES | MODEL -> TUNED* -> READY | INFER -> RESULT }*
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_MESSAGES_H
#define CLIPQ_RUNNER_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/batcher.h"
#include "runner/pipeline.h"
#include "runner/sandbox.h"
#include "stages/answer/geometry.h"
#include "stages/media/clip.h"
#include "stages/media/sample.h"
#include "stages/media/scale.h"
#include "stages/media/segment.h"

enum msg_type {
    MSG_JOB = 1, MSG_GRANT, MSG_FRAME, MSG_ALIVE, MSG_END,
    MSG_SETUP, MSG_HELLO, MSG_MODEL, MSG_READY, MSG_INFER, MSG_RESULT, MSG_CHOICES,
    MSG_SEGMENTS, MSG_TUNED
};

enum { MSG_PATH = 4096, MSG_TEXT = 512, MSG_SLOTS = 64, MSG_DECODER_THREADS = 64 };

/* Where a model's input lies within a slot. */
enum { SLOT_ALIGN = 64 };
int64_t slot_layout(const struct scale_target *targets, int n, int64_t offsets[PIPELINE_MAX_MODELS]);  /* bytes in all */

/* ---- decode workers ---- */

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
};

/* ---- engines ---- */

struct msg_setup {
    const char *device;         /* "auto", "cpu", "gpu" or "P:D" */
    int threads;                /* for a CPU device; 0: all */
    int64_t memory_limit;       /* bytes for all models; 0: what budget_of() finds */
    bool afresh;                /* compiled kernels are not to be trusted */
    const char *folder;         /* for artifacts; "" : nowhere */
    const char *folder_label;   /* as rows name it */
    enum sandbox_mode sandbox;
};

struct msg_hello {
    enum cq_err err;            /* CQ_OK, or why there is no device */
    const char *message;        /* of the error; else how the device came to be chosen */
    const char *spec, *name, *driver;    /* of the device that was opened */
    bool is_cpu;
    int compute_units;
    int64_t budget;             /* bytes for all models */
};

/* To the engine: kernels for operators, by measurement; more of them than fit come in several messages. */
enum { MSG_CHOICES_MAX = 256 };
struct msg_choice { const char *key, *variant; };
struct msg_choices {
    int n;
    struct msg_choice list[MSG_CHOICES_MAX];
};

struct msg_model {
    uint32_t lane;
    const char *path, *hash;    /* a file of another hash is refused */
    const char *card;           /* JSON */
    int width, height;          /* of its input: the card's, or a clip's where the card leaves it open */
    int max_batch;              /* largest that will be asked for */
    int sharers;                /* models that share what is left of the budget: this one and those after it */
    int tune_ms;                /* what timing kernels that nobody has timed may take; 0: none are */
};

/* From the engine, while it loads a model: one operator, and how long each kernel took for it. */
enum { MSG_TUNED_MAX = 12, MSG_TUNED_KEY = 32 };
struct msg_timing {
    const char *kernel;         /* lower case, digits, underscores */
    double ms;
};
struct msg_tuned {
    uint32_t lane;
    const char *key;            /* MSG_TUNED_KEY hex digits, see stages/infer/choice.h */
    const char *text;           /* the operator in words */
    int n, first, best;         /* best, first: indices of the fastest, and of the kernel in whose place it comes */
    struct msg_timing list[MSG_TUNED_MAX];
};

struct msg_ready {
    uint32_t lane;
    enum cq_err err;
    const char *message;
    int max_batch;              /* largest that fits the memory */
    int64_t bytes, frame_bytes; /* of memory, at that batch and for one frame */
    bool batchable;
    double flops;               /* of one frame */
};

struct msg_batch_item {
    int64_t input;              /* where the pixels are: arena_read() */
    struct geometry geometry;
    int64_t job_id, seq;        /* for the names of files */
    int32_t attempt, model;
};

struct msg_batch {
    int64_t id;
    uint32_t lane;
    int n;
    struct msg_batch_item items[BATCHER_MAX];
};

struct msg_answer {
    enum cq_err err;
    const char *message;        /* of err */
    const void *blob;           /* answer_put() */
    size_t size;
};

struct msg_result {
    int64_t id;
    uint32_t lane;
    enum cq_err err;            /* of the whole batch: CQ_OK or CQ_OOM (not even one frame fits) */
    const char *message;
    int safe_batch;             /* what proved to fit; less than asked after a halving */
    int halvings, runs;
    int64_t infer_ns, postprocess_ns;  /* of the whole batch, upload and read-back within infer */
    int n;
    struct msg_answer answers[BATCHER_MAX];
};

void msg_put_job(struct cq_buf *b, const struct msg_job *m);
void msg_put_grant(struct cq_buf *b, const struct msg_grant *m);
void msg_put_frame(struct cq_buf *b, const struct msg_frame *m);
void msg_put_alive(struct cq_buf *b, const struct msg_alive *m);
void msg_put_segments(struct cq_buf *b, const struct msg_segments *m);
void msg_put_end(struct cq_buf *b, const struct msg_end *m);
void msg_put_setup(struct cq_buf *b, const struct msg_setup *m);
void msg_put_hello(struct cq_buf *b, const struct msg_hello *m);
void msg_put_choices(struct cq_buf *b, const struct msg_choices *m);
void msg_put_model(struct cq_buf *b, const struct msg_model *m);
void msg_put_tuned(struct cq_buf *b, const struct msg_tuned *m);
void msg_put_ready(struct cq_buf *b, const struct msg_ready *m);
void msg_put_batch(struct cq_buf *b, const struct msg_batch *m);
void msg_put_result(struct cq_buf *b, const struct msg_result *m);

enum cq_err msg_get_job(struct cq_rd *r, struct msg_job *m);
enum cq_err msg_get_grant(struct cq_rd *r, struct msg_grant *m);
enum cq_err msg_get_frame(struct cq_rd *r, struct msg_frame *m);
enum cq_err msg_get_alive(struct cq_rd *r, struct msg_alive *m);
enum cq_err msg_get_segments(struct cq_rd *r, struct msg_segments *m);
enum cq_err msg_get_end(struct cq_rd *r, struct msg_end *m);
enum cq_err msg_get_setup(struct cq_rd *r, struct msg_setup *m);
enum cq_err msg_get_hello(struct cq_rd *r, struct msg_hello *m);
enum cq_err msg_get_choices(struct cq_rd *r, struct msg_choices *m);
enum cq_err msg_get_model(struct cq_rd *r, struct msg_model *m);
enum cq_err msg_get_tuned(struct cq_rd *r, struct msg_tuned *m);
enum cq_err msg_get_ready(struct cq_rd *r, struct msg_ready *m);
enum cq_err msg_get_batch(struct cq_rd *r, struct msg_batch *m);
enum cq_err msg_get_result(struct cq_rd *r, struct msg_result *m);

#endif

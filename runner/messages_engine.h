/* The talk with engines: what its messages hold, and how they are written and read (messages.h).
 *
 * An engine's life:     SETUP -> HELLO -> { CHOICES | MODEL -> TUNED* -> READY | INFER -> RESULT }*
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_MESSAGES_ENGINE_H
#define CLIPQ_RUNNER_MESSAGES_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/buf.h"
#include "kernels/base/err.h"
#include "runner/batcher.h"
#include "runner/cache_key.h"
#include "runner/messages.h"
#include "runner/sandbox.h"
#include "stages/answer/geometry.h"

struct msg_setup {
    const char *device;         /* "auto", "cpu", "gpu" or "P:D" */
    int threads;                /* for a CPU device; 0: all */
    int64_t memory_limit;       /* bytes for all models; 0: what budget_of() finds */
    bool afresh;                /* compiled kernels are not to be trusted */
    const char *folder;         /* for artifacts; "" : nowhere */
    const char *folder_label;   /* as rows name it */
    enum sandbox_mode sandbox;
    uint64_t seed;              /* of hashes of pixels (runner/cache_key.h) */
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
    bool hash;                  /* answers are to say which pixels they are of */
    int n;
    struct msg_batch_item items[BATCHER_MAX];
};

struct msg_answer {
    enum cq_err err;
    const char *message;        /* of err */
    const void *blob;           /* answer_put() */
    size_t size;
    bool hashed;                /* then `pixels` is the hash of those that it was computed from */
    struct cache_key pixels;
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

void msg_put_setup(struct cq_buf *b, const struct msg_setup *m);
void msg_put_hello(struct cq_buf *b, const struct msg_hello *m);
void msg_put_choices(struct cq_buf *b, const struct msg_choices *m);
void msg_put_model(struct cq_buf *b, const struct msg_model *m);
void msg_put_tuned(struct cq_buf *b, const struct msg_tuned *m);
void msg_put_ready(struct cq_buf *b, const struct msg_ready *m);
void msg_put_batch(struct cq_buf *b, const struct msg_batch *m);
void msg_put_result(struct cq_buf *b, const struct msg_result *m);

enum cq_err msg_get_setup(struct cq_rd *r, struct msg_setup *m);
enum cq_err msg_get_hello(struct cq_rd *r, struct msg_hello *m);
enum cq_err msg_get_choices(struct cq_rd *r, struct msg_choices *m);
enum cq_err msg_get_model(struct cq_rd *r, struct msg_model *m);
enum cq_err msg_get_tuned(struct cq_rd *r, struct msg_tuned *m);
enum cq_err msg_get_ready(struct cq_rd *r, struct msg_ready *m);
enum cq_err msg_get_batch(struct cq_rd *r, struct msg_batch *m);
enum cq_err msg_get_result(struct cq_rd *r, struct msg_result *m);

#endif

/* Inside of a session, for session*.c.
 * Thread-safety: as session.h. */
#ifndef CLIPQ_STAGES_INFER_SESSION_IMPL_H
#define CLIPQ_STAGES_INFER_SESSION_IMPL_H

#include "kernels/device.h"
#include "stages/infer/plan.h"
#include "stages/infer/session.h"
#include "stages/infer/weights.h"

struct chain;

enum { SESSION_MAX_PLANS = 32, SESSION_MAX_GROUP = 256 };

/* Steps from..to-1 of a plan, in one launch where there is a chain. */
struct session_leg {
    struct chain *chain;             /* owned; NULL: one by one */
    int from, to;
};

struct session_legs {
    struct session_leg *of;          /* owned; NULL: not made */
    int n;
    bool chained;                    /* is there a chain among them? */
};

struct session_plan {
    struct plan *plan;
    struct tensor_desc *inputs;      /* owned; of the model, what the plan is for */
    bool picks;                      /* session.picks when it was made */
    int64_t used;                    /* session.clock when last asked for */
    struct kernel_bufs *bufs;        /* [stream][step]; owned */
    int streams;                     /* for how many they are filled, */
    int bound;                       /* and for which session.generation */
    struct session_legs *legs;       /* [0] on the whole device, then on each stream; owned; NULL: steps run one by one */
};

struct session_result {
    struct tensor_desc desc;
    bool alone;                      /* images were run one by one: their parts lie one behind the other */
    int64_t inner;                   /* otherwise: as plan.inner */
    uint8_t *data;                   /* owned */
    size_t capacity;
};

/* A model output that the tail makes: the parts of the newest run's images, one behind the other. */
struct session_parts {
    struct tensor_desc *each;        /* owned, as is data */
    int n_each, max_each;
    uint8_t *data;
    size_t size, capacity;
};

/* A batch on its way, or the newest that has arrived. */
struct session_flight {
    struct session_result *results;  /* one per output of the plan's net */
    int n_results;
    struct session_parts *parts;     /* one per output of the model */
    struct session_output *outputs;
    const struct plan *plan;         /* borrowed from the session's store, which drops only old ones */
    const uint8_t **images;          /* the list is owned: what was run, where plan->cells, */
    int max_images;
    struct session_image image;      /* and how */
    int count, shown;                /* images run, and those of them that were asked for */
    int64_t ticket;
    struct device_fence *fence;
};

/* What images that are computed at the same time may not share. */
struct session_stream {
    struct device_mem **arena;       /* segments of segment_bytes each, the last one shorter */
    int n_arena;
    size_t arena_bytes;
    struct device_mem *staging;
};

/* How a batch is run: `chunk` images at once in each of `streams` streams, or on the whole device where that is 0. */
struct session_way { int streams, chunk; };

struct session {
    struct cq_log *log;
    struct device *dev;
    const struct model *model;
    struct session_image image;      /* when has_image */
    bool has_image, batchable, checked;
    bool rewrite;                    /* batches by rewriting (batch.h), for a file written for a fixed one */
    size_t memory_limit;
    const struct choices *choices;
    enum precision precision;
    struct session_candidates candidates;   /* where they are picked now: */
    bool picks;

    struct session_plan plans[SESSION_MAX_PLANS];
    int n_plans;
    int64_t clock;

    struct weights weights;
    struct session_stream *streams;  /* the whole device uses the first */
    int n_streams;
    size_t segment_bytes;
    int generation;                  /* grows when a buffer of the session is replaced */

    struct session_flight flights[SESSION_FLIGHTS], *now;   /* now: the one being started or finished */
    int64_t tickets;                 /* given out so far */
    int oldest, n_started;           /* those not finished: n_started from flights[oldest] on, in a circle */
    struct session_way way;          /* of the newest run, */
    bool chained;                    /* and was it queued as chains? */
};

/* What is fed: frames, or tensors of the model's inputs. */
struct session_feed {
    const uint8_t *const *images;
    const struct session_input *in;
    int first, count;                /* of the batch: this run takes images first..first+count-1 */
};

/* Can the model take frames as s->image says? CQ_UNSUPPORTED, CQ_INVALID, logged. */
enum cq_err session_check_image(const struct session *s);

/* Input shapes for `batch` images; CQ_INVALID (logged) for a session without image. */
enum cq_err session_image_inputs(const struct session *s, int batch, struct tensor_desc *inputs);

/* The same with the batch as the model was exported, times `chunk`. */
void session_chunk_inputs(const struct session *s, const struct tensor_desc *inputs, int chunk, struct tensor_desc *out);

/* The plan for these shapes, from the session's store or made now. Borrowed until the next call. */
enum cq_err session_get_plan(struct session *s, struct cq_log *log, const struct tensor_desc *inputs,
                             struct session_plan **out);

/* How `batch` images would be run, and the plan for that. Borrowed until the next call. */
enum cq_err session_plan_for_batch(struct session *s, int batch, struct session_way *way, struct session_plan **out);

/* How `batch` images with these shapes would be run. */
struct session_way session_way(struct session *s, const struct tensor_desc *inputs, int batch);
/* Bytes that this takes, as session_plan_memory; the plan's share is once, that of streams for each. */
struct session_memory session_way_memory(const struct session_way *way, const struct plan *p);

/* Allocates what the plan needs beyond what is there for so many streams, and fills its kernels' buffers. */
enum cq_err session_bind(struct session *s, struct session_plan *sp, int streams);
void session_free_streams(struct session *s);
/* Where a stream has a tensor of the plan. */
struct mem_ref session_mem(const struct session *s, const struct plan *p, int stream, int tensor);

/* Makes the chains for running a plan, which is bound, in that way. */
enum cq_err session_link(struct session *s, struct session_plan *sp, const struct session_way *way);
void session_free_legs(struct session_plan *sp);
/* Of a stream, or DEVICE_WHOLE. */
bool session_is_chained(const struct session_plan *sp, int stream);
/* Queues all steps, on the stream for which they are meant; where the whole device is and they are chained, the first
 * stream must be in use (kernels/chain.h). */
enum cq_err session_enqueue(struct session *s, const struct session_plan *sp, int stream);

/* Runs the feed in that way, for s->now, and waits; `inputs` are the shapes of all its images. */
enum cq_err session_run_in(struct session *s, struct cq_log *log, const struct session_way *way,
                           const struct tensor_desc *inputs, const struct session_feed *feed);

/* Copies the part of image i of `count` to `to`; `one` is its shape for one image. False where the result is not
 * `count` times that. */
bool session_copy_part(const struct session_result *r, const struct tensor_desc *one, int i, int count, void *to);

/* One image more behind the others: a copy of `c`. */
enum cq_err session_add_part(struct session_parts *p, const struct constant *c);
/* The parts joined along their first dimension, or as a vector where they do not fit together. */
struct tensor_desc session_join(const struct session_parts *p);

/* Candidates (session_candidates.c), for s->now. Notes what it is fed, for a second run; is there an image with more of
 * them than there was room for? Runs it again for the whole output, and from now on all others so. */
enum cq_err session_keep_feed(struct session *s, const struct session_feed *feed);
bool session_lacks_candidates(const struct session_flight *f);
enum cq_err session_run_whole(struct session *s);
/* Fills the output of s->now with them. */
enum cq_err session_make_candidates(struct session *s);

/* Fills the outputs of s->now from its results, running the tail for each image. */
enum cq_err session_make_outputs(struct session *s);

/* Does what running at these shapes takes fit the memory limit? */
bool session_inputs_fit(struct session *s, const struct tensor_desc *inputs);

/* As session_noise_create, for these shapes of the inputs, which hold `batch` images. */
enum cq_err session_noise_like(const struct session *s, const struct tensor_desc *inputs, int batch,
                               struct session_noise **out);
struct session_feed session_noise_feed(const struct session_noise *n);   /* borrows from it */

/* Runs noise for `inputs` of one image, so that memory is there and kernels are compiled before the first real
 * one; nothing where it does not fit the memory limit. */
enum cq_err session_run_once(struct session *s, const struct tensor_desc *inputs);

/* Decides s->batchable for these shapes (of any batch size), and sets s->checked; not where two images do not fit
 * the memory. */
enum cq_err session_check_batch(struct session *s, const struct tensor_desc *inputs);

#endif

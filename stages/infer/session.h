/* A model on a device: images in, float tensors out, at any batch size up to a limit.
 *
 * Each concrete batch size has a plan of its own (shapes, kernels, arena offsets), made when first asked for;
 * all plans of a session share the packed weights and one activation arena. A model exported with batch 1
 * is rewritten for the batch, and session_create proves that by running two different images together and
 * alone; where the answers differ the session runs images one by one and session_batchable() is false.
 *
 * A model exported for a fixed number of images above 1 (session_group) runs in groups of exactly that many; what is
 * missing in the last one is filled with its last image again, whose answers are dropped.
 *
 * On CQ_OOM the device may be used again after session_trim(): the caller halves its batch and submits the
 * same images again.
 *
 * Thread-safety: as the device, one thread at a time.
 */
#ifndef CLIPQ_STAGES_INFER_SESSION_H
#define CLIPQ_STAGES_INFER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/base/err.h"
#include "kernels/tensor.h"

struct choices;
struct cq_log;
struct device;
struct model;
struct session;
struct tune_result;

/* How 8-bit frames become the model's image input. Frames are interleaved, [height][width][channels], in the
 * channel order that the model wants. */
struct session_image {
    int width, height;           /* of the model's input, pixels */
    int channels;                /* 1 or 3 */
    bool nhwc;                   /* the model's input is [N,H,W,C] */
    float mean[4], scale[4];     /* x = (u8 - mean)*scale, per channel */
};

/* How a model's numbers are kept. Sums are float32 whatever it is. */
enum precision {
    PRECISION_FP32,
    PRECISION_FP16               /* weights of convolutions and matrix products as float16, where a kernel can */
};

/* What a caller looks at of the model's only output, [N,cells,values] or [N,values,cells]: cells of which not every
 * gate*score is below the threshold. Where reading outputs back is dear, the others are left out. */
struct session_candidates {
    bool planes;                 /* [N,values,cells] */
    int first, behind;           /* scores are the values from `first` on, but for the last `behind` */
    int gate;                    /* the value that scores are multiplied with; -1: none */
    float threshold;
};

struct session_params {
    const struct session_image *image;  /* NULL: inputs are fed as tensors with session_run_tensors only */
    size_t memory_limit;         /* bytes of device memory for this session; 0: no limit of our own */
    bool skip_batch_check;
    enum precision precision;
    const struct choices *choices;      /* kernels that were measured to be the fastest (choice.h); borrowed, outlives
                                           the session; NULL: none */
    const struct session_candidates *candidates;    /* of images; NULL: outputs are whole */
    bool whole_device;           /* one batch after another on all compute units, even where there are streams */
};

struct session_memory {          /* bytes */
    size_t weights;              /* packed, shared by all batch sizes */
    size_t activations;          /* the arena: all that is computed, scratch included */
    size_t activation_bound;     /* what no arena could do without: the most that is alive during one operator */
    size_t scratch;              /* of the operator that takes most; within activations */
    size_t staging;              /* the inputs */
    size_t total;                /* weights, activations and staging */
};

/* `model` and `dev` are borrowed and must outlive the session. */
enum cq_err session_create(struct cq_log *log, struct device *dev, const struct model *model,
                           const struct session_params *params, struct session **out);
void session_destroy(struct session **s);

/* Images come in another size from now on, for a model that leaves its size open; plans for earlier sizes are
 * kept until there are too many. `memory_limit` as in session_params. */
enum cq_err session_resize(struct session *s, int width, int height);

/* Works out every shape of the model for images of that size, with no device: CQ_OK means that it will run, short of
 * kernels and memory. CQ_UNSUPPORTED and CQ_INVALID name the node, logged. */
enum cq_err session_check_shapes(struct cq_log *log, const struct model *model, const struct session_image *image);

/* How many images the model takes at once, when its file fixes that; else 1. No run may be larger. */
int session_group(const struct session *s);

bool session_batchable(const struct session *s);

/* Bytes that running `batch` images takes; plans but allocates nothing on the device. */
enum cq_err session_plan_memory(struct session *s, int batch, struct session_memory *out);
/* Takes the place of session_params.memory_limit. */
void session_set_memory_limit(struct session *s, size_t bytes);
/* The largest batch <= max that fits memory_limit; 0 when not even one image does. */
int session_max_batch(struct session *s, int max);

/* One line per operator of the plan: index, operator, shape, kernel variant; then the ONNX nodes whose shapes depend
 * on the image and which run on the host after the kernels; for `clipq model` and logs. */
enum cq_err session_describe(struct session *s, int batch, void (*line)(void *ctx, const char *text), void *ctx);
double session_flops(struct session *s, int batch);
/* How many operators run on the host: by the slow fallback, or because their shapes depend on the image. */
int session_host_ops(struct session *s, int batch);

/* Host copies of the outputs of the newest run, in the model's order, owned by the session and valid until
 * the next call. Integer outputs keep their type, float16 comes as float32.
 *
 * An ordinary output has desc.dim[0] = the batch, unless the model's output has none. An output whose size
 * depends on what is in the image (boxes that NonMaxSuppression kept) has `each`: image i's part has the shape
 * each[i], of which any dimension may be 0, and the parts lie one after another in `data` without gaps. Its
 * desc.dim[0] is then the sum of the parts' first dimensions, where the others agree; where they do not, desc
 * is a vector of all elements. An image whose values do not go through the model (an index out of range) has DT_NONE
 * as type of its parts, and the log has the reason; a run in which that is so for every image fails.
 *
 * An output of which only candidates are there has `each`, too: the dimension of the cells is how many they are. */
struct session_output {
    struct tensor_desc desc;
    const void *data;
    const struct tensor_desc *each;   /* NULL: an ordinary output; else one per image of the batch */
    const int32_t *cells;        /* NULL: all are there; else which ones, ascending; those of the next image are */
    int cells_step;              /* so many numbers further on */
    int64_t n_cells;             /* of the model's output, where cells is not NULL */
};

/* The part of image i of `batch`: an ordinary output's dim[0] becomes 1, one without a batch dimension belongs to
 * every image as it is; one with `each` gives each[i]. The result's `each` is NULL. */
struct session_output session_output_image(const struct session_output *o, int i, int batch);

/* images[i]: width*height*channels bytes each. CQ_OOM: see above. */
enum cq_err session_run_images(struct session *s, const uint8_t *const *images, int batch,
                               const struct session_output **out, int *n_out);

/* The same in two parts, so that the device computes while the host looks at the batch before. Up to SESSION_FLIGHTS
 * batches may be started and not finished; images must stay as they are until their batch is. A failure to start
 * leaves earlier batches as they are. session_finish waits for a batch, the oldest one first: its outputs are valid
 * until the next start. CQ_AGAIN: session_trim() has dropped it. While something is started, the other ways to run
 * are CQ_INVALID. */
enum { SESSION_FLIGHTS = 2 };
enum cq_err session_start_images(struct session *s, const uint8_t *const *images, int batch, int64_t *ticket);
enum cq_err session_finish(struct session *s, int64_t ticket, const struct session_output **out, int *n_out);

/* Feeds every model input as a PLAIN tensor of its declared type, desc giving concrete shapes. */
struct session_input {
    struct tensor_desc desc;
    const void *data;
};
enum cq_err session_run_tensors(struct session *s, const struct session_input *in, int n_in,
                                const struct session_output **out, int *n_out);

/* Random inputs for a batch, to check and to measure with: pictures for a session that takes them, else a tensor for
 * every input. create: CQ_INVALID, logged, where the model leaves an input's size open. */
struct session_noise;
enum cq_err session_noise_create(const struct session *s, int batch, struct session_noise **out);
void session_noise_destroy(struct session_noise **n);
enum cq_err session_run_noise(struct session *s, const struct session_noise *n, const struct session_output **out,
                              int *n_out);

/* One operator of a plan, run alone. Texts are owned by the session and valid until its next call. */
struct session_step {
    const char *op, *variant, *node;     /* "Conv", the kernel's name, the ONNX node's */
    struct tensor_desc in, out;          /* the first of each; in.type may be DT_NONE */
    int images;                          /* that it ran for at once, which the rest is for: a run may take its batch in
                                            several such groups */
    double flops;                        /* as session_flops counts */
    size_t bytes;                        /* of all inputs and outputs, packed constants included, each once a stream */
    int64_t best_ns;                     /* the least of the runs */
};

/* Times every step of the newest run's plan `runs` times, waiting for the device after each, and hands them out in
 * their order. The sum is more than a run takes, where steps are short. CQ_INVALID before the first run. */
enum cq_err session_profile(struct session *s, int runs, void (*step)(void *ctx, const struct session_step *step),
                            void *ctx);

/* One operator of the plan for a batch, and what measuring its variants gave (tune.h). */
struct session_tuned {
    const char *op, *node;               /* "Conv"; the name of the first ONNX node that is so */
    struct tensor_desc in, out;          /* the first of each; in.type may be DT_NONE */
    int uses;                            /* operators of the plan that are alike */
    const struct tune_result *result;
};

struct session_tuning {
    int batch;                   /* operators of a run of so many images */
    double budget_ms;            /* about what is spent on each variant of an operator */
    double limit_ms;             /* after that no operator is begun any more; 0: no limit */
    bool only_unknown;           /* those that session_params.choices has are left out */
    void (*tell)(void *ctx, const struct session_tuned *tuned);   /* may add to these choices */
    void *ctx;
};

/* Measures each operator that more than one variant serves, and hands out what was found. What the session runs with
 * stays as it is. */
enum cq_err session_tune(struct session *s, const struct session_tuning *t);

/* Gives back all plans and the arena, and drops what was started; the next run makes them anew. */
void session_trim(struct session *s);

#endif

/* Where time went: log-linear histograms of durations, one per stage, mergeable and storable.
 *
 * Buckets: 8 per power of two of microseconds, so a percentile is within 9 % of the truth.
 *
 * Thread-safety: one thread at a time per object.
 */
#ifndef CLIPQ_RUNNER_METRICS_H
#define CLIPQ_RUNNER_METRICS_H

#include <stdint.h>

#include "kernels/base/buf.h"

/* In the order a frame passes them. postprocess is "decode of tensors". */
#define METRIC_STAGES(X) \
    X(PROBE, "probe") X(DECODE, "decode") X(SCALE, "scale") X(WAIT, "wait") X(INFER, "infer") \
    X(POSTPROCESS, "postprocess") X(WRITE, "write")

enum metric_stage {
#define X(id, name) METRIC_##id,
    METRIC_STAGES(X)
#undef X
    METRIC_COUNT
};

enum { HISTOGRAM_BUCKETS = 8 * 40 };

struct histogram {
    int64_t count;
    int64_t sum_ns, max_ns;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};

const char *metric_name(enum metric_stage s);
void histogram_add(struct histogram *h, int64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_mean_ms(const struct histogram *h);
double histogram_percentile_ms(const struct histogram *h, double p);   /* p in 0..1 */

/* Non-empty buckets as text "index:count,..." and back, for the database. `out` is freed by the caller. */
char *histogram_to_text(const struct histogram *h);
enum cq_err histogram_from_text(const char *text, struct histogram *out);

#endif

/* Histograms of durations: eight buckets per power of two of microseconds. */
#include "runner/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PER_OCTAVE = 8 };

const char *metric_name(enum metric_stage s)
{
    static const char *const names[] = {
#define X(id, name) [METRIC_##id] = name,
        METRIC_STAGES(X)
#undef X
    };
    return (unsigned) s < METRIC_COUNT ? names[s] : "";
}

static int bucket_of(int64_t ns)
{
    if (ns < 1000)
        return 0;
    int exponent;
    double mantissa = frexp((double) ns / 1e3, &exponent);        /* 0.5 <= mantissa < 1 */
    int bucket = (exponent - 1) * PER_OCTAVE + (int) ((mantissa * 2 - 1) * PER_OCTAVE);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static double middle_ms(int bucket)
{
    return ldexp(1 + (bucket % PER_OCTAVE + 0.5) / PER_OCTAVE, bucket / PER_OCTAVE) / 1e3;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    h->count++;
    h->sum_ns += ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->bucket[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

double histogram_mean_ms(const struct histogram *h)
{
    return h->count ? (double) h->sum_ns / (double) h->count / 1e6 : 0;
}

double histogram_percentile_ms(const struct histogram *h, double p)
{
    if (!h->count)
        return 0;
    double max_ms = (double) h->max_ns / 1e6;
    double rank = ceil(p * (double) h->count);
    int64_t below = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += h->bucket[i];
        if (h->bucket[i] && (double) below >= rank)
            return fmin(middle_ms(i), max_ms);
    }
    return max_ms;
}

char *histogram_to_text(const struct histogram *h)
{
    enum { ITEM = sizeof "319:4294967295," };
    char *text = malloc(HISTOGRAM_BUCKETS * ITEM + 1);
    if (!text)
        return NULL;
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->bucket[i])
            at += (size_t) snprintf(text + at, ITEM + 1, "%s%d:%" PRIu32, at ? "," : "", i, h->bucket[i]);
    return text;
}

enum cq_err histogram_from_text(const char *text, struct histogram *out)
{
    *out = (struct histogram) {0};
    while (text && *text) {
        char *end;
        unsigned long index = strtoul(text, &end, 10);
        if (end == text || *end != ':' || index >= HISTOGRAM_BUCKETS)
            goto corrupt;
        text = end + 1;
        unsigned long count = strtoul(text, &end, 10);
        if (end == text || (*end && *end != ',') || count > UINT32_MAX)
            goto corrupt;
        out->bucket[index] += (uint32_t) count;
        out->count += (int64_t) count;
        text = *end ? end + 1 : end;
    }
    return CQ_OK;

corrupt:
    *out = (struct histogram) {0};
    return CQ_CORRUPT;
}

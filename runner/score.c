/* The formula, and whom it blames. */
#include "runner/score.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Who needs little of the processors waits little for them: so many others at most are before us for a moment of ours. */
static const double others_before_us = 3;
static const double trifle_s = 1e-6;     /* what rounding leaves of sums */

static const struct { const char *name, *advice; } reasons[SCORE_REASON_COUNT] = {
#define X(id, name, advice) [SCORE_##id] = {name, advice},
    SCORE_REASONS(X)
#undef X
};

const char *score_reason_name(enum score_reason r) { return reasons[r].name; }
const char *score_reason_advice(enum score_reason r) { return reasons[r].advice; }

static double processors_s(const struct score_inputs *in)
{
    return in->processors > 0 ? (in->decode_s + in->infer_s) / in->processors : 0;
}

static double devices_s(const struct score_inputs *in)
{
    return in->devices > 0 ? in->device_s / in->devices : 0;
}

bool score_by_devices(const struct score_inputs *in)
{
    return devices_s(in) > processors_s(in);
}

double score_needed_s(const struct score_inputs *in)
{
    return fmax(processors_s(in), devices_s(in));
}

double score_of(const struct score_inputs *in)
{
    double needed = score_needed_s(in);
    if (in->unknown || needed <= 0 || in->took_s <= 0)
        return NAN;
    return fmin(100, 100 * needed / in->took_s);
}

const char *score_why_none(const struct score_inputs *in)
{
    return in->unknown ? "no limit known" : "nothing done";
}

double score_harm_s(double all, double own, double host)
{
    double others = fmax(0, host - own), idle = fmax(0, all - own - others);
    return fmax(0, others - idle);
}

static double others_s(const struct score_inputs *in, const struct score_account *a)
{
    return fmin(a->others_cpu_s, others_before_us * (in->decode_s + in->infer_s));
}

/* Beyond what decoders and the rest of the machine must take from an engine on the same processors. */
static double slow_engine_s(const struct score_inputs *in, const struct score_account *a)
{
    double beyond = a->small_s + a->full_s;
    if (in->infer_s > 0 && in->processors > 0)
        beyond -= (a->decode_cpu_s + a->own_cpu_s + others_s(in, a)) / in->processors;
    return fmax(0, beyond);
}

static void estimate(const struct score_inputs *in, const struct score_account *a, double losses[SCORE_REASON_COUNT])
{
    bool by_devices = score_by_devices(in);
    const double *idle = by_devices ? a->idle_devices_s : a->idle_processors_s;
    double engine = slow_engine_s(in, a), beyond = a->small_s + a->full_s;
    losses[SCORE_STARTUP] = a->startup_s;
    losses[SCORE_RETRIES] = a->lost_s;
    losses[SCORE_DECODE] = idle[SCORE_IDLE_DECODE];
    losses[SCORE_CLIPS] = idle[SCORE_IDLE_CLIPS];
    losses[SCORE_BATCHES] = beyond > 0 ? engine * a->small_s / beyond : 0;
    losses[SCORE_INFERENCE] = beyond > 0 ? engine * a->full_s / beyond : 0;
    if (by_devices || in->processors <= 0)
        return;
    losses[SCORE_DECODING] = fmax(0, a->decode_cpu_s - in->decode_s) / in->processors;
    losses[SCORE_OTHERS] = others_s(in, a) / in->processors;
    losses[SCORE_REST] = a->own_cpu_s / in->processors;
}

void score_explain(const struct score_inputs *in, const struct score_account *a, double losses[SCORE_REASON_COUNT])
{
    double missing = fmax(0, in->took_s - score_needed_s(in)), sum = 0;
    memset(losses, 0, SCORE_REASON_COUNT * sizeof *losses);
    estimate(in, a, losses);
    for (int i = 0; i < SCORE_REASON_COUNT; i++) {
        losses[i] = losses[i] < trifle_s ? 0 : losses[i];
        sum += losses[i];
    }
    for (int i = 0; i < SCORE_REASON_COUNT && sum > missing; i++)
        losses[i] *= missing / sum;
    if (sum < missing)
        losses[SCORE_REST] += missing - sum;
}

enum score_reason score_reason_of(const double losses[SCORE_REASON_COUNT])
{
    enum score_reason most = SCORE_REST;
    for (int i = 0; i < SCORE_REASON_COUNT; i++)
        if (losses[i] > losses[most])
            most = (enum score_reason) i;
    return most;
}

void score_to_text(const struct score_inputs *in, const double losses[SCORE_REASON_COUNT], char out[SCORE_TEXT])
{
    const char *reason = isnan(score_of(in)) ? score_why_none(in) : score_reason_name(score_reason_of(losses));
    int at = snprintf(out, SCORE_TEXT,
        "{\"formula\":%d,\"took_s\":%.9g,\"processors\":%d,\"devices\":%d,\"decoded\":%" PRId64 ",\"decode_s\":%.9g,\"inferred\":%"
        PRId64 ",\"infer_s\":%.9g,\"on_devices\":%" PRId64 ",\"device_s\":%.9g,\"observed\":%d,\"unknown\":%d,\"reason\":\"%s\","
        "\"losses\":{", SCORE_FORMULA, in->took_s, in->processors, in->devices, in->decoded, in->decode_s, in->inferred,
        in->infer_s, in->on_devices, in->device_s, in->observed, in->unknown, reason);
    const char *comma = "";
    for (int i = 0; i < SCORE_REASON_COUNT; i++) {
        if (losses[i] <= 0)
            continue;
        at += snprintf(out + at, (size_t) (SCORE_TEXT - at), "%s\"%s\":%.6g", comma, reasons[i].name, losses[i]);
        comma = ",";
    }
    snprintf(out + at, (size_t) (SCORE_TEXT - at), "}}");
}

/* The optimization score: how near a run, or a job, came to what this machine was measured to be able to do.
 *
 *     score = 100 x the time that the slowest necessary resource needed at its limit / the time that it took
 *
 * Necessary is what became accepted results: frames that an accepted attempt decoded and inferred, once each. Work of
 * attempts that were lost, answers inherited or cached, and preparing engines are not. Resources work side by side:
 *
 *     processors   decode_s + infer_s processor-seconds, of which `processors` are to be had in a second
 *     devices      device_s seconds of devices that compute by themselves (GPUs), of which there are `devices`
 *
 * decode_s is the frames decoded times the processor-seconds that one takes (decoding and scaling) by its codec, pixel
 * format and size; infer_s and device_s the frames inferred times what one takes of its device, in the best batches; by the
 * limits of runner/limits.h. took_s, of a run, is the time in which it held a clip, start-up included. Of a job, it is
 * its share of that: each moment is divided equally among the clips under way, so that the shares of all jobs, and of
 * attempts that came to nothing, add up to the time in which there were any. Those of its own lost attempts, in whichever
 * run, count for the job as well, and of a clip in segments those of all segments.
 *
 * A score above 100 is kept as 100; needed_s > took_s tells. Of a run it says that a limit was measured too high; a job may
 * simply have got more than an equal share of the machine. What was only observed in runs sets the limit where there is no
 * measurement (`observed`); such a score cannot see what slowed all of these runs alike.
 *
 * The reason is the largest part of what is missing to 100. Parts are estimated from accounts that overlap; they are scaled
 * to what is missing where they are more, and the rest has no name where they are less.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_SCORE_H
#define CLIPQ_RUNNER_SCORE_H

#include <stdbool.h>
#include <stdint.h>

enum { SCORE_FORMULA = 1, SCORE_TEXT = 1024 };

/* Name, and the change that helps. */
#define SCORE_REASONS(X) \
    X(STARTUP, "start-up", "engines start and compile kernels before the first clip: give a run more clips, and keep the cache " \
      "of compiled kernels") \
    X(RETRIES, "lost attempts", "clips were decoded for nothing, by attempts that failed or were given up: `clipq report` names " \
      "the failures, and `clipq log ID` what the decoder said") \
    X(DECODE, "waiting for decode", "engines or processors had nothing to do while clips were left to begin: more --workers, or submit " \
      "--keyframes or --fps, which decode less") \
    X(CLIPS, "too few clips", "the machine waited for the last clips: give a run more clips, or long ones in shorter segments (--split)") \
    X(BATCHES, "small batches", "frames were inferred in smaller batches than those that are fastest: more --workers fill them, or " \
      "a larger --batch") \
    X(INFERENCE, "slow inference", "the device took longer for full batches than it can: see that nothing else uses it, and try " \
      "`clipq tune kernels MODEL`") \
    X(DECODING, "slow decoding", "decoders computed more than they need to: fewer --workers, or, where clips are short, one process " \
      "for several of them (--clips-per-worker)") \
    X(OTHERS, "other programs", "other programs had the processors: stop them, or run when they do not") \
    X(REST, "all else", "no cause that is told apart: answers, rows and messages between processes cost less with a higher " \
      "--threshold, and fewer and longer clips")

enum score_reason {
#define X(id, name, advice) SCORE_##id,
    SCORE_REASONS(X)
#undef X
    SCORE_REASON_COUNT
};

const char *score_reason_name(enum score_reason r);
const char *score_reason_advice(enum score_reason r);

/* Sums: those of segments add up to their clip's. */
struct score_inputs {
    double took_s;
    int processors, devices;
    int64_t decoded, inferred, on_devices;   /* frames: on_devices are no part of inferred */
    double decode_s, infer_s, device_s;
    bool observed;              /* a limit among these was never measured by itself */
    bool unknown;               /* there was no limit at all for a part of them */
};

/* What is known of the time beyond that. Seconds of took_s, but for what is computed. */
struct score_account {
    double startup_s;           /* no clip was under way */
    double lost_s;              /* shares of attempts that were not accepted */
    double idle_processors_s[2], idle_devices_s[2];   /* of the resource as a whole: SCORE_IDLE_... */
    double small_s, full_s;     /* of an engine, in batches smaller than the fastest or not, beyond what their frames need */
    double decode_cpu_s, own_cpu_s, others_cpu_s;     /* processor-seconds: of decoders whose clips were accepted, of
                                                         the supervisor, of other programs */
};
enum { SCORE_IDLE_DECODE /* clips were left to begin */, SCORE_IDLE_CLIPS /* none was */ };

/* Processor-seconds that others took from us, of `all` that there were, `own` that we and `host` that everybody computed:
 * what was idle was there for us. */
double score_harm_s(double all, double own, double host);

/* Are devices of their own the slowest resource? Else the processors are. */
bool score_by_devices(const struct score_inputs *in);
/* Seconds that the slowest resource needs at its limits; 0: nothing was necessary. */
double score_needed_s(const struct score_inputs *in);
/* 0..100; NAN where nothing was necessary, a limit is unknown or no time is. */
double score_of(const struct score_inputs *in);
/* Seconds of took_s - score_needed_s() by reason; they add up to it. */
void score_explain(const struct score_inputs *in, const struct score_account *a, double losses[SCORE_REASON_COUNT]);
/* The largest; REST when nothing is missing. */
enum score_reason score_reason_of(const double losses[SCORE_REASON_COUNT]);
/* Why there is none, where score_of() is NAN. */
const char *score_why_none(const struct score_inputs *in);

/* As it stands beside the score: a JSON object of the inputs, the reason, and the losses in seconds. */
void score_to_text(const struct score_inputs *in, const double losses[SCORE_REASON_COUNT], char out[SCORE_TEXT]);

#endif

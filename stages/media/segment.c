/* Choosing cuts, and foretelling what each piece gives. */
#include "stages/media/segment.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stages/media/clip.h"
#include "stages/media/scan.h"

enum { FINEST = 10 };    /* pieces in `longest_s`, at most */

/* MurmurHash3's finaliser: sums of it tell sets of times apart. */
uint64_t segment_digest(int64_t pts)
{
    uint64_t h = (uint64_t) pts + 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* ---- where ---- */

static double time_of(const struct scan *s, int packet)
{
    return (double) s->pts[packet] * s->tb;
}

/* Numbers of packets: [begin, end) holds all that the range needs, from a place where decoding can begin to another. */
struct span { int begin, end; };

static struct span sampled_span(const struct scan *s, const struct sample_spec *spec, double first_s)
{
    struct span r = {0, s->n};
    for (int i = 0; i < s->n_cuts && time_of(s, s->cuts[i]) <= first_s + spec->from_s; i++)
        r.begin = s->cuts[i];
    for (int i = s->n_cuts - 1; i >= 0 && spec->to_s > 0 && time_of(s, s->cuts[i]) > first_s + spec->to_s; i--)
        r.end = s->cuts[i];
    return r;
}

static int pieces_wanted(double seconds, const struct segment_wish *w)
{
    int at_once = w->at_once > 1 ? w->at_once : 1;
    if (!(w->longest_s > 0) || !(seconds > w->longest_s))
        return 1;
    double n = ceil(ceil(seconds / w->longest_s) / at_once) * at_once, most = floor(seconds / w->longest_s * FINEST);
    n = n < most ? n : most;
    return n < SEGMENTS_MAX ? (int) n : SEGMENTS_MAX;
}

/* The cut next to `ideal`, above `after` and below `end`; 0: none. `after` is not above `ideal`. */
static int nearest_cut(const struct scan *s, int ideal, int after, int end)
{
    int low = 0, high = s->n_cuts;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (s->cuts[middle] < ideal)
            low = middle + 1;
        else
            high = middle;
    }
    int above = low < s->n_cuts && s->cuts[low] > after && s->cuts[low] < end ? s->cuts[low] : 0;
    int below = low > 0 && s->cuts[low - 1] > after ? s->cuts[low - 1] : 0;
    return below && (!above || ideal - below < above - ideal) ? below : above;
}

/* Begins of pieces, `want` at most. One is no closer to the one before than half of what would be even. */
static int choose_begins(const struct scan *s, struct span r, int want, int *begins)
{
    int n = 0;
    double even = (double) (r.end - r.begin) / want;
    begins[n++] = r.begin;
    for (int i = 1; i < want; i++) {
        int cut = nearest_cut(s, r.begin + (int) (even * i), begins[n - 1] + (int) (even / 2), r.end);
        if (!cut)
            break;
        if (cut - r.begin < even * (i + 0.5))      /* else it serves a later one better */
            begins[n++] = cut;
    }
    return n;
}

/* ---- what ---- */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

/* Shows packets [begin, end) to the sampler in the order of their times, and counts into `out`. */
static void foretell(const struct scan *s, int64_t *sorted, int begin, int end, struct sampler *sampler, struct segment *out)
{
    memcpy(sorted, s->pts + begin, (size_t) (end - begin) * sizeof *sorted);
    qsort(sorted, (size_t) (end - begin), sizeof *sorted, by_time);
    enum sample_answer a = SAMPLE_SKIP;
    for (int i = 0; i < end - begin && a != SAMPLE_DONE; i++) {
        a = sampler_show(sampler, (double) sorted[i] * s->tb, false);
        out->frames++;
        out->digest += segment_digest(sorted[i]);
        out->sampled += a == SAMPLE_TAKE;
    }
}

static void fill(const struct scan *s, int64_t *sorted, const struct sample_spec *spec, struct span r, double end_s,
                 const int *begins, int n, struct segment *out)
{
    struct sampler sampler;
    struct segment before = {0};
    int64_t seq = 0;
    sampler_init(&sampler, spec);
    foretell(s, sorted, 0, r.begin, &sampler, &before);
    for (int i = 0; i < n; i++) {
        int begin = begins[i], end = i + 1 < n ? begins[i + 1] : r.end;
        out[i] = (struct segment) {
            .from_pts = begin ? s->pts[begin] : INT64_MIN, .to_pts = end < s->n ? s->pts[end] : INT64_MAX,
            .first_ordinal = clip_loses_count(spec) ? -1 : begin, .first_seq = seq, .sampler = sampler.at,
        };
        foretell(s, sorted, begin, end, &sampler, &out[i]);
        double first_s = sampler.at.first_s;
        out[i].from_s = begin ? time_of(s, begin) - first_s : 0;
        out[i].to_s = i + 1 < n ? time_of(s, end) - first_s : end_s;
        seq += out[i].sampled;
    }
}

int segments_plan(const struct scan *s, const struct sample_spec *spec, const struct segment_wish *wish, struct segment *out)
{
    if (s->why[0] || !s->n_cuts || spec->mode == SAMPLE_KEYFRAMES)
        return 0;
    double first_s = time_of(s, 0), last_s = first_s;
    for (int i = 0; i < s->n; i++) {
        first_s = fmin(first_s, time_of(s, i));
        last_s = fmax(last_s, time_of(s, i));
    }
    double to_s = spec->to_s > 0 ? fmin(spec->to_s, last_s - first_s) : last_s - first_s;
    int begins[SEGMENTS_MAX];
    struct span r = sampled_span(s, spec, first_s);
    int want = pieces_wanted(to_s - spec->from_s, wish);
    int n = want > 1 ? choose_begins(s, r, want, begins) : 1;
    if (n < 2)
        return 0;
    int64_t *sorted = malloc((size_t) s->n * sizeof *sorted);
    if (!sorted)
        return -1;
    fill(s, sorted, spec, r, to_s, begins, n, out);
    free(sorted);
    return n;
}

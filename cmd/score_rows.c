/* Scores as text and as JSON. */
#include "cmd/score_rows.h"

#include <math.h>
#include <stdio.h>

#include "cmd/common.h"
#include "runner/store_limits.h"

static const double point_shown = 0.5;  /* of a hundred */

const char *score_advice(const struct store_score_row *r)
{
    return !r->kept || isnan(r->score) ? NULL : score_reason_advice(score_reason_of(r->parts.losses));
}

static double points(const struct store_score_row *r, int reason)
{
    return 100 * r->parts.losses[reason] / r->parts.inputs.took_s;
}

static void print_losses(const struct store_score_row *r)
{
    const char *before = "  missing ";
    for (int i = 0; i < SCORE_REASON_COUNT; i++) {
        if (points(r, i) < point_shown)
            continue;
        printf("%s %.1f %s", before, points(r, i), score_reason_name((enum score_reason) i));
        before = ",";
    }
    printf("%s", *before == ',' ? "\n" : "");
}

void score_print(const struct store_score_row *r)
{
    const struct score_inputs *in = &r->parts.inputs;
    char f[3][FIGURE_SIZE];
    if (isnan(r->score))
        printf("  score      none: %s\n", r->reason);
    else
        printf("  score      %.1f of 100, the largest part of the rest for: %s\n", r->score, r->reason);
    printf("  needed     %s of the %s at their limits, took %s\n", text_seconds(score_needed_s(in), f[0]),
           score_by_devices(in) ? "devices" : "processors", text_seconds(in->took_s, f[1]));
    if (in->processors)
        printf("  processors %d: %lld frames decoded in %s, %lld inferred in %s of one\n", in->processors, (long long) in->decoded,
               text_seconds(in->decode_s, f[0]), (long long) in->inferred, text_seconds(in->infer_s, f[1]));
    if (in->on_devices)
        printf("  devices    %d: %lld frames inferred in %s of one\n", in->devices, (long long) in->on_devices,
               text_seconds(in->device_s, f[2]));
    if (in->observed)
        printf("  limits     some are only the best that runs have shown: clipq bench infer|decode --record measures them\n");
    if (!isnan(r->score))
        print_losses(r);
}

void score_fields(json_t *j, const struct store_score_row *r)
{
    const struct score_inputs *in = &r->parts.inputs;
    json_t *losses = json_object();
    field_figure(j, "score", r->score);
    field_int(j, "formula", SCORE_FORMULA);
    field_text(j, "reason", r->reason);
    field_text(j, "advice", score_advice(r) ? score_advice(r) : "");
    field_figure(j, "took_s", in->took_s);
    field_figure(j, "needed_s", score_needed_s(in));
    field_text(j, "resource", score_by_devices(in) ? "devices" : "processors");
    field_int(j, "processors", in->processors);
    field_int(j, "devices", in->devices);
    field_int(j, "decoded", in->decoded);
    field_figure(j, "decode_s", in->decode_s);
    field_int(j, "inferred", in->inferred);
    field_figure(j, "infer_s", in->infer_s);
    field_int(j, "on_devices", in->on_devices);
    field_figure(j, "device_s", in->device_s);
    field_bool(j, "observed", in->observed);
    for (int i = 0; i < SCORE_REASON_COUNT; i++)
        if (r->parts.losses[i] > 0)
            field_figure(losses, score_reason_name((enum score_reason) i), r->parts.losses[i]);
    json_object_set_new(j, "losses_s", losses);
}

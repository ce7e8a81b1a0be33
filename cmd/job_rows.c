/* Columns stay in their order, so that they can be cut and sorted by other programs; the path is the last. */
#include "cmd/job_rows.h"

#include "cmd/common.h"
#include "runner/store_jobs.h"

json_t *job_row_json(const struct store_job_row *r)
{
    json_t *j = json_object();
    field_int(j, "job_id", r->id);
    field_text(j, "path", r->path);
    field_text(j, "state", r->state);
    field_text(j, "reason", r->reason);
    field_text(j, "message", r->message);
    field_int(j, "attempts", r->attempts);
    field_int(j, "failures", r->failures);
    field_int(j, "crashes", r->crashes);
    field_int(j, "lost", r->lost);
    field_int(j, "frames", r->frames);
    field_figure(j, "duration_s", r->duration_s);
    field_int(j, "priority", r->priority);
    field_int(j, "clip_id", r->clip_id);
    field_int(j, "pipeline_id", r->pipeline_id);
    field_text(j, "pipeline", r->pipeline);
    field_text(j, "owner", r->owner);
    field_time(j, "submitted", r->submitted_ms);
    field_time(j, "started", r->started_ms);
    field_time(j, "ended", r->ended_ms);
    field_time(j, "not_before", r->not_before_ms > 0 ? r->not_before_ms : 0);
    return j;
}

enum cq_err job_rows_print(void *ctx, const struct store_job_row *r)
{
    struct job_rows *rows = ctx;
    char path[STORE_PATH], video[FIGURE_SIZE];
    if (rows->json) {
        rows->n++;
        json_emit(rows->type, job_row_json(r));
        return CQ_OK;
    }
    if (!rows->n++)
        printf("%-8s %-9s %-17s %8s %8s %12s  %s\n", "job", "state", "reason", "attempts", "frames", "video", "path");
    printf("%-8lld %-9s %-17s %8d %8lld %12s  %s\n", (long long) r->id, r->state, r->reason[0] ? r->reason : "-", r->attempts,
           (long long) r->frames, text_seconds(r->duration_s, video), text_safe(r->path, path, sizeof path));
    return CQ_OK;
}

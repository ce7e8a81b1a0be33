/* clipq cache: what is in the cache of answers on disk, and emptying it. */
#include <string.h>

#include "cmd/common.h"
#include "kernels/base/clock.h"
#include "runner/store_cache.h"

struct cache_args {
    bool dry_run;
    struct common common;

    char path[STORE_CACHE_PATH];
    int64_t entries, bytes, hits;   /* of all models */
    double saved_ms;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct cache_args, dry_run, .name = "dry-run", .letter = 'n', .help = "with clear: tell what would go, delete nothing"),
    {0},
};

static enum cq_err show_model(void *ctx, const struct store_cache_row *r)
{
    struct cache_args *a = ctx;
    char name[4 * sizeof r->model], n[4][FIGURE_SIZE];
    a->entries += r->entries;
    a->bytes += r->bytes;
    a->hits += r->hits;
    a->saved_ms += r->saved_ms;
    if (a->common.json) {
        json_t *j = json_object();
        field_text(j, "model", r->model);
        field_text(j, "input", r->shape);
        field_int(j, "answers", r->entries);
        field_int(j, "bytes", r->bytes);
        field_int(j, "hits", r->hits);
        field_figure(j, "saved_s", r->saved_ms / 1e3);
        json_emit("cache_model", j);
    } else if (!a->common.quiet) {
        printf("%-28s %-18s %10s %11s %10s %12s\n", text_safe(r->model, name, sizeof name), r->shape, text_count(r->entries, n[0]),
               text_bytes((double) r->bytes, n[1]), text_count(r->hits, n[2]), text_seconds(r->saved_ms / 1e3, n[3]));
    }
    return CQ_OK;
}

static void show_all(const struct cache_args *a)
{
    char n[4][FIGURE_SIZE];
    int64_t file = store_cache_file_bytes();
    if (a->common.json) {
        json_t *j = json_object();
        field_text(j, "path", a->path);
        field_int(j, "file_bytes", file);
        field_int(j, "answers", a->entries);
        field_int(j, "bytes", a->bytes);
        field_int(j, "hits", a->hits);
        field_figure(j, "saved_s", a->saved_ms / 1e3);
        json_emit("cache", j);
    } else if (!a->common.quiet) {
        printf("%s answers in %s (%s on disk); they were of use %s times and saved %s\n", text_count(a->entries, n[0]), a->path,
               text_bytes((double) file, n[1]), text_count(a->hits, n[2]), text_seconds(a->saved_ms / 1e3, n[3]));
    }
}

static enum cq_err show(struct cache_args *a)
{
    struct store_cache *cache;
    enum cq_err err = store_cache_open(&a->common.log, false, &cache);
    if (!err && !a->common.json && !a->common.quiet)
        printf("%-28s %-18s %10s %11s %10s %12s\n", "model", "input", "answers", "bytes", "hits", "saved");
    if (!err)
        err = store_cache_each(cache, cq_utc_ms(), show_model, a);
    store_cache_close(&cache);
    if (!err || err == CQ_NOT_FOUND)
        show_all(a);
    return err == CQ_NOT_FOUND ? CQ_OK : err;
}

static enum cq_err clear(struct cache_args *a)
{
    char bytes[FIGURE_SIZE];
    int64_t file = store_cache_file_bytes();
    enum cq_err err = a->dry_run ? CQ_OK : store_cache_remove(&a->common.log);
    if (err)
        return err;
    if (a->common.json) {
        json_t *j = json_object();
        field_text(j, "path", a->path);
        field_int(j, "file_bytes", file);
        field_bool(j, "dry_run", a->dry_run);
        json_emit("cache_clear", j);
    } else if (!a->common.quiet) {
        printf("%s of answers %s from %s\n", text_bytes((double) file, bytes), a->dry_run ? "would go" : "are gone", a->path);
    }
    return CQ_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct cache_args a = {0};
    int n, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n, &rc))
        return rc;
    bool clears = n == 1 && !strcmp(argv[0], "clear");
    if (n > clears)
        return common_usage(self, "'%s': say `clear`, or nothing to see what is there", argv[clears]);
    if (a.dry_run && !clears)
        return common_usage(self, "--dry-run goes with clear");
    if (!store_cache_path(a.path)) {
        cq_log_error(&a.common.log, "there is no folder for answers: neither XDG_CACHE_HOME nor ~/.cache can be written");
        return EXIT_FATAL;
    }
    return common_exit(clears ? clear(&a) : show(&a), false);
}

const struct command cmd_cache = {
    .name = "cache",
    .usage = "[clear] [options]",
    .summary = "Show or empty the cache of answers on disk",
    .details =
        "`clipq work` keeps answers of frames there, for all databases of a user, and does not compute again what it\n"
        "knows. The file may be deleted at any time, also while `clipq work` runs: that costs the time to compute what was\n"
        "in it, and nothing else.\n\n"
        "Exit codes: 0, 1 it cannot be read or deleted, 2 usage.",
    .run = run,
};

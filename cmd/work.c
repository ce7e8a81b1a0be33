/* clipq work: runs the queue until it is empty, and shows how far it is. */
#include <math.h>
#include <string.h>

#include "cmd/common.h"
#include "cmd/progress.h"
#include "kernels/base/clock.h"
#include "runner/balancer.h"
#include "runner/sandbox_try.h"
#include "runner/store.h"
#include "runner/store_control.h"
#include "runner/work.h"

struct work_args {
    int workers, batch, clips_per_worker, balance, progress, max_attempts, split, sandbox, tune;
    const char *device;
    bool forever;
    double drain_timeout, stall_timeout, batch_timeout, io_pause, arena;
    struct cq_opt_bytes memory_limit, cache_size, cache_disk;
    int cache;
    double cache_ttl;

    struct common common;
    struct progress show;
};

static const struct cq_opt opts[] = {
    CQ_OPT(struct work_args, workers, .name = "workers", .letter = 'w', .value = "N", .min = 1, .max = 256,
           .zero = "auto", .help = "decoding processes; auto is one per core"),
    CQ_OPT(struct work_args, device, .name = "device", .letter = 'd', .value = "WHAT", .def_text = "auto",
           .help = "auto (the fastest), cpu, gpu, or P:D[,P:D...] as\n`clipq devices` lists them; P:D*N: cut into N engines"),
    CQ_OPT(struct work_args, batch, .name = "batch", .letter = 'b', .value = "B", .min = 1, .max = 1024, .zero = "auto",
           .help = "frames per inference"),
    CQ_OPT(struct work_args, balance, .name = "balance", .choices = BALANCER_CHOICES,
           .help = "how clips are divided among workers and batches among\nengines (see clipq bench balance)"),
    CQ_OPT(struct work_args, forever, .name = "forever", .help = "wait for new clips when the queue is empty"),
    CQ_OPT(struct work_args, max_attempts, .name = "max-attempts", .value = "N", .def = 3, .min = 1, .max = 100,
           .help = "tries of a clip whose failure may pass, for each class of failure"),
    CQ_OPT(struct work_args, split, .name = "split", .value = "S", .def = 300, .min = 1, .max = 1000000, .zero = "off",
           .help = "seconds of a clip above which it is done in segments, by several\nworkers at once; off: never"),
    CQ_OPT(struct work_args, drain_timeout, .name = "drain-timeout", .value = "S", .def = 60, .min = 0.1, .max = 86400,
           .help = "seconds that clips under way get after the first Ctrl-C"),
    CQ_OPT(struct work_args, stall_timeout, .name = "stall-timeout", .value = "S", .def = 60, .min = 0.1, .max = 86400,
           .help = "seconds without a frame after which a decoder counts as hung"),
    CQ_OPT(struct work_args, batch_timeout, .name = "batch-timeout", .value = "S", .def = 600, .min = 0.1, .max = 86400,
           .help = "seconds without an answer to a batch after which an engine counts as hung"),
    CQ_OPT(struct work_args, io_pause, .name = "io-pause", .value = "S", .def = 60, .min = 0.1, .max = 86400,
           .help = "seconds to leave a file system alone after 8 clips in a row of it\ncould not be read; doubles each time, up to 600"),
    CQ_OPT(struct work_args, arena, .name = "arena", .value = "MIB", .def = 256, .min = 1, .max = 65536,
           .help = "MiB of shared memory for frames on their way"),
    CQ_OPT(struct work_args, memory_limit, MEMORY_LIMIT_OPT),
    CQ_OPT(struct work_args, cache, .name = "cache", .choices = "disk|memory|off",
           .help = "reuse answers of frames whose pixels the same model has seen: also of\nother runs, of this one only, or none (see clipq cache)"),
    CQ_OPT(struct work_args, cache_size, .name = "cache-size", .value = "SIZE", .min = 1, .max = 1e15,
           .help = "memory for answers (64MiB); less is used while memory is short"),
    CQ_OPT(struct work_args, cache_disk, .name = "cache-disk", .value = "SIZE", .min = 1, .max = 1e15,
           .help = "bytes for answers on disk (1GiB)"),
    CQ_OPT(struct work_args, cache_ttl, .name = "cache-ttl", .value = "HOURS", .def = 168, .min = 0.0001, .max = 1e6,
           .help = "how long an answer is kept that is of no more use; longer if it is"),
    CQ_OPT(struct work_args, tune, .name = "tune", .choices = "auto|off|always",
           .help = "time the kernels that can serve a model which is new to a device,\nand keep the fastest; auto: before an hour of video or more"),
    CQ_OPT(struct work_args, sandbox, SANDBOX_OPT),
    CQ_OPT(struct work_args, clips_per_worker, .name = "clips-per-worker", .value = "N", .def = 1, .min = 0, .max = 1000000,
           .help = "clips after which another process takes a decoder's place, so that none\nthat a clip has taken over decodes others; 0: never"),
    CQ_OPT(struct work_args, progress, .name = "progress", .choices = PROGRESS_CHOICES, .help = PROGRESS_HELP),
    {0},
};

/* ---- progress ---- */

static json_t *progress_json(const struct work_progress *p, bool last)
{
    json_t *j = json_object();
    field_figure(j, "elapsed_s", p->elapsed_s);
    field_int(j, "clips_done", p->clips_done);
    field_int(j, "clips_failed", p->clips_failed);
    field_int(j, "clips_running", p->clips_running);
    field_int(j, "clips_left", p->clips_left);
    field_int(j, "frames_decoded", p->frames_decoded);
    field_int(j, "frames_sampled", p->frames_sampled);
    field_int(j, "frames_inferred", p->frames_inferred);
    field_int(j, "frames_cached", p->frames_cached);
    field_figure(j, "frames_per_s", p->frames_per_s);
    field_figure(j, "media_s_done", p->media_s_done);
    field_figure(j, "media_s_left", p->media_s_left);
    field_figure(j, "times_real_time", p->times_real_time);
    field_figure(j, "eta_s", p->eta_s >= 0 ? p->eta_s : NAN);
    field_int(j, "workers", p->workers);
    field_int(j, "engines", p->engines);
    field_text(j, "devices", p->devices ? p->devices : "");
    field_text(j, "note", p->note ? p->note : "");
    field_bool(j, "last", last);
    return j;
}

/* The most wanted first: a narrow terminal cuts the end. */
static void progress_text(const struct work_progress *p, char *out, size_t size)
{
    int64_t settled = p->clips_done + p->clips_failed, left = p->clips_left + p->clips_running;
    char done[FIGURE_SIZE], all[FIGURE_SIZE], eta[FIGURE_SIZE];
    char failed[48] = "", when[48] = "", note[160] = "", speed[64] = "  preparing engines";
    if (p->clips_failed)
        snprintf(failed, sizeof failed, ", %lld failed", (long long) p->clips_failed);
    if (p->eta_s >= 0 && left)
        snprintf(when, sizeof when, "  ETA %s", text_seconds(p->eta_s, eta));
    if (p->frames_inferred || p->frames_cached || !left)
        snprintf(speed, sizeof speed, "  %.1f frames/s  %.2fx real time", p->frames_per_s, p->times_real_time);
    if (p->note)
        snprintf(note, sizeof note, "  (%s)", p->note);
    snprintf(out, size, "%s of %s clips%s%s%s%s", text_count(settled, done), text_count(settled + left, all), failed,
             note, when, speed);
}

static void on_progress(void *ctx, const struct work_progress *p, bool last)
{
    struct work_args *a = ctx;
    if (!progress_is_due(&a->show, last))
        return;
    char text[320];
    progress_text(p, text, sizeof text);
    double media = p->media_s_done + p->media_s_left;
    double share = a->forever || media <= 0 ? -1 : p->media_s_done / media;
    progress_show(&a->show, last && !p->clips_left ? 1 : share, text, "work_progress", progress_json(p, last), last);
}

/* ---- the end ---- */

static void emit_result(const struct work_result *r)
{
    json_t *j = json_object();
    field_int(j, "done", r->done);
    field_int(j, "partial", r->partial);
    field_int(j, "failed", r->failed);
    field_int(j, "dead", r->dead);
    field_int(j, "left", r->left);
    field_int(j, "elsewhere", r->elsewhere);
    field_int(j, "signal", r->signal);
    field_bool(j, "aborted", r->aborted);
    json_emit("work_result", j);
}

static void print_result(const struct work_args *a, const struct work_result *r)
{
    char n[5][FIGURE_SIZE];
    bool other = strcmp(a->common.db, "clipq.db") != 0;
    printf("%s done, %s partial, %s failed, %s dead, %s left\n", text_count(r->done, n[0]),
           text_count(r->partial, n[1]), text_count(r->failed, n[2]), text_count(r->dead, n[3]),
           text_count(r->left, n[4]));
    if (r->elsewhere)
        printf("%s with another run; what it does not end comes back when its lease runs out\n", text_count(r->elsewhere, n[0]));
    printf("Next: clipq %s%s%s\n", r->left ? "work" : r->elsewhere ? "status" : "report", other ? " --db " : "",
           other ? a->common.db : "");
}

static int exit_code(const struct work_result *r)
{
    if (r->signal)
        return 128 + r->signal;
    if (r->left)
        return EXIT_LEFT;
    return r->failed || r->dead || r->partial ? EXIT_SOME_FAILED : EXIT_FINE;
}

/* A device, or one cut into N: "0:0*2". */
static bool is_device(const char *text, size_t length)
{
    size_t whole = strcspn(text, "*,"), digits = whole < length ? strspn(text + whole + 1, "0123456789") : 0;
    if (whole >= length)
        return common_is_device(text, length);
    return digits && whole + 1 + digits == length && !memchr(text, '/', whole) && common_is_device(text, whole);
}

static bool is_device_list(const char *text)
{
    size_t length = strcspn(text, ",");
    while (is_device(text, length) && text[length]) {
        text += length + 1;
        length = strcspn(text, ",");
    }
    return is_device(text, length);
}

/* Opened once alone, so that its own errors are told apart from those of a model or a device. `r->left`: clips of a paused
 * queue, with which this run would do nothing but wait; it is told. */
static enum cq_err look_at_queue(struct work_args *a, struct work_result *r)
{
    struct store *store;
    struct store_pause pause;
    struct store_counts counts;
    char at[CQ_RFC3339_SIZE];
    *r = (struct work_result) {0};
    enum cq_err err = store_open(&a->common.log, a->common.db, STORE_WRITE, &store);
    if (err)
        return err;
    err = store_get_pause(store, &pause);
    if (!err)
        err = store_get_counts(store, &counts);
    store_close(&store);
    if (err || !pause.since_ms || a->forever || !counts.pending)
        return err;
    r->left = counts.pending;
    r->elsewhere = counts.running;
    cq_log_error(&a->common.log, "the queue is paused since %s, by %s: `clipq resume` lets it go on, `clipq work --forever` waits "
                 "for that", cq_rfc3339(pause.since_ms, at), pause.by);
    return CQ_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    static struct work_args a;        /* progress and log point into it */
    int n_rest, rc;
    if (!common_parse(self, &a.common, opts, &a, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': work takes no names; clips come in with clipq submit", argv[0]);
    if (!is_device_list(a.device))
        return common_usage(self, "--device: '%s' is none: say auto, cpu, gpu or P:D[,P:D...]; see `clipq devices`",
                            a.device);
    progress_init(&a.show, (enum progress_mode) a.progress, a.common.quiet, common_color(&a.common, stderr));
    a.common.log.sink = progress_log;
    a.common.log.ctx = &a.show;

    struct work_result result;
    enum cq_err err = look_at_queue(&a, &result);
    if (err)
        return common_exit(err, true);
    if (result.left) {
        if (a.common.json)
            emit_result(&result);
        return EXIT_LEFT;
    }
    if (sandbox_announce(&a.common.log, (enum sandbox_mode) a.sandbox))
        return EXIT_FATAL;

    struct work_params params = {
        .db_path = a.common.db, .devices = a.device, .workers = a.workers, .batch = a.batch,
        .balance = balancer_classes[a.balance]->name, .forever = a.forever,
        .drain_timeout_s = a.drain_timeout, .max_attempts = a.max_attempts, .stall_timeout_s = a.stall_timeout,
        .batch_timeout_s = a.batch_timeout, .io_pause_s = a.io_pause,
        .sandbox = (enum sandbox_mode) a.sandbox, .clips_per_worker = a.clips_per_worker, .tune = (enum work_tune) a.tune,
        .split_s = a.split, .arena_bytes = (int64_t) (a.arena * (1 << 20)), .memory_limit = a.memory_limit.n,
        .cache = (enum work_cache_mode) (WORK_CACHE_DISK - a.cache),
        .cache_bytes = a.cache_size.n, .cache_disk_bytes = a.cache_disk.n, .cache_ttl_s = a.cache_ttl * 3600,
        .progress = on_progress, .ctx = &a, .log = &a.common.log,
    };
    err = work_run(&params, &result);
    if (err)
        return result.signal ? 128 + result.signal : common_exit(err, err == CQ_FULL);
    if (a.common.json)
        emit_result(&result);
    else if (!a.common.quiet)
        print_result(&a, &result);
    return exit_code(&result);
}

const struct command cmd_work = {
    .name = "work",
    .usage = "[options]",
    .summary = "Decode, infer and record what is in the queue",
    .details =
        "Runs until the queue is empty. The first Ctrl-C lets the clips under way finish, the second one stops at\n"
        "once; either way, and after a crash or a power cut, `clipq work` goes on where it was. Several may run on\n"
        "one database. On a queue that is paused (clipq pause) it ends at once with exit code 4, with --forever it waits;\n"
        "one that is at work when the pause comes waits in either case. TSTP (Ctrl-Z) holds back this process alone, CONT\n"
        "lets it go on.\n\n"
        "Exit codes: 0 all jobs fine, 1 fatal, 2 usage, 3 finished but some jobs failed or are partial, 4 stopped\n"
        "with work left, 10 database missing, locked or newer, 11 no usable device, 130 and 143 by signal.",
    .run = run,
};

/* Disturbs `clipq work` in every way that a night can, over and over, and proves each time that nothing was lost.
 *
 *     crash PROGRAM [--rounds N] [--seed S] [--supervisors N] [--split] [--cache] [--keep]
 *
 * The queue is submitted and worked off once without disturbance. Each round takes a fresh copy of the queue, runs it
 * with 1 to 4 supervisors at once, strikes at a random moment, and lets `clipq work` finish what is left. Then all
 * answers must equal those of the undisturbed run and the books must balance (crash_compare.c). Clips are the
 * smaller ones of $CLIPQ_DATA (default ../shared/data) with YuNet and builtin:scene, or ones that are made here.
 * With --split the disturbed runs do clips in segments of a second, the undisturbed one does not; of made clips there are two
 * long ones, which the supervisors share. Segments that were done before the strike must not be done again after it.
 * Exits 0 when every round held, 1 with the round and its seed when one did not.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "tests/crash.h"

enum { CLIPS_MAX = 32, MADE_CLIPS = 12, MADE_FRAMES = 30, LONG_CLIPS = 2, LONG_FRAMES = 120, KINDS_MAX = 16, LEASE_MS = 60000, COMMITS_MAX = 10000 };

struct harness {
    const char *clipq;
    int rounds, supervisors;
    uint64_t seed;
    bool split, keep;
    bool cache;                 /* answers are reused, after the reference was made */
    char folder[64];
    char queue[96], reference[96], disturbed[96];   /* databases */
    int64_t whole_us;           /* what an undisturbed run takes */
    int64_t next_fault[KINDS_MAX];
    int struck[KINDS_MAX], late[KINDS_MAX];
    int64_t kept;               /* segments that were done before a strike */
};

uint64_t crash_random(struct crash_random *r, uint64_t n)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (r->state * 0x2545f4914f6cdd1du >> 16) % n;
}

static void give_up(const char *what)
{
    fprintf(stderr, "crash: %s\n", what);
    exit(1);
}

/* ---- clips ---- */

static void make_y4m(const char *path, int seed, int frames)
{
    FILE *f = fopen(path, "wbe");
    if (!f)
        give_up(path);
    fputs("YUV4MPEG2 W64 H48 F10:1 Ip A1:1 C420jpeg\n", f);
    for (int frame = 0; frame < frames; frame++) {
        fputs("FRAME\n", f);
        for (int i = 0; i < 64 * 48 * 3 / 2; i++)
            fputc((seed * 31 + i * (1 + seed % 5) + frame * 3) & 0xff, f);
    }
    fclose(f);
}

static int real_clips(const char *data, char list[][256])
{
    static const char *const names[] = {
        "bear_vp9_odd.webm", "bird_mpeg4.avi", "face_av1.mp4", "face_bt601.mov", "fire2_rot180_vfr.mp4", "asl_walk.mkv",
        "phone_hevc_rot90_vfr_2tracks.mp4", "edge/face_mjpeg.avi", "edge/juggle_hevc.mkv", "edge/road_vfr_odd_641x361.webm",
        "edge/car_truncated.mp4", "edge/audio_only.mp4", "edge/not_a_video.mp4", "edge/zero_bytes.mp4",
    };
    int n = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(list[n], sizeof list[n], "%s/clips/%s", data, names[i]);
        n += !access(list[n], R_OK);
    }
    return n;
}

static int made_clips(const struct harness *h, char list[][256])
{
    int n = h->split ? LONG_CLIPS : MADE_CLIPS;
    for (int i = 0; i < n; i++) {
        snprintf(list[i], sizeof list[i], "%s/clip%d.y4m", h->folder, i);
        make_y4m(list[i], i, h->split ? LONG_FRAMES : MADE_FRAMES);
    }
    return n;
}

/* ---- programs ---- */

static int run_program(char *const argv[])
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        execv(argv[0], argv);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    FILE *in = fopen(from, "rbe"), *out = fopen(to, "wbe");
    if (!in || !out)
        give_up("cannot copy a database");
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0; )
        fwrite(bytes, 1, n, out);
    if (fclose(out))
        give_up("cannot copy a database");
    fclose(in);
}

static void remove_db(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[128];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        remove(name);
    }
}

static void submit(const struct harness *h)
{
    char list[CLIPS_MAX][256], model[256];
    const char *data = getenv("CLIPQ_DATA");
    data = data ? data : "../shared/data";
    int n = real_clips(data, list);
    snprintf(model, sizeof model, "%s/models/yunet_n_320_320.onnx", data);
    bool real = n > 0 && !access(model, R_OK);
    n = real ? n : made_clips(h, list);
    printf("%d %s clips\n", n, real ? "real" : "made");

    char *argv[CLIPS_MAX + 16] = {(char *) h->clipq, "submit", "-q", "--db", (char *) h->queue, "--every", "2", "--model",
                                  "builtin:scene"};
    int at = 9;
    if (real) {
        argv[at++] = "--model";
        argv[at++] = model;
    }
    for (int i = 0; i < n; i++)
        argv[at++] = list[i];
    int code = run_program(argv);
    if (code != 0 && code != 3)
        give_up("submit failed");
}

/* Without it until the reference is made; then, if it is wanted, with a file of its own, which a round begins without. The
 * folder of compiled kernels stays where it is. */
static void use_cache(const struct harness *h, bool on)
{
    char pocl[512];
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    setenv("CLIPQ_CACHE", on ? "disk" : "off", 1);
    if (!on)
        return;
    snprintf(pocl, sizeof pocl, xdg ? "%s/clipq/pocl" : "%s/.cache/clipq/pocl", xdg ? xdg : home ? home : "");
    setenv("POCL_CACHE_DIR", pocl, 0);
    setenv("XDG_CACHE_HOME", h->folder, 1);
}

static void clear_cache(const struct harness *h)
{
    char *argv[] = {(char *) h->clipq, "cache", "clear", "-q", NULL};
    if (run_program(argv))
        give_up("the cache cannot be cleared");
}

static const char *split_of(const struct harness *h) { return h->split ? "1" : "off"; }

/* `clipq work` until there is nothing left; several at once where the round has several. */
static bool finish(const struct harness *h, const char *db, const char *split)
{
    struct crash_run run = {.clipq = h->clipq, .db = db, .split = split, .n = h->supervisors};
    bool fine = true;
    crash_start(&run, NULL);
    crash_wait(&run);
    for (int i = 0; i < run.n; i++) {
        if (run.codes[i] != 0 && run.codes[i] != 3)
            fprintf(stderr, "undisturbed, clipq work ended with %d\n", run.codes[i]);
        fine = fine && (run.codes[i] == 0 || run.codes[i] == 3);
    }
    return fine;
}

static void make_reference(struct harness *h)
{
    copy_file(h->queue, h->reference);
    if (!finish(h, h->reference, "off") || !crash_same(h->reference, h->reference))
        give_up("the undisturbed run failed");
    /* Once more for its time: now everything is compiled. */
    copy_file(h->queue, h->disturbed);
    int64_t start = cq_now_ns();
    if (!finish(h, h->disturbed, split_of(h)) || !crash_same(h->reference, h->disturbed))
        give_up("two undisturbed runs differ");
    h->whole_us = (cq_now_ns() - start) / 1000;
    remove_db(h->disturbed);
    printf("an undisturbed run takes %.2f s\n", (double) h->whole_us / 1e6);
}

/* ---- rounds ---- */

static bool strike(struct harness *h, struct crash_run *run, const struct crash_disturbance *d, struct crash_random *random)
{
    crash_start(run, NULL);
    usleep((useconds_t) crash_random(random, (uint64_t) h->whole_us));
    h->kept += crash_keep(h->disturbed);
    bool in_time = d->strike(run, random);
    crash_wait(run);
    return in_time;
}

/* The fault's number grows by one from round to round until there is no such commit any more. */
static bool fail(struct harness *h, int kind, struct crash_run *run, const struct crash_disturbance *d)
{
    char fault[64];
    snprintf(fault, sizeof fault, "%s@%lld", d->fault, (long long) ++h->next_fault[kind]);
    crash_start(run, fault);
    crash_wait(run);
    bool in_time = run->codes[0] != 0 && run->codes[0] != 3;
    if (!in_time)
        h->next_fault[kind] = 0;
    return in_time;
}

/* What must hold right after the disturbance. */
static bool holds_at_once(const struct harness *h, const struct crash_disturbance *d, const struct crash_run *run)
{
    bool fine = crash_leases_end(h->disturbed, LEASE_MS);
    if (strcmp(d->name, "abort by signals") || run->n > 1 || run->codes[0] == 128 + SIGKILL)
        return fine;
    int64_t running = crash_count(h->disturbed, "running");
    if (running)
        fprintf(stderr, "%lld jobs are still leased after an abort\n", (long long) running);
    return fine && !running;
}

static bool play_round(struct harness *h, int kind, struct crash_random *random)
{
    const struct crash_disturbance *d = &crash_disturbances[kind];
    struct crash_run run = {.clipq = h->clipq, .db = h->disturbed, .split = split_of(h), .n = h->supervisors};
    copy_file(h->queue, h->disturbed);
    if (h->cache)
        clear_cache(h);
    bool in_time = d->strike ? strike(h, &run, d, random) : fail(h, kind, &run, d);
    h->struck[kind]++;
    h->late[kind] += !in_time;
    bool fine = holds_at_once(h, d, &run) && finish(h, h->disturbed, split_of(h)) && crash_same(h->reference, h->disturbed) &&
                (!d->strike || crash_kept(h->disturbed));
    if (fine || !h->keep)
        remove_db(h->disturbed);
    return fine;
}

static int play(struct harness *h)
{
    int kinds = 0, failed = 0;
    while (crash_disturbances[kinds].name)
        kinds++;
    for (int round = 0; round < h->rounds && !(failed && h->keep); round++) {
        struct crash_random random = {(h->seed + (uint64_t) round + 1) * 0x9e3779b97f4a7c15u};
        int kind = round % kinds;
        if (play_round(h, kind, &random))
            continue;
        failed++;
        printf("FAILED: round %d of seed %llu: %s\n", round, (unsigned long long) h->seed, crash_disturbances[kind].name);
    }
    for (int kind = 0; kind < kinds; kind++)
        printf("%-20s %4d rounds, %d too late\n", crash_disturbances[kind].name, h->struck[kind], h->late[kind]);
    printf("%d rounds of %d supervisor%s: %d failed\n", h->rounds, h->supervisors, h->supervisors == 1 ? "" : "s", failed);
    if (h->split)
        printf("%lld segments were done before a strike\n", (long long) h->kept);
    return failed;
}

/* ---- arguments ---- */

static int64_t number_after(int argc, char **argv, int *i, int64_t least, int64_t most)
{
    char *end = argv[*i];
    int64_t n = *i + 1 < argc ? strtoll(argv[*i + 1], &end, 10) : 0;
    if (*end || n < least || n > most)
        give_up("--rounds, --seed and --supervisors take a number");
    ++*i;
    return n;
}

static void read_arguments(struct harness *h, int argc, char **argv)
{
    if (argc < 2)
        give_up("usage: crash PROGRAM [--rounds N] [--seed S] [--supervisors N] [--split] [--keep]");
    h->clipq = realpath(argv[1], NULL);
    if (!h->clipq)
        give_up("there is no such program");
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--rounds"))
            h->rounds = (int) number_after(argc, argv, &i, 1, 1000000);
        else if (!strcmp(argv[i], "--seed"))
            h->seed = (uint64_t) number_after(argc, argv, &i, 0, INT64_MAX);
        else if (!strcmp(argv[i], "--supervisors"))
            h->supervisors = (int) number_after(argc, argv, &i, 1, CRASH_SUPERVISORS);
        else if (!strcmp(argv[i], "--split"))
            h->split = true;
        else if (!strcmp(argv[i], "--cache"))
            h->cache = true;
        else if (!strcmp(argv[i], "--keep"))
            h->keep = true;
        else
            give_up("an option that it does not know; --rounds, --seed, --supervisors, --split, --cache, --keep");
    }
}

int main(int argc, char **argv)
{
    struct harness h = {.rounds = 25, .supervisors = 1, .seed = 1, .folder = "/tmp/clipq-crash-XXXXXX"};
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_arguments(&h, argc, argv);
    if (!mkdtemp(h.folder))
        give_up("cannot make a folder in /tmp");
    snprintf(h.queue, sizeof h.queue, "%s/queue.db", h.folder);
    snprintf(h.reference, sizeof h.reference, "%s/reference.db", h.folder);
    snprintf(h.disturbed, sizeof h.disturbed, "%s/disturbed.db", h.folder);
    submit(&h);
    use_cache(&h, false);
    make_reference(&h);
    use_cache(&h, h.cache);
    int failed = play(&h);
    if (failed && h.keep) {
        printf("the databases are in %s\n", h.folder);
    } else {
        char *argv_rm[] = {"/bin/rm", "-rf", h.folder, NULL};
        run_program(argv_rm);
    }
    free((char *) h.clipq);
    return failed != 0;
}

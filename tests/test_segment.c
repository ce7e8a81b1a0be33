/* Segments: cut where decoding can begin, foretold exactly, and together the whole clip: the same frames, times, numbers
 * and pixels. On clips made by the ffmpeg program in many codecs, kinds of groups and containers, on real ones, and on the
 * files given as arguments instead.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <xxhash.h>

#include "stages/media/clip.h"
#include "stages/media/probe.h"
#include "stages/media/scan.h"
#include "stages/media/segment.h"
#include "stages/media/source.h"
#include "tests/media_make.h"

enum { MAX_FRAMES = 8000 };

struct seen {
    int64_t pts, ordinal;
    uint64_t pixels;
};

struct run {
    int n;
    struct seen frames[MAX_FRAMES];
    struct clip_end end;        /* of the newest decode() */
};

static struct run whole, pieces;

static const struct sample_spec specs[] = {
    {.every = 1}, {.every = 7}, {.every = 7, .from_s = 1.7, .to_s = 9.3}, {.every = 3, .from_s = 6.2},
    {.mode = SAMPLE_FPS, .fps = 1}, {.mode = SAMPLE_FPS, .fps = 12.5}, {.mode = SAMPLE_FPS, .fps = 0.9, .from_s = 1.3, .to_s = 7.1},
};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

static uint64_t pixels_of(const AVFrame *f)
{
    static uint8_t data[1 << 22];
    int size = av_image_copy_to_buffer(data, sizeof data, (const uint8_t *const *) f->data, f->linesize, f->format, f->width,
                                       f->height, 1);
    assert_true(size > 0);
    return XXH64(data, (size_t) size, 0);
}

/* Adds to `run`. */
static void decode(const char *path, const struct probe *p, const struct sample_spec *spec, const struct segment *part,
                   struct run *run)
{
    const struct clip_params params = {.path = path, .stream_index = p->stream_index, .sample = *spec, .segment = part};
    struct clip *c;
    struct clip_frame f;
    assert_int_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    while (!clip_next(c, &f)) {
        assert_true(run->n < MAX_FRAMES);
        run->frames[run->n++] = (struct seen) {f.pts, f.ordinal, pixels_of(f.picture)};
    }
    clip_get_end(c, &run->end);
    clip_close(&c);
}

static void scan(const char *path, const struct probe *p, struct scan *out)
{
    const struct source_want want = {path, p->stream_index, p->size, p->mtime_ns};
    assert_int_equal(scan_clip(&want, NULL, NULL, out), CQ_OK);
}

static void check_part(const char *path, int i, const struct segment *part)
{
    const struct clip_end *e = &pieces.end;
    if (e->failure || e->counted != part->frames || e->digest != part->digest || e->sampled != part->sampled)
        print_error("%s, segment %d: %lld frames and %lld sampled, foretold %lld and %lld; %s\n", path, i, (long long) e->counted,
                    (long long) e->sampled, (long long) part->frames, (long long) part->sampled, e->message);
    assert_int_equal(e->failure, FAIL_NONE);
    assert_int_equal(e->counted, part->frames);
    assert_int_equal(e->digest, part->digest);
    assert_int_equal(e->sampled, part->sampled);
}

static int plan(const struct scan *s, const struct sample_spec *spec, double longest_s, int at_once, struct segment *out)
{
    return segments_plan(s, spec, &(struct segment_wish) {longest_s, at_once}, out);
}

/* Segments that it was cut into, each decoded by itself, in any order. */
static int check_spec(const char *path, const struct probe *p, const struct scan *s, const struct sample_spec *spec, double longest_s)
{
    static struct segment parts[SEGMENTS_MAX];
    int n = plan(s, spec, longest_s, 2, parts);
    whole.n = pieces.n = 0;
    decode(path, p, spec, NULL, &whole);
    for (int i = 0; i < n; i++) {
        assert_int_equal(parts[i].first_seq, pieces.n);
        decode(path, p, spec, &parts[i], &pieces);
        check_part(path, i, &parts[i]);
    }
    for (int i = 0; n > 1 && i < whole.n; i++) {
        const struct seen *a = &whole.frames[i], *b = &pieces.frames[i];
        bool same = i < pieces.n && a->pts == b->pts && a->ordinal == b->ordinal && a->pixels == b->pixels;
        if (!same)
            print_error("%s: frame %lld at %lld is another, %lld at %lld\n", path, (long long) a->ordinal, (long long) a->pts,
                        (long long) b->ordinal, (long long) b->pts);
        assert_true(same);
    }
    assert_true(n < 2 || whole.n == pieces.n);
    return n;
}

static int check_clip(const char *path, double longest_s)
{
    struct probe p;
    struct scan s;
    int least = SEGMENTS_MAX;
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    scan(path, &p, &s);
    for (int i = 0; i < N_SPECS; i++) {
        int n = check_spec(path, &p, &s, &specs[i], longest_s);
        least = n < least ? n : least;
    }
    scan_finish(&s);
    return least;
}

static const struct {
    const char *encoder, *options;
    const char *file;
    bool splits;
} made[] = {
    {"libx264", "-g 25 -bf 3 -b_strategy 0", "x264_b.mp4", true},
    {"libx264", "-g 25 -bf 3 -b_strategy 0", "x264_b.ts", true},
    {"libx264", "-g 3 -bf 2 -b_strategy 0", "x264_shortest.mp4", true},
    {"libx264", "-g 250 -bf 4", "x264_one_group.mp4", false},
    {"libx264", "-g 30 -bf 3 -x264-params open-gop=1", "x264_open.mkv", false},
    {"libx264", "-g 40 -x264-params intra-refresh=1", "x264_refresh.ts", false},
    {"libx264", "-g 20 -bf 2 -vf select='not(mod(floor(n*n/7)\\,3))' -vsync vfr", "x264_vfr.mp4", true},
    {"libx264", "-g 25 -bf 2 -movflags frag_keyframe+empty_moov", "x264_fragments.mp4", true},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none:bframes=3", "x265_open.mp4", false},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none:open-gop=0:bframes=3", "x265_closed.mp4", true},
    {"mpeg4", "-g 12 -bf 2 -flags cgop -sc_threshold 1000000000", "mpeg4.mp4", true},
    {"mpeg4", "-g 12 -bf 2", "mpeg4.avi", false},
    {"mpeg2video", "-g 12 -bf 2 -flags cgop -sc_threshold 1000000000", "mpeg2.ts", true},
    {"libvpx", "-g 25 -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10", "vp8.webm", true},
    {"libvpx-vp9", "-g 25 -deadline realtime -cpu-used 8", "vp9.webm", true},
    {"libvpx-vp9", "-g 25 -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16", "vp9_hidden.mp4", true},
    {"libsvtav1", "-g 25 -preset 12", "av1.mkv", true},
    {"mjpeg", "", "mjpeg.mov", true},
};

static void segments_are_the_clip(void **state)
{
    (void) state;
    int tried = 0;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        const char *path = make_path(made[i].file);
        char command[8192];
        snprintf(command, sizeof command, "ffmpeg -nostdin -v quiet -y -f lavfi -i testsrc2=s=128x72:r=25:d=10 -f lavfi -i sine=d=10 "
                 "-pix_fmt yuv420p -threads 1 -c:v %s %s '%s' >/dev/null 2>&1", made[i].encoder, made[i].options, path);
        if (system(command)) {
            print_message("skipped: %s, for ffmpeg does not make it\n", made[i].file);
            continue;
        }
        int n = check_clip(path, 2);
        if (made[i].splits != (n >= 2))
            print_error("%s: %d segments\n", made[i].file, n);
        assert_true(made[i].splits == (n >= 2));
        tried++;
        remove(path);
    }
    if (!tried)
        skip();
}

static void real_clips_are_their_segments(void **state)
{
    (void) state;
    static const struct { const char *name; bool splits; } real[] = {
        {"one-by-one-person-detection.mp4", true}, {"sam2_dog.mp4", true}, {"fire2_rot180_vfr.mp4", false},
        {"edge/face_mjpeg.avi", true}, {"edge/car_truncated.mp4", false}, {"edge/juggle_hevc.mkv", false},
    };
    for (size_t i = 0; i < sizeof real / sizeof real[0]; i++) {
        char name[128];
        struct probe p;
        struct scan s;
        snprintf(name, sizeof name, "clips/%s", real[i].name);
        const char *path = make_data_path(name);
        if (!path)
            skip();
        assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
        scan(path, &p, &s);
        int n = check_spec(path, &p, &s, &specs[1], p.duration_s / 3);
        print_message("%s: %d segments, %s\n", name, n, s.why);
        assert_true(real[i].splits == (n >= 2));
        scan_finish(&s);
    }
}

/* ---- where it is cut ---- */

/* `n` frames of a unit each, a cut every `group`. */
static void regular(struct scan *s, int n, int group)
{
    *s = (struct scan) {.tb = 1, .n = n, .pts = malloc((size_t) n * sizeof *s->pts),
                        .cuts = malloc((size_t) n * sizeof *s->cuts)};
    assert_true(s->pts && s->cuts);
    for (int i = 0; i < n; i++)
        s->pts[i] = i + 10;
    for (int i = group; i < n; i += group)
        s->cuts[s->n_cuts++] = i;
}

static void pieces_are_about_even(void **state)
{
    (void) state;
    static struct segment parts[SEGMENTS_MAX];
    struct scan s;
    regular(&s, 1000, 10);
    assert_int_equal(plan(&s, &specs[0], 999, 2, parts), 0);           /* not longer than that */
    assert_int_equal(plan(&s, &specs[0], 500, 2, parts), 2);
    assert_int_equal(parts[1].from_pts, 510);
    assert_int_equal(parts[0].to_pts, 510);
    assert_int_equal(plan(&s, &specs[0], 400, 2, parts), 4);           /* three, but two can be decoded at once */
    assert_int_equal(plan(&s, &specs[0], 900, 64, parts), 11);         /* tenths of 900 s are fine enough */
    assert_int_equal(plan(&s, &specs[0], 1, 2, parts), 100);           /* as many as there are cuts */
    for (int i = 0; i < 100; i++)
        assert_int_equal(parts[i].frames, 10);
    scan_finish(&s);

    regular(&s, 1000, 700);
    assert_int_equal(plan(&s, &specs[0], 100, 2, parts), 2);
    assert_int_equal(parts[0].frames, 700);
    assert_int_equal(plan(&s, &(struct sample_spec) {.mode = SAMPLE_KEYFRAMES}, 100, 2, parts), 0);
    scan_finish(&s);

    regular(&s, 100000, 1);
    assert_int_equal(plan(&s, &specs[0], 1, 2, parts), SEGMENTS_MAX);
    scan_finish(&s);
}

static void only_the_range_is_cut(void **state)
{
    (void) state;
    static struct segment parts[SEGMENTS_MAX];
    struct scan s;
    regular(&s, 1000, 10);
    const struct sample_spec spec = {.every = 3, .from_s = 333, .to_s = 555};
    int n = plan(&s, &spec, 100, 1, parts);
    assert_int_equal(n, 3);
    assert_int_equal(parts[0].from_pts, 340);
    assert_int_equal(parts[0].first_ordinal, -1);       /* as in a clip that is entered by seeking */
    assert_int_equal(parts[0].first_seq, 0);
    assert_int_equal(parts[n - 1].to_pts, 570);
    assert_int_equal(parts[n - 1].first_seq + parts[n - 1].sampled, (555 - 333) / 3);
    scan_finish(&s);
}

static void damage_ends_the_prediction(void **state)
{
    (void) state;
    const struct make_stream m = {"mpeg4", AV_PIX_FMT_YUV420P, 64, 48, .frames = 100, .gop = 10};
    static struct segment parts[SEGMENTS_MAX];
    struct scan s;
    struct probe p;
    const char *path = make_path("damaged.mp4");
    make_clip(path, &m, 1, NULL);
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    scan(path, &p, &s);
    assert_int_equal(plan(&s, &specs[0], 2, 2, parts), 2);
    scan_finish(&s);

    pieces.n = 0;
    parts[1].from_pts++;                                 /* no packet is there */
    struct clip *c;
    const struct clip_params params = {.path = path, .stream_index = p.stream_index, .sample = specs[0], .segment = &parts[1]};
    assert_int_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    struct clip_frame f;
    assert_int_equal(clip_next(c, &f), CQ_EOF);
    clip_get_end(c, &pieces.end);
    assert_int_equal(pieces.end.failure, FAIL_DECODE_ERROR);
    clip_close(&c);

    make_cut(make_path("cut.mp4"), path, -100);          /* its index is gone, or its end */
    const struct source_want want = {.path = make_path("cut.mp4"), .stream_index = 0};
    assert_int_equal(scan_clip(&want, NULL, NULL, &s), CQ_OK);
    assert_string_not_equal(s.why, "");
    assert_int_equal(plan(&s, &specs[0], 2, 2, parts), 0);
    scan_finish(&s);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("%s: %d segments\n", argv[i], check_clip(argv[i], 2));
    if (argc > 1)
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_the_clip),
        cmocka_unit_test(real_clips_are_their_segments),
        cmocka_unit_test(pieces_are_about_even),
        cmocka_unit_test(only_the_range_is_cut),
        cmocka_unit_test(damage_ends_the_prediction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

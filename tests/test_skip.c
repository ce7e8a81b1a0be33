/* Sampling leaves out what it does not need and gives the frames that decoding everything gives: the same times,
 * numbers and pixels. On clips made by the ffmpeg program, in many codecs, kinds of groups and containers, and on the
 * files given as arguments instead.
 */
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
#include "tests/media_make.h"

enum { MAX_FRAMES = 8000 };

struct seen {
    int64_t pts, ordinal;
    double time_s;
    bool keyframe;
    uint64_t pixels;
};

struct run {
    int n;
    struct seen *frames;     /* [MAX_FRAMES] */
    struct clip_end end;
};

static const struct sample_spec specs[] = {
    {.mode = SAMPLE_KEYFRAMES},
    {.every = 2}, {.every = 7, .from_s = 0.7, .to_s = 6}, {.every = 100},
    {.mode = SAMPLE_FPS, .fps = 1}, {.mode = SAMPLE_FPS, .fps = 12.5}, {.mode = SAMPLE_FPS, .fps = 0.3},
    {.mode = SAMPLE_FPS, .fps = 0.9, .from_s = 1.3, .to_s = 7.1}, {.mode = SAMPLE_FPS, .fps = 3, .from_s = 6.2},
    {.mode = SAMPLE_FPS, .fps = 0.05},
};
enum { N_SPECS = sizeof specs / sizeof specs[0] };

static uint64_t pixels_of(const AVFrame *f)
{
    int size = av_image_get_buffer_size(f->format, f->width, f->height, 1);
    assert_true(size > 0);
    uint8_t *data = malloc((size_t) size);
    assert_non_null(data);
    assert_true(av_image_copy_to_buffer(data, size, (const uint8_t *const *) f->data, f->linesize, f->format, f->width,
                                        f->height, 1) == size);
    uint64_t hash = XXH64(data, (size_t) size, 0);
    free(data);
    return hash;
}

static void decode(const char *path, const struct sample_spec *spec, int threads, bool everything, struct run *run)
{
    struct probe p;
    assert_int_equal(probe_file(NULL, path, &p), CQ_OK);
    const struct clip_params params = {
        .path = path, .stream_index = p.stream_index, .sample = *spec, .threads = threads,
        .decode_all = everything,
    };
    struct clip *c;
    struct clip_frame f;
    run->n = 0;
    assert_int_equal(clip_open(NULL, &params, &c, NULL), CQ_OK);
    while (!clip_next(c, &f)) {
        assert_true(run->n < MAX_FRAMES);
        run->frames[run->n++] = (struct seen) {f.pts, f.ordinal, f.time_s, f.keyframe, pixels_of(f.picture)};
    }
    clip_get_end(c, &run->end);
    clip_close(&c);
}

static bool is_same(const struct seen *a, const struct seen *b, const struct sample_spec *spec)
{
    bool numbered = spec->mode != SAMPLE_KEYFRAMES && spec->from_s <= 5;
    return a->pts == b->pts && a->pixels == b->pixels && a->keyframe == b->keyframe &&
           b->ordinal == (numbered ? a->ordinal : -1);
}

static void tell_difference(const char *path, int nth, const struct seen *want, const struct seen *got)
{
    print_error("%s, spec %d: frame %d at %f %s\n", path, nth, (int) want->ordinal, want->time_s,
                !got                             ? "is missing"
                : got->pts != want->pts          ? "has another time"
                : got->pixels != want->pixels    ? "has other pixels"
                : got->keyframe != want->keyframe ? "is a key frame no more, or now"
                                                 : "has another number");
}

/* decode_all leaves the choice as it is. */
static void check_everything(const char *path, int nth, const struct run *all, struct run *some)
{
    int n = some->n;
    int64_t last_pts = n ? some->frames[n - 1].pts : 0;
    decode(path, &specs[nth], 1, true, some);
    assert_int_equal(some->n, n);
    assert_true(!n || some->frames[n - 1].pts == last_pts);
    assert_true(specs[nth].to_s > 0 || some->end.decoded == all->end.decoded);
}

/* Frames decoded. */
static int64_t check_spec(const char *path, int nth, int threads, const struct run *all, struct run *some)
{
    struct sampler s;
    int n = 0;
    sampler_init(&s, &specs[nth]);
    decode(path, &specs[nth], threads, false, some);
    for (int i = 0; i < all->n; i++) {
        const struct seen *f = &all->frames[i];
        if (sampler_show(&s, f->time_s, f->keyframe) != SAMPLE_TAKE)
            continue;
        bool same = n < some->n && is_same(f, &some->frames[n], &specs[nth]);
        if (!same)
            tell_difference(path, nth, f, n < some->n ? &some->frames[n] : NULL);
        assert_true(same);
        n++;
    }
    assert_int_equal(some->n, n);
    return some->end.decoded;
}

static void check_clip(const char *path, int first, int64_t decoded[N_SPECS + 1])
{
    struct run all = {.frames = calloc(MAX_FRAMES, sizeof *all.frames)};
    struct run some = {.frames = calloc(MAX_FRAMES, sizeof *some.frames)};
    assert_true(all.frames && some.frames);
    decode(path, &(struct sample_spec) {.every = 1}, 1, false, &all);
    decoded[N_SPECS] = all.end.decoded;
    for (int i = first; i < N_SPECS; i++) {
        decoded[i] = check_spec(path, i, 1, &all, &some);
        check_everything(path, i, &all, &some);
        check_spec(path, i, 3, &all, &some);
    }
    free(all.frames);
    free(some.frames);
}

static const struct {
    const char *encoder, *options;
    const char *file;
    bool saves;       /* at 0.3 frames a second less than two thirds of the frames are decoded */
} made[] = {
    {"libx264", "-g 25 -bf 3 -b_strategy 0", "x264_b.mp4", true},
    {"libx264", "-g 10 -bf 2", "x264_short.mkv", true},
    {"libx264", "-g 25 -bf 3 -b_strategy 0", "x264_b.ts", true},
    {"libx264", "-g 250 -bf 4 -b_strategy 0 -x264-params b-pyramid=normal", "x264_pyramid.mp4", true},
    {"libx264", "-g 30 -bf 3 -x264-params open-gop=1", "x264_open.mkv", false},
    {"libx264", "-g 30 -bf 3 -x264-params open-gop=1", "x264_open.ts", false},
    {"libx264", "-g 30 -bf 3 -x264-params open-gop=1", "x264_open.mp4", false},
    {"libx264", "-g 20 -bf 0 -tune zerolatency", "x264_no_b.mp4", true},
    {"libx264", "-g 40 -x264-params intra-refresh=1", "x264_refresh.ts", false},
    {"libx264", "-g 25 -flags +ildct+ilme", "x264_fields.mp4", false},
    {"libx264", "-g 20 -bf 2 -vf select='not(mod(floor(n*n/7)\\,3))' -vsync vfr", "x264_vfr.mp4", true},
    {"libx264", "-g 25 -bf 2 -movflags frag_keyframe+empty_moov", "x264_fragments.mp4", true},
    {"libx265", "-g 25 -x265-params log-level=none", "x265.mp4", false},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none:open-gop=0:bframes=3", "x265_closed.mp4", true},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none:open-gop=0:bframes=3", "x265_closed.ts", true},
    {"libx265", "-g 250 -preset ultrafast -x265-params log-level=none:bframes=4:b-adapt=0:b-pyramid=1", "x265_b.mkv", true},
    {"libx265", "-g 50 -preset ultrafast -x265-params log-level=none:bframes=4:b-adapt=0:temporal-layers=1", "x265_layers.mp4",
     false},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none:open-gop=0:radl=2:bframes=3", "x265_radl.mp4", true},
    {"mpeg4", "-g 12 -bf 3 -b_strategy 0", "mpeg4.mp4", true},
    {"mpeg4", "-g 12 -bf 0", "mpeg4_no_b.mkv", false},
    {"mpeg4", "-g 12 -bf 2", "mpeg4.avi", false},
    {"mpeg2video", "-g 12 -bf 2", "mpeg2.ts", true},
    {"mpeg2video", "-g 12 -bf 2", "mpeg2.mkv", true},
    {"mpeg2video", "-g 12 -bf 2 -flags +ildct+ilme", "mpeg2_fields.ts", false},
    {"mpeg2video", "-g 12 -bf 0", "mpeg2_no_b.mp4", false},
    {"libvpx", "-g 25 -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10", "vp8.webm", false},
    {"libvpx", "-g 25 -deadline realtime -cpu-used 8", "vp8_shown.webm", true},
    {"libvpx-vp9", "-g 25 -deadline realtime -cpu-used 8", "vp9.webm", true},
    {"libvpx-vp9", "-g 50 -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16", "vp9_hidden.mp4", true},
    {"libsvtav1", "-g 25 -preset 12", "av1.mkv", true},
    {"libsvtav1", "-g 25 -preset 12", "av1.mp4", true},
    {"libaom-av1", "-g 25 -cpu-used 8 -usage realtime", "aom.webm", true},
    {"mjpeg", "-q:v 5", "mjpeg.mov", true},
    {"mjpeg", "-q:v 5", "mjpeg.avi", true},
    {"prores", "", "prores.mov", true},
    {"dnxhd", "-profile:v dnxhr_lb -vf scale=320:180,format=yuv422p", "dnxhr.mov", true},
};

static void chosen_frames_are_those_of_decoding_everything(void **state)
{
    (void) state;
    int tried = 0;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        const char *path = make_path(made[i].file);
        char command[8192];
        snprintf(command, sizeof command, "ffmpeg -nostdin -v quiet -y -f lavfi -i testsrc2=s=160x90:r=25:d=12 "
                 "-pix_fmt yuv420p -threads 1 -c:v %s %s '%s' >/dev/null 2>&1", made[i].encoder, made[i].options, path);
        if (system(command)) {
            print_message("skipped: %s, for ffmpeg does not make it\n", made[i].file);
            continue;
        }
        int64_t decoded[N_SPECS + 1];
        check_clip(path, 0, decoded);
        tried++;
        if (made[i].saves && decoded[6] * 3 > decoded[N_SPECS] * 2)
            print_error("%s: %lld of %lld frames decoded\n", made[i].file, (long long) decoded[6],
                        (long long) decoded[N_SPECS]);
        assert_true(!made[i].saves || decoded[6] * 3 < decoded[N_SPECS] * 2);
        remove(path);
    }
    if (!tried)
        skip();
}

static void report(const char *path)
{
    int64_t decoded[N_SPECS + 1];
    check_clip(path, 0, decoded);
    printf("%s: the same; of %lld frames decoded", path, (long long) decoded[N_SPECS]);
    for (int i = 0; i < N_SPECS; i++)
        printf(" %lld", (long long) decoded[i]);
    printf("\n");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        report(argv[i]);
    if (argc > 1)
        return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_frames_are_those_of_decoding_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

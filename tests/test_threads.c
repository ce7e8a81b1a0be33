/* More decoder threads are faster and nothing else: a whole clip gives the same frames, numbers and pixels with one and
 * with several. A damaged one may not, but then its end is doubtful.
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

enum { MAX_FRAMES = 400, DAMAGES = 10 };

struct seen {
    int64_t pts, ordinal;
    bool keyframe;
    uint64_t pixels;
};

struct run {
    int n;
    struct seen frames[MAX_FRAMES];
    struct clip_end end;
};

static struct run one, many;

static const struct sample_spec specs[] = {{.every = 1}, {.mode = SAMPLE_FPS, .fps = 3}};

static uint64_t pixels_of(const AVFrame *f)
{
    static uint8_t data[1 << 20];
    int size = av_image_copy_to_buffer(data, sizeof data, (const uint8_t *const *) f->data, f->linesize, f->format, f->width,
                                       f->height, 1);
    assert_true(size > 0);
    return XXH64(data, (size_t) size, 0);
}

static void decode(const char *path, const struct sample_spec *spec, int threads, struct run *run)
{
    const struct clip_params params = {.path = path, .sample = *spec, .threads = threads};
    struct clip *c;
    struct clip_frame f;
    *run = (struct run) {0};
    if (clip_open(NULL, &params, &c, &run->end))
        return;
    while (!clip_next(c, &f)) {
        assert_true(run->n < MAX_FRAMES);
        run->frames[run->n++] = (struct seen) {
            .pts = f.pts, .ordinal = f.ordinal, .keyframe = f.keyframe, .pixels = pixels_of(f.picture),
        };
    }
    clip_get_end(c, &run->end);
    clip_close(&c);
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->pts == b->pts && a->ordinal == b->ordinal && a->keyframe == b->keyframe && a->pixels == b->pixels;
}

static bool are_same(const struct run *a, const struct run *b)
{
    bool same = a->n == b->n && a->end.failure == b->end.failure && a->end.errors == b->end.errors &&
                a->end.counted == b->end.counted && a->end.digest == b->end.digest;
    for (int i = 0; same && i < a->n; i++)
        same = is_same(&a->frames[i], &b->frames[i]);
    return same;
}

static void check_whole(const char *path)
{
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        decode(path, &specs[i], 1, &one);
        assert_true(one.n > 0 && !one.end.errors);
        for (int threads = 2; threads <= 8; threads *= 2) {
            decode(path, &specs[i], threads, &many);
            if (!are_same(&one, &many))
                print_error("%s: %d frames with one thread, %d others with %d\n", path, one.n, many.n, threads);
            assert_true(are_same(&one, &many) && !many.end.doubtful);
        }
    }
}

/* A stretch of other bytes somewhere behind the head; which and where follow from `nth`. */
static void damage(const char *from, const char *to, int nth)
{
    int64_t size = make_size(from);
    uint8_t *data = malloc((size_t) size);
    FILE *f = fopen(from, "rb");
    assert_true(data && f && fread(data, 1, (size_t) size, f) == (size_t) size);
    fclose(f);
    uint64_t dice = XXH64(&nth, sizeof nth, 1);
    int64_t head = size / 8, at = head + (int64_t) (dice % (uint64_t) (size - 2 * head));
    for (int64_t i = 0; i < 1 << nth % 9; i++)
        data[at + i] ^= (uint8_t) (XXH64(&i, sizeof i, dice) | 1);
    make_file(to, data, size);
    free(data);
}

static void check_damaged(const char *path, const char *file)
{
    char name[64];
    snprintf(name, sizeof name, "damaged_%s", file);
    const char *damaged = make_path(name);
    for (int nth = 0; nth < DAMAGES; nth++) {
        damage(path, damaged, nth);
        for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
            decode(damaged, &specs[i], 1, &one);
            decode(damaged, &specs[i], 3, &many);
            bool same = are_same(&one, &many);
            if (!same && !many.end.doubtful)
                print_error("%s, damage %d, spec %d: several threads give other frames and say nothing\n", file, nth, (int) i);
            assert_true(!one.end.doubtful);
            assert_true(same || many.end.doubtful);
        }
    }
    remove(damaged);
}

static const struct {
    const char *encoder, *options, *file;
} made[] = {
    {"libx264", "-g 25 -bf 3", "x264.mp4"},
    {"libx264", "-g 50 -bf 2 -x264-params slices=4", "x264_slices.mkv"},
    {"libx265", "-g 25 -preset ultrafast -x265-params log-level=none", "x265.mp4"},
    {"libvpx", "-g 25 -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10", "vp8.webm"},
    {"libvpx-vp9", "-g 50 -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16", "vp9.webm"},
    {"libsvtav1", "-g 25 -preset 12", "av1.mkv"},
    {"mpeg4", "-g 12 -bf 2", "mpeg4.mp4"},
    {"mpeg2video", "-g 12 -bf 2", "mpeg2.ts"},
    {"mjpeg", "-q:v 5", "mjpeg.avi"},
    {"prores", "", "prores.mov"},
    {"ffv1", "", "ffv1.mkv"},
};

static void threads_change_no_frame(void **state)
{
    (void) state;
    int tried = 0;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        const char *path = make_path(made[i].file);
        char command[8192];
        snprintf(command, sizeof command, "ffmpeg -nostdin -v quiet -y -f lavfi -i testsrc2=s=160x90:r=25:d=4 "
                 "-pix_fmt yuv420p -threads 1 -c:v %s %s '%s' >/dev/null 2>&1", made[i].encoder, made[i].options, path);
        if (system(command)) {
            print_message("skipped: %s, for ffmpeg does not make it\n", made[i].file);
            continue;
        }
        check_whole(path);
        check_damaged(path, made[i].file);
        tried++;
        remove(path);
    }
    if (!tried)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_no_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

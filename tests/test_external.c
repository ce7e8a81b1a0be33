/* A movie whose samples lie in another file, as QuickTime allows: nothing of that file is read. So that this proves
 * something, libavformat itself, asked to follow, finds the pictures there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libavcodec/packet.h>
#include <libavformat/avformat.h>

#include "stages/media/clip.h"
#include "stages/media/probe.h"
#include "tests/media_make.h"

enum { BIG = 1 << 20, FRAMES = 10, ENTRY = 12 + 150 + 4 + 8 + 4 };

static uint8_t movie[BIG];
static int64_t size;

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t) (v >> (24 - 8 * i));
}

static uint8_t *find_box(uint8_t *from, uint8_t *to, const char *type)
{
    for (uint8_t *p = from; p + 8 <= to && get32(p) >= 8; p += get32(p))
        if (!memcmp(p + 4, type, 4))
            return p;
    fail_msg("no %s", type);
    return NULL;
}

/* A Macintosh alias to a file beside this one: a fixed part, then its path (type 2), then the end (type -1). */
static void put_alias(uint8_t *e, const char name[8])
{
    memset(e, 0, ENTRY);
    put32(e, ENTRY);
    memcpy(e + 4, "alis", 4);
    uint8_t *levels = e + 12 + 10 + 28 + 12 + 64 + 16, *tail = e + 12 + 150;
    levels[1] = levels[3] = 1;          /* one up, one down */
    tail[1] = 2;
    tail[3] = 8;
    memcpy(tail + 4, name, 8);
    tail[12] = tail[13] = 0xff;
}

/* In the place of "the samples lie here". All boxes around it grow. The index lies behind the samples, none of which
 * moves; of those in this file nothing is left. */
static void refer_to(const char name[8])
{
    static const char *const around[] = {"moov", "trak", "mdia", "minf", "dinf", "dref"};
    uint8_t *p = movie, *end = movie + size;
    for (int i = 0; i < 6; i++) {
        p = find_box(p, end, around[i]);
        end = p + get32(p);
        put32(p, get32(p) + ENTRY - 12);
        p += 8;
    }
    p += 8;                             /* version, number of entries */
    assert_int_equal(get32(p), 12);
    memmove(p + ENTRY, p + 12, (size_t) (movie + size - p - 12));
    put_alias(p, name);
    size += ENTRY - 12;
    uint8_t *samples = find_box(movie, movie + size, "mdat");
    memset(samples + 8, 0, get32(samples) - 8);
}

static void make_movies(void)
{
    const struct make_stream s = {.encoder = "mpeg4", .pixel_format = AV_PIX_FMT_YUV420P, .w = 64, .h = 48, .frames = FRAMES};
    make_clip(make_path("full.mov"), &s, 1, NULL);
    FILE *f = fopen(make_path("full.mov"), "rb");
    assert_non_null(f);
    size = (int64_t) fread(movie, 1, BIG - ENTRY, f);
    fclose(f);
    refer_to("full.mov");
    make_file(make_path("empty.mov"), movie, size);
}

/* Packets with something in them that libavformat itself brings. */
static int packets_of(const char *path, bool follow)
{
    AVFormatContext *format = NULL;
    AVDictionary *options = NULL;
    AVPacket *packet = av_packet_alloc();
    int n = 0;
    av_dict_set(&options, "enable_drefs", follow ? "1" : "0", 0);
    assert_true(avformat_open_input(&format, path, NULL, &options) >= 0);
    while (av_read_frame(format, packet) >= 0) {
        n += packet->size > 3 && !memcmp(packet->data, "\0\0\1", 3);     /* a start code */
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    av_dict_free(&options);
    avformat_close_input(&format);
    return n;
}

static void nothing_is_read_from_it(void **state)
{
    (void) state;
    struct probe p;
    struct clip *c;
    struct clip_frame frame;
    struct clip_end end;
    make_movies();
    assert_int_equal(packets_of(make_path("full.mov"), false), FRAMES);
    assert_int_equal(packets_of(make_path("empty.mov"), true), FRAMES);
    assert_int_equal(probe_file(NULL, make_path("full.mov"), &p), CQ_OK);
    assert_int_equal(p.failure, FAIL_NONE);

    assert_int_equal(probe_file(NULL, make_path("empty.mov"), &p), CQ_OK);
    const struct clip_params params = {.path = make_path("empty.mov"), .sample = {.mode = SAMPLE_EVERY, .every = 1}};
    if (!clip_open(NULL, &params, &c, &end)) {
        assert_int_equal(clip_next(c, &frame), CQ_EOF);
        clip_get_end(c, &end);
        clip_close(&c);
    }
    assert_int_equal(end.failure, FAIL_DECODE_ERROR);
    assert_int_equal(end.decoded, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_read_from_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

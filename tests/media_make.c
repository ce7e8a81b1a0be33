/* Encoding and muxing with libav, the short way: any failure fails the test. */
#include "tests/media_make.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

static char folder[64];

static void remove_folder(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder);
}

const char *make_folder(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/clipq-test-XXXXXX");
        assert_non_null(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

static char *path_buffer(void)
{
    static char buffers[8][4096];
    static int next;
    return buffers[next++ % 8];
}

const char *make_path(const char *name)
{
    char *path = path_buffer();
    snprintf(path, 4096, "%s/%s", make_folder(), name);
    return path;
}

const char *make_data_path(const char *name)
{
    const char *data = getenv("CLIPQ_DATA");
    char *path = path_buffer();
    snprintf(path, 4096, "%s/%s", data && *data ? data : "../shared/data", name);
    return access(path, R_OK) ? NULL : path;
}

int64_t make_size(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

void make_file(const char *path, const void *data, int64_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, (size_t) size, f), size);
    assert_int_equal(fclose(f), 0);
}

void make_cut(const char *path, const char *from, int64_t size)
{
    int64_t all = make_size(from);
    size = size < 0 ? all + size : size;
    assert_true(size <= all);
    uint8_t *data = malloc((size_t) all);
    FILE *f = fopen(from, "rb");
    assert_true(data && f);
    assert_int_equal(fread(data, 1, (size_t) all, f), all);
    fclose(f);
    make_file(path, data, size);
    free(data);
}

void make_sound(const char *path)
{
    static const uint8_t head[44] = "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x8\0"
                                    "data\x40\x1f\0";
    uint8_t wav[44 + 8000];
    memcpy(wav, head, 44);
    memset(wav + 44, 128, 8000);
    make_file(path, wav, sizeof wav);
}

static void draw(AVFrame *f, int i)
{
    assert_true(av_frame_make_writable(f) >= 0);
    for (int plane = 0; plane < AV_NUM_DATA_POINTERS && f->data[plane]; plane++) {
        int rows = plane && f->format == AV_PIX_FMT_YUV420P ? (f->height + 1) / 2 : f->height;
        int value = plane && f->format != AV_PIX_FMT_RGB24 ? 128 : 32 + i * 5 % 192;
        for (int y = 0; y < rows; y++)
            memset(f->data[plane] + y * f->linesize[plane], value, (size_t) abs(f->linesize[plane]));
    }
    for (int y = 0; y < f->height / 4; y++)
        memset(f->data[0] + y * f->linesize[0], 230, (size_t) f->width / 4);
}

static AVCodecContext *open_encoder(const struct make_stream *m, bool global_header)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(m->encoder);
    AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
    assert_non_null(c);
    c->width = m->w;
    c->height = m->h;
    c->pix_fmt = m->pixel_format;
    c->time_base = m->tb_den ? (AVRational) {m->tb_num, m->tb_den} : (AVRational) {1, 25};
    c->gop_size = m->gop ? m->gop : 12;
    c->max_b_frames = m->b_frames;
    c->sample_aspect_ratio = (AVRational) {m->sar_num, m->sar_den ? m->sar_den : 1};
    c->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    c->thread_count = 1;
    if (global_header)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    assert_true(avcodec_open2(c, codec, NULL) >= 0);
    return c;
}

static AVStream *add_stream(AVFormatContext *format, const struct make_stream *m, const AVCodecContext *c)
{
    AVStream *st = avformat_new_stream(format, NULL);
    assert_non_null(st);
    assert_true(avcodec_parameters_from_context(st->codecpar, c) >= 0);
    st->time_base = c->time_base;
    st->sample_aspect_ratio = c->sample_aspect_ratio;
    st->disposition = m->disposition;
    if (m->matrix) {
        uint8_t *side = av_stream_new_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof m->matrix[0]);
        assert_non_null(side);
        memcpy(side, m->matrix, 9 * sizeof m->matrix[0]);
    }
    return st;
}

static void write_packets(AVFormatContext *format, const AVStream *st, AVCodecContext *c)
{
    AVPacket *packet = av_packet_alloc();
    assert_non_null(packet);
    while (avcodec_receive_packet(c, packet) >= 0) {
        packet->stream_index = st->index;
        packet->duration = 1;
        av_packet_rescale_ts(packet, c->time_base, st->time_base);
        assert_true(av_interleaved_write_frame(format, packet) >= 0);
    }
    av_packet_free(&packet);
}

static void encode(AVFormatContext *format, const AVStream *st, AVCodecContext *c, const struct make_stream *m)
{
    AVFrame *f = av_frame_alloc();
    assert_non_null(f);
    f->format = m->pixel_format;
    f->width = m->w;
    f->height = m->h;
    assert_true(av_frame_get_buffer(f, 0) >= 0);
    for (int i = 0; i < m->frames; i++) {
        draw(f, i);
        f->pts = m->pts ? m->pts[i] : i;
        assert_true(avcodec_send_frame(c, f) >= 0);
        write_packets(format, st, c);
    }
    avcodec_send_frame(c, NULL);
    write_packets(format, st, c);
    av_frame_free(&f);
}

void make_clip(const char *path, const struct make_stream *streams, int n_streams, const char *muxer_options)
{
    AVFormatContext *format = NULL;
    AVCodecContext *encoders[4] = {0};
    AVDictionary *options = NULL;
    assert_true(n_streams <= 4);
    av_log_set_level(AV_LOG_ERROR);
    assert_true(avformat_alloc_output_context2(&format, NULL, NULL, path) >= 0);
    for (int i = 0; i < n_streams; i++) {
        encoders[i] = open_encoder(&streams[i], format->oformat->flags & AVFMT_GLOBALHEADER);
        add_stream(format, &streams[i], encoders[i]);
    }
    if (muxer_options)
        assert_true(av_dict_parse_string(&options, muxer_options, "=", ":", 0) >= 0);
    assert_true(avio_open(&format->pb, path, AVIO_FLAG_WRITE) >= 0);
    assert_true(avformat_write_header(format, &options) >= 0);
    for (int i = 0; i < n_streams; i++)
        encode(format, format->streams[i], encoders[i], &streams[i]);
    assert_true(av_write_trailer(format) >= 0);
    avio_closep(&format->pb);
    for (int i = 0; i < n_streams; i++)
        avcodec_free_context(&encoders[i]);
    avformat_free_context(format);
    av_dict_free(&options);
}

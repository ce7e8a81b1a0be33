/* Small clips for the tests of stages/media, encoded on the spot, so that no clip is kept in the repository. */
#ifndef CLIPQ_TESTS_MEDIA_MAKE_H
#define CLIPQ_TESTS_MEDIA_MAKE_H

#include <stdint.h>

struct make_stream {
    const char *encoder;    /* "mpeg4", "mjpeg", "png", "ffv1" */
    int pixel_format;       /* AV_PIX_FMT_* */
    int w, h;
    int frames;
    int tb_num, tb_den;     /* time base; 0/0: 1/25 */
    const int64_t *pts;     /* [frames] in the time base; NULL: 0, 1, 2... */
    int gop;                /* 0: 12 */
    int b_frames;
    int sar_num, sar_den;   /* 0/0: unknown */
    const int32_t *matrix;  /* display matrix; NULL: none */
    int disposition;        /* AV_DISPOSITION_* */
};

/* The container goes by the path's extension; `muxer_options` is "key=value:key=value" or NULL. Frame i is a flat
 * grey of luma 32 + i*5 % 192 with a bright square in the left top. Fails the running test when it cannot. */
void make_clip(const char *path, const struct make_stream *streams, int n_streams, const char *muxer_options);

/* A second of silence as WAV. */
void make_sound(const char *path);
void make_file(const char *path, const void *data, int64_t size);

/* The first `size` bytes of `from`; a negative size leaves out that many at the end. */
void make_cut(const char *path, const char *from, int64_t size);
int64_t make_size(const char *path);

/* A fresh folder, removed with all files in it when the program ends. */
const char *make_folder(void);

/* "FOLDER/NAME" in one of eight static buffers. */
const char *make_path(const char *name);

/* "DATA/NAME" where the real clips are ($CLIPQ_DATA or ../shared/data), likewise; NULL where they are absent. */
const char *make_data_path(const char *name);

#endif

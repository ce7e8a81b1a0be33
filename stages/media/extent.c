/* Walks only the outermost level: a handful of reads for most files, one per fragment at worst. */
#include "stages/media/extent.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>

enum { MAX_BOXES = 1 << 20, FRAME_LINE = 6 };

static uint64_t big_endian(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static bool read_at(int fd, uint8_t *out, size_t size, int64_t pos)
{
    return pread(fd, out, size, pos) == (ssize_t) size;
}

static bool is_type(const uint8_t *p, const char *types)
{
    for (; *types; types += 4)
        if (!memcmp(p, types, 4))
            return true;
    return false;
}

/* ISO/IEC 14496-12, 4.2. What follows the boxes that carry media may be padding or a camera's own data, so an
 * overrun counts only in those. */
static int64_t claimed_by_boxes(int fd, int64_t size)
{
    int64_t pos = 0;
    uint8_t head[16];
    for (int i = 0; i < MAX_BOXES && size - pos >= 16 && read_at(fd, head, sizeof head, pos); i++) {
        uint64_t length = big_endian(head, 4);
        if (length == 1)
            length = big_endian(head + 8, 8);
        if (length < 8 || length > INT64_MAX / 2)
            return 0;
        if ((int64_t) length > size - pos)
            return is_type(head + 4, "mdatmoovmoof") ? pos + (int64_t) length : 0;
        pos += (int64_t) length;
    }
    return 0;
}

/* RFC 8794, 4: a size of all ones is unknown. Bytes used, 0 when malformed or unknown. */
static int element_size(const uint8_t *p, int64_t *size)
{
    int bytes = 1;
    while (bytes <= 8 && !(p[0] & 0x80 >> (bytes - 1)))
        bytes++;
    if (bytes > 8)
        return 0;
    uint64_t mask = (UINT64_C(1) << 7 * bytes) - 1;
    uint64_t v = big_endian(p, bytes) & mask;
    *size = (int64_t) v;
    return v == mask ? 0 : bytes;
}

static int64_t claimed_by_segment(int fd)
{
    uint8_t head[12];
    int64_t length;
    if (!read_at(fd, head, sizeof head, 0))
        return 0;
    int bytes = element_size(head + 4, &length);
    if (!bytes || length > 1 << 20)
        return 0;
    int64_t pos = 4 + bytes + length;
    if (!read_at(fd, head, sizeof head, pos) || memcmp(head, "\x18\x53\x80\x67", 4))
        return 0;
    bytes = element_size(head + 4, &length);
    return bytes ? pos + 4 + bytes + length : 0;
}

/* OpenDML files have several RIFF chunks. A recorder that died leaves the length 0 or all ones: no claim. */
static int64_t claimed_by_riff(int fd, int64_t size)
{
    int64_t pos = 0;
    uint8_t head[12];
    while (pos < size && read_at(fd, head, sizeof head, pos) && is_type(head, "RIFF")) {
        int64_t length = head[4] | head[5] << 8 | head[6] << 16 | (int64_t) head[7] << 24;
        if (!length || length >= UINT32_MAX - 8)
            return 0;
        pos += 8 + length + (length & 1);
    }
    return pos > size + 1 ? pos : 0;
}

int64_t extent_claimed(int fd, int64_t size)
{
    uint8_t head[12];
    if (!read_at(fd, head, sizeof head, 0))
        return 0;
    int64_t claimed = 0;
    if (!memcmp(head, "\x1a\x45\xdf\xa3", 4))
        claimed = claimed_by_segment(fd);
    else if (is_type(head, "RIFF") && is_type(head + 8, "AVI "))
        claimed = claimed_by_riff(fd, size);
    else if (is_type(head + 4, "ftypmoovmdatfreeskipwidepnotstypsidxmoof"))
        claimed = claimed_by_boxes(fd, size);
    return claimed > size ? claimed : 0;
}

static int64_t indexed_by_samples(AVStream *st)
{
    int64_t end = 0;
    int n = avformat_index_get_entries_count(st);
    for (int i = 0; i < n; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(st, i);
        if (e && e->pos + e->size > end)
            end = e->pos + e->size;
    }
    return end;
}

/* YUV4MPEG2: a line of header, then frames of one size, each after a line of its own. Where those lines have parameters
 * nothing is known: the last one does not stand where it should. */
static int64_t indexed_by_frame_size(int fd, int64_t size, const AVCodecParameters *par)
{
    uint8_t head[256];
    int image = av_image_get_buffer_size(par->format, par->width, par->height, 1);
    const uint8_t *end = size >= (int64_t) sizeof head && read_at(fd, head, sizeof head, 0) ? memchr(head, '\n', sizeof head) : NULL;
    if (image <= 0 || !end)
        return 0;
    int64_t first = end + 1 - head, step = FRAME_LINE + image;
    int64_t last = first + (size - 1 - first) / step * step;
    if (size - last < FRAME_LINE)
        return last + step;                 /* cut in the line itself */
    return read_at(fd, head, FRAME_LINE, last) && is_type(head, "FRAM") && head[5] == '\n' ? last + step : 0;
}

int64_t extent_indexed(const struct AVFormatContext *format, int stream, int fd, int64_t size)
{
    AVStream *st = format->streams[stream];
    if (!strncmp(format->iformat->name, "mov,", 4))
        return indexed_by_samples(st);
    if (!strcmp(format->iformat->name, "yuv4mpegpipe"))
        return indexed_by_frame_size(fd, size, st->codecpar);
    return 0;
}

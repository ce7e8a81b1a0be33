/* The file under a clip, and libavformat on top of it with every other way out closed. */
#include "stages/media/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>

enum { IO_BUFFER = 32 << 10, BRIEF_BYTES = 1 << 20 };

/* libav has one callback for the whole process; which object a message belongs to is read off its context, so
 * that no global of ours is needed. Contexts without an owner (parsers, scalers) are not listened to. */
static struct av_text *text_of(void *av)
{
    const AVClass *class = av ? *(const AVClass **) av : NULL;
    if (class && class == avformat_get_class())
        return ((AVFormatContext *) av)->opaque;
    if (class && class == avcodec_get_class())
        return ((AVCodecContext *) av)->opaque;
    return NULL;
}

/* To standard error too, for whoever asks what a decoder said before it died. */
static void say(void *av, const char *text)
{
    char line[sizeof ((struct av_text *) 0)->last + 64];
    int n = snprintf(line, sizeof line, "%.50s: %s\n", (*(const AVClass **) av)->item_name(av), text);
    (void) !write(STDERR_FILENO, line, (size_t) n);      /* fits: both parts are bounded */
}

static void keep_error(void *av, int level, const char *fmt, va_list args)
{
    struct av_text *t = level <= AV_LOG_ERROR ? text_of(av) : NULL;
    char text[sizeof t->last];
    if (!t)
        return;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    pthread_mutex_lock(&t->lock);
    bool again = !strcmp(t->last, text);
    memcpy(t->last, text, sizeof text);
    pthread_mutex_unlock(&t->lock);
    if (!again)
        say(av, text);
}

/* What decoders paint over damage is no error to them. */
static void note_decoder(void *av, int level, const char *fmt)
{
    bool odd = level <= AV_LOG_ERROR || !strncmp(fmt, "concealing ", strlen("concealing "));
    struct av_text *t = odd && av && *(const AVClass **) av == avcodec_get_class() ? text_of(av) : NULL;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->decoder_spoke = true;
    pthread_mutex_unlock(&t->lock);
}

static void hear(void *av, int level, const char *fmt, va_list args)
{
    note_decoder(av, level, fmt);
    keep_error(av, level, fmt, args);
}

static void listen_to_libav(void)
{
    av_log_set_callback(hear);
}

bool source_heard_decoder(struct source *s)
{
    pthread_mutex_lock(&s->text.lock);
    bool heard = s->text.decoder_spoke;
    pthread_mutex_unlock(&s->text.lock);
    return heard;
}

void source_explain(struct source *s, const char *doing, int av_error, char *message, int message_size)
{
    char said[sizeof s->text.last];
    pthread_mutex_lock(&s->text.lock);
    memcpy(said, s->text.last, sizeof said);
    s->text.last[0] = '\0';
    pthread_mutex_unlock(&s->text.lock);

    char code[AV_ERROR_MAX_STRING_SIZE] = "";
    if (av_error)
        av_strerror(av_error, code, sizeof code);
    snprintf(message, (size_t) message_size, "%s%s%s%s%s%s", doing, said[0] || code[0] ? ": " : "", said,
             said[0] && code[0] ? " (" : "", code, said[0] && code[0] ? ")" : "");
}

static int read_file(void *opaque, uint8_t *data, int size)
{
    struct source *s = opaque;
    ssize_t n;
    do
        n = pread(s->fd, data, (size_t) size, s->pos);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (!s->io_error)
            s->io_error = errno;
        return AVERROR(errno);
    }
    s->pos += n;
    return n ? (int) n : AVERROR_EOF;
}

static int64_t seek_file(void *opaque, int64_t offset, int whence)
{
    struct source *s = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return s->size;
    int64_t base = whence == SEEK_CUR ? s->pos : whence == SEEK_END ? s->size : 0;
    if (offset < -base)
        return AVERROR(EINVAL);
    s->pos = base + offset;
    return s->pos;
}

static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void) format, (void) url, (void) flags, (void) options;
    *io = NULL;
    return AVERROR(EPERM);
}

static enum failure failure_of_open(int why)
{
    switch (why) {
    case ENOENT: case ENOTDIR: case EACCES: case EPERM: case ELOOP: case ENAMETOOLONG:
        return FAIL_VANISHED;
    default:
        return FAIL_IO;
    }
}

static void init(struct source *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, listen_to_libav);

    *s = (struct source) {.fd = -1, .own.fd = -1};
    pthread_mutex_init(&s->text.lock, NULL);
}

static enum failure take_file(struct source *s, const struct clip_file *file, char *message, int message_size)
{
    if (file->fd < 0) {
        snprintf(message, (size_t) message_size, "cannot open: %s%s", file->folder_gone ? "its folder is gone: " : "",
                 strerror(file->why));
        return file->folder_gone ? FAIL_IO : failure_of_open(file->why);
    }
    s->fd = file->fd;
    s->size = file->size;
    s->mtime_ns = file->mtime_ns;
    if (!file->regular) {
        snprintf(message, (size_t) message_size, "not a regular file");
        return FAIL_NOT_MEDIA;
    }
    if (!file->size) {
        snprintf(message, (size_t) message_size, "the file has no bytes");
        return FAIL_EMPTY;
    }
    return FAIL_NONE;
}

static void close_format(struct source *s)
{
    avformat_close_input(&s->format);
    if (s->io)
        av_freep(&s->io->buffer);
    avio_context_free(&s->io);
}

enum failure source_init_file(struct source *s, const struct clip_file *file, char *message, int message_size)
{
    init(s);
    return take_file(s, file, message, message_size);
}

static enum failure init_path(struct source *s, const char *path, char *message, int message_size)
{
    init(s);
    clip_file_open(path, &s->own);
    return take_file(s, &s->own, message, message_size);
}

void source_finish(struct source *s)
{
    close_format(s);
    clip_file_close(&s->own);
    s->fd = -1;
    pthread_mutex_destroy(&s->text.lock);
}

static int prepare(struct source *s, enum source_effort effort)
{
    s->pos = 0;
    uint8_t *buffer = av_malloc(IO_BUFFER);
    s->io = buffer ? avio_alloc_context(buffer, IO_BUFFER, 0, s, read_file, NULL, seek_file) : NULL;
    if (!s->io) {
        av_free(buffer);
        return AVERROR(ENOMEM);
    }
    s->format = avformat_alloc_context();
    if (!s->format)
        return AVERROR(ENOMEM);
    s->format->pb = s->io;
    s->format->opaque = &s->text;
    s->format->io_open = refuse_open;
    /* Demuxers that open others hand this list on; no protocol has such a name. */
    s->format->protocol_whitelist = av_strdup("none");
    if (!s->format->protocol_whitelist)
        return AVERROR(ENOMEM);
    if (effort == SOURCE_BRIEF) {
        s->format->probesize = BRIEF_BYTES;
        s->format->fps_probe_size = 0;
    }
    return 0;
}

enum failure source_open_format(struct source *s, enum source_effort effort, char *message, int message_size)
{
    close_format(s);
    int av = prepare(s, effort);
    if (av >= 0)
        av = avformat_open_input(&s->format, "clip", NULL, NULL);   /* some demuxers cannot do without a name */
    if (av >= 0)
        av = avformat_find_stream_info(s->format, NULL);
    if (av >= 0)
        return FAIL_NONE;

    if (s->io_error) {
        snprintf(message, (size_t) message_size, "reading failed: %s", strerror(s->io_error));
        return FAIL_IO;
    }
    source_explain(s, "not a media file that can be read", av, message, message_size);
    return av == AVERROR(ENOMEM) ? FAIL_INTERNAL : FAIL_NOT_MEDIA;
}

static bool is_as_probed(const struct source *s, const struct source_want *want)
{
    return !want->size || (s->size == want->size && s->mtime_ns == want->mtime_ns);
}

enum failure source_open_stream(struct source *s, const struct source_want *want, char *message, int message_size)
{
    enum failure f = want->file ? source_init_file(s, want->file, message, message_size)
                                : init_path(s, want->path, message, message_size);
    if (!f && !is_as_probed(s, want)) {
        snprintf(message, (size_t) message_size, "size or time of change differs (%" PRId64 " bytes now); submit it again",
                 s->size);
        f = FAIL_CHANGED;
    }
    /* The full look costs some ms, but a decoder that is not told how far frames are reordered loses the first. */
    if (!f)
        f = source_open_format(s, SOURCE_FULL, message, message_size);
    if (f)
        return f;

    int index = want->stream_index;
    if (index < 0 || index >= (int) s->format->nb_streams ||
        s->format->streams[index]->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) {
        snprintf(message, (size_t) message_size, "stream %d is not a video stream; submit it again", index);
        return FAIL_CHANGED;
    }
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        s->format->streams[i]->discard = (int) i == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    return FAIL_NONE;
}

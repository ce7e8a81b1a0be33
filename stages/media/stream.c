/* Comparing the video streams of a file by what their headers claim: frames, then seconds, then their order. */
#include "stages/media/stream.h"

#include <stdbool.h>
#include <stdio.h>

#include <libavformat/avformat.h>

/* Matroska has the duration of a single stream only as a tag, "00:00:08.720000000". */
static double tagged_duration(const AVStream *st)
{
    const AVDictionaryEntry *tag = av_dict_get(st->metadata, "DURATION", NULL, AV_DICT_IGNORE_SUFFIX);
    int hours, minutes;
    double seconds;
    if (!tag || sscanf(tag->value, "%d:%d:%lf", &hours, &minutes, &seconds) != 3)
        return 0;
    seconds += hours * 3600.0 + minutes * 60.0;
    return seconds > 0 ? seconds : 0;
}

static double own_duration(const AVStream *st)
{
    return st->duration > 0 ? (double) st->duration * av_q2d(st->time_base) : tagged_duration(st);
}

double stream_duration(const struct AVFormatContext *format, int index)
{
    double seconds = own_duration(format->streams[index]);
    if (seconds > 0)
        return seconds;
    return format->duration > 0 ? (double) format->duration / AV_TIME_BASE : 0;
}

/* 0 when the header gives no way to tell. */
static double claimed_frames(const AVStream *st)
{
    if (st->nb_frames > 0)
        return (double) st->nb_frames;
    if (st->avg_frame_rate.num > 0 && st->avg_frame_rate.den > 0)
        return own_duration(st) * av_q2d(st->avg_frame_rate);
    return 0;
}

static bool is_better(const AVStream *a, const AVStream *b)
{
    double frames_a = claimed_frames(a), frames_b = claimed_frames(b);
    if (frames_a > 0 && frames_b > 0 && frames_a != frames_b)
        return frames_a > frames_b;
    return own_duration(a) > own_duration(b);
}

static void explain(const struct AVFormatContext *format, struct stream_choice *c)
{
    const AVStream *st = format->streams[c->index];
    double frames = claimed_frames(st), seconds = own_duration(st);
    if (c->video_streams == 1)
        snprintf(c->reason, sizeof c->reason, "the only video stream%s",
                 c->attached ? " beside attached pictures" : "");
    else if (frames > 0)
        snprintf(c->reason, sizeof c->reason, "most frames (about %.0f) of %d video streams", frames,
                 c->video_streams);
    else if (seconds > 0)
        snprintf(c->reason, sizeof c->reason, "longest (%.1f s) of %d video streams", seconds, c->video_streams);
    else
        snprintf(c->reason, sizeof c->reason, "first of %d video streams, whose lengths are unknown",
                 c->video_streams);
}

struct stream_choice stream_choose(const struct AVFormatContext *format)
{
    struct stream_choice c = {.index = -1};
    for (unsigned i = 0; i < format->nb_streams; i++) {
        const AVStream *st = format->streams[i];
        if (st->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
            continue;
        if (st->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) {
            c.attached++;
            continue;
        }
        c.video_streams++;
        if (c.index < 0 || is_better(st, format->streams[c.index]))
            c.index = (int) i;
    }
    if (c.index >= 0)
        explain(format, &c);
    return c;
}

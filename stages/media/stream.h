/* Which of a file's video streams is the clip.
 *
 * Phones and cameras write several, all marked as default: thumbnails of full size at one frame a second, covers,
 * timed previews. The one with the most frames is what was filmed.
 *
 * Thread-safety: reads the context it is given.
 */
#ifndef CLIPQ_STAGES_MEDIA_STREAM_H
#define CLIPQ_STAGES_MEDIA_STREAM_H

struct AVFormatContext;

struct stream_choice {
    int index;          /* -1: there is no video stream */
    int video_streams;  /* attached pictures not counted */
    int attached;       /* attached pictures */
    char reason[128];   /* in words */
};

struct stream_choice stream_choose(const struct AVFormatContext *format);

/* Seconds of one stream, else of the file; 0 when neither is known. */
double stream_duration(const struct AVFormatContext *format, int index);

#endif

/* Why a clip failed: the class decides whether it is tried again. The names stand in the database (reason). */
#ifndef CLIPQ_STAGES_FAILURE_H
#define CLIPQ_STAGES_FAILURE_H

#include <stdbool.h>

/*  id, name, retried? , text */
#define FAILURES(X)                                                                                    \
    X(NONE,              "",                  false, "no failure")                                     \
    X(NOT_MEDIA,         "not_media",         false, "not a media file, or damaged beyond reading")    \
    X(EMPTY,             "empty",             false, "the file has no bytes")                          \
    X(NO_VIDEO,          "no_video_stream",   false, "no video stream")                                \
    X(UNSUPPORTED_CODEC, "unsupported_codec", false, "no decoder for this codec in this build")        \
    X(DECODE_ERROR,      "decode_error",      false, "not one frame could be decoded")                 \
    X(TRUNCATED,         "truncated",         false, "ends before its header says; decoded part kept") \
    X(DAMAGED,           "damaged",           false, "errors inside; decodable frames kept")           \
    X(IO,                "io",                true,  "reading failed")                                 \
    X(VANISHED,          "vanished",          true,  "the file is gone or may not be read")            \
    X(CHANGED,           "changed",           false, "the file is not the one that was submitted")     \
    X(CRASH,             "crash",             true,  "the decoder crashed")                            \
    X(HANG,              "hang",              true,  "no frame for too long")                          \
    X(MODEL,             "model",             false, "the model cannot run")                           \
    X(DEVICE,            "device",            true,  "the OpenCL device failed")                       \
    X(OUT_OF_MEMORY,     "out_of_memory",     false, "not even one frame fits")                        \
    X(INTERNAL,          "internal",          true,  "a defect in clipq")

enum failure {
#define X(id, name, retried, text) FAIL_##id,
    FAILURES(X)
#undef X
    FAIL_COUNT
};

const char *failure_name(enum failure f);   /* "no_video_stream" */
const char *failure_text(enum failure f);
bool failure_is_retried(enum failure f);
enum failure failure_by_name(const char *name);   /* FAIL_INTERNAL when unknown */

#endif

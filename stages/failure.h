/* Why a clip failed: the class decides whether it is tried again. The names stand in the database (reason). */
#ifndef CLIPQ_STAGES_FAILURE_H
#define CLIPQ_STAGES_FAILURE_H

/*  id, name, rule, text */
#define FAILURES(X)                                                                                         \
    X(NONE,              "",                  FINAL,       "no failure")                                    \
    X(NOT_MEDIA,         "not_media",         FINAL,       "not a media file, or damaged beyond reading")   \
    X(EMPTY,             "empty",             FINAL,       "the file has no bytes")                         \
    X(NO_VIDEO,          "no_video_stream",   FINAL,       "no video stream")                               \
    X(UNSUPPORTED_CODEC, "unsupported_codec", FINAL,       "no decoder for this codec in this build")       \
    X(DECODE_ERROR,      "decode_error",      FINAL,       "not one frame could be decoded")                \
    X(TRUNCATED,         "truncated",         FINAL,       "ends before its header says; decoded part kept")\
    X(DAMAGED,           "damaged",           FINAL,       "errors inside; decodable frames kept")          \
    X(IO,                "io",                AGAIN,       "reading failed")                                \
    X(VANISHED,          "vanished",          AGAIN,       "the file is gone or may not be read")           \
    X(CHANGED,           "changed",           FINAL,       "the file is not the one that was submitted")    \
    X(CRASH,             "crash",             QUARANTINE,  "the decoder crashed")                           \
    X(HANG,              "hang",              QUARANTINE,  "no frame for too long")                         \
    X(MODEL,             "model",             FINAL,       "the model cannot run")                          \
    X(DEVICE,            "device",            AGAIN,       "the OpenCL device failed")                      \
    X(OUT_OF_MEMORY,     "out_of_memory",     FINAL,       "not even one frame fits")                       \
    X(INTERNAL,          "internal",          AGAIN,       "a defect in clipq")

enum failure {
#define X(id, name, rule, text) FAIL_##id,
    FAILURES(X)
#undef X
    FAIL_COUNT
};

/* What a failure means for its clip; the store of the runner has the numbers. */
enum failure_rule {
    FAILURE_FINAL,          /* trying again would bring the same */
    FAILURE_AGAIN,          /* it may pass: again after a pause, so many times */
    FAILURE_QUARANTINE      /* it takes a process down: once more at most */
};

const char *failure_name(enum failure f);   /* "no_video_stream" */
const char *failure_text(enum failure f);
enum failure_rule failure_rule(enum failure f);
enum failure failure_by_name(const char *name);   /* FAIL_INTERNAL when unknown */

#endif

/* The messages between the supervisor and its decode workers and engines: their kinds and what bounds them. Framing is
 * runner/wire.h's; each talk has a header of its own (messages_decode.h, messages_engine.h).
 *
 * Every msg_get_* checks what it reads (counts, enums, lengths, numbers that later divide or index), because a
 * worker that parses untrusted media is not to be trusted afterwards: CQ_PROTOCOL, and the sender is killed.
 * Pointers in what was read point into the message.
 */
#ifndef CLIPQ_RUNNER_MESSAGES_H
#define CLIPQ_RUNNER_MESSAGES_H

enum msg_type {
    MSG_JOB = 1, MSG_GRANT, MSG_FRAME, MSG_ALIVE, MSG_END,
    MSG_SETUP, MSG_HELLO, MSG_MODEL, MSG_READY, MSG_INFER, MSG_RESULT, MSG_CHOICES,
    MSG_SEGMENTS, MSG_TUNED
};

enum { MSG_PATH = 4096, MSG_TEXT = 512 };
#endif

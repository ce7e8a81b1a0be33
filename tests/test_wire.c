/* Framing: what goes in comes out, byte by byte too, and nothing malformed gets through. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/wire.h"

static struct cq_buf text_body(const char *text)
{
    struct cq_buf b = {0};
    cq_put_str(&b, text);
    return b;
}

static void feeds_byte_by_byte(void **state)
{
    (void) state;
    struct cq_buf stream = {0}, body = text_body("hello");
    wire_pack(&stream, 7, &body);
    wire_pack(&stream, 8, NULL);
    assert_int_equal(stream.err, CQ_OK);

    struct wire_in in = {0};
    struct wire_msg msg;
    int got = 0;
    for (size_t i = 0; i < stream.size; i++) {
        assert_int_equal(wire_in_feed(&in, stream.data + i, 1), CQ_OK);
        enum cq_err err = wire_in_next(&in, &msg);
        if (err == CQ_AGAIN)
            continue;
        assert_int_equal(err, CQ_OK);
        assert_int_equal(msg.type, 7 + got);
        if (!got)
            assert_string_equal(cq_get_str(&msg.body), "hello");
        else
            assert_int_equal(msg.body.size, 0);
        got++;
    }
    assert_int_equal(got, 2);
    wire_in_finish(&in);
    cq_buf_finish(&stream);
    cq_buf_finish(&body);
}

static enum cq_err first_of(const void *bytes, size_t size)
{
    struct wire_in in = {0};
    struct wire_msg msg;
    assert_int_equal(wire_in_feed(&in, bytes, size), CQ_OK);
    enum cq_err err = wire_in_next(&in, &msg);
    wire_in_finish(&in);
    return err;
}

static void refuses_malformed_headers(void **state)
{
    (void) state;
    struct { uint32_t size; uint16_t version, type; } h = {4, WIRE_VERSION, 1};
    assert_int_equal(first_of(&h, sizeof h), CQ_OK);
    h.size = 3;
    assert_int_equal(first_of(&h, sizeof h), CQ_PROTOCOL);
    h.size = WIRE_MAX + 1;
    assert_int_equal(first_of(&h, sizeof h), CQ_PROTOCOL);
    h.size = 4, h.version = WIRE_VERSION + 1;
    assert_int_equal(first_of(&h, sizeof h), CQ_PROTOCOL);
}

/* Random bytes must give messages, "more", or an error, and never read outside (sanitizers look on). */
static void survives_noise(void **state)
{
    (void) state;
    unsigned seed = 12345;
    for (int round = 0; round < 2000; round++) {
        struct wire_in in = {0};
        struct wire_msg msg;
        uint8_t bytes[64];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = (seed >> 16) % 3 ? 0 : (uint8_t) (seed >> 20);
        }
        bytes[4] = WIRE_VERSION, bytes[5] = 0, bytes[2] = bytes[3] = 0;
        assert_int_equal(wire_in_feed(&in, bytes, sizeof bytes), CQ_OK);
        while (wire_in_next(&in, &msg) == CQ_OK)
            while (!msg.body.err)
                cq_get_str(&msg.body);
        wire_in_finish(&in);
    }
}

static void too_large_is_not_sent(void **state)
{
    (void) state;
    struct cq_buf body = {.size = WIRE_MAX}, out = {0};
    wire_pack(&out, 1, &body);
    assert_int_equal(out.err, CQ_INVALID);
    assert_int_equal(out.size, 0);
    cq_buf_finish(&out);
}

enum { BIG = 3 << 20, MESSAGES = 20 };

static void *send_many(void *arg)
{
    struct wire w;
    wire_init(&w, *(int *) arg);
    struct cq_buf body = {0};
    for (int i = 0; i < MESSAGES; i++) {
        cq_buf_clear(&body);
        cq_put_i32(&body, i);
        for (int k = 0; i % 5 == 0 && k < BIG / 4; k++)
            cq_put_i32(&body, i * k);
        if (wire_send(&w, (uint16_t) i, &body))
            break;
    }
    cq_buf_finish(&body);
    wire_finish(&w);
    close(*(int *) arg);
    return NULL;
}

static void crosses_a_socket(void **state)
{
    (void) state;
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, send_many, &fd[1]), 0);
    struct wire w;
    struct wire_msg msg;
    wire_init(&w, fd[0]);
    for (int i = 0; i < MESSAGES; i++) {
        assert_int_equal(wire_receive(&w, &msg), CQ_OK);
        assert_int_equal(msg.type, i);
        assert_int_equal(cq_get_i32(&msg.body), i);
        assert_int_equal(msg.body.size, i % 5 ? 4 : 4 + BIG);
    }
    assert_int_equal(wire_receive(&w, &msg), CQ_EOF);
    pthread_join(t, NULL);
    wire_finish(&w);
    close(fd[0]);
}

static void poll_tells_waiting_from_closed(void **state)
{
    (void) state;
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    struct wire a, b;
    struct wire_msg msg;
    wire_init(&a, fd[0]);
    wire_init(&b, fd[1]);
    assert_int_equal(wire_poll(&b, 0), CQ_AGAIN);
    assert_int_equal(wire_send(&a, 1, NULL), CQ_OK);
    assert_int_equal(wire_send(&a, 2, NULL), CQ_OK);
    assert_int_equal(wire_poll(&b, 1000), CQ_OK);
    assert_int_equal(wire_receive(&b, &msg), CQ_OK);
    assert_int_equal(wire_poll(&b, 0), CQ_OK);
    assert_int_equal(wire_receive(&b, &msg), CQ_OK);
    assert_int_equal(msg.type, 2);

    /* Half a message, then the end: that is no clean end. */
    assert_int_equal(write(fd[0], "\4", 1), 1);
    close(fd[0]);
    assert_int_equal(wire_receive(&b, &msg), CQ_PROTOCOL);
    assert_int_equal(wire_send(&b, 1, NULL), CQ_IO);
    wire_finish(&a);
    wire_finish(&b);
    close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeds_byte_by_byte),
        cmocka_unit_test(refuses_malformed_headers),
        cmocka_unit_test(survives_noise),
        cmocka_unit_test(too_large_is_not_sent),
        cmocka_unit_test(crosses_a_socket),
        cmocka_unit_test(poll_tells_waiting_from_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

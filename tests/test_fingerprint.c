/* Fingerprints: the same for the same bytes, another for another size or another byte in a block that is read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stages/media/fingerprint.h"
#include "tests/media_make.h"

static const char *of_file(const char *path)
{
    static char text[4][FINGERPRINT_SIZE];
    static int next;
    char *out = text[next++ % 4];
    int64_t size, mtime_ns;
    assert_int_equal(fingerprint_file(path, out, &size, &mtime_ns), CQ_OK);
    assert_int_equal(size, make_size(path));
    assert_true(mtime_ns > 0);
    assert_int_equal(strlen(out), 32);
    return out;
}

static uint8_t *noise(size_t size)
{
    uint8_t *data = malloc(size);
    assert_non_null(data);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t) ((x = x * 1664525 + 1013904223) >> 24);
    return data;
}

static void is_of_content_only(void **state)
{
    (void) state;
    uint8_t *data = noise(3000);
    const char *a = make_path("a"), *b = make_path("-b:%d");
    make_file(a, data, 3000);
    make_file(b, data, 3000);
    assert_string_equal(of_file(a), of_file(b));
    data[2999] ^= 1;
    make_file(b, data, 3000);
    assert_string_not_equal(of_file(a), of_file(b));
    make_file(b, data, 2999);
    assert_string_not_equal(of_file(a), of_file(b));
    free(data);
}

/* XXH3-128 of eight zero bytes. Files in the databases of users
 * must be known again by later versions. */
static void stays_what_it_was(void **state)
{
    (void) state;
    const char *path = make_path("empty");
    make_file(path, "", 0);
    assert_string_equal(of_file(path), "2c0a8a99dc147d5445c3b49d035665b2");
}

static void sees_both_ends_and_the_middle_of_a_long_file(void **state)
{
    (void) state;
    const int64_t size = (5 << 20) + 12345;
    uint8_t *data = noise((size_t) size);
    const char *path = make_path("long");
    make_file(path, data, size);
    char first[FINGERPRINT_SIZE];
    strcpy(first, of_file(path));

    const int64_t seen[] = {0, 65535, size - 1, size - 65536, (size - 65536) / 15 * 7 + 100};
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        data[seen[i]] ^= 1;
        make_file(path, data, size);
        assert_string_not_equal(of_file(path), first);
        data[seen[i]] ^= 1;
    }
    data[65536 + 10] ^= 1;   /* between the first two blocks: not read, as documented */
    make_file(path, data, size);
    assert_string_equal(of_file(path), first);
    free(data);
}

static void reads_a_megabyte_whole(void **state)
{
    (void) state;
    const int64_t size = 1 << 20;
    uint8_t *data = noise((size_t) size);
    const char *path = make_path("megabyte");
    make_file(path, data, size);
    char first[FINGERPRINT_SIZE];
    strcpy(first, of_file(path));
    for (int64_t at = 1000; at < size; at += 99991) {
        data[at] ^= 1;
        make_file(path, data, size);
        assert_string_not_equal(of_file(path), first);
        data[at] ^= 1;
    }
    free(data);
}

static void says_why_it_cannot(void **state)
{
    (void) state;
    char out[FINGERPRINT_SIZE];
    int64_t size, mtime_ns;
    errno = 0;
    assert_int_equal(fingerprint_file(make_path("nothing"), out, &size, &mtime_ns), CQ_NOT_FOUND);
    assert_int_equal(errno, ENOENT);
    assert_int_not_equal(fingerprint_file(make_folder(), out, &size, &mtime_ns), CQ_OK);
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_of_content_only),
        cmocka_unit_test(stays_what_it_was),
        cmocka_unit_test(sees_both_ends_and_the_middle_of_a_long_file),
        cmocka_unit_test(reads_a_megabyte_whole),
        cmocka_unit_test(says_why_it_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

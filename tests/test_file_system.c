/* Numbers of file systems, and where a path that does not exist yet would lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runner/file_system.h"

static void numbers_are_known(void **state)
{
    (void) state;
    const char *name;
    assert_int_equal(file_system_reach_of(0x6969, &name), FILE_SYSTEM_NETWORK);
    assert_string_equal(name, "NFS");
    assert_int_equal(file_system_reach_of(0xFF534D42, &name), FILE_SYSTEM_NETWORK);
    assert_int_equal(file_system_reach_of((int) 0xFF534D42u, &name), FILE_SYSTEM_NETWORK);   /* sign-extended */
    assert_string_equal(name, "CIFS");
    assert_int_equal(file_system_reach_of(0x65735546, &name), FILE_SYSTEM_UNSURE);
    assert_int_equal(file_system_reach_of(0xEF53, &name), FILE_SYSTEM_LOCAL);               /* ext4 */
    assert_string_equal(name, "");
}

static void paths_are_looked_at(void **state)
{
    (void) state;
    const char *name;
    assert_int_equal(file_system_look("/proc/not-there", &name), FILE_SYSTEM_LOCAL);
    assert_int_equal(file_system_look("/no/such/folder/x.db", &name), FILE_SYSTEM_LOCAL);
    setenv("CLIPQ_FAULT", "sql@9,fstype@fe534d42", 1);
    assert_int_equal(file_system_look("/proc", &name), FILE_SYSTEM_NETWORK);
    assert_string_equal(name, "SMB");
    unsetenv("CLIPQ_FAULT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_known),
        cmocka_unit_test(paths_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

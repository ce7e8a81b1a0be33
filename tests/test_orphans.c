/* Orphans that end are buried, after a while; children that somebody waits for are left to him. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/orphans.h"

static const int64_t second = 1000000000;

/* Its number; its parent is gone and it has ended. */
static pid_t make_orphan(void)
{
    pid_t orphan = 0, parent;
    int ends[2];
    siginfo_t info;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (!parent) {
        pid_t child = fork();
        if (!child)
            _exit(0);
        _exit(write(ends[1], &child, sizeof child) != sizeof child);
    }
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(read(ends[0], &orphan, sizeof orphan), sizeof orphan);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitid(P_PID, (id_t) orphan, &info, WEXITED | WNOWAIT), 0);
    return orphan;
}

static void an_orphan_is_buried_after_a_while(void **state)
{
    (void) state;
    struct orphans o = {0};
    siginfo_t info;
    pid_t orphan = make_orphan();
    orphans_bury(&o, 5 * second);
    orphans_bury(&o, 6 * second - 1);
    assert_int_equal(waitid(P_PID, (id_t) orphan, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    orphans_bury(&o, 6 * second);
    assert_true(waitid(P_PID, (id_t) orphan, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD);
    orphans_bury(&o, 7 * second);
}

/* Another one dies each time: each has a while of its own. */
static void whom_somebody_waits_for_is_left_to_him(void **state)
{
    (void) state;
    struct orphans o = {0};
    for (int i = 0; i < 3; i++) {
        siginfo_t info;
        pid_t child = fork();
        if (!child)
            _exit(7);
        assert_int_equal(waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT), 0);
        orphans_bury(&o, 2 * i * second);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_orphan_is_buried_after_a_while),
        cmocka_unit_test(whom_somebody_waits_for_is_left_to_him),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

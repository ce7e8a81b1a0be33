/* A decode worker that stands still in the middle of a run, with adaptive balancing: stopped by a signal (SIGSTOP), it or
 * its opener, or sleeping over a clip; or that the system kills for want of memory. The others take its clips meanwhile,
 * the watchdog kills it, its clip is counted and tried again, and in the end all answers are those of an undisturbed run.
 * A real supervisor and real workers, a pretended engine. */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/child.h"
#include "tests/work_fake.h"

enum { TEXT = 1 << 16 };

static struct fixture fx;
static char undisturbed[TEXT];

/* ---- processes ---- */

/* Its name and who started it. */
static pid_t read_process(pid_t pid, char name[32])
{
    char path[64], line[512] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f) && sscanf(line, "%*d (%31[^)]) %*c %d", name, &parent) != 2)
        parent = 0;
    if (f)
        fclose(f);
    return parent;
}

/* A process of that name below `run`; 0: there is none at the moment. */
static pid_t find_below(pid_t run, const char *want)
{
    char name[32], ignored[32];
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && !found && (e = readdir(proc)); ) {
        pid_t pid = isdigit((unsigned char) e->d_name[0]) ? (pid_t) strtol(e->d_name, NULL, 10) : 0;
        pid_t parent = pid ? read_process(pid, name) : 0;
        if (parent && !strcmp(name, want) && (parent == run || read_process(parent, ignored) == run))
            found = pid;
    }
    if (proc)
        closedir(proc);
    return found;
}

/* ---- runs ---- */

static void answers_of_run(char *out)
{
    fixture_text(&fx, "SELECT group_concat(substr(path, -10) || ' ' || frame || ' ' || time_s || ' ' || score, char(10)) FROM "
                      "(SELECT path, frame, time_s, score FROM v_detections ORDER BY path, frame)", out, TEXT);
}

static enum cq_err run_here(const char *faults, int workers, int clips_per_worker, struct work_result *r)
{
    const struct work_params p = {
        .workers = workers, .clips_per_worker = clips_per_worker, .balance = "adaptive", .stall_timeout_s = 1,
    };
    return fake_run(&fx, faults, &p, r);
}

static pid_t start_run(int workers, int clips_per_worker)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    struct work_result r;
    _exit(run_here("slow@1", workers, clips_per_worker, &r) ? 100 : 0);
}

static int set_up(void **state)
{
    (void) state;
    struct work_result r;
    fake_queue(&fx);
    assert_int_equal(run_here("", 3, 1, &r), CQ_OK);
    assert_int_equal(r.done, FAKE_CLIPS);
    answers_of_run(undisturbed);
    fixture_teardown(&fx);
    fake_queue(&fx);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    fixture_check_books(&fx);
    fixture_teardown(&fx);
    return 0;
}

/* Signals a process of that name once the run is under way. */
static void strike_in_the_middle(pid_t run, const char *name, int signal)
{
    pid_t victim = 0;
    while (fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'") < 1)
        usleep(5000);
    while (!victim || kill(victim, signal))
        victim = find_below(run, name);
}

static void check_complete(pid_t run)
{
    static char got[TEXT];
    int status;
    assert_int_equal(waitpid(run, &status, 0), run);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM jobs WHERE state = 'done'"), FAKE_CLIPS);
    answers_of_run(got);
    assert_string_equal(got, undisturbed);
    assert_int_equal(fixture_int(&fx, "SELECT worker_restarts FROM runs"), 1);
}

/* Its clip alone waited for the watchdog. */
static void check_others_went_on(void)
{
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_attempts WHERE outcome = 'retried' AND reason = 'hang' AND message LIKE "
                                      "'no frame for 1 s%'"), 1);
    assert_int_equal(fixture_int(&fx, "SELECT sum(attempts) FROM v_jobs"), FAKE_CLIPS + 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_attempts WHERE accepted AND ended < "
                                      "(SELECT ended FROM v_attempts WHERE reason = 'hang')"), FAKE_CLIPS - 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_attempts a JOIN v_attempts b USING (job_id) WHERE a.reason = 'hang' "
                                      "AND b.accepted AND a.pid <> b.pid"), 1);
}

/* ---- the tests ---- */

static void a_decoder_that_is_stopped(void **state)
{
    (void) state;
    pid_t run = start_run(3, 0);
    strike_in_the_middle(run, "clipq-decode", SIGSTOP);
    check_complete(run);
    check_others_went_on();
}

/* A stopped opener forks nobody: no clip is given to the worker, and none is blamed but one that it was about to open. There
 * is no other worker to end the run. */
static void an_opener_that_is_stopped(void **state)
{
    (void) state;
    pid_t run = start_run(1, 1);
    strike_in_the_middle(run, "clipq-open", SIGSTOP);
    check_complete(run);
    assert_true(fixture_int(&fx, "SELECT sum(attempts) FROM v_jobs") <= FAKE_CLIPS + 1);
}

/* Whoever the system kills was not at fault yet: no attempt is counted, if a clip was under way at all. */
static void a_decoder_that_is_killed(void **state)
{
    (void) state;
    pid_t run = start_run(3, 0);
    strike_in_the_middle(run, "clipq-decode", SIGKILL);
    check_complete(run);
    assert_int_equal(fixture_int(&fx, "SELECT sum(attempts) FROM v_jobs"), FAKE_CLIPS);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM attempts WHERE reason = 'crash'"), 0);
}

static void a_clip_that_makes_its_decoder_sleep(void **state)
{
    (void) state;
    struct work_result r;
    assert_int_equal(run_here("hang@clip05,slow@1", 3, 1, &r), CQ_OK);
    assert_int_equal(r.done, FAKE_CLIPS - 1);
    assert_int_equal(r.dead, 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_attempts WHERE reason = 'hang' AND path LIKE '%clip05.y4m'"), 2);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_attempts WHERE accepted AND ended < "
                                      "(SELECT min(ended) FROM v_attempts WHERE reason = 'hang')"), FAKE_CLIPS - 1);
    assert_int_equal(fixture_int(&fx, "SELECT count(*) FROM v_frames"), (FAKE_CLIPS - 1) * FAKE_FRAMES);
    assert_int_equal(fixture_int(&fx, "SELECT worker_restarts FROM runs"), 2);
}

int main(int argc, char **argv)
{
    int code = fake_child_main(argc, argv, child_decode_main);
    if (code >= 0)
        return code;
#define DAY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DAY(a_decoder_that_is_stopped),
        DAY(an_opener_that_is_stopped),
        DAY(a_decoder_that_is_killed),
        DAY(a_clip_that_makes_its_decoder_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

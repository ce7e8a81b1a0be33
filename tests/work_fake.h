/* A run of the supervisor in a test: real decode workers, a real database, and an engine that only pretends to
 * compute, so that its deaths, refusals and shortages can be had on demand. The test program is its own child.
 */
#ifndef CLIPQ_TESTS_WORK_FAKE_H
#define CLIPQ_TESTS_WORK_FAKE_H

#include "runner/work.h"
#include "tests/store_fixture.h"

enum { FAKE_CLIPS = 12, FAKE_FRAMES = 25, FAKE_CHOICES = 300 };

/* A fresh queue of FAKE_CLIPS clips of FAKE_FRAMES frames each, "clip00.y4m" and so on. */
void fake_queue(struct fixture *f);

/* What the pretended engine does otherwise, as a list of words in CLIPQ_FAULT (see runner/fault.h) and:
 *     nodevice@1    HELLO says that there is none           badmodel@1   the model is refused
 *     slow@1        each batch takes 20 ms                  oom@N        batches over N are answered as halved
 *     crawl@1       each batch takes 100 ms
 *     nofit@1       not even one frame fits                 lies@1       malformed answers
 *     choices@1     models are refused unless FAKE_CHOICES kernels were told before
 * Returns work_run()'s code. */
enum cq_err fake_run(struct fixture *f, const char *faults, const struct work_params *p, struct work_result *out);

/* What a child that the supervisor started does instead of the tests, `decode` as a decode worker; it returns its exit
 * code, or -1 in the program that runs the tests. */
int fake_child_main(int argc, char **argv, int (*decode)(void));

#endif

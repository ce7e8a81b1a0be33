/* What a clip will cost, predicted from its probe and from which of its frames are wanted.
 *
 * The unit is seconds of one decode worker on the machine where the table was measured; elsewhere, workers' speeds
 * make up for the difference. Of 17 real clips 14 took from half to twice what was predicted, one took 0.4 times (VP9),
 * one 2.5 times (HEVC of a phone), and one that ends early 0.4 times: how hard a picture is to decode is not in the header
 * (`clipq bench decode --workers 1 --json`: ms_median beside predicted_ms).
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_COST_H
#define CLIPQ_RUNNER_COST_H

struct probe;
struct sample_spec;

/* > 0, whatever the probe says. */
double cost_of_clip(const struct probe *p, const struct sample_spec *s);
/* Of a segment of about `share` (0..1) of its clip's length: in `p` its own frames, and all its clip's bytes. */
double cost_of_segment(const struct probe *p, double share);

/* Costs in classes, four to a doubling, from 0 (a millisecond) to COST_CLASSES - 1 (months): the queue's order within a
 * priority, and what counts as about equal. */
enum { COST_CLASSES = 140 };
int cost_class(double cost);

#endif

/* What a clip will cost, predicted from its probe and from which of its frames are wanted.
 *
 * The unit is seconds of one decode worker on the machine where the table was measured; elsewhere, workers' speeds
 * make up for the difference. Over the clips that were measured a prediction is within a factor of two of the truth:
 * how hard a picture is to decode is not in the header.
 *
 * Thread-safety: pure.
 */
#ifndef CLIPQ_RUNNER_COST_H
#define CLIPQ_RUNNER_COST_H

struct probe;
struct sample_spec;

/* > 0, whatever the probe says. */
double cost_of_clip(const struct probe *p, const struct sample_spec *s);

/* Costs in classes, four to a doubling, from 0 (a millisecond) to COST_CLASSES - 1 (months): the queue's order within a
 * priority, and what counts as about equal. */
enum { COST_CLASSES = 140 };
int cost_class(double cost);

#endif

/* Many launches as one.
 *
 * A launch costs PoCL some microseconds in order, and tens where a second thread must be woken, which is as long as
 * the small steps of a network take. A chain is a kernel of its own, made of the kernels of its steps: it goes through
 * a table of what would have been launched, and its threads meet between two steps by spinning (cl/chain.cl).
 *
 *     chain_begin -> enqueue of kernel classes, which program_run notes -> chain_end -> chain_run once per run
 *
 * Only for CPU devices whose work-groups are single work-items, as all kernels here have them: local memory is that of
 * one work-group, and no barriers are served.
 *
 * Thread-safety: as the device.
 */
#ifndef CLIPQ_KERNELS_CHAIN_H
#define CLIPQ_KERNELS_CHAIN_H

#include <stdbool.h>

#include "kernels/base/err.h"

struct chain;
struct device;
struct launch;

/* Is this a device on which chains work? CLIPQ_CHAINS=0 in the environment says no. */
bool chain_suits(const struct device *dev);

/* From now on launches are noted and not queued. They are meant for the stream in use, or for all of the device; in
 * the latter case chain_run wants the first stream to be in use, where the device has streams. */
enum cq_err chain_begin(struct device *dev, struct chain **out);

/* Notes a launch; the buffers it names must outlive the chain. CQ_UNSUPPORTED: cannot be part of a chain. */
enum cq_err chain_note(struct chain *c, const struct launch *l);

/* Ends the noting and builds the kernel, or takes it from another chain of the same kernels. `err` is that of noting;
 * after any error *chain is destroyed, NULL, and the launches have to be made one by one. */
enum cq_err chain_end(struct chain **chain, enum cq_err err);

/* Queues all of it behind what the stream in use has queued, and before what is queued there next. */
enum cq_err chain_run(struct chain *c);

void chain_destroy(struct chain **chain);

#endif

/* From a spec such as "0:1" or "0:1/2/3" to OpenCL's handle; shared by device.c, device_find.c and device_part.c only. */
#ifndef CLIPQ_KERNELS_DEVICE_ID_H
#define CLIPQ_KERNELS_DEVICE_ID_H

#include <stdbool.h>

#include <CL/cl.h>

#include "kernels/base/err.h"

struct cq_log;
struct device_info;

/* CQ_INVALID for a spec that is not "P:D" or "P:D/K/N", CQ_NO_DEVICE when there is no such device; logged. To be given to
 * clReleaseDevice(), which a whole device does not mind. */
enum cq_err device_id_of(struct cq_log *log, const char *spec, cl_device_id *out);

enum { DEVICE_SPEC_SIZE = 16 };

/* "WHAT/K/N" into its three; K and N are 1 where there is only WHAT. false: it is neither. */
bool device_split_spec(const char *spec, char whole[DEVICE_SPEC_SIZE], int *part, int *parts);
/* Makes a device's description that of its part. CQ_INVALID, logged: it has too few compute units. */
enum cq_err device_take_part(struct cq_log *log, int part, int parts, struct device_info *info);
/* The part's handle. */
enum cq_err device_cut(struct cq_log *log, const char *spec, int part, int parts, cl_device_id whole, cl_device_id *out);

#endif

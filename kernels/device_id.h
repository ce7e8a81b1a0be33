/* From a spec such as "0:1" to OpenCL's handle; shared by device.c and device_find.c only. */
#ifndef CLIPQ_KERNELS_DEVICE_ID_H
#define CLIPQ_KERNELS_DEVICE_ID_H

#include <CL/cl.h>

#include "kernels/base/err.h"

struct cq_log;

/* CQ_INVALID for a spec that is not "P:D", CQ_NO_DEVICE when there is no such device; both logged. */
enum cq_err device_id_of(struct cq_log *log, const char *spec, cl_device_id *out);

#endif

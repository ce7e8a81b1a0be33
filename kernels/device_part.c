/* A device cut into equal parts, each of which is one for whoever opens it: several engines on one CPU, say.
 *
 * "0:0/2/3" is the second of three parts of 0:0. A part has compute units / parts of the device's units; where that
 * leaves a rest, the rest is nobody's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/device_id.h"

enum { CUTS_MAX = 2 * DEVICE_PARTS_MAX };      /* an uneven device gives up to that many pieces */

/* A number from 1 to DEVICE_PARTS_MAX in front of `end`, else 0. */
static int number_of(const char *text, const char **end)
{
    char *after;
    long v = *text >= '1' && *text <= '9' ? strtol(text, &after, 10) : 0;
    if (v < 1 || v > DEVICE_PARTS_MAX)
        return 0;
    *end = after;
    return (int) v;
}

bool device_split_spec(const char *spec, char whole[DEVICE_SPEC_SIZE], int *part, int *parts)
{
    size_t length = strcspn(spec, "/");
    const char *at = spec + length;
    *part = *parts = 1;
    if (length >= DEVICE_SPEC_SIZE)
        return false;
    memcpy(whole, spec, length);
    whole[length] = '\0';
    if (!*at)
        return true;
    *part = number_of(at + 1, &at);
    if (!*part || *at != '/')
        return false;
    *parts = number_of(at + 1, &at);
    return *parts && !*at && *part <= *parts;
}

enum cq_err device_take_part(struct cq_log *log, int part, int parts, struct device_info *info)
{
    char whole[DEVICE_SPEC_SIZE];
    if (parts == 1)
        return CQ_OK;
    if (parts > info->compute_units) {
        cq_log_error(log, "device %s has %d compute units and cannot be cut into %d parts", info->spec, info->compute_units,
                     parts);
        return CQ_INVALID;
    }
    memcpy(whole, info->spec, sizeof whole);
    snprintf(info->spec, sizeof info->spec, "%.7s/%d/%d", whole, part, parts);
    info->parts = parts;
    info->compute_units /= parts;
    info->score /= parts;
    return CQ_OK;
}

enum cq_err device_cut(struct cq_log *log, const char *spec, int part, int parts, cl_device_id whole, cl_device_id *out)
{
    cl_device_id pieces[CUTS_MAX];
    cl_uint units = 0, n = 0;
    clGetDeviceInfo(whole, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, (cl_device_partition_property) units / parts, 0};
    cl_int status = clCreateSubDevices(whole, equally, CUTS_MAX, pieces, &n);
    if (status != CL_SUCCESS || (int) n < parts) {
        cq_log_error(log, "device \"%s\": OpenCL cannot cut it (error %d); name the whole device", spec, (int) status);
        return CQ_DEVICE;
    }
    *out = pieces[part - 1];
    for (cl_uint i = 0; i < n; i++)
        if ((int) i != part - 1)
            clReleaseDevice(pieces[i]);
    return CQ_OK;
}

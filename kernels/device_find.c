/* Which OpenCL devices there are, and which of them a spec means.
 *
 * A machine without any platform is normal: the loader then answers CL_PLATFORM_NOT_FOUND_KHR (-1001), which
 * counts as no devices. "Fastest" is a rough score: lanes x clock, lanes of a GPU's compute unit being taken
 * as 64.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/device_id.h"

enum { MAX_PLATFORMS = 16, MAX_DEVICES = 64, PLATFORM_NOT_FOUND_KHR = -1001, GPU_LANES = 64 };

static enum cq_err platforms_of(struct cq_log *log, cl_platform_id *ids, int *count)
{
    cl_uint n = 0;
    cl_int status = clGetPlatformIDs(MAX_PLATFORMS, ids, &n);
    *count = 0;
    if (status == PLATFORM_NOT_FOUND_KHR)
        return CQ_OK;
    if (status != CL_SUCCESS) {
        cq_log_error(log, "clGetPlatformIDs failed with OpenCL error %d", (int) status);
        return CQ_DEVICE;
    }
    *count = n < MAX_PLATFORMS ? (int) n : MAX_PLATFORMS;
    return CQ_OK;
}

/* A platform that cannot be asked is one without devices: the others may still work. */
static int devices_of(struct cq_log *log, cl_platform_id platform, cl_device_id *ids)
{
    cl_uint n = 0;
    cl_int status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &n);
    if (status != CL_SUCCESS) {
        if (status != CL_DEVICE_NOT_FOUND)
            cq_log_warn(log, "clGetDeviceIDs failed with OpenCL error %d: platform left out", (int) status);
        return 0;
    }
    return n < MAX_DEVICES ? (int) n : MAX_DEVICES;
}

static enum device_kind kind_of(cl_device_type type)
{
    if (type & CL_DEVICE_TYPE_GPU)
        return DEVICE_GPU;
    return type & CL_DEVICE_TYPE_CPU ? DEVICE_CPU : DEVICE_OTHER;
}

/* Blocks are made for 4, 8 or 16 lanes. */
static int width_of(cl_uint native)
{
    return native >= 16 ? 16 : native >= 8 ? 8 : 4;
}

static bool is_simt(enum device_kind kind)
{
    const char *wanted = getenv("CLIPQ_SIMT");
    return wanted && *wanted ? strcmp(wanted, "0") != 0 : kind == DEVICE_GPU;
}

static double score_of(const struct device_info *d, cl_uint mhz)
{
    int lanes = d->kind == DEVICE_CPU ? d->float_width : GPU_LANES;
    return (double) d->compute_units * lanes * (mhz ? mhz : 1000);
}

static void describe(cl_platform_id platform, cl_device_id id, int p, int d, struct device_info *out)
{
    cl_device_type type = 0;
    cl_bool shared = CL_FALSE;
    cl_uint units = 0, native = 0, mhz = 0, align_bits = 0;
    cl_ulong global = 0, max_alloc = 0, local = 0;
    memset(out, 0, sizeof *out);
    snprintf(out->spec, sizeof out->spec, "%hhu:%hhu", (unsigned char) p, (unsigned char) d);
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof out->platform - 1, out->platform, NULL);
    clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof out->name - 1, out->name, NULL);
    clGetDeviceInfo(id, CL_DEVICE_VENDOR, sizeof out->vendor - 1, out->vendor, NULL);
    clGetDeviceInfo(id, CL_DRIVER_VERSION, sizeof out->driver - 1, out->driver, NULL);
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof shared, &shared, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof native, &native, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof mhz, &mhz, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits, &align_bits, NULL);
    clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof max_alloc, &max_alloc, NULL);
    clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    out->kind = kind_of(type);
    out->shares_memory = out->kind == DEVICE_CPU || shared;
    out->compute_units = (int) units;
    out->simt = is_simt(out->kind);
    out->float_width = out->simt ? 4 : width_of(native);
    out->align_bytes = align_bits / 8;
    out->local_bytes = local;
    out->global_bytes = global;
    out->max_alloc_bytes = max_alloc;
    out->score = score_of(out, mhz);
}

enum cq_err device_list(struct cq_log *log, struct device_info *out, int max, int *count)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    int n_platforms;
    *count = 0;
    enum cq_err err = platforms_of(log, platforms, &n_platforms);
    if (err)
        return err;
    for (int p = 0; p < n_platforms; p++) {
        cl_device_id ids[MAX_DEVICES];
        int n = devices_of(log, platforms[p], ids);
        for (int d = 0; d < n && *count < max; d++)
            describe(platforms[p], ids[d], p, d, &out[(*count)++]);
    }
    return CQ_OK;
}

static bool parse_spec(const char *spec, long *p, long *d)
{
    char *end;
    *p = strtol(spec, &end, 10);
    if (end == spec || *end != ':' || *spec < '0' || *spec > '9')
        return false;
    const char *second = end + 1;
    *d = strtol(second, &end, 10);
    return *second >= '0' && *second <= '9' && *end == '\0';
}

/* Of a device that is not cut. */
static enum cq_err whole_id_of(struct cq_log *log, const char *spec, cl_device_id *out)
{
    long p, d;
    if (!parse_spec(spec, &p, &d)) {
        cq_log_error(log, "device \"%s\": say auto, cpu, gpu or PLATFORM:DEVICE, as `clipq devices` lists them", spec);
        return CQ_INVALID;
    }
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_device_id ids[MAX_DEVICES];
    int n;
    enum cq_err err = platforms_of(log, platforms, &n);
    if (err)
        return err;
    if (p >= n || d >= devices_of(log, platforms[p], ids)) {
        cq_log_error(log, "device \"%s\": no such OpenCL device; `clipq devices` lists them", spec);
        return CQ_NO_DEVICE;
    }
    *out = ids[d];
    return CQ_OK;
}

static enum cq_err split(struct cq_log *log, const char *spec, char whole[DEVICE_SPEC_SIZE], int *part, int *parts)
{
    if (device_split_spec(spec, whole, part, parts))
        return CQ_OK;
    cq_log_error(log, "device \"%s\": the second of three parts of device 0:0 is 0:0/2/3, up to %d parts", spec, DEVICE_PARTS_MAX);
    return CQ_INVALID;
}

enum cq_err device_id_of(struct cq_log *log, const char *spec, cl_device_id *out)
{
    char whole[DEVICE_SPEC_SIZE];
    int part, parts;
    enum cq_err err = split(log, spec, whole, &part, &parts);
    if (!err)
        err = whole_id_of(log, whole, out);
    return err || parts == 1 ? err : device_cut(log, spec, part, parts, *out, out);
}

/* Does `d` answer to "auto", "cpu", "gpu" or its own "P:D"? */
static bool fits(const struct device_info *d, const char *spec)
{
    if (!strcmp(spec, "auto"))
        return true;
    if (!strcmp(spec, "cpu"))
        return d->kind == DEVICE_CPU;
    if (!strcmp(spec, "gpu"))
        return d->kind == DEVICE_GPU;
    return !strcmp(spec, d->spec);
}

static bool is_kind(const char *spec)
{
    return !strcmp(spec, "auto") || !strcmp(spec, "cpu") || !strcmp(spec, "gpu");
}

static enum cq_err find_whole(struct cq_log *log, const char *spec, struct device_info *out)
{
    struct device_info all[MAX_DEVICES];
    const struct device_info *best = NULL;
    int n, fitting = 0;
    if (!is_kind(spec)) {
        cl_device_id id;
        enum cq_err err = whole_id_of(log, spec, &id);
        if (err)
            return err;
    }
    enum cq_err err = device_list(log, all, MAX_DEVICES, &n);
    if (err)
        return err;
    for (int i = 0; i < n; i++) {
        fitting += fits(&all[i], spec);
        if (fits(&all[i], spec) && (!best || all[i].score > best->score))
            best = &all[i];
    }
    if (!best) {
        cq_log_error(log, "no OpenCL device of kind \"%s\" (%d devices in all); %s", spec, n,
                     n ? "`clipq devices` lists what there is" : "for the CPU install pocl-opencl-icd");
        return CQ_NO_DEVICE;
    }
    *out = *best;
    if (!is_kind(spec))
        snprintf(out->why, sizeof out->why, "asked for by number");
    else if (fitting == 1)
        snprintf(out->why, sizeof out->why, "%.8s: there is no other", spec);
    else
        snprintf(out->why, sizeof out->why, "%.8s: the fastest of %d by units, lanes and clock", spec, fitting);
    return CQ_OK;
}

enum cq_err device_find(struct cq_log *log, const char *spec, struct device_info *out)
{
    char whole[DEVICE_SPEC_SIZE];
    int part, parts;
    enum cq_err err = split(log, spec, whole, &part, &parts);
    if (!err)
        err = find_whole(log, whole, out);
    return err ? err : device_take_part(log, part, parts, out);
}

/* Files of one program each: a header with the checksum, then what OpenCL calls the binary. */
#include "kernels/program_store.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "kernels/base/log.h"
#include "kernels/device_cl.h"
#include "kernels/device_env.h"

enum { BINARY_MAX = 256 << 20 };

struct header {
    char magic[8];              /* "clipqpr1" */
    uint64_t size, hash;        /* of the binary */
};

static const char magic[8] = {'c', 'l', 'i', 'p', 'q', 'p', 'r', '1'};

static bool is_kept(const struct device *dev, enum program_kind kind)
{
    const char *wish = getenv("CLIPQ_PROGRAM_CACHE");
    if (wish && (!strcmp(wish, "all") || !strcmp(wish, "none")))
        return wish[0] == 'a';
    return kind == PROGRAM_OF_ONE_KERNEL || strcmp(dev->info.platform, "Portable Computing Language") != 0;
}

struct program_key program_store_key(const struct device *dev, const char *const *sources, int n_sources,
                                     const char *options, enum program_kind kind)
{
    struct program_key key = {"", is_kept(dev, kind)};
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return key;
    XXH3_128bits_reset(state);
    const char *texts[] = {options, dev->info.name, dev->info.vendor, dev->info.driver, dev->info.platform};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        XXH3_128bits_update(state, texts[i], strlen(texts[i]) + 1);
    for (int i = 0; i < n_sources; i++)
        XXH3_128bits_update(state, sources[i], strlen(sources[i]) + 1);
    XXH128_hash_t h = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    snprintf(key.hex, sizeof key.hex, "%016llx%016llx", (unsigned long long) h.high64, (unsigned long long) h.low64);
    return key;
}

static bool file_of(const struct program_key *key, char out[DEVICE_PATH_SIZE])
{
    char folder[DEVICE_PATH_SIZE];
    if (!key->hex[0] || !key->kept || !device_cache_folder("programs", folder))
        return false;
    int n = snprintf(out, DEVICE_PATH_SIZE, "%s/%s", folder, key->hex);
    return n > 0 && n < DEVICE_PATH_SIZE;
}

/* The binary, for the caller to free; NULL when the file is not whole. */
static unsigned char *read_binary(FILE *f, size_t *size)
{
    struct header h;
    if (fread(&h, sizeof h, 1, f) != 1 || memcmp(h.magic, magic, sizeof magic) || !h.size || h.size > BINARY_MAX)
        return NULL;
    unsigned char *data = malloc((size_t) h.size + 1);
    *size = data ? fread(data, 1, (size_t) h.size + 1, f) : 0;
    if (data && *size == h.size && XXH3_64bits(data, *size) == h.hash)
        return data;
    free(data);
    return NULL;
}

/* What was found is of no use: it is not to be found again. */
static void forget(struct device *dev, const char *path)
{
    if (!unlink(path))
        cq_log_debug(dev->log, "%s is damaged: the program is compiled anew", path);
}

static cl_program load(struct device *dev, const char *path, FILE *f)
{
    size_t size;
    unsigned char *data = read_binary(f, &size);
    cl_int status = CL_INVALID_BINARY, of_device;
    cl_program program = NULL;
    if (data)
        program = clCreateProgramWithBinary(dev->context, 1, &dev->id, &size, (const unsigned char **) &data,
                                            &of_device, &status);
    free(data);
    if (status == CL_SUCCESS)
        return program;
    forget(dev, path);
    return NULL;
}

cl_program program_store_build(struct device *dev, const struct program_key *key, const char *options)
{
    char path[DEVICE_PATH_SIZE];
    FILE *f = file_of(key, path) ? fopen(path, "re") : NULL;
    if (!f)
        return NULL;
    cl_program program = load(dev, path, f);
    fclose(f);
    if (!program)
        return NULL;
    if (clBuildProgram(program, 1, &dev->id, options, NULL, NULL) == CL_SUCCESS) {
        cq_log_debug(dev->log, "program %s was compiled by an earlier run", key->hex);
        return program;
    }
    clReleaseProgram(program);
    forget(dev, path);
    return NULL;
}

static unsigned char *get_binary(cl_program program, size_t *size)
{
    *size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL) || !*size || *size > BINARY_MAX)
        return NULL;
    unsigned char *data = malloc(*size);
    if (data && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof data, &data, NULL) == CL_SUCCESS)
        return data;
    free(data);
    return NULL;
}

static bool write_binary(const char *path, const unsigned char *data, size_t size)
{
    struct header h = {.size = size, .hash = XXH3_64bits(data, size)};
    memcpy(h.magic, magic, sizeof magic);
    FILE *f = fopen(path, "we");
    if (!f)
        return false;
    bool ok = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(data, 1, size, f) == size;
    return fclose(f) == 0 && ok;
}

void program_store_save(struct device *dev, const struct program_key *key, cl_program program)
{
    char path[DEVICE_PATH_SIZE], temporary[DEVICE_PATH_SIZE + 16];
    size_t size;
    unsigned char *data = file_of(key, path) ? get_binary(program, &size) : NULL;
    if (!data)
        return;
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int) getpid());
    if (!write_binary(temporary, data, size) || rename(temporary, path)) {
        cq_log_debug(dev->log, "%s could not be written", path);
        unlink(temporary);
    }
    free(data);
}

void program_store_clear(struct cq_log *log)
{
    char folder[DEVICE_PATH_SIZE], path[2 * DEVICE_PATH_SIZE];
    DIR *d = device_cache_folder("programs", folder) ? opendir(folder) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strspn(e->d_name, "0123456789abcdef") >= sizeof ((struct program_key *) 0)->hex - 1 && !unlink(path))
            cq_log_debug(log, "%s is suspect: the program is compiled anew", path);
    }
    if (d)
        closedir(d);
}

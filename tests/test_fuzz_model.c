/* fuzz_model without a fuzzer: every model of ONNX's backend suite as it is, and damaged in a few ways that are
 * the same in each run. It shows that the fuzz target works, and, with sanitizers, catches the plain mistakes.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/infer/noise.h"

enum { DAMAGES = 3, MAX_SIZE = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_model(const char *path, uint8_t *data)
{
    FILE *f = fopen(path, "rb");
    size_t size = f ? fread(data, 1, MAX_SIZE, f) : 0;
    if (f)
        fclose(f);
    return size;
}

static void try_damaged(uint8_t *data, size_t size, uint32_t *state)
{
    for (int i = 0; i < DAMAGES; i++) {
        size_t at = noise_next(state) % size;
        uint8_t was = data[at];
        data[at] ^= (uint8_t) (1u << noise_next(state) % 8);
        LLVMFuzzerTestOneInput(data, size);
        data[at] = was;
    }
    LLVMFuzzerTestOneInput(data, noise_next(state) % size);
}

static int run_suite(const char *suite, uint8_t *data, uint32_t *state)
{
    char root[400], path[800];
    struct dirent **names;
    int done = 0;
    snprintf(root, sizeof root, "%s/%s", ONNX_TESTDATA, suite);
    int n = scandir(root, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%.200s/model.onnx", root, names[i]->d_name);
        size_t size = read_model(path, data);
        if (size) {
            LLVMFuzzerTestOneInput(data, size);
            try_damaged(data, size, state);
            done++;
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return done;
}

int main(void)
{
    uint32_t state = 20261121;
    uint8_t *data = malloc(MAX_SIZE);
    if (!data)
        return 1;
    int done = run_suite("node", data, &state) + run_suite("simple", data, &state);
    free(data);
    if (!done) {
        printf("SKIP: no ONNX backend tests (package libonnx-testdata)\n");
        return 77;
    }
    printf("%d models, each also damaged in %d ways\n", done, DAMAGES + 1);
    return 0;
}

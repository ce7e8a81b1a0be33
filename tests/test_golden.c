/* The eight real models against the answers of ONNX Runtime, on a real OpenCL device, at batch 1 and 4.
 *
 * At batch 4 every image is a scaled copy of the golden one and is compared with its own single run, so that
 * an answer that leaks from one image to its neighbour shows. CLIPQ_PROFILE=1 also prints where the time of
 * each model goes. An argument is the name of the only model to look at, * standing for anything.
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"
#include "tests/npy.h"

static const char *const models[] = {
    "FastestDet", "person-reid-0288", "squeezenet_fp32_from_fp16", "super_resolution",
    "version-RFB-320", "yolox_nano", "yunet_n_320_320", "yunet_n_dynamic",
};

static const float TOLERANCE = 1e-3f;   /* of the largest magnitude */
enum { BATCH = 4, RUNS = 5 };

static const char *data_folder(void)
{
    const char *dir = getenv("CLIPQ_DATA");
    return dir ? dir : "../shared/data";
}

static struct cq_log logger = {.level = CQ_INFO, .name = "golden"};
static struct device *dev;

static double error_of(const float *got, const float *want, size_t n)
{
    double largest = 0, difference = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double) want[i]));
        double d = fabs((double) got[i] - (double) want[i]);
        difference = d > difference || isnan(d) ? d : difference;
    }
    return difference / (largest > 0 ? largest : 1);
}

static void golden_path(const char *model, const char *output, char *out, size_t size)
{
    const char *kind = output ? "output_" : "input";
    int n = snprintf(out, size, "%s/golden/%s/%s%s", data_folder(), model, kind, output ? output : "");
    size_t name = strlen(out) - (output ? strlen(output) : 0);
    for (size_t i = name; output && i < strlen(out); i++)
        if (!((out[i] >= '0' && out[i] <= '9') || (out[i] >= 'A' && out[i] <= 'Z') || (out[i] >= 'a' && out[i] <= 'z')))
            out[i] = '_';
    snprintf(out + n, size - (size_t) n, ".npy");
}

static double compare_golden(const char *name, const struct model *m, const struct session_output *out, int n_out)
{
    double worst = 0;
    for (int i = 0; i < n_out; i++) {
        char path[512];
        struct tensor_desc want_desc;
        float *want;
        golden_path(name, model_output(m, i)->name, path, sizeof path);
        assert_true(npy_read(path, &want_desc, &want));
        assert_true(tensor_same_shape(&want_desc, &out[i].desc));
        double e = error_of(out[i].data, want, (size_t) tensor_elems(&want_desc));
        worst = e > worst || isnan(e) ? e : worst;
        free(want);
    }
    return worst;
}

/* Image i of the batch is the golden image times 1 - i/8. */
static float *scaled_batch(const struct tensor_desc *one, const float *data)
{
    size_t n = (size_t) tensor_elems(one);
    float *out = malloc(BATCH * n * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < BATCH; i++)
        for (size_t k = 0; k < n; k++)
            out[i * n + k] = data[k] * (1 - (float) i / 8);
    return out;
}

static void keep_outputs(const struct session_output *out, int n_out, float **kept)
{
    for (int o = 0; o < n_out; o++) {
        kept[o] = malloc(tensor_bytes(&out[o].desc));
        assert_non_null(kept[o]);
        memcpy(kept[o], out[o].data, tensor_bytes(&out[o].desc));
    }
}

static double compare_batch(struct session *s, const struct tensor_desc *one, const float *data)
{
    struct tensor_desc four = *one;
    four.dim[0] *= BATCH;
    size_t n = (size_t) tensor_elems(one);
    float *batch = scaled_batch(one, data), *kept[32];
    const struct session_output *out;
    int n_out;
    double worst = 0;
    assert_int_equal(session_run_tensors(s, &(struct session_input){four, batch}, 1, &out, &n_out), CQ_OK);
    assert_in_range(n_out, 1, 32);
    keep_outputs(out, n_out, kept);
    for (size_t i = 0; i < BATCH; i++) {
        assert_int_equal(session_run_tensors(s, &(struct session_input){*one, batch + i * n}, 1, &out, &n_out), CQ_OK);
        for (int o = 0; o < n_out; o++) {
            size_t each = (size_t) tensor_elems(&out[o].desc);
            double e = error_of(kept[o] + i * each, out[o].data, each);
            worst = e > worst || isnan(e) ? e : worst;
        }
    }
    for (int o = 0; o < n_out; o++)
        free(kept[o]);
    free(batch);
    return worst;
}

static double best_ms(struct session *s, const struct session_input *in)
{
    const struct session_output *out;
    int n_out;
    double best = 1e9;
    for (int i = 0; i < RUNS; i++) {
        int64_t start = cq_now_ns();
        assert_int_equal(session_run_tensors(s, in, 1, &out, &n_out), CQ_OK);
        double ms = (double) (cq_now_ns() - start) / 1e6;
        best = ms < best ? ms : best;
    }
    return best;
}

static void print_step(void *ctx, const struct session_step *step)
{
    char x[TENSOR_TEXT_SIZE] = "", y[TENSOR_TEXT_SIZE];
    if (step->in.type != DT_NONE)
        tensor_text(&step->in, x);
    *(int64_t *) ctx += step->best_ns;
    printf("  %8.1f us %6.1f GFLOPS  %-16s %-20s %s -> %s\n", (double) step->best_ns / 1e3,
           step->flops / (double) step->best_ns, step->op, step->variant, x, tensor_text(&step->out, y));
}

static void print_profile(struct session *s)
{
    int64_t total = 0;
    assert_int_equal(session_profile(s, 3, print_step, &total), CQ_OK);
    printf("  sum %.2f ms\n", (double) total / 1e6);
}

static void check_model(void **state)
{
    const char *name = *state;
    char path[512];
    struct model *m;
    struct session *s;
    struct tensor_desc desc;
    float *input;
    const struct session_output *out;
    int n_out;

    snprintf(path, sizeof path, "%s/models/%s.onnx", data_folder(), name);
    assert_int_equal(model_load(&logger, path, &m), CQ_OK);
    golden_path(name, NULL, path, sizeof path);
    assert_true(npy_read(path, &desc, &input));
    assert_int_equal(session_create(&logger, dev, m, &(struct session_params){0}, &s), CQ_OK);

    struct session_input in = {desc, input};
    assert_int_equal(session_run_tensors(s, &in, 1, &out, &n_out), CQ_OK);
    double golden = compare_golden(name, m, out, n_out);
    double batch = compare_batch(s, &desc, input);
    double ms = best_ms(s, &in) / (double) desc.dim[0];
    printf("%-28s golden %.1e  batch of 4 %.1e%s  %.1f ms per image\n", name, golden, batch,
           session_batchable(s) ? "" : " (one by one)", ms);
    if (getenv("CLIPQ_PROFILE"))
        print_profile(s);

    assert_true(session_batchable(s));
    assert_true(golden <= (double) TOLERANCE);
    assert_true(batch <= (double) TOLERANCE);
    free(input);
    session_destroy(&s);
    model_destroy(&m);
}

int main(int argc, char **argv)
{
    char path[512];
    struct device_info info;
    struct CMUnitTest tests[sizeof models / sizeof *models];
    snprintf(path, sizeof path, "%s/golden/%s/input.npy", data_folder(), models[0]);
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("SKIP: no golden results in %s (CLIPQ_DATA)\n", data_folder());
        return 77;
    }
    fclose(f);
    device_setup_environment(0);
    if (device_find(&logger, "auto", &info) || device_open(&logger, &info, &dev))
        return 1;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        tests[i] = (struct CMUnitTest){models[i], check_model, NULL, NULL, (void *) models[i]};
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    int failed = cmocka_run_group_tests_name("golden", tests, NULL, NULL);
    device_close(&dev);
    return failed;
}

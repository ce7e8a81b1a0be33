/* Runs a model on tensors from files: the engine's side of families.py.
 *
 *     infer_npy MODEL --batch N [--repeat R] IN.npy... --out PREFIX
 *
 * One IN.npy per input of the model, float32 as NumPy writes it, its first dimension the batch. Output I goes to
 * PREFIX.I.npy; one whose size differs from image to image to PREFIX.I.K.npy per image K. Prints lines
 * "key value": ms (per image, the best of R runs after one to warm up), batched (0: one by one), host_ops,
 * and `why` for what stands in the way. Exits 1 when the model is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "kernels/device.h"
#include "stages/answer/npy.h"
#include "stages/infer/model.h"
#include "stages/infer/session.h"
#include "tests/npy.h"

enum { MAX_INPUTS = 8 };

struct job {
    const char *model, *prefix, *files[MAX_INPUTS];
    int n_files, batch, repeat;
    struct session_input in[MAX_INPUTS];
};

static void print_why(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx;
    if (level <= CQ_WARN)
        printf("why %s\n", text);
}

static struct cq_log logger = {.level = CQ_WARN, .sink = print_why};

static bool read_arguments(struct job *j, int argc, char **argv)
{
    *j = (struct job){.batch = 1, .repeat = 1};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && !strcmp(argv[i], "--batch"))
            j->batch = atoi(argv[++i]);
        else if (more && !strcmp(argv[i], "--repeat"))
            j->repeat = atoi(argv[++i]);
        else if (more && !strcmp(argv[i], "--out"))
            j->prefix = argv[++i];
        else if (!j->model)
            j->model = argv[i];
        else if (j->n_files < MAX_INPUTS)
            j->files[j->n_files++] = argv[i];
    }
    return j->model && j->prefix && j->n_files && j->batch > 0 && j->repeat > 0;
}

static bool read_inputs(struct job *j)
{
    for (int i = 0; i < j->n_files; i++) {
        float *data;
        if (!npy_read(j->files[i], &j->in[i].desc, &data)) {
            printf("why cannot read %s\n", j->files[i]);
            return false;
        }
        j->in[i].data = data;
    }
    return true;
}

static enum cq_err write_output(const struct job *j, const struct session_output *o, int index)
{
    char path[4096];
    enum cq_err err = CQ_OK;
    if (!o->each) {
        snprintf(path, sizeof path, "%s.%d.npy", j->prefix, index);
        return npy_write(&logger, path, &o->desc, o->data);
    }
    for (int k = 0; k < j->batch && !err; k++) {
        struct session_output part = session_output_image(o, k, j->batch);
        snprintf(path, sizeof path, "%s.%d.%d.npy", j->prefix, index, k);
        err = npy_write(&logger, path, &part.desc, part.data);
    }
    return err;
}

/* The first run compiles and finds the plan; the last one's results are written. */
static enum cq_err run(const struct job *j, struct session *s)
{
    const struct session_output *out;
    int n_out = 0;
    int64_t best = INT64_MAX;
    enum cq_err err = session_run_tensors(s, j->in, j->n_files, &out, &n_out);
    for (int i = 0; i < j->repeat && !err; i++) {
        int64_t start = cq_now_ns();
        err = session_run_tensors(s, j->in, j->n_files, &out, &n_out);
        int64_t took = cq_now_ns() - start;
        best = took < best ? took : best;
    }
    for (int i = 0; i < n_out && !err; i++)
        err = write_output(j, &out[i], i);
    if (!err)
        printf("ms %.3f\nbatched %d\nhost_ops %d\n", (double) best / 1e6 / j->batch, session_batchable(s),
               session_host_ops(s, j->batch));
    return err;
}

/* Runs a model that is not batched as if it were, so that the log names the node that cannot grow. */
static void explain(const struct job *j, struct device *dev, const struct model *m)
{
    struct session *s;
    const struct session_output *out;
    int n_out;
    if (session_create(&logger, dev, m, &(struct session_params){.skip_batch_check = true}, &s))
        return;
    if (!session_run_tensors(s, j->in, j->n_files, &out, &n_out))
        printf("why together gives other answers than alone\n");
    session_destroy(&s);
}

static enum cq_err run_model(const struct job *j)
{
    struct device_info info;
    struct device *dev = NULL;
    struct model *m = NULL;
    struct session *s = NULL;
    enum cq_err err = model_load(&logger, j->model, &m);
    if (!err)
        err = device_find(&logger, "auto", &info);
    if (!err)
        err = device_open(&logger, &info, &dev);
    if (!err)
        err = session_create(&logger, dev, m, &(struct session_params){0}, &s);
    if (!err)
        err = run(j, s);
    if (!err && j->batch > 1 && !session_batchable(s))
        explain(j, dev, m);
    session_destroy(&s);
    model_destroy(&m);
    device_close(&dev);
    return err;
}

int main(int argc, char **argv)
{
    struct job job;
    if (!read_arguments(&job, argc, argv)) {
        fprintf(stderr, "infer_npy MODEL --batch N [--repeat R] IN.npy... --out PREFIX\n");
        return 2;
    }
    device_setup_environment(0);
    bool ok = read_inputs(&job) && !run_model(&job);
    for (int i = 0; i < job.n_files; i++)
        free((void *) job.in[i].data);
    return !ok;
}

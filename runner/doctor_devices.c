/* Every device computes something, in a process that a driver may take down with it. */
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "kernels/device.h"
#include "kernels/peak.h"
#include "runner/budget.h"
#include "runner/doctor.h"
#include "runner/trial.h"

enum { DEVICES = 16, TRIAL_S = 120 };

struct trial {
    int n, tried;                  /* devices; of them, those that were begun */
    enum cq_err err;               /* of listing them */
    struct device_info infos[DEVICES];
    struct {
        enum cq_err err;
        char message[256];
        double flops;
    } results[DEVICES];
    char message[256];             /* of listing */
};

static void swallow(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx, (void) level, (void) text;
}

static void try_devices(void *ctx, void *result)
{
    struct trial *t = result;
    struct cq_log log = {.level = CQ_ERROR, .sink = swallow};
    (void) ctx;
    device_setup_environment(0);
    t->err = device_list(&log, t->infos, DEVICES, &t->n);
    snprintf(t->message, sizeof t->message, "%.255s", cq_log_reason(&log, cq_err_text(t->err)));
    t->n = t->n < DEVICES ? t->n : DEVICES;
    for (int i = 0; i < t->n && !t->err; i++) {
        struct device *dev = NULL;
        t->tried = i + 1;
        log.last_error[0] = '\0';
        enum cq_err err = device_open(&log, &t->infos[i], &dev);
        if (!err)
            err = peak_flops(dev, &t->results[i].flops);
        snprintf(t->results[i].message, sizeof t->results[i].message, "%.255s", cq_log_reason(&log, cq_err_text(err)));
        t->results[i].err = err;
        device_close(&dev);
    }
}

static void how_it_ended(const struct trial_end *end, char *out, size_t size)
{
    if (end->timed_out)
        snprintf(out, size, "the driver did not answer within %d s", TRIAL_S);
    else
        snprintf(out, size, "the driver died of signal %d (%s)", end->signal, strsignal(end->signal));
}

static void tell_device(struct doctor *d, const struct trial *t, int i, bool others)
{
    static const char *const kinds[] = {[DEVICE_CPU] = "cpu", [DEVICE_GPU] = "gpu", [DEVICE_OTHER] = "other"};
    const struct device_info *info = &t->infos[i];
    double gib = 1 << 30;
    if (t->results[i].err)
        doctor_tell(d, others ? DOCTOR_WARNING : DOCTOR_FAILURE, "look after its driver; `clipq work --device` chooses another",
                    "%s %s cannot be used: %s", info->spec, info->name, t->results[i].message);
    else
        doctor_tell(d, DOCTOR_OK, "", "%s %s (%s, %s %s): usable, %.0f GFLOP/s, %.1f GiB, %.1f GiB of it for models", info->spec,
                    info->name, kinds[info->kind], info->platform, info->driver, t->results[i].flops / 1e9,
                    (double) info->global_bytes / gib, (double) budget_here(info, 0) / gib);
}

static void run(struct doctor *d)
{
    static struct trial t;
    struct trial_end end;
    t = (struct trial) {0};
    enum cq_err err = trial_run(try_devices, NULL, &t, sizeof t, TRIAL_S, &end);
    if (!err && end.signal && t.tried) {
        t.results[t.tried - 1].err = CQ_DEVICE;
        how_it_ended(&end, t.results[t.tried - 1].message, sizeof t.results[0].message);
    } else if (!err && end.signal) {
        err = CQ_DEVICE;
        how_it_ended(&end, t.message, sizeof t.message);
    }
    err = err ? err : t.err;
    if (err || !t.n) {
        doctor_tell(d, DOCTOR_FAILURE, "for the CPU install pocl-opencl-icd, for a GPU its maker's driver", "no OpenCL device: %s",
                    err ? t.message : "no driver offers one");
        return;
    }
    int usable = 0;
    for (int i = 0; i < t.tried; i++)
        usable += !t.results[i].err;
    for (int i = 0; i < t.tried; i++)
        tell_device(d, &t, i, usable > 0);
    if (t.tried < t.n)
        doctor_tell(d, DOCTOR_WARNING, "look after that driver", "%d more device%s not tried", t.n - t.tried,
                    t.n - t.tried == 1 ? " was" : "s were");
}

const struct doctor_check doctor_devices = {.name = "devices", .part = DOCTOR_DEVICES, .run = run};

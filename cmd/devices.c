/* clipq devices: which OpenCL devices there are, and which one --device=auto takes. */
#include <string.h>

#include "cmd/common.h"
#include "kernels/device.h"
#include "runner/budget.h"

enum { MAX_DEVICES = 64 };

static const char *const kind_names[] = {[DEVICE_CPU] = "cpu", [DEVICE_GPU] = "gpu", [DEVICE_OTHER] = "other"};

static void print_json(const struct device_info *d, bool is_auto)
{
    json_t *j = json_object();
    field_text(j, "device", d->spec);
    field_text(j, "name", d->name);
    field_text(j, "kind", kind_names[d->kind]);
    field_text(j, "vendor", d->vendor);
    field_text(j, "platform", d->platform);
    field_text(j, "driver", d->driver);
    field_int(j, "compute_units", d->compute_units);
    field_int(j, "float_width", d->float_width);
    field_int(j, "global_bytes", (int64_t) d->global_bytes);
    field_int(j, "max_alloc_bytes", (int64_t) d->max_alloc_bytes);
    field_int(j, "budget_bytes", (int64_t) budget_here(d, 0));
    field_bool(j, "auto", is_auto);
    json_emit("device", j);
}

static void print_text(const struct device_info *d, bool is_auto)
{
    char memory[FIGURE_SIZE], alloc[FIGURE_SIZE], budget[FIGURE_SIZE];
    printf("%-6s %-5s %5d %6d %10s %10s %10s  %s%s\n", d->spec, kind_names[d->kind], d->compute_units, d->float_width,
           text_bytes((double) d->global_bytes, memory), text_bytes((double) d->max_alloc_bytes, alloc),
           text_bytes((double) budget_here(d, 0), budget), d->name,
           is_auto ? "  (auto)" : "");
    printf("%-6s %s, driver %s\n", "", d->platform, d->driver);
}

static int run(const struct command *self, int argc, char **argv)
{
    struct common c;
    static struct device_info devices[MAX_DEVICES];
    struct device_info chosen = {0};
    int n_rest, rc, n;
    if (!common_parse(self, &c, NULL, NULL, argc, argv, &n_rest, &rc))
        return rc;
    if (n_rest)
        return common_usage(self, "'%s': devices takes no names", argv[0]);
    device_setup_environment(0);
    enum cq_err err = device_list(&c.log, devices, MAX_DEVICES, &n);
    if (!err)
        err = device_find(&c.log, "auto", &chosen);
    if (err)
        return common_exit(err, false);
    if (!c.json)
        printf("%-6s %-5s %5s %6s %10s %10s %10s  %s\n", "device", "kind", "units", "floats", "memory", "largest",
               "budget", "name");
    for (int i = 0; i < n; i++)
        (c.json ? print_json : print_text)(&devices[i], !strcmp(devices[i].spec, chosen.spec));
    return EXIT_FINE;
}

const struct command cmd_devices = {
    .name = "devices",
    .usage = "[options]",
    .summary = "List the OpenCL devices",
    .details = "units: compute units; floats: native vector width; largest: the biggest single buffer;\n"
               "budget: memory that models may take, by default (`clipq work --memory-limit`).\n\n"
               "Exit codes: 0, 2 usage, 11 no usable device.",
    .run = run,
};

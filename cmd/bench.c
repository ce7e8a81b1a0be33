/* clipq bench: picks the kind of measurement. */
#include "cmd/bench.h"

#include <string.h>

static const struct command *const kinds[] = {&cmd_bench_infer, &cmd_bench_decode, &cmd_bench_e2e, &cmd_bench_balance,
                                              &cmd_bench_queue, NULL};

static const char *word_of(const struct command *kind)
{
    return strchr(kind->name, ' ') + 1;      /* "bench infer" */
}

static int run(const struct command *self, int argc, char **argv)
{
    struct common c;
    int n_rest, rc;
    for (int i = 0; argc && kinds[i]; i++)
        if (!strcmp(argv[0], word_of(kinds[i])))
            return kinds[i]->run(kinds[i], argc - 1, argv + 1);
    if (!common_parse(self, &c, NULL, NULL, argc, argv, &n_rest, &rc))
        return rc;
    char safe[128];
    if (!n_rest)
        return common_usage(self, "say what to measure");
    return common_usage(self, "'%s' is nothing that can be measured", text_safe(argv[0], safe, sizeof safe));
}

const struct command cmd_bench = {
    .name = "bench",
    .usage = "infer|decode|e2e|balance|queue [options] ...",
    .summary = "Measure how fast this machine is",
    .details =
        "infer    models alone, and the share of the device's peak that they reach\n"
        "decode   clips alone, decoded and scaled, and what leaving frames undecoded saves\n"
        "e2e      the whole run beside both\n"
        "balance  the ways to divide work among workers and engines, in a simulation\n"
        "queue    how fast jobs are claimed and completed, and long queues against short ones\n\n"
        "`clipq help bench infer` and so on explain their options.\n\n"
        "Exit codes: 0, 1 something could not be measured, 2 usage, 3 some clips failed, 11 no usable device.",
    .run = run,
};

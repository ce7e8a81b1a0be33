/* From options to a store_filter. */
#include "cmd/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/common.h"
#include "stages/failure.h"

/* A pattern as it is, anything else as a part. */
static const char *glob(const char *text, char *out, size_t size)
{
    if (!text)
        return NULL;
    snprintf(out, size, strpbrk(text, "*?[") ? "%s" : "*%s*", text);
    return out;
}

static int states(const struct command *self, const char *list, int *out)
{
    for (const char *at = list; at && *at; at += strspn(at, ",")) {
        int length = (int) strcspn(at, ","), bit = job_state_by_name(at, length);
        if (!bit)
            return common_usage(self, "--state: '%.*s' is none: pending, running, done, partial, failed, dead or cancelled",
                                length, at);
        *out |= bit;
        at += length;
    }
    return EXIT_FINE;
}

int filter_make(const struct command *self, struct filter_args *a, struct store_filter *out)
{
    *out = (struct store_filter) {
        .run = a->run, .reason = a->reason, .pipeline = a->pipeline,
        .path = glob(a->path, a->path_glob, sizeof a->path_glob),
        .model = glob(a->model, a->model_glob, sizeof a->model_glob),
    };
    if (a->reason && strcmp(failure_name(failure_by_name(a->reason)), a->reason))
        return common_usage(self, "--class: '%s' is none; README.md lists them under \"States and failures\": io, crash, hang, "
                            "damaged, truncated, ...", a->reason);
    return states(self, a->state, &out->states);
}

bool filter_is_given(const struct filter_args *a)
{
    return a->state || a->reason || a->path || a->pipeline || a->model || a->run;
}

int filter_id(const struct command *self, const char *text, int64_t *id)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *end || n < 1)
        return common_usage(self, "'%s' is no job's number; `clipq list` shows them", text);
    *id = n;
    return EXIT_FINE;
}

/* The table of failure classes. */
#include "stages/failure.h"

#include <string.h>

static const struct {
    const char *name, *text;
    enum failure_rule rule;
} failures[] = {
#define X(id, name, rule, text) [FAIL_##id] = {name, text, FAILURE_##rule},
    FAILURES(X)
#undef X
};

const char *failure_name(enum failure f)
{
    return (unsigned) f < FAIL_COUNT ? failures[f].name : failures[FAIL_INTERNAL].name;
}

const char *failure_text(enum failure f)
{
    return (unsigned) f < FAIL_COUNT ? failures[f].text : failures[FAIL_INTERNAL].text;
}

enum failure_rule failure_rule(enum failure f)
{
    return (unsigned) f < FAIL_COUNT ? failures[f].rule : FAILURE_FINAL;
}

enum failure failure_by_name(const char *name)
{
    for (int f = 0; f < FAIL_COUNT; f++)
        if (!strcmp(failures[f].name, name))
            return (enum failure) f;
    return FAIL_INTERNAL;
}

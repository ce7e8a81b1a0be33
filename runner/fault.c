/* Reading CLIPQ_FAULT. */
#include "runner/fault.h"

#include <stdlib.h>
#include <string.h>

/* The text after "NAME@" up to a comma, copied; false when the fault is not there. */
static bool wanted(const char *name, char *out, size_t size)
{
    const char *at = getenv("CLIPQ_FAULT");
    size_t length = strlen(name);
    while (at && *at) {
        size_t item = strcspn(at, ",");
        if (item > length && !strncmp(at, name, length) && at[length] == '@' && item - length - 1 < size) {
            memcpy(out, at + length + 1, item - length - 1);
            out[item - length - 1] = '\0';
            return true;
        }
        at += item + (at[item] == ',');
    }
    return false;
}

bool fault_at(const char *name, int64_t n)
{
    char text[256];
    return wanted(name, text, sizeof text) && strtoll(text, NULL, 10) == n;
}

bool fault_over(const char *name, int64_t n)
{
    char text[256];
    return wanted(name, text, sizeof text) && n > strtoll(text, NULL, 10);
}

bool fault_in(const char *name, const char *path)
{
    char text[256];
    return wanted(name, text, sizeof text) && text[0] && strstr(path, text);
}

double fault_factor(const char *name, const char *what)
{
    char text[256];
    size_t length = strlen(what);
    bool meant = wanted(name, text, sizeof text) && !strncmp(text, what, length) && text[length] == '=';
    return meant ? strtod(text + length + 1, NULL) : 1;
}

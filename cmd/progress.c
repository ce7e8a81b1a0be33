/* The bar, the line, the JSON. */
#include "cmd/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernels/base/clock.h"

enum { BAR_CELLS = 16 };

void progress_init(struct progress *p, enum progress_mode mode, bool quiet, bool color)
{
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
    if (mode == PROGRESS_AUTO)
        mode = quiet ? PROGRESS_NONE : terminal ? PROGRESS_BAR : PROGRESS_PLAIN;
    *p = (struct progress) {.mode = mode, .color = color, .last_ns = cq_now_ns()};
}

static double interval_s(enum progress_mode mode)
{
    return mode == PROGRESS_BAR ? 0.2 : mode == PROGRESS_JSON ? 1 : 10;
}

bool progress_is_due(const struct progress *p, bool last)
{
    if (p->mode == PROGRESS_NONE)
        return false;
    return last || (double) (cq_now_ns() - p->last_ns) >= interval_s(p->mode) * 1e9;
}

static int columns(void)
{
    struct winsize w;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 80;
}

/* Cut to the terminal's width: a bar that wraps cannot be redrawn. Text is ASCII, so bytes are columns. */
static void draw_bar(struct progress *p, double share, const char *text, bool last)
{
    char cells[BAR_CELLS + 1] = "", bar[BAR_CELLS + 32] = "";
    if (share >= 0) {
        share = share > 1 ? 1 : share;
        memset(cells, '.', BAR_CELLS);
        memset(cells, '#', (size_t) (share * BAR_CELLS + 0.5));
        snprintf(bar, sizeof bar, "[%s] %3.0f%% ", cells, share * 100);
    }
    int room = columns() - 1 - (int) strlen(bar);
    fprintf(stderr, "\r%s%s%s%.*s\033[K%s", p->color ? "\033[32m" : "", bar, p->color ? "\033[0m" : "",
            room > 0 ? room : 0, text, last ? "\n" : "");
    p->bar_is_drawn = !last;
}

static void write_json(const char *type, json_t *fields)
{
    json_t *line = json_pack("{s:s, s:i}", "message_type", type, "schema_version", 1);
    if (line && fields && !json_object_update(line, fields)) {
        json_dumpf(line, stderr, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
        fputc('\n', stderr);
    }
    json_decref(line);
}

void progress_show(struct progress *p, double share, const char *text, const char *type, json_t *fields, bool last)
{
    p->last_ns = cq_now_ns();
    if (p->mode == PROGRESS_BAR)
        draw_bar(p, share, text, last);
    else if (p->mode == PROGRESS_JSON)
        write_json(type, fields);
    else if (p->mode == PROGRESS_PLAIN)
        fprintf(stderr, "%s\n", text);
    fflush(stderr);
    json_decref(fields);
}

void progress_log(void *ctx, enum cq_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct progress *p = ctx;
    if (p->bar_is_drawn)
        fputs("\r\033[K", stderr);
    p->bar_is_drawn = false;
    fprintf(stderr, "clipq: %s: %s\n", names[level], text);
}

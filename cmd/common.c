/* Common options and the ways in which everything is printed. */
#include "cmd/common.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/clock.h"
#include "kernels/device.h"

const struct cq_opt common_opts[] = {
    CQ_OPT(struct common, db, .name = "db", .value = "FILE", .def_text = "clipq.db", .help = "the database"),
    CQ_OPT(struct common, json, .name = "json", .help = "print JSON lines on standard output"),
    CQ_OPT(struct common, quiet, .name = "quiet", .letter = 'q', .help = "print errors only"),
    CQ_OPT(struct common, verbose, .name = "verbose", .letter = 'v', .help = "tell more on standard error"),
    CQ_OPT(struct common, color, .name = "color", .choices = "auto|always|never",
           .help = "colours; NO_COLOR and TERM=dumb turn them off"),
    CQ_OPT(struct common, help, .name = "help", .letter = 'h', .help = "print this and end"),
    {0},
};

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static void print_help(const struct command *self, const struct cq_opt_group *groups)
{
    printf("usage: clipq %s %s\n\n%s.\n", self->name, self->usage, self->summary);
    if (self->details)
        printf("\n%s\n", self->details);
    cq_opt_help(groups, stdout);
    printf("\nEvery option can stand in the environment: --some-name as CLIPQ_SOME_NAME; the command line wins.\n");
}

bool common_parse(const struct command *self, struct common *c, const struct cq_opt *opts, void *state, int argc,
                  char **argv, int *n_rest, int *rc)
{
    const struct cq_opt_group groups[] = {
        {"Options", opts ? opts : common_opts, opts ? state : c},
        {"Common options", opts ? common_opts : NULL, c},
        {0},
    };
    memset(c, 0, sizeof *c);
    if (asks_for_help(argc, argv)) {
        print_help(self, groups);
        *rc = EXIT_FINE;
        return false;
    }
    if (cq_opt_parse(&c->log, groups, argc, argv, n_rest)) {
        fprintf(stderr, "see: clipq help %s\n", self->name);
        *rc = EXIT_USAGE;
        return false;
    }
    c->log.level = c->quiet ? CQ_ERROR : c->verbose ? CQ_DEBUG : CQ_WARN;
    return true;
}

int common_usage(const struct command *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("clipq: error: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nusage: clipq %s %s\nsee: clipq help %s\n", self->name, self->usage, self->name);
    return EXIT_USAGE;
}

/* "/K/N" at the end, a part of a device: how long that is. */
static size_t part_length(const char *text, size_t length)
{
    size_t at = strcspn(text, "/"), n;
    int part, parts, end = 0;
    if (at >= length || sscanf(text + at, "/%2d/%2d%n", &part, &parts, &end) < 2)
        return 0;
    n = at + (size_t) end;
    return n == length && part >= 1 && part <= parts && parts <= DEVICE_PARTS_MAX ? (size_t) end : 0;
}

bool common_is_device(const char *text, size_t length)
{
    length -= part_length(text, length);
    static const char *const kinds[] = {"auto", "cpu", "gpu"}, *const digits = "0123456789";
    size_t platform = strspn(text, digits);
    size_t device = platform && text[platform] == ':' ? strspn(text + platform + 1, digits) : 0;
    if (device)
        return platform + 1 + device == length;
    for (int i = 0; i < 3; i++)
        if (strlen(kinds[i]) == length && !strncmp(text, kinds[i], length))
            return true;
    return false;
}

int common_exit(enum cq_err err, bool from_store)
{
    switch (err) {
    case CQ_OK:        return EXIT_FINE;
    case CQ_NO_DEVICE: return EXIT_NO_DEVICE;
    case CQ_BUSY:
    case CQ_NEWER:
    case CQ_FOREIGN:   return EXIT_DATABASE;
    default:           return from_store ? EXIT_DATABASE : EXIT_FATAL;
    }
}

bool common_color(const struct common *c, FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (c->color != COLOR_AUTO)
        return c->color == COLOR_ALWAYS;
    if ((no_color && *no_color) || !term || !strcmp(term, "dumb"))
        return false;
    return isatty(fileno(stream));
}

/* ---- JSON ---- */

void json_emit(const char *type, json_t *fields)
{
    json_t *line = json_pack("{s:s, s:i}", "message_type", type, "schema_version", 1);
    if (line && fields && !json_object_update(line, fields)) {
        json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
        fputc('\n', stdout);
        fflush(stdout);
    }
    json_decref(line);
    json_decref(fields);
}

static char *escape(const char *s, bool (*keep)(unsigned char), char *out, size_t size)
{
    size_t n = 0;
    for (; *s && n + 5 < size; s++) {
        if (keep((unsigned char) *s))
            out[n++] = *s;
        else
            n += (size_t) snprintf(out + n, size - n, "\\x%02x", (unsigned) (unsigned char) *s);
    }
    out[n] = '\0';
    return out;
}

static bool is_ascii(unsigned char c) { return c < 0x80; }
static bool is_printable(unsigned char c) { return c >= 0x20 && c != 0x7f; }

json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    char ascii[4 * 4096];
    return json_string(escape(s, is_ascii, ascii, sizeof ascii));
}

/* Setting fails only without memory; the line then lacks a field, which is no reason to stop. */
static void set(json_t *fields, const char *key, json_t *v)
{
    json_object_set_new(fields, key, v);
}

void field_int(json_t *fields, const char *key, int64_t v) { set(fields, key, json_integer(v)); }
void field_bool(json_t *fields, const char *key, bool v) { set(fields, key, json_boolean(v)); }
void field_text(json_t *fields, const char *key, const char *v) { set(fields, key, json_text(v)); }

void field_figure(json_t *fields, const char *key, double v)
{
    set(fields, key, isfinite(v) ? json_real(round(v * 1000) / 1000) : json_null());
}

void field_time(json_t *fields, const char *key, int64_t utc_ms)
{
    char text[CQ_RFC3339_SIZE];
    set(fields, key, utc_ms ? json_string(cq_rfc3339(utc_ms, text)) : json_null());
}

/* ---- figures ---- */

char *text_count(int64_t n, char out[FIGURE_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long) n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && digits[i - 1] != '-' && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

char *text_bytes(double bytes, char out[FIGURE_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int u = 0;
    for (; bytes >= 1024 && u < 5; u++)
        bytes /= 1024;
    snprintf(out, FIGURE_SIZE, u && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return out;
}

char *text_seconds(double s, char out[FIGURE_SIZE])
{
    long long whole = (long long) (s + 0.5);
    if (!(s >= 0) || s > 1e12)
        snprintf(out, FIGURE_SIZE, "?");
    else if (s < 10)
        snprintf(out, FIGURE_SIZE, "%.2f s", s);
    else if (s < 60)
        snprintf(out, FIGURE_SIZE, "%.1f s", s);
    else if (s < 3600)
        snprintf(out, FIGURE_SIZE, "%lld min %02lld s", whole / 60, whole % 60);
    else if (s < 48 * 3600)
        snprintf(out, FIGURE_SIZE, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
    else
        snprintf(out, FIGURE_SIZE, "%lld d %02lld h", whole / 86400, whole / 3600 % 24);
    return out;
}

char *text_ms(double ms, char out[FIGURE_SIZE])
{
    if (ms >= 1000)
        return text_count((int64_t) (ms + 0.5), out);
    snprintf(out, FIGURE_SIZE, ms >= 100 ? "%.0f" : ms >= 10 ? "%.1f" : ms >= 1 ? "%.2f" : "%.3f", ms);
    return out;
}

char *text_safe(const char *s, char *out, size_t size)
{
    return escape(s, is_printable, out, size);
}

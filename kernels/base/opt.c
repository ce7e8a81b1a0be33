/* Option tables: values from text, the walk over argv, the help text. */
#include "kernels/base/opt.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernels/base/log.h"

enum { NAME_SIZE = 64, HELP_COLUMN = 26 };

/* ---- one value ---- */

static bool in_range(const struct cq_opt *opt, double v)
{
    return (opt->min == 0 && opt->max == 0) || (v >= opt->min && v <= opt->max);
}

static enum cq_err bad_number(struct cq_log *log, const struct cq_opt *opt, const char *where, const char *text,
                              const char *kind)
{
    const char *is = opt->zero ? "neither" : "not", *nor = opt->zero ? " nor " : "", *word = opt->zero ? opt->zero : "";
    if (opt->min == 0 && opt->max == 0)
        cq_log_error(log, "%s: '%s' is %s %s%s%s", where, text, is, kind, nor, word);
    else
        cq_log_error(log, "%s: '%s' is %s %s from %.10g to %.10g%s%s", where, text, is, kind, opt->min, opt->max, nor,
                     word);
    return CQ_INVALID;
}

static enum cq_err set_bool(struct cq_log *log, bool *out, const char *where, const char *text)
{
    static const char *const yes[] = {"1", "yes", "true", "on"}, *const no[] = {"0", "no", "false", "off", ""};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!strcasecmp(text, yes[i]))
            return *out = true, CQ_OK;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (!strcasecmp(text, no[i]))
            return *out = false, CQ_OK;
    cq_log_error(log, "%s: '%s' is neither yes nor no", where, text);
    return CQ_INVALID;
}

static enum cq_err set_choice(struct cq_log *log, const struct cq_opt *opt, int *out, const char *where,
                              const char *text)
{
    const char *at = opt->choices;
    size_t length = strlen(text);
    for (int i = 0; *at; i++) {
        size_t n = strcspn(at, "|");
        if (n == length && !memcmp(at, text, n))
            return *out = i, CQ_OK;
        at += n + (at[n] == '|');
    }
    cq_log_error(log, "%s: '%s' is not one of %s", where, text, opt->choices);
    return CQ_INVALID;
}

static enum cq_err set_int(struct cq_log *log, const struct cq_opt *opt, int *out, const char *where, const char *text)
{
    if (opt->choices)
        return set_choice(log, opt, out, where, text);
    if (opt->zero && !strcmp(text, opt->zero))
        return *out = 0, CQ_OK;
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < INT_MIN || v > INT_MAX || !in_range(opt, (double) v))
        return bad_number(log, opt, where, text, "a whole number");
    *out = (int) v;
    return CQ_OK;
}

static enum cq_err set_double(struct cq_log *log, const struct cq_opt *opt, double *out, const char *where,
                              const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v) || !in_range(opt, v))
        return bad_number(log, opt, where, text, "a number");
    *out = v;
    return CQ_OK;
}

/* [[HH:]MM:]SS[.frac]; the parts after the first must be below 60. */
static bool parse_seconds(const char *text, double *out)
{
    double total = 0;
    for (int part = 0; part < 3; part++) {
        if (!isdigit((unsigned char) *text) && *text != '.')
            return false;
        char *end;
        double v = strtod(text, &end);
        if (end == text || !isfinite(v) || (part && v >= 60))
            return false;
        total = total * 60 + v;
        if (!*end)
            return *out = total, true;
        if (*end != ':' || v != floor(v))
            return false;
        text = end + 1;
    }
    return false;
}

static enum cq_err set_seconds(struct cq_log *log, const struct cq_opt *opt, struct cq_opt_seconds *out,
                               const char *where, const char *text)
{
    double v;
    if (!parse_seconds(text, &v) || !in_range(opt, v)) {
        cq_log_error(log, "%s: '%s' is not a time: give seconds (90.5) or HH:MM:SS (00:01:30.5)", where, text);
        return CQ_INVALID;
    }
    out->s = v;
    return CQ_OK;
}

/* A number and a unit of 1024; "b", "ib" and nothing behind the letter mean the same. */
static bool parse_bytes(const char *text, double *out)
{
    static const char units[] = "kmgt";
    char *end;
    if (!isdigit((unsigned char) *text) && *text != '.')
        return false;
    double v = strtod(text, &end);
    const char *unit = *end ? strchr(units, tolower((unsigned char) *end)) : NULL;
    if (unit) {
        v = ldexp(v, 10 * (int) (unit - units + 1));
        end++;
        end += strcasecmp(end, "ib") == 0;
    }
    end += (*end == 'b' || *end == 'B');
    *out = floor(v);
    return !*end && isfinite(v) && v < 0x1p62;
}

static enum cq_err set_bytes(struct cq_log *log, const struct cq_opt *opt, struct cq_opt_bytes *out,
                             const char *where, const char *text)
{
    double v;
    if (!parse_bytes(text, &v) || !in_range(opt, v)) {
        cq_log_error(log, "%s: '%s' is not a size%s: give bytes or, for example, 512MiB or 1.5GiB", where, text,
                     opt->min > 0 ? " that is of use" : "");
        return CQ_INVALID;
    }
    out->n = (int64_t) v;
    return CQ_OK;
}

static enum cq_err set_size(struct cq_log *log, const struct cq_opt *opt, struct cq_opt_size *out, const char *where,
                            const char *text)
{
    char *end, *last = NULL;
    if (opt->word && !strcmp(text, opt->word)) {
        *out = (struct cq_opt_size) {-1, -1};
        return CQ_OK;
    }
    long w = strtol(text, &end, 10), h = 0;
    if (end != text && (*end == 'x' || *end == 'X'))
        h = strtol(end + 1, &last, 10);
    if (!last || *last || w < 1 || h < 1 || !in_range(opt, (double) w) || !in_range(opt, (double) h)) {
        cq_log_error(log, "%s: '%s' is not a size: give WIDTHxHEIGHT in pixels, at most %.0f each%s%s", where, text,
                     opt->max, opt->word ? ", or " : "", opt->word ? opt->word : "");
        return CQ_INVALID;
    }
    *out = (struct cq_opt_size) {(int) w, (int) h};
    return CQ_OK;
}

static enum cq_err add_item(struct cq_log *log, const struct cq_opt *opt, struct cq_opt_list *list, const char *where,
                            const char *text)
{
    int most = opt->max > 0 && opt->max < CQ_OPT_LIST_MAX ? (int) opt->max : CQ_OPT_LIST_MAX;
    if (list->n == most) {
        cq_log_error(log, "%s: may be given at most %d times", where, most);
        return CQ_INVALID;
    }
    list->item[list->n++] = text;
    return CQ_OK;
}

enum cq_err cq_opt_set(struct cq_log *log, const struct cq_opt *opt, void *state, const char *where, const char *text)
{
    void *field = (char *) state + opt->offset;
    switch (opt->type) {
    case CQ_OPT_BOOL:    return set_bool(log, field, where, text);
    case CQ_OPT_INT:     return set_int(log, opt, field, where, text);
    case CQ_OPT_DOUBLE:  return set_double(log, opt, field, where, text);
    case CQ_OPT_SECONDS: return set_seconds(log, opt, field, where, text);
    case CQ_OPT_SIZE:    return set_size(log, opt, field, where, text);
    case CQ_OPT_BYTES:   return set_bytes(log, opt, field, where, text);
    case CQ_OPT_LIST:    return add_item(log, opt, field, where, text);
    case CQ_OPT_TEXT:
        memcpy(field, &text, sizeof text);
        return CQ_OK;
    }
    return CQ_INTERNAL;
}

static void set_default(const struct cq_opt *opt, void *state)
{
    void *field = (char *) state + opt->offset;
    switch (opt->type) {
    case CQ_OPT_BOOL:    *(bool *) field = opt->def != 0; break;
    case CQ_OPT_INT:     *(int *) field = (int) opt->def; break;
    case CQ_OPT_DOUBLE:  *(double *) field = opt->def; break;
    case CQ_OPT_SECONDS: ((struct cq_opt_seconds *) field)->s = opt->def; break;
    case CQ_OPT_SIZE:    *(struct cq_opt_size *) field = (struct cq_opt_size) {0, 0}; break;
    case CQ_OPT_BYTES:   ((struct cq_opt_bytes *) field)->n = (int64_t) opt->def; break;
    case CQ_OPT_LIST:    ((struct cq_opt_list *) field)->n = 0; break;
    case CQ_OPT_TEXT:    *(const char **) field = opt->def_text; break;
    }
}

/* ---- the walk over argv ---- */

struct parser {
    struct cq_log *log;
    const struct cq_opt_group *groups;
    int n_groups;
    uint64_t given[8];           /* per group: which options the command line set */
    int argc, at;
    char **argv;
};

static const struct cq_opt *find(struct parser *p, const char *name, size_t length, char letter, int *group)
{
    for (int g = 0; g < p->n_groups; g++)
        for (const struct cq_opt *o = p->groups[g].opts; o->name; o++)
            if (letter ? o->letter == letter : !strncmp(o->name, name, length) && !o->name[length])
                return *group = g, o;
    return NULL;
}

static enum cq_err unknown(struct parser *p, const char *arg, size_t length)
{
    char word[NAME_SIZE];
    snprintf(word, sizeof word, "%.*s", (int) length, arg);
    const char *best = NULL;
    int best_distance = 4;       /* farther is no typing mistake */
    for (int g = 0; g < p->n_groups; g++)
        for (const struct cq_opt *o = p->groups[g].opts; o->name; o++) {
            int d = cq_edit_distance(word, o->name);
            if (d < best_distance) {
                best = o->name;
                best_distance = d;
            }
        }
    if (best)
        cq_log_error(p->log, "unknown option --%s: did you mean --%s?", word, best);
    else
        cq_log_error(p->log, "unknown option --%s: see --help (a file name that starts with '-' goes after --)", word);
    return CQ_INVALID;
}

static enum cq_err apply(struct parser *p, const struct cq_opt *opt, int group, const char *value)
{
    char where[NAME_SIZE];
    snprintf(where, sizeof where, "--%s", opt->name);
    if (!value && opt->type == CQ_OPT_BOOL)
        value = "yes";
    if (!value) {
        if (p->at >= p->argc) {
            cq_log_error(p->log, "%s needs a value: %s %s", where, where, opt->value ? opt->value : "VALUE");
            return CQ_INVALID;
        }
        value = p->argv[p->at++];
    }
    p->given[group] |= UINT64_C(1) << (opt - p->groups[group].opts);
    return cq_opt_set(p->log, opt, p->groups[group].state, where, value);
}

static enum cq_err parse_long(struct parser *p, const char *arg)
{
    size_t length = strcspn(arg, "=");
    int group;
    const struct cq_opt *opt = find(p, arg, length, 0, &group);
    if (!opt)
        return unknown(p, arg, length);
    return apply(p, opt, group, arg[length] ? arg + length + 1 : NULL);
}

/* A cluster of switches, the last of which may take a value: -qv, -w4. */
static enum cq_err parse_letters(struct parser *p, const char *arg)
{
    for (; *arg; arg++) {
        int group;
        const struct cq_opt *opt = find(p, NULL, 0, *arg, &group);
        if (!opt) {
            cq_log_error(p->log, "unknown option -%c: see --help (a file name that starts with '-' goes after --)",
                         *arg);
            return CQ_INVALID;
        }
        bool takes_rest = opt->type != CQ_OPT_BOOL && arg[1];
        enum cq_err err = apply(p, opt, group, takes_rest ? arg + 1 : NULL);
        if (err || takes_rest)
            return err;
    }
    return CQ_OK;
}

static enum cq_err read_environment(struct parser *p)
{
    for (int g = 0; g < p->n_groups; g++) {
        const struct cq_opt *opts = p->groups[g].opts;
        for (int i = 0; opts[i].name; i++) {
            if (p->given[g] >> i & 1)
                continue;
            char name[NAME_SIZE];
            snprintf(name, sizeof name, "CLIPQ_%s", opts[i].name);
            for (char *c = name; *c; c++)
                *c = *c == '-' ? '_' : (char) toupper((unsigned char) *c);
            const char *value = getenv(name);
            enum cq_err err = value && *value ? cq_opt_set(p->log, &opts[i], p->groups[g].state, name, value) : CQ_OK;
            if (err)
                return err;
        }
    }
    return CQ_OK;
}

static void set_defaults(struct parser *p)
{
    for (; p->groups[p->n_groups].opts; p->n_groups++) {
        const struct cq_opt_group *g = &p->groups[p->n_groups];
        for (const struct cq_opt *o = g->opts; o->name; o++)
            set_default(o, g->state);
    }
    assert(p->n_groups <= 8);
}

enum cq_err cq_opt_parse(struct cq_log *log, const struct cq_opt_group *groups, int argc, char **argv, int *n_rest)
{
    struct parser p = {.log = log, .groups = groups, .argc = argc, .argv = argv};
    int rest = 0;
    bool only_names = false;
    enum cq_err err = CQ_OK;

    *n_rest = 0;
    set_defaults(&p);
    while (!err && p.at < argc) {
        char *arg = argv[p.at++];
        if (only_names || arg[0] != '-' || !arg[1])
            argv[rest++] = arg;
        else if (!strcmp(arg, "--"))
            only_names = true;
        else
            err = arg[1] == '-' ? parse_long(&p, arg + 2) : parse_letters(&p, arg + 1);
    }
    if (!err)
        err = read_environment(&p);
    if (!err)
        *n_rest = rest;
    return err;
}

/* ---- help ---- */

static void print_default(const struct cq_opt *o, FILE *out)
{
    if (o->choices) {
        const char *at = o->choices;
        for (int i = 0; i < (int) o->def; i++)
            at += strcspn(at, "|") + 1;
        fprintf(out, " [%.*s]", (int) strcspn(at, "|"), at);
    } else if (o->type == CQ_OPT_TEXT && o->def_text) {
        fprintf(out, " [%s]", o->def_text);
    } else if ((o->type == CQ_OPT_INT || o->type == CQ_OPT_DOUBLE) && !isnan(o->def) && o->def != 0) {
        fprintf(out, " [%.10g]", o->def);
    } else if (o->zero) {
        fprintf(out, " [%s]", o->zero);
    }
}

static void print_option(const struct cq_opt *o, FILE *out)
{
    char left[96], letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    const char *value = o->choices ? o->choices : o->value;
    bool takes = o->type != CQ_OPT_BOOL && value;
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, takes ? " " : "", takes ? value : "");
    fprintf(out, "%-*s", HELP_COLUMN, left);
    if ((int) strlen(left) >= HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");

    const char *line = o->help;
    for (;;) {
        int n = (int) strcspn(line, "\n");
        fprintf(out, "%.*s", n, line);
        if (!line[n])
            break;
        fprintf(out, "\n%*s", HELP_COLUMN, "");
        line += n + 1;
    }
    print_default(o, out);
    fputc('\n', out);
}

void cq_opt_help(const struct cq_opt_group *groups, FILE *out)
{
    for (; groups->opts; groups++) {
        fprintf(out, "\n%s:\n", groups->title);
        for (const struct cq_opt *o = groups->opts; o->name; o++)
            print_option(o, out);
    }
}

/* Optimal string alignment distance, on words cut at 31 letters. */
int cq_edit_distance(const char *a, const char *b)
{
    enum { MAX = 31 };
    int d[MAX + 1][MAX + 1];
    int n = (int) strnlen(a, MAX), m = (int) strnlen(b, MAX);
    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

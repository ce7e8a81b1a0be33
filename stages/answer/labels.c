/* Class names: one per line of a text file, or the Python literal that YOLO exports carry as metadata. */
#include "stages/answer/labels.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/card.h"

void labels_finish(struct labels *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->text[i]);
    free(l->text);
    *l = (struct labels) {0};
}

/* The card becomes JSON, so its texts must be what JSON can hold. */
static bool is_utf8(const char *text, size_t length)
{
    json_t *string = json_stringn(text, length);
    json_decref(string);
    return string != NULL;
}

enum cq_err labels_add(struct labels *l, const char *text, size_t length)
{
    if (length > LABEL_MAX || l->n >= LABELS_MAX || !is_utf8(text, length))
        return CQ_INVALID;
    if (!(l->n & (l->n - 1))) {
        char **grown = realloc(l->text, (l->n ? 2 * (size_t) l->n : 1) * sizeof *grown);
        if (!grown)
            return CQ_NOMEM;
        l->text = grown;
    }
    char *copy = strndup(text, length);
    if (!copy)
        return CQ_NOMEM;
    l->text[l->n++] = copy;
    return CQ_OK;
}

void labels_give(struct labels *l, struct card *c)
{
    struct labels old = {c->labels, c->n_labels};
    labels_finish(&old);
    c->labels = l->text;
    c->n_labels = l->n;
    *l = (struct labels) {0};
}

enum cq_err labels_one(struct card *c, const char *label)
{
    struct labels labels = {0};
    enum cq_err err = labels_add(&labels, label, strlen(label));
    if (!err)
        labels_give(&labels, c);
    labels_finish(&labels);
    return err;
}

static const char *skip_space(const char *s)
{
    while (isspace((unsigned char) *s))
        s++;
    return s;
}

/* A quoted Python string at *s: moves *s behind it. A backslash keeps the character after it as it is, which
 * is right for quotes and backslashes, the only escapes that repr() of a class name brings in practice. */
static enum cq_err python_string(const char **s, struct labels *out)
{
    char text[LABEL_MAX + 1];
    size_t n = 0;
    const char *at = *s;
    char quote = *at++;
    if (quote != '\'' && quote != '"')
        return CQ_INVALID;
    for (; *at != quote; at++) {
        if (*at == '\\')
            at++;
        if (!*at || n >= LABEL_MAX)
            return CQ_INVALID;
        text[n++] = *at;
    }
    *s = at + 1;
    return labels_add(out, text, n);
}

/* "12 :" at *s, which must be the id awaited next. */
static enum cq_err python_key(const char **s, int awaited)
{
    char *end;
    long id = strtol(*s, &end, 10);
    if (end == *s || id != awaited)
        return CQ_INVALID;
    const char *at = skip_space(end);
    if (*at != ':')
        return CQ_INVALID;
    *s = skip_space(at + 1);
    return CQ_OK;
}

enum cq_err labels_from_python(const char *text, struct labels *out)
{
    *out = (struct labels) {0};
    const char *s = skip_space(text);
    if (*s != '{' && *s != '[')
        return CQ_INVALID;
    char close = *s == '{' ? '}' : ']';

    enum cq_err err = CQ_OK;
    s = skip_space(s + 1);
    while (!err && *s != close) {
        if (close == '}')
            err = python_key(&s, out->n);
        if (!err)
            err = python_string(&s, out);
        if (err)
            break;
        s = skip_space(s);
        if (*s == ',')
            s = skip_space(s + 1);
        else if (*s != close)
            err = CQ_INVALID;
    }
    if (err)
        labels_finish(out);
    return err;
}

enum cq_err labels_take_python(struct cq_log *log, const char *text, struct card *c)
{
    if (!text)
        return CQ_OK;
    struct labels labels;
    enum cq_err err = labels_from_python(text, &labels);
    if (!err)
        labels_give(&labels, c);
    if (err == CQ_INVALID)
        cq_log_warn(log, "the model's metadata \"names\" is not a list of names; use --labels");
    return err == CQ_INVALID ? CQ_OK : err;
}

/* Without the line end, and without the byte order mark that some editors put first. */
static enum cq_err add_line(struct labels *l, const char *line, size_t length)
{
    if (l->n == 0 && length >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
        line += 3;
        length -= 3;
    }
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    return memchr(line, '\0', length) ? CQ_INVALID : labels_add(l, line, length);
}

static enum cq_err read_lines(FILE *file, struct labels *l)
{
    enum cq_err err = CQ_OK;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while (!err && (length = getline(&line, &capacity, file)) >= 0)
        err = add_line(l, line, (size_t) length);
    if (!err && ferror(file))
        err = CQ_IO;
    free(line);
    return err;
}

/* Length of "12," in front of label 12; 0 when something else stands there. */
static size_t own_number(const char *label, int id)
{
    char number[16];
    size_t length = (size_t) snprintf(number, sizeof number, "%d", id);
    bool own = !strncmp(label, number, length) && label[length] && strchr(",:\t ", label[length]);
    return own ? length + 1 : 0;
}

/* Files of the form "0,tench": where every line carries its own number, the numbers go. */
static void drop_numbers(struct labels *l)
{
    for (int i = 0; i < l->n; i++)
        if (!own_number(l->text[i], i))
            return;
    for (int i = 0; i < l->n; i++) {
        const char *name = skip_space(l->text[i] + own_number(l->text[i], i));
        memmove(l->text[i], name, strlen(name) + 1);
    }
}

enum cq_err card_apply_labels(struct cq_log *log, struct card *c, const char *labels_path)
{
    FILE *file = fopen(labels_path, "re");
    if (!file) {
        enum cq_err err = cq_err_errno(errno);
        cq_log_error(log, "cannot read labels %s: %s", labels_path, strerror(errno));
        return err;
    }

    struct labels labels = {0};
    enum cq_err err = read_lines(file, &labels);
    if (!err && !labels.n)
        err = CQ_INVALID;
    if (err)
        cq_log_error(log, "labels %s, line %d: %s; awaited is one label a line, UTF-8, of at most %d bytes",
                     labels_path, labels.n + 1, cq_err_text(err), LABEL_MAX);
    if (!err) {
        drop_numbers(&labels);
        labels_give(&labels, c);
    }
    labels_finish(&labels);
    fclose(file);
    return err;
}

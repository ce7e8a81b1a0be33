/* The walk over files, directories, patterns and lists: what counts, what is told, what comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/base/log.h"
#include "runner/walk.h"

static char root[WALK_PATH];

static void make_file(const char *name)
{
    char path[WALK_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(name, f);
    fclose(f);
}

static void make_dir(const char *name)
{
    char path[WALK_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int set_up(void **state)
{
    (void) state;
    char folder[] = "/tmp/clipq-walk-XXXXXX";
    if (!mkdtemp(folder) || !realpath(folder, root))
        return -1;
    make_file("a.mp4");
    make_file("b.MKV");
    make_file("notes.txt");
    make_file("no_suffix");
    make_file(".hidden.mp4");
    make_file("-dash.mp4");
    make_file("new\nline.webm");
    make_file("star*.mov");
    make_dir("sub");
    make_dir("sub/deep");
    make_dir("sub/.git");
    make_dir("empty");
    make_file("sub/deep/c.avi");
    make_file("sub/.git/d.avi");
    if (chdir(root) || symlink("../sub", "sub/loop") || symlink("a.mp4", "link.mp4") ||
        symlink("nowhere", "broken.mp4"))
        return -1;
    return mkfifo("pipe.mp4", 0600);
}

static int tear_down(void **state)
{
    (void) state;
    char command[WALK_PATH + 64];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return chdir("/") || system(command) ? -1 : 0;
}

static void drop(void *ctx, enum cq_level level, const char *text)
{
    (void) ctx; (void) level; (void) text;
}

static struct cq_log quiet = {.sink = drop};

static int compare(const void *a, const void *b) { return strcmp(a, b); }

/* All paths below `root`, sorted, joined by '|'. */
static const char *all(char *const *paths, int n, FILE *list, bool nul, int64_t *missing)
{
    static char out[8192];
    static char found[64][WALK_PATH];
    struct walk *w;
    struct walk_params params = {paths, n, list, nul, &quiet};
    int count = 0;
    assert_int_equal(walk_create(&params, &w), CQ_OK);
    enum cq_err err;
    while ((err = walk_next(w, found[count])) == CQ_OK) {
        assert_int_equal(strncmp(found[count], root, strlen(root)), 0);
        assert_true(++count < 63);
    }
    assert_int_equal(err, CQ_EOF);
    *missing = walk_missing(w);
    walk_destroy(&w);
    assert_null(w);
    qsort(found, (size_t) count, sizeof *found, compare);
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < count; i++)
        at += (size_t) snprintf(out + at, sizeof out - at, "%s%s", i ? "|" : "", found[i] + strlen(root) + 1);
    return out;
}

static void a_directory_gives_its_media_files(void **state)
{
    (void) state;
    char dot[] = ".", *paths[] = {dot};
    int64_t missing;
    assert_string_equal(all(paths, 1, NULL, false, &missing),
                        "-dash.mp4|a.mp4|b.MKV|link.mp4|new\nline.webm|star*.mov|sub/deep/c.avi");
    assert_int_equal(missing, 0);
}

static void a_named_file_always_counts(void **state)
{
    (void) state;
    char a[] = "./notes.txt", b[] = "sub/../no_suffix", c[] = ".hidden.mp4", *paths[] = {a, b, c};
    int64_t missing;
    assert_string_equal(all(paths, 3, NULL, false, &missing), ".hidden.mp4|no_suffix|notes.txt");
    assert_int_equal(missing, 0);
}

static void patterns_match_and_exact_names_win(void **state)
{
    (void) state;
    char a[] = "*.m[op]*", b[] = "star*.mov", c[] = "*.nothing", *paths[] = {a, b, c};
    int64_t missing;
    assert_string_equal(all(paths, 1, NULL, false, &missing), "-dash.mp4|a.mp4|link.mp4|star*.mov");
    assert_int_equal(missing, 2);        /* the broken link and the pipe */
    assert_string_equal(all(paths + 1, 2, NULL, false, &missing), "star*.mov");
    assert_int_equal(missing, 1);
}

static void what_is_not_there_is_counted_and_the_rest_goes_on(void **state)
{
    (void) state;
    char a[] = "nowhere.mp4", b[] = "broken.mp4", c[] = "pipe.mp4", d[] = "a.mp4", e[] = "empty";
    char *paths[] = {a, b, c, d, e};
    int64_t missing;
    assert_string_equal(all(paths, 5, NULL, false, &missing), "a.mp4");
    assert_int_equal(missing, 3);
}

static void lists_are_read_by_line_or_by_nul(void **state)
{
    (void) state;
    static char lines[] = "a.mp4\r\n\nsub\nnotes.txt", nuls[] = "new\nline.webm\0b.MKV";
    int64_t missing;
    FILE *f = fmemopen(lines, sizeof lines - 1, "r");
    assert_string_equal(all(NULL, 0, f, false, &missing), "a.mp4|notes.txt|sub/deep/c.avi");
    fclose(f);
    f = fmemopen(nuls, sizeof nuls, "r");
    assert_string_equal(all(NULL, 0, f, true, &missing), "b.MKV|new\nline.webm");
    assert_int_equal(missing, 0);
    fclose(f);
}

static void suffixes(void **state)
{
    (void) state;
    assert_true(walk_is_media_name("/x/y.Mp4"));
    assert_false(walk_is_media_name("/x.mp4/y"));
    assert_false(walk_is_media_name("mp4"));
    assert_false(walk_is_media_name("x.mp4.part"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_gives_its_media_files),
        cmocka_unit_test(a_named_file_always_counts),
        cmocka_unit_test(patterns_match_and_exact_names_win),
        cmocka_unit_test(what_is_not_there_is_counted_and_the_rest_goes_on),
        cmocka_unit_test(lists_are_read_by_line_or_by_nul),
        cmocka_unit_test(suffixes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

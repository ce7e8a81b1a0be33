/* clipq: runs directories of video clips through ONNX models on OpenCL and leaves the answers in SQLite.
 *
 * Picks the subcommand. The same program is started by itself as `clipq --child=ROLE` for everything that may
 * crash (runner/child.h); that is no user's interface.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cmd/common.h"
#include "runner/child.h"

static const struct command *const commands[] = {
    &cmd_submit, &cmd_work, &cmd_status, &cmd_list, &cmd_show, &cmd_log, &cmd_retry, &cmd_cancel,
    &cmd_pause, &cmd_resume, &cmd_report, &cmd_cache, &cmd_devices, &cmd_doctor, &cmd_model, &cmd_bench, &cmd_tune, NULL,
};

static const struct {
    const char *name;
    int (*run)(void);
} roles[] = {
    {"decode", child_decode_main},
    {"engine", child_engine_main},
    {"probe", child_probe_main},
};

static void print_overview(FILE *out)
{
    fputs("usage: clipq COMMAND [options] ...\n\n"
          "Runs directories of video clips through ONNX models on any OpenCL device\n"
          "and leaves the answers in an SQLite database.\n\nCommands:\n", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fputs("  help CMD  Explain a command and its options\n"
          "\n  clipq --version tells the version and its libraries' versions\n"
          "\nExample:\n"
          "  clipq submit footage/\n"
          "  clipq work\n"
          "  clipq report\n"
          "  sqlite3 clipq.db 'SELECT path, shot, start_s, end_s FROM v_shots'\n", out);
}

static void print_version(void)
{
    printf("clipq %s\nbuilt with %s\n", CLIPQ_VERSION, CLIPQ_LIBRARIES);
}

static const struct command *find_command(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *best = NULL;
    int best_distance = 4;
    for (int i = 0; commands[i]; i++) {
        int d = cq_edit_distance(name, commands[i]->name);
        if (d < best_distance) {
            best = commands[i]->name;
            best_distance = d;
        }
    }
    char safe[128];
    fprintf(stderr, "clipq: error: unknown command '%s'", text_safe(name, safe, sizeof safe));
    if (best)
        fprintf(stderr, ": did you mean '%s'?\n", best);
    else
        fprintf(stderr, "%s; see: clipq help\n", *name == '-' ? ": options go after the command" : "");
    return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    if (!argc) {
        print_overview(stdout);
        return EXIT_FINE;
    }
    const struct command *c = find_command(argv[0]);
    if (!c)
        return unknown_command(argv[0]);
    char flag[] = "--help", *args[] = {argc > 1 ? argv[1] : flag, flag, NULL};
    return c->run(c, 2, args);
}

static int run_child(const char *role)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(roles[i].name, role))
            return roles[i].run();
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");     /* names may be UTF-8; numbers stay with the C locale */
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (!strncmp(name, "--child=", 8))
        return run_child(name + 8);
    if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version"))
        return print_version(), EXIT_FINE;
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        return help(argc - 2, argv + 2);
    const struct command *c = find_command(name);
    return c ? c->run(c, argc - 2, argv + 2) : unknown_command(name);
}

/* clipq pause and clipq resume: whether anything new is begun on this database, by whichever process. */
#include <pwd.h>
#include <unistd.h>

#include "cmd/common.h"

#include "kernels/base/clock.h"
#include "runner/store.h"
#include "runner/store_control.h"

/* user@host */
static void who(char *out, size_t size)
{
    char host[64] = "";
    const struct passwd *user = getpwuid(geteuid());
    gethostname(host, sizeof host - 1);
    if (user)
        snprintf(out, size, "%s@%s", user->pw_name, host);
    else
        snprintf(out, size, "%ld@%s", (long) geteuid(), host);
}

static enum cq_err change(struct store *s, bool pause, struct store_pause *before, struct store_pause *after)
{
    char by[128];
    who(by, sizeof by);
    enum cq_err err = store_begin(s);
    if (!err)
        err = store_get_pause(s, before);
    if (!err)
        err = pause ? store_set_pause(s, by) : store_end_pause(s);
    if (!err)
        err = store_get_pause(s, after);
    if (!err)
        err = store_commit(s);
    if (err)
        store_rollback(s);
    return err;
}

static void tell(const struct common *c, bool pause, const struct store_pause *before, const struct store_pause *after)
{
    char at[CQ_RFC3339_SIZE], by[512];
    const struct store_pause *known = pause ? after : before;
    if (c->json) {
        json_t *j = json_object();
        field_bool(j, "paused", pause);
        field_bool(j, "changed", (before->since_ms != 0) != pause);
        field_time(j, "since", known->since_ms);
        field_text(j, "by", known->by);
        json_emit("pause", j);
    } else if (c->quiet) {
        return;
    } else if (!pause) {
        printf(before->since_ms ? "the queue goes on\n" : "the queue was not paused\n");
    } else if (before->since_ms) {
        printf("the queue is paused since %s, by %s\n", cq_rfc3339(after->since_ms, at), text_safe(after->by, by, sizeof by));
    } else {
        printf("the queue is paused: clips under way are finished, none is begun; `clipq resume` lets it go on\n");
    }
}

static int run(const struct command *self, int argc, char **argv, bool pause)
{
    struct common common;
    struct store *store;
    struct store_pause before, after;
    int n, rc;
    if (!common_parse(self, &common, NULL, NULL, argc, argv, &n, &rc))
        return rc;
    if (n)
        return common_usage(self, "'%s': %s takes no names, it is for the whole queue", argv[0], self->name);
    enum cq_err err = store_open(&common.log, common.db, STORE_WRITE, &store);
    if (err)
        return common_exit(err, true);
    err = change(store, pause, &before, &after);
    store_close(&store);
    if (!err)
        tell(&common, pause, &before, &after);
    return common_exit(err, true);
}

static int run_pause(const struct command *self, int argc, char **argv) { return run(self, argc, argv, true); }
static int run_resume(const struct command *self, int argc, char **argv) { return run(self, argc, argv, false); }

const struct command cmd_pause = {
    .name = "pause",
    .usage = "[options]",
    .summary = "Begin no more clips, on whichever process, until `clipq resume`",
    .details =
        "Every `clipq work` on the database finishes the clips that it has under way, hands back those that it has not\n"
        "begun, and waits. One that is started meanwhile ends with exit code 4, unless it runs --forever: then it waits, too.\n"
        "To hold back one process only, send it TSTP (Ctrl-Z), and CONT to let it go on.\n\n"
        "Exit codes: 0, 2 usage, 10 database missing, locked, foreign or newer.",
    .run = run_pause,
};

const struct command cmd_resume = {
    .name = "resume",
    .usage = "[options]",
    .summary = "Let a paused queue go on",
    .details = "Every `clipq work` that waits goes on within a second.\n\n"
               "Exit codes: 0, 2 usage, 10 database missing, locked, foreign or newer.",
    .run = run_resume,
};

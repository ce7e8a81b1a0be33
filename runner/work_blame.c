/* A decoder has died: whether its clip is to blame, the memory, or a clip that it decoded before, and what is said of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runner/child.h"
#include "runner/work_worker.h"

static void last_line(const char *words, char *out, size_t size)
{
    size_t end = strlen(words);
    while (end && (words[end - 1] == '\n' || words[end - 1] == ' '))
        end--;
    size_t begin = end;
    while (begin && words[begin - 1] != '\n')
        begin--;
    snprintf(out, size, "%.*s", (int) (end - begin), words + begin);
}

/* It may have been others who took the memory, once. Twice it is what the system found largest. */
static bool was_spared(struct work_workers *ws, int64_t job)
{
    for (int i = 0; i < ws->n_spared && i < WORKERS_SPARED; i++)
        if (ws->spared[i] == job)
            return true;
    ws->spared[ws->n_spared++ % WORKERS_SPARED] = job;
    return false;
}

static void blame_memory(struct job *j)
{
    char text[MSG_TEXT];
    bool again = was_spared(j->w->workers, j->claim.id);
    snprintf(text, sizeof text, "the system killed %s, as it does when memory runs out, after %" PRId64 " frames%s",
             again ? "the second decoder" : "the decoder", j->next_seq,
             again ? "; give it more memory, or fewer --workers beside it, then `clipq retry --class out_of_memory`" : "");
    if (again)
        job_fail(j, FAIL_OUT_OF_MEMORY, text);
    else
        job_spare(j, FAIL_OUT_OF_MEMORY, text);
}

/* It broke the rules, and has decoded other clips before this one: any of them may have made it do so. */
static bool others_may_be_to_blame(const struct worker *wk, const struct child_exit *e)
{
    return e->executed && !wk->hung && wk->parsed > 0 && !was_spared(wk->w->workers, wk->job->claim.id);
}

void worker_blame_job(struct worker *wk, const struct child_exit *e)
{
    char words[300], text[MSG_TEXT];
    struct job *j = wk->job;
    bool spare = others_may_be_to_blame(wk, e);
    wk->job = NULL;
    j->worker = NULL;
    snprintf(j->words, sizeof j->words, "%s", e->last_words);
    last_line(e->last_words, words, sizeof words);
    if (child_exit_short_of_memory(e)) {
        blame_memory(j);
        return;
    }
    if (wk->hung)
        snprintf(text, sizeof text, "no frame for %.0f s after %" PRId64 " frames; the decoder was killed",
                 wk->w->p.stall_timeout_s, j->next_seq);
    else if (e->signal)
        snprintf(text, sizeof text, "the decoder died of signal %d (%s) after %" PRId64 " frames%s%s", e->signal,
                 strsignal(e->signal), j->next_seq, words[0] ? ": " : "", words);
    else
        snprintf(text, sizeof text, "the decoder ended with code %" PRId64 " after %" PRId64 " frames%s%s", e->status,
                 j->next_seq, words[0] ? ": " : "", words);
    if (spare)
        job_spare(j, FAIL_CRASH, text);
    else
        job_fail(j, wk->hung ? FAIL_HANG : FAIL_CRASH, text);
}

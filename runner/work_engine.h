/* What the files of the engines share, on top of work_engines.h. Loop's thread only. */
#ifndef CLIPQ_RUNNER_WORK_ENGINE_H
#define CLIPQ_RUNNER_WORK_ENGINE_H

#include "runner/messages_engine.h"
#include "runner/work_engines.h"

struct work_engines {
    struct engine list[ENGINES_MAX];
    int n;
    char folder[STORE_PATH], folder_label[MSG_TEXT];
    char text[512], account[1024];
};

/* ---- work_engine_life.c ---- */

/* Its child process; when there is none to be had, it is tried again later. */
void engine_start(struct engine *e);

/* ---- work_engine_models.c ---- */

bool engine_is_loading(const struct engine *e);
/* A step of its preparation is over: it started, or has loaded a model. */
void engine_count_preparation(struct engine *e);
enum cq_err engine_take_ready(struct engine *e, struct cq_rd *body);   /* CQ_PROTOCOL; CQ_NOMEM */
/* It died: models must be loaded anew, and one that killed it while it was loaded is tried once more. */
void engine_forget_models(struct engine *e, const struct child_exit *why);

/* ---- work_engine_limits.c ---- */

/* The lane is ready once the database has said which batch is safe. */
enum cq_err engine_look_up_limit(struct engine *e, int lane);

#endif

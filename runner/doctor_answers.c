/* The cache of answers: where it lies, whether it can be read and written. */
#include <stdint.h>

#include "runner/doctor.h"
#include "runner/store_cache.h"

static void run(struct doctor *d)
{
    char path[STORE_CACHE_PATH];
    struct store_cache *cache = NULL;
    if (!store_cache_path(path)) {
        doctor_tell(d, DOCTOR_WARNING, "set XDG_CACHE_HOME to a folder that is writable", "answers of frames are not kept for later runs: "
                    "there is no folder for them");
        return;
    }
    enum cq_err err = store_cache_open(NULL, false, &cache);
    if (!err && d->full)
        err = store_cache_check(cache);
    store_cache_close(&cache);
    if (!err)
        doctor_tell(d, DOCTOR_OK, "", "known answers of frames take %.1f MiB in %s", (double) store_cache_file_bytes() / (1 << 20), path);
    else if (err == CQ_NOT_FOUND)
        doctor_tell(d, DOCTOR_OK, "", "no answers of frames are known yet; they would be kept in %s", path);
    else
        doctor_tell(d, DOCTOR_WARNING, err == CQ_DENIED ? "set XDG_CACHE_HOME to a folder on a local disk that is writable" : "clipq cache clear",
                    "known answers of frames are not reused from %s: %s", path, cq_err_text(err));
}

const struct doctor_check doctor_answers = {.name = "answers", .part = DOCTOR_REST, .run = run};

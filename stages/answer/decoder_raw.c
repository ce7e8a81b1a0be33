/* Raw: any model at all. Every output becomes a .npy file beside the database, with a row each. Last in the
 * registry: it takes what no other decoder knows. */
#include <stdio.h>
#include <string.h>

#include "kernels/base/log.h"
#include "stages/answer/artifact.h"
#include "stages/answer/decoders.h"
#include "stages/answer/defaults.h"
#include "stages/answer/npy.h"
#include "stages/infer/model.h"

static int recognise(const struct model *m, char *why, int size)
{
    const char *task = model_metadata(m, "task");
    snprintf(why, (size_t) size, "no other decoder reads these outputs%s%.32s%s: kept as files",
             task ? " (task " : "", task ? task : "", task ? ")" : "");
    return 1;
}

static enum cq_err defaults(struct cq_log *log, const struct model *m, struct card *c)
{
    (void) log;
    (void) m;
    defaults_unit(c, CHANNELS_RGB);
    c->fit = FIT_STRETCH;
    return CQ_OK;
}

static void shape_text(const struct tensor_desc *d, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < d->rank && at < size; i++)
        at += (size_t) snprintf(out + at, size - at, i ? "x%lld" : "%lld", (long long) d->dim[i]);
}

static enum cq_err decode(const struct decode_frame *f, struct answer *out)
{
    if (!f->folder) {
        cq_log_debug(f->log, "raw: no folder to write to");
        return CQ_OK;
    }
    enum cq_err err = CQ_OK;
    for (int i = 0; !err && i < f->n_outputs; i++) {
        struct artifact row;
        char path[ARTIFACT_PATH_MAX];
        err = artifact_name(f, i, "npy", &row, path);
        if (err)
            break;
        shape_text(&f->outputs[i].desc, row.shape, sizeof row.shape);
        err = npy_write(f->log, path, &f->outputs[i].desc, f->outputs[i].data);
        if (!err)
            err = answer_add_artifact(out, &row);
    }
    return err;
}

const struct decoder_class decoder_raw = {
    .name      = "raw",
    .help      = "any model: every output as a .npy file",
    .files     = true,
    .clip_size = true,
    .recognise = recognise,
    .defaults  = defaults,
    .decode    = decode,
};

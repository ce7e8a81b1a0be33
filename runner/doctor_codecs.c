/* Usual codecs that this libavcodec lacks. */
#include "runner/doctor.h"
#include "stages/media/codecs.h"

static void run(struct doctor *d)
{
    char missing[512];
    int n_missing, n = codecs_missing(missing, sizeof missing, &n_missing);
    if (n_missing)
        doctor_tell(d, DOCTOR_WARNING, "clips in them fail as unsupported_codec: convert them, or install a fuller libavcodec",
                    "%d of %d usual codecs cannot be decoded: %s", n_missing, n, missing);
    else
        doctor_tell(d, DOCTOR_OK, "", "all %d usual codecs can be decoded", n);
}

const struct doctor_check doctor_codecs = {.name = "codecs", .part = DOCTOR_REST, .run = run};

/* From options to a sample_spec. */
#include "cmd/sampling.h"

#include "cmd/common.h"

int sampling_check(const struct command *self, const struct sampling_args *a)
{
    if ((a->every > 0) + !isnan(a->fps) + a->keyframes > 1)
        return common_usage(self, "--every, --fps and --keyframes exclude each other");
    if (a->to.s > 0 && a->to.s <= a->from.s)
        return common_usage(self, "--to %g is not after --from %g", a->to.s, a->from.s);
    return EXIT_FINE;
}

struct sample_spec sampling_spec(const struct sampling_args *a)
{
    struct sample_spec s = {
        .mode = SAMPLE_EVERY, .every = a->every ? a->every : 1, .from_s = a->from.s, .to_s = a->to.s,
    };
    if (a->keyframes)
        s.mode = SAMPLE_KEYFRAMES;
    if (!isnan(a->fps)) {
        s.mode = SAMPLE_FPS;
        s.fps = a->fps;
    }
    return s;
}

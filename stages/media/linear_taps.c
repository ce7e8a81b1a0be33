/* One table for an axis. */
#include "stages/media/linear_taps.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

struct linear_tap *linear_taps(int src, int dst)
{
    struct linear_tap *taps = malloc((size_t) dst * sizeof *taps);
    for (int i = 0; taps && i < dst; i++) {
        float at = (float) ((i + 0.5) * ((double) src / dst) - 0.5);
        int low = (int) floorf(at);
        float part = at - (float) low;
        if (low < 0 || low >= src - 1) {
            low = low < 0 ? 0 : src - 1;
            part = 0;
        }
        taps[i].low = low;
        taps[i].high = low < src - 1 ? low + 1 : low;
        taps[i].weight = (int) lrintf(part * TAP_ONE);
    }
    return taps;
}

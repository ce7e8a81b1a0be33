/* Turn, mirror, sample aspect. */
#include "stages/media/orient.h"

#include <math.h>

/* A point (x, y) of the picture, y downwards, is shown at (a*x + c*y, b*x + d*y). Mirroring, then turning by t
 * clockwise gives c = -sin t, d = cos t whether mirrored or not; only a and b change their sign with it. */
void orient_read(const int32_t matrix[9], int *rotation, bool *mirrored)
{
    double a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    double determinant = a * d - b * c;
    *rotation = 0;
    *mirrored = false;
    if (determinant == 0)
        return;

    double degrees = atan2(-c, d) * 180 / acos(-1);
    *rotation = (int) lround(degrees / 90) * 90;
    *rotation = (*rotation + 360) % 360;
    *mirrored = determinant < 0;
}

void orient_display_size(int coded_w, int coded_h, int sar_num, int sar_den, int rotation, int *w, int *h)
{
    double aspect = sar_num > 0 && sar_den > 0 ? (double) sar_num / sar_den : 1;
    if (aspect < 1 / 16.0 || aspect > 16)
        aspect = 1;
    int wide = (int) lround(coded_w * aspect);
    if (wide < 1)
        wide = 1;
    bool turned = rotation == 90 || rotation == 270;
    *w = turned ? coded_h : wide;
    *h = turned ? wide : coded_h;
}

/* Types that kernels/cl/numbers.cl knows. */
#include "kernels/numbers.h"

bool numbers_is_int(enum dtype type)
{
    return type >= DT_U8 && type <= DT_BOOL && type != DT_U64;
}

bool numbers_is_float(enum dtype type)
{
    return type == DT_F32 || type == DT_F16;
}

/* What the two files of moving kernels share: move.c (strided nests) and move_lanes.c (BLOCKED channels that change
 * their lane). */
#ifndef CLIPQ_KERNELS_MOVE_H
#define CLIPQ_KERNELS_MOVE_H

#include "kernels/tensor.h"

struct program_class;

extern const struct program_class move_program;   /* to be built with move_options() */

/* The compiler option that sets the kernels' element to one of this type's width. */
const char *move_options(enum dtype type);

#endif

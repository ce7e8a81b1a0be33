/* The embedded .cl files, each a NUL-terminated text; see clipq_embed in kernels/CMakeLists.txt. */
#ifndef CLIPQ_KERNELS_CL_SOURCES_H
#define CLIPQ_KERNELS_CL_SOURCES_H

extern const unsigned char cl_common[];   /* vector types, AT(); first in every program */
extern const unsigned char cl_act[];      /* activations of enum act on VF */
extern const unsigned char cl_nest[];     /* loops over strided tensors */
extern const unsigned char cl_binary[];   /* functions of two floats */

#endif

/* The embedded .cl files, each a NUL-terminated text; see clipq_embed in kernels/CMakeLists.txt. */
#ifndef CLIPQ_KERNELS_CL_SOURCES_H
#define CLIPQ_KERNELS_CL_SOURCES_H

extern const unsigned char cl_common[];   /* vector types, AT(); first in every program */
extern const unsigned char cl_act[];      /* activations of enum act on VF */
extern const unsigned char cl_chain[];    /* steps of a chain, and threads that share them */
extern const unsigned char cl_chain_run[];   /* the kernel that goes through them */
extern const unsigned char cl_nest[];     /* loops over strided tensors */
extern const unsigned char cl_binary[];   /* functions of two floats */
extern const unsigned char cl_gated_sum[];   /* sums of tensors with factors per channel */
extern const unsigned char cl_conv[];     /* geometry of convolutions, tile size */
extern const unsigned char cl_conv_tile[];
extern const unsigned char cl_conv_lines[];
extern const unsigned char cl_conv_strip[];
extern const unsigned char cl_conv_winograd[];
extern const unsigned char cl_conv_pointwise[];
extern const unsigned char cl_conv_depthwise[];
extern const unsigned char cl_conv_rows[];
extern const unsigned char cl_conv_generic[];
extern const unsigned char cl_simt[];      /* matrix tiles in local memory, of floats, */
extern const unsigned char cl_mma[];       /* by matrix instructions, */
extern const unsigned char cl_tiles[];     /* and what both have in common */
extern const unsigned char cl_conv_taps[];
extern const unsigned char cl_conv_simt[];
extern const unsigned char cl_conv_mma[];
extern const unsigned char cl_product[];
extern const unsigned char cl_gemm_simt[];
extern const unsigned char cl_gemm_mma[];
extern const unsigned char cl_image[];
extern const unsigned char cl_reorder[];
extern const unsigned char cl_move[];     /* moving elements of any width */
extern const unsigned char cl_unary[];    /* functions of one float */
extern const unsigned char cl_pool[];     /* pooling windows */
extern const unsigned char cl_pool_line[];/* twice in a program: for blocks, then for planes */
extern const unsigned char cl_resize[];   /* resizing by tables */
extern const unsigned char cl_sample[];   /* reading images between pixels */
extern const unsigned char cl_gemm[];     /* matrix products */
extern const unsigned char cl_rows_simt[];  /* the same, a work-group for a row */
extern const unsigned char cl_rows[];     /* reductions, softmax, normalisations */
extern const unsigned char cl_affine[];   /* scale and shift per channel */
extern const unsigned char cl_quant[];    /* between floats and quantised integers */
extern const unsigned char cl_integer[];  /* sums of integers */
extern const unsigned char cl_numbers[];  /* numbers of any type */
extern const unsigned char cl_elementwise[];  /* functions of them */
extern const unsigned char cl_reduce_any[];   /* reductions of them, over any axes */
extern const unsigned char cl_lrn[];       /* local response normalisation */
extern const unsigned char cl_peak[];      /* multiply-adds alone */
extern const unsigned char cl_topk[];     /* the k largest of them */
extern const unsigned char cl_candidates[];   /* cells with a score */

#endif

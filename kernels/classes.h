/* The variants that stand in the table of kernel.c, one line each; a family's file defines them. */
#ifndef CLIPQ_KERNELS_CLASSES_H
#define CLIPQ_KERNELS_CLASSES_H

struct kernel_class;

extern const struct kernel_class kernel_conv_pointwise, kernel_conv_depthwise, kernel_conv_plain_in, kernel_conv_tile,
    kernel_conv_generic, kernel_conv_transpose;
extern const struct kernel_class kernel_image, kernel_reorder;
extern const struct kernel_class kernel_binary_rows;
extern const struct kernel_class kernel_binary_blocks;
extern const struct kernel_class kernel_prelu_rows;
extern const struct kernel_class kernel_prelu_blocks;
extern const struct kernel_class kernel_move_concat;
extern const struct kernel_class kernel_lanes_concat;
extern const struct kernel_class kernel_move_split;
extern const struct kernel_class kernel_lanes_split;
extern const struct kernel_class kernel_move_slice;
extern const struct kernel_class kernel_lanes_slice;
extern const struct kernel_class kernel_move_transpose;
extern const struct kernel_class kernel_move_copy;
extern const struct kernel_class kernel_move_expand;
extern const struct kernel_class kernel_move_tile;
extern const struct kernel_class kernel_move_pad;
extern const struct kernel_class kernel_move_depth_to_space;
extern const struct kernel_class kernel_move_space_to_depth;
extern const struct kernel_class kernel_gather_rows;
extern const struct kernel_class kernel_unary_flat;
extern const struct kernel_class kernel_pool_max;
extern const struct kernel_class kernel_pool_global;
extern const struct kernel_class kernel_pool_avg;
extern const struct kernel_class kernel_pool_l2;
extern const struct kernel_class kernel_resize_table;
extern const struct kernel_class kernel_gemm_packed;
extern const struct kernel_class kernel_gemm_tile;
extern const struct kernel_class kernel_matmul_packed;
extern const struct kernel_class kernel_matmul_tile;
extern const struct kernel_class kernel_reduce;
extern const struct kernel_class kernel_softmax;
extern const struct kernel_class kernel_arg_one;
extern const struct kernel_class kernel_instance_norm;
extern const struct kernel_class kernel_layer_norm;
extern const struct kernel_class kernel_batch_norm;
extern const struct kernel_class kernel_cast_flat;
extern const struct kernel_class kernel_where_rows;
extern const struct kernel_class kernel_host;   /* every kind; stays last */

#endif

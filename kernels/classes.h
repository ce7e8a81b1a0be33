/* The variants that stand in the table of kernel.c, one line each; a family's file defines them. */
#ifndef CLIPQ_KERNELS_CLASSES_H
#define CLIPQ_KERNELS_CLASSES_H

struct kernel_class;

extern const struct kernel_class kernel_conv_pointwise, kernel_conv_depthwise, kernel_conv_plain_in, kernel_conv_frames,
    kernel_conv_tile, kernel_conv_pointwise_half, kernel_conv_tile_half,
    kernel_conv_strip, kernel_winograd_4x4, kernel_winograd_2x2, kernel_conv_rows, kernel_conv_generic, kernel_conv_transpose;
extern const struct kernel_class kernel_conv_simt, kernel_conv_direct, kernel_gemm_simt, kernel_matmul_simt,
    kernel_conv_simt_half, kernel_conv_mma, kernel_gemm_mma, kernel_matmul_mma;
extern const struct kernel_class kernel_image, kernel_reorder, kernel_reorder_last;
extern const struct kernel_class kernel_binary_rows, kernel_binary_blocks, kernel_gated_sum, kernel_prelu_rows, kernel_prelu_blocks;
extern const struct kernel_class kernel_unary_flat, kernel_where_rows, kernel_batch_norm;
extern const struct kernel_class kernel_binary_any, kernel_unary_any, kernel_cast_any, kernel_reduce_any, kernel_arg_any;
extern const struct kernel_class kernel_topk_rank, kernel_topk_heap, kernel_gather_elements, kernel_pad_rows, kernel_lrn;
extern const struct kernel_class kernel_pool_max, kernel_pool_max_index, kernel_pool_global, kernel_pool_avg,
    kernel_pool_lp, kernel_max_unpool;
extern const struct kernel_class kernel_resize_table;
extern const struct kernel_class kernel_grid_sample, kernel_roi_align;
extern const struct kernel_class kernel_gemm_packed, kernel_gemm_tile, kernel_matmul_packed, kernel_matmul_tile,
    kernel_matmul_batches, kernel_gemm_half, kernel_matmul_half;
extern const struct kernel_class kernel_reduce, kernel_softmax, kernel_instance_norm, kernel_layer_norm,
    kernel_layer_norm_blocks;
extern const struct kernel_class kernel_move_concat, kernel_lanes_concat, kernel_move_split, kernel_lanes_split,
    kernel_move_slice, kernel_lanes_slice, kernel_move_transpose, kernel_move_copy, kernel_move_expand,
    kernel_move_tile, kernel_move_pad, kernel_move_depth_to_space, kernel_move_space_to_depth, kernel_gather_rows,
    kernel_select_lanes, kernel_select_rows, kernel_select_concat;
extern const struct kernel_class kernel_quantize, kernel_dequantize, kernel_conv_int, kernel_matmul_int;
extern const struct kernel_class kernel_candidates;
extern const struct kernel_class kernel_host;   /* every kind; stays last */

#endif

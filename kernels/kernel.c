/* The table of kernel variants. Within a kind the first that serves an instance is used, so the special
 * stand before the general; "host" comes last and serves what the reference serves. */
#include "kernels/kernel.h"

#include <string.h>

#include "kernels/classes.h"
#include "kernels/device.h"

const struct kernel_class *const kernel_classes[] = {
    &kernel_conv_mma,
    &kernel_conv_simt_half,
    &kernel_conv_simt,
    &kernel_conv_direct,
    &kernel_gemm_mma,
    &kernel_matmul_mma,
    &kernel_gemm_simt,
    &kernel_matmul_simt,
    &kernel_conv_pointwise_half,
    &kernel_winograd_4x4,
    &kernel_winograd_2x2,
    &kernel_conv_strip,
    &kernel_conv_pointwise,
    &kernel_conv_depthwise,
    &kernel_conv_tile_half,
    &kernel_conv_tile,
    &kernel_conv_plain_in,
    &kernel_conv_frames,
    &kernel_conv_rows,
    &kernel_conv_generic,
    &kernel_conv_transpose,
    &kernel_image,
    &kernel_reorder,
    &kernel_move_concat,
    &kernel_select_concat,
    &kernel_lanes_concat,
    &kernel_move_split,
    &kernel_lanes_split,
    &kernel_move_slice,
    &kernel_lanes_slice,
    &kernel_reorder_last,
    &kernel_move_transpose,
    &kernel_move_copy,
    &kernel_move_expand,
    &kernel_move_tile,
    &kernel_move_pad,
    &kernel_pad_rows,
    &kernel_move_depth_to_space,
    &kernel_move_space_to_depth,
    &kernel_gather_rows,
    &kernel_select_lanes,
    &kernel_select_rows,
    &kernel_gather_elements,
    &kernel_binary_rows,
    &kernel_binary_blocks,
    &kernel_binary_any,
    &kernel_gated_sum,
    &kernel_prelu_rows,
    &kernel_prelu_blocks,
    &kernel_unary_flat,
    &kernel_unary_any,
    &kernel_pool_max,
    &kernel_pool_max_index,
    &kernel_pool_global,
    &kernel_pool_avg,
    &kernel_pool_lp,
    &kernel_max_unpool,
    &kernel_resize_table,
    &kernel_grid_sample,
    &kernel_roi_align,
    &kernel_gemm_half,
    &kernel_gemm_packed,
    &kernel_gemm_tile,
    &kernel_matmul_half,
    &kernel_matmul_packed,
    &kernel_matmul_tile,
    &kernel_matmul_batches,
    &kernel_reduce,
    &kernel_reduce_any,
    &kernel_softmax,
    &kernel_arg_any,
    &kernel_topk_rank,
    &kernel_topk_heap,
    &kernel_candidates,
    &kernel_instance_norm,
    &kernel_layer_norm,
    &kernel_layer_norm_blocks,
    &kernel_batch_norm,
    &kernel_lrn,
    &kernel_cast_any,
    &kernel_where_rows,
    &kernel_quantize,
    &kernel_dequantize,
    &kernel_conv_int,
    &kernel_matmul_int,
    &kernel_host,
    NULL,
};

bool kernel_suits(const struct kernel_class *k, const struct device *dev)
{
    const struct device_info *info = device_get_info(dev);
    return (!k->simt || info->simt) && (!k->mma || info->mma > MMA_NONE);
}

const struct kernel_class *kernel_find(const struct device *dev, const struct op_inst *inst)
{
    for (int i = 0; kernel_classes[i]; i++) {
        const struct kernel_class *k = kernel_classes[i];
        if ((k->kind == inst->op->kind || kernel_is_host(k)) && kernel_suits(k, dev) && k->serves(dev, inst) &&
            (!k->pays || k->pays(dev, inst)))
            return k;
    }
    return NULL;
}

const struct kernel_class *kernel_by_name(const char *name)
{
    for (int i = 0; kernel_classes[i]; i++)
        if (!strcmp(kernel_classes[i]->name, name))
            return kernel_classes[i];
    return NULL;
}

bool kernel_is_host(const struct kernel_class *k)
{
    return k == &kernel_host;
}

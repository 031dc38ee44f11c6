/* The specification as a table: every kernel as plain loops, in the order of float operations that all others
 * must keep.
 *
 * It is compiled twice, with real = float as the table that tuned code is tested against, bit by bit, and
 * with real = double for gradient checks. Nothing here is fast, and nothing here may be made faster in a way
 * that reads worse. Rejected: stored expected values, which would say that something changed but not what is
 * right. */
#include "kernel/reference.h"

real kernel_lane_sum(const real lanes[LANES])
{
    real sum[LANES];
    for (int lane = 0; lane < LANES; lane++)
        sum[lane] = lanes[lane];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++)
            sum[lane] += sum[lane + half];
    return sum[0];
}

static const struct kernels table = {
#ifdef KERNEL_DOUBLE
    .name = "reference_double",
#else
    .name = "reference",
#endif
    .conv2d_weight_size = REFERENCE(conv2d_weight_size),
    .conv2d_weight_index = REFERENCE(conv2d_weight_index),
    .linear_weight_size = REFERENCE(linear_weight_size),
    .linear_weight_index = REFERENCE(linear_weight_index),
    .conv2d_scratch = REFERENCE(conv2d_scratch),
    .linear_scratch = REFERENCE(linear_scratch),
    .load_images = REFERENCE(load_images),
    .conv2d_forward = REFERENCE(conv2d_forward),
    .conv2d_backward_input = REFERENCE(conv2d_backward_input),
    .conv2d_backward_weight = REFERENCE(conv2d_backward_weight),
    .conv2d_pooled_applies = REFERENCE(conv2d_pooled_applies),
    .grouped_conv2d_forward = REFERENCE(grouped_conv2d_forward),
    .grouped_conv2d_backward_input = REFERENCE(grouped_conv2d_backward_input),
    .grouped_conv2d_backward_weight = REFERENCE(grouped_conv2d_backward_weight),
    .winograd_applies = REFERENCE(winograd_applies),
    .winograd_scratch = REFERENCE(winograd_scratch),
    .winograd_sums = REFERENCE(winograd_sums),
    .winograd_forward = REFERENCE(winograd_forward),
    .winograd_backward = REFERENCE(winograd_backward),
    .linear_forward = REFERENCE(linear_forward),
    .linear_backward_input = REFERENCE(linear_backward_input),
    .linear_backward_weight = REFERENCE(linear_backward_weight),
    .avg_pool2d_forward = REFERENCE(avg_pool2d_forward),
    .avg_pool2d_backward = REFERENCE(avg_pool2d_backward),
    .max_pool2d_forward = REFERENCE(max_pool2d_forward),
    .max_pool2d_backward = REFERENCE(max_pool2d_backward),
    .activation_forward = REFERENCE(activation_forward),
    .activation_backward = REFERENCE(activation_backward),
    .gate_forward = REFERENCE(gate_forward),
    .gate_backward = REFERENCE(gate_backward),
    .add = REFERENCE(add),
    .activation_avg_pool2d_applies = REFERENCE(activation_avg_pool2d_applies),
    .activation_avg_pool2d_forward = REFERENCE(activation_avg_pool2d_forward),
    .activation_avg_pool2d_backward = REFERENCE(activation_avg_pool2d_backward),
    .batch_norm_forward_train = REFERENCE(batch_norm_forward_train),
    .batch_norm_forward_eval = REFERENCE(batch_norm_forward_eval),
    .batch_norm_backward = REFERENCE(batch_norm_backward),
    .batch_norm_pool_applies = REFERENCE(batch_norm_pool_applies),
    .group_norm_forward = REFERENCE(group_norm_forward),
    .group_norm_backward = REFERENCE(group_norm_backward),
    .dropout_mask = REFERENCE(dropout_mask),
    .dropout_apply = REFERENCE(dropout_apply),
    .dropout_apply_channels = REFERENCE(dropout_apply_channels),
    .softmax_cross_entropy = REFERENCE(softmax_cross_entropy),
    .weighted_cross_entropy = REFERENCE(weighted_cross_entropy),
    .squared_error = REFERENCE(squared_error),
    .sgd_update = REFERENCE(sgd_update),
    .adam_update = REFERENCE(adam_update),
    .random_blocks = REFERENCE(random_blocks),
};

#ifdef KERNEL_DOUBLE
const struct kernels *kernel_reference_double(void)
#else
const struct kernels *kernel_reference(void)
#endif
{
    return &table;
}

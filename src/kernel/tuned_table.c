/* The table of one instruction set's kernels. Parameters are kept in the specification's order, so its index
 * functions serve. */
#include "kernel/reference.h"
#include "kernel/tuned.h"

#define TEXT_OF(isa) #isa
#define TEXT(isa)    TEXT_OF(isa)

static const struct kernels table = {
    .name = TEXT(TUNED_ISA),
    .conv2d_weight_size = REFERENCE(conv2d_weight_size),
    .conv2d_weight_index = REFERENCE(conv2d_weight_index),
    .linear_weight_size = REFERENCE(linear_weight_size),
    .linear_weight_index = REFERENCE(linear_weight_index),
    .conv2d_scratch = TUNED(conv2d_scratch),
    .linear_scratch = TUNED(linear_scratch),
    .load_images = TUNED(load_images),
    .conv2d_forward = TUNED(conv2d_forward),
    .conv2d_backward_input = TUNED(conv2d_backward_input),
    .conv2d_backward_weight = TUNED(conv2d_backward_weight),
    .conv2d_pooled_applies = TUNED(conv2d_pooled_applies),
    .conv2d_pooled_backward_weight = TUNED(conv2d_pooled_backward_weight),
    .grouped_conv2d_forward = TUNED(grouped_conv2d_forward),
    .grouped_conv2d_backward_input = TUNED(grouped_conv2d_backward_input),
    .grouped_conv2d_backward_weight = TUNED(grouped_conv2d_backward_weight),
    .winograd_applies = REFERENCE(winograd_applies),
    .winograd_scratch = TUNED(winograd_scratch),
    .winograd_sums = REFERENCE(winograd_sums),
    .winograd_forward = TUNED(winograd_forward),
    .winograd_backward = TUNED(winograd_backward),
    .linear_forward = TUNED(linear_forward),
    .linear_backward_input = TUNED(linear_backward_input),
    .linear_backward_weight = TUNED(linear_backward_weight),
    .avg_pool2d_forward = TUNED(avg_pool2d_forward),
    .avg_pool2d_backward = TUNED(avg_pool2d_backward),
    .max_pool2d_forward = TUNED(max_pool2d_forward),
    .max_pool2d_backward = TUNED(max_pool2d_backward),
    .activation_forward = TUNED(activation_forward),
    .activation_backward = TUNED(activation_backward),
    .gate_forward = TUNED(gate_forward),
    .gate_backward = TUNED(gate_backward),
    .add = TUNED(add),
    .activation_avg_pool2d_applies = TUNED(activation_avg_pool2d_applies),
    .activation_avg_pool2d_forward = TUNED(activation_avg_pool2d_forward),
    .activation_avg_pool2d_backward = TUNED(activation_avg_pool2d_backward),
    .batch_norm_forward_train = TUNED(batch_norm_forward_train),
    .batch_norm_forward_eval = TUNED(batch_norm_forward_eval),
    .batch_norm_backward = TUNED(batch_norm_backward),
    .batch_norm_pool_applies = TUNED(batch_norm_pool_applies),
    .batch_norm_pool_forward_train = TUNED(batch_norm_pool_forward_train),
    .batch_norm_pool_forward_eval = TUNED(batch_norm_pool_forward_eval),
    .batch_norm_pool_backward = TUNED(batch_norm_pool_backward),
    .group_norm_forward = TUNED(group_norm_forward),
    .group_norm_backward = TUNED(group_norm_backward),
    .dropout_mask = TUNED(dropout_mask),
    .dropout_apply = TUNED(dropout_apply),
    .dropout_apply_channels = TUNED(dropout_apply_channels),
    .softmax_cross_entropy = TUNED(softmax_cross_entropy),
    .weighted_cross_entropy = REFERENCE(weighted_cross_entropy),
    .squared_error = REFERENCE(squared_error),
    .sgd_update = TUNED(sgd_update),
    .adam_update = TUNED(adam_update),
    .random_blocks = TUNED(random_blocks),
};

#define JOIN(isa)   kernel_tuned_##isa
#define EXPAND(isa) JOIN(isa)

const struct kernels *EXPAND(TUNED_ISA)(void)
{
    return &table;
}

/* Tanh, ReLU and Sigmoid (docs/math.md: 7).
 *
 * Their derivatives are functions of the output, so the model may let them overwrite their input: one buffer
 * less to write and to read again. */
#include "nn/layer.h"

static size_t value_count(const struct layer *layer, const struct layer_call *call)
{
    return (size_t)blocks_of(call->images) * value_features(layer->output) * LANES;
}

enum activation layer_activation_of(const struct layer *layer)
{
    switch (layer->plan->kind) {
    case LAYER_TANH:
        return ACTIVATION_TANH;
    case LAYER_RELU:
        return ACTIVATION_RELU;
    default:
        return ACTIVATION_SIGMOID;
    }
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    call->kernels->activation_forward(layer_activation_of(layer), value_count(layer, call), call->x[0],
                                      call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    if (call->dx[0])
        call->kernels->activation_backward(layer_activation_of(layer), value_count(layer, call), call->y,
                                           call->dy, call->dx[0], call->member);
}

const struct layer_type layer_tanh = {
    .name = "Tanh",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .may_overwrite_input = true,
    .reads_output_in_backward = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_relu = {
    .name = "ReLU",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .may_overwrite_input = true,
    .reads_output_in_backward = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_sigmoid = {
    .name = "Sigmoid",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .may_overwrite_input = true,
    .reads_output_in_backward = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

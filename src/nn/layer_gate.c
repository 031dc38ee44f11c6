/* LeakyReLU, GELU and SiLU (docs/math.md: 29 to 31): their derivatives need the input, so input and output
 * are two buffers. */
#include "nn/layer.h"

static size_t value_count(const struct layer *layer, const struct layer_call *call)
{
    return (size_t)blocks_of(call->images) * value_features(layer->output) * LANES;
}

static enum gate gate_of(const struct layer_plan *plan)
{
    switch (plan->kind) {
    case LAYER_LEAKY_RELU:
        return GATE_LEAKY_RELU;
    case LAYER_GELU:
        return plan->approximate == GELU_TANH ? GATE_GELU_TANH : GATE_GELU;
    default:
        return GATE_SILU;
    }
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    call->kernels->gate_forward(gate_of(layer->plan), layer->plan->negative_slope, value_count(layer, call),
                                call->x[0], call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    if (call->dx[0])
        call->kernels->gate_backward(gate_of(layer->plan), layer->plan->negative_slope,
                                     value_count(layer, call), call->x[0], call->dy, call->dx[0],
                                     call->member);
}

const struct layer_type layer_leaky_relu = {
    .name = "LeakyReLU",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_gelu = {
    .name = "GELU",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_silu = {
    .name = "SiLU",
    .input_count = 1,
    .parts = PARTS_ALWAYS,
    .divides_blocks = true,
    .infer = layer_infer_same,
    .forward = forward,
    .backward = backward,
};

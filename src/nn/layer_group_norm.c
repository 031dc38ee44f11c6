/* GroupNorm and LayerNorm (docs/math.md: 32): each image normalised by itself, the same in training and in
 * evaluation.
 *
 * LayerNorm is one group with a gamma and a beta for each value, GroupNorm has them for each channel. A
 * LayerNorm takes all that it reads together, so that normalized_shape follows from the layer before. The
 * means and inverse deviations are kept for the backward pass; xhat is computed again there. */
#include "nn/layer.h"

enum { GAMMA, BETA };

static enum status infer_group(const struct layer_plan *plan, const struct value_shape *inputs,
                               struct value_shape *output, struct error *error)
{
    if (inputs[0].channels % plan->num_groups != 0)
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "num_groups %d of GroupNorm '%s' does not divide the %d channels that it reads",
                            plan->num_groups, plan->name, inputs[0].channels);
    *output = inputs[0];
    return STATUS_OK;
}

static bool is_layer_norm(const struct layer *layer)
{
    return layer->plan->kind == LAYER_LAYER_NORM;
}

static struct group_norm_shape shape_of(const struct layer *layer, int images)
{
    int groups = is_layer_norm(layer) ? 1 : layer->plan->num_groups;
    int plane = is_layer_norm(layer) ? 1 : layer->output.height * layer->output.width;
    return (struct group_norm_shape){images, groups, (int)value_features(layer->output) / groups, plane};
}

static int tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_TENSORS])
{
    struct value_shape shape = layer->output;
    struct layer_tensor tensor = {.name = "weight",
                                  .is_parameter = true,
                                  .initial = INITIAL_ONE,
                                  .rank = 1,
                                  .shape = {(size_t)shape.channels}};
    if (is_layer_norm(layer) && !shape.flat) {
        tensor.rank = 3;
        tensor.shape[1] = (size_t)shape.height;
        tensor.shape[2] = (size_t)shape.width;
    }
    tensors[GAMMA] = tensors[BETA] = tensor;
    tensors[BETA].name = "bias";
    tensors[BETA].initial = INITIAL_ZERO;
    return 2;
}

static size_t statistics(const struct layer *layer, int images)
{
    struct group_norm_shape shape = shape_of(layer, images);
    return (size_t)blocks_of(images) * (size_t)shape.groups * LANES;
}

/* The means, and behind them the inverse deviations. */
static size_t kept_bytes(const struct layer *layer, int images)
{
    return 2 * statistics(layer, images) * sizeof(real);
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    struct group_norm_shape shape = shape_of(layer, call->images);
    real *mean = layer->kept, *inverse_std = mean + statistics(layer, call->images);
    call->kernels->group_norm_forward(&shape, call->x[0], layer->value[GAMMA], layer->value[BETA],
                                      layer->plan->eps, mean, inverse_std, call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    struct group_norm_shape shape = shape_of(layer, call->images);
    const real *mean = layer->kept, *inverse_std = mean + statistics(layer, call->images);
    call->kernels->group_norm_backward(&shape, call->x[0], call->dy, layer->value[GAMMA], mean, inverse_std,
                                       call->dx[0], layer->gradient[GAMMA], layer->gradient[BETA],
                                       call->member);
}

const struct layer_type layer_group_norm = {
    .name = "GroupNorm",
    .input_count = 1,
    .parts = PARTS_IN_EVALUATION,
    .infer = infer_group,
    .tensors = tensors,
    .kept_bytes = kept_bytes,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_layer_norm = {
    .name = "LayerNorm",
    .input_count = 1,
    .parts = PARTS_IN_EVALUATION,
    .infer = layer_infer_same,
    .tensors = tensors,
    .kept_bytes = kept_bytes,
    .forward = forward,
    .backward = backward,
};

/* BatchNorm1d and BatchNorm2d (docs/math.md: 8 to 10).
 *
 * One implementation: a flat vector is channels of one pixel. The batch's mean and inverse deviation are kept
 * for the backward pass; xhat is computed again there, which is cheaper than a third buffer of the
 * activation's size. */
#include "nn/layer.h"

enum { GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR };

static enum status infer(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error)
{
    bool one_dimensional = plan->kind == LAYER_BATCH_NORM1D;
    char text[VALUE_SHAPE_TEXT];
    if (inputs[0].flat != one_dimensional)
        return error_set_at(error, plan->origin, STATUS_CONFIG, "%s '%s' needs %s, but reads %s; use %s here",
                            layer_type_for(plan->kind)->name, plan->name,
                            one_dimensional ? "a flat vector" : "channels x height x width",
                            value_shape_text(inputs[0], text),
                            one_dimensional ? "BatchNorm2d" : "BatchNorm1d");
    *output = inputs[0];
    return STATUS_OK;
}

static struct norm_shape shape_of(const struct layer *layer, int images)
{
    return (struct norm_shape){images, layer->output.channels, layer->output.height, layer->output.width};
}

static int tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_TENSORS])
{
    size_t channels = (size_t)layer->output.channels;
    tensors[GAMMA] = (struct layer_tensor){"weight", true, INITIAL_ONE, 0, 1, {channels}};
    tensors[BETA] = (struct layer_tensor){"bias", true, INITIAL_ZERO, 0, 1, {channels}};
    tensors[RUNNING_MEAN] = (struct layer_tensor){"running_mean", false, INITIAL_ZERO, 0, 1, {channels}};
    tensors[RUNNING_VAR] = (struct layer_tensor){"running_var", false, INITIAL_ONE, 0, 1, {channels}};
    return 4;
}

/* The means of the batch, and behind them the inverse deviations. */
static size_t kept_bytes(const struct layer *layer, int images)
{
    (void)images;
    return 2 * (size_t)layer->output.channels * sizeof(real);
}

static real *batch_mean(const struct layer *layer)
{
    return layer->kept;
}

static real *batch_inverse_std(const struct layer *layer)
{
    return batch_mean(layer) + layer->output.channels;
}

bool layer_batch_norm_takes_pool(const struct layer *norm, const struct kernels *kernels, int images)
{
    if (norm->plan->kind != LAYER_BATCH_NORM2D)
        return false;
    struct norm_shape shape = shape_of(norm, images);
    return kernels->batch_norm_pool_applies(&shape);
}

/* Together with the activation and the pool behind it. */
static void pooled_forward(const struct layer *layer, const struct layer_call *call)
{
    struct norm_shape shape = shape_of(layer, call->images);
    enum activation activation = layer_activation_of(layer->pool->fused);
    if (call->training)
        call->kernels->batch_norm_pool_forward_train(
            &shape, activation, call->x[0], layer->value[GAMMA], layer->value[BETA], layer->plan->eps,
            layer->plan->momentum, layer->value[RUNNING_MEAN], layer->value[RUNNING_VAR], batch_mean(layer),
            batch_inverse_std(layer), call->y, call->pooled, call->member);
    else
        call->kernels->batch_norm_pool_forward_eval(
            &shape, activation, call->x[0], layer->value[GAMMA], layer->value[BETA], layer->plan->eps,
            layer->value[RUNNING_MEAN], layer->value[RUNNING_VAR], call->pooled, call->member);
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    struct norm_shape shape = shape_of(layer, call->images);
    if (layer->pool)
        pooled_forward(layer, call);
    else if (call->training)
        call->kernels->batch_norm_forward_train(
            &shape, call->x[0], layer->value[GAMMA], layer->value[BETA], layer->plan->eps,
            layer->plan->momentum, layer->value[RUNNING_MEAN], layer->value[RUNNING_VAR], batch_mean(layer),
            batch_inverse_std(layer), call->y, call->member);
    else
        call->kernels->batch_norm_forward_eval(&shape, call->x[0], layer->value[GAMMA], layer->value[BETA],
                                               layer->plan->eps, layer->value[RUNNING_MEAN],
                                               layer->value[RUNNING_VAR], call->y, call->member);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    struct norm_shape shape = shape_of(layer, call->images);
    if (layer->pool)
        call->kernels->batch_norm_pool_backward(&shape, layer_activation_of(layer->pool->fused), call->x[0],
                                                call->y, call->pooled_dy, layer->value[GAMMA],
                                                batch_mean(layer), batch_inverse_std(layer), call->dx[0],
                                                layer->gradient[GAMMA], layer->gradient[BETA], call->member);
    else
        call->kernels->batch_norm_backward(&shape, call->x[0], call->dy, layer->value[GAMMA],
                                           batch_mean(layer), batch_inverse_std(layer), call->dx[0],
                                           layer->gradient[GAMMA], layer->gradient[BETA], call->member);
}

const struct layer_type layer_batch_norm1d = {
    .name = "BatchNorm1d",
    .input_count = 1,
    .parts = PARTS_IN_EVALUATION,
    .infer = infer,
    .tensors = tensors,
    .kept_bytes = kept_bytes,
    .always_writes_dx = true,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_batch_norm2d = {
    .name = "BatchNorm2d",
    .input_count = 1,
    .parts = PARTS_IN_EVALUATION,
    .infer = infer,
    .tensors = tensors,
    .kept_bytes = kept_bytes,
    .always_writes_dx = true,
    .forward = forward,
    .backward = backward,
};

/* Dropout and Dropout2d (docs/math.md: 11): inverted, so that evaluation is the identity.
 *
 * The mask is drawn in forward, with the batch's first part for all of it, from the step's counters and kept
 * as one bit a value, or a channel. Drawing it
 * again in backward would save the memory and cost the draws twice; a bit a value is a thirty-second of the
 * activation. */
#include "nn/layer.h"

/* Values that fall together: 1, or a channel's. */
static int plane_of(const struct layer *layer)
{
    return layer->plan->kind == LAYER_DROPOUT2D ? layer->output.height * layer->output.width : 1;
}

/* Bits of one image. */
static int draws_of(const struct layer *layer)
{
    return (int)value_features(layer->output) / plane_of(layer);
}

static enum status infer_channels(const struct layer_plan *plan, const struct value_shape *inputs,
                                  struct value_shape *output, struct error *error)
{
    if (inputs[0].flat)
        return error_set_at(error, plan->origin, STATUS_CONFIG,
                            "Dropout2d '%s' needs channels x height x width, but reads %d flat values; use "
                            "Dropout here",
                            plan->name, inputs[0].channels);
    *output = inputs[0];
    return STATUS_OK;
}

static size_t kept_bytes(const struct layer *layer, int images)
{
    return (size_t)blocks_of(images) * (size_t)draws_of(layer) * sizeof(uint16_t);
}

static void apply(const struct layer *layer, const struct layer_call *call, const real *x, real *y)
{
    int images = call->images, draws = draws_of(layer);
    const uint16_t *mask = (const uint16_t *)layer->kept + (size_t)call->first_block * (size_t)draws;
    if (layer->plan->kind == LAYER_DROPOUT2D)
        call->kernels->dropout_apply_channels(images, draws, plane_of(layer), layer->plan->p, mask, x, y,
                                              call->member);
    else
        call->kernels->dropout_apply(images, draws, layer->plan->p, mask, x, y, call->member);
}

static void forward(const struct layer *layer, const struct layer_call *call)
{
    const struct model_step *step = call->step;
    struct random_source source = {.seed = step->seed,
                                   .stream = RANDOM_DROPOUT,
                                   .owner = layer->ordinal,
                                   .step = step->step,
                                   .epoch = step->epoch};
    if (call->first_block == 0) {
        call->kernels->dropout_mask(&source, step->images, draws_of(layer), layer->plan->p, layer->kept,
                                    call->member);
        team_barrier(call->member);
    }
    apply(layer, call, call->x[0], call->y);
}

static void backward(const struct layer *layer, const struct layer_call *call)
{
    if (call->dx[0])
        apply(layer, call, call->dy, call->dx[0]);
}

const struct layer_type layer_dropout = {
    .name = "Dropout",
    .input_count = 1,
    .numbering = NUMBERING_DROPOUT,
    .parts = PARTS_ALWAYS,
    .identity_in_evaluation = true,
    .may_overwrite_input = true,
    .infer = layer_infer_same,
    .kept_bytes = kept_bytes,
    .forward = forward,
    .backward = backward,
};

const struct layer_type layer_dropout2d = {
    .name = "Dropout2d",
    .input_count = 1,
    .numbering = NUMBERING_DROPOUT,
    .parts = PARTS_ALWAYS,
    .identity_in_evaluation = true,
    .may_overwrite_input = true,
    .infer = infer_channels,
    .kept_bytes = kept_bytes,
    .forward = forward,
    .backward = backward,
};

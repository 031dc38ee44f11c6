/* What is decided before the first step: buffers, fusions and parts.
 *
 * Design: values, not layers, own buffers. A value has an activation and, where a parameter lies before it, a
 * gradient; a view (Flatten) or a layer that overwrites its input (Tanh behind Conv2d) shares the buffers of
 * an earlier value, its `storage`. Which value shares, and which gradient is written first and which is added
 * to it, is decided here.
 *
 * Forward takes the layers at the images part by part (plan_parts): a convolution's output is read by the
 * layer behind it while it is in the second-level cache. No image's values depend on the part that it is in.
 * Backward takes the same layers part by part, and of the gradients between them only one part exists; sums
 * over the batch go on from part to part (kernel.h: conv2d_backward_weight).
 *
 * Where no layer asks what the whole batch is, a step goes further (plan_ranges): one range of the batch
 * through forward, loss and backward before the next, so that backward finds what forward left, and the next
 * range's values take the place of this one's, in the cache. Rejected: ranges for batch norm, whose means
 * would need a forward pass of their own. */
#include "nn/model_private.h"

#include "base/text.h"

#include <unistd.h>

enum { PART_WEIGHT_BYTES = 256 * 1024 };

/* Of the second-level cache; where the system does not tell its size, 512 KiB. */
static size_t cache_bytes(void)
{
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return cache > 0 ? (size_t)cache : 512 * 1024;
}

/* Half more than the second-level cache: what was read first may leave it before the part is done. Parts that
 * fit with room to spare were no faster. */
static size_t part_bytes(void)
{
    return cache_bytes() + cache_bytes() / 2;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t buffer_size(const struct model *model, struct value_shape shape)
{
    return (size_t)blocks_of(model->batch_size) * value_features(shape) * LANES;
}

static int reader_count(const struct model *model, int value)
{
    int readers = 0;
    for (int i = 0; i < model->layer_count; i++)
        for (int k = 0; k < model->layers[i].plan->input_count; k++)
            readers += value_of_input(&model->layers[i], k) == value;
    return readers;
}

/* May layer i write its output over its input? Nobody else may need that input, neither another reader nor
 * its producer. A producer that evaluation passes by must have written over its own input, so that what is
 * overwritten then is the same array. */
static bool overwrites_input(const struct model *model, int i)
{
    const struct layer *layer = &model->layers[i];
    int input = value_of_input(layer, 0);
    if (!layer->type->may_overwrite_input || input == 0)
        return false;
    const struct layer_type *producer = model->layers[input - 1].type;
    bool shares = model->values[input].storage != input;
    bool is_free = shares ? producer->may_overwrite_input : !producer->identity_in_evaluation;
    return is_free && !producer->reads_output_in_backward && reader_count(model, input) == 1;
}

static bool has_parameters(const struct layer *layer)
{
    for (int t = 0; t < layer->tensor_count; t++)
        if (layer->tensors[t].is_parameter)
            return true;
    return false;
}

static bool is_frozen(const struct layer *layer, const char *freeze)
{
    return text_has_word(freeze, layer->plan->name);
}

/* Where every layer is frozen, gradients are computed as if none were, for then there is no first layer that
 * the backward pass could end at. */
static void plan_learning(struct model *model, const char *freeze)
{
    bool any = false;
    for (int i = 0; i < model->layer_count; i++)
        any |= has_parameters(&model->layers[i]) && !is_frozen(&model->layers[i], freeze);
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        layer->learns = has_parameters(layer) && !(any && is_frozen(layer, freeze));
    }
}

static void plan_values(struct model *model, struct value_shape input)
{
    struct value *values = model->values;
    values[0] = (struct value){.shape = input, .storage = 0};
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        struct value *value = &values[i + 1];
        bool shares = layer->type->is_view || overwrites_input(model, i);
        *value = (struct value){.shape = layer->output, .storage = i + 1};
        if (shares)
            value->storage = values[value_of_input(layer, 0)].storage;
        value->needs_gradient = layer->learns;
        for (int k = 0; k < layer->plan->input_count; k++)
            value->needs_gradient |= values[value_of_input(layer, k)].needs_gradient;
        values[value->storage].has_gradient |= value->needs_gradient;
        for (int k = 0; value->needs_gradient && k < layer->plan->input_count; k++)
            values[values[value_of_input(layer, k)].storage].has_gradient |= layer->type->always_writes_dx;
    }
}

static void plan_accumulation(struct model *model)
{
    for (int i = model->layer_count - 1; i >= 0; i--) {
        const struct layer *layer = &model->layers[i];
        for (int k = 0; k < layer->plan->input_count; k++) {
            int storage = model->values[value_of_input(layer, k)].storage;
            struct value *value = &model->values[storage];
            if (storage == model->values[i + 1].storage)
                continue; /* shares: what is there is its own output's gradient */
            model->accumulates[i][k] = value->written;
            if (value->written)
                model->sum_size = larger(model->sum_size, buffer_size(model, value->shape));
            value->written = true;
        }
    }
}

/* An activation in place that an AvgPool2d alone reads is left to the pool, where there is a kernel for both.
 */
static void plan_fusion(struct model *model)
{
    for (int i = 1; i < model->layer_count; i++) {
        struct layer *pool = &model->layers[i];
        int input = value_of_input(pool, 0);
        struct layer *activation = input > 0 ? &model->layers[input - 1] : NULL;
        if (!activation || !activation->type->reads_output_in_backward ||
            !activation->type->may_overwrite_input || model->values[input].storage == input ||
            reader_count(model, input) != 1 ||
            !layer_pool_takes_activation(pool, model->kernels, model->batch_size))
            continue;
        pool->fused = activation;
        activation->is_fused = true;
    }
}

/* Where an activation is fused with the pool behind it, the layer before them may form its own output's
 * gradient from the pool's, so that the largest gradients have no array: a convolution at the data, whose
 * input needs no gradient, and batch norm, which computes both forward too. */
static void plan_pooled_gradients(struct model *model)
{
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *pool = &model->layers[i];
        if (!pool->fused)
            continue;
        int activated = value_of_input(pool, 0);
        int own = value_of_input(pool->fused, 0);
        struct layer *layer = &model->layers[own - 1];
        bool is_norm = layer_batch_norm_takes_pool(layer, model->kernels, model->batch_size);
        bool is_first_conv = layer_conv2d_takes_pool(layer, model->kernels, model->batch_size) &&
                             !model->values[value_of_input(layer, 0)].needs_gradient;
        if (model->values[activated].storage != own || (!is_norm && !is_first_conv))
            continue;
        layer->pool = pool;
        pool->leaves_forward = is_norm;
        pool->leaves_backward = true;
        model->values[own].is_formed = true;
    }
}

static void plan_parameters(struct model *model)
{
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        for (int t = 0; t < layer->tensor_count; t++) {
            size_t *total = layer->tensors[t].is_parameter ? &model->parameter_size : &model->statistic_size;
            layer->size[t] = layer->type->tensor_size ? layer->type->tensor_size(layer, model->kernels, t)
                                                      : layer_tensor_count(&layer->tensors[t]);
            layer->offset[t] = *total;
            *total += (layer->size[t] + LANES - 1) / LANES * LANES; /* each starts on a cache line */
        }
        layer->is_direct = layer_conv2d_is_direct(layer, model->kernels);
        layer->sums_size = layer_conv2d_sums(layer, model->kernels);
        layer->is_linear = layer->plan->kind == LAYER_LINEAR || layer_conv2d_is_linear(layer);
        if (layer->type->scratch)
            layer->scratch = layer->type->scratch(layer, model->kernels, model->batch_size);
        model->scratch_size = larger(model->scratch_size, layer->scratch);
    }
    for (int i = 0; i < model->layer_count; i++)
        for (int t = 0; t < model->layers[i].tensor_count; t++)
            if (!model->layers[i].tensors[t].is_parameter)
                model->layers[i].offset[t] += model->parameter_size;
}

/* May forward take this layer for a part of the batch? Where the output has no area, or weights are packed
 * anew for every part that weigh as much as the part, nothing is gained. */
static bool goes_in_parts(const struct layer *layer, bool training)
{
    size_t weights = 0;
    for (int t = 0; t < layer->tensor_count; t++)
        weights += layer->size[t] * sizeof(real);
    bool has_area = layer->output.height * layer->output.width > 1;
    return has_area && weights <= PART_WEIGHT_BYTES &&
           layer->type->parts >= (training ? PARTS_ALWAYS : PARTS_IN_EVALUATION);
}

/* The layers at the images have the largest activations. A part of them is as many blocks as part_bytes
 * hold of a layer's input and output, and goes through all these layers before the next part does. */
static void plan_parts(struct model *model)
{
    size_t most = 1;
    for (int training = 0; training < 2; training++) {
        int early = 0;
        while (early < model->layer_count && goes_in_parts(&model->layers[early], training))
            early++;
        model->early_layers[training] = early > 1 ? early : 0;
        for (int i = 0; i < early; i++) {
            size_t values = value_features(model->layers[i].output);
            for (int k = 0; k < model->layers[i].plan->input_count; k++)
                values += value_features(model->layers[i].inputs[k]);
            most = larger(most, values * LANES * sizeof(real));
        }
    }
    model->part_blocks = (int)larger(part_bytes() / most, 1);
}

/* A step can go through forward, loss and backward range by range where the layers at the images go in parts
 * with sums that rest, and all behind them are small and know enum layer_gradients. */
static bool goes_in_ranges(const struct model *model)
{
    int early = model->early_layers[true];
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        bool has_area = layer->output.height * layer->output.width > 1;
        bool rests = i < early ? layer->sums_size > 0 : layer->is_linear;
        if ((i >= early && has_area) || layer->type->parts != PARTS_ALWAYS ||
            (has_parameters(layer) && !rests))
            return false;
    }
    return early > 0;
}

/* A range is as many blocks as the second-level cache holds of all that forward leaves for backward, and of
 * the gradients; but two where parts of two are made, as a pass over one block is too short for its start. */
static void plan_ranges(struct model *model)
{
    size_t block = 0;
    if (!goes_in_ranges(model))
        return;
    for (int v = 0; v <= model->early_layers[true]; v++) {
        const struct value *value = &model->values[v];
        bool has_array = value->has_gradient && !value->is_formed;
        if (value->storage == v)
            block += (has_array ? 2 : 1) * value_features(value->shape) * LANES * sizeof(real);
    }
    size_t fitting = cache_bytes() / larger(block, 1), least = model->part_blocks < 2 ? 1 : 2;
    model->range_blocks = (int)larger(fitting, least);
    if (model->range_blocks > model->part_blocks)
        model->range_blocks = model->part_blocks;
}

/* Backward in parts: as forward in training, up to the first layer whose sums over the batch cannot rest. */
static void plan_backward_parts(struct model *model)
{
    int early = 0, blocks = blocks_of(model->batch_size);
    bool in_ranges = model->range_blocks > 0 && blocks > model->range_blocks;
    if (blocks > model->part_blocks || in_ranges)
        while (early < model->early_layers[true] &&
               (!has_parameters(&model->layers[early]) || model->layers[early].sums_size > 0))
            early++;
    early = early > 1 ? early : 0;
    model->resting_layers = early;
    model->early_backward = blocks > model->part_blocks ? early : 0;
    for (int v = 1; v <= early; v++)
        model->values[v].is_partial = true;
    for (int i = early; i < model->layer_count; i++)
        for (int k = 0; k < model->layers[i].plan->input_count; k++)
            model->values[model->values[value_of_input(&model->layers[i], k)].storage].is_partial = false;
}

void model_lay_out(struct model *model, struct arena *arena)
{
    model->parameters = arena_take(arena, model_state_size(model), sizeof(real));
    model->gradients = arena_take(arena, model->parameter_size, sizeof(real));
    for (int s = 0; s < 2; s++)
        model->scratch[s] = arena_take(arena, model->scratch_size, sizeof(real));
    for (int k = 0; k < LAYER_INPUTS; k++)
        model->sum[k] = arena_take(arena, model->sum_size, sizeof(real));
    for (int v = 0; v <= model->layer_count; v++) {
        struct value *value = &model->values[v];
        if (value->storage != v)
            continue;
        value->y = arena_take(arena, buffer_size(model, value->shape), sizeof(real));
        if (value->has_gradient && !value->is_formed)
            value->gradient = arena_take(arena, buffer_size(model, value->shape), sizeof(real));
    }
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        if (layer->type->kept_bytes)
            layer->kept = arena_take(arena, layer->type->kept_bytes(layer, model->batch_size), 1);
        if (i < model->resting_layers && has_parameters(layer))
            layer->sums = arena_take(arena, layer->sums_size, sizeof(real));
        for (int t = 0; t < layer->tensor_count && !arena_is_measuring(arena); t++) {
            bool is_parameter = layer->tensors[t].is_parameter;
            layer->value[t] = model->parameters + layer->offset[t];
            layer->gradient[t] = is_parameter ? model->gradients + layer->offset[t] : NULL;
        }
    }
}

void model_plan_walks(struct model *model, struct value_shape input, const char *freeze)
{
    plan_learning(model, freeze);
    plan_values(model, input);
    plan_accumulation(model);
    plan_fusion(model);
    plan_pooled_gradients(model);
    plan_parameters(model);
    plan_parts(model);
    plan_ranges(model);
    plan_backward_parts(model);
}

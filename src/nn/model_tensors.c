/* The tensors of a model by name, in common shape and order, and their initial values.
 *
 * Invariant: kernel order is a private matter of the kernel table. Everything that leaves the model (files,
 * comparisons) and everything that is drawn at random is indexed by the common order, so that a run's weights
 * depend neither on the instruction set nor on how its kernels tile. */
#include "nn/model_private.h"

#include <assert.h>
#include <math.h>

int model_tensor_count(const struct model *model)
{
    int count = 0;
    for (int i = 0; i < model->layer_count; i++)
        count += model->layers[i].tensor_count;
    return count;
}

/* The layer of tensor `index` counted over the model; *tensor becomes its place in the layer. */
static const struct layer *find_tensor(const struct model *model, int index, int *tensor)
{
    for (int i = 0; i < model->layer_count; i++) {
        if (index < model->layers[i].tensor_count) {
            *tensor = index;
            return &model->layers[i];
        }
        index -= model->layers[i].tensor_count;
    }
    assert(!"a tensor's index is below model_tensor_count");
    return NULL;
}

struct model_tensor model_tensor(const struct model *model, int index)
{
    int t = 0;
    const struct layer *layer = find_tensor(model, index, &t);
    return layer_describe_tensor(layer, t);
}

void model_tensor_range(const struct model *model, int index, size_t *begin, size_t *end)
{
    int t = 0;
    const struct layer *layer = find_tensor(model, index, &t);
    *begin = layer->offset[t];
    *end = *begin + layer->size[t];
}

size_t model_tensor_place(const struct model *model, int index, size_t common)
{
    int t = 0;
    const struct layer *layer = find_tensor(model, index, &t);
    return layer->offset[t] + layer_tensor_index(layer, model->kernels, t, common);
}

void model_export(const struct model *model, int index, const real *vector, float *values)
{
    int t = 0;
    const struct layer *layer = find_tensor(model, index, &t);
    const real *from = vector + layer->offset[t];
    size_t count = layer_tensor_count(&layer->tensors[t]);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)from[layer_tensor_index(layer, model->kernels, t, i)];
}

void model_import(const struct model *model, int index, real *vector, const float *values)
{
    int t = 0;
    const struct layer *layer = find_tensor(model, index, &t);
    real *to = vector + layer->offset[t];
    size_t count = layer_tensor_count(&layer->tensors[t]);
    for (size_t i = 0; i < count; i++)
        to[layer_tensor_index(layer, model->kernels, t, i)] = values[i];
}

/* docs/math.md: 17. The draw of element i of tensor t in the n-th layer with weights is word i of (init, n,
 * t). */
static float initial_value(const struct layer *layer, int t, uint64_t seed, size_t i)
{
    const struct layer_tensor *tensor = &layer->tensors[t];
    switch (tensor->initial) {
    case INITIAL_ONE:
        return 1.0f;
    case INITIAL_ZERO:
        return 0.0f;
    default:
        break;
    }
    struct random_source source = {
        .seed = seed, .stream = RANDOM_INIT, .owner = layer->ordinal, .step = (uint32_t)t, .epoch = 0};
    float bound = (float)(1.0 / sqrt((double)tensor->fan_in));
    return (2.0f * random_uniform(&source, i) - 1.0f) * bound;
}

void model_initialise(struct model *model, uint64_t seed)
{
    for (int l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        for (int t = 0; t < layer->tensor_count; t++) {
            size_t count = layer_tensor_count(&layer->tensors[t]);
            for (size_t i = 0; i < count; i++)
                layer->value[t][layer_tensor_index(layer, model->kernels, t, i)] =
                    initial_value(layer, t, seed, i);
        }
    }
}

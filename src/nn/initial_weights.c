/* A tensor is taken by its layer's name, or the run does not start: weights that silently stay drawn because
 * a layer is called otherwise would look like a poor pretraining. What the file has beyond the model is
 * nobody's mistake, since a pretrained network's head is left behind that way. */
#include "nn/initial_weights.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHAPE_TEXT = 96 };

/* "[10, 84]" */
static const char *shape_text(unsigned rank, const size_t *shape, char text[SHAPE_TEXT])
{
    int length = snprintf(text, SHAPE_TEXT, "[");
    for (unsigned d = 0; d < rank; d++)
        length += snprintf(text + length, SHAPE_TEXT - (size_t)length, "%s%zu", d ? ", " : "", shape[d]);
    snprintf(text + length, SHAPE_TEXT - (size_t)length, "]");
    return text;
}

static const struct named_tensor *find(const struct run_state *weights, const struct model_tensor *tensor)
{
    char path[sizeof weights->tensors->path];
    snprintf(path, sizeof path, "/model/%s/%s", tensor->layer, tensor->name);
    for (size_t i = 0; i < weights->tensor_count; i++)
        if (strcmp(weights->tensors[i].path, path) == 0)
            return &weights->tensors[i];
    return NULL;
}

static bool is_finite(const struct named_tensor *tensor)
{
    const float *values = tensor->values;
    size_t count = named_tensor_count(tensor);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static enum status check(const struct model_plan *plan, const struct model_tensor *tensor,
                         const struct named_tensor *found, struct error *error)
{
    char theirs[SHAPE_TEXT], ours[SHAPE_TEXT];
    if (!found)
        return error_set_at(
            error, plan->initial_origin, STATUS_CONFIG,
            "model.initial_weights: there is no tensor %s.%s in %.200s; a layer that is to start "
            "from drawn weights is named in model.initial_except",
            tensor->layer, tensor->name, plan->initial_weights);
    if (found->rank != tensor->rank ||
        memcmp(found->shape, tensor->shape, tensor->rank * sizeof *tensor->shape) != 0)
        return error_set_at(
            error, plan->initial_origin, STATUS_CONFIG,
            "model.initial_weights: %s.%s is %s in %.200s and %s here; a layer that is to start from "
            "drawn weights is named in model.initial_except",
            tensor->layer, tensor->name, shape_text(found->rank, found->shape, theirs), plan->initial_weights,
            shape_text(tensor->rank, tensor->shape, ours));
    if (!is_finite(found))
        return error_set_at(error, plan->initial_origin, STATUS_CONFIG,
                            "model.initial_weights: %s.%s of %.200s has a value that is not finite",
                            tensor->layer, tensor->name, plan->initial_weights);
    return STATUS_OK;
}

enum status initial_weights_find(const struct model_plan *plan, const struct run_state *weights,
                                 const struct model_tensor *tensor, const struct named_tensor **found,
                                 struct error *error)
{
    bool is_drawn = text_has_word(plan->initial_except, tensor->layer);
    *found = is_drawn ? NULL : find(weights, tensor);
    return is_drawn ? STATUS_OK : check(plan, tensor, *found, error);
}

enum status initial_weights_take(const struct model_plan *plan, const struct run_state *weights,
                                 struct model *model, struct error *error)
{
    enum status status = STATUS_OK;
    for (int t = 0; t < model_tensor_count(model) && status == STATUS_OK; t++) {
        struct model_tensor tensor = model_tensor(model, t);
        const struct named_tensor *found;
        status = initial_weights_find(plan, weights, &tensor, &found, error);
        if (status == STATUS_OK && found)
            model_import(model, t, model_parameters(model), found->values);
    }
    return status;
}

enum status initial_weights_check(const struct model_plan *plan, const struct layer_summary *layers,
                                  const struct run_state *weights, struct error *error)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < plan->layer_count; i++)
        for (int t = 0; t < layers[i].tensor_count && status == STATUS_OK; t++) {
            const struct named_tensor *found;
            status = initial_weights_find(plan, weights, &layers[i].tensors[t], &found, error);
        }
    return status;
}

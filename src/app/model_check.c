/* Shapes are checked run by run, but a mistake of a model that many runs share is one mistake: diagnostics
 * keeps it once. */
#include "app/model_check.h"

#include "app/starting_weights.h"
#include "base/log.h"
#include "nn/model.h"
#include "train/fit.h"
#include <stdlib.h>

/* A batch norm of one value a channel gives beta for any input, so nothing before it learns in such a step
 * (PyTorch refuses it). A mistake where every step is one; where the last of an epoch is, `*warned` keeps
 * the warning to one a grid. */
static enum status check_norms(const struct plan *plan, const struct layer_summary *layers, uint32_t images,
                               bool *warned, struct error *error)
{
    uint32_t batch = (uint32_t)plan->trainer.batch_size;
    for (int i = 0; i < plan->model.layer_count; i++) {
        const struct layer_plan *layer = &plan->model.layers[i];
        bool is_norm = layer->kind == LAYER_BATCH_NORM1D || layer->kind == LAYER_BATCH_NORM2D;
        if (!is_norm || layers[i].output.height * layers[i].output.width > 1)
            continue;
        if (batch == 1 || images == 1)
            return error_set_at(
                error, layer->origin, STATUS_CONFIG,
                "batch norm '%s' gets one value a channel from each step of one image, so its "
                "output is always its bias; raise trainer.batch_size, or use LayerNorm",
                layer->name);
        if (images % batch == 1 && !*warned) {
            log_warning(
                "%s:%d:%d: batch norm '%s' gets one value a channel from the last step of an epoch, which "
                "is one image (%u images, trainer.batch_size %u); nothing before it learns from that step",
                layer->origin.file, layer->origin.line, layer->origin.column, layer->name, images, batch);
            *warned = true;
        }
    }
    return STATUS_OK;
}

/* What the checks of one grid share. */
struct shared_checks {
    bool warned;
    struct starting_weights weights;
};

/* The weights that the run starts from. Where they are gone, a run that has begun may still go on. */
static enum status check_weights(const struct model_plan *model, const struct layer_summary *layers,
                                 struct starting_weights *weights, struct error *error)
{
    enum status status = starting_weights_check(model, layers, weights, error);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status measure(const struct plan *plan, const struct data_facts *facts, struct run_size *size,
                           struct shared_checks *shared, struct error *error)
{
    struct layer_summary *layers = calloc((size_t)plan->model.layer_count + 1, sizeof *layers);
    if (!layers)
        return error_set(error, STATUS_MEMORY, "out of memory for a model's summary");
    struct value_shape input = {facts->shape.channels, facts->shape.height, facts->shape.width,
                                facts->shape.height == 1 && facts->shape.width == 1};
    enum status status = model_summarize(&plan->model, input, layers, error);
    if (status == STATUS_OK && plan->model.layer_count > 0) {
        struct value_shape output = layers[plan->model.layer_count - 1].output;
        status = fit_check(plan, facts->shape, facts->classes, facts->target_width,
                           output.channels * output.height * output.width, error);
    }
    if (status == STATUS_OK)
        status = check_norms(plan, layers, facts->count[DATASET_TRAIN], &shared->warned, error);
    if (status == STATUS_OK)
        status = check_weights(&plan->model, layers, &shared->weights, error);
    for (int i = 0; status == STATUS_OK && i < plan->model.layer_count; i++) {
        size->parameters += layers[i].parameters;
        size->multiply_adds += layers[i].multiply_adds;
    }
    free(layers);
    size->train_images = facts->count[DATASET_TRAIN];
    size->evaluated_images = facts->count[DATASET_VALIDATION];
    if (plan->trainer.evaluate_test == EVALUATE_TEST_EPOCH)
        size->evaluated_images += facts->count[DATASET_TEST];
    return status;
}

enum status models_check(const struct grid *grid, const bool *chosen, struct data_pool *pool,
                         struct run_size *sizes, struct diagnostics *diagnostics, struct error *error)
{
    int before = diagnostics->total;
    struct shared_checks shared = {.warned = false};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < grid->run_count && status == STATUS_OK; i++) {
        const struct plan *plan = grid->runs[i].plan;
        struct data_facts facts;
        if (chosen && !chosen[i])
            continue;
        status = data_pool_add(pool, &plan->dataset, &facts, error);
        if (status == STATUS_OK)
            status = measure(plan, &facts, &sizes[i], &shared, error);
        if (status == STATUS_CONFIG) {
            diagnostics_add(diagnostics, error->origin, "%s", error->message);
            status = STATUS_OK;
        }
    }
    starting_weights_release(&shared.weights);
    if (status != STATUS_OK)
        return status;
    return diagnostics->total == before ? STATUS_OK : STATUS_CONFIG;
}

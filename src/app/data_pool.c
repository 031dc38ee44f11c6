/* A short list searched from its newest end: runs of one data set follow each other, and a grid rarely has
 * more than a few.
 *
 * Two plans count as the same data when files, limits and split sizes agree; the seed of the split does not
 * matter here, since it changes neither the pixels nor the counts. */
#include "app/data_pool.h"
#include "nn/model.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pooled {
    const struct dataset_plan *plan;
    struct dataset *dataset;
    struct data_facts facts;
};

struct data_pool {
    struct pooled *entries;
    size_t count;
};

enum status data_identify(void *context, const struct dataset_plan *dataset, char hex[65],
                          struct error *error)
{
    (void)context;
    return dataset_identify(dataset, hex, error);
}

enum status data_check_given(const struct grid *grid, struct error *error)
{
    for (size_t i = 0; i < grid->run_count; i++) {
        const struct dataset_plan *dataset = &grid->runs[i].plan->dataset;
        if (dataset->format == DATASET_NONE) {
            return error_set_at(
                error, dataset->origin, STATUS_CONFIG,
                "there are no data to train on (dataset.format: none); `runner summary` shows the model");
        }
    }
    return STATUS_OK;
}

struct data_pool *data_pool_create(void)
{
    return calloc(1, sizeof(struct data_pool));
}

void data_pool_destroy(struct data_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->count; i++) {
        dataset_close(pool->entries[i].dataset);
    }
    free(pool->entries);
    free(pool);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_values(const struct channel_values *a, const struct channel_values *b)
{
    bool same = a->count == b->count;
    for (int c = 0; same && c < a->count; c++)
        same = a->values[c] == b->values[c];
    return same;
}

static bool same_data(const struct dataset_plan *a, const struct dataset_plan *b)
{
    return a->format == b->format && a->validation_size == b->validation_size &&
           a->train_limit == b->train_limit && a->test_limit == b->test_limit &&
           same_text(a->name, b->name) && same_text(a->root, b->root) &&
           same_text(a->train_images, b->train_images) && same_text(a->train_labels, b->train_labels) &&
           same_text(a->test_images, b->test_images) && same_text(a->test_labels, b->test_labels) &&
           same_text(a->train_file, b->train_file) && same_text(a->test_file, b->test_file) &&
           same_text(a->train_group, b->train_group) && same_text(a->test_group, b->test_group) &&
           a->task == b->task && a->normalization == b->normalization && same_values(&a->mean, &b->mean) &&
           same_values(&a->std, &b->std);
}

static struct data_facts facts_of(const struct dataset *dataset)
{
    struct data_facts facts = {.shape = dataset_shape(dataset),
                               .classes = dataset_classes(dataset),
                               .target_width = dataset_target_width(dataset)};
    for (int part = 0; part < DATASET_PARTS; part++) {
        facts.count[part] = dataset_view(dataset, (enum dataset_part)part).count;
    }
    return facts;
}

enum status data_pool_add(struct data_pool *pool, const struct dataset_plan *plan, struct data_facts *facts,
                          struct error *error)
{
    for (size_t i = pool->count; i-- > 0;) {
        if (same_data(pool->entries[i].plan, plan)) {
            *facts = pool->entries[i].facts;
            return STATUS_OK;
        }
    }
    struct pooled *grown = realloc(pool->entries, (pool->count + 1) * sizeof *grown);
    if (grown == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for the data sets");
    }
    pool->entries = grown;
    struct dataset *dataset = NULL;
    enum status status = dataset_open(plan, &dataset, error);
    if (status != STATUS_OK) {
        error->origin = error->origin.file != NULL ? error->origin : plan->origin;
        return status;
    }
    *facts = facts_of(dataset);
    grown[pool->count++] = (struct pooled){plan, dataset, *facts};
    return STATUS_OK;
}

enum status run_cost(const struct plan *plan, const struct data_facts *facts, double *cost,
                     struct error *error)
{
    struct layer_summary *layers = calloc((size_t)plan->model.layer_count + 1, sizeof *layers);
    if (layers == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for a model's summary");
    }
    struct value_shape input = {facts->shape.channels, facts->shape.height, facts->shape.width,
                                facts->shape.height == 1 && facts->shape.width == 1};
    enum status status = model_summarize(&plan->model, input, layers, error);
    double forward = 1.0;
    for (int i = 0; status == STATUS_OK && i < plan->model.layer_count; i++) {
        forward += (double)layers[i].multiply_adds;
    }
    bool every_epoch = plan->trainer.evaluate_test == EVALUATE_TEST_EPOCH;
    double evaluated =
        (double)facts->count[DATASET_VALIDATION] + (every_epoch ? (double)facts->count[DATASET_TEST] : 0.0);
    double images = 3.0 * (double)facts->count[DATASET_TRAIN] + evaluated;
    *cost = forward * (images * plan->trainer.max_epochs + (double)facts->count[DATASET_TRAIN]);
    free(layers);
    return status;
}

/* Three keys, none of which is part of a run's identity: a run that a search has promoted is the run that one
 * trains alone. Rejected: keys under `trainer:`, which would give a search's runs ids of their own. */
#include "grid/halving.h"

#include "base/text.h"
#include "config/yaml_scalar.h"
#include <string.h>

static const char prefix[] = "halving.";
static const char *const keys[] = {"min_epochs", "eta", "metric"};
static const char *const metrics[] = {"validation_accuracy", "validation_loss"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool halving_is_path(const char *path)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        if (strncmp(path, prefix, sizeof prefix - 1) == 0 && strcmp(path + sizeof prefix - 1, keys[i]) == 0)
            return true;
    return false;
}

static void read_number(const struct node_pair *pair, int64_t least, int64_t most, uint32_t *number,
                        struct diagnostics *diagnostics)
{
    int64_t value = 0;
    const struct node *node = pair->value;
    if (node->kind == NODE_SCALAR && node->plain && yaml_to_integer(node->text, &value) && value >= least &&
        value <= most)
        *number = (uint32_t)value;
    else
        diagnostics_add(diagnostics, node->origin, "halving.%s: expected a whole number from %lld to %lld",
                        pair->key, (long long)least, (long long)most);
}

static void read_metric(const struct node_pair *pair, struct grid_halving *halving,
                        struct diagnostics *diagnostics)
{
    const char *word = pair->value->kind == NODE_SCALAR ? pair->value->text : "";
    for (size_t i = 0; i < COUNT(metrics); i++)
        if (strcmp(word, metrics[i]) == 0) {
            halving->metric = metrics[i];
            return;
        }
    bool test = strncmp(word, "test", 4) == 0;
    diagnostics_add(diagnostics, pair->value->origin,
                    "halving.metric: expected validation_accuracy or validation_loss%s",
                    test ? "; what is chosen by the test set cannot be tested on it" : "");
}

static void read_key(const struct node_pair *pair, struct grid_halving *halving,
                     struct diagnostics *diagnostics)
{
    if (strcmp(pair->key, "min_epochs") == 0) {
        read_number(pair, 1, 1000000, &halving->min_epochs, diagnostics);
    } else if (strcmp(pair->key, "eta") == 0) {
        read_number(pair, 2, 1000, &halving->eta, diagnostics);
    } else if (strcmp(pair->key, "metric") == 0) {
        read_metric(pair, halving, diagnostics);
    } else {
        const char *nearest = text_nearest(pair->key, keys, COUNT(keys));
        diagnostics_add(diagnostics, pair->origin, "unknown key '%.80s' in halving%s%s%s", pair->key,
                        nearest ? "; did you mean '" : "; it has min_epochs, eta and metric",
                        nearest ? nearest : "", nearest ? "'?" : "");
    }
}

const struct grid_halving *halving_read(struct pool *pool, const struct node *node,
                                        struct diagnostics *diagnostics)
{
    if (!node || (node->kind == NODE_SCALAR && yaml_scalar_type(node->text, node->plain) == SCALAR_NULL))
        return NULL;
    if (node->kind != NODE_MAPPING) {
        diagnostics_add(diagnostics, node->origin, "halving: expected min_epochs, eta and metric, got %s",
                        node_describe(node));
        return NULL;
    }
    struct grid_halving *halving = pool_take(pool, 1, sizeof *halving);
    *halving = (struct grid_halving){.min_epochs = 1, .eta = 3, .metric = metrics[0], .origin = node->origin};
    for (int i = 0; i < node->count; i++)
        read_key(&node->pairs[i], halving, diagnostics);
    return halving;
}

const struct grid_halving *halving_check(struct pool *pool, const struct grid_halving *read,
                                         const struct grid *grid, struct diagnostics *diagnostics)
{
    struct grid_halving *halving = pool_take(pool, 1, sizeof *halving);
    *halving = *read;
    for (size_t i = 0; i < grid->run_count; i++) {
        const struct plan *plan = grid->runs[i].plan, *first = grid->runs[0].plan;
        if (plan->dataset.validation_size == 0)
            diagnostics_add(diagnostics, halving->origin,
                            "halving: settings are chosen by %s, which needs validation images; set "
                            "dataset.validation_size",
                            halving->metric);
        if (plan->trainer.max_epochs != first->trainer.max_epochs)
            diagnostics_add(
                diagnostics, halving->origin,
                "halving: all runs need one trainer.max_epochs, that of the last rung; here are %d and %d",
                first->trainer.max_epochs, plan->trainer.max_epochs);
        halving->max_epochs = (uint32_t)first->trainer.max_epochs;
    }
    if (grid->run_count > 0 && halving->min_epochs >= halving->max_epochs)
        diagnostics_add(
            diagnostics, halving->origin,
            "halving: the first rung has %u epochs and the last %u, trainer.max_epochs: there is nothing "
            "between them to leave out",
            halving->min_epochs, halving->max_epochs);
    return halving;
}

/* One row a key; docs/config.md and docs/search.md say the same at length. */
#include "config/grid_reference.h"

#include <string.h>

static const char top[] = "top level", sweep[] = "sweep", values[] = "values of a sweep";

const struct grid_key grid_keys[] = {
    {"name", top, "Names the grid and its folder below results/; the file's stem where it is left out.",
     "name: dropout_study"},
    {"include", top,
     "Files to start from, relative to this one. Later ones win over earlier ones, the file itself over all. "
     "Below `sweep`, combinations to add, each one more run.",
     "include: [base.yaml, models/lenet5.yaml]"},
    {"runs", top, "The variants by name: settings, a file, or nothing.",
     "runs:\n  plain:\n  dropout: {model.parameters.dropout: 0.2}"},
    {"sweep", top,
     "Settings with the values that they take; all combinations are run. A variant may have one of its own.",
     "sweep:\n  seed: {range: [0, 5]}\n  optimizer.lr: [1e-3, 3e-3]"},
    {"halving", top,
     "Successive halving: all settings are trained for min_epochs, the best eta-th of them on to eta times "
     "as "
     "many, and so on to trainer.max_epochs.",
     "halving: {min_epochs: 1, eta: 3, metric: validation_accuracy}"},
    {"zip", sweep, "Lists of one length that move together. Several mappings in a list are crossed.",
     "zip: {optimizer.lr: [0.1, 0.01], trainer.max_epochs: [10, 30]}"},
    {"exclude", sweep, "Combinations, or a condition, to leave out.",
     "exclude: \"optimizer.lr > 0.1 && seed == 3\""},
    {"samples", sweep, "How often everything that is drawn by chance is drawn, together.", "samples: 20"},
    {"sample_seed", sweep, "Which draws; the runs' own seed is another setting. 0 where it is left out.",
     "sample_seed: 7"},
    {"values", values, "The list of values, where a `when` stands beside it.",
     "optimizer.lr: {values: [0.01, 0.1], when: seed == 1}"},
    {"when", values,
     "A condition: the axis moves only where it holds. It sees the axes above it. In a model, a layer is "
     "there only "
     "where it holds.",
     "optimizer.momentum: {values: [0.5, 0.9], when: optimizer.name == sgd}"},
    {"range", values, "From the first number in steps of 1, or of the third, without the second.",
     "seed: {range: [0, 10]}"},
    {"linspace", values, "So many numbers in even steps, both ends in.",
     "model.parameters.dropout: {linspace: [0, 0.3, 4]}"},
    {"logspace", values, "So many powers of ten, by the exponents of both ends.",
     "optimizer.lr: {logspace: [-4, -1, 4]}"},
    {"geomspace", values, "So many numbers in even ratios, both ends in.",
     "optimizer.lr: {geomspace: [1e-4, 1e-1, 4]}"},
    {"uniform", values, "A number drawn between both ends, `samples` times.",
     "model.parameters.dropout: {uniform: [0, 0.6]}"},
    {"loguniform", values, "A number drawn so that its logarithm is uniform; both ends above 0.",
     "optimizer.lr: {loguniform: [1e-4, 1e-1]}"},
    {"randint", values, "A whole number drawn, the second end left out.",
     "trainer.max_epochs: {randint: [5, 31]}"},
    {"lograndint", values, "A whole number drawn with an even logarithm, the second end left out.",
     "trainer.batch_size: {lograndint: [8, 513]}"},
    {"choice", values, "One of a list drawn: numbers, words, lists or whole sections.",
     "optimizer.name: {choice: [adam, sgd]}"},
};
const size_t grid_key_count = sizeof grid_keys / sizeof *grid_keys;

const struct grid_key *grid_key_find(const char *name)
{
    for (size_t i = 0; i < grid_key_count; i++)
        if (strcmp(grid_keys[i].name, name) == 0)
            return &grid_keys[i];
    return NULL;
}

/* The table of layers: PyTorch's module names, the parameters each takes, and their defaults. */
#ifndef RUNNER_CONFIG_LAYER_TABLE_H
#define RUNNER_CONFIG_LAYER_TABLE_H

#include "base/plan.h"
#include "config/settings.h"

struct layer_type_row {
    const char *name;      /* "Conv2d" */
    const char *base_name; /* of its automatic names: "conv2d" for conv2d1, conv2d2, … */
    enum layer_kind kind;
    int input_count;
    const struct setting *parameters; /* fields of struct layer_plan */
    int parameter_count;
    const char *doc;
};

const struct layer_type_row *layer_type_at(int index); /* NULL past the end */
const struct layer_type_row *layer_type_find(const char *name);
const struct layer_type_row *layer_type_row_of(enum layer_kind kind);
const struct setting *layer_parameter_find(const struct layer_type_row *type, const char *name);

#endif

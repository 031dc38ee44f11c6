/* How a kind of layer looks in ONNX: one row of the table in onnx_layer.c. Private to src/export. */
#ifndef RUNNER_EXPORT_ONNX_LAYER_H
#define RUNNER_EXPORT_ONNX_LAYER_H

#include "export/onnx_graph.h"

/* One layer on its way into the graph. */
struct onnx_call {
    struct onnx_graph *graph;
    const struct layer_plan *plan;
    const struct layer_summary *shapes;
    const char *inputs[LAYER_INPUTS]; /* names of the values it reads */
    const char *output;               /* name of the value it makes */
};

/* Adds the layer's nodes. Its tensors are constants "<layer>.<tensor>" already. */
typedef void onnx_form(const struct onnx_call *call);

onnx_form *onnx_form_of(enum layer_kind kind); /* NULL: the kind has none */

#endif

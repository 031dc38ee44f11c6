/* The parts of an ONNX graph as protocol buffers messages. Private to src/export.
 *
 * Field numbers and types are those of onnx.proto (github.com/onnx/onnx, IR version 8); each message is
 * written out in onnx_graph.c. */
#ifndef RUNNER_EXPORT_ONNX_GRAPH_H
#define RUNNER_EXPORT_ONNX_GRAPH_H

#include "export/protobuf.h"
#include "nn/model.h"

struct onnx_graph {
    struct text message; /* a GraphProto under construction */
};

enum onnx_type { ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT64 = 7 };

enum { ONNX_INPUTS = 5, ONNX_NAME = 2 * LAYER_NAME + 32 };

/* Attributes are collected in a text and handed to onnx_node, which releases it. */
void onnx_attribute_integer(struct text *attributes, const char *name, int64_t value);
void onnx_attribute_integers(struct text *attributes, const char *name, const int64_t *values, int count);
void onnx_attribute_float(struct text *attributes, const char *name, double value);

/* output = operator(inputs); the list of inputs ends with NULL or after ONNX_INPUTS; attributes may be NULL.
 */
void onnx_node(struct onnx_graph *graph, const char *operator, const char * output,
               const char *const inputs[ONNX_INPUTS], struct text *attributes);

/* A constant of the graph, values in row-major order. */
void onnx_constant(struct onnx_graph *graph, const char *name, enum onnx_type type, unsigned rank,
                   const size_t *shape, const void *values);

/* What goes in or out: [batch, shape]. */
enum onnx_end { ONNX_INPUT, ONNX_OUTPUT };
void onnx_declare(struct onnx_graph *graph, enum onnx_end end, const char *name, enum onnx_type type,
                  struct value_shape shape);

#endif

/* GraphProto, NodeProto, AttributeProto, TensorProto and ValueInfoProto of onnx.proto, as far as a model of
 * ours needs them. Field numbers stand in the enums, each under its message's name. */
#include "export/onnx_graph.h"

#include <string.h>

enum graph_field { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum node_field { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP_TYPE, NODE_ATTRIBUTE };
enum attribute_field {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F,
    ATTRIBUTE_I,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20
};
enum attribute_type { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 };
enum tensor_field { TENSOR_DIMS = 1, TENSOR_DATA_TYPE, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum value_field { VALUE_NAME = 1, VALUE_TYPE };
enum type_field { TYPE_TENSOR = 1 };
enum tensor_type_field { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE };
enum shape_field { SHAPE_DIMENSION = 1 };
enum dimension_field { DIMENSION_VALUE = 1, DIMENSION_NAME };

/* An AttributeProto of one of the types, which becomes a field of a node. */
static void add_attribute(struct text *attributes, struct text *attribute, const char *name,
                          enum attribute_type type)
{
    protobuf_string(attribute, ATTRIBUTE_NAME, name);
    protobuf_integer(attribute, ATTRIBUTE_TYPE, type);
    protobuf_message(attributes, NODE_ATTRIBUTE, attribute);
}

void onnx_attribute_integer(struct text *attributes, const char *name, int64_t value)
{
    struct text attribute = {0};
    protobuf_integer(&attribute, ATTRIBUTE_I, value);
    add_attribute(attributes, &attribute, name, TYPE_INT);
}

void onnx_attribute_integers(struct text *attributes, const char *name, const int64_t *values, int count)
{
    struct text attribute = {0};
    for (int i = 0; i < count; i++)
        protobuf_integer(&attribute, ATTRIBUTE_INTS, values[i]);
    add_attribute(attributes, &attribute, name, TYPE_INTS);
}

void onnx_attribute_float(struct text *attributes, const char *name, double value)
{
    struct text attribute = {0};
    protobuf_float(&attribute, ATTRIBUTE_F, (float)value);
    add_attribute(attributes, &attribute, name, TYPE_FLOAT);
}

void onnx_node(struct onnx_graph *graph, const char *operator, const char * output,
               const char *const inputs[ONNX_INPUTS], struct text *attributes)
{
    struct text node = {0};
    for (int i = 0; i < ONNX_INPUTS && inputs[i]; i++)
        protobuf_string(&node, NODE_INPUT, inputs[i]);
    protobuf_string(&node, NODE_OUTPUT, output);
    protobuf_string(&node, NODE_NAME, output);
    protobuf_string(&node, NODE_OP_TYPE, operator);
    if (attributes) {
        node.failed = node.failed || attributes->failed;
        text_append_bytes(&node, attributes->bytes ? attributes->bytes : "", attributes->length);
        text_release(attributes);
    }
    protobuf_message(&graph->message, GRAPH_NODE, &node);
}

void onnx_constant(struct onnx_graph *graph, const char *name, enum onnx_type type, unsigned rank,
                   const size_t *shape, const void *values)
{
    static const size_t sizes[] = {[ONNX_FLOAT] = 4, [ONNX_UINT8] = 1, [ONNX_INT64] = 8};
    struct text tensor = {0};
    size_t bytes = sizes[type];
    for (unsigned d = 0; d < rank; d++) {
        protobuf_integer(&tensor, TENSOR_DIMS, (int64_t)shape[d]);
        bytes *= shape[d];
    }
    protobuf_integer(&tensor, TENSOR_DATA_TYPE, type);
    protobuf_string(&tensor, TENSOR_NAME, name);
    protobuf_bytes(&tensor, TENSOR_RAW_DATA, values, bytes);
    protobuf_message(&graph->message, GRAPH_INITIALIZER, &tensor);
}

static void add_dimension(struct text *shape, int64_t value, const char *name)
{
    struct text dimension = {0};
    if (name)
        protobuf_string(&dimension, DIMENSION_NAME, name);
    else
        protobuf_integer(&dimension, DIMENSION_VALUE, value);
    protobuf_message(shape, SHAPE_DIMENSION, &dimension);
}

void onnx_declare(struct onnx_graph *graph, enum onnx_end end, const char *name, enum onnx_type type,
                  struct value_shape shape)
{
    struct text value = {0}, tensor = {0}, extents = {0}, of = {0};
    add_dimension(&extents, 0, "batch");
    add_dimension(&extents, shape.channels, NULL);
    if (!shape.flat) {
        add_dimension(&extents, shape.height, NULL);
        add_dimension(&extents, shape.width, NULL);
    }
    protobuf_integer(&tensor, TENSOR_TYPE_ELEMENT, type);
    protobuf_message(&tensor, TENSOR_TYPE_SHAPE, &extents);
    protobuf_message(&of, TYPE_TENSOR, &tensor);
    protobuf_string(&value, VALUE_NAME, name);
    protobuf_message(&value, VALUE_TYPE, &of);
    protobuf_message(&graph->message, end == ONNX_INPUT ? GRAPH_INPUT : GRAPH_OUTPUT, &value);
}

/* What a kind of layer is to the model: shape inference, tensors, memory, forward and backward.
 *
 * A kind is one row of the table in layer_types.c that points at one struct layer_type in src/nn/layer_*.c;
 * the model knows nothing else of it. Layers own no memory: the model lays everything out in its arena.
 * Private to src/nn.
 *
 * Thread rule: forward and backward are called by all members of the team; a layer puts barriers only between
 * its own dependent kernels, the model between layers where members read what others wrote (model.c). */
#ifndef RUNNER_NN_LAYER_H
#define RUNNER_NN_LAYER_H

#include "nn/model.h"

enum initial_value {
    INITIAL_UNIFORM, /* U(-1/sqrt(fan_in), +1/sqrt(fan_in)) */
    INITIAL_ONE,
    INITIAL_ZERO,
};

/* A tensor of a layer in its common (PyTorch's) shape. */
struct layer_tensor {
    const char *name; /* "weight" */
    bool is_parameter;
    enum initial_value initial;
    size_t fan_in; /* of INITIAL_UNIFORM */
    unsigned rank;
    size_t shape[4];
};

struct layer_type;

struct layer {
    const struct layer_type *type;
    const struct layer_plan *plan;
    enum convolution convolution; /* the model's */
    struct value_shape inputs[LAYER_INPUTS], output;
    uint32_t ordinal; /* among the layers of the same enum layer_numbering: the owner of its random draws */
    int tensor_count;
    struct layer_tensor tensors[LAYER_TENSORS];
    size_t size[LAYER_TENSORS];    /* elements in kernel order, padding counted */
    size_t offset[LAYER_TENSORS];  /* in the vector of parameters and, behind them, statistics */
    real *value[LAYER_TENSORS];    /* there */
    real *gradient[LAYER_TENSORS]; /* of parameters */
    void *kept;                    /* what forward leaves for backward (masks, statistics) */
    const struct layer
        *fused;    /* AvgPool2d: the activation before it, which this layer computes too; or NULL */
    bool is_fused; /* an activation that the pool behind it computes */
    const struct layer *pool; /* the pool behind this layer's activation, which a BatchNorm2d computes too; a
                                 Conv2d its backward alone; or NULL */
    bool is_direct;           /* a Conv2d by the kernels conv2d_… */
    bool is_linear; /* a Linear, or a Conv2d by the kernels linear_…: knows enum layer_gradients */
    bool learns;    /* has parameters, and they are not frozen */
    bool leaves_forward, leaves_backward; /* of an AvgPool2d: the layer that has it as `pool` computes it */
    size_t scratch;                       /* floats that one kernel of this layer may use */
    size_t sums_size;                     /* floats in which backward's sums can rest; 0: they cannot */
    real *sums;                           /* they, where batches come in parts; or NULL */
};

/* Of a layer that does not learn only the inputs' gradients are asked for; what else it computes with them is
 * not read. A layer without area that is called for a batch in parts takes its weights' gradients from the
 * whole batch at the end: they are one product, and its inputs and their gradients are small enough to be
 * kept. */
enum layer_gradients { GRADIENTS_ALL, GRADIENTS_OF_INPUTS, GRADIENTS_OF_WEIGHTS };

/* One call of a layer. The scratch is two areas of layer.scratch floats, so that two independent kernels need
 * no barrier. */
struct layer_call {
    const struct kernels *kernels;
    const struct model_step *step;  /* the batch's */
    int images;                     /* of this call */
    int first_block;                /* the call's first block in the batch; all arrays begin there, but for
                                       what the layer keeps */
    struct batch_part part;         /* backward: of the batch */
    enum layer_gradients gradients; /* backward: which are asked for */
    bool training;
    real *x[LAYER_INPUTS];  /* read, but for an activation that the layer computes too */
    real *y;                /* backward: the output as forward left it */
    const real *dy;         /* backward only */
    real *pooled;           /* of a layer with a pool: the pool's output */
    const real *pooled_dy;  /* backward of a layer with a pool: in place of dy, the pool's */
    real *dx[LAYER_INPUTS]; /* backward only; NULL where nobody needs it */
    real *scratch[2];       /* backward: the second is the layer's own until the batch's last part */
    struct member member;
};

/* Which layers are counted together for the owner word of their draws. Layers without draws are not counted,
 * so that a variant with batch norm or dropout added starts from the same weights as the one without. */
enum layer_numbering { NUMBERING_NONE, NUMBERING_WEIGHTS, NUMBERING_DROPOUT, NUMBERINGS };

/* When a layer may be called for a few blocks of the batch after the others: forward, and in training
 * backward, too. */
enum layer_parts {
    PARTS_NEVER,         /* it asks what the other images are, or which of the batch these are */
    PARTS_IN_EVALUATION, /* then it does not */
    PARTS_ALWAYS,
};

struct layer_type {
    const char *name; /* PyTorch's */
    int input_count;
    enum layer_numbering numbering;
    enum layer_parts parts;
    bool is_view;                /* the output is the input under another shape */
    bool identity_in_evaluation; /* the output is the input where training is false */
    bool may_overwrite_input;    /* forward may have y == x and backward dx == dy */
    bool divides_blocks; /* forward and backward divide items in the order of blocks by member_range: where
                            the blocks are a multiple of the members, each reads and writes its own alone */
    bool reads_output_in_backward;
    bool always_writes_dx; /* backward cannot do without dx[] */

    /* The output's shape, or STATUS_CONFIG with the layer's origin and a sentence. */
    enum status (*infer)(const struct layer_plan *plan, const struct value_shape *inputs,
                         struct value_shape *output, struct error *error);
    /* Fills tensors[] and returns their number; NULL: none. */
    int (*tensors)(const struct layer *layer, struct layer_tensor tensors[LAYER_TENSORS]);
    /* Elements of a tensor in kernel order and where the common order's element is; NULL: the common order
     * itself. */
    size_t (*tensor_size)(const struct layer *layer, const struct kernels *kernels, int tensor);
    size_t (*tensor_index)(const struct layer *layer, const struct kernels *kernels, int tensor,
                           size_t common);
    uint64_t (*multiply_adds)(const struct layer *layer);                                    /* NULL: 0 */
    size_t (*kept_bytes)(const struct layer *layer, int images);                             /* NULL: 0 */
    size_t (*scratch)(const struct layer *layer, const struct kernels *kernels, int images); /* NULL: 0 */
    void (*forward)(const struct layer *layer, const struct layer_call *call);  /* NULL: a view */
    void (*backward)(const struct layer *layer, const struct layer_call *call); /* NULL: a view */
};

/* Does the kernel that computes an activation together with this AvgPool2d take its shape? (layer_pool2d.c)
 */
bool layer_pool_takes_activation(const struct layer *pool, const struct kernels *kernels, int images);
/* Does the kernel that computes a convolution's weight gradient together with the backward passes of the
 * activation and the pool behind it take this Conv2d? (layer_conv2d.c) */
bool layer_conv2d_takes_pool(const struct layer *conv, const struct kernels *kernels, int images);
/* The same for a BatchNorm2d, forward too. (layer_batch_norm.c) */
bool layer_batch_norm_takes_pool(const struct layer *norm, const struct kernels *kernels, int images);
/* Is this a Conv2d that the kernels conv2d_… compute? (layer_conv2d.c) */
bool layer_conv2d_is_direct(const struct layer *conv, const struct kernels *kernels);
/* Floats in which the sums of this Conv2d's backward rest between parts of the batch; 0 where they cannot,
 * and for other layers. (layer_conv2d.c) */
size_t layer_conv2d_sums(const struct layer *conv, const struct kernels *kernels);
/* Is this a Conv2d of one position, which the kernels linear_… compute? (layer_conv2d.c) */
bool layer_conv2d_is_linear(const struct layer *conv);
enum activation layer_activation_of(const struct layer *layer); /* (layer_activation.c) */

/* The table's row. */
const struct layer_type *layer_type_for(enum layer_kind kind);

/* For layers that work value by value: the output has the input's shape. */
enum status layer_infer_same(const struct layer_plan *plan, const struct value_shape *inputs,
                             struct value_shape *output, struct error *error);

struct model_tensor layer_describe_tensor(const struct layer *layer, int tensor);
size_t layer_tensor_count(const struct layer_tensor *tensor); /* elements in the common shape */
size_t layer_tensor_index(const struct layer *layer, const struct kernels *kernels, int tensor,
                          size_t common);

static inline size_t value_features(struct value_shape shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

/* "6x28x28" or "84". */
enum { VALUE_SHAPE_TEXT = 48 };
const char *value_shape_text(struct value_shape shape, char text[VALUE_SHAPE_TEXT]);

extern const struct layer_type layer_conv2d, layer_linear, layer_avg_pool2d, layer_max_pool2d, layer_tanh,
    layer_relu, layer_sigmoid, layer_batch_norm1d, layer_batch_norm2d, layer_dropout, layer_flatten,
    layer_add, layer_adaptive_avg_pool2d, layer_group_norm, layer_layer_norm, layer_leaky_relu, layer_gelu,
    layer_silu, layer_dropout2d;

#endif

/* A model: the plan's layers over one arena, with their shapes, parameters, activations and gradients.
 *
 * The layers form a directed acyclic graph in topological order: each reads the outputs of earlier layers
 * (usually the one before), and a value that several layers read collects the sum of their gradients, from
 * the last reader to the first. One file a layer (src/nn/layer_*.c) behind struct layer_type; this file only
 * walks them.
 *
 * Thread rule: the functions that take a member are called by all members of the team together. */
#ifndef RUNNER_NN_MODEL_H
#define RUNNER_NN_MODEL_H

#include "base/arena.h"
#include "base/plan.h"
#include "base/run_state.h"
#include "kernel/kernel.h"

struct value_shape {
    int channels, height, width; /* features after Flatten or Linear: channels, 1, 1 */
    bool flat;
};

/* A tensor of a model, in common (PyTorch's) shape and order. */
struct model_tensor {
    const char *layer; /* "conv1" */
    const char *name;  /* "weight" */
    unsigned rank;
    size_t shape[4];
    bool is_parameter; /* false: a running statistic */
    bool is_weight;    /* of a convolution or a linear layer: neither a bias nor a norm's */
};

enum { LAYER_TENSORS = 4 };

/* What `runner summary` prints of one layer. */
struct layer_summary {
    const char *name;
    enum layer_kind kind;
    struct value_shape input, output;
    struct model_tensor tensors[LAYER_TENSORS];
    int tensor_count;
    uint64_t parameters;
    uint64_t multiply_adds; /* of one image's forward pass; 0 for layers without weights, as the field counts
                               them */
};

/* The shapes of every layer without making the model: summaries[layer_count]. Errors (a kernel larger than
 * its input, a Linear before Flatten) have the layer's origin and the shapes up to it. */
enum status model_summarize(const struct model_plan *plan, struct value_shape input,
                            struct layer_summary *summaries, struct error *error);

struct model;

/* batch_size is the most images a step or an evaluation takes. Parameters start at PyTorch's defaults, drawn
 * from seed by the number of the layer among those with weights. The plan stays the caller's and outlives the
 * model. */
enum status model_create(const struct model_plan *plan, struct value_shape input, int batch_size,
                         uint64_t seed, const struct kernels *kernels, struct model **model,
                         struct error *error);
void model_destroy(struct model *model);

int model_classes(const struct model *model);
size_t model_memory(const struct model *model);            /* bytes of its arena */
uint64_t model_parameter_count(const struct model *model); /* without padding */
uint64_t model_multiply_adds(const struct model *model);

/* The flat vectors in kernel order, [model_parameter_size], for the optimiser. Behind the parameters lie the
 * running statistics: copying [model_state_size] from model_parameters keeps the whole model. */
size_t model_parameter_size(const struct model *model);
size_t model_state_size(const struct model *model);
real *model_parameters(struct model *model);
real *model_gradients(struct model *model);

/* The input buffer that load_images fills: x[blocks][features][16]. */
real *model_input(struct model *model);

/* Where a training step stands: what dropout's draws depend on. */
struct model_step {
    uint64_t seed;
    uint32_t epoch, step;
    int images; /* in this batch */
};

/* The logits [blocks][classes][16]; training draws masks and moves running statistics. Barriers inside, one
 * of them before anybody reads another's part of the input as load_images divides it, and one at the end. */
const real *model_forward(struct model *model, const struct model_step *step, bool training,
                          struct member member);

/* Where the loss puts its gradient before model_backward; every parameter's gradient is then in
 * model_gradients. */
real *model_output_gradient(struct model *model);
void model_backward(struct model *model, const struct model_step *step, struct member member);

/* Images of a batch, from the first of a block on. */
struct image_range {
    int first, count;
};

/* How many images of a step's batch forward, loss and backward are to take at once, a multiple of the block:
 * what fits the second-level caches of the team. All of them where a layer asks what the whole batch is. The
 * gradients are the same bits either way. */
int model_images_at_once(const struct model *model, int images, int team_size);

/* The same as above for such ranges one after the other, first to last, in training and with one size of the
 * team. What was there of the range before may be gone; the parameters' gradients are there after the last.
 * Logits are complete for a member's own blocks, as member_range divides the range's, and of the loss'
 * gradient no more need be there: the losses divide it so. Where the blocks are no multiple of the members,
 * both are complete for everybody before they are read. */
real *model_input_of(struct model *model, struct image_range range);
const real *model_forward_of(struct model *model, const struct model_step *step, struct image_range range,
                             struct member member);
real *model_output_gradient_of(struct model *model, struct image_range range);
void model_backward_of(struct model *model, const struct model_step *step, struct image_range range,
                       struct member member);

/* The tensors of the model in common shape and order. Paths are "/model/<layer>/weight", "bias",
 * "running_mean", "running_var". Export and import take any vector in kernel order: the model's own, a copy
 * of it, or gradients and moments, which have no running statistics behind them. */
int model_tensor_count(const struct model *model);
struct model_tensor model_tensor(const struct model *model, int index);
/* Where the tensor lies in a vector in kernel order, [*begin, *end), and where there its element `common` is.
 */
void model_tensor_range(const struct model *model, int index, size_t *begin, size_t *end);
size_t model_tensor_place(const struct model *model, int index, size_t common);
void model_export(const struct model *model, int index, const real *vector, float *values);
void model_import(const struct model *model, int index, real *vector, const float *values);

#endif

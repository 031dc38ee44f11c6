/* The inside of struct model, shared by the files of src/nn that build it, walk it and name its tensors. */
#ifndef RUNNER_NN_MODEL_PRIVATE_H
#define RUNNER_NN_MODEL_PRIVATE_H

#include "nn/layer.h"

/* What flows between layers: value 0 is the model's input, value i + 1 the output of layer i. */
struct value {
    struct value_shape shape;
    int storage; /* the value whose buffers hold this one: itself, or an earlier one (views, overwritten
                    inputs) */
    bool needs_gradient; /* a layer that learns lies before it: backward goes on through it */
    bool has_gradient;   /* of a storage: a value in it needs one, or a reader cannot do without */
    bool is_formed;      /* its gradient exists in pieces only, inside its producer's backward */
    bool written;        /* while planning: a later layer writes its gradient */
    bool is_partial;     /* its gradient holds one part of the batch at a time, at the array's start */
    real *y, *gradient;  /* of a value that is its own storage */
};

struct model {
    const struct kernels *kernels;
    int batch_size, layer_count;
    struct layer *layers;              /* [layer_count] */
    struct value *values;              /* [layer_count + 1] */
    bool (*accumulates)[LAYER_INPUTS]; /* backward adds to the input's gradient, which a later layer has
                                          written */
    int early_layers[2]; /* forward takes the first so many layers part by part: evaluation, training */
    int early_backward;  /* layers that backward takes part by part; 0 where a batch is one part */
    int part_blocks;     /* blocks of a part, for each member of the team */
    int range_blocks;    /* blocks of a range that goes through the whole step, likewise; 0: none does */
    int resting_layers;  /* layers whose values, gradients and sums may be those of a part or a range */
    size_t parameter_size, statistic_size, scratch_size, sum_size;
    real *parameters, *gradients; /* the statistics lie behind the parameters */
    real *scratch[2];
    real *sum[LAYER_INPUTS]; /* gradients on their way into others */
    struct arena arena;
};

static inline int value_of_input(const struct layer *layer, int which)
{
    return layer->plan->inputs[which] + 1; /* LAYER_INPUT_DATA is -1 */
}

/* Fills layers[plan->layer_count]: type, shapes, ordinals and tensors. (model_shapes.c) */
enum status layers_infer(const struct model_plan *plan, struct value_shape input, struct layer *layers,
                         struct error *error);

/* Decides which layers learn, which values share buffers, which layers are fused, where parameters lie, and
 * the parts of a batch. freeze: as in struct model_plan. (model_plan.c) */
void model_plan_walks(struct model *model, struct value_shape input, const char *freeze);
/* Called twice: measuring, then handing out. */
void model_lay_out(struct model *model, struct arena *arena);

/* Draws every parameter's initial value and sets the statistics. (model_tensors.c) */
void model_initialise(struct model *model, uint64_t seed);

#endif

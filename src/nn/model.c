/* The walk over the layers, and the one arena that they live in.
 *
 * Which buffers a value has, and in which parts of a batch the layers are taken, is decided once
 * (model_plan.c); forward and backward follow the tables.
 *
 * Invariant: in the backward walk a value's gradient is complete before its producer's backward is called,
 * since all its readers come later in topological order. Where several layers read a value, the last reader
 * writes the gradient and the others add to it in the order of the walk, one addition each: one written
 * order, whatever the team's size.
 *
 * Rejected: a fixed chain of arrays (no residual addition), and a tape recorded while computing (an
 * allocation in every step for a graph that never changes). */
#include "nn/model_private.h"

#include <assert.h>
#include <stdlib.h>

static enum status check_output(const struct model_plan *plan, const struct layer *last, struct error *error)
{
    char text[VALUE_SHAPE_TEXT];
    if (last->output.flat)
        return STATUS_OK;
    return error_set_at(
        error, last->plan->origin, STATUS_CONFIG,
        "the last layer of '%s' must give a flat vector of class scores, but '%s' gives %s; add Flatten "
        "and Linear behind it",
        plan->name, last->plan->name, value_shape_text(last->output, text));
}

static enum status allocate(struct model *model, struct error *error)
{
    struct arena measure;
    arena_init_measure(&measure);
    model_lay_out(model, &measure);
    enum status status = arena_init_memory(&model->arena, measure.used, error);
    if (status == STATUS_OK)
        model_lay_out(model, &model->arena);
    return status;
}

enum status model_create(const struct model_plan *plan, struct value_shape input, int batch_size,
                         uint64_t seed, const struct kernels *kernels, struct model **model,
                         struct error *error)
{
    assert(batch_size > 0);
    size_t layers = (size_t)plan->layer_count;
    enum status status = STATUS_MEMORY;
    struct model *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, STATUS_MEMORY, "no memory for the model '%s'", plan->name);
    made->kernels = kernels;
    made->batch_size = batch_size;
    made->layer_count = plan->layer_count;
    made->layers = calloc(layers + 1, sizeof *made->layers);
    made->values = calloc(layers + 1, sizeof *made->values);
    made->accumulates = calloc(layers + 1, sizeof *made->accumulates);
    if (!made->layers || !made->values || !made->accumulates) {
        error_set(error, STATUS_MEMORY, "no memory for the %d layers of '%s'", plan->layer_count, plan->name);
        goto cleanup;
    }
    status = layers_infer(plan, input, made->layers, error);
    if (status == STATUS_OK)
        status = check_output(plan, &made->layers[layers - 1], error);
    if (status != STATUS_OK)
        goto cleanup;
    model_plan_walks(made, input, plan->freeze);
    status = allocate(made, error);
    if (status != STATUS_OK)
        goto cleanup;
    model_initialise(made, seed);
    *model = made;
    return STATUS_OK;
cleanup:
    model_destroy(made);
    return status;
}

void model_destroy(struct model *model)
{
    if (!model)
        return;
    arena_release(&model->arena);
    free(model->accumulates);
    free(model->values);
    free(model->layers);
    free(model);
}

int model_classes(const struct model *model)
{
    return model->values[model->layer_count].shape.channels;
}

size_t model_memory(const struct model *model)
{
    return model->arena.size;
}

uint64_t model_parameter_count(const struct model *model)
{
    uint64_t count = 0;
    for (int i = 0; i < model->layer_count; i++)
        for (int t = 0; t < model->layers[i].tensor_count; t++)
            if (model->layers[i].tensors[t].is_parameter)
                count += layer_tensor_count(&model->layers[i].tensors[t]);
    return count;
}

uint64_t model_multiply_adds(const struct model *model)
{
    uint64_t count = 0;
    for (int i = 0; i < model->layer_count; i++)
        if (model->layers[i].type->multiply_adds)
            count += model->layers[i].type->multiply_adds(&model->layers[i]);
    return count;
}

size_t model_parameter_size(const struct model *model)
{
    return model->parameter_size;
}

size_t model_state_size(const struct model *model)
{
    return model->parameter_size + model->statistic_size;
}

real *model_parameters(struct model *model)
{
    return model->parameters;
}

real *model_gradients(struct model *model)
{
    return model->gradients;
}

real *model_input(struct model *model)
{
    return model->values[0].y;
}

/* What a walk over some layers is about: images of the step's batch, in training or not. */
struct walk {
    const struct model_step *step;
    int first_block, images;
    bool training;
    bool in_ranges; /* forward and backward of these images before the next: values that can are partial */
    bool defers;    /* backward: the weights' gradients of linear layers come behind all others */
    struct batch_part part;
    struct member member;
};

/* Elements of a value before the block. */
static size_t elements_before(const struct model *model, int value, int block)
{
    return (size_t)block * value_features(model->values[value].shape) * LANES;
}

/* The value of the walk's images. */
static real *stored(const struct model *model, int value, const struct walk *walk)
{
    const struct value *storage = &model->values[model->values[value].storage];
    bool is_partial = walk->in_ranges && storage->is_partial;
    return storage->y + (is_partial ? 0 : elements_before(model, value, walk->first_block));
}

/* Where it can be read: an identity in evaluation is its input. */
static real *readable(const struct model *model, int value, const struct walk *walk)
{
    while (value > 0) {
        const struct layer *layer = &model->layers[value - 1];
        bool passes = layer->type->is_view || (layer->type->identity_in_evaluation && !walk->training);
        if (!passes)
            break;
        value = value_of_input(layer, 0);
    }
    return stored(model, value, walk);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static real *gradient_of(const struct model *model, int value)
{
    return model->values[model->values[value].storage].gradient;
}

/* The output of the pool that this layer computes too; never a view, so its own storage. */
static int pool_value(const struct model *model, const struct layer *layer)
{
    return (int)(layer->pool - model->layers) + 1;
}

/* The team meets only where it must. Where each member has been at its own blocks alone since the last time,
 * and the next layer is, too, nobody waits for anybody. A direct convolution meets by itself, when it has
 * packed its filters and before it reads x or dy; that frees it from meeting before, but for the scratch that
 * it packs them into. Forward, two areas of scratch are taken in turn: who is ahead packs into one while
 * another still reads the other, and before the first is used again there was a meeting inside the layer
 * between. Backward has one area for it, and meets where somebody may still read it. */
struct progress {
    bool own_blocks; /* nobody has touched another's blocks since the team met */
    bool packed;     /* backward: somebody may be reading scratch */
    bool deferred;   /* backward: gradients that deferred products will read have been written since */
    int area;        /* forward: of scratch, for the next layer */
};

static bool divides_blocks(int images, struct member member)
{
    return blocks_of(images) % member.size == 0;
}

static void meet(struct progress *progress, struct member member)
{
    team_barrier(member);
    progress->own_blocks = true;
    progress->packed = progress->deferred = false;
}

static void go_on(struct progress *progress, const struct layer *layer, int images, struct member member)
{
    bool divides = (layer->is_direct || layer->is_linear || layer->type->divides_blocks) &&
                   divides_blocks(images, member);
    if (!layer->is_direct && !(divides && progress->own_blocks))
        meet(progress, member);
    progress->own_blocks = divides;
    progress->area ^= layer->scratch > 0 && !layer->is_linear;
}

/* Layers begin … end-1. */
static void forward_layers(struct model *model, int begin, int end, const struct walk *walk,
                           struct progress *progress)
{
    for (int i = begin; i < end; i++) {
        const struct layer *layer = &model->layers[i];
        if (layer->type->is_view || layer->is_fused || layer->leaves_forward ||
            (layer->type->identity_in_evaluation && !walk->training))
            continue;
        struct layer_call call = {.kernels = model->kernels,
                                  .step = walk->step,
                                  .images = walk->images,
                                  .first_block = walk->first_block,
                                  .training = walk->training,
                                  .y = stored(model, i + 1, walk),
                                  .scratch = {model->scratch[progress->area]},
                                  .member = walk->member};
        if (layer->pool)
            call.pooled = stored(model, pool_value(model, layer), walk);
        for (int k = 0; k < layer->plan->input_count; k++)
            call.x[k] = readable(model, value_of_input(layer, k), walk);
        go_on(progress, layer, walk->images, walk->member);
        layer->type->forward(layer, &call);
    }
}

/* The whole batch, without a meeting at the end. */
static const real *forward(struct model *model, const struct model_step *step, bool training,
                           struct progress *progress, struct member member)
{
    assert(step->images > 0 && step->images <= model->batch_size);
    int early = model->early_layers[training], images = model->part_blocks * member.size * LANES;
    bool is_one_part = early == 0 || step->images <= images;
    progress->own_blocks = is_one_part; /* of the input's */
    struct walk whole = {.step = step, .images = step->images, .training = training, .member = member};
    for (int first = 0; early > 0 && first < step->images; first += images) {
        struct walk walk = whole;
        walk.first_block = first / LANES;
        walk.images = smaller(images, step->images - first);
        forward_layers(model, 0, early, &walk, progress);
        progress->own_blocks &= is_one_part; /* other parts have other divisions */
    }
    forward_layers(model, early, model->layer_count, &whole, progress);
    return readable(model, model->layer_count, &whole);
}

const real *model_forward(struct model *model, const struct model_step *step, bool training,
                          struct member member)
{
    struct progress progress = {0};
    const real *logits = forward(model, step, training, &progress, member);
    team_barrier(member);
    return logits;
}

real *model_output_gradient(struct model *model)
{
    return gradient_of(model, model->layer_count);
}

/* The value's gradient from a block of the batch on. */
static real *gradient_from(const struct model *model, int value, int block)
{
    const struct value *storage = &model->values[model->values[value].storage];
    if (!storage->gradient || storage->is_partial)
        return storage->gradient;
    return storage->gradient + elements_before(model, value, block);
}

/* gradient += sum for the images' values, in the part of this member. */
static void add_gradient(const struct model *model, int value, real *gradient, const real *sum, int images,
                         struct member member)
{
    size_t count = (size_t)blocks_of(images) * value_features(model->values[value].shape) * LANES;
    model->kernels->add(count, gradient, sum, gradient, member);
}

/* The call of layer i for the walk's images, but for the gradients of its inputs. */
static struct layer_call backward_call(const struct model *model, int i, const struct walk *walk)
{
    const struct layer *layer = &model->layers[i];
    struct layer_call call = {.kernels = model->kernels,
                              .step = walk->step,
                              .images = walk->images,
                              .first_block = walk->first_block,
                              .part = walk->part,
                              .training = true,
                              .y = stored(model, i + 1, walk),
                              .dy = gradient_from(model, i + 1, walk->first_block),
                              .scratch = {model->scratch[0], layer->sums ? layer->sums : model->scratch[1]},
                              .member = walk->member};
    if (layer->pool)
        call.pooled_dy = gradient_from(model, pool_value(model, layer), walk->first_block);
    for (int k = 0; k < layer->plan->input_count; k++)
        call.x[k] = readable(model, value_of_input(layer, k), walk);
    return call;
}

/* Does the layer's backward touch the blocks of the member alone? A direct convolution's filters are read
 * from all blocks, but nothing that they are read from is written later in the pass. */
static bool keeps_to_blocks(const struct layer *layer, const struct layer_call *call)
{
    bool keeps = layer->type->divides_blocks || (layer->is_direct && call->dx[0]) ||
                 (layer->is_linear && call->gradients == GRADIENTS_OF_INPUTS);
    return keeps && divides_blocks(call->images, call->member);
}

static void call_backward(const struct layer *layer, const struct layer_call *call, struct progress *progress)
{
    bool keeps = keeps_to_blocks(layer, call), meets_inside = layer->is_direct && call->dx[0];
    bool inputs_alone = layer->is_linear && call->gradients == GRADIENTS_OF_INPUTS;
    if (meets_inside ? progress->packed : !(keeps && progress->own_blocks))
        meet(progress, call->member);
    layer->type->backward(layer, call);
    progress->own_blocks = keeps;
    progress->packed |= layer->scratch > 0 && !inputs_alone;
    progress->deferred = inputs_alone || (progress->deferred && !meets_inside);
}

/* Layers end-1 … begin. */
static void backward_layers(struct model *model, int begin, int end, const struct walk *walk,
                            struct progress *progress)
{
    struct member member = walk->member;
    for (int i = end - 1; i >= begin; i--) {
        const struct layer *layer = &model->layers[i];
        if (layer->type->is_view || layer->is_fused || layer->leaves_backward ||
            !model->values[i + 1].needs_gradient)
            continue;
        struct layer_call call = backward_call(model, i, walk);
        if ((walk->defers && layer->is_linear) || !layer->learns)
            call.gradients = GRADIENTS_OF_INPUTS;
        bool adds = false;
        real *into[LAYER_INPUTS] = {NULL};
        for (int k = 0; k < layer->plan->input_count; k++) {
            int input = value_of_input(layer, k);
            call.dx[k] = into[k] = gradient_from(model, input, walk->first_block);
            if (call.dx[k] && model->accumulates[i][k]) {
                call.dx[k] = model->sum[k];
                adds = true;
            }
        }
        call_backward(layer, &call, progress);
        if (!adds)
            continue;
        meet(progress, member);
        for (int k = 0; k < layer->plan->input_count; k++)
            if (call.dx[k] != into[k])
                add_gradient(model, value_of_input(layer, k), into[k], model->sum[k], walk->images, member);
        progress->own_blocks = false;
    }
}

/* The weights' gradients of the linear layers among begin … end-1, from the whole batch. Between them nobody
 * waits for anybody: a member's part of their scratch is its own. */
static void backward_deferred(struct model *model, int begin, int end, const struct model_step *step,
                              struct progress *progress, struct member member)
{
    struct walk whole = {
        .step = step, .images = step->images, .training = true, .part = WHOLE_BATCH, .member = member};
    if (progress->deferred || progress->packed)
        meet(progress, member);
    for (int i = end - 1; i >= begin; i--) {
        const struct layer *layer = &model->layers[i];
        if (!layer->is_linear || !layer->learns)
            continue;
        struct layer_call call = backward_call(model, i, &whole);
        call.gradients = GRADIENTS_OF_WEIGHTS;
        call.scratch[1] = model->scratch[0]; /* others may still have sums in the second */
        layer->type->backward(layer, &call);
    }
}

void model_backward(struct model *model, const struct model_step *step, struct member member)
{
    int early = model->early_backward, images = model->part_blocks * member.size * LANES;
    struct progress progress = {.own_blocks = true};
    struct walk whole = {.step = step,
                         .images = step->images,
                         .training = true,
                         .defers = member.size > 1,
                         .part = WHOLE_BATCH,
                         .member = member};
    backward_layers(model, early, model->layer_count, &whole, &progress);
    if (whole.defers)
        backward_deferred(model, early, model->layer_count, step, &progress, member);
    meet(&progress, member);
    for (int first = 0; early > 0 && first < step->images; first += images) {
        struct walk walk = whole;
        walk.first_block = first / LANES;
        walk.images = smaller(images, step->images - first);
        walk.part = (struct batch_part){first == 0, first + walk.images == step->images};
        backward_layers(model, 0, early, &walk, &progress);
        meet(&progress, member);
    }
}

int model_images_at_once(const struct model *model, int images, int team_size)
{
    return model->range_blocks > 0 ? smaller(images, model->range_blocks * team_size * LANES) : images;
}

static struct walk walk_of(const struct model_step *step, struct image_range range, struct member member)
{
    return (struct walk){.step = step,
                         .first_block = range.first / LANES,
                         .images = range.count,
                         .training = true,
                         .in_ranges = range.count < step->images,
                         .defers = range.count < step->images,
                         .part = {range.first == 0, range.first + range.count == step->images},
                         .member = member};
}

real *model_input_of(struct model *model, struct image_range range)
{
    return model->values[0].y + elements_before(model, 0, range.first / LANES);
}

const real *model_forward_of(struct model *model, const struct model_step *step, struct image_range range,
                             struct member member)
{
    struct walk walk = walk_of(step, range, member);
    struct progress progress = {.own_blocks = true};
    const real *logits;
    if (walk.in_ranges) {
        forward_layers(model, 0, model->layer_count, &walk, &progress);
        logits = readable(model, model->layer_count, &walk);
    } else {
        logits = forward(model, step, true, &progress, member);
    }
    if (!progress.own_blocks || progress.area != 0) /* backward packs into the first, which may be in use */
        meet(&progress, member);
    return logits;
}

real *model_output_gradient_of(struct model *model, struct image_range range)
{
    return gradient_from(model, model->layer_count, range.first / LANES);
}

void model_backward_of(struct model *model, const struct model_step *step, struct image_range range,
                       struct member member)
{
    struct walk walk = walk_of(step, range, member);
    struct progress progress = {.own_blocks = true};
    if (!walk.in_ranges) {
        model_backward(model, step, member);
        return;
    }
    backward_layers(model, 0, model->layer_count, &walk, &progress);
    if (walk.part.last)
        backward_deferred(model, 0, model->layer_count, step, &progress, member);
    meet(&progress, member);
}

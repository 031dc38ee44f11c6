/* The walk over the layers, and the one arena that they live in.
 *
 * Design: values, not layers, own buffers. A value has an activation and, where a parameter lies before it, a
 * gradient; a view (Flatten) or a layer that overwrites its input (Tanh behind Conv2d) shares the buffers of
 * an earlier value, its `storage`. Which value shares, and which gradient is written first and which is added
 * to it, is decided once in model_create; forward and backward then only follow the tables.
 *
 * Invariant: in the backward walk a value's gradient is complete before its producer's backward is called,
 * since all its readers come later in topological order. Where several layers read a value, the last reader
 * writes the gradient and the others add to it in the order of the walk, one addition each: one written
 * order, whatever the team's size.
 *
 * Forward takes the layers at the images part by part (plan_parts): a convolution's output is read by the
 * layer behind it while it is in the second-level cache. No image's values depend on the part that it is in.
 * Backward takes the same layers part by part, and of the gradients between them only one part exists; sums
 * over the batch go on from part to part (kernel.h: conv2d_backward_weight).
 *
 * Rejected: a fixed chain of arrays (no residual addition), and a tape recorded while computing (an
 * allocation in every step for a graph that never changes). */
#include "nn/model_private.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { PART_WEIGHT_BYTES = 256 * 1024 };

/* Half more than the second-level cache: what was read first may leave it before the part is done. Parts that
 * fit with room to spare were no faster. Where the system does not tell the cache's size, 512 KiB. */
static size_t part_bytes(void)
{
    long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
    size_t bytes = cache > 0 ? (size_t)cache : 512 * 1024;
    return bytes + bytes / 2;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t buffer_size(const struct model *model, struct value_shape shape)
{
    return (size_t)blocks_of(model->batch_size) * value_features(shape) * LANES;
}

static int reader_count(const struct model *model, int value)
{
    int readers = 0;
    for (int i = 0; i < model->layer_count; i++)
        for (int k = 0; k < model->layers[i].plan->input_count; k++)
            readers += value_of_input(&model->layers[i], k) == value;
    return readers;
}

/* May layer i write its output over its input? Nobody else may need that input, neither another reader nor
 * its producer. A producer that evaluation passes by must have written over its own input, so that what is
 * overwritten then is the same array. */
static bool overwrites_input(const struct model *model, int i)
{
    const struct layer *layer = &model->layers[i];
    int input = value_of_input(layer, 0);
    if (!layer->type->may_overwrite_input || input == 0)
        return false;
    const struct layer_type *producer = model->layers[input - 1].type;
    bool shares = model->values[input].storage != input;
    bool is_free = shares ? producer->may_overwrite_input : !producer->identity_in_evaluation;
    return is_free && !producer->reads_output_in_backward && reader_count(model, input) == 1;
}

static bool has_parameters(const struct layer *layer)
{
    for (int t = 0; t < layer->tensor_count; t++)
        if (layer->tensors[t].is_parameter)
            return true;
    return false;
}

static void plan_values(struct model *model, struct value_shape input)
{
    struct value *values = model->values;
    values[0] = (struct value){.shape = input, .storage = 0};
    for (int i = 0; i < model->layer_count; i++) {
        const struct layer *layer = &model->layers[i];
        struct value *value = &values[i + 1];
        bool shares = layer->type->is_view || overwrites_input(model, i);
        *value = (struct value){.shape = layer->output, .storage = i + 1};
        if (shares)
            value->storage = values[value_of_input(layer, 0)].storage;
        value->needs_gradient = has_parameters(layer);
        for (int k = 0; k < layer->plan->input_count; k++) {
            struct value *read = &values[values[value_of_input(layer, k)].storage];
            read->needs_gradient |= layer->type->always_writes_dx;
            value->needs_gradient |= values[value_of_input(layer, k)].needs_gradient || read->needs_gradient;
        }
        values[value->storage].needs_gradient |= value->needs_gradient;
    }
}

static void plan_accumulation(struct model *model)
{
    for (int i = model->layer_count - 1; i >= 0; i--) {
        const struct layer *layer = &model->layers[i];
        for (int k = 0; k < layer->plan->input_count; k++) {
            int storage = model->values[value_of_input(layer, k)].storage;
            struct value *value = &model->values[storage];
            if (storage == model->values[i + 1].storage)
                continue; /* shares: what is there is its own output's gradient */
            model->accumulates[i][k] = value->written;
            if (value->written)
                model->sum_size = larger(model->sum_size, buffer_size(model, value->shape));
            value->written = true;
        }
    }
}

/* An activation in place that an AvgPool2d alone reads is left to the pool, where there is a kernel for both.
 */
static void plan_fusion(struct model *model)
{
    for (int i = 1; i < model->layer_count; i++) {
        struct layer *pool = &model->layers[i];
        int input = value_of_input(pool, 0);
        struct layer *activation = input > 0 ? &model->layers[input - 1] : NULL;
        if (!activation || !activation->type->reads_output_in_backward ||
            !activation->type->may_overwrite_input || model->values[input].storage == input ||
            reader_count(model, input) != 1 ||
            !layer_pool_takes_activation(pool, model->kernels, model->batch_size))
            continue;
        pool->fused = activation;
        activation->is_fused = true;
    }
}

/* Where an activation is fused with the pool behind it, the layer before them may form its own output's
 * gradient from the pool's, so that the largest gradients have no array: a convolution at the data, whose
 * input needs no gradient, and batch norm, which computes both forward too. */
static void plan_pooled_gradients(struct model *model)
{
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *pool = &model->layers[i];
        if (!pool->fused)
            continue;
        int activated = value_of_input(pool, 0);
        int own = value_of_input(pool->fused, 0);
        struct layer *layer = &model->layers[own - 1];
        bool is_norm = layer_batch_norm_takes_pool(layer, model->kernels, model->batch_size);
        bool is_first_conv = layer_conv2d_takes_pool(layer, model->kernels, model->batch_size) &&
                             !model->values[model->values[value_of_input(layer, 0)].storage].needs_gradient;
        if (model->values[activated].storage != own || (!is_norm && !is_first_conv))
            continue;
        layer->pool = pool;
        pool->leaves_forward = is_norm;
        pool->leaves_backward = true;
        model->values[own].is_formed = true;
    }
}

static void plan_parameters(struct model *model)
{
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        for (int t = 0; t < layer->tensor_count; t++) {
            size_t *total = layer->tensors[t].is_parameter ? &model->parameter_size : &model->statistic_size;
            layer->size[t] = layer->type->tensor_size ? layer->type->tensor_size(layer, model->kernels, t)
                                                      : layer_tensor_count(&layer->tensors[t]);
            layer->offset[t] = *total;
            *total += (layer->size[t] + LANES - 1) / LANES * LANES; /* each starts on a cache line */
        }
        layer->is_direct = layer_conv2d_is_direct(layer, model->kernels);
        if (layer->type->scratch)
            layer->scratch = layer->type->scratch(layer, model->kernels, model->batch_size);
        model->scratch_size = larger(model->scratch_size, layer->scratch);
    }
    for (int i = 0; i < model->layer_count; i++)
        for (int t = 0; t < model->layers[i].tensor_count; t++)
            if (!model->layers[i].tensors[t].is_parameter)
                model->layers[i].offset[t] += model->parameter_size;
}

/* May forward take this layer for a part of the batch? Where the output has no area, or weights are packed
 * anew for every part that weigh as much as the part, nothing is gained. */
static bool goes_in_parts(const struct layer *layer, bool training)
{
    size_t weights = 0;
    for (int t = 0; t < layer->tensor_count; t++)
        weights += layer->size[t] * sizeof(real);
    bool has_area = layer->output.height * layer->output.width > 1;
    return has_area && weights <= PART_WEIGHT_BYTES &&
           layer->type->parts >= (training ? PARTS_ALWAYS : PARTS_IN_EVALUATION);
}

/* The layers at the images have the largest activations. A part of them is as many blocks as part_bytes
 * hold of a layer's input and output, and goes through all these layers before the next part does. */
static void plan_parts(struct model *model)
{
    size_t most = 1;
    for (int training = 0; training < 2; training++) {
        int early = 0;
        while (early < model->layer_count && goes_in_parts(&model->layers[early], training))
            early++;
        model->early_layers[training] = early > 1 ? early : 0;
        for (int i = 0; i < early; i++) {
            size_t values = value_features(model->layers[i].output);
            for (int k = 0; k < model->layers[i].plan->input_count; k++)
                values += value_features(model->layers[i].inputs[k]);
            most = larger(most, values * LANES * sizeof(real));
        }
    }
    model->part_blocks = (int)larger(part_bytes() / most, 1);
}

/* Backward in parts: as forward in training, up to the first layer whose sums over the batch cannot rest. */
static void plan_backward_parts(struct model *model)
{
    int early = 0;
    if (blocks_of(model->batch_size) > model->part_blocks)
        while (early < model->early_layers[true] &&
               (!has_parameters(&model->layers[early]) || model->layers[early].is_direct))
            early++;
    model->early_backward = early > 1 ? early : 0;
    for (int v = 1; v <= early; v++)
        model->values[v].is_partial = true;
    for (int i = early; i < model->layer_count; i++)
        for (int k = 0; k < model->layers[i].plan->input_count; k++)
            model->values[model->values[value_of_input(&model->layers[i], k)].storage].is_partial = false;
}

/* Called twice: measuring, then handing out. */
static void lay_out(struct model *model, struct arena *arena)
{
    model->parameters = arena_take(arena, model_state_size(model), sizeof(real));
    model->gradients = arena_take(arena, model->parameter_size, sizeof(real));
    for (int s = 0; s < 2; s++)
        model->scratch[s] = arena_take(arena, model->scratch_size, sizeof(real));
    for (int k = 0; k < LAYER_INPUTS; k++)
        model->sum[k] = arena_take(arena, model->sum_size, sizeof(real));
    for (int v = 0; v <= model->layer_count; v++) {
        struct value *value = &model->values[v];
        if (value->storage != v)
            continue;
        value->y = arena_take(arena, buffer_size(model, value->shape), sizeof(real));
        if (value->needs_gradient && !value->is_formed)
            value->gradient = arena_take(arena, buffer_size(model, value->shape), sizeof(real));
    }
    for (int i = 0; i < model->layer_count; i++) {
        struct layer *layer = &model->layers[i];
        if (layer->type->kept_bytes)
            layer->kept = arena_take(arena, layer->type->kept_bytes(layer, model->batch_size), 1);
        if (i < model->early_backward && has_parameters(layer))
            layer->sums = arena_take(arena, layer->scratch, sizeof(real));
        for (int t = 0; t < layer->tensor_count && !arena_is_measuring(arena); t++) {
            bool is_parameter = layer->tensors[t].is_parameter;
            layer->value[t] = model->parameters + layer->offset[t];
            layer->gradient[t] = is_parameter ? model->gradients + layer->offset[t] : NULL;
        }
    }
}

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
    lay_out(model, &measure);
    enum status status = arena_init_memory(&model->arena, measure.used, error);
    if (status == STATUS_OK)
        lay_out(model, &model->arena);
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
    plan_values(made, input);
    plan_accumulation(made);
    plan_fusion(made);
    plan_pooled_gradients(made);
    plan_parameters(made);
    plan_parts(made);
    plan_backward_parts(made);
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

/* Where the value can be read: an identity in evaluation is its input. */
static real *readable(const struct model *model, int value, bool training)
{
    while (value > 0) {
        const struct layer *layer = &model->layers[value - 1];
        bool passes = layer->type->is_view || (layer->type->identity_in_evaluation && !training);
        if (!passes)
            break;
        value = value_of_input(layer, 0);
    }
    return model->values[model->values[value].storage].y;
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

/* Elements of a value before the block. */
static size_t elements_before(const struct model *model, int value, int block)
{
    return (size_t)block * value_features(model->values[value].shape) * LANES;
}

/* Forward meets only where it must. A direct convolution meets by itself before it reads its input; and
 * where each member has been at its own blocks alone since the team last met, and the next layer is, too,
 * nobody waits for anybody. Layers take the two areas of scratch in turn: who is ahead packs its filters into
 * one while another still reads the other, and before the first is used again there was a meeting inside the
 * layer between. */
struct progress {
    bool own_blocks; /* nobody has touched another's blocks since the team met */
    int area;        /* of scratch, for the next layer */
};

static void go_on(struct progress *progress, const struct layer *layer, int images, struct member member)
{
    bool divides = (layer->is_direct || layer->type->divides_blocks) && blocks_of(images) % member.size == 0;
    if (!layer->is_direct && !(divides && progress->own_blocks))
        team_barrier(member);
    progress->own_blocks = divides;
    progress->area ^= layer->scratch > 0;
}

/* Layers begin … end-1, for the step's images, which begin at first_block of the batch. */
static void forward_layers(struct model *model, int begin, int end, const struct model_step *step,
                           int first_block, bool training, struct progress *progress, struct member member)
{
    for (int i = begin; i < end; i++) {
        const struct layer *layer = &model->layers[i];
        if (layer->type->is_view || layer->is_fused || layer->leaves_forward ||
            (layer->type->identity_in_evaluation && !training))
            continue;
        struct layer_call call = {.kernels = model->kernels,
                                  .step = step,
                                  .first_block = first_block,
                                  .training = training,
                                  .y = model->values[model->values[i + 1].storage].y +
                                       elements_before(model, i + 1, first_block),
                                  .scratch = {model->scratch[progress->area]},
                                  .member = member};
        if (layer->pool) {
            int pooled = pool_value(model, layer);
            call.pooled = model->values[pooled].y + elements_before(model, pooled, first_block);
        }
        for (int k = 0; k < layer->plan->input_count; k++) {
            int input = value_of_input(layer, k);
            call.x[k] = readable(model, input, training) + elements_before(model, input, first_block);
        }
        go_on(progress, layer, step->images, member);
        layer->type->forward(layer, &call);
    }
}

const real *model_forward(struct model *model, const struct model_step *step, bool training,
                          struct member member)
{
    assert(step->images > 0 && step->images <= model->batch_size);
    int early = model->early_layers[training], images = model->part_blocks * member.size * LANES;
    bool is_one_part = early == 0 || step->images <= images;
    struct progress progress = {.own_blocks = is_one_part}; /* of the input's */
    for (int first = 0; early > 0 && first < step->images; first += images) {
        struct model_step part = *step;
        part.images = step->images - first < images ? step->images - first : images;
        forward_layers(model, 0, early, &part, first / LANES, training, &progress, member);
        progress.own_blocks &= is_one_part; /* other parts have other divisions */
    }
    forward_layers(model, early, model->layer_count, step, 0, training, &progress, member);
    team_barrier(member);
    return readable(model, model->layer_count, training);
}

real *model_output_gradient(struct model *model)
{
    return gradient_of(model, model->layer_count);
}

/* The value's gradient from a block of the batch on. */
static real *gradient_from(const struct model *model, int value, int block)
{
    const struct value *stored = &model->values[model->values[value].storage];
    if (!stored->gradient || stored->is_partial)
        return stored->gradient;
    return stored->gradient + elements_before(model, value, block);
}

/* gradient += sum for the images' values, in the part of this member. */
static void add_gradient(const struct model *model, int value, real *gradient, const real *sum, int images,
                         struct member member)
{
    size_t count = (size_t)blocks_of(images) * value_features(model->values[value].shape) * LANES;
    model->kernels->add(count, gradient, sum, gradient, member);
}

/* Layers end-1 … begin, for the step's images, which are that part of the batch and begin at first_block. A
 * direct convolution meets by itself, when it has packed its filters and before it reads dy. */
static void backward_layers(struct model *model, int begin, int end, const struct model_step *step,
                            int first_block, struct batch_part part, struct member member)
{
    const struct layer *behind = NULL;
    for (int i = end - 1; i >= begin; i--) {
        const struct layer *layer = &model->layers[i];
        if (layer->type->is_view || layer->is_fused || layer->leaves_backward ||
            !model->values[i + 1].needs_gradient)
            continue;
        struct layer_call call = {
            .kernels = model->kernels,
            .step = step,
            .first_block = first_block,
            .part = part,
            .training = true,
            .y = model->values[model->values[i + 1].storage].y + elements_before(model, i + 1, first_block),
            .dy = gradient_from(model, i + 1, first_block),
            .scratch = {model->scratch[0], layer->sums ? layer->sums : model->scratch[1]},
            .member = member};
        if (layer->pool)
            call.pooled_dy = gradient_from(model, pool_value(model, layer), first_block);
        bool adds = false;
        real *into[LAYER_INPUTS] = {NULL};
        for (int k = 0; k < layer->plan->input_count; k++) {
            int input = value_of_input(layer, k);
            call.x[k] = readable(model, input, true) + elements_before(model, input, first_block);
            call.dx[k] = into[k] = gradient_from(model, input, first_block);
            if (call.dx[k] && model->accumulates[i][k]) {
                call.dx[k] = model->sum[k];
                adds = true;
            }
        }
        bool meets_first = layer->is_direct && call.dx[0] && behind && behind->scratch == 0;
        if (behind && !meets_first)
            team_barrier(member);
        behind = layer;
        layer->type->backward(layer, &call);
        if (adds)
            team_barrier(member);
        for (int k = 0; adds && k < layer->plan->input_count; k++)
            if (call.dx[k] != into[k])
                add_gradient(model, value_of_input(layer, k), into[k], model->sum[k], step->images, member);
    }
    team_barrier(member);
}

void model_backward(struct model *model, const struct model_step *step, struct member member)
{
    int early = model->early_backward, images = model->part_blocks * member.size * LANES;
    backward_layers(model, early, model->layer_count, step, 0, WHOLE_BATCH, member);
    for (int first = 0; early > 0 && first < step->images; first += images) {
        struct model_step part = *step;
        part.images = step->images - first < images ? step->images - first : images;
        struct batch_part place = {first == 0, first + part.images == step->images};
        backward_layers(model, 0, early, &part, first / LANES, place, member);
    }
}

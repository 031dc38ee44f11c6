/* The engine against PyTorch: logits, every gradient, running statistics and the losses of 20 optimiser steps
 * agree within max|a - b| <= 1e-4 max|b| per tensor, for LeNet-5, its three variants, and two networks of
 * every other kind of layer, and for 50 steps of the residual network of examples/resnet; each single loss
 * within 1e-4 of itself. The reference files and their format: make_reference.py. */
#include "../support/plans.h"
#include "../support/sanitized.h"
#include "train/batch.h"
#include "train/optimizer.h"
#include "train/regulariser.h"

#include "grid/grid.h"
#include "nn/model.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STEPS = 20, RESNET_STEPS = 50, FEW_STEPS = 3, BATCH = 40, CLASSES = 10, SEED = 20230 };

struct record {
    char name[64];
    uint32_t kind, count;
    double *values;
};

struct reference {
    struct record records[64];
    int count;
};

static struct reference read_reference(const char *name)
{
    char path[512];
    struct reference reference = {.count = 0};
    snprintf(path, sizeof path, "%s/tests/parity/data/%s.bin", SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct record *record = reference.records;
    while (fread(record->name, 1, sizeof record->name, file) == sizeof record->name) {
        double scale;
        assert_true(fread(&record->kind, 4, 1, file) == 1 && fread(&record->count, 4, 1, file) == 1 &&
                    fread(&scale, 8, 1, file) == 1);
        record->values = calloc(record->count, sizeof(double));
        for (uint32_t i = 0; i < record->count; i++) {
            int16_t small;
            if (record->kind == 0)
                assert_true(fread(&record->values[i], 8, 1, file) == 1);
            else if (fread(&small, 2, 1, file) == 1)
                record->values[i] = small * scale;
        }
        assert_true(++reference.count < COUNT(reference.records));
        record++;
    }
    fclose(file);
    return reference;
}

static void release_reference(struct reference *reference)
{
    for (int i = 0; i < reference->count; i++)
        free(reference->records[i].values);
}

static const struct record *find(const struct reference *reference, const char *name)
{
    for (int i = 0; i < reference->count; i++)
        if (strcmp(reference->records[i].name, name) == 0)
            return &reference->records[i];
    fail_msg("the reference has no %s", name);
    return NULL;
}

static double largest(const struct record *record)
{
    double most = 0.0;
    for (uint32_t i = 0; i < record->count; i++)
        most = fmax(most, fabs(record->values[i]));
    return most;
}

/* A bias before a batch norm has gradient 0; both sides hold rounding error, which its weight's gradient
 * measures. */
static double scale_of(const struct reference *reference, const struct record *record)
{
    char weight[64];
    double scale = largest(record);
    const char *bias = strstr(record->name, "/bias");
    if (!bias)
        return scale;
    snprintf(weight, sizeof weight, "%.*s/weight", (int)(bias - record->name), record->name);
    double weight_scale = largest(find(reference, weight));
    return scale < 1e-4 * weight_scale ? weight_scale : scale;
}

/* Losses may be fewer than the reference has. */
static void compare(const char *where, const struct kernels *kernels, const struct reference *reference,
                    const char *name, const float *values, size_t count)
{
    const struct record *record = find(reference, name);
    assert_true(record->count == count || (strcmp(name, "losses") == 0 && count < record->count));
    double worst = 0.0, scale = scale_of(reference, record);
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, fabs(values[i] - record->values[i]));
    print_message("%-20s %-10s %-22s %.1e of the largest value\n", where, kernels->name, name, worst / scale);
    if (!(worst <= 1e-4 * scale))
        fail_msg("%s %s: off by %g of the largest value", where, name, worst / scale);
}

struct parity_case {
    const char *name;
    bool mixed, modern, batch_norm;
    const char *example; /* a grid below examples/ whose first run's model it is; only losses are compared */
    double dropout, smoothing;
    bool weighted, numbers; /* classes weigh differently; the logits are to be numbers */
    int images;
    struct optimizer_plan optimizer;
    double clip_norm, clip_value;
};

#define ADAM .optimizer = {.kind = OPTIMIZER_ADAM, .lr = 1e-3, .betas = {0.9, 0.999}, .eps = 1e-8}

/* Of the residual network's losses PyTorch's own, computed in float, stray from those in double by 7e-5
 * within the 50 steps, whose loss falls from 2.30 to 0.80; a tenfold rate strays tenfold. */
static const struct parity_case cases[] = {
    {.name = "lenet5", .images = 40, ADAM},
    {.name = "lenet5_dropout", .images = 40, .dropout = 0.2, ADAM},
    {.name = "lenet5_weight_decay", .images = 40, ADAM, .optimizer.weight_decay = 3e-4},
    {.name = "lenet5_batch_norm", .images = 40, .batch_norm = true, ADAM},
    {.name = "mixed_nesterov",
     .mixed = true,
     .images = 21,
     .optimizer =
         {.kind = OPTIMIZER_SGD, .lr = 0.02, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-3}},
    {.name = "mixed_adamw",
     .mixed = true,
     .images = 21,
     .smoothing = 0.1,
     .optimizer =
         {.kind = OPTIMIZER_ADAMW, .lr = 3e-3, .betas = {0.8, 0.99}, .eps = 1e-8, .weight_decay = 0.1}},
    {.name = "mixed_momentum",
     .mixed = true,
     .images = 16,
     .optimizer = {.kind = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.5}},
    {.name = "mixed_rmsprop",
     .mixed = true,
     .images = 16,
     .optimizer = {.kind = OPTIMIZER_RMSPROP,
                   .lr = 2e-3,
                   .alpha = 0.9,
                   .eps = 1e-8,
                   .momentum = 0.5,
                   .weight_decay = 1e-2}},
    {.name = "mixed_l1_clip_norm",
     .mixed = true,
     .images = 16,
     .clip_norm = 0.5,
     .optimizer =
         {.kind = OPTIMIZER_SGD, .lr = 0.05, .weight_decay = 0.05, .l1 = 1e-3, .decay_of = DECAY_OF_WEIGHTS}},
    {.name = "mixed_clip_value_max_norm",
     .mixed = true,
     .images = 16,
     .clip_value = 0.02,
     .optimizer = {.kind = OPTIMIZER_SGD, .lr = 0.1, .max_norm = 0.6}},
    {.name = "mixed_weighted",
     .mixed = true,
     .images = 21,
     .smoothing = 0.1,
     .weighted = true,
     .optimizer = {.kind = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.5}},
    {.name = "mixed_numbers",
     .mixed = true,
     .images = 21,
     .numbers = true,
     .optimizer = {.kind = OPTIMIZER_SGD, .lr = 0.05, .momentum = 0.5}},
    {.name = "modern",
     .modern = true,
     .images = 35,
     .optimizer = {.kind = OPTIMIZER_SGD,
                   .lr = 0.05,
                   .momentum = 0.9,
                   .weight_decay = 0.01,
                   .decay_of = DECAY_OF_WEIGHTS}},
    {.name = "modern_adam", .modern = true, .images = 16, ADAM},
    {.name = "resnet",
     .example = "resnet/resnet.yaml",
     .images = 40,
     .optimizer = {.kind = OPTIMIZER_SGD,
                   .lr = 5e-4,
                   .momentum = 0.9,
                   .nesterov = true,
                   .weight_decay = 5e-4,
                   .decay_of = DECAY_OF_WEIGHTS}},
};

/* A model under test with one batch. */
struct bench {
    const struct parity_case *the;
    const struct kernels *kernels;
    struct model *model;
    struct value_shape input;
    int classes;
    uint8_t pixels[BATCH * 3 * 32 * 32];
    struct augmented_image images[(BATCH + LANES - 1) / LANES * LANES];
    uint16_t labels[BATCH];
    struct loss_part parts[(BATCH + LANES - 1) / LANES];
    struct regulariser regulariser;
    struct arena arena; /* of the regulariser and the states */
    real *states[OPTIMIZER_STATES];
    struct model_step step;
};

/* Noise and, twice as strong, stripes whose direction and width are the label's. */
static void add_stripes(struct bench *bench)
{
    const struct value_shape *shape = &bench->input;
    uint8_t *pixel = bench->pixels;
    for (int i = 0; i < bench->the->images; i++)
        for (int c = 0; c < shape->channels; c++)
            for (int y = 0; y < shape->height; y++)
                for (int x = 0; x < shape->width; x++, pixel++) {
                    int label = bench->labels[i],
                        stripe = (y * (label % 3) + x * (label % 4) + c * label) >> 2;
                    *pixel = (uint8_t)(*pixel / 3 + 170 * (stripe & 1));
                }
}

static void make_batch(struct bench *bench, uint32_t step)
{
    struct random_source source = {.seed = SEED, .stream = RANDOM_SPLIT, .owner = 1, .step = step};
    size_t features = (size_t)(bench->input.channels * bench->input.height * bench->input.width);
    for (size_t i = 0; i < features * (size_t)bench->the->images; i++)
        bench->pixels[i] = (uint8_t)random_word(&source, i);
    source.owner = 2;
    memset(bench->images, 0, sizeof bench->images);
    for (int i = 0; i < bench->the->images; i++) {
        bench->images[i].pixels = bench->pixels + (size_t)i * features;
        bench->labels[i] = (uint16_t)(random_word(&source, (uint64_t)i) % (uint32_t)bench->classes);
    }
    if (bench->the->example)
        add_stripes(bench);
    bench->step = (struct model_step){.seed = SEED, .step = step, .images = bench->the->images};
}

static const real *forward(struct bench *bench, bool training)
{
    static const double mean[] = {0.2860, 0.2860, 0.2860, 0.2860}, std[] = {0.3530, 0.3530, 0.3530, 0.3530};
    const struct normalization normalization = {4, false, mean, std};
    float scale[4], offset[4];
    struct image_shape shape = {bench->input.channels, bench->input.height, bench->input.width};
    struct load_shape load = batch_load_shape(ELEMENT_U8, shape, &normalization, scale, offset);
    bench->kernels->load_images(&load, bench->images, bench->the->images, model_input(bench->model),
                                member_alone());
    return model_forward(bench->model, &bench->step, training, member_alone());
}

/* Class k weighs 0.25 (k + 1); returns what the sum of losses is divided by. */
static double apply_weighted(struct bench *bench, const real *logits)
{
    float weights[CLASSES];
    double total = 0.0;
    for (int k = 0; k < bench->classes; k++)
        weights[k] = 0.25f * (float)(k + 1);
    for (int i = 0; i < bench->the->images; i++)
        total += weights[bench->labels[i]];
    struct weighted_loss loss = {.images = bench->the->images,
                                 .classes = bench->classes,
                                 .smoothing = bench->the->smoothing,
                                 .weights = weights,
                                 .inverse_total = 1.0 / total};
    bench->kernels->weighted_cross_entropy(&loss, logits, bench->labels, model_output_gradient(bench->model),
                                           bench->parts, NULL, member_alone());
    return total;
}

/* Target k of an image is (k + 1) times its label less 3, over 10. */
static double apply_loss(struct bench *bench, const real *logits)
{
    int images = bench->the->images;
    real *gradient = model_output_gradient(bench->model);
    if (bench->the->weighted)
        return apply_weighted(bench, logits);
    if (bench->the->numbers) {
        float targets[BATCH * CLASSES];
        for (int i = 0; i < images; i++)
            for (int k = 0; k < bench->classes; k++)
                targets[i * bench->classes + k] = (float)((k + 1) * (bench->labels[i] - 3)) / 10.0f;
        bench->kernels->squared_error(images, images, bench->classes, logits, targets, gradient, bench->parts,
                                      member_alone());
        return images;
    }
    bench->kernels->softmax_cross_entropy(images, images, bench->classes, logits, bench->labels,
                                          bench->the->smoothing, gradient, bench->parts, NULL,
                                          member_alone());
    return images;
}

/* One training step without the update; returns the mean loss. */
static double differentiate(struct bench *bench, const real **logits)
{
    int images = bench->the->images;
    *logits = forward(bench, true);
    double divisor = apply_loss(bench, *logits);
    model_backward(bench->model, &bench->step, member_alone());
    double loss = 0.0;
    for (int b = 0; b < blocks_of(images); b++)
        loss += bench->parts[b].loss;
    return loss / divisor;
}

static void compare_logits(struct bench *bench, const struct reference *reference, const char *name,
                           const real *logits)
{
    float values[BATCH * CLASSES];
    for (int i = 0; i < bench->the->images; i++)
        for (int k = 0; k < bench->classes; k++)
            values[i * bench->classes + k] =
                (float)logits[(i / LANES * bench->classes + k) * LANES + i % LANES];
    compare(bench->the->name, bench->kernels, reference, name, values,
            (size_t)(bench->the->images * bench->classes));
}

static void compare_tensors(struct bench *bench, const struct reference *reference, bool parameters)
{
    for (int t = 0; t < model_tensor_count(bench->model); t++) {
        struct model_tensor tensor = model_tensor(bench->model, t);
        char name[128];
        size_t count = 1;
        for (unsigned d = 0; d < tensor.rank; d++)
            count *= tensor.shape[d];
        float *values = calloc(count, sizeof *values);
        model_export(bench->model, t,
                     parameters ? model_gradients(bench->model) : model_parameters(bench->model), values);
        snprintf(name, sizeof name, "%s/%s", tensor.layer, tensor.name);
        if (tensor.is_parameter == parameters)
            compare(bench->the->name, bench->kernels, reference, name, values, count);
        free(values);
    }
}

static void lay_out(struct bench *bench, struct arena *arena)
{
    struct plan plan = {
        .optimizer = bench->the->optimizer,
        .trainer = {.clip_norm = bench->the->clip_norm, .clip_value = bench->the->clip_value}};
    regulariser_lay_out(&bench->regulariser, &plan, bench->model, arena);
    for (int s = 0; s < OPTIMIZER_STATES; s++)
        bench->states[s] = arena_take(arena, model_parameter_size(bench->model), sizeof(real));
}

static void update(struct bench *bench, uint64_t global_step)
{
    const struct optimizer_plan *plan = &bench->the->optimizer;
    const struct optimizer_type *type = optimizer_type_of(plan->kind);
    real *parameters = model_parameters(bench->model), *gradients = model_gradients(bench->model);
    regulariser_change_gradient(&bench->regulariser, parameters, gradients, member_alone());
    for (size_t r = 0; r < bench->regulariser.region_count; r++) {
        const struct parameter_region *region = &bench->regulariser.regions[r];
        struct optimizer_step step;
        type->prepare(plan, plan->lr, region->decays ? plan->weight_decay : 0.0, global_step, &step);
        type->update(bench->kernels, &step, region->begin, region->end, parameters, gradients, bench->states);
    }
    regulariser_limit_norms(&bench->regulariser, parameters, member_alone());
}

/* Each loss against its own size, not the largest one's. */
static void compare_each_loss(const struct reference *reference, const float *losses, uint32_t steps)
{
    const struct record *record = find(reference, "losses");
    for (uint32_t step = 0; step < steps; step++)
        if (!(fabs(losses[step] - record->values[step]) <= 1e-4 * fabs(record->values[step])))
            fail_msg("loss of step %u: %g, PyTorch %g", step, losses[step], record->values[step]);
}

/* The model of the example's first run; the grid owns it. */
static struct model_plan example_model(const char *example, struct grid **grid)
{
    char path[512];
    static const char *const overrides[] = {"dataset={format: none, shape: [3, 32, 32]}"};
    static struct diagnostics diagnostics;
    snprintf(path, sizeof path, "%s/examples/%s", SOURCE_DIR, example);
    struct grid_options options = {.path = path, .overrides = overrides, .override_count = COUNT(overrides)};
    diagnostics_init(&diagnostics);
    enum status status = grid_create(&options, grid, &diagnostics);
    diagnostics_print(&diagnostics, stderr);
    assert_int_equal(status, STATUS_OK);
    return (*grid)->runs[0].plan->model;
}

static void compare_all(struct bench *bench, const struct reference *reference, const real *logits)
{
    compare_logits(bench, reference, "logits", logits);
    if (!bench->the->example)
        compare_tensors(bench, reference, true);
    compare_tensors(bench, reference, false);
    compare_logits(bench, reference, "evaluation_logits", forward(bench, false));
}

static void run_form(const struct parity_case *the, enum convolution convolution,
                     const struct kernels *kernels, uint32_t steps)
{
    struct layer_plan layers[MODERN_LAYERS];
    struct grid *grid = NULL;
    int count = the->mixed    ? plan_mixed(layers)
                : the->modern ? plan_modern(layers)
                              : plan_lenet5(layers, the->batch_norm, the->dropout);
    struct model_plan plan =
        the->example ? example_model(the->example, &grid) : plan_model(the->name, layers, count);
    plan.convolution = convolution;
    struct reference reference = read_reference(the->name);
    struct bench *bench = calloc(1, sizeof *bench);
    struct error error;
    *bench = (struct bench){.the = the, .kernels = kernels};
    bench->input = the->mixed     ? (struct value_shape){3, 17, 13, false}
                   : the->modern  ? (struct value_shape){4, 12, 10, false}
                   : the->example ? (struct value_shape){3, 32, 32, false}
                                  : (struct value_shape){1, 28, 28, false};
    assert_int_equal(model_create(&plan, bench->input, BATCH, SEED, kernels, &bench->model, &error),
                     STATUS_OK);
    bench->classes = model_classes(bench->model);
    struct arena measure;
    arena_init_measure(&measure);
    lay_out(bench, &measure);
    assert_int_equal(arena_init_memory(&bench->arena, measure.used, &error), STATUS_OK);
    lay_out(bench, &bench->arena);
    float losses[RESNET_STEPS];
    for (uint32_t step = 0; step < steps; step++) {
        const real *logits;
        make_batch(bench, step);
        losses[step] = (float)differentiate(bench, &logits);
        if (step == 0) {
            compare_all(bench, &reference, logits);
        }
        update(bench, step);
    }
    compare(the->name, kernels, &reference, "losses", losses, steps);
    compare_each_loss(&reference, losses, steps);
    arena_release(&bench->arena);
    model_destroy(bench->model);
    grid_destroy(grid);
    free(bench);
    release_reference(&reference);
}

static void run_case(const struct parity_case *the, const struct kernels *kernels, uint32_t steps)
{
    run_form(the, CONVOLUTION_DIRECT, kernels, steps);
}

/* The reference loops call fmaf, which is slow without hardware: two steps of LeNet-5 are enough of it here.
 */
static void every_case_agrees_on_the_reference_kernels(void **state)
{
    (void)state;
    for (int c = 0; c < COUNT(cases); c++)
        if (!cases[c].example)
            run_case(&cases[c], kernel_reference(), cases[c].mixed || cases[c].modern ? STEPS : 2);
}

static void every_case_agrees_on_this_processor_s_kernels(void **state)
{
    (void)state;
    uint32_t resnet_steps = SANITIZED ? FEW_STEPS : RESNET_STEPS;
    for (int c = 0; c < COUNT(cases); c++)
        run_case(&cases[c], kernel_select(NULL), cases[c].example ? resnet_steps : STEPS);
}

/* Where it applies: LeNet-5's second convolution and some of the others. */
static void winograd_s_convolution_agrees(void **state)
{
    (void)state;
    for (int c = 0; c < COUNT(cases); c++)
        if (!cases[c].example)
            run_form(&cases[c], CONVOLUTION_WINOGRAD, kernel_select(NULL), STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_agrees_on_the_reference_kernels),
        cmocka_unit_test(every_case_agrees_on_this_processor_s_kernels),
        cmocka_unit_test(winograd_s_convolution_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

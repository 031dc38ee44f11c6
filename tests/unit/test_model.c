/* Models: shapes, counts, messages about mistakes, initial weights, tensors in and out. */
#include "../support/plans.h"
#include "nn/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct value_shape fashion = {1, 28, 28, false};

static struct model *create(const struct model_plan *plan, struct value_shape input, uint64_t seed)
{
    struct model *model = NULL;
    struct error error = {.message = ""};
    if (model_create(plan, input, 32, seed, kernel_select(NULL), &model, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    return model;
}

static void lenet5_has_the_study_s_shapes_and_parameters(void **state)
{
    (void)state;
    static const struct {
        int channels, side;
        uint64_t parameters, multiply_adds;
    } expected[] = {{6, 28, 156, 117600},  {6, 28, 0, 0}, {6, 14, 0, 0},          {16, 10, 2416, 240000},
                    {16, 10, 0, 0},        {16, 5, 0, 0}, {120, 1, 48120, 48000}, {120, 1, 0, 0},
                    {84, 1, 10164, 10080}, {84, 1, 0, 0}, {10, 1, 850, 840}};
    struct layer_plan layers[LENET5_LAYERS];
    struct layer_summary summaries[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.0));
    struct error error;
    uint64_t total = 0;
    assert_int_equal(model_summarize(&plan, fashion, summaries, &error), STATUS_OK);
    assert_int_equal(plan.layer_count, COUNT(expected));
    for (int i = 0; i < COUNT(expected); i++) {
        assert_int_equal(summaries[i].output.channels, expected[i].channels);
        assert_int_equal(summaries[i].output.height, expected[i].side);
        assert_int_equal(summaries[i].parameters, expected[i].parameters);
        assert_int_equal(summaries[i].multiply_adds, expected[i].multiply_adds);
        total += summaries[i].parameters;
    }
    assert_int_equal(total, 61706);
}

/* The study's second exercise: three 3x3 convolutions on 200x300x3 images. */
static void the_three_convolutions_have_903400_parameters(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_conv("conv1", 100, 3, 3), plan_conv("conv2", 200, 3, 3),
                                  plan_conv("conv3", 400, 3, 3)};
    struct layer_summary summaries[3];
    struct model_plan plan = plan_model("three", layers, 3);
    struct error error;
    assert_int_equal(model_summarize(&plan, (struct value_shape){3, 200, 300, false}, summaries, &error),
                     STATUS_OK);
    assert_int_equal(summaries[0].parameters, 2800);
    assert_int_equal(summaries[1].parameters, 180200);
    assert_int_equal(summaries[2].parameters, 720400);
    assert_int_equal(summaries[2].output.height, 194);
    assert_int_equal(summaries[2].output.width, 294);
}

struct mistake {
    struct layer_plan layers[3];
    int count, line;
    const char *words;
};

static void a_mistake_is_answered_at_its_layer_with_the_shapes_before_it(void **state)
{
    (void)state;
    struct mistake mistakes[] = {
        {{plan_conv("a", 4, 9, 9), plan_conv("b", 4, 21, 21)}, 2, 2, "up to here: data 1x28x28, a 4x20x20"},
        {{plan_conv("a", 4, 3, 3), plan_linear("b", 5)}, 2, 2, "put Flatten before it"},
        {{plan_layer(LAYER_FLATTEN, "a"), plan_conv("b", 4, 3, 3)}, 2, 2, "put it before Flatten"},
        {{plan_pool(LAYER_MAX_POOL2D, "a", 29)}, 1, 1, "larger than its padded input 28x28"},
        {{plan_padded(plan_pool(LAYER_AVG_POOL2D, "a", 3), 2, 0)}, 1, 1, "more than half its window"},
        {{plan_layer(LAYER_FLATTEN, "a"), plan_layer(LAYER_BATCH_NORM2D, "b")}, 2, 2, "use BatchNorm1d here"},
        {{plan_layer(LAYER_BATCH_NORM1D, "a")}, 1, 1, "use BatchNorm2d here"},
    };
    for (int m = 0; m < COUNT(mistakes); m++) {
        struct layer_summary summaries[3];
        struct error error = {.message = ""};
        struct model_plan plan = plan_model("wrong", mistakes[m].layers, mistakes[m].count);
        assert_int_equal(model_summarize(&plan, fashion, summaries, &error), STATUS_CONFIG);
        print_message("%s\n", error.message);
        assert_int_equal(error.origin.line, mistakes[m].line);
        assert_non_null(strstr(error.message, mistakes[m].words));
    }
}

static void a_deep_mistake_still_fits_the_message(void **state)
{
    (void)state;
    enum { DEPTH = 60 };
    struct layer_plan layers[DEPTH];
    struct layer_summary summaries[DEPTH];
    struct error error;
    for (int i = 0; i < DEPTH; i++) {
        char name[LAYER_NAME];
        snprintf(name, sizeof name, "a_layer_with_a_long_name_%d", i);
        layers[i] = i + 1 < DEPTH ? plan_padded(plan_conv(name, 4, 3, 3), 1, 1) : plan_conv(name, 4, 99, 99);
    }
    struct model_plan plan = plan_model("deep", layers, DEPTH);
    assert_int_equal(model_summarize(&plan, fashion, summaries, &error), STATUS_CONFIG);
    assert_non_null(strstr(error.message, "larger than its padded input"));
    assert_non_null(strstr(error.message, "a_layer_with_a_long_name_58 4x28x28"));
}

static void a_layer_that_nobody_reads_is_a_mistake(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_layer(LAYER_TANH, "tanh"), plan_layer(LAYER_FLATTEN, "flatten"),
                                  plan_linear("linear", 10)};
    struct layer_summary summaries[3];
    struct error error;
    layers[1].inputs[0] = LAYER_INPUT_DATA;
    struct model_plan plan = plan_model("loose", layers, 3);
    assert_int_equal(model_summarize(&plan, fashion, summaries, &error), STATUS_CONFIG);
    assert_non_null(strstr(error.message, "no layer reads the output of 'tanh'"));
}

static float *exported(const struct model *model, const char *layer, const char *name, const real *vector,
                       size_t *count)
{
    for (int t = 0; t < model_tensor_count(model); t++) {
        struct model_tensor tensor = model_tensor(model, t);
        if (strcmp(tensor.layer, layer) != 0 || strcmp(tensor.name, name) != 0)
            continue;
        *count = 1;
        for (unsigned d = 0; d < tensor.rank; d++)
            *count *= tensor.shape[d];
        float *values = calloc(*count, sizeof *values);
        model_export(model, t, vector, values);
        return values;
    }
    fail_msg("no tensor %s/%s", layer, name);
    return NULL;
}

static void initial_weights_are_uniform_within_pytorch_s_bound(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.0));
    struct model *model = create(&plan, fashion, 3);
    size_t count;
    float *values = exported(model, "conv3", "weight", model_parameters(model), &count);
    double bound = 1.0 / sqrt(16 * 25), sum = 0.0, squares = 0.0, most = 0.0;
    assert_int_equal(count, 48000);
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        squares += (double)values[i] * values[i];
        most = fmax(most, fabs(values[i]));
    }
    assert_true(most <= bound && most > 0.999 * bound);
    assert_true(fabs(sum / (double)count) < 0.01 * bound);
    assert_true(fabs(squares / (double)count / (bound * bound / 3.0) - 1.0) < 0.02);
    free(values);
    model_destroy(model);
}

static void variants_of_one_seed_start_from_the_same_weights(void **state)
{
    (void)state;
    static const char *const weighted[] = {"conv1", "conv2", "conv3", "linear1", "linear2"};
    struct layer_plan plain_layers[LENET5_LAYERS], other_layers[LENET5_LAYERS];
    struct model_plan plain = plan_model("plain", plain_layers, plan_lenet5(plain_layers, false, 0.0));
    struct model_plan other = plan_model("other", other_layers, plan_lenet5(other_layers, true, 0.4));
    struct model *one = create(&plain, fashion, 7), *two = create(&other, fashion, 7);
    struct model *third = create(&plain, fashion, 8);
    for (int w = 0; w < COUNT(weighted); w++)
        for (int bias = 0; bias < 2; bias++) {
            size_t count;
            float *a = exported(one, weighted[w], bias ? "bias" : "weight", model_parameters(one), &count);
            float *b = exported(two, weighted[w], bias ? "bias" : "weight", model_parameters(two), &count);
            float *c =
                exported(third, weighted[w], bias ? "bias" : "weight", model_parameters(third), &count);
            assert_memory_equal(a, b, count * sizeof *a);
            assert_memory_not_equal(a, c, count * sizeof *a);
            free(a);
            free(b);
            free(c);
        }
    model_destroy(one);
    model_destroy(two);
    model_destroy(third);
}

static void tensors_survive_import_and_export(void **state)
{
    (void)state;
    struct layer_plan layers[MIXED_LAYERS];
    struct model_plan plan = plan_model("mixed", layers, plan_mixed(layers));
    struct model *model = create(&plan, (struct value_shape){3, 17, 13, false}, 1);
    uint64_t parameters = 0;
    for (int t = 0; t < model_tensor_count(model); t++) {
        struct model_tensor tensor = model_tensor(model, t);
        float in[2400], out[2400];
        size_t count = 1;
        for (unsigned d = 0; d < tensor.rank; d++)
            count *= tensor.shape[d];
        assert_true(count <= 2400);
        for (size_t i = 0; i < count; i++)
            in[i] = (float)(100 * t) + (float)i;
        model_import(model, t, model_parameters(model), in);
        model_export(model, t, model_parameters(model), out);
        assert_memory_equal(in, out, count * sizeof *in);
        parameters += tensor.is_parameter ? count : 0;
    }
    assert_int_equal(parameters, model_parameter_count(model));
    model_destroy(model);
}

/* A batch whose early layers go in parts, beside the same images block by block: the same logits to the bit,
 * and gradients that add up. The pools are wide enough for several parts, the last of which is not full. */
enum { MANY = 150, CLASSES = 5 };

static struct model *model_of(const struct model_plan *plan, int images)
{
    struct model *model = NULL;
    struct error error = {.message = ""};
    if (model_create(plan, fashion, images, 3, kernel_select(NULL), &model, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    return model;
}

static void check_parts(const struct model_plan *plan, bool training)
{
    struct model *many = model_of(plan, MANY), *block = model_of(plan, LANES);
    enum { PIXELS = 28 * 28 * LANES, LOGITS = CLASSES * LANES };
    size_t size = model_parameter_size(block);
    double *sum = calloc(size, sizeof *sum);
    assert_non_null(sum);
    struct model_step step = {.seed = 3, .images = MANY};
    for (int i = 0; i < blocks_of(MANY) * PIXELS; i++)
        model_input(many)[i] = (real)((i * 7919L % 1000) * 0.002 - 1.0);
    const real *all = model_forward(many, &step, training, (struct member){.size = 1});
    for (int b = 0; b < blocks_of(MANY); b++) {
        step.images = MANY - b * LANES < LANES ? MANY - b * LANES : LANES;
        memcpy(model_input(block), model_input(many) + b * PIXELS, PIXELS * sizeof(real));
        const real *some = model_forward(block, &step, training, (struct member){.size = 1});
        for (int i = 0; i < LOGITS; i++)
            if (i % LANES < step.images)
                assert_memory_equal(&some[i], &all[b * LOGITS + i], sizeof *some);
        for (int i = 0; i < LOGITS; i++)
            model_output_gradient(many)[b * LOGITS + i] = model_output_gradient(block)[i] =
                i % LANES < step.images ? (real)((i % 13 - 6) * 0.01) : 0;
        model_backward(block, &step, (struct member){.size = 1});
        for (size_t i = 0; i < size; i++)
            sum[i] += (double)model_gradients(block)[i];
    }
    step.images = MANY;
    model_backward(many, &step, (struct member){.size = 1});
    for (size_t i = 0; i < size && training; i++)
        assert_true(fabs(sum[i] - (double)model_gradients(many)[i]) <= 1e-4 * (1.0 + fabs(sum[i])));
    free(sum);
    model_destroy(many);
    model_destroy(block);
}

static void early_layers_in_parts_change_nothing(void **state)
{
    (void)state;
    struct layer_plan layers[] = {
        plan_same(plan_conv("conv1", 24, 5, 5)), plan_layer(LAYER_RELU, "relu1"),
        plan_pool(LAYER_MAX_POOL2D, "pool1", 2), plan_same(plan_conv("conv2", 16, 3, 3)),
        plan_layer(LAYER_TANH, "tanh2"),         plan_pool(LAYER_AVG_POOL2D, "pool2", 2),
        plan_layer(LAYER_FLATTEN, "flatten"),    plan_linear("linear", CLASSES)};
    struct model_plan plan = plan_model("parts", layers, COUNT(layers));
    check_parts(&plan, true);
    check_parts(&plan, false);
    struct layer_plan normed[] = {
        plan_same(plan_conv("conv1", 24, 5, 5)), plan_layer(LAYER_BATCH_NORM2D, "norm1"),
        plan_layer(LAYER_TANH, "tanh1"),         plan_pool(LAYER_AVG_POOL2D, "pool1", 2),
        plan_layer(LAYER_FLATTEN, "flatten"),    plan_linear("linear", CLASSES)};
    struct model_plan norm = plan_model("normed parts", normed, COUNT(normed));
    check_parts(&norm, false);
}

static void forward_and_backward(struct model *model, const struct model_step *step, struct image_range range)
{
    struct member alone = {.size = 1};
    const real *logits = model_forward_of(model, step, range, alone);
    real *gradient = model_output_gradient_of(model, range);
    for (int i = 0; i < blocks_of(range.count) * CLASSES * LANES; i++)
        gradient[i] = i % LANES < range.count - i / (CLASSES * LANES) * LANES ? logits[i] * 0.01f : 0;
    model_backward_of(model, step, range, alone);
}

/* The whole batch at once, and range by range through forward and backward: the same gradients to the bit. */
static void check_ranges(const struct model_plan *plan)
{
    struct model *whole = model_of(plan, MANY), *ranges = model_of(plan, MANY);
    struct model_step step = {.seed = 3, .step = 5, .images = MANY};
    int at_once = model_images_at_once(ranges, MANY, 1);
    assert_true(at_once < MANY && at_once % LANES == 0);
    for (int i = 0; i < blocks_of(MANY) * 28 * 28 * LANES; i++)
        model_input(whole)[i] = model_input(ranges)[i] = (real)((i * 7919L % 1000) * 0.002 - 1.0);
    forward_and_backward(whole, &step, (struct image_range){0, MANY});
    for (int again = 0; again < 2; again++)
        for (int first = 0; first < MANY; first += at_once)
            forward_and_backward(
                ranges, &step, (struct image_range){first, MANY - first < at_once ? MANY - first : at_once});
    assert_memory_equal(model_gradients(whole), model_gradients(ranges),
                        model_parameter_size(whole) * sizeof(real));
    model_destroy(whole);
    model_destroy(ranges);
}

static void a_step_range_by_range_has_the_same_gradients(void **state)
{
    (void)state;
    struct layer_plan lenet5[LENET5_LAYERS + 2];
    int count = plan_lenet5(lenet5, false, 0.3);
    lenet5[count++] = plan_linear("last", CLASSES);
    struct model_plan plan = plan_model("lenet5", lenet5, count);
    check_ranges(&plan);
    struct layer_plan residual[] = {plan_same(plan_conv("conv1", 12, 3, 3)),
                                    plan_dropout("dropout", 0.2),
                                    plan_same(plan_conv("conv2", 12, 3, 3)),
                                    plan_add("add", 0, 2),
                                    plan_layer(LAYER_RELU, "relu"),
                                    plan_pool(LAYER_MAX_POOL2D, "pool", 4),
                                    plan_conv("conv3", 9, 7, 7),
                                    plan_layer(LAYER_FLATTEN, "flatten"),
                                    plan_layer(LAYER_SILU, "silu"),
                                    plan_linear("linear", CLASSES)};
    struct model_plan skips = plan_model("residual", residual, COUNT(residual));
    check_ranges(&skips);
}

/* Batch norm asks what the whole batch is. */
static void where_a_layer_needs_the_batch_it_is_one_range(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS + 4];
    struct model_plan plan = plan_model("normed", layers, plan_lenet5(layers, true, 0.0));
    struct model *model = model_of(&plan, MANY);
    assert_int_equal(model_images_at_once(model, MANY, 1), MANY);
    model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lenet5_has_the_study_s_shapes_and_parameters),
        cmocka_unit_test(the_three_convolutions_have_903400_parameters),
        cmocka_unit_test(a_mistake_is_answered_at_its_layer_with_the_shapes_before_it),
        cmocka_unit_test(a_deep_mistake_still_fits_the_message),
        cmocka_unit_test(a_layer_that_nobody_reads_is_a_mistake),
        cmocka_unit_test(initial_weights_are_uniform_within_pytorch_s_bound),
        cmocka_unit_test(variants_of_one_seed_start_from_the_same_weights),
        cmocka_unit_test(tensors_survive_import_and_export),
        cmocka_unit_test(early_layers_in_parts_change_nothing),
        cmocka_unit_test(a_step_range_by_range_has_the_same_gradients),
        cmocka_unit_test(where_a_layer_needs_the_batch_it_is_one_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* model.freeze: what learns has the gradients that it has in the whole model, to the bit, and what does not
 * is not computed. */
#include "../support/plans.h"
#include "nn/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One block is one part on every machine, so that calls can be counted; many go in ranges. */
enum { ONE_BLOCK = LANES - 3, MANY = 150, CLASSES = 10 };

/* The kernels of this machine, counting the products of backward. */
static const struct kernels *real_kernels;
static int input_gradients, weight_gradients;

static void count_conv2d_input(const struct conv2d_shape *shape, const real *dy, const real *weight, real *dx,
                               real *scratch, struct member member)
{
    input_gradients++;
    real_kernels->conv2d_backward_input(shape, dy, weight, dx, scratch, member);
}

static void count_conv2d_weight(const struct conv2d_shape *shape, const real *x, const real *dy,
                                real *dweight, real *dbias, real *scratch, struct batch_part part,
                                struct member member)
{
    weight_gradients++;
    real_kernels->conv2d_backward_weight(shape, x, dy, dweight, dbias, scratch, part, member);
}

static void count_pooled_weight(const struct conv2d_shape *shape, enum activation activation, const real *x,
                                const real *activated, const real *pooled_dy, real *dweight, real *dbias,
                                real *scratch, struct batch_part part, struct member member)
{
    weight_gradients++;
    real_kernels->conv2d_pooled_backward_weight(shape, activation, x, activated, pooled_dy, dweight, dbias,
                                                scratch, part, member);
}

static void count_linear_input(const struct linear_shape *shape, const real *dy, const real *weight, real *dx,
                               real *scratch, struct member member)
{
    input_gradients++;
    real_kernels->linear_backward_input(shape, dy, weight, dx, scratch, member);
}

static void count_linear_weight(const struct linear_shape *shape, const real *x, const real *dy,
                                real *dweight, real *dbias, real *scratch, struct member member)
{
    weight_gradients++;
    real_kernels->linear_backward_weight(shape, x, dy, dweight, dbias, scratch, member);
}

static struct kernels counting_kernels(void)
{
    real_kernels = kernel_select(NULL);
    struct kernels kernels = *real_kernels;
    kernels.conv2d_backward_input = count_conv2d_input;
    kernels.conv2d_backward_weight = count_conv2d_weight;
    kernels.conv2d_pooled_backward_weight = count_pooled_weight;
    kernels.linear_backward_input = count_linear_input;
    kernels.linear_backward_weight = count_linear_weight;
    input_gradients = weight_gradients = 0;
    return kernels;
}

/* A model after a training step of one range or of several. */
static struct model *step_of(const struct model_plan *plan, const struct kernels *kernels, bool in_ranges)
{
    static const struct value_shape fashion = {1, 28, 28, false};
    struct member alone = {.size = 1};
    int images = in_ranges ? MANY : ONE_BLOCK, at_once = in_ranges ? 2 * LANES : images;
    struct model_step step = {.seed = 3, .step = 5, .images = images};
    struct model *model = NULL;
    struct error error = {.message = ""};
    if (model_create(plan, fashion, images, 3, kernels, &model, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    for (int i = 0; i < blocks_of(images) * 28 * 28 * LANES; i++)
        model_input(model)[i] = (real)((i * 7919L % 1000) * 0.002 - 1.0);
    assert_true(!in_ranges || model_images_at_once(model, images, 1) < images);
    for (int first = 0; first < images; first += at_once) {
        struct image_range range = {first, images - first < at_once ? images - first : at_once};
        const real *logits = model_forward_of(model, &step, range, alone);
        real *gradient = model_output_gradient_of(model, range);
        for (int i = 0; i < blocks_of(range.count) * CLASSES * LANES; i++)
            gradient[i] = i % LANES < range.count - i / (CLASSES * LANES) * LANES ? logits[i] * 0.01f : 0;
        model_backward_of(model, &step, range, alone);
    }
    return model;
}

static void assert_same_gradients(struct model *expected, struct model *actual, const char *freeze)
{
    for (int t = 0; t < model_tensor_count(expected); t++) {
        struct model_tensor tensor = model_tensor(expected, t);
        char name[64];
        size_t begin, end;
        snprintf(name, sizeof name, "%s ", tensor.layer);
        if (!tensor.is_parameter || strstr(freeze, name))
            continue;
        model_tensor_range(expected, t, &begin, &end);
        if (memcmp(model_gradients(expected) + begin, model_gradients(actual) + begin,
                   (end - begin) * sizeof(real)) != 0)
            fail_msg("the gradient of %s.%s changes with freeze: %s", tensor.layer, tensor.name, freeze);
    }
}

/* freeze: names, each with a space behind it. Returns the products that its backward pass takes. */
static int check(struct model_plan plan, const char *freeze, bool in_ranges)
{
    struct kernels kernels = counting_kernels();
    struct model *whole = step_of(&plan, &kernels, in_ranges);
    int all = input_gradients + weight_gradients;
    input_gradients = weight_gradients = 0;
    plan.freeze = freeze;
    struct model *frozen = step_of(&plan, &kernels, in_ranges);
    assert_same_gradients(whole, frozen, freeze);
    assert_true(input_gradients + weight_gradients <= all);
    assert_true(model_memory(frozen) <= model_memory(whole));
    model_destroy(whole);
    model_destroy(frozen);
    return input_gradients + weight_gradients;
}

static void backward_ends_at_the_first_layer_that_learns(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.0));
    assert_int_equal(check(plan, "", false), 5 + 4);
    assert_int_equal(check(plan, "conv1 ", false), 4 + 3);
    assert_int_equal(check(plan, "conv1 conv2 ", false), 3 + 2);
    assert_int_equal(check(plan, "conv1 conv2 conv3 linear1 ", false), 1);
}

static void a_frozen_layer_between_others_passes_gradients_on(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.0));
    assert_int_equal(check(plan, "conv2 linear1 ", false), 3 + 4);
    assert_int_equal(check(plan, "conv3 linear2 ", false), 3 + 4);
}

static void a_step_range_by_range_skips_the_same(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.3));
    check(plan, "conv1 conv2 ", true);
    check(plan, "conv2 linear1 ", true);
    assert_int_equal(check(plan, "conv1 conv2 conv3 linear1 ", true), 1);
}

static void norms_and_skips_are_passed_by_where_nothing_before_them_learns(void **state)
{
    (void)state;
    struct layer_plan normed[LENET5_LAYERS];
    struct model_plan plan = plan_model("normed", normed, plan_lenet5(normed, true, 0.0));
    assert_int_equal(check(plan, "conv1 norm1 ", false), 4 + 3);
    assert_int_equal(check(plan, "conv1 ", false), 4 + 4);
    check(plan, "conv1 conv2 norm2 ", false);
    struct layer_plan residual[] = {plan_same(plan_conv("conv1", 12, 3, 3)),
                                    plan_layer(LAYER_RELU, "relu1"),
                                    plan_same(plan_conv("conv2", 12, 3, 3)),
                                    plan_layer(LAYER_BATCH_NORM2D, "norm2"),
                                    plan_add("add", 1, 3),
                                    plan_layer(LAYER_RELU, "relu2"),
                                    plan_pool(LAYER_MAX_POOL2D, "pool", 4),
                                    plan_same(plan_grouped(plan_conv("conv3", 12, 3, 3), 3)),
                                    plan_layer(LAYER_FLATTEN, "flatten"),
                                    plan_linear("linear", CLASSES)};
    struct model_plan skips = plan_model("residual", residual, COUNT(residual));
    check(skips, "conv1 ", false);
    check(skips, "conv2 norm2 ", false);
    check(skips, "conv1 conv2 ", false);
    check(skips, "conv1 conv2 norm2 ", false);
    check(skips, "conv3 ", false);
}

static void where_all_is_frozen_a_step_is_taken_as_if_nothing_were(void **state)
{
    (void)state;
    struct layer_plan layers[LENET5_LAYERS];
    struct model_plan plan = plan_model("lenet5", layers, plan_lenet5(layers, false, 0.0));
    check(plan, "conv1 conv2 conv3 linear1 linear2 ", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backward_ends_at_the_first_layer_that_learns),
        cmocka_unit_test(a_frozen_layer_between_others_passes_gradients_on),
        cmocka_unit_test(a_step_range_by_range_skips_the_same),
        cmocka_unit_test(norms_and_skips_are_passed_by_where_nothing_before_them_learns),
        cmocka_unit_test(where_all_is_frozen_a_step_is_taken_as_if_nothing_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

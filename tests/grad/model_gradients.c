/* Every kind of layer inside a model, in double: each parameter's gradient against a central difference.
 *
 * The function differentiated is f = sum over the valid images of u . logits with uneven u, so the upstream
 * gradient is not uniform. src/nn is compiled with real = double for this program (CMakeLists.txt here). */
#include "../support/plans.h"
#include "../support/sanitized.h"
#include "nn/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IMAGES = 19 }; /* two blocks, the second short */
enum { EVERY = SANITIZED ? 7 : 1 };

static double upstream(int image, int class)
{
    return 0.3 + 0.17 * (image % 5) - 0.4 * (class % 3) + 0.05 * image;
}

static void fill_input(struct model *model, struct value_shape shape)
{
    struct random_source source = {.seed = 11, .stream = RANDOM_SEARCH};
    int features = shape.channels * shape.height * shape.width;
    real *x = model_input(model);
    for (int i = 0; i < IMAGES; i++)
        for (int p = 0; p < features; p++)
            x[(i / LANES * features + p) * LANES + i % LANES] =
                2.0 * random_uniform(&source, (uint64_t)(i * features + p)) - 1.0;
}

static double evaluate(struct model *model, const struct model_step *step)
{
    const real *logits = model_forward(model, step, true, member_alone());
    int classes = model_classes(model);
    double f = 0.0;
    for (int i = 0; i < IMAGES; i++)
        for (int k = 0; k < classes; k++)
            f += upstream(i, k) * logits[(i / LANES * classes + k) * LANES + i % LANES];
    return f;
}

static void set_output_gradient(struct model *model)
{
    int classes = model_classes(model);
    real *gradient = model_output_gradient(model);
    for (int b = 0; b < blocks_of(IMAGES); b++)
        for (int k = 0; k < classes; k++)
            for (int lane = 0; lane < LANES; lane++) {
                int image = b * LANES + lane;
                gradient[(b * classes + k) * LANES + lane] = image < IMAGES ? upstream(image, k) : 0.0;
            }
}

static void check_plan(const struct model_plan *plan, struct value_shape input);

static void check_model(struct layer_plan *layers, int count, struct value_shape input)
{
    struct model_plan plan = plan_model("checked", layers, count);
    check_plan(&plan, input);
}

/* Every parameter's difference quotient (under AddressSanitizer every seventh's: each is two more forward
 * passes over the same memory); kernel order's padding has gradient 0 on both sides. */
static void check_plan(const struct model_plan *plan, struct value_shape input)
{
    struct model *model;
    struct error error = {.message = ""};
    if (model_create(plan, input, IMAGES, 3, kernel_reference_double(), &model, &error) != STATUS_OK)
        fail_msg("%s", error.message);
    struct model_step step = {.seed = 3, .epoch = 1, .step = 2, .images = IMAGES};
    fill_input(model, input);
    evaluate(model, &step);
    set_output_gradient(model);
    model_backward(model, &step, member_alone());
    const double h = 1e-7; /* small, so that hardly a ReLU or a maximum changes sides within it */
    double worst = 0.0, largest = 0.0;
    size_t size = model_parameter_size(model);
    real *parameters = model_parameters(model);
    const real *gradients = model_gradients(model);
    for (size_t i = 0; i < size; i++)
        largest = fmax(largest, fabs(gradients[i]));
    for (size_t i = 0; i < size; i += EVERY) {
        real kept = parameters[i];
        parameters[i] = kept + h;
        double up = evaluate(model, &step);
        parameters[i] = kept - h;
        double down = evaluate(model, &step);
        parameters[i] = kept;
        worst = fmax(worst, fabs(gradients[i] - (up - down) / (2 * h)));
    }
    print_message("%-10s %zu parameters, largest gradient %.3g, largest error %.1e\n", plan->layers[0].name,
                  size, largest, worst);
    assert_true(largest > 0.1);
    assert_true(worst <= 1e-7 * largest);
    model_destroy(model);
}

static void a_network_of_every_kind_of_layer(void **state)
{
    (void)state;
    struct layer_plan layers[MIXED_LAYERS];
    check_model(layers, plan_mixed(layers), (struct value_shape){3, 17, 13, false});
}

static void a_network_of_every_later_kind_of_layer(void **state)
{
    (void)state;
    struct layer_plan layers[MODERN_LAYERS];
    check_model(layers, plan_modern(layers), (struct value_shape){4, 6, 4, false}); /* small: it is slow */
}

/* Add may take its first input's place, or may not: where that is the data, is read by others or twice. */
static void additions_of_every_form(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_same(plan_conv("conv1", 2, 3, 3)),
                                  plan_add("with_data", 0, LAYER_INPUT_DATA),
                                  plan_layer(LAYER_TANH, "tanh"),
                                  plan_add("with_itself", 2, 2),
                                  plan_same(plan_conv("conv2", 2, 3, 3)),
                                  plan_add("first_read_again", 3, 4),
                                  plan_layer(LAYER_SIGMOID, "sigmoid"),
                                  plan_add("after_sigmoid", 6, 3),
                                  plan_layer(LAYER_FLATTEN, "flatten"),
                                  plan_linear("linear1", 6),
                                  plan_linear("linear2", 6),
                                  plan_add("of_vectors", 10, 9),
                                  plan_layer(LAYER_TANH, "tanh2"),
                                  plan_linear("linear3", 3)};
    check_model(layers, COUNT(layers), (struct value_shape){2, 5, 4, false});
}

static void lenet5_in_small_with_a_lowered_convolution(void **state)
{
    (void)state;
    struct layer_plan layers[] = {plan_padded(plan_conv("conv1", 3, 5, 5), 2, 2),
                                  plan_layer(LAYER_TANH, "tanh1"),
                                  plan_pool(LAYER_AVG_POOL2D, "pool1", 2),
                                  plan_conv("conv2", 4, 3, 3),
                                  plan_layer(LAYER_TANH, "tanh2"),
                                  plan_pool(LAYER_AVG_POOL2D, "pool2", 2),
                                  plan_conv("conv3", 6, 2, 2),
                                  plan_layer(LAYER_FLATTEN, "flatten"),
                                  plan_linear("linear1", 5),
                                  plan_layer(LAYER_TANH, "tanh3"),
                                  plan_linear("linear2", 3)};
    check_model(layers, COUNT(layers), (struct value_shape){1, 12, 12, false});
}

/* A norm and a pool may come first, before any weight. */
static void a_norm_on_the_data_itself(void **state)
{
    (void)state;
    struct layer_plan layers[] = {
        plan_pool(LAYER_AVG_POOL2D, "pool", 2), plan_layer(LAYER_BATCH_NORM2D, "norm"),
        plan_layer(LAYER_FLATTEN, "flatten"), plan_layer(LAYER_SIGMOID, "sigmoid"), plan_linear("linear", 4)};
    check_model(layers, COUNT(layers), (struct value_shape){2, 6, 6, false});
    struct layer_plan first[] = {plan_layer(LAYER_BATCH_NORM2D, "norm"), plan_layer(LAYER_FLATTEN, "flatten"),
                                 plan_linear("linear", 4)};
    check_model(first, COUNT(first), (struct value_shape){2, 5, 5, false});
}

static void winograd_s_convolution(void **state)
{
    (void)state;
    struct layer_plan layers[] = {
        plan_conv("conv0", 4, 1, 1),          plan_same(plan_conv("conv1", 5, 3, 3)),
        plan_layer(LAYER_TANH, "tanh1"),      plan_conv("conv2", 4, 5, 3),
        plan_layer(LAYER_SIGMOID, "sigmoid"), plan_padded(plan_conv("conv3", 4, 3, 5), 1, 0),
        plan_layer(LAYER_FLATTEN, "flatten"), plan_linear("linear", 3)};
    struct model_plan plan = plan_model("checked", layers, COUNT(layers));
    plan.convolution = CONVOLUTION_WINOGRAD;
    check_plan(&plan, (struct value_shape){2, 5, 7, false});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_of_every_kind_of_layer),
        cmocka_unit_test(a_network_of_every_later_kind_of_layer),
        cmocka_unit_test(additions_of_every_form),
        cmocka_unit_test(lenet5_in_small_with_a_lowered_convolution),
        cmocka_unit_test(a_norm_on_the_data_itself),
        cmocka_unit_test(winograd_s_convolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

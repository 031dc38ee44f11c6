/* Every table of kernels that runs here gives the bits of the specification, for odd shapes and any team
 * size (tests/kernel/kernel_teams.h). */
#include "../support/sanitized.h"
#include "kernel_teams.h"

struct conv_arguments {
    const struct conv2d_shape *shape;
    int part; /* images of each call of the weights' gradient: whole blocks, or all */
    const float *x, *dy, *weight, *bias;
    float *y, *dx, *dweight, *dbias;
};

enum { IMAGES_MOST = 64 };

static float *conv_scratch(const struct kernels *kernels, const struct conv2d_shape *shape)
{
    return make_unset(kernels->conv2d_scratch(shape));
}

static float *scratch[2];

/* The weights' gradient, as many images a call as a->part. */
static void run_weight_gradient(const struct kernels *kernels, void *argument, struct member member)
{
    struct conv_arguments *a = argument;
    for (int first = 0; first < a->shape->images; first += a->part) {
        struct conv2d_shape shape = *a->shape;
        bool last = first + a->part >= shape.images;
        shape.images = last ? shape.images - first : a->part;
        kernels->conv2d_backward_weight(&shape, a->x + conv_inputs(&shape) * (size_t)first,
                                        a->dy + conv_outputs(&shape) * (size_t)first, a->dweight, a->dbias,
                                        scratch[1], (struct batch_part){first == 0, last}, member);
        team_barrier(member);
    }
}

static void run_conv(const struct kernels *kernels, void *argument, struct member member)
{
    struct conv_arguments *a = argument;
    kernels->conv2d_forward(a->shape, a->x, a->weight, a->bias, a->y, scratch[0], member);
    team_barrier(member);
    kernels->conv2d_backward_input(a->shape, a->dy, a->weight, a->dx, scratch[0], member);
    run_weight_gradient(kernels, a, member);
}

/* Runs a function above on the inputs of `a`, with outputs of its own, which free_conv frees. */
static void fill_conv(void (*function)(const struct kernels *, void *, struct member),
                      const struct kernels *kernels, struct conv_arguments *a, int part)
{
    size_t lanes = (size_t)blocks_of(a->shape->images) * LANES;
    a->part = part;
    a->y = make_unset(conv_outputs(a->shape) * lanes), a->dx = make_unset(conv_inputs(a->shape) * lanes);
    a->dweight = make_unset(kernels->conv2d_weight_size(a->shape));
    a->dbias = a->bias ? make_unset((size_t)a->shape->out_channels) : NULL;
    scratch[0] = conv_scratch(kernels, a->shape), scratch[1] = conv_scratch(kernels, a->shape);
    run(function, kernels, a);
    free(scratch[0]), free(scratch[1]);
}

static void free_conv(struct conv_arguments *a)
{
    free(a->y), free(a->dx), free(a->dweight), free(a->dbias);
}

/* The weights' gradient in parts, against the expected one. */
static void compare_weight_gradient(const struct kernels *kernels, const struct conv_arguments *expected,
                                    int part)
{
    struct conv_arguments actual = *expected;
    fill_conv(run_weight_gradient, kernels, &actual, part);
    assert_same_bits("conv2d_backward_weight", expected->dweight, actual.dweight,
                     kernels->conv2d_weight_size(actual.shape) * sizeof(float));
    if (actual.dbias)
        assert_same_bits("conv2d bias gradient", expected->dbias, actual.dbias,
                         (size_t)actual.shape->out_channels * sizeof(float));
    free_conv(&actual);
}

/* Only the weights' gradient sees the parts that a batch comes in: the specification's whole batch is what
 * its own blocks have to give, and every part of the others. */
static void compare_conv(const struct conv2d_shape *shape, bool with_bias)
{
    size_t lanes = (size_t)blocks_of(shape->images) * LANES, inputs = conv_inputs(shape) * lanes;
    size_t outputs = conv_outputs(shape) * lanes, weights = kernel_reference()->conv2d_weight_size(shape);
    float *x = make_values(inputs, 1), *dy = make_values(outputs, 2), *weight = make_values(weights, 3);
    float *bias = make_values((size_t)shape->out_channels, 4);
    struct conv_arguments expected = {
        .shape = shape, .x = x, .dy = dy, .weight = weight, .bias = with_bias ? bias : NULL};
    struct conv_arguments actual = expected;
    struct trial trial = {0};
    clear_empty_lanes(dy, shape->images, conv_outputs(shape));
    fill_conv(run_conv, kernel_reference(), &expected, IMAGES_MOST);
    tested = kernel_reference();
    compare_weight_gradient(kernel_reference(), &expected, LANES);
    while (next_trial(&trial)) {
        assert_int_equal(tested->conv2d_weight_size(shape), weights);
        fill_conv(run_conv, tested, &actual, IMAGES_MOST);
        assert_same_bits("conv2d_forward", expected.y, actual.y, outputs * sizeof(float));
        assert_same_bits("conv2d_backward_input", expected.dx, actual.dx, inputs * sizeof(float));
        assert_same_bits("conv2d_backward_weight", expected.dweight, actual.dweight, weights * sizeof(float));
        if (with_bias)
            assert_same_bits("conv2d bias gradient", expected.dbias, actual.dbias,
                             (size_t)shape->out_channels * sizeof(float));
        free_conv(&actual);
        compare_weight_gradient(tested, &expected, LANES);
        compare_weight_gradient(tested, &expected, 2 * LANES);
    }
    free_conv(&expected);
    free(x), free(dy), free(weight), free(bias);
}

static void convolutions(void)
{
    const struct conv2d_shape shapes[] = {
        conv_case(17, 1, 28, 28, 6, 5, 5, 1, 2), conv_case(16, 6, 14, 14, 16, 5, 5, 1, 0),
        conv_case(1, 3, 9, 7, 5, 3, 3, 1, 1),    conv_case(33, 2, 8, 11, 13, 3, 3, 2, 1),
        conv_case(5, 4, 6, 6, 7, 1, 1, 1, 0),    conv_case(20, 3, 10, 9, 4, 4, 2, 3, 1),
        conv_case(3, 2, 7, 7, 1, 7, 7, 1, 3),    conv_case(18, 5, 5, 6, 9, 2, 6, 1, 2),
        conv_case(16, 7, 4, 4, 12, 3, 3, 1, 0),  conv_case(2, 1, 1, 1, 1, 3, 3, 1, 1),
        conv_case(16, 32, 8, 8, 32, 3, 3, 1, 1), conv_case(4, 3, 40, 3, 2, 1, 3, 2, 0),
        conv_case(1, 1, 1, 1, 1, 1, 1, 1, 0),    conv_case(17, 1, 1, 1, 20, 1, 1, 1, 0),
        conv_case(2, 1, 2, 2, 3, 6, 6, 1, 2),    conv_case(3, 2, 9, 10, 2, 2, 2, 5, 0),
        conv_case(1, 2, 1, 30, 7, 1, 5, 1, 0),   conv_case(16, 3, 30, 1, 7, 5, 1, 1, 0),
        conv_case(49, 2, 5, 7, 19, 3, 3, 1, 1),  conv_case(64, 3, 6, 5, 11, 5, 5, 1, 2),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i += SANITIZED ? 3 : 1)
        compare_conv(&shapes[i], i % 2 != 1);
    struct conv2d_shape uneven = conv_case(19, 3, 9, 12, 6, 3, 5, 1, 0);
    uneven.stride_height = 2, uneven.padding_width = 4;
    uneven.out_height = output_size(9, 3, 2, 0), uneven.out_width = output_size(12, 5, 1, 4);
    compare_conv(&uneven, true);
}

/* Many channels: their sums come in several passes, their filters' gradients in several portions. Every third
 * has each of these, for AddressSanitizer; the last has two bands of rows. */
static void wide_convolutions(void)
{
    const struct conv2d_shape shapes[] = {
        conv_case(17, 97, 3, 4, 13, 3, 3, 1, 1),  conv_case(1, 85, 3, 9, 13, 3, 3, 1, 1),
        conv_case(1, 13, 3, 9, 85, 3, 3, 1, 1),   conv_case(33, 90, 5, 7, 7, 3, 3, 2, 1),
        conv_case(5, 35, 4, 5, 6, 5, 5, 1, 2),    conv_case(1, 500, 2, 2, 6, 1, 1, 1, 0),
        conv_case(3, 120, 4, 9, 2, 3, 3, 1, 1),   conv_case(17, 9, 8, 9, 4, 3, 3, 1, 0),
        conv_case(20, 90, 1, 3, 12, 3, 3, 1, 1),  conv_case(17, 9, 19, 28, 4, 3, 3, 1, 1),
        conv_case(64, 40, 2, 2, 31, 3, 3, 1, 1),  conv_case(17, 8, 9, 8, 5, 3, 3, 2, 1),
        conv_case(49, 7, 2, 3, 97, 3, 3, 1, 1),   conv_case(2, 8, 7, 6, 3, 3, 3, 3, 0),
        conv_case(16, 13, 5, 4, 2, 3, 3, 1, 2),   conv_case(33, 8, 3, 200, 3, 3, 3, 1, 0),
        conv_case(1, 66, 8, 100, 24, 3, 3, 1, 1),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i += SANITIZED ? 3 : 1)
        compare_conv(&shapes[i], i % 2 != 1);
}

struct pooled_arguments {
    int part; /* images of each call, as above */
    enum activation activation;
    const struct conv2d_shape *shape;
    const float *x, *activated, *pooled_dy;
    float *dy, *dweight, *dbias;
};

/* The specification goes step by step. */
static void run_pooled(const struct kernels *kernels, void *argument, struct member member)
{
    struct pooled_arguments *a = argument;
    if (kernels == tested) {
        for (int first = 0; first < a->shape->images; first += a->part) {
            struct conv2d_shape shape = *a->shape;
            size_t outputs = conv_outputs(&shape) * (size_t)first;
            bool last = first + a->part >= shape.images;
            shape.images = last ? shape.images - first : a->part;
            kernels->conv2d_pooled_backward_weight(
                &shape, a->activation, a->x + conv_inputs(&shape) * (size_t)first, a->activated + outputs,
                a->pooled_dy + outputs / 4, a->dweight, a->dbias, scratch[0],
                (struct batch_part){first == 0, last}, member);
            team_barrier(member);
        }
        return;
    }
    struct pool2d_shape pool = pool_case(a->shape->images, a->shape->out_channels, a->shape->out_height,
                                         a->shape->out_width, 2, 2, 0);
    kernels->activation_avg_pool2d_backward(a->activation, &pool, a->activated, a->pooled_dy, a->dy, member);
    team_barrier(member);
    kernels->conv2d_backward_weight(a->shape, a->x, a->dy, a->dweight, a->dbias, scratch[0], WHOLE_BATCH,
                                    member);
}

/* Runs it on the inputs of `a`, with gradients of its own, which the caller frees. */
static void fill_pooled(const struct kernels *kernels, struct pooled_arguments *a, bool with_bias)
{
    a->dweight = make_unset(kernels->conv2d_weight_size(a->shape));
    a->dbias = with_bias ? make_unset((size_t)a->shape->out_channels) : NULL;
    scratch[0] = conv_scratch(kernels, a->shape);
    run(run_pooled, kernels, a);
    free(scratch[0]);
}

static void compare_pooled(const struct conv2d_shape *shape, enum activation activation, bool with_bias)
{
    size_t lanes = (size_t)blocks_of(shape->images) * LANES, inputs = conv_inputs(shape) * lanes;
    size_t outputs = conv_outputs(shape) * lanes, weights = kernel_reference()->conv2d_weight_size(shape);
    float *x = make_values(inputs, 1), *activated = make_values(outputs, 2);
    float *pooled_dy = make_values(outputs / 4, 3), *dy = make_unset(outputs);
    struct pooled_arguments expected = {.activation = activation,
                                        .shape = shape,
                                        .x = x,
                                        .activated = activated,
                                        .pooled_dy = pooled_dy,
                                        .dy = dy};
    struct pooled_arguments actual = expected;
    struct trial trial = {0};
    clear_empty_lanes(pooled_dy, shape->images, conv_outputs(shape) / 4);
    fill_pooled(kernel_reference(), &expected, with_bias);
    while (next_trial(&trial)) {
        assert_true(tested->conv2d_pooled_applies(shape));
        for (actual.part = LANES; actual.part <= IMAGES_MOST; actual.part *= 2) {
            fill_pooled(tested, &actual, with_bias);
            assert_same_bits("conv2d_pooled_backward_weight", expected.dweight, actual.dweight,
                             weights * sizeof(float));
            if (with_bias)
                assert_same_bits("conv2d_pooled bias gradient", expected.dbias, actual.dbias,
                                 (size_t)shape->out_channels * sizeof(float));
            free(actual.dweight), free(actual.dbias);
        }
    }
    free(expected.dweight), free(expected.dbias);
    free(x), free(activated), free(pooled_dy), free(dy);
}

/* Odd outputs and rows too wide for the fused form. */
static void pooled_convolutions_that_do_not_apply(void)
{
    struct conv2d_shape odd = conv_case(1, 1, 7, 7, 2, 3, 3, 1, 1),
                        wide = conv_case(1, 1, 4, 99, 2, 3, 3, 1, 1);
    wide.in_width = wide.out_width = 100;
    assert_false(tested->conv2d_pooled_applies(&odd));
    assert_false(tested->conv2d_pooled_applies(&wide));
}

static void pooled_convolutions(void)
{
    const struct conv2d_shape shapes[] = {
        conv_case(33, 1, 28, 28, 6, 5, 5, 1, 2), conv_case(17, 3, 16, 18, 10, 3, 3, 1, 1),
        conv_case(5, 2, 8, 10, 1, 7, 7, 1, 3),   conv_case(16, 3, 9, 9, 7, 2, 2, 1, 0),
        conv_case(3, 2, 16, 16, 5, 3, 3, 2, 1),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        compare_pooled(&shapes[i], (enum activation)(i % 3), i % 2 == 0);
}

struct linear_arguments {
    const struct linear_shape *shape;
    const float *x, *dy, *weight, *bias;
    float *y, *dx, *dweight, *dbias;
};

static void run_linear(const struct kernels *kernels, void *argument, struct member member)
{
    struct linear_arguments *a = argument;
    kernels->linear_forward(a->shape, a->x, a->weight, a->bias, a->y, scratch[0], member);
    team_barrier(member);
    kernels->linear_backward_input(a->shape, a->dy, a->weight, a->dx, scratch[0], member);
    kernels->linear_backward_weight(a->shape, a->x, a->dy, a->dweight, a->dbias, scratch[1], member);
}

/* Runs it on the inputs of `a`, with outputs of its own, which free_linear frees. */
static void fill_linear(const struct kernels *kernels, struct linear_arguments *a)
{
    size_t lanes = (size_t)blocks_of(a->shape->images) * LANES;
    a->y = make_unset(lanes * a->shape->out_features), a->dx = make_unset(lanes * a->shape->in_features);
    a->dweight = make_values(kernels->linear_weight_size(a->shape), 5);
    a->dbias = make_unset((size_t)a->shape->out_features);
    scratch[0] = make_unset(kernels->linear_scratch(a->shape));
    scratch[1] = make_unset(kernels->linear_scratch(a->shape));
    run(run_linear, kernels, a);
    free(scratch[0]), free(scratch[1]);
}

static void free_linear(struct linear_arguments *a)
{
    free(a->y), free(a->dx), free(a->dweight), free(a->dbias);
}

static void compare_linear(const struct linear_shape *shape)
{
    size_t lanes = (size_t)blocks_of(shape->images) * LANES;
    size_t inputs = lanes * shape->in_features, outputs = lanes * shape->out_features;
    size_t weights = kernel_reference()->linear_weight_size(shape);
    float *x = make_values(inputs, 1), *dy = make_values(outputs, 2), *weight = make_values(weights, 3);
    float *bias = make_values((size_t)shape->out_features, 4);
    struct linear_arguments expected = {.shape = shape, .x = x, .dy = dy, .weight = weight, .bias = bias};
    struct linear_arguments actual = expected;
    struct trial trial = {0};
    clear_empty_lanes(dy, shape->images, (size_t)shape->out_features);
    fill_linear(kernel_reference(), &expected);
    while (next_trial(&trial)) {
        assert_int_equal(tested->linear_weight_size(shape), weights);
        fill_linear(tested, &actual);
        assert_same_bits("linear_forward", expected.y, actual.y, outputs * sizeof(float));
        assert_same_bits("linear_backward_input", expected.dx, actual.dx, inputs * sizeof(float));
        assert_same_bits("linear_backward_weight", expected.dweight, actual.dweight, weights * sizeof(float));
        assert_same_bits("linear bias gradient", expected.dbias, actual.dbias,
                         (size_t)shape->out_features * sizeof(float));
        free_linear(&actual);
    }
    free_linear(&expected);
    free(x), free(dy), free(weight), free(bias);
}

static void linear_layers(void)
{
    const struct linear_shape shapes[] = {{64, 400, 120}, {17, 120, 84}, {1, 84, 10},  {33, 1, 1},
                                          {16, 7, 13},    {5, 19, 6},    {40, 256, 3}, {3, 33, 1000},
                                          {1, 1, 1000},   {1, 1000, 1},  {65, 1, 17}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        compare_linear(&shapes[i]);
}

struct pool_arguments {
    const struct pool2d_shape *shape;
    const float *x, *dy;
    float *average, *largest, *average_dx, *largest_dx;
    uint16_t *chosen;
};

static void run_pool(const struct kernels *kernels, void *argument, struct member member)
{
    struct pool_arguments *a = argument;
    kernels->avg_pool2d_forward(a->shape, a->x, a->average, member);
    kernels->avg_pool2d_backward(a->shape, a->dy, a->average_dx, member);
    kernels->max_pool2d_forward(a->shape, a->x, a->largest, a->chosen, member);
    team_barrier(member);
    kernels->max_pool2d_backward(a->shape, a->dy, a->chosen, a->largest_dx, member);
}

static void compare_pool(const struct pool2d_shape *shape)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t planes = (size_t)blocks_of(shape->images) * shape->channels * LANES;
    size_t inputs = planes * shape->in_height * shape->in_width,
           outputs = planes * shape->out_height * shape->out_width;
    float *x = make_values(inputs, 1), *dy = make_values(outputs, 2);
    struct pool_arguments a[2];
    for (size_t i = 0; i < inputs; i++)
        x[i] = roundf(x[i] * 3); /* many equal values: the first must win */
    for (int t = 0; t < 2; t++) {
        a[t] = (struct pool_arguments){shape,
                                       x,
                                       dy,
                                       make_unset(outputs),
                                       make_unset(outputs),
                                       make_unset(inputs),
                                       make_unset(inputs),
                                       calloc(outputs, sizeof(uint16_t))};
        run(run_pool, tables[t], &a[t]);
    }
    assert_same_bits("avg_pool2d_forward", a[0].average, a[1].average, outputs * sizeof(float));
    assert_same_bits("max_pool2d_forward", a[0].largest, a[1].largest, outputs * sizeof(float));
    assert_same_bits("max_pool2d's choice", a[0].chosen, a[1].chosen, outputs * sizeof(uint16_t));
    assert_same_bits("avg_pool2d_backward", a[0].average_dx, a[1].average_dx, inputs * sizeof(float));
    assert_same_bits("max_pool2d_backward", a[0].largest_dx, a[1].largest_dx, inputs * sizeof(float));
    for (int t = 0; t < 2; t++)
        free(a[t].average), free(a[t].largest), free(a[t].average_dx), free(a[t].largest_dx),
            free(a[t].chosen);
    free(x), free(dy);
}

struct fused_arguments {
    enum activation activation;
    const struct pool2d_shape *shape;
    float *x, *y, *dx;
    const float *dy;
};

static void run_fused(const struct kernels *kernels, void *argument, struct member member)
{
    struct fused_arguments *a = argument;
    kernels->activation_avg_pool2d_forward(a->activation, a->shape, a->x, a->y, member);
    team_barrier(member);
    kernels->activation_avg_pool2d_backward(a->activation, a->shape, a->x, a->dy, a->dx, member);
}

static void compare_fused(const struct pool2d_shape *shape, enum activation activation)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t planes = (size_t)blocks_of(shape->images) * shape->channels * LANES;
    size_t inputs = planes * shape->in_height * shape->in_width,
           outputs = planes * shape->out_height * shape->out_width;
    float *dy = make_values(outputs, 2);
    struct fused_arguments a[2];
    for (int t = 0; t < 2; t++) {
        a[t] = (struct fused_arguments){
            activation, shape, make_values(inputs, 1), make_unset(outputs), make_unset(inputs), dy};
        run(run_fused, tables[t], &a[t]);
    }
    assert_same_bits("the fused activation", a[0].x, a[1].x, inputs * sizeof(float));
    assert_same_bits("the fused pool", a[0].y, a[1].y, outputs * sizeof(float));
    assert_same_bits("the fused gradient", a[0].dx, a[1].dx, inputs * sizeof(float));
    for (int t = 0; t < 2; t++)
        free(a[t].x), free(a[t].y), free(a[t].dx);
    free(dy);
}

static void fused_pools(void)
{
    const struct pool2d_shape shapes[] = {pool_case(17, 6, 28, 28, 2, 2, 0), pool_case(3, 2, 4, 10, 2, 2, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int kind = ACTIVATION_TANH; kind <= ACTIVATION_SIGMOID; kind++) {
            assert_true(tested->activation_avg_pool2d_applies(&shapes[i]));
            compare_fused(&shapes[i], (enum activation)kind);
        }
    struct pool2d_shape odd = pool_case(3, 2, 7, 9, 2, 2, 0);
    assert_false(tested->activation_avg_pool2d_applies(&odd));
}

static void pools(void)
{
    const struct pool2d_shape shapes[] = {
        pool_case(17, 6, 28, 28, 2, 2, 0), pool_case(3, 2, 7, 9, 2, 2, 0),  pool_case(16, 3, 8, 8, 3, 2, 1),
        pool_case(1, 1, 5, 5, 3, 1, 1),    pool_case(33, 2, 6, 7, 3, 3, 0), pool_case(4, 2, 9, 9, 2, 3, 1),
        pool_case(18, 3, 8, 8, 8, 8, 0),   pool_case(5, 2, 9, 6, 3, 3, 0),  pool_case(1, 1, 1, 1, 1, 1, 0),
        pool_case(17, 2, 5, 4, 1, 1, 0),   pool_case(2, 1, 9, 9, 2, 4, 0),  pool_case(3, 1, 1, 1, 2, 1, 1),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        compare_pool(&shapes[i]);
}

struct pass_arguments {
    enum activation activation;
    size_t count;
    const float *x, *dy;
    float *y, *dx;
};

static void run_activation(const struct kernels *kernels, void *argument, struct member member)
{
    struct pass_arguments *a = argument;
    kernels->activation_forward(a->activation, a->count, a->x, a->y, member);
    team_barrier(member);
    kernels->activation_backward(a->activation, a->count, a->y, a->dy, a->dx, member);
}

static void activations(void)
{
    enum { COUNT = LANES * 4001 };
    const struct kernels *tables[2] = {kernel_reference(), tested};
    float *x = make_values(COUNT, 1), *dy = make_values(COUNT, 2);
    const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, 1e-45f, -1e-40f,
                             9.0f, -9.0f, 88.0f,    -87.5f,    200.0f};
    for (int i = 0; i < COUNT; i++)
        x[i] *= i > COUNT / 2 ? (i > COUNT / 4 * 3 ? 8.02f : 7.99f) : i % 3 ? 4.0f : 120.0f;
    memcpy(x, special, sizeof special);
    for (int i = 0; i < 8; i++)
        x[COUNT - 1 - 1000 * i] =
            i % 2 ? -0x1.06b7e6p+3f : 0x1.06b7e6p+3f; /* where tanh's quotient is beyond 1 */
    for (int kind = ACTIVATION_TANH; kind <= ACTIVATION_SIGMOID; kind++) {
        struct pass_arguments a[2];
        for (int t = 0; t < 2; t++) {
            a[t] = (struct pass_arguments){(enum activation)kind, COUNT, x, dy, make_unset(COUNT),
                                           make_unset(COUNT)};
            run(run_activation, tables[t], &a[t]);
        }
        assert_same_bits("activation_forward", a[0].y, a[1].y, COUNT * sizeof(float));
        assert_same_bits("activation_backward", a[0].dx, a[1].dx, COUNT * sizeof(float));
        for (int t = 0; t < 2; t++)
            free(a[t].y), free(a[t].dx);
    }
    free(x), free(dy);
}

struct norm_arguments {
    const struct norm_shape *shape;
    const float *x, *dy, *gamma, *beta;
    float *statistics[6]; /* running mean and variance, mean, inverse deviation, dgamma, dbeta */
    float *y, *evaluated, *dx;
};

static void run_norm(const struct kernels *kernels, void *argument, struct member member)
{
    struct norm_arguments *a = argument;
    float *const *s = a->statistics;
    kernels->batch_norm_forward_train(a->shape, a->x, a->gamma, a->beta, 1e-5, 0.1, s[0], s[1], s[2], s[3],
                                      a->y, member);
    team_barrier(member);
    kernels->batch_norm_forward_eval(a->shape, a->x, a->gamma, a->beta, 1e-5, s[0], s[1], a->evaluated,
                                     member);
    kernels->batch_norm_backward(a->shape, a->x, a->dy, a->gamma, s[2], s[3], a->dx, s[4], s[5], member);
}

static void compare_norm(const struct norm_shape *shape)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t features = (size_t)shape->channels * shape->height * shape->width,
           channels = (size_t)shape->channels;
    size_t count = (size_t)blocks_of(shape->images) * features * LANES;
    float *x = make_values(count, 1), *dy = make_values(count, 2);
    float *gamma = make_values(channels, 3), *beta = make_values(channels, 4);
    struct norm_arguments a[2];
    clear_empty_lanes(dy, shape->images, features);
    for (int t = 0; t < 2; t++) {
        a[t] = (struct norm_arguments){
            shape, x, dy, gamma, beta, {NULL}, make_unset(count), make_unset(count), make_unset(count)};
        for (int s = 0; s < 6; s++) {
            a[t].statistics[s] = make_values(channels, 5);
            for (size_t c = 0; c < channels; c++)
                a[t].statistics[s][c] = fabsf(a[t].statistics[s][c]);
        }
        run(run_norm, tables[t], &a[t]);
    }
    assert_same_bits("batch_norm_forward_train", a[0].y, a[1].y, count * sizeof(float));
    assert_same_bits("batch_norm_forward_eval", a[0].evaluated, a[1].evaluated, count * sizeof(float));
    assert_same_bits("batch_norm_backward", a[0].dx, a[1].dx, count * sizeof(float));
    for (int s = 0; s < 6; s++)
        assert_same_bits("a batch norm statistic", a[0].statistics[s], a[1].statistics[s],
                         channels * sizeof(float));
    for (int t = 0; t < 2; t++) {
        free(a[t].y), free(a[t].evaluated), free(a[t].dx);
        for (int s = 0; s < 6; s++)
            free(a[t].statistics[s]);
    }
    free(x), free(dy), free(gamma), free(beta);
}

static void batch_norms(void)
{
    const struct norm_shape shapes[] = {{33, 6, 28, 28}, {64, 84, 1, 1}, {1, 3, 2, 5}, {16, 1, 7, 3},
                                        {5, 4, 1, 9},    {1, 5, 1, 1},   {1, 1, 1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        compare_norm(&shapes[i]);
}

struct pooled_norm_arguments {
    enum activation activation;
    const struct norm_shape *shape;
    const float *x, *pooled_dy, *gamma, *beta;
    float *statistics[6];
    float *activated, *pooled, *evaluated, *dx;
    float *between; /* of the specification */
};

/* The specification goes step by step. */
static void run_pooled_norm_by_steps(const struct kernels *kernels, struct pooled_norm_arguments *a,
                                     struct member member)
{
    const struct norm_shape *n = a->shape;
    struct pool2d_shape pool = pool_case(n->images, n->channels, n->height, n->width, 2, 2, 0);
    float *const *s = a->statistics;
    kernels->batch_norm_forward_train(n, a->x, a->gamma, a->beta, 1e-5, 0.1, s[0], s[1], s[2], s[3],
                                      a->activated, member);
    kernels->activation_avg_pool2d_forward(a->activation, &pool, a->activated, a->pooled, member);
    kernels->batch_norm_forward_eval(n, a->x, a->gamma, a->beta, 1e-5, s[0], s[1], a->between, member);
    kernels->activation_avg_pool2d_forward(a->activation, &pool, a->between, a->evaluated, member);
    kernels->activation_avg_pool2d_backward(a->activation, &pool, a->activated, a->pooled_dy, a->between,
                                            member);
    kernels->batch_norm_backward(n, a->x, a->between, a->gamma, s[2], s[3], a->dx, s[4], s[5], member);
}

static void run_pooled_norm(const struct kernels *kernels, void *argument, struct member member)
{
    struct pooled_norm_arguments *a = argument;
    float *const *s = a->statistics;
    if (kernels != tested) {
        run_pooled_norm_by_steps(kernels, a, member);
        return;
    }
    kernels->batch_norm_pool_forward_train(a->shape, a->activation, a->x, a->gamma, a->beta, 1e-5, 0.1, s[0],
                                           s[1], s[2], s[3], a->activated, a->pooled, member);
    team_barrier(member);
    kernels->batch_norm_pool_forward_eval(a->shape, a->activation, a->x, a->gamma, a->beta, 1e-5, s[0], s[1],
                                          a->evaluated, member);
    kernels->batch_norm_pool_backward(a->shape, a->activation, a->x, a->activated, a->pooled_dy, a->gamma,
                                      s[2], s[3], a->dx, s[4], s[5], member);
}

/* Runs it on the inputs of `a`, with outputs of its own, which free_pooled_norm frees. */
static void fill_pooled_norm(const struct kernels *kernels, struct pooled_norm_arguments *a)
{
    size_t channels = (size_t)a->shape->channels, lanes = (size_t)blocks_of(a->shape->images) * LANES;
    size_t count = lanes * channels * a->shape->height * a->shape->width;
    a->activated = make_unset(count), a->dx = make_unset(count), a->between = make_unset(count);
    a->pooled = make_unset(count / 4), a->evaluated = make_unset(count / 4);
    for (int s = 0; s < 6; s++) {
        a->statistics[s] = make_values(channels, 5);
        for (size_t c = 0; c < channels; c++)
            a->statistics[s][c] = fabsf(a->statistics[s][c]);
    }
    run(run_pooled_norm, kernels, a);
}

static void free_pooled_norm(struct pooled_norm_arguments *a)
{
    free(a->activated), free(a->pooled), free(a->evaluated), free(a->dx), free(a->between);
    for (int s = 0; s < 6; s++)
        free(a->statistics[s]);
}

static void compare_pooled_norm(const struct norm_shape *shape, enum activation activation)
{
    size_t channels = (size_t)shape->channels, features = channels * shape->height * shape->width;
    size_t count = (size_t)blocks_of(shape->images) * features * LANES;
    float *x = make_values(count, 1), *pooled_dy = make_values(count / 4, 2);
    float *gamma = make_values(channels, 3), *beta = make_values(channels, 4);
    struct pooled_norm_arguments expected = {.activation = activation,
                                             .shape = shape,
                                             .x = x,
                                             .pooled_dy = pooled_dy,
                                             .gamma = gamma,
                                             .beta = beta};
    struct pooled_norm_arguments actual = expected;
    struct trial trial = {0};
    clear_empty_lanes(pooled_dy, shape->images, features / 4);
    fill_pooled_norm(kernel_reference(), &expected);
    while (next_trial(&trial)) {
        assert_true(tested->batch_norm_pool_applies(shape));
        fill_pooled_norm(tested, &actual);
        assert_same_bits("batch_norm_pool's activation", expected.activated, actual.activated,
                         count * sizeof(float));
        assert_same_bits("batch_norm_pool_forward_train", expected.pooled, actual.pooled,
                         count / 4 * sizeof(float));
        assert_same_bits("batch_norm_pool_forward_eval", expected.evaluated, actual.evaluated,
                         count / 4 * sizeof(float));
        assert_same_bits("batch_norm_pool_backward", expected.dx, actual.dx, count * sizeof(float));
        for (int s = 0; s < 6; s++)
            assert_same_bits("a pooled batch norm's statistic", expected.statistics[s], actual.statistics[s],
                             channels * sizeof(float));
        free_pooled_norm(&actual);
    }
    free_pooled_norm(&expected);
    free(x), free(pooled_dy), free(gamma), free(beta);
}

static void pooled_batch_norms(void)
{
    const struct norm_shape shapes[] = {{33, 6, 28, 28}, {16, 5, 2, 4}, {1, 3, 10, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int kind = ACTIVATION_TANH; kind <= ACTIVATION_SIGMOID; kind++)
            compare_pooled_norm(&shapes[i], (enum activation)kind);
}

static void pooled_batch_norms_that_do_not_apply(void)
{
    struct norm_shape odd = {4, 3, 6, 7};
    assert_false(tested->batch_norm_pool_applies(&odd));
}

struct dropout_arguments {
    int images, features;
    double p;
    const float *x;
    uint16_t *mask;
    float *y;
};

static void run_dropout(const struct kernels *kernels, void *argument, struct member member)
{
    struct dropout_arguments *a = argument;
    struct random_source source = {
        .seed = 0x123456789abcdefull, .stream = RANDOM_DROPOUT, .owner = 7, .step = 3, .epoch = 2};
    kernels->dropout_mask(&source, a->images, a->features, a->p, a->mask, member);
    team_barrier(member);
    kernels->dropout_apply(a->images, a->features, a->p, a->mask, a->x, a->y, member);
}

static void dropouts(void)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    const struct dropout_arguments cases[] = {{.images = 64, .features = 120, .p = 0.2},
                                              {.images = 33, .features = 84, .p = 0.5},
                                              {.images = 1, .features = 3, .p = 0.0},
                                              {.images = 17, .features = 9, .p = 1.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t masks = (size_t)blocks_of(cases[i].images) * cases[i].features;
        float *x = make_values(masks * LANES, 1);
        struct dropout_arguments a[2] = {cases[i], cases[i]};
        for (int t = 0; t < 2; t++) {
            a[t].x = x, a[t].mask = calloc(masks, sizeof(uint16_t)), a[t].y = make_unset(masks * LANES);
            run(run_dropout, tables[t], &a[t]);
        }
        assert_same_bits("dropout_mask", a[0].mask, a[1].mask, masks * sizeof(uint16_t));
        assert_same_bits("dropout_apply", a[0].y, a[1].y, masks * LANES * sizeof(float));
        for (int t = 0; t < 2; t++)
            free(a[t].mask), free(a[t].y);
        free(x);
    }
}

struct loss_arguments {
    int images, batch, classes;
    double smoothing;
    const float *logits;
    const uint16_t *labels;
    float *dlogits;
    struct loss_part *parts;
    uint16_t *predictions;
};

static void run_loss(const struct kernels *kernels, void *argument, struct member member)
{
    struct loss_arguments *a = argument;
    kernels->softmax_cross_entropy(a->images, a->batch, a->classes, a->logits, a->labels, a->smoothing,
                                   a->dlogits, a->parts, a->predictions, member);
}

static void compare_loss(const struct loss_arguments *shape)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t blocks = (size_t)blocks_of(shape->images), count = blocks * (size_t)shape->classes * LANES;
    float *logits = make_values(count, 1);
    uint16_t *labels = calloc((size_t)shape->images, sizeof *labels);
    for (size_t i = 0; i < count; i++)
        logits[i] = roundf(logits[i] * 60) / 2; /* ties, and differences beyond exp's range */
    for (int n = 0; n < shape->images; n++)
        labels[n] = (uint16_t)(n * 7 % shape->classes);
    struct loss_arguments a[2] = {*shape, *shape};
    for (int t = 0; t < 2; t++) {
        a[t].logits = logits, a[t].labels = labels, a[t].dlogits = make_unset(count);
        a[t].parts = calloc(blocks, sizeof(struct loss_part));
        a[t].predictions = calloc((size_t)shape->images, sizeof(uint16_t));
        run(run_loss, tables[t], &a[t]);
    }
    assert_same_bits("dlogits", a[0].dlogits, a[1].dlogits, count * sizeof(float));
    assert_same_bits("predictions", a[0].predictions, a[1].predictions,
                     (size_t)shape->images * sizeof(uint16_t));
    for (size_t b = 0; b < blocks; b++) {
        assert_memory_equal(&a[0].parts[b].loss, &a[1].parts[b].loss, sizeof(double));
        assert_int_equal(a[0].parts[b].correct, a[1].parts[b].correct);
    }
    for (int t = 0; t < 2; t++)
        free(a[t].dlogits), free(a[t].parts), free(a[t].predictions);
    free(logits), free(labels);
}

static void losses(void)
{
    const struct loss_arguments cases[] = {{.images = 64, .batch = 64, .classes = 10},
                                           {.images = 37, .batch = 101, .classes = 3, .smoothing = 0.1},
                                           {.images = 1, .batch = 1, .classes = 1},
                                           {.images = 20, .batch = 20, .classes = 1000, .smoothing = 0.05}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare_loss(&cases[i]);
}

struct optimizer_arguments {
    const struct sgd_step *sgd;
    const struct adam_step *adam;
    const float *gradient;
    float *values[3];
};

enum { PARAMETERS = 1003 };

static void run_optimizer(const struct kernels *kernels, void *argument, struct member member)
{
    struct optimizer_arguments *a = argument;
    long begin, end;
    member_range(member, PARAMETERS, &begin, &end);
    if (a->sgd)
        kernels->sgd_update(a->sgd, (size_t)begin, (size_t)end, a->values[0], a->gradient, a->values[1]);
    else
        kernels->adam_update(a->adam, (size_t)begin, (size_t)end, a->values[0], a->gradient, a->values[1],
                             a->values[2]);
}

static void compare_optimizer(const struct sgd_step *sgd, const struct adam_step *adam)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    float *gradient = make_values(PARAMETERS, 1);
    for (int i = 0; i < PARAMETERS; i += 7)
        gradient[i] *= 0x1p-70f; /* its square is below the least moment */
    struct optimizer_arguments a[2];
    for (int t = 0; t < 2; t++) {
        a[t] = (struct optimizer_arguments){sgd, adam, gradient, {NULL}};
        for (int i = 0; i < 3; i++)
            a[t].values[i] = make_values(PARAMETERS, (uint64_t)i + 2);
        for (int i = 0; i < PARAMETERS; i++)
            a[t].values[2][i] = i % 7 ? fabsf(a[t].values[2][i]) : 0.0f;
        run(run_optimizer, tables[t], &a[t]);
    }
    for (int i = 0; i < 3; i++)
        assert_same_bits("an optimiser's vector", a[0].values[i], a[1].values[i], PARAMETERS * sizeof(float));
    for (int t = 0; t < 2; t++)
        for (int i = 0; i < 3; i++)
            free(a[t].values[i]);
    free(gradient);
}

static void optimizers(void)
{
    struct sgd_step sgd = {.lr = 0.1f, .momentum = 0.9f, .weight_decay = 5e-4f, .first = true};
    struct adam_step adam = {.lr = 1e-3f,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .eps = 1e-8f,
                             .weight_decay = 1e-2f,
                             .step_size = 3e-3f,
                             .inverse_sqrt_bias2 = 1.7f};
    compare_optimizer(&sgd, NULL);
    sgd.first = false, sgd.nesterov = true;
    compare_optimizer(&sgd, NULL);
    sgd.momentum = 0;
    compare_optimizer(&sgd, NULL);
    compare_optimizer(NULL, &adam);
    adam.decoupled = true;
    compare_optimizer(NULL, &adam);
}

struct load_arguments {
    const struct load_shape *shape;
    const struct augmented_image *images;
    int count;
    float *x;
};

static void run_load(const struct kernels *kernels, void *argument, struct member member)
{
    struct load_arguments *a = argument;
    kernels->load_images(a->shape, a->images, a->count, a->x, member);
}

static void augment(struct augmented_image *image, int n)
{
    image->shift_y = n % 5 - 2, image->shift_x = n % 7 - 3, image->flip = n % 2;
    if (n % 3 == 0)
        image->erase_y0 = n % 4, image->erase_y1 = n % 4 + 2, image->erase_x0 = 1, image->erase_x1 = 4;
}

static void compare_load(struct load_shape shape, int count, bool augmented)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t pixels = (size_t)shape.channels * shape.height * shape.width;
    size_t floats = (size_t)blocks_of(count) * pixels * LANES;
    size_t size = shape.floats ? sizeof(float) : sizeof(uint8_t);
    uint8_t *bytes = malloc(pixels * count * size);
    float *scale = malloc((size_t)shape.channels * sizeof *scale),
          *offset = malloc((size_t)shape.channels * sizeof *offset);
    struct augmented_image *images = calloc((size_t)count, sizeof *images);
    for (size_t i = 0; i < pixels * count; i++) {
        uint32_t word = (uint32_t)(i * 2654435761u);
        if (shape.floats)
            ((float *)(void *)bytes)[i] = (float)(int32_t)word * 0x1p-28f;
        else
            bytes[i] = (uint8_t)(word >> 13);
    }
    for (int c = 0; c < shape.channels; c++)
        scale[c] = 0.01f * (float)(c + 1), offset[c] = -0.3f * (float)c;
    shape.scale = scale, shape.offset = offset;
    for (int n = 0; n < count; n++) {
        images[n].pixels = n % 11 == 10 ? NULL : bytes + n * pixels * size;
        if (augmented)
            augment(&images[n], n);
    }
    struct load_arguments a[2];
    for (int t = 0; t < 2; t++) {
        a[t] = (struct load_arguments){&shape, images, count, make_unset(floats)};
        run(run_load, tables[t], &a[t]);
    }
    assert_same_bits("load_images", a[0].x, a[1].x, floats * sizeof(float));
    free(a[0].x), free(a[1].x), free(bytes), free(images), free(scale), free(offset);
}

static void loads(void)
{
    const struct load_shape shapes[] = {
        {.channels = 1, .height = 28, .width = 28},  {.channels = 3, .height = 5, .width = 7},
        {.channels = 2, .height = 1, .width = 1030}, {.channels = 9, .height = 3, .width = 17},
        {.channels = 40, .height = 1, .width = 1},   {.channels = 3, .height = 1, .width = 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int floats = 0; floats < 2; floats++)
            for (int augmented = 0; augmented < (shapes[i].width > 1 ? 2 : 1); augmented++) {
                struct load_shape shape = shapes[i];
                shape.floats = floats;
                compare_load(shape, 33, augmented);
                compare_load(shape, 10, augmented);
            }
}

static void philox_blocks(void)
{
    enum { BLOCKS = 37 };
    struct random_source source = {
        .seed = 0xfedcba9876543210ull, .stream = 3, .owner = 9, .step = 100, .epoch = 5};
    uint32_t expected[4 * BLOCKS], actual[4 * BLOCKS];
    kernel_reference()->random_blocks(&source, 0xfffffff0u, BLOCKS, expected);
    tested->random_blocks(&source, 0xfffffff0u, BLOCKS, actual);
    assert_same_bits("random_blocks", expected, actual, sizeof expected);
}

static void convolutions_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    convolutions();
    pooled_convolutions();
    for_all_tables(pooled_convolutions_that_do_not_apply);
}

static void wide_convolutions_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    wide_convolutions();
}

static void linear_layers_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    linear_layers();
}

static void pools_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(pools);
    for_all_tables(fused_pools);
}

static void activations_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(activations);
}

static void batch_norms_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(batch_norms);
    pooled_batch_norms();
    for_all_tables(pooled_batch_norms_that_do_not_apply);
}

static void dropout_has_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(dropouts);
}

static void losses_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(losses);
}

static void optimizers_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(optimizers);
}

static void loading_has_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(loads);
}

static void philox_has_the_words_of_random123(void **state)
{
    (void)state;
    for_all_tables(philox_blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_have_the_bits_of_the_reference),
        cmocka_unit_test(wide_convolutions_have_the_bits_of_the_reference),
        cmocka_unit_test(linear_layers_have_the_bits_of_the_reference),
        cmocka_unit_test(pools_have_the_bits_of_the_reference),
        cmocka_unit_test(activations_have_the_bits_of_the_reference),
        cmocka_unit_test(batch_norms_have_the_bits_of_the_reference),
        cmocka_unit_test(dropout_has_the_bits_of_the_reference),
        cmocka_unit_test(losses_have_the_bits_of_the_reference),
        cmocka_unit_test(optimizers_have_the_bits_of_the_reference),
        cmocka_unit_test(loading_has_the_bits_of_the_reference),
        cmocka_unit_test(philox_has_the_words_of_random123),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

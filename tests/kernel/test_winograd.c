/* Winograd's convolution: every table has the bits of the specification by any team, and it is a convolution:
 * off from sums in double by no more than a few times what the direct form is. */
#include "kernel_teams.h"

struct arguments {
    const struct conv2d_shape *shape;
    const float *x, *dy, *weight, *bias;
    float *y, *dx, *dweight, *dbias, *scratch, *sums;
    int part; /* images of each call backward: whole blocks, or all */
};

static void run_winograd(const struct kernels *kernels, void *argument, struct member member)
{
    struct arguments *a = argument;
    kernels->winograd_forward(a->shape, a->x, a->weight, a->bias, a->y, a->scratch, member);
    team_barrier(member);
    for (int first = 0; first < a->shape->images; first += a->part) {
        struct conv2d_shape shape = *a->shape;
        bool last = first + a->part >= shape.images;
        shape.images = last ? shape.images - first : a->part;
        size_t inputs = conv_inputs(&shape) * (size_t)first, outputs = conv_outputs(&shape) * (size_t)first;
        team_barrier(member);
        kernels->winograd_backward(&shape, a->x + inputs, a->dy + outputs, a->weight,
                                   a->dx ? a->dx + inputs : NULL, a->dweight, a->dbias, a->scratch, a->sums,
                                   (struct batch_part){first == 0, last}, member);
    }
}

/* Runs it on the inputs of `a`, backward as many images a call as a->part, with outputs of its own, which the
 * caller frees. */
static void fill(const struct kernels *kernels, struct arguments *a, bool with_dx)
{
    size_t lanes = (size_t)blocks_of(a->shape->images) * LANES;
    a->y = make_unset(conv_outputs(a->shape) * lanes);
    a->dx = with_dx ? make_unset(conv_inputs(a->shape) * lanes) : NULL;
    a->dweight = make_unset(kernels->conv2d_weight_size(a->shape));
    a->dbias = a->bias ? make_unset((size_t)a->shape->out_channels) : NULL;
    a->scratch = make_unset(kernels->winograd_scratch(a->shape));
    a->sums = make_unset(kernels->winograd_sums(a->shape));
    run(run_winograd, kernels, a);
    free(a->scratch), free(a->sums);
}

static void free_outputs(struct arguments *a)
{
    free(a->y), free(a->dx), free(a->dweight), free(a->dbias);
}

static void check(const struct kernels *kernels, const struct arguments *expected, int part)
{
    const struct conv2d_shape *shape = expected->shape;
    size_t lanes = (size_t)blocks_of(shape->images) * LANES, weights = kernels->conv2d_weight_size(shape);
    struct arguments actual = *expected;
    actual.part = part;
    fill(kernels, &actual, expected->dx);
    assert_same_bits("winograd_forward", expected->y, actual.y, conv_outputs(shape) * lanes * sizeof(float));
    assert_same_bits("winograd_backward's filters", expected->dweight, actual.dweight,
                     weights * sizeof(float));
    if (expected->dx)
        assert_same_bits("winograd_backward's input", expected->dx, actual.dx,
                         conv_inputs(shape) * lanes * sizeof(float));
    if (expected->dbias)
        assert_same_bits("winograd_backward's biases", expected->dbias, actual.dbias,
                         (size_t)shape->out_channels * sizeof(float));
    free_outputs(&actual);
}

/* The specification's whole batch is what its own blocks have to give, and the others' batch and blocks. */
static void compare(const struct conv2d_shape *shape, bool with_bias, bool with_dx)
{
    size_t lanes = (size_t)blocks_of(shape->images) * LANES;
    float *x = make_values(conv_inputs(shape) * lanes, 1), *dy = make_values(conv_outputs(shape) * lanes, 2);
    float *weight = make_values(kernel_reference()->conv2d_weight_size(shape), 3);
    float *bias = make_values((size_t)shape->out_channels, 4);
    struct arguments expected = {.shape = shape,
                                 .x = x,
                                 .dy = dy,
                                 .weight = weight,
                                 .bias = with_bias ? bias : NULL,
                                 .part = shape->images};
    struct trial trial = {0};
    clear_empty_lanes(dy, shape->images, conv_outputs(shape));
    fill(kernel_reference(), &expected, with_dx);
    tested = kernel_reference();
    check(kernel_reference(), &expected, LANES);
    while (next_trial(&trial)) {
        assert_true(tested->winograd_applies(shape));
        check(tested, &expected, shape->images);
        if (shape->images > LANES)
            check(tested, &expected, LANES);
    }
    free_outputs(&expected);
    free(x), free(dy), free(weight), free(bias);
}

/* Whole tiles, short ones, tiles beyond the row, rows of one tile, borders wider than the filter, both sizes
 * of filter in either direction. */
static void tables_have_the_bits_of_the_specification(void **state)
{
    (void)state;
    const struct conv2d_shape cases[] = {
        conv_case(17, 6, 14, 14, 16, 5, 5, 1, 0), conv_case(5, 4, 9, 12, 5, 3, 3, 1, 1),
        conv_case(16, 13, 3, 3, 4, 3, 3, 1, 0),   conv_case(2, 4, 6, 11, 7, 5, 3, 1, 2),
        conv_case(1, 5, 7, 13, 25, 3, 5, 1, 1),   conv_case(20, 7, 5, 5, 4, 5, 5, 1, 2),
        conv_case(3, 4, 2, 2, 4, 3, 3, 1, 4),     conv_case(1, 24, 12, 7, 22, 3, 3, 1, 1),
        conv_case(37, 4, 5, 6, 5, 3, 3, 1, 1),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(&cases[i], i % 3 != 1, i % 4 != 3);
    struct conv2d_shape same = conv_case(4, 4, 8, 7, 6, 3, 5, 1, 0); /* padding that differs by side */
    same.padding_height = 0, same.out_height = 7, same.padding_width = 3, same.out_width = 8;
    compare(&same, true, true);
}

static void it_applies_by_the_shape_alone(void **state)
{
    (void)state;
    const struct kernels *kernels = kernel_reference();
    struct conv2d_shape shape = conv_case(16, 6, 14, 14, 16, 5, 5, 1, 0);
    assert_true(kernels->winograd_applies(&shape));
    struct conv2d_shape no[] = {shape, shape, shape, shape, shape, shape};
    no[0].stride_height = 2, no[1].stride_width = 2, no[2].in_channels = 3, no[3].out_channels = 3;
    no[4].kernel_width = 4, no[5].kernel_height = 7;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(kernels->winograd_applies(&no[i]));
}

/* A pass of a convolution as float and as the exact sum. */
struct pass {
    const char *name;
    size_t count;
    double *exact;
    float *direct, *winograd;
};

static struct pass make_pass(const char *name, size_t count)
{
    return (struct pass){name, count, calloc(count, sizeof(double)), make_unset(count), make_unset(count)};
}

/* Results and gradients by the definition, in double, for padding 0 to kernel - 1 at stride 1. */
static void sum_exactly(const struct conv2d_shape *shape, const float *x, const float *dy,
                        const float *weight, struct pass pass[3])
{
    size_t in_plane = (size_t)shape->in_height * shape->in_width,
           out_plane = (size_t)shape->out_height * shape->out_width;
    for (int n = 0; n < shape->images; n++)
        for (int o = 0; o < shape->out_channels; o++)
            for (int i = 0; i < shape->in_channels; i++)
                for (int tap = 0; tap < shape->kernel_height * shape->kernel_width; tap++)
                    for (int place = 0; place < (int)out_plane; place++) {
                        int h = place / shape->out_width + tap / shape->kernel_width - shape->padding_height;
                        int w = place % shape->out_width + tap % shape->kernel_width - shape->padding_width;
                        if (h < 0 || h >= shape->in_height || w < 0 || w >= shape->in_width)
                            continue;
                        int block = n / LANES, lane = n % LANES;
                        size_t to =
                            (((size_t)block * shape->out_channels + o) * out_plane + place) * LANES + lane;
                        size_t from =
                            (((size_t)block * shape->in_channels + i) * in_plane + h * shape->in_width + w) *
                                LANES +
                            lane;
                        size_t filter = ((size_t)o * shape->in_channels + i) * shape->kernel_height *
                                            shape->kernel_width +
                                        tap;
                        pass[0].exact[to] += (double)x[from] * weight[filter];
                        pass[1].exact[from] += (double)dy[to] * weight[filter];
                        pass[2].exact[filter] += (double)dy[to] * x[from];
                    }
}

struct rounding {
    double worst, rms; /* relative to the exact values' rms */
};

static struct rounding rounding_of(const struct pass *pass, const float *values)
{
    double squares = 0, errors = 0, worst = 0;
    for (size_t i = 0; i < pass->count; i++) {
        double error = fabs(values[i] - pass->exact[i]);
        squares += pass->exact[i] * pass->exact[i], errors += error * error;
        worst = error > worst ? error : worst;
    }
    double size = sqrt(squares / (double)pass->count);
    return (struct rounding){worst / size, sqrt(errors / (double)pass->count) / size};
}

static void compare_rounding(const char *name, const struct conv2d_shape *shape)
{
    const struct kernels *kernels = kernel_select(NULL);
    struct member alone = member_alone();
    size_t lanes = (size_t)blocks_of(shape->images) * LANES, weights = kernels->conv2d_weight_size(shape);
    size_t inputs = conv_inputs(shape) * lanes, outputs = conv_outputs(shape) * lanes;
    float *x = make_values(inputs, 1), *dy = make_values(outputs, 2), *weight = make_values(weights, 3);
    size_t direct = kernels->conv2d_scratch(shape), winograd = kernels->winograd_scratch(shape);
    float *scratch = make_unset(direct > winograd ? direct : winograd);
    float *sums = make_unset(kernels->winograd_sums(shape));
    struct pass pass[3] = {make_pass("results", outputs), make_pass("gradient of the input", inputs),
                           make_pass("gradient of the filters", weights)};
    sum_exactly(shape, x, dy, weight, pass);
    kernels->conv2d_forward(shape, x, weight, NULL, pass[0].direct, scratch, alone);
    kernels->conv2d_backward_input(shape, dy, weight, pass[1].direct, scratch, alone);
    kernels->conv2d_backward_weight(shape, x, dy, pass[2].direct, NULL, scratch, WHOLE_BATCH, alone);
    kernels->winograd_forward(shape, x, weight, NULL, pass[0].winograd, scratch, alone);
    kernels->winograd_backward(shape, x, dy, weight, pass[1].winograd, pass[2].winograd, NULL, scratch, sums,
                               WHOLE_BATCH, alone);
    for (int k = 0; k < 3; k++) {
        struct rounding a = rounding_of(&pass[k], pass[k].direct),
                        b = rounding_of(&pass[k], pass[k].winograd);
        print_message(
            "%-22s %-24s direct max %.1e rms %.1e   winograd max %.1e rms %.1e   %.1f times the rms\n", name,
            pass[k].name, a.worst, a.rms, b.worst, b.rms, b.rms / a.rms);
        assert_true(b.rms < 6 * a.rms && b.rms < 3e-6 && b.worst < 3e-5);
        free(pass[k].exact), free(pass[k].direct), free(pass[k].winograd);
    }
    free(x), free(dy), free(weight), free(scratch), free(sums);
}

/* Inputs, weights and gradients uniform in [-1, 1). */
static void its_rounding_is_a_few_times_the_direct_form_s(void **state)
{
    (void)state;
    struct conv2d_shape lenet5 = conv_case(64, 6, 14, 14, 16, 5, 5, 1, 0);
    struct conv2d_shape small = conv_case(16, 32, 32, 32, 32, 3, 3, 1, 1);
    struct conv2d_shape large = conv_case(16, 64, 16, 16, 64, 3, 3, 1, 1);
    compare_rounding("LeNet-5's second", &lenet5);
    compare_rounding("32x32x32 to 32, 3x3", &small);
    compare_rounding("64x16x16 to 64, 3x3", &large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_have_the_bits_of_the_specification),
        cmocka_unit_test(it_applies_by_the_shape_alone),
        cmocka_unit_test(its_rounding_is_a_few_times_the_direct_form_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

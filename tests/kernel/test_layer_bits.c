/* The kernels of grouped convolutions, gates, norms within an image, sums and dropout of channels: every
 * table that runs here gives the bits of the specification, for odd shapes and any team size. */
#include "kernel_teams.h"

struct grouped_arguments {
    const struct conv2d_shape *shape;
    int groups;
    const float *x, *dy, *weight, *bias;
    float *y, *dx, *dweight, *dbias;
};

static void run_grouped(const struct kernels *kernels, void *argument, struct member member)
{
    struct grouped_arguments *a = argument;
    kernels->grouped_conv2d_forward(a->shape, a->groups, a->x, a->weight, a->bias, a->y, member);
    kernels->grouped_conv2d_backward_input(a->shape, a->groups, a->dy, a->weight, a->dx, member);
    kernels->grouped_conv2d_backward_weight(a->shape, a->groups, a->x, a->dy, a->dweight, a->dbias, member);
}

/* Runs it on the inputs of `a`, with outputs of its own, which the caller frees. */
static void fill_grouped(const struct kernels *kernels, struct grouped_arguments *a, size_t weights)
{
    size_t lanes = (size_t)blocks_of(a->shape->images) * LANES;
    a->y = make_unset(conv_outputs(a->shape) * lanes), a->dx = make_unset(conv_inputs(a->shape) * lanes);
    a->dweight = make_unset(weights);
    a->dbias = a->bias ? make_unset((size_t)a->shape->out_channels) : NULL;
    run(run_grouped, kernels, a);
}

static void free_grouped(struct grouped_arguments *a)
{
    free(a->y), free(a->dx), free(a->dweight), free(a->dbias);
}

static void compare_grouped(const struct conv2d_shape *shape, int groups, bool with_bias)
{
    size_t lanes = (size_t)blocks_of(shape->images) * LANES, channels = (size_t)shape->out_channels;
    size_t inputs = conv_inputs(shape) * lanes, outputs = conv_outputs(shape) * lanes;
    size_t weights =
        channels * (size_t)(shape->in_channels / groups * shape->kernel_height * shape->kernel_width);
    float *x = make_values(inputs, 1), *dy = make_values(outputs, 2), *weight = make_values(weights, 3);
    float *bias = make_values(channels, 4);
    struct grouped_arguments expected = {.shape = shape,
                                         .groups = groups,
                                         .x = x,
                                         .dy = dy,
                                         .weight = weight,
                                         .bias = with_bias ? bias : NULL};
    struct grouped_arguments actual = expected;
    struct trial trial = {0};
    clear_empty_lanes(dy, shape->images, conv_outputs(shape));
    fill_grouped(kernel_reference(), &expected, weights);
    while (next_trial(&trial)) {
        fill_grouped(tested, &actual, weights);
        assert_same_bits("grouped_conv2d_forward", expected.y, actual.y, outputs * sizeof(float));
        assert_same_bits("grouped_conv2d_backward_input", expected.dx, actual.dx, inputs * sizeof(float));
        assert_same_bits("grouped_conv2d_backward_weight", expected.dweight, actual.dweight,
                         weights * sizeof(float));
        if (with_bias)
            assert_same_bits("grouped_conv2d's bias gradient", expected.dbias, actual.dbias,
                             channels * sizeof(float));
        free_grouped(&actual);
    }
    free_grouped(&expected);
    free(x), free(dy), free(weight), free(bias);
}

static void grouped_convolutions(void)
{
    const struct {
        struct conv2d_shape shape;
        int groups;
    } cases[] = {
        {conv_case(17, 8, 14, 13, 8, 3, 3, 1, 1), 8},   {conv_case(16, 4, 9, 9, 8, 3, 3, 2, 1), 4},
        {conv_case(3, 6, 7, 7, 6, 5, 5, 1, 2), 6},      {conv_case(33, 8, 8, 8, 12, 3, 3, 1, 1), 4},
        {conv_case(5, 6, 11, 10, 26, 3, 2, 3, 2), 2},   {conv_case(1, 9, 5, 5, 3, 1, 1, 1, 0), 3},
        {conv_case(20, 10, 12, 12, 15, 3, 3, 1, 1), 5}, {conv_case(16, 4, 6, 20, 4, 7, 7, 1, 3), 4},
        {conv_case(2, 3, 4, 4, 3, 3, 3, 5, 1), 3},      {conv_case(2, 3, 9, 9, 3, 1, 1, 3, 0), 3},
        {conv_case(4, 16, 3, 3, 20, 3, 3, 1, 4), 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare_grouped(&cases[i].shape, cases[i].groups, i % 3 != 2);
    struct conv2d_shape same = conv_case(18, 4, 9, 10, 4, 4, 2, 1, 1);
    same.padding_width = 0, same.out_height = 9, same.out_width = 10; /* padding: same, even filter */
    compare_grouped(&same, 4, true);
}

struct gate_arguments {
    enum gate gate;
    double slope;
    size_t count;
    const float *x, *dy;
    float *y, *dx, *sum;
};

static void run_gate(const struct kernels *kernels, void *argument, struct member member)
{
    struct gate_arguments *a = argument;
    kernels->gate_forward(a->gate, a->slope, a->count, a->x, a->y, member);
    kernels->gate_backward(a->gate, a->slope, a->count, a->x, a->dy, a->dx, member);
    kernels->add(a->count, a->x, a->dy, a->sum, member);
}

static void gates(void)
{
    enum { COUNT = LANES * 4001 };
    const struct kernels *tables[2] = {kernel_reference(), tested};
    float *x = make_values(COUNT, 1), *dy = make_values(COUNT, 2);
    const float special[] = {0.0f, -0.0f, 1e-45f, -1e-40f, 4.0f, -4.0f, 9.0f, -9.0f, 88.0f, -87.5f, 200.0f};
    for (int i = 0; i < COUNT; i++)
        x[i] *= i % 3 ? 4.0f : 120.0f;
    memcpy(x, special, sizeof special);
    for (int gate = GATE_LEAKY_RELU; gate <= GATE_SILU; gate++) {
        struct gate_arguments a[2];
        for (int t = 0; t < 2; t++) {
            a[t] = (struct gate_arguments){
                (enum gate)gate, 0.01, COUNT, x, dy, make_unset(COUNT), make_unset(COUNT), make_unset(COUNT)};
            run(run_gate, tables[t], &a[t]);
        }
        assert_same_bits("gate_forward", a[0].y, a[1].y, COUNT * sizeof(float));
        assert_same_bits("gate_backward", a[0].dx, a[1].dx, COUNT * sizeof(float));
        assert_same_bits("add", a[0].sum, a[1].sum, COUNT * sizeof(float));
        for (int t = 0; t < 2; t++)
            free(a[t].y), free(a[t].dx), free(a[t].sum);
    }
    free(x), free(dy);
}

struct norm_arguments {
    const struct group_norm_shape *shape;
    const float *x, *dy, *gamma, *beta;
    float *mean, *inverse_std, *y, *dx, *dgamma, *dbeta;
};

static void run_norm(const struct kernels *kernels, void *argument, struct member member)
{
    struct norm_arguments *a = argument;
    kernels->group_norm_forward(a->shape, a->x, a->gamma, a->beta, 1e-5, a->mean, a->inverse_std, a->y,
                                member);
    team_barrier(member);
    kernels->group_norm_backward(a->shape, a->x, a->dy, a->gamma, a->mean, a->inverse_std, a->dx, a->dgamma,
                                 a->dbeta, member);
}

static void compare_norm(const struct group_norm_shape *shape)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    size_t features = (size_t)shape->groups * shape->group_features, channels = features / shape->plane;
    size_t count = (size_t)blocks_of(shape->images) * features * LANES;
    size_t statistics = (size_t)blocks_of(shape->images) * shape->groups * LANES;
    float *x = make_values(count, 1), *dy = make_values(count, 2);
    float *gamma = make_values(channels, 3), *beta = make_values(channels, 4);
    struct norm_arguments a[2];
    clear_empty_lanes(dy, shape->images, features);
    for (int t = 0; t < 2; t++) {
        a[t] = (struct norm_arguments){shape,
                                       x,
                                       dy,
                                       gamma,
                                       beta,
                                       make_unset(statistics),
                                       make_unset(statistics),
                                       make_unset(count),
                                       make_unset(count),
                                       make_unset(channels),
                                       make_unset(channels)};
        run(run_norm, tables[t], &a[t]);
    }
    assert_same_bits("group_norm_forward", a[0].y, a[1].y, count * sizeof(float));
    assert_same_bits("group_norm's mean", a[0].mean, a[1].mean, statistics * sizeof(float));
    assert_same_bits("group_norm_backward", a[0].dx, a[1].dx, count * sizeof(float));
    assert_same_bits("group_norm's dgamma", a[0].dgamma, a[1].dgamma, channels * sizeof(float));
    assert_same_bits("group_norm's dbeta", a[0].dbeta, a[1].dbeta, channels * sizeof(float));
    for (int n = shape->images; n < blocks_of(shape->images) * LANES; n++)
        for (size_t f = 0; f < features; f++)
            assert_true(a[1].dx[((size_t)(n / LANES) * features + f) * LANES + n % LANES] == 0.0f);
    for (int t = 0; t < 2; t++)
        free(a[t].mean), free(a[t].inverse_std), free(a[t].y), free(a[t].dx), free(a[t].dgamma),
            free(a[t].dbeta);
    free(x), free(dy), free(gamma), free(beta);
}

static void group_norms(void)
{
    const struct group_norm_shape shapes[] = {
        {33, 2, 3 * 49, 49},   {16, 1, 84, 1},  {5, 4, 2 * 64, 64},     {17, 1, 6 * 30, 1}, {1, 3, 1, 1},
        {20, 2, 8 * 100, 100}, {16, 1, 33, 33}, {40, 1, 4 * 8 * 8, 64}, {3, 5, 2 * 3, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        compare_norm(&shapes[i]);
}

struct dropout_arguments {
    int images, channels, plane;
    double p;
    const float *x;
    uint16_t *mask;
    float *y;
};

static void run_dropout(const struct kernels *kernels, void *argument, struct member member)
{
    struct dropout_arguments *a = argument;
    struct random_source source = {.seed = 77, .stream = RANDOM_DROPOUT, .owner = 1, .step = 3, .epoch = 2};
    kernels->dropout_mask(&source, a->images, a->channels, a->p, a->mask, member);
    team_barrier(member);
    kernels->dropout_apply_channels(a->images, a->channels, a->plane, a->p, a->mask, a->x, a->y, member);
}

static void channel_dropouts(void)
{
    const struct kernels *tables[2] = {kernel_reference(), tested};
    const struct dropout_arguments cases[] = {{.images = 33, .channels = 12, .plane = 49, .p = 0.3},
                                              {.images = 1, .channels = 3, .plane = 1, .p = 0.5},
                                              {.images = 16, .channels = 9, .plane = 4, .p = 0.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t masks = (size_t)blocks_of(cases[i].images) * cases[i].channels;
        size_t count = masks * cases[i].plane * LANES;
        float *x = make_values(count, 1);
        struct dropout_arguments a[2] = {cases[i], cases[i]};
        for (int t = 0; t < 2; t++) {
            a[t].x = x, a[t].mask = calloc(masks, sizeof(uint16_t)), a[t].y = make_unset(count);
            run(run_dropout, tables[t], &a[t]);
        }
        assert_same_bits("dropout_apply_channels", a[0].y, a[1].y, count * sizeof(float));
        for (int t = 0; t < 2; t++)
            free(a[t].mask), free(a[t].y);
        free(x);
    }
}

static void grouped_convolutions_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    grouped_convolutions();
}

static void gates_and_sums_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(gates);
}

static void group_norms_have_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(group_norms);
}

static void dropout_of_channels_has_the_bits_of_the_reference(void **state)
{
    (void)state;
    for_all_tables(channel_dropouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grouped_convolutions_have_the_bits_of_the_reference),
        cmocka_unit_test(gates_and_sums_have_the_bits_of_the_reference),
        cmocka_unit_test(group_norms_have_the_bits_of_the_reference),
        cmocka_unit_test(dropout_of_channels_has_the_bits_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

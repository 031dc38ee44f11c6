/* What a step relies on where the team does not meet (src/nn/model.c, struct progress): the kernels of layers
 * that divide blocks, forward and backward, and those that load images or compute losses, leave the blocks of
 * other members alone, wherever the blocks are a multiple of the members. */
#include "kernel_teams.h"

enum { CHANNELS = 6, SIDE = 8, BLOCKS = 6, IMAGES = BLOCKS * LANES, VALUES = CHANNELS * SIDE * SIDE };

static const struct conv2d_shape conv = {IMAGES, CHANNELS, SIDE, SIDE, CHANNELS, SIDE, SIDE,
                                         3,      3,        1,    1,    1,        1};
static const struct pool2d_shape pool = {IMAGES, CHANNELS, SIDE, SIDE, SIDE / 2, SIDE / 2, 2, 2, 2, 2, 0, 0};

struct division {
    real *x, *y, *weight, *scratch;
    uint16_t *chosen;
    const struct augmented_image *images;
    size_t count;
};

static void load(const struct kernels *kernels, const struct division *d, struct member member)
{
    static const float scale[CHANNELS] = {1, 1, 1, 1, 1, 1}, offset[CHANNELS];
    struct load_shape shape = {
        .channels = CHANNELS, .height = SIDE, .width = SIDE, .scale = scale, .offset = offset};
    kernels->load_images(&shape, d->images, IMAGES, d->y, member);
}

static void load_vectors(const struct kernels *kernels, const struct division *d, struct member member)
{
    static float scale[VALUES], offset[VALUES];
    struct load_shape shape = {.channels = VALUES, .height = 1, .width = 1, .scale = scale, .offset = offset};
    kernels->load_images(&shape, d->images, IMAGES, d->y, member);
}

static void convolve(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->conv2d_forward(&conv, d->x, d->weight, NULL, d->y, d->scratch, member);
}

static void activate(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->activation_forward(ACTIVATION_TANH, d->count, d->x, d->y, member);
}

static void gate(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->gate_forward(GATE_SILU, 0, d->count, d->x, d->y, member);
}

static void add(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->add(d->count, d->x, d->x, d->y, member);
}

static void average(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->avg_pool2d_forward(&pool, d->x, d->y, member);
}

static void largest(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->max_pool2d_forward(&pool, d->x, d->y, d->chosen, member);
}

static void activate_and_average(const struct kernels *kernels, const struct division *d,
                                 struct member member)
{
    if (kernels->activation_avg_pool2d_applies(&pool))
        kernels->activation_avg_pool2d_forward(ACTIVATION_TANH, &pool, d->x, d->y, member);
    else
        average(kernels, d, member);
}

/* A linear layer of VALUES inputs and as many outputs would be slow in the specification: of few inputs, or
 * of few outputs backward. */
enum { FEATURES = 24 };
static const struct linear_shape widens = {IMAGES, FEATURES, VALUES}, narrows = {IMAGES, VALUES, FEATURES};

static void multiply(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->linear_forward(&widens, d->x, d->weight, NULL, d->y, d->scratch, member);
}

static void multiply_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->linear_backward_input(&narrows, d->x, d->weight, d->y, d->scratch, member);
}

static void convolve_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->conv2d_backward_input(&conv, d->x, d->weight, d->y, d->scratch, member);
}

static void activate_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->activation_backward(ACTIVATION_TANH, d->count, d->x, d->x, d->y, member);
}

static void gate_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->gate_backward(GATE_SILU, 0, d->count, d->x, d->x, d->y, member);
}

static void average_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->avg_pool2d_backward(&pool, d->x, d->y, member);
}

static void largest_back(const struct kernels *kernels, const struct division *d, struct member member)
{
    kernels->max_pool2d_backward(&pool, d->x, d->chosen, d->y, member);
}

static void activate_and_average_back(const struct kernels *kernels, const struct division *d,
                                      struct member member)
{
    if (kernels->activation_avg_pool2d_applies(&pool))
        kernels->activation_avg_pool2d_backward(ACTIVATION_TANH, &pool, d->x, d->x, d->y, member);
    else
        average_back(kernels, d, member);
}

static void cross_entropy(const struct kernels *kernels, const struct division *d, struct member member)
{
    static const uint16_t labels[IMAGES];
    struct loss_part parts[BLOCKS];
    kernels->softmax_cross_entropy(IMAGES, IMAGES, VALUES, d->x, labels, 0.0, d->y, parts, NULL, member);
}

static void squared_error(const struct kernels *kernels, const struct division *d, struct member member)
{
    static const float targets[IMAGES * VALUES];
    struct loss_part parts[BLOCKS];
    kernels->squared_error(IMAGES, IMAGES, VALUES, d->x, targets, d->y, parts, member);
}

static void weighted_cross_entropy(const struct kernels *kernels, const struct division *d,
                                   struct member member)
{
    static const uint16_t labels[IMAGES];
    static real weights[VALUES];
    struct loss_part parts[BLOCKS];
    for (int i = 0; i < VALUES; i++)
        weights[i] = 1;
    struct weighted_loss loss = {
        .images = IMAGES, .classes = VALUES, .weights = weights, .inverse_total = 1.0 / IMAGES};
    kernels->weighted_cross_entropy(&loss, d->x, labels, d->y, parts, NULL, member);
}

static const struct {
    const char *name;
    void (*run)(const struct kernels *kernels, const struct division *d, struct member member);
    size_t block; /* values of y */
} divisions[] = {
    {"load_images", load, VALUES},
    {"load_images of vectors", load_vectors, VALUES},
    {"conv2d_forward", convolve, VALUES},
    {"activation_forward", activate, VALUES},
    {"gate_forward", gate, VALUES},
    {"add", add, VALUES},
    {"avg_pool2d_forward", average, VALUES / 4},
    {"max_pool2d_forward", largest, VALUES / 4},
    {"activation_avg_pool2d_forward", activate_and_average, VALUES / 4},
    {"linear_forward", multiply, VALUES},
    {"linear_backward_input", multiply_back, VALUES},
    {"conv2d_backward_input", convolve_back, VALUES},
    {"activation_backward", activate_back, VALUES},
    {"gate_backward", gate_back, VALUES},
    {"avg_pool2d_backward", average_back, VALUES},
    {"max_pool2d_backward", largest_back, VALUES},
    {"activation_avg_pool2d_backward", activate_and_average_back, VALUES},
    {"softmax_cross_entropy", cross_entropy, VALUES},
    {"weighted_cross_entropy", weighted_cross_entropy, VALUES},
    {"squared_error", squared_error, VALUES},
};

/* One member alone: NaN stays exactly where the blocks of others are. */
static void check(const struct kernels *kernels, size_t which, const struct division *inputs,
                  struct member member)
{
    struct division d = *inputs;
    size_t block = divisions[which].block * LANES;
    long begin, end;
    d.y = make_unset(BLOCKS * block);
    member_range(member, BLOCKS, &begin, &end);
    divisions[which].run(kernels, &d, member);
    for (size_t i = 0; i < BLOCKS * block; i++) {
        long at = (long)(i / block);
        bool own = at >= begin && at < end;
        if (own == (bool)isnan(d.y[i]))
            fail_msg("%s of %s, member %d of %d: block %ld is %s", divisions[which].name, kernels->name,
                     member.index, member.size, at, own ? "not written" : "written");
    }
    free(d.y);
}

static void members_keep_to_their_blocks(void **state)
{
    (void)state;
    static uint8_t pixels[VALUES];
    struct augmented_image *images = calloc(IMAGES, sizeof *images);
    for (int i = 0; i < IMAGES; i++)
        images[i].pixels = pixels;
    for (int table = -1; table < TABLE_NAMES; table++) {
        const struct kernels *kernels = table < 0 ? kernel_reference() : kernel_by_name(table_names[table]);
        for (int size = 1; kernels && size <= BLOCKS; size++)
            for (size_t k = 0; BLOCKS % size == 0 && k < sizeof divisions / sizeof *divisions; k++) {
                size_t count = (size_t)BLOCKS * VALUES * LANES;
                size_t weights = kernels->conv2d_weight_size(&conv) + kernels->linear_weight_size(&widens) +
                                 kernels->linear_weight_size(&narrows);
                struct division d = {.x = make_values(count, 1),
                                     .weight = make_values(weights, 2),
                                     .scratch = make_values(kernels->conv2d_scratch(&conv), 3),
                                     .chosen = calloc(count, sizeof(uint16_t)),
                                     .images = images,
                                     .count = count};
                for (int index = 0; index < size; index++)
                    check(kernels, k, &d, (struct member){.index = index, .size = size});
                free(d.x), free(d.weight), free(d.scratch), free(d.chosen);
            }
    }
    free(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members_keep_to_their_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

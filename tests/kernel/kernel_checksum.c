/* usage: kernel_checksum TABLE: trains a small network of every kind of kernel by hand and prints a checksum
 * of all that it computed, for comparing instruction sets that do not run on one machine. */
#include "kernel_cases.h"

enum { IMAGES = 37, SIDE = 12, CLASSES = 5, CHANNELS = 7, HIDDEN = 19, STEPS = 12 };
enum { POOLED = CHANNELS * (SIDE / 2) * (SIDE / 2), INPUTS = CHANNELS * SIDE * SIDE };

static const struct kernels *kernels;
static uint64_t checksum = 0xcbf29ce484222325ull;

/* FNV-1a over the bytes of what a kernel wrote. */
static void note(const void *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        checksum = (checksum ^ ((const uint8_t *)memory)[i]) * 0x100000001b3ull;
}

static float *lanes(size_t features)
{
    float *values = make_values((size_t)blocks_of(IMAGES) * features * LANES, 1);
    memset(values, 0, (size_t)blocks_of(IMAGES) * features * LANES * sizeof *values);
    return values;
}

static void note_lanes(const float *values, size_t features)
{
    note(values, (size_t)blocks_of(IMAGES) * features * LANES * sizeof *values);
}

struct parameters {
    float *values, *gradients, *first, *second;
    size_t count;
};

static struct parameters parameters_of(size_t count, uint64_t seed)
{
    struct parameters p = {make_values(count, seed), make_values(count, 1), make_values(count, 1),
                           make_values(count, 1), count};
    for (size_t i = 0; i < count; i++)
        p.values[i] *= 0.2f, p.gradients[i] = p.first[i] = p.second[i] = 0.0f;
    return p;
}

static void update(struct parameters *p)
{
    struct adam_step step = {.lr = 1e-2f,
                             .eps = 1e-8f,
                             .weight_decay = 1e-3f,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .step_size = 1e-2f,
                             .inverse_sqrt_bias2 = 1.0f};
    kernels->adam_update(&step, 0, p->count, p->values, p->gradients, p->first, p->second);
    note(p->values, p->count * sizeof(float));
}

/* The buffers of the network: load, conv, norm, tanh, max pool, dropout, linear, loss. */
struct network {
    struct parameters filter, scale, weight;
    float *x, *conv, *norm, *pool, *dropped, *logits, *dlogits, *dpool, *dnorm, *dconv, *dx, *average,
        *scratch;
    uint16_t *chosen, *mask, labels[IMAGES], predictions[IMAGES];
    float running_mean[CHANNELS], running_var[CHANNELS], mean[CHANNELS], inverse_std[CHANNELS];
    uint8_t pixels[IMAGES][SIDE * SIDE];
    struct augmented_image images[IMAGES];
};

static const struct conv2d_shape conv = {IMAGES, 1, SIDE, SIDE, CHANNELS, SIDE, SIDE, 5, 5, 1, 1, 2, 2};
static const struct pool2d_shape pool = {IMAGES, CHANNELS, SIDE, SIDE, SIDE / 2, SIDE / 2, 2, 2, 2, 2, 0, 0};
static const struct norm_shape norm = {IMAGES, CHANNELS, SIDE, SIDE};
static const struct linear_shape linear = {IMAGES, POOLED, CLASSES};

static void make_network(struct network *n)
{
    n->filter = parameters_of(kernels->conv2d_weight_size(&conv) + 32, 2);
    n->scale = parameters_of(64, 3);
    n->weight = parameters_of(kernels->linear_weight_size(&linear) + 16, 4);
    n->x = lanes(SIDE * SIDE), n->conv = lanes(INPUTS), n->norm = lanes(INPUTS), n->pool = lanes(POOLED);
    n->dropped = lanes(POOLED), n->logits = lanes(CLASSES), n->dlogits = lanes(CLASSES),
    n->dpool = lanes(POOLED);
    n->dnorm = lanes(INPUTS), n->dconv = lanes(INPUTS), n->dx = lanes(SIDE * SIDE),
    n->average = lanes(POOLED);
    n->scratch = make_values(kernels->conv2d_scratch(&conv) + kernels->linear_scratch(&linear), 1);
    n->chosen = calloc((size_t)blocks_of(IMAGES) * POOLED * LANES, sizeof(uint16_t));
    n->mask = calloc((size_t)blocks_of(IMAGES) * POOLED, sizeof(uint16_t));
    for (int i = 0; i < IMAGES; i++) {
        for (int p = 0; p < SIDE * SIDE; p++)
            n->pixels[i][p] = (uint8_t)((i * 31 + p * 17) % 251);
        n->labels[i] = (uint16_t)(i % CLASSES);
        n->images[i] = (struct augmented_image){.pixels = n->pixels[i],
                                                .shift_x = i % 3 - 1,
                                                .shift_y = i % 4 - 2,
                                                .flip = i % 2,
                                                .erase_y1 = i % 5,
                                                .erase_x1 = 4};
    }
}

static void forward(struct network *n, uint32_t step)
{
    static const float scale = 0.01f, offset = -1.0f;
    struct load_shape load = {
        .channels = 1, .height = SIDE, .width = SIDE, .scale = &scale, .offset = &offset};
    struct random_source source = {.seed = 77, .stream = RANDOM_DROPOUT, .step = step};
    struct member alone = member_alone();
    float *bias = n->filter.values + n->filter.count - 32;
    kernels->load_images(&load, n->images, IMAGES, n->x, alone);
    kernels->conv2d_forward(&conv, n->x, n->filter.values, bias, n->conv, n->scratch, alone);
    kernels->batch_norm_forward_train(&norm, n->conv, n->scale.values, n->scale.values + 32, 1e-5, 0.1,
                                      n->running_mean, n->running_var, n->mean, n->inverse_std, n->norm,
                                      alone);
    enum activation kind = (enum activation)(step % 3);
    kernels->activation_forward(kind, (size_t)blocks_of(IMAGES) * INPUTS * LANES, n->norm, n->norm, alone);
    kernels->avg_pool2d_forward(&pool, n->norm, n->average, alone);
    kernels->max_pool2d_forward(&pool, n->norm, n->pool, n->chosen, alone);
    kernels->dropout_mask(&source, IMAGES, POOLED, 0.3, n->mask, alone);
    kernels->dropout_apply(IMAGES, POOLED, 0.3, n->mask, n->pool, n->dropped, alone);
    kernels->linear_forward(&linear, n->dropped, n->weight.values, n->weight.values + n->weight.count - 16,
                            n->logits, n->scratch, alone);
    note_lanes(n->average, POOLED);
    note_lanes(n->logits, CLASSES);
}

static void backward(struct network *n, uint32_t step)
{
    struct loss_part parts[(IMAGES + LANES - 1) / LANES];
    struct member alone = member_alone();
    size_t inputs = (size_t)blocks_of(IMAGES) * INPUTS * LANES;
    kernels->softmax_cross_entropy(IMAGES, IMAGES, CLASSES, n->logits, n->labels, 0.1, n->dlogits, parts,
                                   n->predictions, alone);
    for (size_t b = 0; b < sizeof parts / sizeof *parts; b++)
        note(&parts[b].loss, sizeof parts[b].loss);
    kernels->linear_backward_weight(&linear, n->dropped, n->dlogits, n->weight.gradients,
                                    n->weight.gradients + n->weight.count - 16, n->scratch, alone);
    kernels->linear_backward_input(&linear, n->dlogits, n->weight.values, n->dpool, n->scratch, alone);
    kernels->dropout_apply(IMAGES, POOLED, 0.3, n->mask, n->dpool, n->dpool, alone);
    kernels->avg_pool2d_backward(&pool, n->dpool, n->dnorm, alone);
    note_lanes(n->dnorm, INPUTS);
    kernels->max_pool2d_backward(&pool, n->dpool, n->chosen, n->dnorm, alone);
    kernels->activation_backward((enum activation)(step % 3), inputs, n->norm, n->dnorm, n->dnorm, alone);
    kernels->batch_norm_backward(&norm, n->conv, n->dnorm, n->scale.values, n->mean, n->inverse_std, n->dconv,
                                 n->scale.gradients, n->scale.gradients + 32, alone);
    kernels->conv2d_backward_input(&conv, n->dconv, n->filter.values, n->dx, n->scratch, alone);
    note_lanes(n->dx, SIDE * SIDE);
    kernels->conv2d_backward_weight(&conv, n->x, n->dconv, n->filter.gradients,
                                    n->filter.gradients + n->filter.count - 32, n->scratch, WHOLE_BATCH,
                                    alone);
}

/* Depthwise and grouped convolutions, norms within an image, gates, sums and dropout of channels. */
static void note_later_layers(const struct network *n, uint32_t step)
{
    enum { VALUES = (IMAGES + LANES - 1) / LANES * INPUTS * LANES, WEIGHTS = CHANNELS * 25 };
    const struct conv2d_shape depthwise = conv_case(IMAGES, CHANNELS, SIDE, SIDE, CHANNELS, 5, 5, 1, 2);
    const struct group_norm_shape group = {IMAGES, 1, INPUTS, SIDE * SIDE};
    struct member alone = member_alone();
    float *y = lanes(INPUTS), *dx = lanes(INPUTS), *weight = make_values(WEIGHTS, 9);
    float *dweight = make_values(WEIGHTS, 1), *statistics = lanes(2), dbias[CHANNELS];
    uint16_t mask[(IMAGES + LANES - 1) / LANES * CHANNELS];
    struct random_source source = {.seed = 78, .stream = RANDOM_DROPOUT, .step = step};
    kernels->grouped_conv2d_forward(&depthwise, CHANNELS, n->norm, weight, weight, y, alone);
    kernels->grouped_conv2d_backward_input(&depthwise, CHANNELS, n->dconv, weight, dx, alone);
    kernels->grouped_conv2d_backward_weight(&depthwise, CHANNELS, n->norm, n->dconv, dweight, dbias, alone);
    note_lanes(y, INPUTS), note_lanes(dx, INPUTS), note(dweight, sizeof(float) * WEIGHTS);
    kernels->group_norm_forward(&group, y, weight, weight + 8, 1e-5, statistics, statistics + VALUES / INPUTS,
                                dx, alone);
    note_lanes(dx, INPUTS);
    kernels->group_norm_backward(&group, y, n->dconv, weight, statistics, statistics + VALUES / INPUTS, dx,
                                 dweight, dbias, alone);
    note_lanes(dx, INPUTS), note(dbias, sizeof dbias);
    enum gate gate = (enum gate)(step % 4);
    kernels->gate_forward(gate, 0.1, VALUES, y, dx, alone);
    note_lanes(dx, INPUTS);
    kernels->gate_backward(gate, 0.1, VALUES, y, n->dconv, dx, alone);
    kernels->add(VALUES, dx, y, dx, alone);
    kernels->dropout_mask(&source, IMAGES, CHANNELS, 0.3, mask, alone);
    kernels->dropout_apply_channels(IMAGES, CHANNELS, SIDE * SIDE, 0.3, mask, dx, dx, alone);
    note_lanes(dx, INPUTS);
    free(y), free(dx), free(weight), free(dweight), free(statistics);
}

/* Winograd's convolution of the norm's output. */
static void note_winograd(const struct network *n)
{
    enum { WEIGHTS = CHANNELS * CHANNELS * 15 };
    const struct conv2d_shape shape = conv_case(IMAGES, CHANNELS, SIDE, SIDE, CHANNELS, 3, 5, 1, 0);
    struct member alone = member_alone();
    size_t outputs = conv_outputs(&shape);
    float *y = lanes(outputs), *dx = lanes(INPUTS), *weight = make_values(WEIGHTS, 9);
    float *dweight = make_values(WEIGHTS, 1), dbias[CHANNELS],
          *scratch = make_values(kernels->winograd_scratch(&shape), 1),
          *sums = make_values(kernels->winograd_sums(&shape), 1);
    kernels->winograd_forward(&shape, n->norm, weight, weight, y, scratch, alone);
    note_lanes(y, outputs);
    kernels->winograd_backward(&shape, n->norm, y, weight, dx, dweight, dbias, scratch, sums, WHOLE_BATCH,
                               alone);
    note_lanes(dx, INPUTS), note(dweight, sizeof(float) * WEIGHTS), note(dbias, sizeof dbias);
    free(y), free(dx), free(weight), free(dweight), free(scratch), free(sums);
}

int main(int count, char **arguments)
{
    static struct network network;
    kernels = count == 2 ? kernel_by_name(arguments[1]) : NULL;
    if (!kernels) {
        fprintf(stderr, "usage: kernel_checksum TABLE, one that this machine runs\n");
        return 2;
    }
    make_network(&network);
    for (uint32_t step = 0; step < STEPS; step++) {
        forward(&network, step);
        backward(&network, step);
        note_later_layers(&network, step);
        note_winograd(&network);
        update(&network.filter);
        update(&network.scale);
        update(&network.weight);
    }
    printf("%016llx\n", (unsigned long long)checksum);
    return 0;
}

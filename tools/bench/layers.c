/* Every kernel call of a step, one at a time. The calls go round in the order of a step, so each finds in the
 * caches what the call before it left there, as in training; the peak is measured between rounds. */
#include "layers.h"

#include "peak.h"
#include "samples.h"

enum { REPETITIONS_LIMIT = 1001 };

/* The buffers of a step, as the model lays them out. */
struct step {
    const struct kernels *kernels;
    int batch;
    struct member member;
    uint8_t *pixels;
    struct augmented_image *images;
    uint16_t *labels, *mask;
    float *x, *conv1, *pool1, *conv2, *pool2, *conv3, *fc1, *logits;
    float *d_conv1, *d_pool1, *d_conv2, *d_pool2, *d_conv3, *d_fc1, *d_logits;
    float *parameters, *gradients, *first, *second, *scratch, *sums;
    struct loss_part *parts;
};

static float *values(size_t count)
{
    float *memory = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    for (size_t i = 0; memory && i < count; i++)
        memory[i] = (float)((i * 2654435761u >> 8) % 2001) * 0.001f - 1.0f;
    return memory;
}

static struct conv2d_shape conv1_of(const struct step *step)
{
    return (struct conv2d_shape){step->batch, 1, 28, 28, 6, 28, 28, 5, 5, 1, 1, 2, 2};
}

static struct conv2d_shape conv2_of(const struct step *step)
{
    return (struct conv2d_shape){step->batch, 6, 14, 14, 16, 10, 10, 5, 5, 1, 1, 0, 0};
}

static struct pool2d_shape pool_of(const struct step *step, int channels, int size)
{
    return (struct pool2d_shape){step->batch, channels, size, size, size / 2, size / 2, 2, 2, 2, 2, 0, 0};
}

static size_t lanes(const struct step *step, int features)
{
    return (size_t)blocks_of(step->batch) * (size_t)features * LANES;
}

/* Offsets of the parameters; rows of linear layers are padded. */
enum {
    CONV1 = 0,
    CONV2 = 192,
    CONV3 = 2688,
    FC1 = CONV3 + 120 * 400 + 128,
    FC2 = FC1 + 84 * 144 + 128,
    ALL = FC2 + 1280
};

static void load(struct step *s)
{
    static const float scale = 0.011f, offset = -0.8f;
    struct load_shape shape = {.channels = 1, .height = 28, .width = 28, .scale = &scale, .offset = &offset};
    s->kernels->load_images(&shape, s->images, s->batch, s->x, s->member);
}

static void conv1_forward(struct step *s)
{
    struct conv2d_shape shape = conv1_of(s);
    s->kernels->conv2d_forward(&shape, s->x, s->parameters + CONV1, s->parameters + 160, s->conv1, s->scratch,
                               s->member);
}

static void tanh_pool1_forward(struct step *s)
{
    struct pool2d_shape shape = pool_of(s, 6, 28);
    s->kernels->activation_avg_pool2d_forward(ACTIVATION_TANH, &shape, s->conv1, s->pool1, s->member);
}

static void conv2_forward(struct step *s)
{
    struct conv2d_shape shape = conv2_of(s);
    s->kernels->conv2d_forward(&shape, s->pool1, s->parameters + CONV2, s->parameters + 160, s->conv2,
                               s->scratch, s->member);
}

static void tanh_pool2_forward(struct step *s)
{
    struct pool2d_shape shape = pool_of(s, 16, 10);
    s->kernels->activation_avg_pool2d_forward(ACTIVATION_TANH, &shape, s->conv2, s->pool2, s->member);
}

static void conv3_forward(struct step *s)
{
    struct linear_shape shape = {s->batch, 400, 120};
    s->kernels->linear_forward(&shape, s->pool2, s->parameters + CONV3, s->parameters, s->conv3, s->scratch,
                               s->member);
}

static void fc1_forward(struct step *s)
{
    struct linear_shape shape = {s->batch, 120, 84};
    s->kernels->linear_forward(&shape, s->conv3, s->parameters + FC1, s->parameters, s->fc1, s->scratch,
                               s->member);
}

static void tanh3_forward(struct step *s)
{
    s->kernels->activation_forward(ACTIVATION_TANH, lanes(s, 84), s->fc1, s->fc1, s->member);
}

static void fc2_forward(struct step *s)
{
    struct linear_shape shape = {s->batch, 84, 10};
    s->kernels->linear_forward(&shape, s->fc1, s->parameters + FC2, s->parameters, s->logits, s->scratch,
                               s->member);
}

static void loss(struct step *s)
{
    s->kernels->softmax_cross_entropy(s->batch, s->batch, 10, s->logits, s->labels, 0.0, s->d_logits,
                                      s->parts, NULL, s->member);
}

static void fc2_backward(struct step *s)
{
    struct linear_shape shape = {s->batch, 84, 10};
    s->kernels->linear_backward_input(&shape, s->d_logits, s->parameters + FC2, s->d_fc1, s->scratch,
                                      s->member);
    s->kernels->linear_backward_weight(&shape, s->fc1, s->d_logits, s->gradients + FC2, s->gradients,
                                       s->scratch, s->member);
}

static void tanh3_backward(struct step *s)
{
    s->kernels->activation_backward(ACTIVATION_TANH, lanes(s, 84), s->fc1, s->d_fc1, s->d_fc1, s->member);
}

static void fc1_backward(struct step *s)
{
    struct linear_shape shape = {s->batch, 120, 84};
    s->kernels->linear_backward_input(&shape, s->d_fc1, s->parameters + FC1, s->d_conv3, s->scratch,
                                      s->member);
    s->kernels->linear_backward_weight(&shape, s->conv3, s->d_fc1, s->gradients + FC1, s->gradients,
                                       s->scratch, s->member);
}

static void conv3_backward_input(struct step *s)
{
    struct linear_shape shape = {s->batch, 400, 120};
    s->kernels->linear_backward_input(&shape, s->d_conv3, s->parameters + CONV3, s->d_pool2, s->scratch,
                                      s->member);
}

static void conv3_backward_weight(struct step *s)
{
    struct linear_shape shape = {s->batch, 400, 120};
    s->kernels->linear_backward_weight(&shape, s->pool2, s->d_conv3, s->gradients + CONV3, s->gradients,
                                       s->scratch, s->member);
}

static void tanh_pool2_backward(struct step *s)
{
    struct pool2d_shape shape = pool_of(s, 16, 10);
    s->kernels->activation_avg_pool2d_backward(ACTIVATION_TANH, &shape, s->conv2, s->d_pool2, s->d_conv2,
                                               s->member);
}

static void conv2_backward_input(struct step *s)
{
    struct conv2d_shape shape = conv2_of(s);
    s->kernels->conv2d_backward_input(&shape, s->d_conv2, s->parameters + CONV2, s->d_pool1, s->scratch,
                                      s->member);
}

static void conv2_backward_weight(struct step *s)
{
    struct conv2d_shape shape = conv2_of(s);
    s->kernels->conv2d_backward_weight(&shape, s->pool1, s->d_conv2, s->gradients + CONV2, s->gradients,
                                       s->scratch, WHOLE_BATCH, s->member);
}

static void conv2_winograd_forward(struct step *s)
{
    struct conv2d_shape shape = conv2_of(s);
    s->kernels->winograd_forward(&shape, s->pool1, s->parameters + CONV2, s->parameters + 160, s->conv2,
                                 s->scratch, s->member);
}

static void conv2_winograd_backward(struct step *s)
{
    struct conv2d_shape shape = conv2_of(s);
    s->kernels->winograd_backward(&shape, s->pool1, s->d_conv2, s->parameters + CONV2, s->d_pool1,
                                  s->gradients + CONV2, s->gradients, s->scratch, s->sums, WHOLE_BATCH,
                                  s->member);
}

/* Weights alone: nobody needs the images' gradient. */
static void conv1_pool1_backward(struct step *s)
{
    struct conv2d_shape shape = conv1_of(s);
    struct pool2d_shape pool = pool_of(s, 6, 28);
    if (s->kernels->conv2d_pooled_applies(&shape)) {
        s->kernels->conv2d_pooled_backward_weight(&shape, ACTIVATION_TANH, s->x, s->conv1, s->d_pool1,
                                                  s->gradients + CONV1, s->gradients + 160, s->scratch,
                                                  WHOLE_BATCH, s->member);
        return;
    }
    s->kernels->activation_avg_pool2d_backward(ACTIVATION_TANH, &pool, s->conv1, s->d_pool1, s->d_conv1,
                                               s->member);
    s->kernels->conv2d_backward_weight(&shape, s->x, s->d_conv1, s->gradients + CONV1, s->gradients + 160,
                                       s->scratch, WHOLE_BATCH, s->member);
}

static void adam(struct step *s)
{
    struct adam_step step = {.lr = 1e-3f,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .eps = 1e-8f,
                             .step_size = 1e-5f,
                             .inverse_sqrt_bias2 = 1.0f};
    long first, last;
    member_range(s->member, ALL / LANES, &first, &last);
    s->kernels->adam_update(&step, (size_t)first * LANES, (size_t)last * LANES, s->parameters, s->gradients,
                            s->first, s->second);
}

/* The last two stand beside the second convolution's three, not in a step. */
static const struct {
    const char *name;
    double multiply_adds;
    void (*run)(struct step *step);
    bool alternative;
} calls[] = {
    {"load", 0, load, false},
    {"conv1 forward", 117600, conv1_forward, false},
    {"tanh and pool 1 forward", 0, tanh_pool1_forward, false},
    {"conv2 forward", 240000, conv2_forward, false},
    {"tanh and pool 2 forward", 0, tanh_pool2_forward, false},
    {"conv3 forward", 48000, conv3_forward, false},
    {"fc1 forward", 10080, fc1_forward, false},
    {"tanh3 forward", 0, tanh3_forward, false},
    {"fc2 forward", 840, fc2_forward, false},
    {"loss", 0, loss, false},
    {"fc2 backward", 2 * 840, fc2_backward, false},
    {"tanh3 backward", 0, tanh3_backward, false},
    {"fc1 backward", 2 * 10080, fc1_backward, false},
    {"conv3 backward input", 48000, conv3_backward_input, false},
    {"conv3 backward weight", 48000, conv3_backward_weight, false},
    {"tanh and pool 2 backward", 0, tanh_pool2_backward, false},
    {"conv2 backward input", 240000, conv2_backward_input, false},
    {"conv2 backward weight", 240000, conv2_backward_weight, false},
    {"pool 1 to conv1 backward", 117600, conv1_pool1_backward, false},
    {"Adam", 0, adam, false},
    {"conv2 forward, Winograd", 240000, conv2_winograd_forward, true},
    {"conv2 backward, Winograd", 480000, conv2_winograd_backward, true},
};
enum { CALLS = sizeof calls / sizeof *calls };

static void make_step(struct step *s)
{
    size_t blocks = (size_t)blocks_of(s->batch);
    struct conv2d_shape conv1 = conv1_of(s), conv2 = conv2_of(s);
    struct linear_shape conv3 = {s->batch, 400, 120};
    size_t scratch = s->kernels->conv2d_scratch(&conv2), other = s->kernels->conv2d_scratch(&conv1);
    scratch = scratch > other ? scratch : other;
    other = s->kernels->winograd_scratch(&conv2);
    scratch = scratch > other ? scratch : other;
    other = s->kernels->linear_scratch(&conv3);
    scratch = scratch > other ? scratch : other;
    s->pixels = malloc((size_t)s->batch * 784);
    s->images = calloc((size_t)s->batch, sizeof *s->images);
    s->labels = calloc((size_t)s->batch, sizeof *s->labels);
    s->parts = calloc(blocks, sizeof *s->parts);
    for (int i = 0; i < s->batch * 784; i++)
        s->pixels[i] = (uint8_t)(i * 7);
    for (int i = 0; i < s->batch; i++) {
        s->images[i].pixels = s->pixels + i * 784;
        s->labels[i] = (uint16_t)(i % 10);
    }
    s->x = values(lanes(s, 784)), s->conv1 = values(lanes(s, 4704)), s->pool1 = values(lanes(s, 1176));
    s->conv2 = values(lanes(s, 1600)), s->pool2 = values(lanes(s, 400)), s->conv3 = values(lanes(s, 120));
    s->fc1 = values(lanes(s, 84)), s->logits = values(lanes(s, 10));
    s->d_conv1 = values(lanes(s, 4704)), s->d_pool1 = values(lanes(s, 1176)),
    s->d_conv2 = values(lanes(s, 1600));
    s->d_pool2 = values(lanes(s, 400)), s->d_conv3 = values(lanes(s, 120)), s->d_fc1 = values(lanes(s, 84));
    s->d_logits = values(lanes(s, 10));
    s->parameters = values(ALL), s->gradients = values(ALL), s->first = values(ALL), s->second = values(ALL);
    s->scratch = values(scratch), s->sums = values(s->kernels->winograd_sums(&conv2));
    for (int i = 0; i < ALL; i++) {
        s->parameters[i] *= 0.05f;
        s->second[i] = 0.01f;
    }
}

static void free_step(struct step *s)
{
    void *all[] = {s->pixels,  s->images,  s->labels,  s->parts, s->x,        s->conv1,      s->pool1,
                   s->conv2,   s->pool2,   s->conv3,   s->fc1,   s->logits,   s->d_conv1,    s->d_pool1,
                   s->d_conv2, s->d_pool2, s->d_conv3, s->d_fc1, s->d_logits, s->parameters, s->gradients,
                   s->first,   s->second,  s->scratch, s->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static double timed_call(struct step *step, int call, struct member member)
{
    double start = thread_seconds();
    step->member = member;
    calls[call].run(step);
    return thread_seconds() - start;
}

/* One call after the other, as in a step; then the parts of a team of two. */
static void repeat(struct step *step, int repetition, double whole[CALLS + 2][REPETITIONS_LIMIT],
                   double parts[2][CALLS][REPETITIONS_LIMIT])
{
    double start = thread_seconds(), operations = peak_run();
    whole[CALLS][repetition] = (thread_seconds() - start) / operations;
    start = thread_seconds(), operations = peak_run_widest();
    whole[CALLS + 1][repetition] = (thread_seconds() - start) / operations;
    for (int i = 0; i < CALLS; i++)
        whole[i][repetition] = timed_call(step, i, member_alone());
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < CALLS; i++)
            parts[part][i][repetition] = timed_call(step, i, (struct member){NULL, part, 2});
}

int layers_measure(const struct kernels *kernels, int batch, int repetitions, struct layer_row *rows)
{
    static double samples[CALLS + 2][REPETITIONS_LIMIT], parts[2][CALLS][REPETITIONS_LIMIT];
    struct step step = {.kernels = kernels, .batch = batch};
    if (repetitions > REPETITIONS_LIMIT)
        repetitions = REPETITIONS_LIMIT;
    make_step(&step);
    for (int repetition = 0; repetition < repetitions; repetition++)
        repeat(&step, repetition, samples, parts);
    double peak = 1e-9 / samples_median(samples[CALLS], repetitions);
    double widest = 1e-9 / samples_median(samples[CALLS + 1], repetitions);
    for (int i = 0; i < CALLS; i++) {
        double first = samples_median(parts[0][i], repetitions),
               second = samples_median(parts[1][i], repetitions);
        rows[i] = (struct layer_row){calls[i].name, .multiply_adds = calls[i].multiply_adds,
                                     .alternative = calls[i].alternative};
        rows[i].seconds = samples_median(samples[i], repetitions);
        rows[i].least = samples[i][0]; /* in order since samples_median */
        rows[i].halves = first > second ? first : second;
        rows[i].gflops = 2e-9 * calls[i].multiply_adds * batch / rows[i].seconds;
        rows[i].fraction = rows[i].gflops / peak;
        rows[i].fraction_of_widest = rows[i].gflops / widest;
    }
    free_step(&step);
    return CALLS;
}

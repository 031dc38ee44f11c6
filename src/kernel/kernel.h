/* The numeric kernels: one table of functions for each instruction set, the same bits from all of them.
 *
 * Layout. LANES = 16 images travel together as a block: an activation is x[blocks][features][16] with
 * features = [C][H][W] flattened, image i of the batch is lane i % 16 of block i / 16. Blocks = ceil(images /
 * 16). Lanes beyond the last image hold finite values in activations and exact zeros in gradients.
 *
 * Bits. reference.c is the specification: every output is defined as one sequence of float operations (fma
 * where it says fma, in the order of its loops). Sums across lanes take 16 partials and kernel_lane_sum's
 * fixed tree. A tuned version may reorder anything that does not change that sequence. Batch statistics,
 * losses and their sums are double.
 *
 * Threads. Every function takes the member of the team that calls it and does that member's part of the
 * outputs; the caller puts a barrier between functions that depend on each other. No sum crosses members.
 *
 * Memory. Nothing here allocates; scratch is the caller's, sized by the *_scratch functions. Pointers to
 * activations, parameters and scratch are aligned to 64 bytes.
 *
 * `real` is float; the reference loops are also compiled with real = double (kernel_reference_double) so that
 * gradients can be checked against central differences. */
#ifndef RUNNER_KERNEL_KERNEL_H
#define RUNNER_KERNEL_KERNEL_H

#include "base/random.h"
#include "base/team.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef KERNEL_DOUBLE
typedef double real;
#define KERNEL_NAME(name) name##_double
#define kernel_lane_sum   kernel_lane_sum_double
#else
typedef float real;
#define KERNEL_NAME(name) name
#endif

enum { LANES = 16 };
enum { GROUP_RUN = 32 }; /* features of a group whose sum is float */

static inline int blocks_of(int images)
{
    return (images + LANES - 1) / LANES;
}

/* y[b][o][p][q] = bias[o] + sum over (i, r, s) of x[b][i][p*stride+r-padding][q*stride+s-padding] *
 * w[o][i][r][s]; terms outside the input are left out, not added as zeros. (docs/math.md: convolution) */
struct conv2d_shape {
    int images;
    int in_channels, in_height, in_width;
    int out_channels, out_height, out_width;
    int kernel_height, kernel_width;
    int stride_height, stride_width;
    int padding_height, padding_width;
};

/* y[b][o] = bias[o] + sum over i of x[b][i] * w[o][i]. A convolution whose kernel covers its whole unpadded
 * input is one. */
struct linear_shape {
    int images;
    int in_features, out_features;
};

/* Windows never leave the padded input; the average divides by kernel_height * kernel_width
 * (count_include_pad), as PyTorch. */
struct pool2d_shape {
    int images;
    int channels, in_height, in_width, out_height, out_width;
    int kernel_height, kernel_width;
    int stride_height, stride_width;
    int padding_height, padding_width;
};

struct norm_shape {
    int images;
    int channels;
    int height, width; /* 1, 1 for BatchNorm1d */
};

/* Each image's values in `groups` groups of `group_features` consecutive features are normalised together;
 * `plane` consecutive features share a gamma and a beta (GroupNorm: the channel's pixels; LayerNorm: 1). */
struct group_norm_shape {
    int images;
    int groups, group_features;
    int plane;
};

enum activation { ACTIVATION_TANH, ACTIVATION_RELU, ACTIVATION_SIGMOID };

/* Activations whose derivative needs the input: x times a gate that x itself opens. */
enum gate { GATE_LEAKY_RELU, GATE_GELU, GATE_GELU_TANH, GATE_SILU };

/* How 16 images are read: pixel p of channel c becomes fmaf(pixel, scale[c], offset[c]). Null images load as
 * zeros. */
struct load_shape {
    int channels, height, width;
    bool floats;                 /* pixels are floats, not bytes */
    const float *scale, *offset; /* [channels] */
};

/* Where one augmented image reads from: source (y + shift_y, x + shift_x), mirrored in x where flip; what
 * lies outside the image or inside [erase_y0, erase_y1) x [erase_x0, erase_x1) (in output coordinates) is raw
 * pixel 0. */
struct augmented_image {
    const void *pixels; /* uint8_t or float [channels][height][width]; NULL: an empty lane */
    int shift_y, shift_x;
    bool flip;
    int erase_y0, erase_y1, erase_x0, erase_x1;
};

/* Which part of a batch a call is given, where one batch may come in several calls, blocks in order. */
struct batch_part {
    bool first, last;
};
#define WHOLE_BATCH ((struct batch_part){true, true})

struct loss_part {
    double loss;      /* sum over the block's images, in lane order */
    uint32_t correct; /* images whose first largest logit is the label's */
};

/* Cross-entropy whose images count as much as their class weighs (docs/math.md: 33). */
struct weighted_loss {
    int images, classes;
    double smoothing;
    const float *weights; /* [classes] */
    double inverse_total; /* 1 / the sum of the images' weights */
};

/* One step of an optimiser, everything already cast to float once (docs/math.md has the formulas); the betas
 * stay double, since 1 - beta2 would lose half its digits in float. */
struct sgd_step {
    float lr, momentum, weight_decay;
    bool nesterov, first; /* first: the buffer starts as the gradient, as PyTorch has it */
};
struct adam_step {
    float lr, eps, weight_decay;
    double beta1, beta2;
    float step_size;          /* lr / (1 - beta1^t), computed in double */
    float inverse_sqrt_bias2; /* 1 / sqrt(1 - beta2^t), computed in double */
    bool decoupled;           /* AdamW */
};

struct kernels {
    const char *name; /* "reference", "portable", "avx2", "avx512", "avx512x2", "neon" */

    /* Parameters are kept in kernel order. The index functions say where the element of the common (PyTorch)
     * order is; sizes include padding, whose elements stay 0 through every optimiser. */
    size_t (*conv2d_weight_size)(const struct conv2d_shape *shape);
    size_t (*conv2d_weight_index)(const struct conv2d_shape *shape, int o, int i, int r, int s);
    size_t (*linear_weight_size)(const struct linear_shape *shape);
    size_t (*linear_weight_index)(const struct linear_shape *shape, int o, int i);

    /* Floats of scratch that the layer's forward and backward functions may use (shared by the whole team).
     */
    size_t (*conv2d_scratch)(const struct conv2d_shape *shape);
    size_t (*linear_scratch)(const struct linear_shape *shape);

    void (*load_images)(const struct load_shape *shape, const struct augmented_image *images, int count,
                        real *x, struct member member);

    /* bias and dbias may be NULL. Weight gradients are in w's order, where padding is not written; dbias[o]
     * sums dy. The convolution and linear functions contain barriers of their own where the team shares
     * scratch: conv2d_forward and conv2d_backward_input touch weights and scratch alone before it. Two calls
     * that may overlap in time need two areas of it. backward_weight may be called for a part of the batch
     * after the other, with one scratch that nobody else writes between the calls and one size of the team:
     * the sums go on where they rest there, and the gradients are written with the last part, the same bits
     * as in one call. */
    void (*conv2d_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                           const real *bias, real *y, real *scratch, struct member member);
    void (*conv2d_backward_input)(const struct conv2d_shape *shape, const real *dy, const real *weight,
                                  real *dx, real *scratch, struct member member);
    void (*conv2d_backward_weight)(const struct conv2d_shape *shape, const real *x, const real *dy,
                                   real *dweight, real *dbias, real *scratch, struct batch_part part,
                                   struct member member);

    /* The weights' gradient of a convolution whose output only an activation reads in place, and that only a
     * 2x2 average pool at stride 2: dy = activation'(activated) * (the pool's gradient pooled_dy), formed in
     * pieces instead of an array. Bit for bit activation_avg_pool2d_backward and then conv2d_backward_weight.
     * Only where `applies` is true for the shape, which it never is in the specification. */
    bool (*conv2d_pooled_applies)(const struct conv2d_shape *shape);
    void (*conv2d_pooled_backward_weight)(const struct conv2d_shape *shape, enum activation activation,
                                          const real *x, const real *activated, const real *pooled_dy,
                                          real *dweight, real *dbias, real *scratch, struct batch_part part,
                                          struct member member);

    /* The same convolution with about half the products, and other roundings (winograd.h). Where `applies` is
     * true for the shape, which depends on nothing else, the same bits from every table. The gradients are
     * formed together; dx and dbias may be NULL. backward may be called for parts of the batch as
     * conv2d_backward_weight; the sums rest in an array of winograd_sums floats. Barriers inside. */
    bool (*winograd_applies)(const struct conv2d_shape *shape);
    size_t (*winograd_scratch)(const struct conv2d_shape *shape);
    size_t (*winograd_sums)(const struct conv2d_shape *shape);
    void (*winograd_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                             const real *bias, real *y, real *scratch, struct member member);
    void (*winograd_backward)(const struct conv2d_shape *shape, const real *x, const real *dy,
                              const real *weight, real *dx, real *dweight, real *dbias, real *scratch,
                              real *sums, struct batch_part part, struct member member);

    /* Convolution of channels in groups: output channel o sees the in_channels / groups input channels of its
     * group, and its weights are weight[o][in_channels / groups][kernel_height][kernel_width] without
     * padding. Otherwise as conv2d. No barriers inside. */
    void (*grouped_conv2d_forward)(const struct conv2d_shape *shape, int groups, const real *x,
                                   const real *weight, const real *bias, real *y, struct member member);
    void (*grouped_conv2d_backward_input)(const struct conv2d_shape *shape, int groups, const real *dy,
                                          const real *weight, real *dx, struct member member);
    void (*grouped_conv2d_backward_weight)(const struct conv2d_shape *shape, int groups, const real *x,
                                           const real *dy, real *dweight, real *dbias, struct member member);

    void (*linear_forward)(const struct linear_shape *shape, const real *x, const real *weight,
                           const real *bias, real *y, real *scratch, struct member member);
    void (*linear_backward_input)(const struct linear_shape *shape, const real *dy, const real *weight,
                                  real *dx, real *scratch, struct member member);
    void (*linear_backward_weight)(const struct linear_shape *shape, const real *x, const real *dy,
                                   real *dweight, real *dbias, real *scratch, struct member member);

    void (*avg_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y,
                               struct member member);
    void (*avg_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, real *dx,
                                struct member member);
    /* chosen[b][c][p][q][16]: position r * kernel_width + s of the first largest value in its window. */
    void (*max_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y, uint16_t *chosen,
                               struct member member);
    void (*max_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, const uint16_t *chosen,
                                real *dx, struct member member);

    /* count = blocks * features * 16 values; y may be x, dx may be dy. Backward reads the output y:
     * tanh' = 1 - y*y, relu' = y > 0, sigmoid' = y * (1 - y). */
    void (*activation_forward)(enum activation activation, size_t count, const real *x, real *y,
                               struct member member);
    void (*activation_backward)(enum activation activation, size_t count, const real *y, const real *dy,
                                real *dx, struct member member);

    /* The same for gates; slope is LeakyReLU's. Backward reads the input x, so y may not be x; dx may be dy.
     */
    void (*gate_forward)(enum gate gate, double slope, size_t count, const real *x, real *y,
                         struct member member);
    void (*gate_backward)(enum gate gate, double slope, size_t count, const real *x, const real *dy, real *dx,
                          struct member member);

    /* y = a + b; y may be a. */
    void (*add)(size_t count, const real *a, const real *b, real *y, struct member member);

    /* An activation and the average pool that alone reads it, in one pass each way: x becomes the activation,
     * y its pool; dx = activation'(activated) * (the pool's gradient). Bit for bit the two calls one after
     * the other. Only where `applies` is true for the shape. */
    bool (*activation_avg_pool2d_applies)(const struct pool2d_shape *shape);
    void (*activation_avg_pool2d_forward)(enum activation activation, const struct pool2d_shape *shape,
                                          real *x, real *y, struct member member);
    void (*activation_avg_pool2d_backward)(enum activation activation, const struct pool2d_shape *shape,
                                           const real *activated, const real *dy, real *dx,
                                           struct member member);

    /* Training: mean[c] and inverse_std[c] = 1 / sqrt(variance + eps) of the batch over the valid images
     * (biased), y, and the running statistics moved by momentum (unbiased variance). xhat is recomputed in
     * backward from x. */
    void (*batch_norm_forward_train)(const struct norm_shape *shape, const real *x, const real *gamma,
                                     const real *beta, double eps, double momentum, real *running_mean,
                                     real *running_var, real *mean, real *inverse_std, real *y,
                                     struct member member);
    void (*batch_norm_forward_eval)(const struct norm_shape *shape, const real *x, const real *gamma,
                                    const real *beta, double eps, const real *running_mean,
                                    const real *running_var, real *y, struct member member);
    void (*batch_norm_backward)(const struct norm_shape *shape, const real *x, const real *dy,
                                const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                real *dgamma, real *dbeta, struct member member);

    /* The same together with an activation that alone reads y, in place, and a 2x2 average pool at stride 2
     * that alone reads that: activated and pooled are written (activated by training alone), and dy is formed
     * from activated and pooled_dy. Bit for bit the calls one after the other. Only where `applies` is true
     * for the shape, which it never is in the specification. */
    bool (*batch_norm_pool_applies)(const struct norm_shape *shape);
    void (*batch_norm_pool_forward_train)(const struct norm_shape *shape, enum activation activation,
                                          const real *x, const real *gamma, const real *beta, double eps,
                                          double momentum, real *running_mean, real *running_var, real *mean,
                                          real *inverse_std, real *activated, real *pooled,
                                          struct member member);
    void (*batch_norm_pool_forward_eval)(const struct norm_shape *shape, enum activation activation,
                                         const real *x, const real *gamma, const real *beta, double eps,
                                         const real *running_mean, const real *running_var, real *pooled,
                                         struct member member);
    void (*batch_norm_pool_backward)(const struct norm_shape *shape, enum activation activation,
                                     const real *x, const real *activated, const real *pooled_dy,
                                     const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                     real *dgamma, real *dbeta, struct member member);

    /* mean and inverse_std [blocks][groups][16] of each image's groups (biased); xhat is recomputed in
     * backward from x. dx may be NULL. */
    void (*group_norm_forward)(const struct group_norm_shape *shape, const real *x, const real *gamma,
                               const real *beta, double eps, real *mean, real *inverse_std, real *y,
                               struct member member);
    void (*group_norm_backward)(const struct group_norm_shape *shape, const real *x, const real *dy,
                                const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                real *dgamma, real *dbeta, struct member member);

    /* One bit a value, set where it is kept: bit `lane` of mask[b][feature]. The draw of (slot, feature) is
     * half-word feature % 8 of Philox block slot * ceil(features / 8) + feature / 8, slot = image's place in
     * the batch; kept where draw >= round(p * 65536). y = x * scale where kept (scale = (float)(1 / (1 -
     * p))), else +0. */
    void (*dropout_mask)(const struct random_source *source, int images, int features, double p,
                         uint16_t *mask, struct member member);
    void (*dropout_apply)(int images, int features, double p, const uint16_t *mask, const real *x, real *y,
                          struct member member);

    /* The same with one bit a channel, mask[b][channel], for all `plane` values of it. */
    void (*dropout_apply_channels)(int images, int channels, int plane, double p, const uint16_t *mask,
                                   const real *x, real *y, struct member member);

    /* logits[b][classes][16], labels[images]; parts[blocks]. dlogits (may be NULL) = (softmax - target) /
     * batch with target = (1 - smoothing) onehot + smoothing / classes; empty lanes get 0.
     * predictions[images] (may be NULL). The images may be a part of the batch. */
    void (*softmax_cross_entropy)(int images, int batch, int classes, const real *logits,
                                  const uint16_t *labels, double smoothing, real *dlogits,
                                  struct loss_part *parts, uint16_t *predictions, struct member member);

    /* The same with class weights; parts hold sums of weighted losses, dlogits is divided by their total. */
    void (*weighted_cross_entropy)(const struct weighted_loss *loss, const real *logits,
                                   const uint16_t *labels, real *dlogits, struct loss_part *parts,
                                   uint16_t *predictions, struct member member);

    /* y[b][outputs][16] against targets[images][outputs]: parts hold sums over images of the mean over
     * outputs of (y - t)^2; dy (may be NULL) = 2 (y - t) / (batch outputs). */
    void (*squared_error)(int images, int batch, int outputs, const real *y, const float *targets, real *dy,
                          struct loss_part *parts, struct member member);

    /* Over [begin, end) of the flat parameter vector; the caller divides the range. */
    void (*sgd_update)(const struct sgd_step *step, size_t begin, size_t end, real *parameter,
                       const real *gradient, real *buffer);
    void (*adam_update)(const struct adam_step *step, size_t begin, size_t end, real *parameter,
                        const real *gradient, real *first_moment, real *second_moment);

    /* For tests and for whoever needs many draws: words[4*count] = blocks first…first+count-1. */
    void (*random_blocks)(const struct random_source *source, uint32_t first, size_t count, uint32_t *words);
};

/* The specification, in float and in double. A file includes this header for one of them. */
#ifdef KERNEL_DOUBLE
const struct kernels *kernel_reference_double(void);
#else
const struct kernels *kernel_reference(void);

/* The best table that this CPU runs, or the one that RUNNER_KERNELS names ("reference", "portable", "avx2",
 * …). NULL with a message in *problem where the named one is unknown or the CPU cannot run it. Chosen once a
 * process. */
const struct kernels *kernel_select(const char **problem);
const struct kernels *kernel_by_name(const char *name); /* NULL where unknown or not runnable here */
/* The choice fell on the portable kernels because this CPU runs no others: the same results, many times
 * slower. False where RUNNER_KERNELS asked for them. */
bool kernel_lacks_vectors(void);
#endif

/* ((l0+l8)+(l4+l12)) … : halves 8 apart, then 4, then 2, then 1. */
real kernel_lane_sum(const real lanes[LANES]);

#endif

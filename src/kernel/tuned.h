/* The tuned kernels: one source over simd.h, compiled once for each instruction set with TUNED_ISA = avx2,
 * avx512, neon or portable; TUNED(name) is that compilation's name. */
#ifndef RUNNER_KERNEL_TUNED_H
#define RUNNER_KERNEL_TUNED_H

#include "kernel/kernel.h"

const struct kernels *kernel_tuned_avx512x2(void);
const struct kernels *kernel_tuned_avx512(void);
const struct kernels *kernel_tuned_avx2(void);
const struct kernels *kernel_tuned_neon(void);
const struct kernels *kernel_tuned_portable(void);

#ifdef TUNED_ISA

#define TUNED_JOIN(name, isa)   tuned_##name##_##isa
#define TUNED_EXPAND(name, isa) TUNED_JOIN(name, isa)
#define TUNED(name)             TUNED_EXPAND(name, TUNED_ISA)

size_t TUNED(conv2d_scratch)(const struct conv2d_shape *shape);
void TUNED(conv2d_forward)(const struct conv2d_shape *shape, const float *x, const float *weight,
                           const float *bias, float *y, float *scratch, struct member member);
void TUNED(conv2d_backward_input)(const struct conv2d_shape *shape, const float *dy, const float *weight,
                                  float *dx, float *scratch, struct member member);
size_t TUNED(conv2d_gradient_scratch)(const struct conv2d_shape *shape);
void TUNED(conv2d_backward_weight)(const struct conv2d_shape *shape, const float *x, const float *dy,
                                   float *dweight, float *dbias, float *scratch, struct batch_part part,
                                   struct member member);

/* The gradient of 3x3 filters, but not of biases, where it applies; sums as conv2d_backward_weight has them
 * in its scratch. */
bool TUNED(conv2d_gradient_3x3_applies)(const struct conv2d_shape *shape);
void TUNED(conv2d_gradient_3x3)(const struct conv2d_shape *shape, const float *x, const float *dy,
                                float *dweight, float *sums, struct batch_part part, struct member member);

bool TUNED(conv2d_pooled_applies)(const struct conv2d_shape *shape);
void TUNED(conv2d_pooled_backward_weight)(const struct conv2d_shape *shape, enum activation activation,
                                          const float *x, const float *activated, const float *pooled_dy,
                                          float *dweight, float *dbias, float *scratch,
                                          struct batch_part part, struct member member);

/* dbias = the sums over lanes of sums[out_channels][16], which go on from part to part of the batch; NULL:
 * nothing is done. */
void TUNED(conv2d_bias_gradient)(const struct conv2d_shape *shape, const float *dy, float *dbias, float *sums,
                                 struct batch_part part, struct member member);

size_t TUNED(winograd_scratch)(const struct conv2d_shape *shape);
void TUNED(winograd_forward)(const struct conv2d_shape *shape, const float *x, const float *weight,
                             const float *bias, float *y, float *scratch, struct member member);
void TUNED(winograd_backward)(const struct conv2d_shape *shape, const float *x, const float *dy,
                              const float *weight, float *dx, float *dweight, float *dbias, float *scratch,
                              float *sums, struct batch_part part, struct member member);

size_t TUNED(linear_scratch)(const struct linear_shape *shape);
void TUNED(linear_forward)(const struct linear_shape *shape, const float *x, const float *weight,
                           const float *bias, float *y, float *scratch, struct member member);
void TUNED(linear_backward_input)(const struct linear_shape *shape, const float *dy, const float *weight,
                                  float *dx, float *scratch, struct member member);
void TUNED(linear_backward_weight)(const struct linear_shape *shape, const float *x, const float *dy,
                                   float *dweight, float *dbias, float *scratch, struct member member);

void TUNED(avg_pool2d_forward)(const struct pool2d_shape *shape, const float *x, float *y,
                               struct member member);
void TUNED(avg_pool2d_backward)(const struct pool2d_shape *shape, const float *dy, float *dx,
                                struct member member);
void TUNED(max_pool2d_forward)(const struct pool2d_shape *shape, const float *x, float *y, uint16_t *chosen,
                               struct member member);
void TUNED(max_pool2d_backward)(const struct pool2d_shape *shape, const float *dy, const uint16_t *chosen,
                                float *dx, struct member member);

void TUNED(activation_forward)(enum activation activation, size_t count, const float *x, float *y,
                               struct member member);
void TUNED(activation_backward)(enum activation activation, size_t count, const float *y, const float *dy,
                                float *dx, struct member member);

bool TUNED(activation_avg_pool2d_applies)(const struct pool2d_shape *shape);
void TUNED(activation_avg_pool2d_forward)(enum activation activation, const struct pool2d_shape *shape,
                                          float *x, float *y, struct member member);
void TUNED(activation_avg_pool2d_backward)(enum activation activation, const struct pool2d_shape *shape,
                                           const float *activated, const float *dy, float *dx,
                                           struct member member);

void TUNED(batch_norm_forward_train)(const struct norm_shape *shape, const float *x, const float *gamma,
                                     const float *beta, double eps, double momentum, float *running_mean,
                                     float *running_var, float *mean, float *inverse_std, float *y,
                                     struct member member);
void TUNED(batch_norm_forward_eval)(const struct norm_shape *shape, const float *x, const float *gamma,
                                    const float *beta, double eps, const float *running_mean,
                                    const float *running_var, float *y, struct member member);
void TUNED(batch_norm_backward)(const struct norm_shape *shape, const float *x, const float *dy,
                                const float *gamma, const float *mean, const float *inverse_std, float *dx,
                                float *dgamma, float *dbeta, struct member member);

bool TUNED(batch_norm_pool_applies)(const struct norm_shape *shape);
void TUNED(batch_norm_pool_forward_train)(const struct norm_shape *shape, enum activation activation,
                                          const float *x, const float *gamma, const float *beta, double eps,
                                          double momentum, float *running_mean, float *running_var,
                                          float *mean, float *inverse_std, float *activated, float *pooled,
                                          struct member member);
void TUNED(batch_norm_pool_forward_eval)(const struct norm_shape *shape, enum activation activation,
                                         const float *x, const float *gamma, const float *beta, double eps,
                                         const float *running_mean, const float *running_var, float *pooled,
                                         struct member member);
void TUNED(batch_norm_pool_backward)(const struct norm_shape *shape, enum activation activation,
                                     const float *x, const float *activated, const float *pooled_dy,
                                     const float *gamma, const float *mean, const float *inverse_std,
                                     float *dx, float *dgamma, float *dbeta, struct member member);

void TUNED(grouped_conv2d_forward)(const struct conv2d_shape *shape, int groups, const float *x,
                                   const float *weight, const float *bias, float *y, struct member member);
void TUNED(grouped_conv2d_backward_input)(const struct conv2d_shape *shape, int groups, const float *dy,
                                          const float *weight, float *dx, struct member member);
void TUNED(grouped_conv2d_backward_weight)(const struct conv2d_shape *shape, int groups, const float *x,
                                           const float *dy, float *dweight, float *dbias,
                                           struct member member);
void TUNED(gate_forward)(enum gate gate, double slope, size_t count, const float *x, float *y,
                         struct member member);
void TUNED(gate_backward)(enum gate gate, double slope, size_t count, const float *x, const float *dy,
                          float *dx, struct member member);
void TUNED(add)(size_t count, const float *a, const float *b, float *y, struct member member);
void TUNED(group_norm_forward)(const struct group_norm_shape *shape, const float *x, const float *gamma,
                               const float *beta, double eps, float *mean, float *inverse_std, float *y,
                               struct member member);
void TUNED(group_norm_backward)(const struct group_norm_shape *shape, const float *x, const float *dy,
                                const float *gamma, const float *mean, const float *inverse_std, float *dx,
                                float *dgamma, float *dbeta, struct member member);
void TUNED(dropout_apply_channels)(int images, int channels, int plane, double p, const uint16_t *mask,
                                   const float *x, float *y, struct member member);

void TUNED(dropout_mask)(const struct random_source *source, int images, int features, double p,
                         uint16_t *mask, struct member member);
void TUNED(dropout_apply)(int images, int features, double p, const uint16_t *mask, const float *x, float *y,
                          struct member member);
void TUNED(random_blocks)(const struct random_source *source, uint32_t first, size_t count, uint32_t *words);

void TUNED(softmax_cross_entropy)(int images, int batch, int classes, const float *logits,
                                  const uint16_t *labels, double smoothing, float *dlogits,
                                  struct loss_part *parts, uint16_t *predictions, struct member member);
void TUNED(sgd_update)(const struct sgd_step *step, size_t begin, size_t end, float *parameter,
                       const float *gradient, float *buffer);
void TUNED(adam_update)(const struct adam_step *step, size_t begin, size_t end, float *parameter,
                        const float *gradient, float *first_moment, float *second_moment);
void TUNED(load_images)(const struct load_shape *shape, const struct augmented_image *images, int count,
                        float *x, struct member member);

#endif
#endif

/* The specification's parts, one file a subject, put into one table by reference.c. Compiled twice: with real
 * = float, and with -DKERNEL_DOUBLE, where every name here gets the suffix _double. */
#ifndef RUNNER_KERNEL_REFERENCE_H
#define RUNNER_KERNEL_REFERENCE_H

#include "kernel/kernel.h"

#define REFERENCE(name) KERNEL_NAME(reference_##name)

size_t REFERENCE(conv2d_weight_size)(const struct conv2d_shape *shape);
size_t REFERENCE(conv2d_weight_index)(const struct conv2d_shape *shape, int o, int i, int r, int s);
size_t REFERENCE(conv2d_scratch)(const struct conv2d_shape *shape);
void REFERENCE(conv2d_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                               const real *bias, real *y, real *scratch, struct member member);
void REFERENCE(conv2d_backward_input)(const struct conv2d_shape *shape, const real *dy, const real *weight,
                                      real *dx, real *scratch, struct member member);
void REFERENCE(conv2d_backward_weight)(const struct conv2d_shape *shape, const real *x, const real *dy,
                                       real *dweight, real *dbias, real *scratch, struct batch_part part,
                                       struct member member);
bool REFERENCE(conv2d_pooled_applies)(const struct conv2d_shape *shape);

/* sum[16] += the sums over (block, position) of dy[block][o][position][16]. */
void REFERENCE(add_planes)(const real *dy, int blocks, int outputs, int positions, int o, real *sum);
real REFERENCE(bias_gradient)(const real *dy, int blocks, int outputs, int positions, int o);

bool REFERENCE(winograd_applies)(const struct conv2d_shape *shape);
size_t REFERENCE(winograd_scratch)(const struct conv2d_shape *shape);
size_t REFERENCE(winograd_sums)(const struct conv2d_shape *shape);
void REFERENCE(winograd_forward)(const struct conv2d_shape *shape, const real *x, const real *weight,
                                 const real *bias, real *y, real *scratch, struct member member);
void REFERENCE(winograd_backward)(const struct conv2d_shape *shape, const real *x, const real *dy,
                                  const real *weight, real *dx, real *dweight, real *dbias, real *scratch,
                                  real *sums, struct batch_part part, struct member member);

size_t REFERENCE(linear_weight_size)(const struct linear_shape *shape);
size_t REFERENCE(linear_weight_index)(const struct linear_shape *shape, int o, int i);
size_t REFERENCE(linear_scratch)(const struct linear_shape *shape);
void REFERENCE(linear_forward)(const struct linear_shape *shape, const real *x, const real *weight,
                               const real *bias, real *y, real *scratch, struct member member);
void REFERENCE(linear_backward_input)(const struct linear_shape *shape, const real *dy, const real *weight,
                                      real *dx, real *scratch, struct member member);
void REFERENCE(linear_backward_weight)(const struct linear_shape *shape, const real *x, const real *dy,
                                       real *dweight, real *dbias, real *scratch, struct member member);

void REFERENCE(avg_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y,
                                   struct member member);
void REFERENCE(avg_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, real *dx,
                                    struct member member);
void REFERENCE(max_pool2d_forward)(const struct pool2d_shape *shape, const real *x, real *y, uint16_t *chosen,
                                   struct member member);
void REFERENCE(max_pool2d_backward)(const struct pool2d_shape *shape, const real *dy, const uint16_t *chosen,
                                    real *dx, struct member member);

void REFERENCE(activation_forward)(enum activation activation, size_t count, const real *x, real *y,
                                   struct member member);
void REFERENCE(activation_backward)(enum activation activation, size_t count, const real *y, const real *dy,
                                    real *dx, struct member member);

bool REFERENCE(activation_avg_pool2d_applies)(const struct pool2d_shape *shape);
void REFERENCE(activation_avg_pool2d_forward)(enum activation activation, const struct pool2d_shape *shape,
                                              real *x, real *y, struct member member);
void REFERENCE(activation_avg_pool2d_backward)(enum activation activation, const struct pool2d_shape *shape,
                                               const real *activated, const real *dy, real *dx,
                                               struct member member);

void REFERENCE(batch_norm_forward_train)(const struct norm_shape *shape, const real *x, const real *gamma,
                                         const real *beta, double eps, double momentum, real *running_mean,
                                         real *running_var, real *mean, real *inverse_std, real *y,
                                         struct member member);
void REFERENCE(batch_norm_forward_eval)(const struct norm_shape *shape, const real *x, const real *gamma,
                                        const real *beta, double eps, const real *running_mean,
                                        const real *running_var, real *y, struct member member);
void REFERENCE(batch_norm_backward)(const struct norm_shape *shape, const real *x, const real *dy,
                                    const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                    real *dgamma, real *dbeta, struct member member);
bool REFERENCE(batch_norm_pool_applies)(const struct norm_shape *shape);

void REFERENCE(grouped_conv2d_forward)(const struct conv2d_shape *shape, int groups, const real *x,
                                       const real *weight, const real *bias, real *y, struct member member);
void REFERENCE(grouped_conv2d_backward_input)(const struct conv2d_shape *shape, int groups, const real *dy,
                                              const real *weight, real *dx, struct member member);
void REFERENCE(grouped_conv2d_backward_weight)(const struct conv2d_shape *shape, int groups, const real *x,
                                               const real *dy, real *dweight, real *dbias,
                                               struct member member);
void REFERENCE(gate_forward)(enum gate gate, double slope, size_t count, const real *x, real *y,
                             struct member member);
void REFERENCE(gate_backward)(enum gate gate, double slope, size_t count, const real *x, const real *dy,
                              real *dx, struct member member);
void REFERENCE(add)(size_t count, const real *a, const real *b, real *y, struct member member);
void REFERENCE(group_norm_forward)(const struct group_norm_shape *shape, const real *x, const real *gamma,
                                   const real *beta, double eps, real *mean, real *inverse_std, real *y,
                                   struct member member);
void REFERENCE(group_norm_backward)(const struct group_norm_shape *shape, const real *x, const real *dy,
                                    const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                    real *dgamma, real *dbeta, struct member member);
void REFERENCE(dropout_apply_channels)(int images, int channels, int plane, double p, const uint16_t *mask,
                                       const real *x, real *y, struct member member);

void REFERENCE(dropout_mask)(const struct random_source *source, int images, int features, double p,
                             uint16_t *mask, struct member member);
void REFERENCE(dropout_apply)(int images, int features, double p, const uint16_t *mask, const real *x,
                              real *y, struct member member);
void REFERENCE(softmax_cross_entropy)(int images, int batch, int classes, const real *logits,
                                      const uint16_t *labels, double smoothing, real *dlogits,
                                      struct loss_part *parts, uint16_t *predictions, struct member member);
void REFERENCE(weighted_cross_entropy)(const struct weighted_loss *loss, const real *logits,
                                       const uint16_t *labels, real *dlogits, struct loss_part *parts,
                                       uint16_t *predictions, struct member member);
void REFERENCE(squared_error)(int images, int batch, int outputs, const real *y, const float *targets,
                              real *dy, struct loss_part *parts, struct member member);
void REFERENCE(sgd_update)(const struct sgd_step *step, size_t begin, size_t end, real *parameter,
                           const real *gradient, real *buffer);
void REFERENCE(adam_update)(const struct adam_step *step, size_t begin, size_t end, real *parameter,
                            const real *gradient, real *first_moment, real *second_moment);
void REFERENCE(load_images)(const struct load_shape *shape, const struct augmented_image *images, int count,
                            real *x, struct member member);
void REFERENCE(random_blocks)(const struct random_source *source, uint32_t first, size_t count,
                              uint32_t *words);

#endif

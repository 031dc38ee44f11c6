/* Normalisation within each image: the specification.
 *
 * An image is a lane, so no sum here crosses lanes but those of gamma and beta. Sums over a group: float
 * chains over runs of GROUP_RUN consecutive features, then double over the runs in order; the variance is a
 * second pass over centred values. The gradients of gamma and beta are 16 chains over (block, place in the
 * plane), then the lane tree. Lanes without an image have dy = 0 and so take no part in them. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

/* A group of one block: features [first, first + count) of it. */
struct group {
    const real *x, *dy;
    const real *gamma, *mean;
    int count, plane;
};

static int run_end(const struct group *group, int start)
{
    return start + GROUP_RUN < group->count ? start + GROUP_RUN : group->count;
}

static double group_sum(const struct group *group, int lane)
{
    double total = 0;
    for (int start = 0; start < group->count; start += GROUP_RUN) {
        real sum = 0;
        for (int f = start; f < run_end(group, start); f++)
            sum += group->x[f * LANES + lane];
        total += sum;
    }
    return total;
}

static double group_square_sum(const struct group *group, int lane, real mean)
{
    double total = 0;
    for (int start = 0; start < group->count; start += GROUP_RUN) {
        real sum = 0;
        for (int f = start; f < run_end(group, start); f++) {
            real centred = group->x[f * LANES + lane] - mean;
            sum = real_fma(centred, centred, sum);
        }
        total += sum;
    }
    return total;
}

void REFERENCE(group_norm_forward)(const struct group_norm_shape *shape, const real *x, const real *gamma,
                                   const real *beta, double eps, real *mean, real *inverse_std, real *y,
                                   struct member member)
{
    long begin, end;
    int m = shape->group_features, channels = m / shape->plane;
    member_range(member, (long)blocks_of(shape->images) * shape->groups, &begin, &end);
    for (long k = begin; k < end; k++) {
        size_t first = (size_t)k * m * LANES;
        struct group group = {.x = x + first, .count = m};
        int first_channel = (int)(k % shape->groups) * channels;
        for (int lane = 0; lane < LANES; lane++) {
            real mu = (real)(group_sum(&group, lane) / m);
            double variance = group_square_sum(&group, lane, mu) / m;
            real inverse = (real)(1.0 / sqrt(variance + eps));
            mean[k * LANES + lane] = mu;
            inverse_std[k * LANES + lane] = inverse;
            for (int f = 0; f < m; f++) {
                int c = first_channel + f / shape->plane;
                size_t at = first + (size_t)f * LANES + lane;
                y[at] = real_fma(x[at] - mu, inverse * gamma[c], beta[c]);
            }
        }
    }
}

/* sum of dxhat, and of dxhat * (x - mean), with dxhat = dy * gamma. */
static void gradient_sums(const struct group *group, int lane, double *sum, double *product)
{
    *sum = *product = 0;
    for (int start = 0; start < group->count; start += GROUP_RUN) {
        real s = 0, p = 0;
        for (int f = start; f < run_end(group, start); f++) {
            real dxhat = group->dy[f * LANES + lane] * group->gamma[f / group->plane];
            s += dxhat;
            p = real_fma(dxhat, group->x[f * LANES + lane] - group->mean[lane], p);
        }
        *sum += s;
        *product += p;
    }
}

/* dx = inv (dxhat - sum/m - xhat product inv/m), xhat = (x - mean) inv */
static void backward_group(const struct group *group, const real *inverse_std, real *dx)
{
    int m = group->count;
    for (int lane = 0; lane < LANES; lane++) {
        double sum, product, inverse = inverse_std[lane];
        gradient_sums(group, lane, &sum, &product);
        real mean_dxhat = (real)(sum / m);
        real slope = (real)(product / m * inverse * inverse);
        for (int f = 0; f < m; f++) {
            int at = f * LANES + lane;
            real rest = group->dy[at] * group->gamma[f / group->plane] - mean_dxhat;
            dx[at] = real_fma(-slope, group->x[at] - group->mean[lane], rest) * inverse_std[lane];
        }
    }
}

/* Of the channel `c` of all, the gradients of its gamma and beta. */
static void backward_channel(const struct group_norm_shape *shape, int c, const real *x, const real *dy,
                             const real *mean, const real *inverse_std, real *dgamma, real *dbeta)
{
    real sums[LANES] = {0}, products[LANES] = {0};
    int channels = shape->groups * (shape->group_features / shape->plane);
    int group = c / (shape->group_features / shape->plane);
    for (int b = 0; b < blocks_of(shape->images); b++) {
        const real *mu = mean + ((size_t)b * shape->groups + group) * LANES;
        const real *inverse = inverse_std + ((size_t)b * shape->groups + group) * LANES;
        for (int f = 0; f < shape->plane; f++)
            for (int lane = 0; lane < LANES; lane++) {
                size_t at = (((size_t)b * channels + c) * shape->plane + f) * LANES + lane;
                sums[lane] += dy[at];
                products[lane] = real_fma(dy[at], (x[at] - mu[lane]) * inverse[lane], products[lane]);
            }
    }
    dgamma[c] = kernel_lane_sum(products);
    dbeta[c] = kernel_lane_sum(sums);
}

void REFERENCE(group_norm_backward)(const struct group_norm_shape *shape, const real *x, const real *dy,
                                    const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                    real *dgamma, real *dbeta, struct member member)
{
    long begin, end;
    int m = shape->group_features, channels = m / shape->plane;
    member_range(member, (long)blocks_of(shape->images) * shape->groups, &begin, &end);
    for (long k = begin; dx && k < end; k++) {
        size_t first = (size_t)k * m * LANES;
        struct group group = {.x = x + first,
                              .dy = dy + first,
                              .gamma = gamma + k % shape->groups * channels,
                              .mean = mean + k * LANES,
                              .count = m,
                              .plane = shape->plane};
        backward_group(&group, inverse_std + k * LANES, dx + first);
    }
    member_range(member, (long)shape->groups * channels, &begin, &end);
    for (long c = begin; c < end; c++)
        backward_channel(shape, (int)c, x, dy, mean, inverse_std, dgamma, dbeta);
}

/* Batch normalisation: the specification.
 *
 * Sums over a batch: per (block, row) 16 float chains over the columns and the lane tree, then double over
 * (block, row) in order. The variance is a second pass over centred values; E[x^2] - E[x]^2 loses all digits
 * where the mean is large. Lanes without an image take no part in sums (they hold finite values, not zeros)
 * and get zero gradients. */
#include "kernel/elementary.h"
#include "kernel/reference.h"

struct channel {
    const struct norm_shape *shape;
    int c;
    double count; /* of values: images * height * width */
};

static struct channel channel_of(const struct norm_shape *shape, int c)
{
    return (struct channel){shape, c, (double)shape->images * shape->height * shape->width};
}

static size_t row_at(const struct channel *channel, int b, int h)
{
    const struct norm_shape *shape = channel->shape;
    return (((size_t)b * shape->channels + channel->c) * shape->height + h) * shape->width * LANES;
}

static bool is_image(const struct channel *channel, int b, int lane)
{
    return b * LANES + lane < channel->shape->images;
}

static real row_sum(const struct channel *channel, const real *x, int b, int h)
{
    real sum[LANES] = {0};
    const real *row = x + row_at(channel, b, h);
    for (int w = 0; w < channel->shape->width; w++)
        for (int lane = 0; lane < LANES; lane++)
            if (is_image(channel, b, lane))
                sum[lane] += row[w * LANES + lane];
    return kernel_lane_sum(sum);
}

static real row_square_sum(const struct channel *channel, const real *x, real mean, int b, int h)
{
    real sum[LANES] = {0};
    const real *row = x + row_at(channel, b, h);
    for (int w = 0; w < channel->shape->width; w++)
        for (int lane = 0; lane < LANES; lane++)
            if (is_image(channel, b, lane)) {
                real centred = row[w * LANES + lane] - mean;
                sum[lane] = real_fma(centred, centred, sum[lane]);
            }
    return kernel_lane_sum(sum);
}

static double batch_mean(const struct channel *channel, const real *x)
{
    double sum = 0;
    for (int b = 0; b < blocks_of(channel->shape->images); b++)
        for (int h = 0; h < channel->shape->height; h++)
            sum += row_sum(channel, x, b, h);
    return sum / channel->count;
}

static double batch_square_sum(const struct channel *channel, const real *x, real mean)
{
    double sum = 0;
    for (int b = 0; b < blocks_of(channel->shape->images); b++)
        for (int h = 0; h < channel->shape->height; h++)
            sum += row_square_sum(channel, x, mean, b, h);
    return sum;
}

/* y = (x - mean) * scale + beta */
static void normalise(const struct channel *channel, const real *x, real mean, real scale, real beta, real *y)
{
    for (int b = 0; b < blocks_of(channel->shape->images); b++)
        for (int h = 0; h < channel->shape->height; h++) {
            size_t row = row_at(channel, b, h);
            for (int k = 0; k < channel->shape->width * LANES; k++)
                y[row + k] = real_fma(x[row + k] - mean, scale, beta);
        }
}

void REFERENCE(batch_norm_forward_train)(const struct norm_shape *shape, const real *x, const real *gamma,
                                         const real *beta, double eps, double momentum, real *running_mean,
                                         real *running_var, real *mean, real *inverse_std, real *y,
                                         struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        double exact_mean = batch_mean(&channel, x);
        mean[c] = (real)exact_mean;
        double squares = batch_square_sum(&channel, x, mean[c]);
        inverse_std[c] = (real)(1.0 / sqrt(squares / channel.count + eps));
        double unbiased = squares / (channel.count > 1 ? channel.count - 1 : 1);
        running_mean[c] = (real)((1.0 - momentum) * running_mean[c] + momentum * exact_mean);
        running_var[c] = (real)((1.0 - momentum) * running_var[c] + momentum * unbiased);
        normalise(&channel, x, mean[c], gamma[c] * inverse_std[c], beta[c], y);
    }
}

void REFERENCE(batch_norm_forward_eval)(const struct norm_shape *shape, const real *x, const real *gamma,
                                        const real *beta, double eps, const real *running_mean,
                                        const real *running_var, real *y, struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        real deviation = (real)(1.0 / sqrt(running_var[c] + eps));
        normalise(&channel, x, running_mean[c], gamma[c] * deviation, beta[c], y);
    }
}

/* sum of dy, and of dy * (x - mean), over a channel; lanes without an image have dy = 0. */
static void gradient_sums(const struct channel *channel, const real *x, const real *dy, real mean,
                          double *sum, double *product)
{
    *sum = *product = 0;
    for (int b = 0; b < blocks_of(channel->shape->images); b++)
        for (int h = 0; h < channel->shape->height; h++) {
            real sums[LANES] = {0}, products[LANES] = {0};
            size_t row = row_at(channel, b, h);
            for (int k = 0; k < channel->shape->width * LANES; k++) {
                sums[k % LANES] += dy[row + k];
                products[k % LANES] = real_fma(dy[row + k], x[row + k] - mean, products[k % LANES]);
            }
            *sum += kernel_lane_sum(sums);
            *product += kernel_lane_sum(products);
        }
}

void REFERENCE(batch_norm_backward)(const struct norm_shape *shape, const real *x, const real *dy,
                                    const real *gamma, const real *mean, const real *inverse_std, real *dx,
                                    real *dgamma, real *dbeta, struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        double sum, product; /* product: sum of dy * xhat, once divided by the deviation */
        gradient_sums(&channel, x, dy, mean[c], &sum, &product);
        product *= inverse_std[c];
        dbeta[c] = (real)sum;
        dgamma[c] = (real)product;
        /* dx = gamma inv (dy - sum/m - xhat product/m), xhat = (x - mean) inv */
        real scale = gamma[c] * inverse_std[c];
        real mean_dy = (real)(sum / channel.count);
        real slope = (real)(product / channel.count * inverse_std[c]);
        for (int b = 0; b < blocks_of(shape->images); b++)
            for (int h = 0; h < shape->height; h++) {
                size_t row = row_at(&channel, b, h);
                for (int k = 0; k < shape->width * LANES; k++) {
                    real centred = x[row + k] - mean[c];
                    real value = real_fma(-slope, centred, dy[row + k] - mean_dy) * scale;
                    dx[row + k] = is_image(&channel, b, k % LANES) ? value : 0;
                }
            }
    }
}

bool REFERENCE(batch_norm_pool_applies)(const struct norm_shape *shape)
{
    (void)shape;
    return false;
}

/* Batch normalisation: passes over a channel's rows, one (block, row) at a time. Members divide the channels.
 *
 * An activation and a 2x2 average pool behind it join the last pass forward, and both passes backward form
 * their gradient again from the pool's: a channel's planes of a batch stay in the second-level cache between
 * the passes, an array of the gradient for all channels would not. Only the last block can hold lanes without
 * an image; the mask that leaves them out of sums is a constant of all bits everywhere else and costs one
 * instruction. */
#include "kernel/activation_pool.h"
#include "kernel/simd.h"
#include "kernel/tuned.h"

/* A channel's walk over its rows. */
struct channel {
    int blocks, height, width;
    size_t first, block; /* offset of the channel in a block; size of a block */
    double count;        /* of values: images * height * width */
    int images;
};

static struct channel channel_of(const struct norm_shape *shape, int c)
{
    size_t plane = (size_t)shape->height * shape->width * LANES;
    return (struct channel){.blocks = blocks_of(shape->images),
                            .height = shape->height,
                            .width = shape->width,
                            .first = c * plane,
                            .block = shape->channels * plane,
                            .count = (double)shape->images * shape->height * shape->width,
                            .images = shape->images};
}

INLINE size_t row_at(const struct channel *channel, int b, int h)
{
    return b * channel->block + channel->first + (size_t)h * channel->width * LANES;
}

INLINE veci valid_lanes(const struct channel *channel, int b, int v)
{
    return vec_valid(v, channel->images - b * LANES);
}

static double batch_mean(const struct channel *channel, const float *x)
{
    double total = 0;
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h++) {
            const float *row = x + row_at(channel, b, h);
            vec sum[VECTORS] = {{0}};
            for (int w = 0; w < channel->width; w++)
                UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[v] += vec_load(row + w * LANES + v * VECTOR);
            for (int v = 0; v < VECTORS; v++)
                sum[v] = vec_select(valid_lanes(channel, b, v), sum[v], vec_zero());
            total += vec_lane_sum(sum);
        }
    return total / channel->count;
}

static double batch_square_sum(const struct channel *channel, const float *x, float mean)
{
    double total = 0;
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h++) {
            const float *row = x + row_at(channel, b, h);
            vec sum[VECTORS] = {{0}};
            for (int w = 0; w < channel->width; w++)
                UNROLL
            for (int v = 0; v < VECTORS; v++) {
                vec centred = vec_load(row + w * LANES + v * VECTOR) - vec_all(mean);
                sum[v] = vec_fma(centred, centred, sum[v]);
            }
            for (int v = 0; v < VECTORS; v++)
                sum[v] = vec_select(valid_lanes(channel, b, v), sum[v], vec_zero());
            total += vec_lane_sum(sum);
        }
    return total;
}

/* What a channel's normalisation is after its statistics: y = (x - mean) * scale + beta. */
struct affine {
    float mean, scale, beta;
};

INLINE vec normalised(const struct affine *affine, const float *x)
{
    return vec_fma(vec_load(x) - vec_all(affine->mean), vec_all(affine->scale), vec_all(affine->beta));
}

static void normalise(const struct channel *channel, const float *x, const struct affine *affine, float *y)
{
    size_t count = (size_t)channel->height * channel->width * LANES;
    for (int b = 0; b < channel->blocks; b++) {
        size_t first = row_at(channel, b, 0);
        for (size_t k = first; k < first + count; k += VECTOR)
            vec_store(y + k, normalised(affine, x + k));
    }
}

/* Two rows and their row of the pool; activated NULL: not kept. */
INLINE void normalise_windows(enum activation activation, int width, const float *x,
                              const struct affine *affine, float *activated, float *pooled)
{
    size_t row = (size_t)width * LANES;
    for (size_t k = 0; k < row; k += 2 * LANES, pooled += LANES)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec values[4], sum = vec_zero();
        UNROLL
        for (int place = 0; place < 4; place++)
            values[place] = normalised(affine, x + k + activation_pool_place(place, row) + v * VECTOR);
        activation_of_each(activation, values, 4);
        UNROLL
        for (int place = 0; place < 4; place++) {
            if (activated)
                vec_store(activated + k + activation_pool_place(place, row) + v * VECTOR, values[place]);
            sum += values[place];
        }
        vec_store(pooled + v * VECTOR, sum * vec_all(0.25f));
    }
}

/* Where row h of a channel's pool begins; h counts rows of the norm. */
static size_t pooled_row_at(const struct channel *channel, int b, int h)
{
    return row_at(channel, b, 0) / 4 + (size_t)(h / 2) * (channel->width / 2) * LANES;
}

static void normalise_pooled(const struct channel *channel, enum activation activation, const float *x,
                             const struct affine *affine, float *activated, float *pooled)
{
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h += 2) {
            size_t at = row_at(channel, b, h);
            float *to = activated ? activated + at : NULL, *pool = pooled + pooled_row_at(channel, b, h);
            switch (activation) {
            case ACTIVATION_TANH:
                normalise_windows(ACTIVATION_TANH, channel->width, x + at, affine, to, pool);
                break;
            case ACTIVATION_RELU:
                normalise_windows(ACTIVATION_RELU, channel->width, x + at, affine, to, pool);
                break;
            case ACTIVATION_SIGMOID:
                normalise_windows(ACTIVATION_SIGMOID, channel->width, x + at, affine, to, pool);
                break;
            }
        }
}

/* Moves the running statistics and keeps the batch's. */
static struct affine train_channel(const struct channel *channel, const float *x, int c, const float *gamma,
                                   const float *beta, double eps, double momentum, float *running_mean,
                                   float *running_var, float *mean, float *inverse_std)
{
    double exact_mean = batch_mean(channel, x);
    mean[c] = (float)exact_mean;
    double squares = batch_square_sum(channel, x, mean[c]);
    inverse_std[c] = (float)(1.0 / sqrt(squares / channel->count + eps));
    double unbiased = squares / (channel->count > 1 ? channel->count - 1 : 1);
    running_mean[c] = (float)((1.0 - momentum) * running_mean[c] + momentum * exact_mean);
    running_var[c] = (float)((1.0 - momentum) * running_var[c] + momentum * unbiased);
    return (struct affine){mean[c], gamma[c] * inverse_std[c], beta[c]};
}

static struct affine eval_channel(int c, const float *gamma, const float *beta, double eps,
                                  const float *running_mean, const float *running_var)
{
    float deviation = (float)(1.0 / sqrt(running_var[c] + eps));
    return (struct affine){running_mean[c], gamma[c] * deviation, beta[c]};
}

void TUNED(batch_norm_forward_train)(const struct norm_shape *shape, const float *x, const float *gamma,
                                     const float *beta, double eps, double momentum, float *running_mean,
                                     float *running_var, float *mean, float *inverse_std, float *y,
                                     struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        struct affine affine = train_channel(&channel, x, c, gamma, beta, eps, momentum, running_mean,
                                             running_var, mean, inverse_std);
        normalise(&channel, x, &affine, y);
    }
}

void TUNED(batch_norm_forward_eval)(const struct norm_shape *shape, const float *x, const float *gamma,
                                    const float *beta, double eps, const float *running_mean,
                                    const float *running_var, float *y, struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        struct affine affine = eval_channel(c, gamma, beta, eps, running_mean, running_var);
        normalise(&channel, x, &affine, y);
    }
}

static void gradient_sums(const struct channel *channel, const float *x, const float *dy, float mean,
                          double *sum, double *product)
{
    *sum = *product = 0;
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h++) {
            size_t row = row_at(channel, b, h);
            vec sums[VECTORS] = {{0}}, products[VECTORS] = {{0}};
            for (int w = 0; w < channel->width; w++)
                UNROLL
            for (int v = 0; v < VECTORS; v++) {
                size_t at = row + (size_t)w * LANES + v * VECTOR;
                vec gradient = vec_load(dy + at);
                sums[v] += gradient;
                products[v] = vec_fma(gradient, vec_load(x + at) - vec_all(mean), products[v]);
            }
            *sum += vec_lane_sum(sums);
            *product += vec_lane_sum(products);
        }
}

/* What the gradient of a channel's input is made of: dx = (dy - mean_dy + slope (x - mean)) scale. */
struct input_gradient {
    float mean, scale, mean_dy, slope;
};

static struct input_gradient input_gradient_of(const struct channel *channel, int c, double sum,
                                               double product, const float *gamma, const float *mean,
                                               const float *inverse_std, float *dgamma, float *dbeta)
{
    product *= inverse_std[c];
    dbeta[c] = (float)sum;
    dgamma[c] = (float)product;
    return (struct input_gradient){.mean = mean[c],
                                   .scale = gamma[c] * inverse_std[c],
                                   .mean_dy = (float)(sum / channel->count),
                                   .slope = -(float)(product / channel->count * inverse_std[c])};
}

INLINE vec input_gradient_at(const struct input_gradient *gradient, const float *x, vec dy, veci valid)
{
    vec centred = vec_load(x) - vec_all(gradient->mean);
    vec value = vec_fma(vec_all(gradient->slope), centred, dy - vec_all(gradient->mean_dy)) *
                vec_all(gradient->scale);
    return vec_select(valid, value, vec_zero());
}

void TUNED(batch_norm_backward)(const struct norm_shape *shape, const float *x, const float *dy,
                                const float *gamma, const float *mean, const float *inverse_std, float *dx,
                                float *dgamma, float *dbeta, struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        double sum, product;
        gradient_sums(&channel, x, dy, mean[c], &sum, &product);
        struct input_gradient gradient =
            input_gradient_of(&channel, c, sum, product, gamma, mean, inverse_std, dgamma, dbeta);
        for (int b = 0; b < channel.blocks; b++) {
            size_t first = row_at(&channel, b, 0), count = (size_t)channel.height * channel.width * LANES;
            for (size_t k = first; k < first + count; k += LANES)
                UNROLL
            for (int v = 0; v < VECTORS; v++) {
                size_t at = k + v * VECTOR;
                vec_store(dx + at, input_gradient_at(&gradient, x + at, vec_load(dy + at),
                                                     valid_lanes(&channel, b, v)));
            }
        }
    }
}

bool TUNED(batch_norm_pool_applies)(const struct norm_shape *shape)
{
    return shape->height % 2 == 0 && shape->width % 2 == 0;
}

void TUNED(batch_norm_pool_forward_train)(const struct norm_shape *shape, enum activation activation,
                                          const float *x, const float *gamma, const float *beta, double eps,
                                          double momentum, float *running_mean, float *running_var,
                                          float *mean, float *inverse_std, float *activated, float *pooled,
                                          struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        struct affine affine = train_channel(&channel, x, c, gamma, beta, eps, momentum, running_mean,
                                             running_var, mean, inverse_std);
        normalise_pooled(&channel, activation, x, &affine, activated, pooled);
    }
}

void TUNED(batch_norm_pool_forward_eval)(const struct norm_shape *shape, enum activation activation,
                                         const float *x, const float *gamma, const float *beta, double eps,
                                         const float *running_mean, const float *running_var, float *pooled,
                                         struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        struct affine affine = eval_channel(c, gamma, beta, eps, running_mean, running_var);
        normalise_pooled(&channel, activation, x, &affine, NULL, pooled);
    }
}

/* The arrays of a channel's backward pass through pool and activation. */
struct pooled_gradient {
    const float *x, *activated, *pooled_dy;
};

/* Vector v of the pool's gradient for each input of its window. */
INLINE vec window_gradient(const float *pooled_dy)
{
    return (vec_zero() + vec_load(pooled_dy)) * vec_all(0.25f);
}

/* gradient_sums where dy is formed from the pool's gradient. */
INLINE void pooled_sums(enum activation activation, const struct channel *channel,
                        const struct pooled_gradient *from, float mean, double *sum, double *product)
{
    *sum = *product = 0;
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h++) {
            size_t row = row_at(channel, b, h);
            const float *pooled = from->pooled_dy + pooled_row_at(channel, b, h);
            vec sums[VECTORS] = {{0}}, products[VECTORS] = {{0}};
            for (int w = 0; w < channel->width; w += 2, pooled += LANES)
                UNROLL
            for (int v = 0; v < VECTORS; v++) {
                vec window = window_gradient(pooled + v * VECTOR);
                UNROLL
                for (int j = 0; j < 2; j++) {
                    size_t at = row + (size_t)(w + j) * LANES + v * VECTOR;
                    vec dy = activation_gradient_of(activation, vec_load(from->activated + at), window);
                    sums[v] += dy;
                    products[v] = vec_fma(dy, vec_load(from->x + at) - vec_all(mean), products[v]);
                }
            }
            *sum += vec_lane_sum(sums);
            *product += vec_lane_sum(products);
        }
}

INLINE void pooled_inputs(enum activation activation, const struct channel *channel,
                          const struct pooled_gradient *from, const struct input_gradient *gradient,
                          float *dx)
{
    for (int b = 0; b < channel->blocks; b++)
        for (int h = 0; h < channel->height; h++) {
            size_t row = row_at(channel, b, h);
            const float *pooled = from->pooled_dy + pooled_row_at(channel, b, h);
            for (int w = 0; w < channel->width; w += 2, pooled += LANES)
                UNROLL
            for (int v = 0; v < VECTORS; v++) {
                vec window = window_gradient(pooled + v * VECTOR);
                UNROLL
                for (int j = 0; j < 2; j++) {
                    size_t at = row + (size_t)(w + j) * LANES + v * VECTOR;
                    vec dy = activation_gradient_of(activation, vec_load(from->activated + at), window);
                    vec_store(dx + at,
                              input_gradient_at(gradient, from->x + at, dy, valid_lanes(channel, b, v)));
                }
            }
        }
}

INLINE void pooled_backward(enum activation activation, const struct norm_shape *shape,
                            const struct pooled_gradient *from, const float *gamma, const float *mean,
                            const float *inverse_std, float *dx, float *dgamma, float *dbeta,
                            struct member member)
{
    long begin, end;
    member_range(member, shape->channels, &begin, &end);
    for (int c = (int)begin; c < end; c++) {
        struct channel channel = channel_of(shape, c);
        double sum, product;
        pooled_sums(activation, &channel, from, mean[c], &sum, &product);
        struct input_gradient gradient =
            input_gradient_of(&channel, c, sum, product, gamma, mean, inverse_std, dgamma, dbeta);
        pooled_inputs(activation, &channel, from, &gradient, dx);
    }
}

void TUNED(batch_norm_pool_backward)(const struct norm_shape *shape, enum activation activation,
                                     const float *x, const float *activated, const float *pooled_dy,
                                     const float *gamma, const float *mean, const float *inverse_std,
                                     float *dx, float *dgamma, float *dbeta, struct member member)
{
    struct pooled_gradient from = {x, activated, pooled_dy};
    switch (activation) {
    case ACTIVATION_TANH:
        pooled_backward(ACTIVATION_TANH, shape, &from, gamma, mean, inverse_std, dx, dgamma, dbeta, member);
        break;
    case ACTIVATION_RELU:
        pooled_backward(ACTIVATION_RELU, shape, &from, gamma, mean, inverse_std, dx, dgamma, dbeta, member);
        break;
    case ACTIVATION_SIGMOID:
        pooled_backward(ACTIVATION_SIGMOID, shape, &from, gamma, mean, inverse_std, dx, dgamma, dbeta,
                        member);
        break;
    }
}

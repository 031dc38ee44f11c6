/* Normalisation within each image: an image is a lane, so everything but the gradients of gamma and beta is
 * lane by lane.
 *
 * A run's sum is one chain of additions, too few to hide their latency; runs are independent, so TOGETHER of
 * them are summed side by side and then added to the double totals in order. */
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { TOGETHER = 4 };

/* A group of one block. */
struct group {
    const float *x, *dy, *gamma;
    int count, plane;
};

/* The gamma of feature f and of those after it. */
struct gamma_walk {
    const float *gamma;
    int left; /* features that still have this one */
};

INLINE struct gamma_walk walk_from(const struct group *group, int f)
{
    int channel = f / group->plane;
    return (struct gamma_walk){group->gamma + channel, (channel + 1) * group->plane - f};
}

INLINE float walk_next(struct gamma_walk *walk, int plane)
{
    float gamma = *walk->gamma;
    if (--walk->left == 0) {
        walk->gamma++;
        walk->left = plane;
    }
    return gamma;
}

static void add_to_totals(double totals[LANES], const vec sum[VECTORS])
{
    float lanes[LANES] __attribute__((aligned(64)));
    for (int v = 0; v < VECTORS; v++)
        vec_store(lanes + v * VECTOR, sum[v]);
    for (int lane = 0; lane < LANES; lane++)
        totals[lane] += lanes[lane];
}

/* `runs` runs of `length` features from `start` on. */
INLINE void sum_runs(const struct group *group, int runs, int start, int length, double totals[LANES])
{
    vec sum[TOGETHER][VECTORS] = {{{0}}};
    const float *x = group->x + (size_t)start * LANES;
    for (int f = 0; f < length; f++, x += LANES)
        UNROLL
    for (int r = 0; r < runs; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++)
        sum[r][v] += vec_load(x + r * GROUP_RUN * LANES + v * VECTOR);
    for (int r = 0; r < runs; r++)
        add_to_totals(totals, sum[r]);
}

INLINE void sum_square_runs(const struct group *group, int runs, int start, int length,
                            const vec mean[VECTORS], double totals[LANES])
{
    vec sum[TOGETHER][VECTORS] = {{{0}}};
    const float *x = group->x + (size_t)start * LANES;
    for (int f = 0; f < length; f++, x += LANES)
        UNROLL
    for (int r = 0; r < runs; r++)
        UNROLL
    for (int v = 0; v < VECTORS; v++) {
        vec centred = vec_load(x + r * GROUP_RUN * LANES + v * VECTOR) - mean[v];
        sum[r][v] = vec_fma(centred, centred, sum[r][v]);
    }
    for (int r = 0; r < runs; r++)
        add_to_totals(totals, sum[r]);
}

static int run_length(const struct group *group, int start)
{
    return start + GROUP_RUN < group->count ? GROUP_RUN : group->count - start;
}

static void group_sums(const struct group *group, double totals[LANES])
{
    int start = 0;
    for (; start + TOGETHER * GROUP_RUN <= group->count; start += TOGETHER * GROUP_RUN)
        sum_runs(group, TOGETHER, start, GROUP_RUN, totals);
    for (; start < group->count; start += GROUP_RUN)
        sum_runs(group, 1, start, run_length(group, start), totals);
}

static void group_square_sums(const struct group *group, const vec mean[VECTORS], double totals[LANES])
{
    int start = 0;
    for (; start + TOGETHER * GROUP_RUN <= group->count; start += TOGETHER * GROUP_RUN)
        sum_square_runs(group, TOGETHER, start, GROUP_RUN, mean, totals);
    for (; start < group->count; start += GROUP_RUN)
        sum_square_runs(group, 1, start, run_length(group, start), mean, totals);
}

static void load_lanes(const float *from, vec to[VECTORS])
{
    for (int v = 0; v < VECTORS; v++)
        to[v] = vec_load(from + v * VECTOR);
}

static void normalise(const struct group *group, const float *mean, const float *inverse_std,
                      const float *beta, float *y)
{
    vec mu[VECTORS], inverse[VECTORS];
    load_lanes(mean, mu);
    load_lanes(inverse_std, inverse);
    for (int f = 0, c = 0; f < group->count; c++) {
        vec scale[VECTORS], shift = vec_all(beta[c]);
        for (int v = 0; v < VECTORS; v++)
            scale[v] = inverse[v] * vec_all(group->gamma[c]);
        for (int next = f + group->plane; f < next; f++)
            UNROLL
        for (int v = 0; v < VECTORS; v++) {
            size_t at = (size_t)f * LANES + v * VECTOR;
            vec_store(y + at, vec_fma(vec_load(group->x + at) - mu[v], scale[v], shift));
        }
    }
}

void TUNED(group_norm_forward)(const struct group_norm_shape *shape, const float *x, const float *gamma,
                               const float *beta, double eps, float *mean, float *inverse_std, float *y,
                               struct member member)
{
    long begin, end;
    int m = shape->group_features, channels = m / shape->plane;
    member_range(member, (long)blocks_of(shape->images) * shape->groups, &begin, &end);
    for (long k = begin; k < end; k++) {
        size_t first = (size_t)k * m * LANES;
        int channel = (int)(k % shape->groups) * channels;
        struct group group = {.x = x + first, .gamma = gamma + channel, .count = m, .plane = shape->plane};
        double sums[LANES] = {0}, squares[LANES] = {0};
        vec mu[VECTORS];
        group_sums(&group, sums);
        for (int lane = 0; lane < LANES; lane++)
            mean[k * LANES + lane] = (float)(sums[lane] / m);
        load_lanes(mean + k * LANES, mu);
        group_square_sums(&group, mu, squares);
        for (int lane = 0; lane < LANES; lane++)
            inverse_std[k * LANES + lane] = (float)(1.0 / sqrt(squares[lane] / m + eps));
        normalise(&group, mean + k * LANES, inverse_std + k * LANES, beta + channel, y + first);
    }
}

INLINE void sum_gradient_runs(const struct group *group, int runs, int start, int length,
                              const vec mean[VECTORS], double sums[LANES], double products[LANES])
{
    vec sum[TOGETHER][VECTORS] = {{{0}}}, product[TOGETHER][VECTORS] = {{{0}}};
    struct gamma_walk walk[TOGETHER];
    for (int r = 0; r < runs; r++)
        walk[r] = walk_from(group, start + r * GROUP_RUN);
    for (int f = start; f < start + length; f++)
        UNROLL
    for (int r = 0; r < runs; r++) {
        vec gamma = vec_all(walk_next(&walk[r], group->plane));
        UNROLL
        for (int v = 0; v < VECTORS; v++) {
            size_t at = (size_t)(f + r * GROUP_RUN) * LANES + v * VECTOR;
            vec dxhat = vec_load(group->dy + at) * gamma;
            sum[r][v] += dxhat;
            product[r][v] = vec_fma(dxhat, vec_load(group->x + at) - mean[v], product[r][v]);
        }
    }
    for (int r = 0; r < runs; r++) {
        add_to_totals(sums, sum[r]);
        add_to_totals(products, product[r]);
    }
}

static void gradient_sums(const struct group *group, const vec mean[VECTORS], double sums[LANES],
                          double products[LANES])
{
    int start = 0;
    for (; start + 2 * GROUP_RUN <= group->count; start += 2 * GROUP_RUN)
        sum_gradient_runs(group, 2, start, GROUP_RUN, mean, sums, products);
    for (; start < group->count; start += GROUP_RUN)
        sum_gradient_runs(group, 1, start, run_length(group, start), mean, sums, products);
}

static void backward_group(const struct group *group, const float *mean, const float *inverse_std, float *dx)
{
    int m = group->count;
    double sums[LANES] = {0}, products[LANES] = {0};
    float mean_dxhat[LANES] __attribute__((aligned(64))), slope[LANES] __attribute__((aligned(64)));
    vec mu[VECTORS], inverse[VECTORS], rest[VECTORS], minus_slope[VECTORS];
    load_lanes(mean, mu);
    load_lanes(inverse_std, inverse);
    gradient_sums(group, mu, sums, products);
    for (int lane = 0; lane < LANES; lane++) {
        double deviation = inverse_std[lane];
        mean_dxhat[lane] = (float)(sums[lane] / m);
        slope[lane] = -(float)(products[lane] / m * deviation * deviation);
    }
    load_lanes(mean_dxhat, rest);
    load_lanes(slope, minus_slope);
    for (int f = 0, c = 0; f < m; c++) {
        vec gamma = vec_all(group->gamma[c]);
        for (int next = f + group->plane; f < next; f++)
            UNROLL
        for (int v = 0; v < VECTORS; v++) {
            size_t at = (size_t)f * LANES + v * VECTOR;
            vec centred = vec_load(group->x + at) - mu[v];
            vec gradient = vec_load(group->dy + at) * gamma - rest[v];
            vec_store(dx + at, vec_fma(minus_slope[v], centred, gradient) * inverse[v]);
        }
    }
}

/* The gradients of the gamma and beta of channel `c` of all. */
static void backward_channel(const struct group_norm_shape *shape, int c, const float *x, const float *dy,
                             const float *mean, const float *inverse_std, float *dgamma, float *dbeta)
{
    vec sums[VECTORS] = {{0}}, products[VECTORS] = {{0}};
    int channels = shape->groups * (shape->group_features / shape->plane);
    int group = c / (shape->group_features / shape->plane);
    for (int b = 0; b < blocks_of(shape->images); b++) {
        vec mu[VECTORS], inverse[VECTORS];
        load_lanes(mean + ((size_t)b * shape->groups + group) * LANES, mu);
        load_lanes(inverse_std + ((size_t)b * shape->groups + group) * LANES, inverse);
        size_t first = ((size_t)b * channels + c) * shape->plane * LANES;
        for (int f = 0; f < shape->plane; f++)
            UNROLL
        for (int v = 0; v < VECTORS; v++) {
            size_t at = first + (size_t)f * LANES + v * VECTOR;
            vec gradient = vec_load(dy + at);
            sums[v] += gradient;
            products[v] = vec_fma(gradient, (vec_load(x + at) - mu[v]) * inverse[v], products[v]);
        }
    }
    dgamma[c] = vec_lane_sum(products);
    dbeta[c] = vec_lane_sum(sums);
}

void TUNED(group_norm_backward)(const struct group_norm_shape *shape, const float *x, const float *dy,
                                const float *gamma, const float *mean, const float *inverse_std, float *dx,
                                float *dgamma, float *dbeta, struct member member)
{
    long begin, end;
    int m = shape->group_features, channels = m / shape->plane;
    member_range(member, (long)blocks_of(shape->images) * shape->groups, &begin, &end);
    for (long k = begin; dx && k < end; k++) {
        size_t first = (size_t)k * m * LANES;
        struct group group = {.x = x + first,
                              .dy = dy + first,
                              .gamma = gamma + k % shape->groups * channels,
                              .count = m,
                              .plane = shape->plane};
        backward_group(&group, mean + k * LANES, inverse_std + k * LANES, dx + first);
    }
    member_range(member, (long)shape->groups * channels, &begin, &end);
    for (long c = begin; c < end; c++)
        backward_channel(shape, (int)c, x, dy, mean, inverse_std, dgamma, dbeta);
}

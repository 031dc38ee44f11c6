/* Small-sample statistics. Sums are double over at most a few thousand values; variances are centred in a
 * second pass.
 *
 * Signed-rank, exactly: under the null hypothesis every assignment of signs is equally likely, so the number
 * of assignments with a given rank sum is the coefficient of a product of (1 + x^rank). Doubling the ranks
 * keeps ties' half ranks whole; the table of counts has one entry a possible sum. The normal approximation
 * that most programs change to was rejected: with five or ten seeds it is what one must not use. The table
 * holds probabilities, not counts, so that many pairs do not overflow it. */
#include "report/statistics.h"

#include "base/random.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

static double mean_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static double deviation_of(const double *values, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

struct sample sample_summarise(const double *values, size_t n)
{
    struct sample sample = {n, NAN, NAN, NAN, NAN, NAN, NAN};
    if (n == 0)
        return sample;
    sample.mean = mean_of(values, n);
    sample.minimum = sample.maximum = values[0];
    for (size_t i = 1; i < n; i++) {
        sample.minimum = fmin(sample.minimum, values[i]);
        sample.maximum = fmax(sample.maximum, values[i]);
    }
    if (n == 1)
        return sample;
    sample.deviation = deviation_of(values, n, sample.mean);
    double half = gsl_cdf_tdist_Pinv(0.975, (double)(n - 1)) * sample.deviation / sqrt((double)n);
    sample.low = sample.mean - half;
    sample.high = sample.mean + half;
    return sample;
}

static int by_magnitude(const void *first, const void *second)
{
    double a = fabs(*(const double *)first), b = fabs(*(const double *)second);
    return (a > b) - (a < b);
}

/* Doubled mid-ranks of n sorted magnitudes; returns the doubled sum over positive differences. */
static size_t rank_doubled(const double *sorted, size_t n, size_t *ranks)
{
    size_t positive = 0;
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && fabs(sorted[end]) == fabs(sorted[start]);)
            end++;
        for (size_t i = start; i < end; i++) {
            ranks[i] = start + 1 + end; /* twice the mean of ranks start+1 … end */
            positive += sorted[i] > 0 ? ranks[i] : 0;
        }
    }
    return positive;
}

/* Probability that the doubled rank sum is at most `limit`. chance[total + 1] is scratch. */
static double lower_tail(const size_t *ranks, size_t n, size_t total, size_t limit, double *chance)
{
    for (size_t s = 0; s <= total; s++)
        chance[s] = s == 0;
    for (size_t i = 0; i < n; i++)
        for (size_t s = total + 1; s-- > 0;)
            chance[s] = 0.5 * (chance[s] + (s >= ranks[i] ? chance[s - ranks[i]] : 0));
    double sum = 0;
    for (size_t s = 0; s <= limit; s++)
        sum += chance[s];
    return sum;
}

double signed_rank_test(double *differences, size_t n, double *rank_sum)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (differences[i] != 0)
            differences[kept++] = differences[i];
    if (rank_sum != NULL)
        *rank_sum = 0;
    if (kept == 0)
        return n == 0 ? NAN : 1;
    qsort(differences, kept, sizeof *differences, by_magnitude);
    size_t total = kept * (kept + 1); /* doubled */
    size_t *ranks = calloc(kept, sizeof *ranks);
    double *chance = calloc(total + 1, sizeof *chance);
    double p = NAN;
    if (ranks != NULL && chance != NULL) {
        size_t positive = rank_doubled(differences, kept, ranks);
        size_t smaller = positive < total - positive ? positive : total - positive;
        p = fmin(1, 2 * lower_tail(ranks, kept, total, smaller, chance));
        if (rank_sum != NULL)
            *rank_sum = (double)positive / 2;
    }
    free(chance);
    free(ranks);
    return p;
}

struct paired_test paired_test(const double *a, const double *b, size_t n, double *scratch)
{
    for (size_t i = 0; i < n; i++)
        scratch[i] = a[i] - b[i];
    struct sample sample = sample_summarise(scratch, n);
    struct paired_test test = {.n = n,
                               .difference = sample.mean,
                               .low = sample.low,
                               .high = sample.high,
                               .t = NAN,
                               .p_t = NAN,
                               .p_rank = NAN};
    if (n >= 2) {
        double error = sample.deviation / sqrt((double)n);
        if (error > 0) {
            test.t = sample.mean / error;
            test.p_t = 2 * gsl_cdf_tdist_Q(fabs(test.t), (double)(n - 1));
        } else {
            test.p_t = sample.mean == 0 ? 1 : 0;
        }
    }
    test.p_rank = signed_rank_test(scratch, n, &test.rank_sum);
    return test;
}

void holm_adjust(double *p, size_t n, size_t *order)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(p[i]))
            continue;
        size_t place = count++;
        for (; place > 0 && p[order[place - 1]] > p[i]; place--)
            order[place] = order[place - 1];
        order[place] = i;
    }
    double running = 0;
    for (size_t k = 0; k < count; k++) {
        running = fmax(running, fmin(1, (double)(count - k) * p[order[k]]));
        p[order[k]] = running;
    }
}

double mcnemar_test(uint64_t only_first, uint64_t only_second)
{
    uint64_t smaller = only_first < only_second ? only_first : only_second;
    uint64_t both = only_first + only_second;
    if (both == 0)
        return 1;
    return fmin(1, 2 * gsl_cdf_binomial_P((unsigned)smaller, 0.5, (unsigned)both));
}

static int by_value(const void *first, const void *second)
{
    double a = *(const double *)first, b = *(const double *)second;
    return (a > b) - (a < b);
}

/* Linear interpolation between order statistics, numpy's default. */
static double quantile(const double *sorted, size_t n, double part)
{
    double place = part * (double)(n - 1);
    size_t below = (size_t)place;
    size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

struct bootstrap_interval bootstrap_mean(const float *differences, size_t n, uint64_t seed, size_t rounds,
                                         double *means)
{
    for (size_t round = 0; round < rounds; round++) {
        struct random_source source = {.seed = seed, .stream = RANDOM_SEARCH, .step = (uint32_t)round};
        double sum = 0;
        for (size_t block = 0; block < n; block += 4) {
            uint32_t words[4];
            random_words(&source, (uint32_t)(block / 4), words);
            for (size_t k = 0; k < 4 && block + k < n; k++)
                sum += differences[(uint64_t)words[k] * n >> 32];
        }
        means[round] = sum / (double)n;
    }
    qsort(means, rounds, sizeof *means, by_value);
    return (struct bootstrap_interval){quantile(means, rounds, 0.025), quantile(means, rounds, 0.975)};
}

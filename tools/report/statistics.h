/* Statistics over seeds and over images. Distributions are GSL's; the signed-rank test, which GSL lacks, is
 * exact. */
#ifndef REPORT_STATISTICS_H
#define REPORT_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* Of n values, NaN where n is too small: deviation (n - 1) and interval need two. */
struct sample {
    size_t n;
    double mean, deviation;
    double low, high; /* 95 % interval of the mean by Student's t */
    double minimum, maximum;
};
struct sample sample_summarise(const double *values, size_t n);

/* Of n differences a[i] - b[i]. */
struct paired_test {
    size_t n;
    double difference, low, high; /* mean and its 95 % interval */
    double t, p_t;                /* two-sided paired t test; p is NaN for n < 2 */
    double rank_sum;              /* of the positive differences */
    double p_rank; /* two-sided exact Wilcoxon signed-rank test; zeros left out, ties share ranks */
};
/* scratch[n] is overwritten. */
struct paired_test paired_test(const double *a, const double *b, size_t n, double *scratch);

/* Two-sided exact p of the signed-rank test for n differences (overwritten); *rank_sum may be NULL. NaN when
 * out of memory. */
double signed_rank_test(double *differences, size_t n, double *rank_sum);

/* Holm's step-down adjustment in place; NaN entries are left out of the count and stay. order[n] is scratch.
 */
void holm_adjust(double *p, size_t n, size_t *order);

/* McNemar's exact test on the two counts of images that only one of the models has right. */
double mcnemar_test(uint64_t only_first, uint64_t only_second);

struct bootstrap_interval {
    double low, high;
};
/* 95 % percentile interval of the mean of differences[n], resampled `rounds` times; reproducible from the
 * seed. The mean of a paired difference an image is the difference of accuracies. means[rounds] is scratch.
 */
struct bootstrap_interval bootstrap_mean(const float *differences, size_t n, uint64_t seed, size_t rounds,
                                         double *means);

#endif

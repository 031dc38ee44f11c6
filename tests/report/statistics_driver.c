/* Answers questions about report's statistics on standard input, for the comparison with scipy:
 *
 *     paired n a1 … an b1 … bn    ->  n difference low high t p_t rank_sum p_rank
 *     sample n x1 … xn            ->  mean deviation low high
 *     holm n p1 … pn              ->  adjusted p1 … pn
 *     mcnemar first second        ->  p
 *     bootstrap seed n d1 … dn    ->  low high (10,000 rounds) */
#include "report/statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, ROUNDS = 10000 };

static size_t read_values(double *values, size_t lists)
{
    size_t count = 0;
    if (scanf("%zu", &count) != 1 || count * lists > MOST)
        exit(2);
    for (size_t i = 0; i < count * lists; i++)
        if (scanf("%lf", &values[i]) != 1)
            exit(2);
    return count;
}

static void answer_paired(double *values, double *scratch)
{
    size_t n = read_values(values, 2);
    struct paired_test test = paired_test(values, values + n, n, scratch);
    printf("%zu %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", test.n, test.difference, test.low, test.high,
           test.t, test.p_t, test.rank_sum, test.p_rank);
}

static void answer_sample(double *values)
{
    struct sample sample = sample_summarise(values, read_values(values, 1));
    printf("%.17g %.17g %.17g %.17g\n", sample.mean, sample.deviation, sample.low, sample.high);
}

static void answer_holm(double *values)
{
    static size_t order[MOST];
    size_t n = read_values(values, 1);
    holm_adjust(values, n, order);
    for (size_t i = 0; i < n; i++)
        printf("%.17g ", values[i]);
    printf("\n");
}

static void answer_mcnemar(void)
{
    unsigned long long first, second;
    if (scanf("%llu %llu", &first, &second) != 2)
        exit(2);
    printf("%.17g\n", mcnemar_test(first, second));
}

static void answer_bootstrap(double *values)
{
    static float differences[MOST];
    static double means[ROUNDS];
    unsigned long long seed;
    if (scanf("%llu", &seed) != 1)
        exit(2);
    size_t n = read_values(values, 1);
    for (size_t i = 0; i < n; i++)
        differences[i] = (float)values[i];
    struct bootstrap_interval interval = bootstrap_mean(differences, n, seed, ROUNDS, means);
    printf("%.17g %.17g\n", interval.low, interval.high);
}

int main(void)
{
    static double values[MOST], scratch[MOST];
    char question[32];
    while (scanf("%31s", question) == 1) {
        if (strcmp(question, "paired") == 0)
            answer_paired(values, scratch);
        else if (strcmp(question, "sample") == 0)
            answer_sample(values);
        else if (strcmp(question, "holm") == 0)
            answer_holm(values);
        else if (strcmp(question, "mcnemar") == 0)
            answer_mcnemar();
        else if (strcmp(question, "bootstrap") == 0)
            answer_bootstrap(values);
        else
            return 2;
    }
    return 0;
}

/* What one core can do: fused multiply-adds a second, by 12 independent chains of vectors. */
#ifndef RUNNER_BENCH_PEAK_H
#define RUNNER_BENCH_PEAK_H

/* Operations (2 a multiply-add and lane) of one call; it takes about 0.2 ms. */
double peak_run(void);

/* Operations a second: the median of `repetitions` calls. */
double peak_measure(int repetitions);

/* Name of the vectors it uses: "8-lane AVX2", … */
const char *peak_vectors(void);

#endif

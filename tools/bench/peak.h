/* What one core can do: fused multiply-adds a second, by 12 independent chains of vectors. */
#ifndef RUNNER_BENCH_PEAK_H
#define RUNNER_BENCH_PEAK_H

/* Operations (2 a multiply-add and lane) of one call; it takes about 0.2 ms. */
double peak_run(void);

/* The same by the widest vectors that the CPU has: 16 lanes with AVX-512, which some cores start as often as
 * 8 and others half as often; peak_run() elsewhere. */
double peak_run_widest(void);

/* Operations a second of one of these: the median of `repetitions` calls. */
double peak_measure(double (*run)(void), int repetitions);

/* Name of the vectors that peak_run uses: "8-lane AVX2", … */
const char *peak_vectors(void);

#endif

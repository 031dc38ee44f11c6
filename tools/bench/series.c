/* A round is one epoch and its evaluation; callers interleave the rounds of several series, so that a machine
 * that slows down slows all of them. */
#include "series.h"

#include "peak.h"
#include "samples.h"

static struct measured measured_of(double seconds, double images, double operations, double peak,
                                   double widest)
{
    struct measured measured = {.seconds = seconds, .images_per_second = images / seconds};
    measured.gflops = 1e-9 * operations * images / seconds;
    measured.fraction = measured.gflops * 1e9 / peak;
    measured.fraction_of_widest = measured.gflops * 1e9 / widest;
    return measured;
}

enum status series_round(struct series *series, const struct kernels *kernels, int round, struct error *error)
{
    double wall;
    struct team *team = team_create(1);
    enum status status = team ? bench_restart(&series->run, kernels, error)
                              : error_set(error, STATUS_MEMORY, "no memory for a team");
    double before = peak_measure(peak_run, PEAK_CALLS);
    if (status == STATUS_OK)
        status = bench_advance(&series->run, team, TRAINER_EPOCH, &series->epoch[round], &wall, error);
    double between = peak_measure(peak_run, PEAK_CALLS);
    if (status == STATUS_OK)
        status =
            bench_advance(&series->run, team, TRAINER_FINISHED, &series->evaluation[round], &wall, error);
    series->peak[round] = 0.5 * (before + between);
    series->widest[round] = peak_measure(peak_run_widest, PEAK_CALLS);
    team_destroy(team);
    return status;
}

void series_summarise(struct series *series, int rounds, struct measured *epoch, struct measured *evaluation)
{
    double peak = samples_median(series->peak, rounds), widest = samples_median(series->widest, rounds);
    double images = series->run.images;
    *epoch =
        measured_of(samples_median(series->epoch, rounds), images, series->run.work.training, peak, widest);
    if (evaluation)
        *evaluation = measured_of(samples_median(series->evaluation, rounds), images,
                                  series->run.work.evaluation, peak, widest);
}

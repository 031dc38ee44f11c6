/* Probes: trainers that run on the scheduler like any job, until a watching thread stops each after its share
 * of the time.
 *
 * Measured in company, because that is what a grid is: two runs on one core's hyper-threads, or on a machine
 * whose clock falls when all cores work, are slower than one alone. A formula over multiply-adds alone was
 * rejected; batch norm and small layers cost what multiply-adds do not show. */
#include "app/calibration.h"

#include "data/dataset.h"
#include "train/trainer.h"
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { POLL_NANOSECONDS = 2000000 };

struct probe {
    const struct plan *plan;
    atomic_bool stop;
    _Atomic double deadline; /* 0 until it trains */
    double images, seconds;
    struct error error;
};

struct calibration {
    struct probe *probes;
    size_t count;
    double share; /* seconds of each probe */
    const struct kernels *kernels;
    const atomic_bool *stop;
    atomic_bool done;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The watching thread. */
static void *watch(void *argument)
{
    struct calibration *calibration = argument;
    const struct timespec pause = {0, POLL_NANOSECONDS};
    while (!atomic_load(&calibration->done)) {
        bool interrupted = calibration->stop && atomic_load(calibration->stop);
        for (size_t i = 0; i < calibration->count; i++) {
            double deadline = atomic_load(&calibration->probes[i].deadline);
            if (interrupted || (deadline > 0 && now() >= deadline))
                atomic_store(&calibration->probes[i].stop, true);
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static enum status train(struct calibration *calibration, struct probe *probe, struct trainer *trainer,
                         struct team *team)
{
    enum status status = STATUS_OK;
    enum trainer_event event = TRAINER_EPOCH;
    double start = now();
    atomic_store(&probe->deadline, start + calibration->share);
    while (status == STATUS_OK && event != TRAINER_STOPPED && event != TRAINER_FINISHED)
        status = trainer_advance(trainer, team, &probe->stop, &event, &probe->error);
    probe->seconds = now() - start;
    probe->images = (double)trainer_progress(trainer).images_done;
    return status == STATUS_DIVERGED ? STATUS_OK : status; /* how fast is all that is asked */
}

static bool run_probe(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    struct calibration *calibration = context;
    struct probe *probe = &calibration->probes[job];
    struct dataset *dataset = NULL;
    struct trainer *trainer = NULL;
    (void)stop; /* the watching thread sees it too */
    enum status status = dataset_open(&probe->plan->dataset, &dataset, &probe->error);
    if (status == STATUS_OK)
        status = trainer_create(probe->plan, dataset, calibration->kernels, &trainer, &probe->error);
    if (status == STATUS_OK)
        status = train(calibration, probe, trainer, team);
    if (trainer)
        trainer_destroy(trainer);
    if (dataset)
        dataset_close(dataset);
    return status == STATUS_OK;
}

static enum status run_probes(struct calibration *calibration, struct scheduler_options scheduler,
                              struct error *error)
{
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch, calibration) != 0)
        return error_set(error, STATUS_MEMORY, "no thread for the calibration");
    struct scheduler_result result = scheduler_run(&scheduler, calibration->count, run_probe, calibration);
    atomic_store(&calibration->done, true);
    pthread_join(watcher, NULL);
    for (size_t i = 0; i < calibration->count && result.failed > 0; i++) {
        if (calibration->probes[i].error.code != STATUS_OK) {
            *error = calibration->probes[i].error;
            return error->code;
        }
    }
    return result.failed > 0 ? error_set(error, STATUS_INTERNAL, "the calibration failed") : STATUS_OK;
}

enum status calibrate(const struct scheduler_options *options, size_t jobs, const struct kernels *kernels,
                      const struct plan *const *plans, size_t count, double seconds,
                      double *images_per_second, struct error *error)
{
    struct scheduler_shape shape = scheduler_shape(options, jobs);
    size_t at_once = (size_t)(shape.jobs > 0 ? shape.jobs : 1);
    size_t rounds = (count + at_once - 1) / at_once;
    struct calibration calibration = {.count = rounds * at_once,
                                      .share = seconds / (double)rounds,
                                      .kernels = kernels,
                                      .stop = options->stop};
    struct scheduler_options scheduler = *options;
    scheduler.jobs = shape.jobs;
    scheduler.threads = shape.threads;
    scheduler.elastic = false;
    scheduler.cost = NULL;
    scheduler.remaining = NULL;
    calibration.probes = calloc(calibration.count, sizeof *calibration.probes);
    if (!calibration.probes)
        return error_set(error, STATUS_MEMORY, "out of memory for the calibration");
    for (size_t i = 0; i < calibration.count; i++)
        calibration.probes[i].plan = plans[i % count];
    enum status status = run_probes(&calibration, scheduler, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        double images = 0, spent = 0;
        for (size_t k = i; k < calibration.count; k += count) {
            images += calibration.probes[k].images;
            spent += calibration.probes[k].seconds;
        }
        images_per_second[i] = spent > 0 && images > 0 ? images / spent : 1;
    }
    free(calibration.probes);
    return status;
}

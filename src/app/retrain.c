/* The promise "resumed is as never stopped", checked on a user's own run.
 *
 * The plan comes from the resolved YAML in the run file, so that neither the configuration nor its folder is
 * needed; its id must come out the same, which also says that the data are. The trainer then goes on from the
 * starting state, one event a step, until it stands exactly where run.h5 does (in the middle of an epoch,
 * too), and the two content digests are compared: weights, optimiser, histories, everything but provenance.
 * Rejected: comparing weights alone, which would miss a history or a moment that was restored wrongly. */
#include "app/retrain.h"
#include "app/data_pool.h"
#include "app/kernel_choice.h"
#include "app/results_folder.h"
#include "app/signals.h"
#include "app/starting_weights.h"
#include "grid/grid.h"
#include "sched/scheduler.h"
#include "store/run_file.h"
#include "train/trainer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct retraining {
    struct run_record *target; /* what run.h5 holds */
    struct run_record *start;  /* NULL: from nothing */
    struct grid *grid;
    struct plan plan; /* the run's, but due after every step */
    struct dataset *dataset;
    char digest[DIGEST_HEX];
    enum status status;
    struct error *error;
};

/* A file for the configuration, since the grid is read from one; the caller unlinks it. */
static enum status write_config(const char *yaml, char path[PATH_SIZE], struct error *error)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, PATH_SIZE, "%s/runner-XXXXXX.yaml", folder != NULL ? folder : "/tmp");
    int file = mkstemps(path, sizeof ".yaml" - 1);
    if (file < 0) {
        return error_set_system(error, errno, "cannot make %s", path);
    }
    size_t length = strlen(yaml);
    ssize_t written = write(file, yaml, length);
    int reason = written == (ssize_t)length ? 0 : written < 0 ? errno : ENOSPC;
    close(file);
    if (reason != 0) {
        unlink(path);
        return error_set_system(error, reason, "cannot write %s", path);
    }
    return STATUS_OK;
}

static enum status read_plan(struct retraining *work, struct error *error)
{
    static struct diagnostics diagnostics; /* 20 kB; once a process */
    char path[PATH_SIZE];
    const struct run_identity *identity = &work->target->identity;
    enum status status = write_config(identity->resolved_yaml, path, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct grid_options options = {
        .path = path, .identify_data = data_identify, .identify_weights = starting_weights_identify};
    status = grid_create(&options, &work->grid, &diagnostics);
    if (status != STATUS_OK) {
        diagnostics_print(&diagnostics, stderr);
        error_set(error, status, "the configuration in the run file is not accepted");
    } else if (work->grid->run_count != 1 || strcmp(work->grid->runs[0].id, identity->id) != 0) {
        status = error_set(
            error, STATUS_DATA,
            "the configuration in the run file gives another run here: the data files differ from those "
            "that were trained on");
    } else {
        work->plan = *work->grid->runs[0].plan;
        work->plan.checkpoint.every_seconds = 1e-12;
    }
    unlink(path);
    return status;
}

/* The newest generation at or before from_epoch. A previous file that is absent or bad is no reason to fail.
 */
static void choose_start(struct retraining *work, const char *run_path, uint32_t from_epoch)
{
    char path[PATH_SIZE];
    struct run_record *record = NULL;
    const char *slash = strrchr(run_path, '/');
    int folder = slash != NULL ? (int)(slash - run_path) + 1 : 0;
    int length = snprintf(path, sizeof path, "%.*srun.prev.h5", folder, run_path);
    if (from_epoch == 0 || length >= PATH_SIZE || run_file_load(path, &record, NULL) != STATUS_OK) {
        return;
    }
    bool usable = strcmp(record->identity.id, work->target->identity.id) == 0 &&
                  record->identity.numerics_version == NUMERICS_VERSION &&
                  record->state->position.epoch <= from_epoch &&
                  record->state->position.global_step <= work->target->state->position.global_step;
    if (usable) {
        work->start = record;
    } else {
        run_record_destroy(record);
    }
}

/* Whether a state stands where the target does. */
static bool has_arrived(const struct run_state *state, const struct run_state *target)
{
    return memcmp(&state->position, &target->position, sizeof state->position) == 0 &&
           state->status == target->status && state->history.count == target->history.count;
}

/* The digest of what the trainer has, where it has arrived; empty where not yet. */
static enum status digest_arrived(struct retraining *work, const struct trainer *trainer, struct error *error)
{
    struct run_state *state = NULL;
    if (trainer_progress(trainer).position.global_step != work->target->state->position.global_step) {
        return STATUS_OK;
    }
    enum status status = trainer_snapshot(trainer, &state, error);
    if (status == STATUS_OK && has_arrived(state, work->target->state)) {
        struct run_record record = {.identity = work->target->identity, .state = state};
        status = run_record_digest(&record, error);
        memcpy(work->digest, record.content_sha256, DIGEST_HEX);
    }
    run_state_destroy(state);
    return status;
}

static enum status advance_to_target(struct retraining *work, struct trainer *trainer, struct team *team,
                                     const atomic_bool *stop, struct error *error)
{
    enum trainer_event event = TRAINER_DUE;
    enum status status = digest_arrived(work, trainer, error);
    while (status == STATUS_OK && work->digest[0] == '\0') {
        if (event == TRAINER_STOPPED) {
            return error_set(error, STATUS_STOPPED, "stopped before the comparison");
        }
        if (event == TRAINER_FINISHED) {
            return error_set(error, STATUS_DAMAGED, "the new run never stood where the saved one does");
        }
        status = trainer_advance(trainer, team, stop, &event, error);
        if (status == STATUS_OK) {
            status = digest_arrived(work, trainer, error);
        }
    }
    return status;
}

/* A scheduler_job: the one run, on all cores. */
static bool retrain(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    struct retraining *work = context;
    struct trainer *trainer = NULL;
    const struct kernels *kernels = NULL;
    (void)job;
    kernel_choice_warn();
    work->status = kernel_choice(&kernels, work->error);
    if (work->status == STATUS_OK) {
        work->status = trainer_create(&work->plan, work->dataset, kernels, &trainer, work->error);
    }
    if (work->status == STATUS_OK && work->start != NULL) {
        work->status = trainer_restore(trainer, work->start->state, work->error);
    } else if (work->status == STATUS_OK) {
        work->status = starting_weights_load(&work->plan, trainer, work->error);
    }
    if (work->status == STATUS_OK) {
        work->status = advance_to_target(work, trainer, team, stop, work->error);
    }
    if (trainer != NULL) {
        trainer_destroy(trainer);
    }
    return work->status == STATUS_OK;
}

static enum status compare(const struct retraining *work, const char *path, struct error *error)
{
    const struct run_record *target = work->target;
    unsigned from = work->start != NULL ? work->start->state->position.epoch : 0;
    bool same = strcmp(work->digest, target->content_sha256) == 0;
    printf("%s: trained again from epoch %u%s to epoch %u, step %u: %s\n", path, from,
           work->start != NULL ? " (run.prev.h5)" : "", (unsigned)target->state->position.epoch,
           (unsigned)target->state->position.step, same ? "the same bytes" : "another result");
    if (same) {
        return STATUS_OK;
    }
    if (target->identity.numerics_version != NUMERICS_VERSION) {
        return error_set(error, STATUS_DAMAGED,
                         "the digests differ; the saved run is of numerics version %u, this engine is %d",
                         (unsigned)target->identity.numerics_version, NUMERICS_VERSION);
    }
    return error_set(error, STATUS_DAMAGED, "the digests differ: %s saved, %s now", target->content_sha256,
                     work->digest);
}

enum status retrain_and_compare(const char *path, uint32_t from_epoch, struct error *error)
{
    struct retraining work = {.error = error};
    struct scheduler_options options = {.jobs = 1, .elastic = true, .stop = signals_stop()};
    signals_install();
    enum status status = run_file_load(path, &work.target, error);
    if (status == STATUS_OK && work.target->state->status > RUN_FINISHED) {
        status = error_set(error, STATUS_USAGE, "%s %s, so there is no result to compare with", path,
                           run_status_name(work.target->state->status));
    }
    if (status == STATUS_OK) {
        status = read_plan(&work, error);
    }
    if (status == STATUS_OK) {
        choose_start(&work, path, from_epoch);
        status = dataset_open(&work.plan.dataset, &work.dataset, error);
    }
    if (status == STATUS_OK) {
        scheduler_run(&options, 1, retrain, &work);
        status = work.status;
    }
    if (status == STATUS_OK) {
        status = compare(&work, path, error);
    }
    if (work.dataset != NULL) {
        dataset_close(work.dataset);
    }
    if (work.grid != NULL) {
        grid_destroy(work.grid);
    }
    run_record_destroy(work.start);
    run_record_destroy(work.target);
    return status;
}

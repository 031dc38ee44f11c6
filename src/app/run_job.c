/* A run is a small state machine over the trainer's events: each says what to save, the store says when it is
 * safe.
 *
 *     open and lock -> load -> finished? start over? go on? -> trainer -> [event -> save]* -> end
 *
 * Invariant: whatever is announced (in events, log or on the terminal) as saved has been acknowledged by the
 * store before. The leader does all of this; its helpers sleep meanwhile, since a save takes milliseconds and
 * an epoch seconds.
 *
 * Rejected: a separate writer thread. It would hold a second copy of every run's state, and a run's end would
 * have to wait for it all the same. */
#include "app/run_job.h"
#include "app/run_log.h"
#include "app/run_story.h"
#include "app/signals.h"
#include "app/starting_weights.h"
#include "base/log.h"
#include "store/run_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPACE_RETRY_SECONDS = 10 };

struct run {
    struct run_session *session;
    const struct grid_run *run;
    struct team *team;
    const atomic_bool *stop;
    int slot;
    uint32_t told_epochs; /* of the history, in events and log */
    struct run_folder *folder;
    struct run_story story;
    struct dataset *dataset;
    struct trainer *trainer;
    struct run_provenance provenance;
    char content_sha256[DIGEST_HEX];
    struct run_final final;
};

/* Sleeps in small pieces, so that a signal does not have to wait. False: stopped meanwhile. */
static bool wait_for_space(const struct run *run, const struct error *problem)
{
    log_warning("%s: %s; the run waits and tries again every %d s", run->run->name, problem->message,
                SPACE_RETRY_SECONDS);
    for (int i = 0; i < SPACE_RETRY_SECONDS * 10; i++) {
        if (atomic_load(run->stop)) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return true;
}

static void fill_record(struct run *run, struct run_state *state, struct run_record *record)
{
    const struct grid_run *source = run->run;
    time_stamp_now(run->provenance.saved);
    snprintf(run->provenance.core_seconds, sizeof run->provenance.core_seconds, "%.3f", state->core_seconds);
    provenance_fill(run->session->provenance, &run->provenance);
    *record = (struct run_record){
        .identity = {.grid = run->session->grid->name,
                     .variant = source->variant,
                     .name = source->name,
                     .resolved_yaml = source->resolved_yaml,
                     .canonical = source->canonical,
                     .numerics_version = NUMERICS_VERSION,
                     .seed = source->plan->seed},
        .state = state,
        .provenance = run->provenance.entries,
        .provenance_count = run->provenance.count,
    };
    memcpy(record->identity.id, source->id, sizeof record->identity.id);
}

/* Saves the trainer's state; failure (or NULL) makes it a failed one. A full disk is waited for. */
static enum status save(struct run *run, enum run_status failed_as, const char *failure, struct error *error)
{
    struct run_state *state = NULL;
    struct run_record record;
    enum status status = trainer_snapshot(run->trainer, &state, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (failure != NULL) {
        state->status = failed_as;
        snprintf(state->failure, sizeof state->failure, "%s", failure);
    }
    fill_record(run, state, &record);
    do {
        status = run_folder_save(run->folder, &record, error);
    } while (status == STATUS_NO_SPACE && wait_for_space(run, error));
    if (status == STATUS_OK) {
        memcpy(run->content_sha256, record.content_sha256, DIGEST_HEX);
        run->final = state->final;
    }
    run_state_destroy(state);
    return status;
}

/* What a saved run's times were, so that a resumed run keeps its first start. */
static void keep_start(struct run *run, const struct run_record *record)
{
    for (size_t i = 0; i < record->provenance_count; i++) {
        if (strcmp(record->provenance[i].key, "started") == 0) {
            time_stamp_now(run->provenance.resumed);
            snprintf(run->provenance.started, sizeof run->provenance.started, "%s",
                     record->provenance[i].value);
        }
    }
}

static bool starts_over(const struct run *run, const struct run_record *record)
{
    bool failed = record->state->status == RUN_FAILED || record->state->status == RUN_DIVERGED;
    if (run->session->restart == RESTART_ALL || (run->session->restart == RESTART_FAILED && failed)) {
        return true;
    }
    if (record->state->status != RUN_FINISHED && record->identity.numerics_version != NUMERICS_VERSION) {
        log_info("%s starts again: it was begun by an engine of numerics version %u, this one is %d",
                 run->run->name, (unsigned)record->identity.numerics_version, NUMERICS_VERSION);
        return true;
    }
    return false;
}

/* Lock, log, and what is there already. *record stays NULL for a fresh start. */
static enum status open_run(struct run *run, struct run_record **record, struct error *error)
{
    enum status status =
        run->session->take_over
            ? run_folder_take_over(run->session->runs_directory, run->run->id, &run->folder, error)
            : run_folder_open(run->session->runs_directory, run->run->id, &run->folder, error);
    if (status != STATUS_OK) {
        return status;
    }
    run->story.log = run_log_open(run_folder_path(run->folder));
    run_log_attach(run->story.log);
    status = run_folder_load(run->folder, record, error);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK && starts_over(run, *record)) {
        status = run_folder_restart(run->folder, error);
        run_record_destroy(*record);
        *record = NULL;
    }
    return status;
}

static enum status make_trainer(struct run *run, const struct run_record *record, struct error *error)
{
    const struct plan *plan = run->run->plan;
    time_stamp_now(run->provenance.started);
    provenance_add_data(&plan->dataset, &run->provenance);
    enum status status = dataset_open(&plan->dataset, &run->dataset, error);
    if (status == STATUS_OK) {
        provenance_add_shape(dataset_shape(run->dataset), &run->provenance);
        status = trainer_create(plan, run->dataset, run->session->kernels, &run->trainer, error);
    }
    if (status == STATUS_OK && record != NULL) {
        keep_start(run, record);
        status = trainer_restore(run->trainer, record->state, error);
    } else if (status == STATUS_OK) {
        status = starting_weights_load(plan, run->trainer, error);
    }
    return status;
}

/* At a rung of a search, which is never a run's last epoch. */
static bool pauses_here(const struct run *run)
{
    uint32_t epochs = trainer_history(run->trainer)->count, pause = run->session->pause_epochs;
    return pause > 0 && epochs >= pause && epochs < (uint32_t)run->run->plan->trainer.max_epochs;
}

/* Whether this event is one to save at. The last epoch is saved together with the final figures, which follow
 * at once: a run of one short epoch then writes one file instead of two. */
static bool is_due(const struct run *run, enum trainer_event event)
{
    if (event != TRAINER_EPOCH || pauses_here(run)) {
        return true;
    }
    const struct plan *plan = run->run->plan;
    uint32_t epochs = trainer_history(run->trainer)->count;
    int every = plan->checkpoint.every_epochs;
    return epochs < (uint32_t)plan->trainer.max_epochs && (every <= 1 || epochs % (uint32_t)every == 0);
}

/* Tells of the epoch that the last save was the first to hold, if there is one. */
static void tell_epoch(struct run *run)
{
    const struct history *history = trainer_history(run->trainer);
    if (history->count > run->told_epochs) {
        story_epoch_saved(&run->story, history);
        run->told_epochs = history->count;
    }
}

/* From event to event until the run ends or has to stop. */
static enum status train(struct run *run, enum run_outcome *outcome, struct error *error)
{
    run->told_epochs = trainer_history(run->trainer)->count;
    for (;;) {
        enum trainer_event event;
        enum status status = trainer_advance(run->trainer, run->team, run->stop, &event, error);
        if (status == STATUS_OK && is_due(run, event)) {
            status = save(run, RUN_FAILED, NULL, error);
            if (status == STATUS_OK) {
                tell_epoch(run);
            }
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (event == TRAINER_EPOCH && pauses_here(run)) {
            *outcome = OUTCOME_PAUSED;
            return STATUS_OK;
        }
        if (event == TRAINER_FINISHED || event == TRAINER_STOPPED) {
            *outcome = event == TRAINER_FINISHED ? OUTCOME_FINISHED : OUTCOME_STOPPED;
            return STATUS_OK;
        }
    }
}

static void keep_failure(struct run *run, const struct error *problem)
{
    struct run_session *session = run->session;
    pthread_mutex_lock(&session->mutex);
    struct run_failure *grown = realloc(session->failures, (session->failure_count + 1) * sizeof *grown);
    if (grown != NULL) {
        session->failures = grown;
        struct run_failure *failure = &grown[session->failure_count++];
        failure->run = run->run;
        snprintf(failure->message, sizeof failure->message, "%.255s", problem->message);
    }
    pthread_mutex_unlock(&session->mutex);
}

/* The last good state is kept with the reason, so that reports can say why there is no result. */
static void fail(struct run *run, const struct error *problem)
{
    struct error second;
    if (run->trainer != NULL && (problem->code == STATUS_DIVERGED || problem->code == STATUS_INTERNAL)) {
        enum run_status as = problem->code == STATUS_DIVERGED ? RUN_DIVERGED : RUN_FAILED;
        if (save(run, as, problem->message, &second) != STATUS_OK) {
            log_failure(&second);
        }
    }
    story_failed(&run->story, problem);
    keep_failure(run, problem);
    if (run->session->fail_fast) {
        signals_raise_stop();
    }
}

static void close_run(struct run *run)
{
    if (run->trainer != NULL) {
        progress_detach(run->session->progress, run->slot);
        trainer_destroy(run->trainer);
    }
    if (run->dataset != NULL) {
        dataset_close(run->dataset);
    }
    run_log_attach(NULL);
    run_log_close(run->story.log);
    if (run->folder != NULL) {
        run_folder_close(run->folder);
    }
}

static enum run_outcome conduct(struct run *run)
{
    struct error error = {0};
    struct run_record *record = NULL;
    enum run_outcome outcome = OUTCOME_FAILED;
    enum status status = open_run(run, &record, &error);
    if (status == STATUS_LOCKED ||
        (status == STATUS_OK && record != NULL && record->state->status == RUN_FINISHED)) {
        outcome = OUTCOME_ELSEWHERE;
        goto cleanup;
    }
    if (status == STATUS_OK) {
        status = make_trainer(run, record, &error);
    }
    if (status == STATUS_OK) {
        progress_attach(run->session->progress, run->slot, run->trainer, run->team);
        story_started(&run->story, record != NULL ? &record->state->position : NULL);
        run_record_destroy(record);
        record = NULL;
        status = train(run, &outcome, &error);
    }
    if (status == STATUS_STALE) {
        log_warning("%s: %s", run->run->name, error.message);
        outcome = OUTCOME_ELSEWHERE;
    } else if (status == STATUS_NO_SPACE && atomic_load(run->stop)) {
        log_warning("%s: stopped without its last save: %s", run->run->name, error.message);
        outcome = OUTCOME_STOPPED;
    } else if (status != STATUS_OK) {
        fail(run, &error);
        outcome = OUTCOME_FAILED;
    } else if (outcome == OUTCOME_FINISHED) {
        story_finished(&run->story, &run->final, run->content_sha256);
    } else {
        struct trainer_progress progress = trainer_progress(run->trainer);
        story_stopped(&run->story, &progress.position);
    }
cleanup:
    if (record != NULL) {
        run_record_destroy(record);
    }
    close_run(run);
    return outcome;
}

bool run_job(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    struct run_session *session = context;
    struct run run = {.session = session, .run = session->jobs[job], .team = team, .stop = stop};
    run.story = (struct run_story){.events = session->events, .run = run.run};
    clock_gettime(CLOCK_MONOTONIC, &run.story.begin);
    run.slot = progress_begin(session->progress, job, run.run->name, run.run->id);
    enum run_outcome outcome = conduct(&run);
    progress_end(session->progress, run.slot, outcome);
    atomic_fetch_add(&session->stopped, outcome == OUTCOME_STOPPED);
    atomic_fetch_add(&session->elsewhere, outcome == OUTCOME_ELSEWHERE);
    atomic_fetch_add(&session->paused, outcome == OUTCOME_PAUSED);
    return outcome != OUTCOME_FAILED;
}

double run_job_remaining(void *context, size_t job)
{
    struct run_session *session = context;
    return progress_remaining(session->progress, job);
}

/* runner submit --engine slurm: from the file to the queue.
 *
 *     options -> grid -> grid.json -> what is neither finished nor queued -> estimates -> plan -> manifest,
 * scripts -> sbatch
 *
 * The results folder says what is finished and squeue what is under way; there is no third list that could
 * disagree with them. One lock for a grid's submissions on this file system, so that two impatient shells
 * cannot send the same runs between each other's question and sbatch.
 *
 * --dry-run goes the same way up to the scripts, which it prints, and asks Slurm nothing that it cannot do
 * without: a plan can be made on a laptop. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/grid_work.h"
#include "app/model_check.h"
#include "app/report_child.h"
#include "app/slurm_client.h"
#include "app/slurm_estimate.h"
#include "app/slurm_forecast.h"
#include "app/slurm_live.h"
#include "app/slurm_overlay.h"
#include "app/slurm_submission.h"
#include "app/submit_options.h"
#include "base/atomic_file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { LEAST_MINUTES = 10, PLANNED_ARRAY_SIZE = 1001 };

struct submit {
    struct submit_options options;
    struct grid *grid;
    char grid_directory[PATH_SIZE], runs_directory[PATH_SIZE];
    int lock;
    struct selection selection;
    struct slurm_queue queue;
    struct slurm_live live;
    const struct grid_run **jobs; /* [job_count] what is to be sent */
    size_t job_count;
    struct data_pool *pool;
    struct diagnostics diagnostics; /* of the models that do not fit */
    struct slurm_estimate estimate;
    size_t max_array_size;
    struct slurm_plan *plan;
    struct slurm_submission submission;
    int minutes; /* time limit of a task */
};

/* Absolute, also where the folder is not there yet and must not be made. */
static enum status find_folder(struct submit *submit, struct error *error)
{
    char absolute[PATH_MAX], output[PATH_SIZE];
    enum status status =
        submit->options.dry_run ? STATUS_OK : directory_create(submit->options.output, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (realpath(submit->options.output, absolute) != NULL) {
        snprintf(output, sizeof output, "%.*s", PATH_SIZE - 1, absolute);
    } else if (realpath(".", absolute) == NULL ||
               path_join(output, submit->options.output[0] == '/' ? "" : absolute, submit->options.output,
                         error) != STATUS_OK) {
        return error_set_system(error, errno, "cannot find the folder %s", submit->options.output);
    }
    status = path_join(submit->grid_directory, output, submit->grid->name, error);
    return status == STATUS_OK ? path_join(submit->runs_directory, submit->grid_directory, "runs", error)
                               : status;
}

static enum status take_lock(struct submit *submit, struct error *error)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    enum status status = path_join(folder, submit->grid_directory, "slurm", error);
    if (status == STATUS_OK) {
        status = path_join(path, folder, "lock", error);
    }
    if (status == STATUS_OK) {
        status = directory_create(folder, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    submit->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (submit->lock < 0) {
        return error_set_system(error, errno, "cannot open %s", path);
    }
    if (fcntl(submit->lock, F_OFD_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES)) {
        return error_set(error, STATUS_LOCKED,
                         "another runner submits this grid right now (%s is locked); try again", path);
    }
    return STATUS_OK;
}

/* A results folder that only this machine sees is the commonest mistake, and every task would fail on it. */
static void warn_if_local(const char *grid_directory)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } local[] = {{TMPFS_MAGIC, "tmpfs"},
                 {EXT4_SUPER_MAGIC, "ext4"},
                 {XFS_SUPER_MAGIC, "xfs"},
                 {BTRFS_SUPER_MAGIC, "btrfs"},
                 {OVERLAYFS_SUPER_MAGIC, "overlay"}};
    struct statfs information;
    if (statfs(grid_directory, &information) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        if ((unsigned long)information.f_type == local[i].magic) {
            log_warning("%s is on %s, a file system of this machine alone as a rule; the nodes must see the "
                        "same folder",
                        grid_directory, local[i].name);
        }
    }
}

static enum status ask_queue(struct submit *submit, struct error *error)
{
    if (submit->options.files_only) {
        submit->max_array_size = SIZE_MAX;
        return STATUS_OK;
    }
    enum status status = slurm_client_queue(submit->submission.job_name, &submit->queue, error);
    if (status == STATUS_OK) {
        status = slurm_live_read(submit->grid_directory, &submit->queue, &submit->live, error);
    }
    if (status == STATUS_OK) {
        status = slurm_client_max_array_size(&submit->max_array_size, error);
    }
    if (status != STATUS_OK && submit->options.dry_run) {
        log_info("planned without the queue: %s", error->message);
        slurm_queue_release(&submit->queue);
        submit->max_array_size = PLANNED_ARRAY_SIZE;
        return STATUS_OK;
    }
    return status;
}

static enum status choose_runs(struct submit *submit, struct error *error)
{
    enum status status = selection_create(submit->grid, submit->runs_directory, &submit->options.selection,
                                          &submit->selection, error);
    if (status != STATUS_OK) {
        return status;
    }
    submit->jobs = calloc(submit->selection.job_count + 1, sizeof *submit->jobs);
    if (submit->jobs == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu runs", submit->selection.job_count);
    }
    for (size_t i = 0; i < submit->selection.job_count; i++) {
        if (slurm_live_find(&submit->live, submit->selection.jobs[i]->id) == NULL) {
            submit->jobs[submit->job_count++] = submit->selection.jobs[i];
        }
    }
    log_info("%s: %zu runs: %zu finished, %zu failed earlier, %zu in the queue, %zu to send",
             submit->grid->name, submit->grid->run_count, submit->selection.finished,
             submit->selection.failed, submit->selection.job_count - submit->job_count, submit->job_count);
    return STATUS_OK;
}

/* Half as much again as the longest chunk is thought to take: a limit that is reached costs a requeue, one
 * that is too long a later start. */
static int time_limit(const struct submit *submit)
{
    if (submit->options.minutes > 0) {
        return submit->options.minutes;
    }
    return (int)fmin(fmax(ceil(1.5 * slurm_plan_longest(submit->plan)) + 5, LEAST_MINUTES), 1e6);
}

/* What a task would fail on, before anything is sent: every model against its data and the weights that it
 * starts from. */
static enum status check_models(struct submit *submit, struct error *error)
{
    const struct grid *grid = submit->grid;
    bool *chosen = calloc(grid->run_count + 1, sizeof *chosen);
    struct run_size *sizes = calloc(grid->run_count + 1, sizeof *sizes);
    enum status status = STATUS_OK;
    submit->pool = data_pool_create();
    if (submit->pool == NULL || chosen == NULL || sizes == NULL) {
        status = error_set(error, STATUS_MEMORY, "out of memory for %zu runs", grid->run_count);
    } else {
        for (size_t i = 0; i < submit->job_count; i++) {
            chosen[submit->jobs[i] - grid->runs] = true;
        }
        status = models_check(grid, chosen, submit->pool, sizes, &submit->diagnostics, error);
    }
    free(chosen);
    free(sizes);
    return status;
}

static enum status make_plan(struct submit *submit, struct error *error)
{
    enum status status = slurm_estimate_create(submit->grid, submit->runs_directory, submit->jobs,
                                               submit->job_count, submit->pool, &submit->estimate, error);
    struct slurm_plan_options options = {
        .minutes_per_task = submit->options.minutes_per_task,
        .cores = submit->options.cores,
        .max_array_size = submit->max_array_size,
        .max_parallel = (size_t)submit->options.max_parallel,
    };
    if (status == STATUS_OK) {
        status = slurm_plan_create(&options, submit->estimate.core_seconds, submit->job_count, &submit->plan,
                                   error);
    }
    if (status == STATUS_OK) {
        submit->minutes = time_limit(submit);
    }
    return status;
}

/* Everything that the scripts need to know; the strings are the caller's buffers. */
struct script_paths {
    char runner[PATH_MAX], report[4096], working[PATH_MAX];
};

static enum status fill_script(const struct submit *submit, struct script_paths *paths,
                               struct slurm_script *script, struct error *error)
{
    if (realpath("/proc/self/exe", paths->runner) == NULL || realpath(".", paths->working) == NULL) {
        return error_set_system(error, errno, "cannot find the program or the current folder");
    }
    report_program(paths->report);
    *script = (struct slurm_script){
        .job_name = submit->submission.job_name,
        .runner = paths->runner,
        .report = paths->report,
        .grid_directory = submit->grid_directory,
        .submission = submit->submission.folder,
        .working_directory = paths->working,
        .cores = submit->options.cores,
        .minutes = submit->minutes,
        .max_requeues = submit->options.max_requeues,
        .retry_failed = submit->options.selection.retry_failed,
        .partition = submit->options.partition,
        .account = submit->options.account,
        .extra = submit->options.extra,
        .extra_count = submit->options.extra_count,
    };
    return STATUS_OK;
}

static enum status show_plan(struct submit *submit, const struct slurm_script *script, struct error *error)
{
    struct text text = {0};
    enum status status = slurm_script_task(script, &text, error);
    if (status == STATUS_OK) {
        text_append(&text, "\n");
        slurm_submission_show(&submit->submission, submit->plan, &text);
        if (text.failed) {
            status = error_set(error, STATUS_MEMORY, "out of memory for the plan");
        } else {
            fputs(text.bytes, stdout);
            slurm_forecast_print(submit->plan, &(struct slurm_forecast){
                                                   .cores = submit->options.cores,
                                                   .max_parallel = (size_t)submit->options.max_parallel,
                                                   .max_array_size = submit->max_array_size,
                                                   .rate = submit->estimate.rate,
                                                   .measured_runs = submit->estimate.measured_runs,
                                                   .runs_in_grid = submit->grid->run_count,
                                               });
        }
    }
    text_release(&text);
    return status;
}

static struct slurm_manifest_source manifest_source(const struct submit *submit)
{
    return (struct slurm_manifest_source){
        .submission = submit->submission.folder,
        .grid = submit->grid->name,
        .config_path = submit->grid->path,
        .grid_directory = submit->grid_directory,
        .job_name = submit->submission.job_name,
        .cores = submit->options.cores,
        .plan = submit->plan,
        .runs = submit->jobs,
    };
}

static void tell_jobs(const struct submit *submit)
{
    for (size_t i = 0; i < submit->plan->array_count; i++) {
        const struct slurm_array *array = &submit->plan->arrays[i];
        printf("job %ld: chunks %zu to %zu\n", submit->submission.jobs[i], array->first_chunk,
               array->first_chunk + array->chunk_count - 1);
    }
    printf("job %ld: the summary table, after all others\n", submit->submission.report_job);
    fprintf(stderr,
            "%zu runs in %zu task%s\n  see how far they are: runner status --slurm %s\n  take them back:     "
            "  runner cancel "
            "%s\n",
            submit->job_count, submit->plan->chunk_count, submit->plan->chunk_count == 1 ? "" : "s",
            submit->grid_directory, submit->grid_directory);
}

static enum status send(struct submit *submit, const struct slurm_script *script, struct error *error)
{
    struct slurm_manifest_source source = manifest_source(submit);
    warn_if_local(submit->grid_directory);
    enum status status = slurm_submission_write(&submit->submission, &source, script, error);
    if (status == STATUS_OK) {
        status = slurm_submission_send(&submit->submission, submit->plan, &submit->queue, error);
    }
    if (status == STATUS_OK) {
        slurm_overlay_forget(submit->grid_directory);
        tell_jobs(submit);
    }
    return status;
}

/* Two lines for a script of the user's: the manifest, and how many chunks it has. */
static enum status write_files(struct submit *submit, struct error *error)
{
    struct slurm_manifest_source source = manifest_source(submit);
    enum status status = slurm_manifest_write(&source, error);
    if (status == STATUS_OK) {
        printf("%s/manifest.json\n%zu\n", submit->submission.folder, submit->plan->chunk_count);
    }
    return status;
}

static enum status prepare(struct submit *submit, struct error *error)
{
    enum status status = data_check_given(submit->grid, error);
    if (status == STATUS_OK) {
        status = find_folder(submit, error);
    }
    if (status == STATUS_OK && !submit->options.dry_run) {
        status = grid_folder_create(submit->grid, submit->grid_directory, error);
        status = status == STATUS_OK ? take_lock(submit, error) : status;
    }
    if (status == STATUS_OK) {
        status = slurm_submission_init(submit->grid_directory, &submit->submission, error);
    }
    if (status == STATUS_OK) {
        status = ask_queue(submit, error);
    }
    return status == STATUS_OK ? choose_runs(submit, error) : status;
}

static enum status conduct(struct submit *submit, struct error *error)
{
    struct slurm_script script;
    struct script_paths *paths = NULL;
    if (submit->grid->halving != NULL) {
        return error_set(
            error, STATUS_CONFIG,
            "%s: a search by halving decides between its rungs, which the tasks of a submission do not "
            "wait for; train it with `runner` inside one job, or take `halving` out",
            submit->options.path);
    }
    enum status status = prepare(submit, error);
    if (status != STATUS_OK || submit->job_count == 0) {
        return status;
    }
    status = check_models(submit, error);
    if (status != STATUS_OK) {
        return status;
    }
    paths = calloc(1, sizeof *paths);
    status = paths == NULL ? error_set(error, STATUS_MEMORY, "out of memory") : make_plan(submit, error);
    if (status == STATUS_OK) {
        status = fill_script(submit, paths, &script, error);
    }
    if (status == STATUS_OK) {
        status = submit->options.dry_run      ? show_plan(submit, &script, error)
                 : submit->options.files_only ? write_files(submit, error)
                                              : send(submit, &script, error);
    }
    free(paths);
    return status;
}

static void release(struct submit *submit)
{
    slurm_submission_release(&submit->submission);
    slurm_plan_destroy(submit->plan);
    slurm_estimate_release(&submit->estimate);
    data_pool_destroy(submit->pool);
    free(submit->jobs);
    slurm_live_release(&submit->live);
    slurm_queue_release(&submit->queue);
    selection_release(&submit->selection);
    if (submit->lock >= 0) {
        close(submit->lock);
    }
    grid_destroy(submit->grid);
    free(submit);
}

int command_submit(int argc, char **argv)
{
    struct error error = {0};
    struct submit *submit = calloc(1, sizeof *submit);
    if (submit == NULL) {
        return command_fail((error_set(&error, STATUS_MEMORY, "out of memory"), &error));
    }
    submit->lock = -1;
    diagnostics_init(&submit->diagnostics);
    submit_options_parse(argc, argv, &submit->options);
    struct grid_options options = {.path = submit->options.path,
                                   .overrides = submit->options.overrides,
                                   .override_count = submit->options.override_count};
    int code = EXIT_USAGE; /* the diagnostics are printed */
    if (grid_load(&options, &submit->grid) == STATUS_OK) {
        enum status status = conduct(submit, &error);
        if (submit->diagnostics.total > 0) {
            diagnostics_print(&submit->diagnostics, stderr);
        } else {
            code = status == STATUS_OK ? EXIT_DONE : command_fail(&error);
        }
        release(submit);
    } else {
        free(submit);
    }
    return code;
}

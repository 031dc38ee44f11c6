/* All or none.
 *
 * Slurm takes one array at a time and knows no transaction. Everything that can be refused by us is checked
 * before the first sbatch; when Slurm refuses a later one (a limit on submitted jobs, say), what was sent is
 * cancelled: by the ids that are known, and by asking the queue for this submission's comment, since an
 * sbatch that did not answer in time may have been accepted all the same. The folder goes last, so that a
 * task that began meanwhile finds its chunk.
 *
 * Rejected: sending the arrays held and releasing them at the end. A submitter that dies in between would
 * leave jobs that wait for ever and that only an administrator's eye tells from others. */
#include "app/slurm_submission.h"
#include "app/slurm_client.h"
#include "base/atomic_file.h"
#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OPTION = 160 };

enum status slurm_submission_init(const char *grid_directory, struct slurm_submission *submission,
                                  struct error *error)
{
    *submission = (struct slurm_submission){0};
    char stamp[32];
    time_t now = time(NULL);
    struct tm calendar;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &calendar));
    snprintf(submission->name, sizeof submission->name, "%s-%ld", stamp, (long)getpid());
    slurm_job_name(grid_directory, submission->job_name);
    snprintf(submission->report_name, sizeof submission->report_name, "%s-report", submission->job_name);
    char folder[PATH_SIZE];
    enum status status = path_join(folder, grid_directory, "slurm", error);
    return status == STATUS_OK ? path_join(submission->folder, folder, submission->name, error) : status;
}

void slurm_submission_release(struct slurm_submission *submission)
{
    free(submission->jobs);
    submission->jobs = NULL;
}

static enum status write_script(const struct slurm_submission *submission, const char *name,
                                const struct text *text, struct error *error)
{
    struct atomic_file_options options = {.mode = 0755};
    return atomic_file_write(submission->folder, name, text->bytes, text->length, &options, error);
}

enum status slurm_submission_write(const struct slurm_submission *submission,
                                   const struct slurm_manifest_source *source,
                                   const struct slurm_script *script, struct error *error)
{
    struct text task = {0}, report = {0};
    struct slurm_script report_script = *script;
    report_script.job_name = submission->report_name;
    enum status status = slurm_script_task(script, &task, error);
    if (status == STATUS_OK) {
        status = slurm_script_report(&report_script, &report, error);
    }
    if (status == STATUS_OK) {
        status = slurm_manifest_write(source, error);
    }
    if (status == STATUS_OK) {
        status = write_script(submission, "job.sh", &task, error);
    }
    if (status == STATUS_OK) {
        status = write_script(submission, "report.sh", &report, error);
    }
    text_release(&task);
    text_release(&report);
    return status;
}

/* What one sbatch of an array is given, besides the script. */
struct array_options {
    char array[OPTION], comment[OPTION], dependency[OPTION], first[32];
};

static void describe_array(const struct slurm_submission *submission, const struct slurm_plan *plan,
                           size_t number, struct array_options *options)
{
    const struct slurm_array *array = &plan->arrays[number];
    char throttle[32] = "";
    if (array->parallel > 0) {
        snprintf(throttle, sizeof throttle, "%%%zu", array->parallel);
    }
    snprintf(options->array, OPTION, "--array=0-%zu%s", array->chunk_count - 1, throttle);
    snprintf(options->comment, OPTION, "--comment=%s+%zu", submission->name, array->first_chunk);
    snprintf(options->first, sizeof options->first, "%zu", array->first_chunk);
    options->dependency[0] = 0;
}

static enum status send_array(struct slurm_submission *submission, const struct slurm_plan *plan,
                              size_t number, struct error *error)
{
    struct array_options options;
    char script[PATH_SIZE];
    enum status status = path_join(script, submission->folder, "job.sh", error);
    if (status != STATUS_OK) {
        return status;
    }
    describe_array(submission, plan, number, &options);
    const char *arguments[6] = {options.array, options.comment};
    size_t count = 2;
    if (plan->arrays[number].after != SLURM_NO_ARRAY) {
        snprintf(options.dependency, OPTION, "--dependency=afterany:%ld",
                 submission->jobs[plan->arrays[number].after]);
        arguments[count++] = options.dependency;
    }
    arguments[count++] = script;
    arguments[count++] = options.first;
    return slurm_client_submit(arguments, &submission->jobs[number], error);
}

/* Live arrays of earlier submissions, each once: tasks of one array stand together in squeue's answer. */
static void append_live_arrays(struct text *text, const struct slurm_queue *queue)
{
    long last = 0;
    for (size_t i = 0; i < queue->count; i++) {
        const struct slurm_task *task = &queue->tasks[i];
        if (task->live && task->submission[0] != 0 && task->array_job != last) {
            last = task->array_job;
            text_format(text, ":%ld", last);
        }
    }
}

static enum status send_report(struct slurm_submission *submission, const struct slurm_plan *plan,
                               const struct slurm_queue *queue, struct error *error)
{
    char script[PATH_SIZE];
    struct text dependency = {0};
    text_append(&dependency, "--dependency=afterany");
    for (size_t i = 0; i < plan->array_count; i++) {
        text_format(&dependency, ":%ld", submission->jobs[i]);
    }
    append_live_arrays(&dependency, queue);
    enum status status = dependency.failed
                             ? error_set(error, STATUS_MEMORY, "out of memory for the report job")
                             : path_join(script, submission->folder, "report.sh", error);
    if (status == STATUS_OK) {
        status = slurm_client_submit((const char *const[]){dependency.bytes, script, NULL},
                                     &submission->report_job, error);
    }
    text_release(&dependency);
    return status;
}

static enum status write_job_ids(const struct slurm_submission *submission, const struct slurm_plan *plan,
                                 struct error *error)
{
    struct text text = {0};
    for (size_t i = 0; i < plan->array_count; i++) {
        text_format(&text, "array %ld first_chunk %zu chunks %zu\n", submission->jobs[i],
                    plan->arrays[i].first_chunk, plan->arrays[i].chunk_count);
    }
    text_format(&text, "report %ld\n", submission->report_job);
    enum status status =
        text.failed ? error_set(error, STATUS_MEMORY, "out of memory for the job ids")
                    : atomic_file_write(submission->folder, "jobids", text.bytes, text.length, NULL, error);
    text_release(&text);
    return status;
}

/* Cancels what the queue has of this submission; false where the queue or scancel does not answer. */
static bool cancel_everything(const struct slurm_submission *submission, const struct slurm_plan *plan)
{
    struct slurm_queue queue;
    struct error error;
    bool sure = true;
    for (size_t i = 0; i < plan->array_count; i++) {
        sure = (submission->jobs[i] == 0 || slurm_client_cancel(submission->jobs[i], &error) == STATUS_OK) &&
               sure;
    }
    if (slurm_client_queue(submission->job_name, &queue, &error) != STATUS_OK) {
        return false;
    }
    long last = 0;
    for (size_t i = 0; i < queue.count; i++) {
        const struct slurm_task *task = &queue.tasks[i];
        if (task->live && task->array_job != last && strcmp(task->submission, submission->name) == 0) {
            last = task->array_job;
            sure = slurm_client_cancel(last, &error) == STATUS_OK && sure;
        }
    }
    slurm_queue_release(&queue);
    return sure;
}

/* After a refusal: error keeps its reason and gains what became of the rest. */
static void take_back(const struct slurm_submission *submission, const struct slurm_plan *plan,
                      struct error *error)
{
    char reason[sizeof error->message / 2];
    snprintf(reason, sizeof reason, "%.*s", (int)sizeof reason - 1, error->message);
    if (error->code == STATUS_NOT_FOUND || cancel_everything(submission, plan)) {
        struct error left;
        directory_remove(submission->folder, &left);
        error_set(error, error->code, "%s; nothing was submitted", reason);
    } else {
        error_set(error, error->code,
                  "%s; whether all of it is out of the queue again is not sure: look with `squeue --me -n "
                  "%s`, end it with `scancel -n %s`",
                  reason, submission->job_name, submission->job_name);
    }
}

enum status slurm_submission_send(struct slurm_submission *submission, const struct slurm_plan *plan,
                                  const struct slurm_queue *queue, struct error *error)
{
    enum status status = STATUS_OK;
    submission->jobs = calloc(plan->array_count + 1, sizeof *submission->jobs);
    if (submission->jobs == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for %zu arrays", plan->array_count);
    }
    for (size_t i = 0; status == STATUS_OK && i < plan->array_count; i++) {
        status = send_array(submission, plan, i, error);
    }
    if (status == STATUS_OK) {
        status = send_report(submission, plan, queue, error);
    }
    if (status != STATUS_OK) {
        take_back(submission, plan, error);
        return status;
    }
    struct error unwritten;
    if (write_job_ids(submission, plan, &unwritten) != STATUS_OK) {
        log_warning("%s; the jobs are in the queue all the same", unwritten.message);
    }
    return STATUS_OK;
}

void slurm_submission_show(const struct slurm_submission *submission, const struct slurm_plan *plan,
                           struct text *text)
{
    for (size_t i = 0; i < plan->array_count; i++) {
        struct array_options options;
        describe_array(submission, plan, i, &options);
        text_format(text, "sbatch %s %s", options.array, options.comment);
        if (plan->arrays[i].after != SLURM_NO_ARRAY) {
            text_format(text, " --dependency=afterany:<array %d>", plan->arrays[i].after);
        }
        text_format(text, " job.sh %s\n", options.first);
    }
    text_append(text, "sbatch --dependency=afterany:<all arrays> report.sh\n");
}

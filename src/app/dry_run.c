/* The grid as a table, then the time that it would take.
 *
 * Time: runs that do the same work (equal layers, batch size and optimiser) are one kind; a run of each kind
 * is trained for a moment (src/app/calibration.c), in the company that the grid would give it, and the
 * scheduler's own simulation is asked when the last run would end. Evaluation is counted as a third of
 * training, its share of the arithmetic. */
#include "app/dry_run.h"

#include "app/calibration.h"
#include "app/halving_run.h"
#include "app/terminal.h"
#include "config/plan_writer.h"
#include "sched/simulation.h"
#include "store/run_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MEASURED = 8, WIDEST_COLUMN = 24 };
static const double CALIBRATION_SECONDS = 2.0;
static const double MEMBER_SPEEDUP =
    0.85; /* what a further member of a team adds, for the simulation of the grid's end */

struct estimate {
    double *seconds; /* [job_count] of each run to do, in the team that it starts with; 0 where nothing is
                        known */
    double wall, core_hours;
    size_t kinds; /* measured */
};

/* What decides how long an image takes. */
static char *kind_of(const struct plan *plan)
{
    struct text kind = {0};
    text_format(&kind, "%d %d\n", plan->trainer.batch_size, (int)plan->optimizer.kind);
    for (int i = 0; i < plan->model.layer_count; i++)
        layer_write_yaml(&plan->model, i, &kind);
    return kind.failed ? NULL : kind.bytes;
}

static double part_left(const struct grid_work *work, const struct grid_run *run)
{
    char path[PATH_SIZE];
    struct run_summary summary;
    struct error ignored;
    int length = snprintf(path, sizeof path, "%s/%s/run.h5", work->session.runs_directory, run->id);
    if (length >= PATH_SIZE || run_file_summary(path, &summary, &ignored) != STATUS_OK)
        return 1;
    double done = summary.max_epochs > 0 ? (double)summary.position.epoch / summary.max_epochs : 0;
    run_summary_release(&summary);
    return work->session.restart == RESTART_ALL ? 1 : 1 - fmin(done, 1);
}

/* Images that a run still trains on, an evaluated image counted as a third. */
static double images_left(const struct grid_work *work, const struct grid_run *run,
                          const struct run_size *size, double part)
{
    double epoch = size->train_images + size->evaluated_images / 3;
    return epoch * run->plan->trainer.max_epochs * part_left(work, run) * part + size->train_images / 3;
}

/* The kind of each job as an index, and one plan of each. */
static enum status find_kinds(const struct grid_work *work, size_t *kind, const struct plan **plans,
                              size_t *count, struct error *error)
{
    char *known[KINDS_MEASURED + 1] = {NULL};
    enum status status = STATUS_OK;
    *count = 0;
    for (size_t i = 0; i < work->selection.job_count && status == STATUS_OK; i++) {
        char *name = kind_of(work->selection.jobs[i]->plan);
        size_t at = 0;
        if (!name)
            status = error_set(error, STATUS_MEMORY, "out of memory");
        while (name && at < *count && strcmp(known[at], name) != 0)
            at++;
        kind[i] = at;
        if (name && at == *count && at < KINDS_MEASURED) {
            plans[at] = work->selection.jobs[i]->plan;
            known[(*count)++] = name;
        } else {
            free(name);
        }
    }
    for (size_t i = 0; i < *count; i++)
        free(known[i]);
    return status;
}

static const struct run_size *size_of(const struct grid_work *work, const struct run_size *sizes,
                                      const struct grid_run *run)
{
    return &sizes[run - work->grid->runs];
}

/* Seconds of each job from the speeds of the kinds; a kind that was not measured is taken to do as many
 * multiply-adds a second as the first. */
static void fill_seconds(const struct grid_work *work, const struct run_size *sizes, const size_t *kind,
                         size_t kinds, const struct plan *const *plans, const double *speed,
                         struct estimate *estimate)
{
    double part = halving_part(work->grid);
    for (size_t i = 0; i < work->selection.job_count; i++) {
        const struct grid_run *run = work->selection.jobs[i];
        const struct run_size *size = size_of(work, sizes, run);
        double images_per_second = speed[kind[i] < kinds ? kind[i] : 0];
        for (size_t k = 0; k < work->selection.job_count && kind[i] >= kinds; k++) {
            if (work->selection.jobs[k]->plan == plans[0]) {
                double first = (double)size_of(work, sizes, work->selection.jobs[k])->multiply_adds;
                images_per_second *= first / fmax(1, (double)size->multiply_adds);
                break;
            }
        }
        estimate->seconds[i] = images_left(work, run, size, part) / images_per_second;
    }
}

/* When the last run ends, and the work in all. */
static enum status simulate(const struct grid_work *work, struct estimate *estimate, struct error *error)
{
    size_t count = work->selection.job_count;
    struct scheduler_shape shape = scheduler_shape(&work->scheduler, count);
    double *speedup = calloc((size_t)shape.workers + 2, sizeof *speedup),
           *alone = calloc(count, sizeof *alone);
    struct simulation_result result = {0};
    enum status status = STATUS_OK;
    for (int i = 1; speedup && i <= shape.workers; i++)
        speedup[i] = 1 + MEMBER_SPEEDUP * (i - 1);
    for (size_t i = 0; speedup && alone && i < count; i++) {
        alone[i] =
            estimate->seconds[i] * speedup[shape.threads < shape.workers ? shape.threads : shape.workers];
        estimate->core_hours += estimate->seconds[i] * shape.threads / 3600;
    }
    struct simulation simulation = {.workers = shape.workers,
                                    .jobs = shape.jobs,
                                    .threads = shape.threads,
                                    .elastic = work->scheduler.elastic,
                                    .cost = alone,
                                    .count = count,
                                    .speedup = speedup};
    if (!speedup || !alone || !simulation_run(&simulation, &result))
        status = error_set(error, STATUS_MEMORY, "out of memory for the estimate");
    estimate->wall = result.makespan;
    free(speedup);
    free(alone);
    return status;
}

static enum status make_estimate(const struct grid_work *work, const struct run_size *sizes,
                                 struct estimate *estimate, struct error *error)
{
    size_t count = work->selection.job_count;
    const struct plan *plans[KINDS_MEASURED];
    double speed[KINDS_MEASURED];
    size_t *kind = calloc(count + 1, sizeof *kind);
    estimate->seconds = calloc(count + 1, sizeof *estimate->seconds);
    enum status status = kind && estimate->seconds
                             ? STATUS_OK
                             : error_set(error, STATUS_MEMORY, "out of memory for %zu runs", count);
    if (status == STATUS_OK)
        status = find_kinds(work, kind, plans, &estimate->kinds, error);
    if (status == STATUS_OK && count > 0)
        status = calibrate(&work->scheduler, count, work->session.kernels, plans, estimate->kinds,
                           CALIBRATION_SECONDS, speed, error);
    if (status == STATUS_OK && count > 0) {
        fill_seconds(work, sizes, kind, estimate->kinds, plans, speed, estimate);
        status = simulate(work, estimate, error);
    }
    free(kind);
    return status;
}

/* The heading of a column: the last word of a setting's path. */
static const char *heading(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static int column_width(const struct grid *grid, const bool *chosen, size_t column)
{
    int width = text_columns(heading(grid->runs[0].settings[column].path));
    for (size_t i = 0; i < grid->run_count; i++) {
        int columns = chosen[i] ? text_columns(grid->runs[i].settings[column].value) : 0;
        width = columns > width ? columns : width;
    }
    return width < WIDEST_COLUMN ? width : WIDEST_COLUMN;
}

static int variant_width(const struct grid *grid, const bool *chosen)
{
    int width = 7;
    for (size_t i = 0; i < grid->run_count; i++) {
        int columns = chosen[i] ? text_columns(grid->runs[i].variant) : 0;
        width = columns > width ? columns : width;
    }
    return width < WIDEST_COLUMN ? width : WIDEST_COLUMN;
}

static void print_cell(const char *value, int width)
{
    struct text cell = {0};
    text_fit(&cell, value, width);
    printf("%s  ", cell.bytes ? cell.bytes : value);
    text_release(&cell);
}

/* Seconds of a run to do, NaN of one that is not. */
static double seconds_of(const struct grid_work *work, const struct estimate *estimate,
                         const struct grid_run *run)
{
    for (size_t i = 0; i < work->selection.job_count; i++)
        if (work->selection.jobs[i] == run)
            return estimate->seconds[i];
    return NAN;
}

static void print_row(const struct grid_work *work, const struct estimate *estimate, size_t index,
                      const int *widths, const struct run_size *size)
{
    const struct grid_run *run = &work->grid->runs[index];
    char parameters[GROUPED], products[GROUPED], duration[DURATION];
    enum run_status status = selection_status(work->session.runs_directory, run);
    double seconds = seconds_of(work, estimate, run);
    print_cell(run->variant, widths[0]);
    for (size_t k = 0; k < run->setting_count; k++)
        print_cell(run->settings[k].value, widths[k + 1]);
    printf("%-9s  %11s  %13s  %10s\n", run_status_name(status), text_grouped(size->parameters, parameters),
           text_grouped(size->multiply_adds, products),
           isnan(seconds) ? "-" : text_duration(seconds, duration));
}

static enum status print_table(const struct grid_work *work, const bool *chosen, const struct run_size *sizes,
                               const struct estimate *estimate, struct error *error)
{
    const struct grid *grid = work->grid;
    size_t columns = grid->runs[0].setting_count;
    int *widths = calloc(columns + 1, sizeof *widths);
    if (!widths)
        return error_set(error, STATUS_MEMORY, "out of memory for the table");
    widths[0] = variant_width(grid, chosen);
    print_cell("variant", widths[0]);
    for (size_t k = 0; k < columns; k++) {
        widths[k + 1] = column_width(grid, chosen, k);
        print_cell(heading(grid->runs[0].settings[k].path), widths[k + 1]);
    }
    printf("%-9s  %11s  %13s  %10s\n", "state", "parameters", "multiply-adds", "time");
    for (size_t i = 0; i < grid->run_count; i++)
        if (chosen[i])
            print_row(work, estimate, i, widths, &sizes[i]);
    free(widths);
    return STATUS_OK;
}

static void print_counts(const struct grid_work *work, const bool *chosen)
{
    const struct selection *selection = &work->selection;
    size_t count = 0;
    for (size_t i = 0; i < work->grid->run_count; i++)
        count += chosen[i];
    printf("\n%zu of %zu run%s: %zu new, %zu finished, %zu resumable, %zu failed; %zu duplicates left out\n",
           count, work->grid->run_count, work->grid->run_count == 1 ? "" : "s", selection->fresh,
           selection->finished, selection->resumable, selection->failed, work->grid->duplicate_count);
}

static void print_estimate(const struct grid_work *work, const struct estimate *estimate)
{
    char duration[DURATION];
    struct scheduler_shape shape = scheduler_shape(&work->scheduler, work->selection.job_count);
    if (work->selection.job_count == 0) {
        puts("nothing to do");
        return;
    }
    printf("%zu to do, %d at once on %d threads: about %s (%.1f seconds), %.3g core-hours\n",
           work->selection.job_count, shape.jobs, shape.workers, text_duration(estimate->wall, duration),
           estimate->wall, estimate->core_hours);
}

enum status dry_run(const struct grid_work *work, const bool *chosen, const struct run_size *sizes,
                    struct error *error)
{
    struct estimate estimate = {0};
    enum status status = make_estimate(work, sizes, &estimate, error);
    if (status == STATUS_OK)
        status = print_table(work, chosen, sizes, &estimate, error);
    if (status == STATUS_OK) {
        print_counts(work, chosen);
        status = work->grid->halving != NULL ? halving_print_plan(work->grid, error) : STATUS_OK;
        print_estimate(work, &estimate);
    }
    free(estimate.seconds);
    return status;
}

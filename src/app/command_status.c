/* runner status: what a results folder holds and what is running, from files alone.
 *
 * Text shows what needs attention (running, failed, stale, unreadable) and counts the rest; --all lists every
 * run, --json prints everything for programs. --watch redraws in place until the grid has ended. A folder of
 * several grids has a line for each. */
#include "app/command.h"
#include "app/events.h"
#include "app/exit_code.h"
#include "app/results_folder.h"
#include "app/run_states.h"
#include "app/slurm_overlay.h"
#include "app/terminal.h"
#include "base/log.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WATCH_SECONDS = 2, CELL = 24, LISTED = 40 };

struct status_options {
    const char *results;
    bool json, watch, all, slurm;
};

static const struct argp_option options_table[] = {
    {"json", 'J', NULL, 0, "Print everything as one JSON object", 0},
    {"watch", 'w', NULL, 0, "Print again every two seconds until nothing runs", 0},
    {"slurm", 'S', NULL, 0,
     "Show what Slurm's queue says of the grid's tasks, too (asked at most every 30 seconds)", 0},
    {"all", 'a', NULL, 0, "List every run, those of earlier versions of the grid too", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct status_options *options = state->input;
    switch (key) {
    case 'J':
        options->json = true;
        break;
    case 'w':
        options->watch = true;
        break;
    case 'S':
        options->slurm = true;
        break;
    case 'a':
        options->all = true;
        break;
    case ARGP_KEY_ARG:
        if (options->results != NULL) {
            argp_error(state, "one results folder at a time: '%s' comes after '%s'", word, options->results);
        }
        options->results = word;
        break;
    case ARGP_KEY_END:
        if (options->results == NULL) {
            argp_error(state, "which results? Name the grid's folder, for example results/all");
        }
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = options_table,
    .parser = read_option,
    .args_doc = "RESULTS",
    .doc = "Shows how far the grid in a results folder is, or each grid below it in a line. Reads files "
           "only, so it works from any shell and "
           "any machine that "
           "sees the folder. Exit code 1 where a run failed or cannot be read.",
};

static json_t *run_to_json(const struct seen_run *seen)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "id", seen->run->id, "variant",
                  seen->run->variant, "name", seen->run->name, "state", seen_state_names[seen->state],
                  "epoch", (int)seen->epoch, "max_epochs", (int)seen->max_epochs, "train_loss",
                  json_number(seen->train_loss), "train_accuracy", json_number(seen->train_accuracy),
                  "validation_accuracy", json_number(seen->validation_accuracy), "test_accuracy",
                  json_number(seen->test_accuracy), "core_seconds", json_number(seen->core_seconds));
    if (seen->message[0] != '\0') {
        json_object_set_new(object, "message", json_string(seen->message));
    }
    static const char *const live_keys[] = {"images_per_second", "seconds_left", "threads", "host", "pid"};
    for (size_t i = 0; seen->live != NULL && i < sizeof live_keys / sizeof *live_keys; i++) {
        json_object_set(object, live_keys[i], json_object_get(seen->live, live_keys[i]));
    }
    return object;
}

static json_t *grid_to_json(const struct seen_grid *grid, const struct slurm_overlay *overlay,
                            const char *directory)
{
    json_t *runs = json_array(), *counts = json_object();
    for (int state = 0; state < SEEN_STATES; state++) {
        json_object_set_new(counts, seen_state_names[state], json_integer((json_int_t)grid->in_state[state]));
    }
    for (size_t i = 0; i < grid->count; i++) {
        json_array_append_new(runs, run_to_json(&grid->runs[i]));
    }
    json_t *rungs = json_array();
    for (size_t i = 0; i < search_record_rungs(grid->search); i++) {
        struct search_rung_view rung = search_record_rung(grid->search, i);
        json_array_append_new(rungs,
                              json_pack("{s:I, s:I, s:I}", "epochs", (json_int_t)rung.epochs, "settings",
                                        (json_int_t)rung.settings, "promoted", (json_int_t)rung.promoted));
    }
    json_t *object = json_pack("{s:s, s:s, s:I, s:o, s:o}", "grid", grid->index->name, "folder", directory,
                               "total", (json_int_t)grid->count, "counts", counts, "runs", runs);
    if (json_array_size(rungs) > 0) {
        json_object_set(object, "rungs", rungs);
    }
    json_decref(rungs);
    if (overlay != NULL) {
        json_object_set_new(object, "slurm", slurm_overlay_json(overlay));
    }
    return object;
}

/* Takes the value over. */
static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(value);
}

static void percent_cell(double fraction, char cell[CELL])
{
    if (isnan(fraction)) {
        snprintf(cell, CELL, "-");
    } else {
        snprintf(cell, CELL, "%.2f", 100.0 * fraction);
    }
}

/* The cells of a line behind the name, those that say least last: a narrow window leaves them out first, and
 * then cuts names. The id stands before the name. */
enum { CELL_EPOCH, CELL_TEST, CELL_LEFT, CELL_LOSS, CELL_TRAIN, CELL_ID, CELLS };
static const struct {
    const char *title;
    int width; /* with the space before it */
} cells[CELLS] = {{"epoch", 10}, {"test %", 8}, {"ETA", 9}, {"loss", 9}, {"train %", 8}, {"id", 9}};
enum { STATE_WIDTH = 10, NAME_LEAST = 12 };

struct layout {
    int columns, name_width;
    int width[CELLS];
    int count; /* of cells */
};

/* As many cells as fit behind names of this width. */
static void fit_cells(struct layout *layout)
{
    int used = STATE_WIDTH + 1 + layout->name_width;
    for (layout->count = 0; layout->count < CELLS; layout->count++) {
        used += layout->width[layout->count];
        if (used > layout->columns) {
            return;
        }
    }
}

static struct layout lay_out(int name_width, int epoch_width, int columns)
{
    struct layout layout = {.columns = columns, .name_width = name_width};
    for (int i = 0; i < CELLS; i++) {
        layout.width[i] = cells[i].width;
    }
    fit_cells(&layout);
    if (layout.count < CELLS) {
        layout.width[CELL_EPOCH] = epoch_width + 1;
        fit_cells(&layout);
    }
    if (layout.count == 0) {
        int room = columns - STATE_WIDTH - 1 - layout.width[CELL_EPOCH];
        layout.name_width = room > NAME_LEAST ? room : NAME_LEAST;
        layout.count = 1;
    }
    return layout;
}

/* A cell where there is room for it. */
static void put_cell(struct text *line, const struct layout *layout, int cell, const char *content)
{
    if (cell < layout->count) {
        text_format(line, " %*s", layout->width[cell] - 1, content);
    }
}

/* One line: the state, the id, the name, the other cells in their usual order, and a message. */
static void put_line(struct text *text, const struct layout *layout, const char *state, const char *name,
                     const char *const contents[CELLS], const char *message)
{
    static const int order[] = {CELL_EPOCH, CELL_LOSS, CELL_TRAIN, CELL_TEST, CELL_LEFT};
    struct text line = {0};
    text_format(&line, "%-*s ", STATE_WIDTH, state);
    if (CELL_ID < layout->count) {
        text_format(&line, "%-8.8s ", contents[CELL_ID]);
    }
    text_fit(&line, name, layout->name_width);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        put_cell(&line, layout, order[i], contents[order[i]]);
    }
    if (message[0] != '\0') {
        text_format(&line, "  %s", message);
    }
    if (!line.failed) {
        int used = text_columns(line.bytes);
        text_fit(text, line.bytes, used < layout->columns ? used : layout->columns);
    }
    text_append(text, "\n");
    text_release(&line);
}

static void put_run(struct text *text, const struct seen_run *seen, const struct layout *layout)
{
    char epoch[CELL] = "-", loss[TEXT_LOSS], train[CELL], test[CELL], left[DURATION] = "-";
    if (seen->max_epochs > 0) {
        snprintf(epoch, sizeof epoch, "%u/%u", (unsigned)seen->epoch, (unsigned)seen->max_epochs);
    }
    text_loss(seen->train_loss, loss);
    percent_cell(seen->train_accuracy, train);
    percent_cell(isnan(seen->test_accuracy) ? seen->validation_accuracy : seen->test_accuracy, test);
    json_t *seconds = seen->live ? json_object_get(seen->live, "seconds_left") : NULL;
    if (json_is_number(seconds)) {
        text_duration(json_number_value(seconds), left);
    }
    const char *contents[CELLS] = {[CELL_EPOCH] = epoch, [CELL_TEST] = test,   [CELL_LEFT] = left,
                                   [CELL_LOSS] = loss,   [CELL_TRAIN] = train, [CELL_ID] = seen->run->id};
    put_line(text, layout, seen_state_names[seen->state], seen->run->name, contents, seen->message);
}

static void put_titles(struct text *text, const struct layout *layout)
{
    const char *titles[CELLS];
    for (int i = 0; i < CELLS; i++) {
        titles[i] = cells[i].title;
    }
    put_line(text, layout, "state", "run", titles, "");
}

static bool is_listed(const struct seen_run *seen, bool all)
{
    return all || (seen->state != SEEN_FINISHED && seen->state != SEEN_QUEUED && seen->state != SEEN_ENDED);
}

static void put_total(struct text *text, const struct seen_grid *grid)
{
    char left[DURATION];
    text_format(text, "%s: [%zu/%zu]", grid->index->name, grid->in_state[SEEN_FINISHED], grid->count);
    for (int state = 0; state < SEEN_STATES; state++) {
        if (grid->in_state[state] > 0) {
            text_format(text, " %zu %s", grid->in_state[state], seen_state_names[state]);
        }
    }
    json_t *fraction = json_object_get(grid->total, "fraction"),
           *seconds = json_object_get(grid->total, "seconds_left");
    if (json_is_number(fraction)) {
        text_format(text, " | %.0f%% | ETA %s", floor(100.0 * json_number_value(fraction)),
                    text_duration(json_is_number(seconds) ? json_number_value(seconds) : NAN, left));
    }
    text_append(text, "\n");
}

/* "rungs: epoch 1: 9 of 27 settings went on; epoch 3: open; …" */
static void put_rungs(struct text *text, const struct search_record *search)
{
    size_t count = search_record_rungs(search);
    for (size_t i = 0; i < count; i++) {
        struct search_rung_view rung = search_record_rung(search, i);
        text_format(text, "%sepoch %u", i == 0 ? "rungs: " : "; ", (unsigned)rung.epochs);
        if (rung.settings > 0) {
            text_format(text, ": %zu of %zu settings went on", rung.promoted, rung.settings);
        } else {
            text_append(text, i + 1 < count ? ": not decided" : ": the end");
        }
    }
    text_append(text, count > 0 ? "\n" : "");
}

/* A grid small enough to be seen whole is listed whole. */
static void put_text(struct text *text, const struct seen_grid *grid, bool all, int columns)
{
    bool whole = all || grid->count <= 20;
    int name_width = NAME_LEAST, epoch_width = 5;
    size_t listed = 0, more = 0;
    for (size_t i = 0; i < grid->count; i++) {
        int width = is_listed(&grid->runs[i], whole) ? text_columns(grid->runs[i].run->name) : 0;
        name_width = width > name_width ? width : name_width;
        width = snprintf(NULL, 0, "%u/%u", (unsigned)grid->runs[i].max_epochs,
                         (unsigned)grid->runs[i].max_epochs);
        epoch_width = width > epoch_width ? width : epoch_width;
    }
    struct layout layout = lay_out(name_width > 48 ? 48 : name_width, epoch_width, columns);
    for (size_t i = 0; i < grid->count; i++) {
        if (!is_listed(&grid->runs[i], whole)) {
            continue;
        }
        if (!all && listed == LISTED) {
            more++;
            continue;
        }
        if (listed++ == 0) {
            put_titles(text, &layout);
        }
        put_run(text, &grid->runs[i], &layout);
    }
    if (more > 0) {
        text_format(text, "and %zu more: --all lists them\n", more);
    }
    put_rungs(text, grid->search);
    put_total(text, grid);
}

/* NULL where Slurm was not asked for or does not answer, which a line says; what the files hold is shown all
 * the same. */
static struct slurm_overlay *read_overlay(const struct status_options *options, const char *directory,
                                          struct slurm_overlay *overlay)
{
    struct error error;
    if (!options->slurm) {
        return NULL;
    }
    if (slurm_overlay_read(directory, overlay, &error) != STATUS_OK) {
        log_warning("Slurm's queue is not shown: %s", error.message);
        return NULL;
    }
    return overlay;
}

/* In place of what was drawn last, where somebody watches. */
static void print_drawing(const struct status_options *options, const struct text *text, struct redraw *last)
{
    struct terminal terminal = terminal_look(STDOUT_FILENO);
    struct text drawing = {0};
    if (options->watch && terminal.interactive && !text->failed) {
        text_redraw(&drawing, text->bytes, &terminal, last);
    } else {
        text_append(&drawing, text->bytes);
    }
    fputs(text->failed || drawing.failed ? "out of memory\n" : drawing.bytes, stdout);
    text_release(&drawing);
}

static void print_text(const struct status_options *options, const struct seen_grid *grid,
                       const struct slurm_overlay *overlay, const char *directory, struct redraw *last)
{
    struct terminal terminal = terminal_look(STDOUT_FILENO);
    struct text text = {0};
    put_text(&text, grid, options->all, isatty(STDOUT_FILENO) ? terminal.columns - 1 : 400);
    if (overlay != NULL) {
        slurm_overlay_text(overlay, directory, &text);
    }
    print_drawing(options, &text, last);
    text_release(&text);
}

/* One reading; *running tells whether there is anything to watch. */
static enum status show(const struct status_options *options, const char *directory, struct redraw *last,
                        bool *running, bool *troubled, struct error *error)
{
    struct seen_grid grid;
    struct slurm_overlay storage = {0};
    enum status status = seen_grid_read(directory, options->all, &grid, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct slurm_overlay *overlay = read_overlay(options, directory, &storage);
    if (options->json) {
        print_json(grid_to_json(&grid, overlay, directory));
    } else {
        print_text(options, &grid, overlay, directory, last);
    }
    fflush(stdout);
    *running = grid.in_state[SEEN_RUNNING] > 0 || grid.total != NULL || storage.live.count > 0;
    *troubled = grid.in_state[SEEN_FAILED] + grid.in_state[SEEN_UNREADABLE] > 0;
    slurm_overlay_release(&storage);
    seen_grid_release(&grid);
    return STATUS_OK;
}

/* One reading of several grids: a line each. One that cannot be read is trouble, and hides no other. */
static void show_several(const struct status_options *options, const struct results_folders *folders,
                         struct redraw *last, bool *running, bool *troubled)
{
    struct text text = {0};
    json_t *grids = json_array();
    *running = *troubled = false;
    for (size_t i = 0; i < folders->count; i++) {
        struct seen_grid grid;
        struct error error;
        if (seen_grid_read(folders->paths[i], options->all, &grid, &error) != STATUS_OK) {
            log_warning("%s: %s", folders->paths[i], error.message);
            *troubled = true;
            continue;
        }
        if (options->json) {
            json_array_append_new(grids, grid_to_json(&grid, NULL, folders->paths[i]));
        } else {
            put_total(&text, &grid);
        }
        *running |= grid.in_state[SEEN_RUNNING] > 0 || grid.total != NULL;
        *troubled |= grid.in_state[SEEN_FAILED] + grid.in_state[SEEN_UNREADABLE] > 0;
        seen_grid_release(&grid);
    }
    if (options->json) {
        print_json(json_incref(grids));
    } else {
        print_drawing(options, &text, last);
    }
    fflush(stdout);
    json_decref(grids);
    text_release(&text);
}

/* The folder of one grid, or of several. */
struct shown {
    char directory[PATH_SIZE];
    struct results_folders several;
};

static enum status find_shown(const struct status_options *options, struct shown *shown, struct error *error)
{
    struct error no_memory;
    enum status status = results_find_grid(options->results, shown->directory, error);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (results_find_grids_below(options->results, &shown->several, &no_memory) != STATUS_OK) {
        *error = no_memory;
        return STATUS_MEMORY;
    }
    return shown->several.count > 0 ? STATUS_OK : status;
}

static enum status show_once(const struct status_options *options, const struct shown *shown,
                             struct redraw *last, bool *running, bool *troubled, struct error *error)
{
    if (shown->several.count == 0) {
        return show(options, shown->directory, last, running, troubled, error);
    }
    show_several(options, &shown->several, last, running, troubled);
    return STATUS_OK;
}

int command_status(int argc, char **argv)
{
    struct status_options options = {0};
    struct redraw last = {0};
    struct error error = {0};
    struct shown shown = {0};
    bool running = false, troubled = false;
    command_parse(&argp, argc, argv, &options);
    enum status status = find_shown(&options, &shown, &error);
    if (status == STATUS_OK) {
        status = show_once(&options, &shown, &last, &running, &troubled, &error);
    }
    while (status == STATUS_OK && options.watch && running && !ferror(stdout)) {
        sleep(WATCH_SECONDS);
        status = show_once(&options, &shown, &last, &running, &troubled, &error);
    }
    results_folders_release(&shown.several);
    if (status != STATUS_OK) {
        return command_fail(&error);
    }
    return troubled ? EXIT_RUN_FAILED : EXIT_DONE;
}

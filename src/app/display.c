/* Draws by going up over the old table and writing the new one in a single write, each line ended by "clear
 * to the end of the line": nothing is ever blank in between, so nothing flickers.
 *
 * Invariant: the cursor stands at the beginning of the line after the table, and `drawn` lines above it are
 * ours; nothing above them is ever touched. When the window has become narrower, a terminal that reflows has
 * broken our lines in two: the rows that they take now are cleared as far as they are still on the screen,
 * and one row is left blank, since the terminal may hold the row above it for the beginning of a broken line
 * and would join the two again. One that does not reflow has cut our lines. A log line takes the table away,
 * is written, and the table comes back below it. Lock order: base/log's mutex (a sink runs under it), then
 * display->mutex.
 *
 * Rejected: the alternate screen, which would hide what was on the terminal and swallow warnings; curses, for
 * the same. */
#include "app/display.h"
#include "app/live_file.h"
#include "app/live_table.h"
#include "app/run_log.h"
#include "app/signals.h"
#include "base/log.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_SECONDS        0.25
#define LIVE_FILE_SECONDS   1.0
#define PLAIN_FIRST_SECONDS 2.0
#define PLAIN_SECONDS       10.0

enum { LINES_KEPT = 512 };

struct display {
    struct progress *progress;
    const char *grid_directory;
    const atomic_bool *stop;
    enum display_mode mode;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t wake;
    bool ending;
    struct progress_view view;
    struct text drawing;
    int drawn;                      /* lines of ours above the cursor */
    short line_columns[LINES_KEPT]; /* their widths */
    double next_live_file, next_plain;
};

static void write_all(const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, count);
        if (written <= 0 && errno != EINTR) {
            return; /* the terminal is gone: there is nobody to tell */
        }
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
}

/* Rows between the cursor and the top of the old table in the present window. */
static int rows_drawn(const struct display *display, const struct terminal *terminal)
{
    int rows = 0;
    for (int i = 0; i < display->drawn; i++) {
        int columns = i < LINES_KEPT ? display->line_columns[i] : 1;
        rows += terminal->reflows && columns > terminal->columns
                    ? (columns + terminal->columns - 1) / terminal->columns
                    : 1;
    }
    return rows < terminal->rows ? rows : terminal->rows - 1;
}

static void go_up(struct text *text, const struct display *display, const struct terminal *terminal)
{
    int rows = rows_drawn(display, terminal);
    if (rows > 0) {
        text_format(text, "\033[%dA", rows);
    }
    text_append(text, "\r");
    if (rows > display->drawn) {
        text_append(text, "\033[J\n");
    }
}

/* Appends the drawn table with "clear to the end" before each newline, and notes the widths of its lines. */
static void put_drawing(struct text *out, struct display *display, int lines)
{
    char *line = display->drawing.bytes;
    display->drawn = 0;
    for (int i = 0; i < lines; i++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        int columns =
            text_columns(line); /* colour sequences count as columns, which only makes this an upper bound */
        for (const char *escape = strstr(line, "\033["); escape != NULL;
             escape = strstr(escape + 1, "\033[")) {
            columns -= (int)strcspn(escape, "m") + 1;
        }
        text_append(out, line);
        text_append(out, "\033[K\n");
        if (i < LINES_KEPT) {
            display->line_columns[i] = (short)columns;
        }
        display->drawn++;
        line = end + 1;
    }
}

static void draw(struct display *display)
{
    struct terminal terminal = terminal_look(STDERR_FILENO);
    struct text out = {0};
    int lines = 0;
    display->drawing.length = 0;
    live_table_draw(&display->view, &terminal, &display->drawing, &lines);
    go_up(&out, display, &terminal);
    if (!display->drawing.failed) {
        put_drawing(&out, display, lines);
    }
    text_append(&out, "\033[J");
    if (!out.failed) {
        write_all(out.bytes, out.length);
    }
    text_release(&out);
}

static void erase(struct display *display)
{
    struct terminal terminal = terminal_look(STDERR_FILENO);
    struct text out = {0};
    go_up(&out, display, &terminal);
    text_append(&out, "\033[J");
    if (!out.failed) {
        write_all(out.bytes, out.length);
    }
    display->drawn = 0;
    text_release(&out);
}

static void take_line(void *context, enum log_level level, const char *line)
{
    struct display *display = context;
    run_log_copy(level, line);
    struct text text = {0};
    text_format(&text, "%s\n", line);
    pthread_mutex_lock(&display->mutex);
    if (display->mode == DISPLAY_LIVE && display->drawn > 0) {
        erase(display);
    }
    if (!text.failed) {
        write_all(text.bytes, text.length);
    }
    if (display->mode == DISPLAY_LIVE && !display->ending) {
        draw(display);
    }
    pthread_mutex_unlock(&display->mutex);
    text_release(&text);
}

/* The total and the run that has been under way longest. */
static void write_plain_line(struct display *display)
{
    struct text line = {0};
    const struct progress_view *view = &display->view;
    live_total_line(view, 1000, &line);
    if (view->row_count > 0) {
        const struct progress_row *row = &view->rows[0];
        const struct trainer_progress *at = &row->trainer;
        if (at->max_epochs > 0 && at->position.epoch >= at->max_epochs) {
            text_format(&line, " | %s measuring the final figures", row->name);
        } else {
            text_format(&line, " | %s epoch %u/%u", row->name, at->position.epoch + 1, at->max_epochs);
        }
        if (at->loss >= 0.0) {
            text_format(&line, isnan(at->accuracy) ? " loss %.4f" : " loss %.4f accuracy %.2f%%", at->loss,
                        100.0 * at->accuracy);
        }
    }
    text_append(&line, "\n");
    if (!line.failed) {
        write_all(line.bytes, line.length);
    }
    text_release(&line);
}

static void tick(struct display *display)
{
    progress_take_view(display->progress, atomic_load(display->stop), &display->view);
    double seconds = display->view.seconds;
    if (display->mode == DISPLAY_LIVE) {
        draw(display);
    } else if (display->mode == DISPLAY_PLAIN && seconds >= display->next_plain) {
        write_plain_line(display);
        display->next_plain = seconds + PLAIN_SECONDS;
    }
    if (seconds >= display->next_live_file) {
        live_file_write(display->grid_directory, &display->view);
        display->next_live_file = seconds + LIVE_FILE_SECONDS;
    }
}

static void *show(void *context)
{
    struct display *display = context;
    pthread_mutex_lock(&display->mutex);
    while (!display->ending) {
        tick(display);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(TICK_SECONDS * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&display->wake, &display->mutex, &until);
    }
    pthread_mutex_unlock(&display->mutex);
    return NULL;
}

static enum display_mode choose_mode(enum display_mode mode)
{
    struct terminal terminal = terminal_look(STDERR_FILENO);
    if (mode == DISPLAY_AUTO) {
        return terminal.interactive ? DISPLAY_LIVE : DISPLAY_PLAIN;
    }
    return mode;
}

/* The display's thread takes no signals: the handler then runs where something can be slow without being
 * seen. */
static int start_thread(struct display *display)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int problem = pthread_create(&display->thread, NULL, show, display);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return problem;
}

enum status display_start(struct progress *progress, enum display_mode mode, const char *grid_directory,
                          const atomic_bool *stop, struct display **result, struct error *error)
{
    struct display *display = calloc(1, sizeof *display);
    if (display == NULL) {
        return error_set(error, STATUS_MEMORY, "out of memory for the progress display");
    }
    display->progress = progress;
    display->grid_directory = grid_directory;
    display->stop = stop;
    display->mode = choose_mode(mode);
    display->next_plain = PLAIN_FIRST_SECONDS;
    enum status status = progress_view_create(progress, &display->view, error);
    if (status != STATUS_OK) {
        free(display);
        return status;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&display->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&display->mutex, NULL);
    progress_take_view(progress, false, &display->view);
    if (display->mode == DISPLAY_LIVE) {
        signals_set_farewell("\033[?25h");
        write_all("\033[?25l", 6);
    }
    log_set_sink(take_line, display);
    int problem = start_thread(display);
    if (problem != 0) {
        display->ending = true;
        log_set_sink(NULL, NULL);
        progress_view_release(&display->view);
        free(display);
        return error_set_system(error, problem, "the thread of the progress display could not be started");
    }
    *result = display;
    return STATUS_OK;
}

void display_end(struct display *display)
{
    pthread_mutex_lock(&display->mutex);
    display->ending = true;
    pthread_cond_signal(&display->wake);
    pthread_mutex_unlock(&display->mutex);
    pthread_join(display->thread, NULL);
    log_set_sink(NULL, NULL);
    if (display->mode == DISPLAY_LIVE) {
        erase(display);
        write_all("\033[?25h", 6);
        signals_set_farewell(NULL);
    }
    live_file_remove(display->grid_directory);
    pthread_cond_destroy(&display->wake);
    pthread_mutex_destroy(&display->mutex);
    progress_view_release(&display->view);
    text_release(&display->drawing);
    free(display);
}

/* One function an event; docs/events.md lists the fields.
 *
 * Lines about runs that went well are limited to a few a second, since a grid of tiny runs ends hundreds a
 * second; failures are always told. The files get everything. */
#include "app/run_story.h"
#include "base/log.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>

enum { LINES_A_SECOND = 5 };

static double seconds_since(const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + 1e-9 * (double)(now.tv_nsec - begin->tv_nsec);
}

/* The two statics are the only state here; a race between two threads lets a line more or less through. */
static bool may_announce(void)
{
    static atomic_llong second;
    static atomic_int lines;
    long long now = (long long)time(NULL);
    if (atomic_exchange(&second, now) != now) {
        atomic_store(&lines, 0);
    }
    return atomic_fetch_add(&lines, 1) < LINES_A_SECOND;
}

static json_t *run_fields(const struct run_story *story)
{
    const struct grid_run *run = story->run;
    return json_pack("{s:s, s:s, s:s}", "run", run->id, "variant", run->variant, "name", run->name);
}

static json_t *place_fields(const struct run_story *story, const struct run_position *position)
{
    json_t *fields = run_fields(story);
    json_object_set_new(fields, "epoch", json_integer(position->epoch));
    json_object_set_new(fields, "step", json_integer(position->step));
    return fields;
}

void story_started(const struct run_story *story, const struct run_position *resumed_at)
{
    struct run_position start = {0};
    events_emit(story->events, resumed_at != NULL ? "run_resumed" : "run_started",
                place_fields(story, resumed_at != NULL ? resumed_at : &start));
    if (resumed_at != NULL) {
        run_log_line(story->log, "resumed at epoch %u, step %u", (unsigned)resumed_at->epoch + 1,
                     (unsigned)resumed_at->step);
    } else {
        run_log_line(story->log, "started: %s (%s)", story->run->name, story->run->id);
    }
}

void story_epoch_saved(const struct run_story *story, const struct history *history)
{
    uint32_t row = history->count - 1;
    json_t *fields = run_fields(story);
    char text[512];
    int used = snprintf(text, sizeof text, "epoch %.0f saved:", history->column[HISTORY_EPOCH][row]);
    json_object_set_new(fields, "epoch", json_integer((json_int_t)history->column[HISTORY_EPOCH][row]));
    for (int column = HISTORY_EPOCH + 1; column < HISTORY_COLUMNS; column++) {
        double value = history->column[column][row];
        json_object_set_new(fields, history_column_names[column], json_number(value));
        if (!isnan(value) && used < (int)sizeof text) {
            used += snprintf(text + used, sizeof text - (size_t)used, " %s %.6g",
                             history_column_names[column], value);
        }
    }
    events_emit(story->events, "epoch_saved", fields);
    run_log_line(story->log, "%s", text);
}

static void announce_finish(const struct run_story *story, const struct run_final *final, double seconds)
{
    bool tested = !isnan(final->test_accuracy);
    double other = tested ? final->test_accuracy : final->validation_accuracy;
    char figures[96] = "";
    if (!isnan(other)) {
        snprintf(figures, sizeof figures, ", %s accuracy %.2f %%", tested ? "test" : "validation",
                 100.0 * other);
    }
    if (isnan(final->train_accuracy)) { /* regression */
        tested = !isnan(final->test_loss);
        other = tested ? final->test_loss : final->validation_loss;
        if (!isnan(other))
            snprintf(figures, sizeof figures, ", %s loss %.6g", tested ? "test" : "validation", other);
        log_info("finished %s: train loss %.6g%s, %.1f s", story->run->name, final->train_loss, figures,
                 seconds);
        return;
    }
    log_info("finished %s: train accuracy %.2f %%%s, %.1f s", story->run->name, 100.0 * final->train_accuracy,
             figures, seconds);
}

void story_finished(const struct run_story *story, const struct run_final *final, const char *content_sha256)
{
    double seconds = seconds_since(&story->begin);
    json_t *fields = run_fields(story);
    json_object_set_new(fields, "seconds", json_number(seconds));
    json_object_set_new(fields, "train_accuracy", json_number(final->train_accuracy));
    json_object_set_new(fields, "validation_accuracy", json_number(final->validation_accuracy));
    json_object_set_new(fields, "test_accuracy", json_number(final->test_accuracy));
    json_object_set_new(fields, "content_sha256", json_string(content_sha256));
    events_emit(story->events, "run_finished", fields);
    run_log_line(story->log, "finished in %.1f s, digest %s", seconds, content_sha256);
    if (may_announce()) {
        announce_finish(story, final, seconds);
    }
}

void story_stopped(const struct run_story *story, const struct run_position *position)
{
    events_emit(story->events, "run_stopped", place_fields(story, position));
    run_log_line(story->log, "stopped and saved at epoch %u, step %u", (unsigned)position->epoch + 1,
                 (unsigned)position->step);
}

void story_failed(const struct run_story *story, const struct error *error)
{
    char line[1024];
    json_t *fields = run_fields(story);
    json_object_set_new(fields, "status", json_string(status_name(error->code)));
    json_object_set_new(fields, "message", json_string(error_format(error, line, sizeof line)));
    events_emit(story->events, "run_failed", fields);
    log_error("%s failed: %s", story->run->name, error->message);
}

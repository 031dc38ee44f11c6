/* Where the variants ended: points with 95 % intervals, and a heat map where exactly two settings were swept.
 *
 * Intervals, not deviations: the question of this picture is whether means differ. */
#include "report/plot.h"

#include "report/escape.h"
#include "report/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum metric metric;
    const char *title, *colour;
    int point;
    double offset; /* of the row, so that points of one variant do not cover each other */
} marks[] = {
    {METRIC_TRAIN_ACCURACY, "train", "#0072B2", 6, -0.15},
    {METRIC_VALIDATION_ACCURACY, "validation", "#E69F00", 9, 0},
    {METRIC_TEST_ACCURACY, "test", "#D55E00", 5, 0.15},
};
enum { MARKS = sizeof marks / sizeof *marks, MOST_ROWS = 60 };

/* A picture of more rows than this is no picture; the axis then says that it shows the first. */
static size_t rows_shown(const struct grouping *grouping)
{
    return grouping->group_count < MOST_ROWS ? grouping->group_count : MOST_ROWS;
}

static bool append_mark(struct plot_script *script, const struct grouping *grouping, size_t mark,
                        struct moment moment)
{
    bool any = false;
    text_format(&script->text, "$final%zu << EOD\n", mark);
    for (size_t g = 0; g < rows_shown(grouping); g++) {
        const struct group *group = &grouping->groups[g];
        double *values = pool_take(script->pool, group->run_count, sizeof *values);
        if (values == NULL) {
            script->text.failed = true;
            return false;
        }
        struct sample sample =
            sample_summarise(values, group_values(group, marks[mark].metric, moment, values));
        if (sample.n == 0)
            continue;
        any = true;
        text_format(&script->text, "%.7g %.7g %.7g %.7g\n", sample.mean, (double)g + marks[mark].offset,
                    isnan(sample.low) ? sample.mean : sample.low,
                    isnan(sample.high) ? sample.mean : sample.high);
    }
    text_append(&script->text, "EOD\n");
    return any;
}

static void append_row_names(struct text *body, const struct grouping *grouping)
{
    text_append(body, "set ytics (");
    for (size_t g = 0; g < rows_shown(grouping); g++) {
        text_append(body, g > 0 ? ", " : "");
        escape_gnuplot_tick(body, grouping->groups[g].label);
        text_format(body, " %zu", g);
    }
    text_append(body, ") noenhanced\n");
}

void plot_final_accuracy(struct plot_script *script, const struct grouping *grouping, struct moment moment)
{
    struct text body = {0};
    size_t rows = rows_shown(grouping);
    text_format(&body, "set yrange [%g:-0.5]\nset xlabel 'Accuracy [%%], mean and 95 %% interval",
                (double)rows - 0.5);
    if (rows < grouping->group_count)
        text_format(&body, ", the first %zu of %zu rows", rows, grouping->group_count);
    text_append(&body, "'\n");
    append_row_names(&body, grouping);
    text_append(&body, "set grid lc rgb '#d0d0d0'\nset key outside top center horizontal\nset offsets graph "
                       "0.03, graph 0.03, 0, 0\n");
    const char *joint = "plot ";
    for (size_t mark = 0; mark < MARKS; mark++) {
        if (!append_mark(script, grouping, mark, moment))
            continue;
        text_format(&body,
                    "%s$final%zu using 1:2:3:4 with xerrorbars lc rgb '%s' lw 2 pt %d ps 1.2 title '%s'",
                    joint, mark, marks[mark].colour, marks[mark].point, marks[mark].title);
        joint = ", ";
    }
    text_append(&body, "\n");
    if (!body.failed && *joint == ',')
        plot_emit(script, "final_accuracy", 800, 140 + 46 * (int)rows, body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

/* The distinct values of one axis: numbers by size, words as they come. */
struct axis {
    const char *key;
    const char **values;
    size_t count;
};

static int by_number(const void *first, const void *second)
{
    double a, b;
    const char *x = *(const char *const *)first, *y = *(const char *const *)second;
    if (text_to_double(x, &a) && text_to_double(y, &b))
        return (a > b) - (a < b);
    return strcmp(x, y);
}

static bool collect_axis(struct pool *pool, const struct grouping *cells, size_t key, struct axis *axis)
{
    axis->key = cells->keys[key];
    axis->values = pool_take(pool, cells->group_count + 1, sizeof *axis->values);
    if (axis->values == NULL)
        return false;
    for (size_t g = 0; g < cells->group_count; g++) {
        size_t i = 0;
        while (i < axis->count && strcmp(axis->values[i], cells->groups[g].values[key]) != 0)
            i++;
        if (i == axis->count)
            axis->values[axis->count++] = cells->groups[g].values[key];
    }
    qsort(axis->values, axis->count, sizeof *axis->values, by_number);
    return true;
}

static size_t axis_place(const struct axis *axis, const char *value)
{
    size_t i = 0;
    while (strcmp(axis->values[i], value) != 0)
        i++;
    return i;
}

static void append_axis(struct text *body, const struct axis *axis, char letter)
{
    text_format(body, "set %clabel ", letter);
    escape_gnuplot(body, axis->key);
    text_format(body, " noenhanced\nset %ctics (", letter);
    for (size_t i = 0; i < axis->count; i++) {
        text_append(body, i > 0 ? ", " : "");
        escape_gnuplot_tick(body, axis->values[i]);
        text_format(body, " %zu", i);
    }
    text_format(body, ") noenhanced\nset %crange [-0.5:%zu.5]\n", letter, axis->count - 1);
}

/* x y mean; returns the metric drawn: validation accuracy chooses settings, so it goes first. `dark` gets the
 * value below which a cell wants white letters. */
static enum metric append_cells(struct plot_script *script, const struct grouping *cells,
                                const struct axis axes[2], struct moment moment, double *dark)
{
    static const enum metric order[] = {METRIC_VALIDATION_ACCURACY, METRIC_TEST_ACCURACY,
                                        METRIC_TRAIN_ACCURACY};
    for (size_t m = 0; m < sizeof order / sizeof *order; m++) {
        double least = INFINITY, most = -INFINITY;
        size_t start = script->text.length;
        text_append(&script->text, "$heat << EOD\n");
        for (size_t g = 0; g < cells->group_count; g++) {
            const struct group *group = &cells->groups[g];
            double *values = pool_take(script->pool, group->run_count, sizeof *values);
            size_t count = values != NULL ? group_values(group, order[m], moment, values) : 0;
            if (count == 0)
                continue;
            double mean = sample_summarise(values, count).mean;
            least = fmin(least, mean);
            most = fmax(most, mean);
            text_format(&script->text, "%zu %zu %.7g\n", axis_place(&axes[0], group->values[0]),
                        axis_place(&axes[1], group->values[1]), mean);
        }
        text_append(&script->text, "EOD\n");
        *dark = least + 0.55 * (most - least);
        if (least <= most)
            return order[m];
        script->text.length = start;
    }
    return METRICS;
}

static void draw_heat_map(struct plot_script *script, const struct grouping *cells, struct moment moment)
{
    struct axis axes[2] = {{0}};
    if (!collect_axis(script->pool, cells, 0, &axes[0]) || !collect_axis(script->pool, cells, 1, &axes[1])) {
        script->text.failed = true;
        return;
    }
    double dark = 0;
    enum metric metric = append_cells(script, cells, axes, moment, &dark);
    if (metric == METRICS || axes[0].count < 2 || axes[1].count < 2)
        return;
    struct text body = {0};
    append_axis(&body, &axes[0], 'x');
    append_axis(&body, &axes[1], 'y');
    text_format(&body,
                "set rmargin 14\nset cblabel '%s, mean over seeds' offset 1.5,0\nunset key\nset palette "
                "defined (0 '#00204C', 0.35 '#575C6D', 0.65 '#A69D75', 1 '#FFE945')\n",
                metric_definitions[metric].title);
    text_format(&body,
                "plot $heat using 1:2:3 with image pixels, '' using 1:2:(sprintf('%%.2f', $3)):"
                "($3 < %.7g ? 0xffffff : 0x000000) with labels tc rgb variable font ',11'\n",
                dark);
    if (!body.failed)
        plot_emit(script, "heat_map", 260 + 90 * (int)axes[0].count, 160 + 60 * (int)axes[1].count,
                  body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

enum status plot_heat_map(struct plot_script *script, const struct report_run *const *runs, size_t run_count,
                          const struct grouping *grouping, struct moment moment, struct error *error)
{
    const char *const *paths = NULL;
    size_t path_count = 0;
    enum status status = setting_paths(script->pool, runs, run_count, &paths, &path_count, error);
    if (status != STATUS_OK)
        return status;
    const char *keys[2] = {NULL};
    size_t swept = 0;
    for (size_t i = 0; i < path_count; i++)
        if (strcmp(paths[i], "seed") != 0 && swept++ < 2)
            keys[swept - 1] = paths[i];
    if (grouping->key_count == 2) {
        draw_heat_map(script, grouping, moment);
    } else if (grouping->key_count == 0 && swept == 2) {
        struct grouping cells;
        status = group_runs(script->pool, runs, run_count, keys, 2, &cells, error);
        if (status == STATUS_OK)
            draw_heat_map(script, &cells, moment);
    }
    return status;
}

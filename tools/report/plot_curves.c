/* Accuracy and loss by epoch. The mean over a group's seeds is a line, one standard deviation a band; an
 * epoch that only some seeds have reached uses those. Unfinished runs are drawn as far as they came: a curve
 * is what one looks at to see why a run stopped. */
#include "report/plot.h"

#include "report/curve.h"
#include "report/escape.h"

#include <math.h>

enum { SPLITS = 3, SHOWN_TOGETHER = 12 };

static const struct {
    const char *title, *long_title, *colour;
    int dash, point;
    enum history_column accuracy, loss;
} splits[SPLITS] = {
    {"train", "Train", "#0072B2", 1, 7, HISTORY_TRAIN_ACCURACY, HISTORY_TRAIN_LOSS},
    {"validation", "Validation", "#E69F00", 2, 9, HISTORY_VALIDATION_ACCURACY, HISTORY_VALIDATION_LOSS},
    {"test", "Test", "#D55E00", 4, 5, HISTORY_TEST_ACCURACY, HISTORY_TEST_LOSS},
};

static const struct {
    const char *colour;
    int dash, point;
} lines[] = {{"#0072B2", 1, 7},  {"#D55E00", 2, 5}, {"#009E73", 3, 9}, {"#CC79A7", 4, 13},
             {"#E69F00", 5, 11}, {"#56B4E9", 1, 6}, {"#000000", 2, 4}, {"#8A6D00", 3, 8}};
enum { LINES = sizeof lines / sizeof *lines };

static void append_number(struct text *text, double value)
{
    if (isnan(value))
        text_append(text, " NaN");
    else
        text_format(text, " %.7g", value);
}

/* Mean, lower and upper edge of the band; returns whether there is anything. */
static bool append_band(struct text *text, const struct sample *sample)
{
    double deviation = isnan(sample->deviation) ? 0 : sample->deviation;
    append_number(text, sample->mean);
    append_number(text, sample->mean - deviation);
    append_number(text, sample->mean + deviation);
    return sample->n > 0;
}

/* $g<number>: epoch, then for each split accuracy and loss as three columns each. present gets a flag a
 * series. */
static void append_block(struct plot_script *script, const struct group *group, size_t number,
                         bool present[2 * SPLITS])
{
    double *values = pool_take(script->pool, group->run_count, sizeof *values);
    if (values == NULL) {
        script->text.failed = true;
        return;
    }
    text_format(&script->text, "$g%zu << EOD\n", number);
    for (uint32_t epoch = 0; epoch < group_epochs(group); epoch++) {
        text_format(&script->text, "%u", epoch + 1);
        for (size_t s = 0; s < 2 * SPLITS; s++) {
            enum history_column column = s < SPLITS ? splits[s].accuracy : splits[s - SPLITS].loss;
            struct sample sample = group_sample_epoch(group, column, epoch, s < SPLITS ? 100 : 1, values);
            present[s] = append_band(&script->text, &sample) || present[s];
        }
        text_append(&script->text, "\n");
    }
    text_append(&script->text, "EOD\n");
}

/* An axis that starts at 1, has whole ticks and room for the last point. */
static void append_epoch_axis(struct text *body, uint32_t epochs)
{
    text_format(body,
                "set xlabel 'Epoch'\nset xrange [0.5:%g]\nset grid lc rgb '#d0d0d0' lw 1\nset border lw "
                "1\nset offsets 0, 0, graph 0.04, graph 0.04\n",
                epochs + 0.5);
    text_append(body, epochs <= 10 ? "set xtics 1\n" : "set xtics autofreq\n");
}

static void append_panel(struct text *body, size_t number, bool loss, const bool present[2 * SPLITS],
                         uint32_t epochs, bool band)
{
    text_append(body, loss ? "set ylabel 'Loss [nats]'\nset key top right\n"
                           : "set ylabel 'Accuracy [%]'\nset key bottom right\n");
    const char *joint = "plot ";
    for (size_t s = 0; s < SPLITS; s++) {
        size_t column = 2 + 3 * (s + (loss ? SPLITS : 0));
        if (!present[s + (loss ? SPLITS : 0)])
            continue;
        if (band)
            text_format(body,
                        "%s$g%zu using 1:%zu:%zu with filledcurves fc rgb '%s' fs transparent solid 0.2 "
                        "noborder notitle",
                        joint, number, column + 1, column + 2, splits[s].colour);
        text_format(
            body, "%s$g%zu using 1:%zu with linespoints lc rgb '%s' lw 2 dt %d pt %d ps 0.7 pi %u title '%s'",
            band ? ", " : joint, number, column, splits[s].colour, splits[s].dash, splits[s].point,
            epochs / 12 + 1, splits[s].title);
        joint = ", ";
    }
    text_append(body, "\n");
}

static bool any_of(const bool *flags, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (flags[i])
            return true;
    return false;
}

static size_t runs_with_history(const struct group *group)
{
    size_t count = 0;
    for (size_t i = 0; i < group->run_count; i++)
        count += group->runs[i]->has_summary && group->runs[i]->summary.history.count > 0;
    return count;
}

static void plot_group(struct plot_script *script, const struct grouping *grouping, size_t number,
                       const bool present[2 * SPLITS])
{
    const struct group *group = &grouping->groups[number];
    uint32_t epochs = group_epochs(group);
    size_t seeds = runs_with_history(group);
    struct text body = {0};
    text_append(&body, "set multiplot layout 1,2 title ");
    escape_gnuplot(&body, seeds > 1 ? pool_format(script->pool, "%s: mean and standard deviation of %zu runs",
                                                  group->label, seeds)
                                    : group->label);
    text_append(&body, " noenhanced\n");
    append_epoch_axis(&body, epochs);
    append_panel(&body, number, false, present, epochs, seeds > 1);
    append_panel(&body, number, true, present, epochs, seeds > 1);
    text_append(&body, "unset multiplot\n");
    if (!body.failed)
        plot_emit(script, plot_file_name(script, "curves_", grouping, number), 1100, 430, body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

static void append_together_panel(struct text *body, const struct grouping *grouping,
                                  bool (*present)[2 * SPLITS], size_t series, uint32_t epochs)
{
    static const char *const names[2] = {"accuracy [%]", "loss [nats]"};
    text_format(body, "set ylabel '%s %s'\n", splits[series % SPLITS].long_title, names[series / SPLITS]);
    const char *joint = "plot ";
    for (size_t g = 0; g < grouping->group_count && g < SHOWN_TOGETHER; g++) {
        if (!present[g][series])
            continue;
        text_format(body,
                    "%s$g%zu using 1:%zu with linespoints lc rgb '%s' lw 2 dt %d pt %d ps 0.7 pi %u title ",
                    joint, g, 2 + 3 * series, lines[g % LINES].colour, lines[g % LINES].dash,
                    lines[g % LINES].point, epochs / 12 + 1);
        escape_gnuplot(body, grouping->groups[g].label);
        text_append(body, " noenhanced");
        joint = ", ";
    }
    text_append(body, "\n");
}

/* The split that compares models: test where it was measured by epoch, else validation, else train. */
static size_t split_to_compare(const struct grouping *grouping, bool (*present)[2 * SPLITS])
{
    for (size_t s = SPLITS; s-- > 0;)
        for (size_t g = 0; g < grouping->group_count; g++)
            if (present[g][s])
                return s;
    return 0;
}

static void plot_together(struct plot_script *script, const struct grouping *grouping,
                          bool (*present)[2 * SPLITS])
{
    uint32_t epochs = 0;
    for (size_t g = 0; g < grouping->group_count; g++)
        if (group_epochs(&grouping->groups[g]) > epochs)
            epochs = group_epochs(&grouping->groups[g]);
    size_t split = split_to_compare(grouping, present);
    size_t shown = grouping->group_count < SHOWN_TOGETHER ? grouping->group_count : SHOWN_TOGETHER;
    struct text body = {0};
    text_append(&body, "set multiplot layout 1,2 title 'Mean over seeds");
    if (shown < grouping->group_count)
        text_format(&body, ", the first %zu of %zu variants", shown, grouping->group_count);
    text_append(&body, "'\n");
    append_epoch_axis(&body, epochs);
    text_append(&body, "set key bottom right\n");
    append_together_panel(&body, grouping, present, split, epochs);
    text_append(&body, "set key top right\n");
    append_together_panel(&body, grouping, present, split + SPLITS, epochs);
    text_append(&body, "unset multiplot\n");
    if (!body.failed)
        plot_emit(script, "curves_all", 1100, 480, body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

void plot_curves(struct plot_script *script, const struct grouping *grouping)
{
    bool(*present)[2 * SPLITS] = pool_take(script->pool, grouping->group_count + 1, sizeof *present);
    if (present == NULL) {
        script->text.failed = true;
        return;
    }
    size_t drawn = 0;
    for (size_t g = 0; g < grouping->group_count; g++)
        append_block(script, &grouping->groups[g], g, present[g]);
    for (size_t g = 0; g < grouping->group_count; g++) {
        if (!any_of(present[g], 2 * SPLITS))
            continue;
        plot_group(script, grouping, g, present[g]);
        drawn++;
    }
    if (drawn > 0)
        plot_together(script, grouping, present);
}

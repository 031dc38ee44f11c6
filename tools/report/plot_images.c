/* Pictures that need a run's image and not only its summary: the confusion matrix of a variant (summed over
 * its seeds, shown as percent of each true class) and the filters of its first convolution (of its first
 * finished run, since averaging filters over seeds means nothing). */
#include "report/plot.h"

#include "base/log.h"
#include "report/escape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counts of all runs of a group; zero classes where no run has any. */
struct confusion {
    size_t classes;
    double *counts; /* [true class][predicted class] */
    size_t runs;
};

static void add_confusion(struct pool *pool, const struct named_tensor *tensor, struct confusion *confusion)
{
    if (tensor->rank != 2 || tensor->shape[0] != tensor->shape[1] || tensor->type != TENSOR_INT32)
        return;
    if (confusion->counts == NULL) {
        confusion->classes = tensor->shape[0];
        confusion->counts =
            pool_take(pool, confusion->classes * confusion->classes + 1, sizeof *confusion->counts);
    }
    if (confusion->counts == NULL || confusion->classes != tensor->shape[0])
        return;
    const int32_t *values = tensor->values;
    for (size_t i = 0; i < confusion->classes * confusion->classes; i++)
        confusion->counts[i] += values[i];
    confusion->runs++;
}

static double row_sum(const struct confusion *confusion, size_t row)
{
    double sum = 0;
    for (size_t k = 0; k < confusion->classes; k++)
        sum += confusion->counts[row * confusion->classes + k];
    return sum;
}

static void plot_confusion(struct plot_script *script, const struct grouping *grouping, size_t number,
                           const struct confusion *confusion)
{
    text_format(&script->text, "$confusion%zu << EOD\n", number);
    for (size_t row = 0; row < confusion->classes; row++) {
        double sum = row_sum(confusion, row);
        for (size_t column = 0; column < confusion->classes; column++)
            text_format(&script->text, "%zu %zu %.6g\n", column, row,
                        sum > 0 ? 100 * confusion->counts[row * confusion->classes + column] / sum : 0);
    }
    text_append(&script->text, "EOD\n");
    struct text body = {0};
    text_append(&body, "set title ");
    escape_gnuplot(&body, pool_format(script->pool, "%s: confusion on the test set, %zu run%s",
                                      grouping->groups[number].label, confusion->runs,
                                      confusion->runs > 1 ? "s" : ""));
    text_format(&body,
                " noenhanced\nset xlabel 'Predicted class'\nset ylabel 'True class'\nset cblabel 'Share of "
                "the true class [%%]'\n"
                "unset key\nset xrange [-0.5:%zu.5]\nset yrange [%zu.5:-0.5]\nset xtics 1 scale 0\nset ytics "
                "1 scale 0\n"
                "set cbrange [0:100]\nset palette defined (0 '#ffffff', 0.02 '#dbe9f6', 0.2 '#6baed6', 1 "
                "'#08306b')\n",
                confusion->classes - 1, confusion->classes - 1);
    text_format(&body, "plot $confusion%zu using 1:2:3 with image pixels", number);
    if (confusion->classes <= 20)
        text_format(&body,
                    ", '' using 1:2:($3 >= 0.05 ? sprintf('%%.1f', $3) : ''):($3 > 35 ? 0xffffff : 0x000000) "
                    "with labels tc rgb variable font ',8'");
    text_append(&body, "\n");
    if (!body.failed)
        plot_emit(script, plot_file_name(script, "confusion_", grouping, number), 720, 600, body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

/* One tile an output channel, side by side; several input channels below each other. A common symmetric grey
 * scale. */
static void plot_filters(struct plot_script *script, const struct grouping *grouping, size_t number,
                         const struct named_tensor *tensor)
{
    size_t outputs = tensor->shape[0], inputs = tensor->shape[1], height = tensor->shape[2],
           width = tensor->shape[3];
    size_t across = outputs < 16 ? outputs : 16, down = (outputs + across - 1) / across;
    const float *values = tensor->values;
    double largest = 0;
    text_format(&script->text, "$filters%zu << EOD\n", number);
    for (size_t i = 0; i < outputs * inputs * height * width; i++) {
        size_t x = i % width, y = i / width % height, input = i / (width * height) % inputs;
        size_t output = i / (width * height * inputs);
        text_format(&script->text, "%zu %zu %.6g\n", output % across * (width + 1) + x,
                    (output / across * inputs + input) * (height + 1) + y, (double)values[i]);
        largest = fmax(largest, fabs((double)values[i]));
    }
    text_append(&script->text, "EOD\n");
    size_t columns = across * (width + 1) - 1, rows = down * inputs * (height + 1) - 1;
    struct text body = {0};
    text_append(&body, "set title ");
    escape_gnuplot(&body, pool_format(script->pool, "%s: filters of the first convolution",
                                      grouping->groups[number].label));
    text_format(&body,
                " noenhanced\nunset key\nunset xtics\nunset ytics\nunset border\nset size ratio -1\nset "
                "xrange [-0.5:%zu.5]\n"
                "set yrange [%zu.5:-0.5]\nset cblabel 'Weight'\nset cbrange [%g:%g]\nset cbtics (%.3g, 0, "
                "%.3g)\nset palette gray\n"
                "plot $filters%zu using 1:2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with boxxyerror fs solid "
                "noborder fc palette\n",
                columns - 1, rows - 1, -largest, largest, -largest, largest, number);
    int scale = columns > 100 ? 8 : 16;
    if (!body.failed)
        plot_emit(script, plot_file_name(script, "filters_", grouping, number), 160 + scale * (int)columns,
                  90 + scale * (int)rows, body.bytes);
    script->text.failed = script->text.failed || body.failed;
    text_release(&body);
}

static const struct named_tensor *first_filters(const struct run_state *state)
{
    for (size_t i = 0; i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        size_t length = strlen(tensor->path);
        if (strncmp(tensor->path, "/model/", 7) == 0 && length > 7 &&
            strcmp(tensor->path + length - 7, "/weight") == 0 && tensor->rank == 4 &&
            tensor->type == TENSOR_FLOAT32)
            return tensor->shape[2] > 1 && tensor->shape[0] * tensor->shape[1] <= 256 ? tensor : NULL;
    }
    return NULL;
}

/* A run whose image cannot be read costs its part of the picture, said aloud, not the report. */
static void read_group(struct plot_script *script, const struct grouping *grouping, size_t number)
{
    const struct group *group = &grouping->groups[number];
    struct confusion confusion = {0};
    bool filters_drawn = false;
    for (size_t i = 0; i < group->run_count; i++) {
        if (group->runs[i]->condition != CONDITION_FINISHED)
            continue;
        struct run_record *record = NULL;
        struct error error = {0};
        if (run_file_load(group->runs[i]->path, &record, &error) != STATUS_OK) {
            log_warning("%s is left out of the pictures: %s", group->runs[i]->name, error.message);
            continue;
        }
        const struct named_tensor *counts = run_state_tensor(record->state, "/final/test_confusion");
        const struct named_tensor *filters = filters_drawn ? NULL : first_filters(record->state);
        if (counts != NULL)
            add_confusion(script->pool, counts, &confusion);
        if (filters != NULL)
            plot_filters(script, grouping, number, filters);
        filters_drawn = true;
        run_record_destroy(record);
    }
    if (confusion.runs > 0)
        plot_confusion(script, grouping, number, &confusion);
}

void plot_images(struct plot_script *script, const struct grouping *grouping)
{
    for (size_t g = 0; g < grouping->group_count; g++)
        read_group(script, grouping, g);
}

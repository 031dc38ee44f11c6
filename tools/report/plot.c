/* One gnuplot process draws every picture from one script: starting it costs more than a picture does. Data
 * travel in here-documents inside the script, so no temporary files are named. Every label is a single-quoted
 * string without enhanced text, so that no name is markup or a command.
 *
 * Colours are Okabe and Ito's, told apart by colour-blind readers; dashes and point shapes repeat what colour
 * says, so that a grey print keeps it. */
#include "report/plot.h"

#include "base/atomic_file.h"
#include "report/escape.h"
#include "report/process.h"

#include <string.h>
#include <strings.h>

static const struct {
    enum plot_format format;
    const char *extension, *terminal;
    const char *unit; /* of a size */
    double scale;     /* of pixels into it */
} terminals[] = {
    {PLOT_SVG, "svg", "svg noenhanced dynamic font 'DejaVu Sans,13' background '#ffffff'", "", 1},
    {PLOT_PNG, "png", "pngcairo noenhanced font 'DejaVu Sans,10' background '#ffffff'", "", 1},
    {PLOT_PDF, "pdf", "pdfcairo noenhanced font 'DejaVu Sans,10' background '#ffffff'", "in", 1.0 / 96},
};
enum { TERMINALS = sizeof terminals / sizeof *terminals };

enum status plot_formats_parse(const char *list, unsigned *formats, struct error *error)
{
    *formats = 0;
    for (const char *word = list; *word != '\0';) {
        size_t length = strcspn(word, ",");
        unsigned found = 0;
        for (size_t i = 0; i < TERMINALS; i++)
            if (strlen(terminals[i].extension) == length &&
                strncmp(terminals[i].extension, word, length) == 0)
                found = terminals[i].format;
        if (found == 0)
            return error_set(error, STATUS_USAGE,
                             "--plot-format takes svg, png and pdf, separated by commas, not '%s'", list);
        *formats |= found;
        word += length + (word[length] == ',');
    }
    if (*formats == 0)
        return error_set(error, STATUS_USAGE, "--plot-format takes svg, png and pdf, separated by commas");
    return STATUS_OK;
}

void plot_emit(struct plot_script *script, const char *name, int width, int height, const char *body)
{
    for (size_t i = 0; i < TERMINALS; i++) {
        if ((script->formats & (unsigned)terminals[i].format) == 0)
            continue;
        text_format(&script->text, "reset\nset terminal %s size %g%s,%g%s", terminals[i].terminal,
                    width * terminals[i].scale, terminals[i].unit, height * terminals[i].scale,
                    terminals[i].unit);
        text_append(&script->text, "\nset output ");
        escape_gnuplot(&script->text, pool_format(script->pool, "%s/%s.%s", script->directory, name,
                                                  terminals[i].extension));
        text_append(&script->text, "\nset datafile missing 'NaN'\n");
        text_append(&script->text, body);
        text_append(&script->text, "unset output\n");
    }
    script->pictures++;
}

static const char *plain_file_name(struct pool *pool, const char *prefix, const char *label)
{
    struct text name = {0};
    text_append(&name, prefix);
    escape_file_name(&name, label);
    const char *copy = name.failed ? "" : pool_copy(pool, name.bytes);
    text_release(&name);
    return copy;
}

/* Two labels that differ only in what file names cannot hold get numbers; case counts as the same, for disks
 * that fold it. */
const char *plot_file_name(struct plot_script *script, const char *prefix, const struct grouping *grouping,
                           size_t group)
{
    const char *name = plain_file_name(script->pool, prefix, grouping->groups[group].label);
    size_t same = 1;
    for (size_t i = 0; i < group; i++)
        same += strcasecmp(plain_file_name(script->pool, prefix, grouping->groups[i].label), name) == 0;
    return same > 1 ? pool_format(script->pool, "%s~%zu", name, same) : name;
}

enum status plot_report(struct collection *collection, const struct grouping *grouping,
                        const struct report_run *const *runs, size_t run_count, struct moment moment,
                        const char *directory, unsigned formats, struct error *error)
{
    struct plot_script script = {.pool = &collection->pool, .directory = directory, .formats = formats};
    enum status status = directory_create(directory, error);
    if (status != STATUS_OK)
        return status;
    plot_curves(&script, grouping);
    plot_final_accuracy(&script, grouping, moment);
    status = plot_heat_map(&script, runs, run_count, grouping, moment, error);
    if (status == STATUS_OK)
        plot_images(&script, grouping);
    if (status == STATUS_OK && script.text.failed)
        status = error_set(error, STATUS_MEMORY, "out of memory while drawing");
    if (status == STATUS_OK && script.pictures > 0)
        status = process_feed("gnuplot", script.text.bytes, script.text.length, error);
    text_release(&script.text);
    return status;
}

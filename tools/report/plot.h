/* Pictures of a grid through gnuplot: SVG, PNG and PDF files in a folder. */
#ifndef REPORT_PLOT_H
#define REPORT_PLOT_H

#include "base/text.h"
#include "report/group.h"

enum plot_format { PLOT_SVG = 1, PLOT_PNG = 2, PLOT_PDF = 4 };
enum status plot_formats_parse(const char *list, unsigned *formats, struct error *error);

/* curves_<variant>, curves_all, final_accuracy, heatmap_…, confusion_<variant>, filters_<variant>: those for
 * which there are figures. Curves show the mean over seeds with a band of one standard deviation. */
enum status plot_report(struct collection *collection, const struct grouping *grouping,
                        const struct report_run *const *runs, size_t run_count, struct moment moment,
                        const char *directory, unsigned formats, struct error *error);

/* A gnuplot script under construction; shared by the files that draw. */
struct plot_script {
    struct text text;
    struct pool *pool;
    const char *directory;
    unsigned formats;
    size_t pictures;
};

/* Appends the body once a format, each with its terminal of width x height pixels and its file
 * <directory>/<name>.<format>. */
void plot_emit(struct plot_script *script, const char *name, int width, int height, const char *body);

/* `prefix` and the label as a file name; a number tells apart labels that become the same name. */
const char *plot_file_name(struct plot_script *script, const char *prefix, const struct grouping *grouping,
                           size_t group);

void plot_curves(struct plot_script *script, const struct grouping *grouping);
void plot_final_accuracy(struct plot_script *script, const struct grouping *grouping, struct moment moment);
enum status plot_heat_map(struct plot_script *script, const struct report_run *const *runs, size_t run_count,
                          const struct grouping *grouping, struct moment moment, struct error *error);
void plot_images(struct plot_script *script, const struct grouping *grouping);

#endif

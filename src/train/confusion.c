/* Counts are exact; every figure is computed from them when asked for, so that none can disagree with
 * another. */
#include "train/confusion.h"

#include <math.h>
#include <stdlib.h>

enum status confusion_create(int classes, struct confusion *confusion, struct error *error)
{
    confusion->classes = classes;
    confusion->counts = calloc((size_t)classes * (size_t)classes, sizeof *confusion->counts);
    return confusion->counts
               ? STATUS_OK
               : error_set(error, STATUS_MEMORY, "out of memory for the confusion of %d classes", classes);
}

void confusion_release(struct confusion *confusion)
{
    free(confusion->counts);
    *confusion = (struct confusion){.counts = NULL};
}

static uint64_t count_at(const struct confusion *confusion, int label, int prediction)
{
    return confusion->counts[(size_t)label * (size_t)confusion->classes + (size_t)prediction];
}

void confusion_add(struct confusion *confusion, uint16_t label, uint16_t prediction)
{
    confusion->counts[(size_t)label * (size_t)confusion->classes + prediction]++;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : NAN;
}

struct class_figures confusion_class(const struct confusion *confusion, int which)
{
    struct class_figures figures = {.correct = count_at(confusion, which, which)};
    for (int other = 0; other < confusion->classes; other++) {
        figures.images += count_at(confusion, which, other);
        figures.predicted += count_at(confusion, other, which);
    }
    figures.accuracy = ratio(figures.correct, figures.images);
    figures.precision = ratio(figures.correct, figures.predicted);
    figures.f1 = ratio(2 * figures.correct, figures.images + figures.predicted);
    return figures;
}

struct confusion_totals confusion_totals(const struct confusion *confusion)
{
    struct confusion_totals totals = {.images = 0};
    double sum = 0.0;
    uint64_t occurring = 0;
    for (int c = 0; c < confusion->classes; c++) {
        struct class_figures figures = confusion_class(confusion, c);
        totals.images += figures.images;
        totals.correct += figures.correct;
        if (!isnan(figures.f1)) {
            sum += figures.f1;
            occurring++;
        }
    }
    totals.accuracy = ratio(totals.correct, totals.images);
    totals.macro_f1 = occurring > 0 ? sum / (double)occurring : NAN;
    return totals;
}

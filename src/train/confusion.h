/* Counts of a classifier by class, and the figures that follow from them.
 *
 * counts[label][prediction]. Figures that have no images to stand on are NaN, never 0. Owner:
 * confusion_create's caller; one thread at a time. */
#ifndef RUNNER_TRAIN_CONFUSION_H
#define RUNNER_TRAIN_CONFUSION_H

#include "base/error.h"
#include <stdint.h>

struct confusion {
    int classes;
    uint64_t *counts; /* [classes][classes] */
};

enum status confusion_create(int classes, struct confusion *confusion, struct error *error);
void confusion_release(struct confusion *confusion);
void confusion_add(struct confusion *confusion, uint16_t label, uint16_t prediction);

/* Of one class. */
struct class_figures {
    uint64_t images;    /* that have this label */
    uint64_t predicted; /* that were taken for it */
    uint64_t correct;
    double accuracy;  /* correct / images: the class's recall */
    double precision; /* correct / predicted */
    double f1; /* 2 correct / (images + predicted); NaN where the class neither occurs nor is predicted */
};
struct class_figures confusion_class(const struct confusion *confusion, int which);

struct confusion_totals {
    uint64_t images, correct;
    double accuracy;
    double macro_f1; /* mean of f1 over the classes that occur or are predicted, as scikit-learn has it */
};
struct confusion_totals confusion_totals(const struct confusion *confusion);

#endif

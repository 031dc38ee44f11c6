/* Which test images a variant's runs have right, and what that says about two variants. */
#ifndef REPORT_IMAGES_H
#define REPORT_IMAGES_H

#include "report/group.h"

/* Of a group's finished runs with stored predictions and labels; runs with another number of images are left
 * out. */
struct image_answers {
    size_t images, runs;
    uint8_t **right;    /* [runs][images], 1 where the prediction is the label */
    const char **seeds; /* [runs] */
};
enum status image_answers_read(struct pool *pool, const struct group *group, struct image_answers *answers,
                               struct error *error);

struct image_comparison {
    double low, high; /* 95 % interval of the difference of accuracies in points, resampling images */
    double p_mcnemar; /* exact, of the seed pair in the middle by p; NaN where no seed is shared */
};
/* NaN where either has no answers or the images differ in number. */
struct image_comparison image_compare(struct pool *pool, const struct image_answers *first,
                                      const struct image_answers *second);

#endif

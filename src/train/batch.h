/* Which images a step takes and how they are read: shuffling, augmentation, labels. Private to src/train.
 *
 * Thread rule: filled by the leader between steps; kernels->load_images then reads it from all members. */
#ifndef RUNNER_TRAIN_BATCH_H
#define RUNNER_TRAIN_BATCH_H

#include "base/plan.h"
#include "data/slices.h"
#include "kernel/kernel.h"

struct batch {
    int count;                      /* images in it; lanes behind them are empty */
    struct augmented_image *images; /* [capacity rounded up to whole blocks] */
    uint16_t *labels;
    float *targets;        /* [capacity][target_width], NULL in classification */
    struct slices *slices; /* reads images that are not in memory; NULL where all are */
};

/* order[view->count] becomes the epoch's permutation. */
void batch_shuffle(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count);

/* Images first … first + count - 1 of the view, or of `order` where that is not NULL, without augmentation.
 * The order is that of the epoch. Fails only where images are read from disk. */
enum status batch_select(struct batch *batch, const struct dataset_view *view, const uint32_t *order,
                         uint32_t epoch, uint32_t first, uint32_t count, struct error *error);

/* Draws the augmentation of the images that batch_select chose with the same order and first. */
void batch_augment(struct batch *batch, const struct augmentation_plan *plan, struct image_shape shape,
                   uint64_t seed, uint32_t epoch, const uint32_t *order, uint32_t first);

/* (pixel / 255 - mean) / std, or (value - mean) / std of floats, as one multiply-add: scale[channels] and
 * offset[channels] are filled, and stay the caller's. */
struct load_shape batch_load_shape(enum element element, struct image_shape shape,
                                   const struct normalization *normalization, float *scale, float *offset);

#endif

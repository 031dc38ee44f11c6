/* Batches are read straight from the data set through the epoch's permutation: nothing is copied but the
 * pixels that the kernel turns into floats. Images that are not in memory lie in a window already in that
 * order.
 *
 * Invariant: what happens to an image in an epoch depends on (seed, epoch, the image's number in its part of
 * the data) alone, not on its batch or on the batch size. Draws of image n are blocks DRAWS n … DRAWS n +
 * DRAWS - 1 of the augmentation stream: the first for shift and flip, the second for whether to erase, one
 * for each attempt at a rectangle. */
#include "train/batch.h"

#include <math.h>

enum { DRAWS = 16, ERASING_ATTEMPTS = 10 };

void batch_shuffle(uint64_t seed, uint32_t epoch, uint32_t *order, uint32_t count)
{
    struct random_source source = {.seed = seed, .stream = RANDOM_SHUFFLE, .epoch = epoch};
    random_permutation(&source, order, count);
}

enum status batch_select(struct batch *batch, const struct dataset_view *view, const uint32_t *order,
                         uint32_t epoch, uint32_t first, uint32_t count, struct error *error)
{
    const struct image_set *set = view->images;
    size_t row_bytes = image_set_row_bytes(set);
    const char *all = set->element == ELEMENT_U8 ? (const char *)set->pixels : (const char *)set->values;
    const void *slice = NULL;
    if (set->rows) {
        enum status status = slices_take(batch->slices, view, order, order ? (uint64_t)epoch + 1 : 0, first,
                                         count, &slice, error);
        if (status != STATUS_OK)
            return status;
    }
    batch->count = (int)count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t image = view->index[order ? order[first + i] : first + i];
        const char *pixels = slice ? (const char *)slice + i * row_bytes : all + image * row_bytes;
        batch->images[i] = (struct augmented_image){.pixels = pixels};
        batch->labels[i] = set->labels ? set->labels[image] : 0;
        for (int k = 0; set->targets && k < set->target_width; k++)
            batch->targets[i * (uint32_t)set->target_width + (uint32_t)k] =
                set->targets[(size_t)image * (size_t)set->target_width + (size_t)k];
    }
    for (int i = batch->count; i < blocks_of(batch->count) * LANES; i++)
        batch->images[i] = (struct augmented_image){.pixels = NULL};
    return STATUS_OK;
}

/* 0 … bound - 1 from a word; uneven by less than bound / 2^32, which no run is long enough to notice. */
static int scaled(uint32_t word, int bound)
{
    return (int)(((uint64_t)word * (uint64_t)bound) >> 32);
}

static double unit(uint32_t word)
{
    return word * 0x1p-32;
}

/* Random erasing (Zhong et al. 2017, algorithm 1): area and aspect ratio are drawn until the rectangle fits.
 */
static void draw_rectangle(struct augmented_image *image, const struct augmentation_plan *plan,
                           struct image_shape shape, const struct random_source *source, uint32_t base)
{
    const double least_aspect = 0.3, most_aspect = 1.0 / 0.3;
    for (uint32_t attempt = 0; attempt < ERASING_ATTEMPTS; attempt++) {
        uint32_t words[4];
        random_words(source, base + 2 + attempt, words);
        double part =
            plan->erasing_scale[0] + unit(words[0]) * (plan->erasing_scale[1] - plan->erasing_scale[0]);
        double aspect = least_aspect + unit(words[1]) * (most_aspect - least_aspect);
        double area = part * shape.height * shape.width;
        int height = (int)(sqrt(area * aspect) + 0.5), width = (int)(sqrt(area / aspect) + 0.5);
        if (height < 1 || width < 1 || height > shape.height || width > shape.width)
            continue;
        image->erase_y0 = scaled(words[2], shape.height - height + 1);
        image->erase_x0 = scaled(words[3], shape.width - width + 1);
        image->erase_y1 = image->erase_y0 + height;
        image->erase_x1 = image->erase_x0 + width;
        return;
    }
}

void batch_augment(struct batch *batch, const struct augmentation_plan *plan, struct image_shape shape,
                   uint64_t seed, uint32_t epoch, const uint32_t *order, uint32_t first)
{
    if (plan->shift == 0 && plan->horizontal_flip == 0.0 && plan->erasing == 0.0)
        return;
    struct random_source source = {.seed = seed, .stream = RANDOM_AUGMENTATION, .epoch = epoch};
    for (int i = 0; i < batch->count; i++) {
        struct augmented_image *image = &batch->images[i];
        uint32_t words[4], base = order[first + (uint32_t)i] * DRAWS;
        random_words(&source, base, words);
        image->shift_y = scaled(words[0], 2 * plan->shift + 1) - plan->shift;
        image->shift_x = scaled(words[1], 2 * plan->shift + 1) - plan->shift;
        image->flip = unit(words[2]) < plan->horizontal_flip;
        random_words(&source, base + 1, words);
        if (unit(words[0]) < plan->erasing)
            draw_rectangle(image, plan, shape, &source, base);
    }
}

struct load_shape batch_load_shape(enum element element, struct image_shape shape,
                                   const struct normalization *normalization, float *scale, float *offset)
{
    double unit_value = element == ELEMENT_U8 ? 255.0 : 1.0;
    for (int c = 0; c < shape.channels; c++) {
        scale[c] = (float)(1.0 / (unit_value * normalization->std[c]));
        offset[c] = (float)(-normalization->mean[c] / normalization->std[c]);
    }
    return (struct load_shape){.channels = shape.channels,
                               .height = shape.height,
                               .width = shape.width,
                               .floats = element == ELEMENT_F32,
                               .scale = scale,
                               .offset = offset};
}

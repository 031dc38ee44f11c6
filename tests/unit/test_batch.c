/* Batches: every image once an epoch, and augmentation that belongs to the image, not to the batch. */
#include "../support/images.h"
#include "train/batch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TRAIN = 90 };

static struct made_images images;

static int make_images(void **state)
{
    (void)state;
    images = images_make(TRAIN, 0, 10);
    return 0;
}

static int remove_images(void **state)
{
    (void)state;
    images_remove(&images);
    return 0;
}

static void an_epoch_holds_every_image_once_in_an_order_of_its_own(void **state)
{
    (void)state;
    uint32_t first[TRAIN], second[TRAIN];
    int seen[TRAIN] = {0};
    batch_shuffle(4, 0, first, TRAIN);
    batch_shuffle(4, 1, second, TRAIN);
    for (int i = 0; i < TRAIN; i++)
        seen[first[i]]++;
    for (int i = 0; i < TRAIN; i++)
        assert_int_equal(seen[i], 1);
    assert_memory_not_equal(first, second, sizeof first);
}

static void a_short_batch_ends_in_empty_lanes(void **state)
{
    (void)state;
    struct augmented_image list[48];
    uint16_t labels[48];
    struct batch batch = {.images = list, .labels = labels};
    struct dataset_view view = dataset_view(images.dataset, DATASET_TRAIN);
    struct error error;
    assert_int_equal(batch_select(&batch, &view, NULL, 0, 60, 30, &error), STATUS_OK);
    assert_int_equal(batch.count, 30);
    assert_ptr_equal(list[29].pixels, view.images->pixels + (size_t)view.index[89] * MADE_SIDE * MADE_SIDE);
    assert_int_equal(labels[29], view.images->labels[view.index[89]]);
    assert_null(list[30].pixels);
    assert_null(list[31].pixels);
}

static const struct augmentation_plan everything = {
    .shift = 2, .horizontal_flip = 0.5, .erasing = 0.5, .erasing_scale = {0.05, 0.3}};

/* The augmentation of image `slot` of the order, drawn with batches of `size`. */
static struct augmented_image draw(const uint32_t *order, uint32_t slot, uint32_t size, uint32_t epoch)
{
    struct augmented_image list[TRAIN];
    uint16_t labels[TRAIN];
    struct batch batch = {.images = list, .labels = labels};
    struct dataset_view view = dataset_view(images.dataset, DATASET_TRAIN);
    uint32_t first = slot / size * size;
    struct error error;
    assert_int_equal(batch_select(&batch, &view, order, epoch, first, size, &error), STATUS_OK);
    batch_augment(&batch, &everything, view.images->shape, 9, epoch, order, first);
    return list[slot - first];
}

static void augmentation_does_not_depend_on_the_batch_size(void **state)
{
    (void)state;
    uint32_t order[TRAIN];
    int shifted = 0, flipped = 0, erased = 0, changed = 0;
    batch_shuffle(9, 3, order, TRAIN);
    for (uint32_t slot = 0; slot < TRAIN; slot++) {
        struct augmented_image one = draw(order, slot, 5, 3), other = draw(order, slot, 30, 3);
        struct augmented_image later = draw(order, slot, 30, 4);
        assert_memory_equal(&one, &other, sizeof one);
        changed += memcmp(&one, &later, sizeof one) != 0;
        shifted += one.shift_x != 0 || one.shift_y != 0;
        flipped += one.flip;
        erased += one.erase_y1 > one.erase_y0;
        assert_in_range(one.shift_x + 2, 0, 4);
        assert_in_range(one.shift_y + 2, 0, 4);
        assert_true(one.erase_y0 >= 0 && one.erase_y1 <= MADE_SIDE && one.erase_x0 >= 0 &&
                    one.erase_x1 <= MADE_SIDE);
    }
    assert_true(changed > TRAIN * 9 / 10);
    assert_in_range(shifted, TRAIN * 24 / 25 - 12, TRAIN);
    assert_in_range(flipped, 25, 65);
    assert_in_range(erased, 25, 65);
}

static void normalisation_is_that_of_the_plan(void **state)
{
    (void)state;
    const double mean[] = {0.1, 0.2, 0.286}, std[] = {1, 2, 0.353};
    const struct normalization normalization = {3, false, mean, std};
    float scale[3], offset[3];
    struct load_shape load =
        batch_load_shape(ELEMENT_U8, (struct image_shape){3, 8, 8}, &normalization, scale, offset);
    for (int pixel = 0; pixel < 256; pixel++) {
        double expected = (pixel / 255.0 - 0.286) / 0.353;
        assert_true(expected - (double)pixel * load.scale[2] - load.offset[2] < 1e-6);
        assert_true(expected - (double)pixel * load.scale[2] - load.offset[2] > -1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_holds_every_image_once_in_an_order_of_its_own),
        cmocka_unit_test(a_short_batch_ends_in_empty_lanes),
        cmocka_unit_test(augmentation_does_not_depend_on_the_batch_size),
        cmocka_unit_test(normalisation_is_that_of_the_plan),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}

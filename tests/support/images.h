/* A small data set made on the spot: noisy patterns, one a class, as IDX files in a folder of its own.
 *
 * images_make opens it; images_remove closes it and takes the files away. */
#ifndef RUNNER_TESTS_SUPPORT_IMAGES_H
#define RUNNER_TESTS_SUPPORT_IMAGES_H

#include "base/random.h"
#include "data/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MADE_CLASSES = 4, MADE_SIDE = 12 };

struct made_images {
    char folder[64];
    struct dataset_plan plan;
    struct dataset *dataset;
};

static inline void images_put_number(gzFile file, uint32_t number)
{
    unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                              (unsigned char)(number >> 8), (unsigned char)number};
    gzwrite(file, bytes, sizeof bytes);
}

static inline void images_write(const char *folder, const char *part, uint32_t count, uint32_t owner)
{
    char path[128];
    struct random_source source = {.seed = 5, .stream = RANDOM_SEARCH, .owner = owner};
    snprintf(path, sizeof path, "%s/%s-images.gz", folder, part);
    gzFile images = gzopen(path, "wb1");
    snprintf(path, sizeof path, "%s/%s-labels.gz", folder, part);
    gzFile labels = gzopen(path, "wb1");
    assert(images && labels);
    images_put_number(images, 0x00000803);
    images_put_number(images, count);
    images_put_number(images, MADE_SIDE);
    images_put_number(images, MADE_SIDE);
    images_put_number(labels, 0x00000801);
    images_put_number(labels, count);
    for (uint32_t i = 0; i < count; i++) {
        unsigned char label = (unsigned char)(i % MADE_CLASSES), pixels[MADE_SIDE * MADE_SIDE];
        for (uint32_t p = 0; p < sizeof pixels; p++) {
            uint32_t noise = random_word(&source, (uint64_t)i * sizeof pixels + p) % 160;
            uint32_t place = label % 2 ? p % MADE_SIDE : p / MADE_SIDE;
            pixels[p] = (unsigned char)(noise + (place / 3 % 2 == label / 2 ? 90 : 0));
        }
        gzwrite(labels, &label, 1);
        gzwrite(images, pixels, sizeof pixels);
    }
    gzclose(images);
    gzclose(labels);
}

/* train_count images of which validation_count are held out for validation, and test_count for testing. */
static inline struct made_images images_make(uint32_t train_count, uint32_t validation_count,
                                             uint32_t test_count)
{
    struct made_images made = {.folder = "/tmp/runner-images-XXXXXX"};
    struct error error;
    char *folder = mkdtemp(made.folder);
    assert(folder);
    images_write(folder, "train", train_count, 1);
    images_write(folder, "test", test_count, 2);
    made.plan = (struct dataset_plan){.name = "made",
                                      .format = DATASET_IDX,
                                      .root = strdup(folder),
                                      .train_images = "train-images.gz",
                                      .train_labels = "train-labels.gz",
                                      .test_images = "test-images.gz",
                                      .test_labels = "test-labels.gz",
                                      .validation_size = validation_count,
                                      .split_seed = 1,
                                      .mean = {1, {0.4}},
                                      .std = {1, {0.3}}};
    unsetenv("RUNNER_DATASET_ROOT");
    enum status status = dataset_open(&made.plan, &made.dataset, &error);
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", error.message);
    assert(status == STATUS_OK);
    return made;
}

static inline void images_remove(struct made_images *made)
{
    static const char *const names[] = {"train-images.gz", "train-labels.gz", "test-images.gz",
                                        "test-labels.gz"};
    dataset_close(made->dataset);
    for (int i = 0; i < 4; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", made->folder, names[i]);
        unlink(path);
    }
    rmdir(made->folder);
    free((char *)(uintptr_t)made->plan.root);
}

#endif

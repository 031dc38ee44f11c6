/* The data sets of an HDF5 file that somebody else wrote: images, labels or targets, class names.
 *
 * Everything here calls libhdf5 on bytes that nobody has checked, so it runs in a child process only
 * (child_process.h). Not thread-safe. docs/data.md says what a file must hold. */
#ifndef RUNNER_DATA_HDF5_SOURCE_H
#define RUNNER_DATA_HDF5_SOURCE_H

#include "data/dataset.h"
#include <stdbool.h>

enum { CLASS_NAME = 64 }; /* bytes of a name with its end */

struct hdf5_place {
    const char *path;
    const char *group; /* "/" for the file's root */
    enum dataset_task task;
    int stand_in; /* as dataset_plan.stand_in */
};

/* What a file holds, as far as its metadata say. */
struct hdf5_facts {
    enum element element;
    uint32_t count;
    struct image_shape shape;
    int target_width;     /* 0 where labels are classes */
    bool unanswered;      /* neither labels nor targets, and stand_in allows it */
    uint32_t class_names; /* 0 where there are none */
    bool plain;           /* the elements lie in one piece, as this machine has them, from `offset` on */
    uint64_t offset;
};

/* STATUS_NOT_FOUND where there is no such file, STATUS_DATA with a line that names file and data set and says
 * what was expected. */
enum status hdf5_describe(const struct hdf5_place *place, struct hdf5_facts *facts, struct error *error);

/* labels[count] and *largest, or targets[count][target_width] where that is above 0; names[class_names] where
 * there are any; nothing of what is unanswered. Labels out of range and targets that are not finite are
 * refused. */
enum status hdf5_read_answers(const struct hdf5_place *place, const struct hdf5_facts *facts,
                              uint16_t *labels, uint16_t *largest, float *targets, char (*names)[CLASS_NAME],
                              struct error *error);

/* The images open for reading. */
struct hdf5_images;
enum status hdf5_images_open(const struct hdf5_place *place, const struct hdf5_facts *facts,
                             struct hdf5_images **images, struct error *error);
/* Rows first … first + count - 1 as they are in memory. */
enum status hdf5_images_read(struct hdf5_images *images, uint32_t first, uint32_t count, void *out,
                             struct error *error);
void hdf5_images_close(struct hdf5_images *images);

#endif

/* The data sets that a name alone stands for. */
#ifndef RUNNER_CONFIG_KNOWN_DATASETS_H
#define RUNNER_CONFIG_KNOWN_DATASETS_H

#include "base/plan.h"
#include <stddef.h>

struct known_dataset {
    const char *name;
    enum dataset_format format;
    const char *root;
    const char *files[4];  /* training images and labels, test images and labels */
    const char *sha256[4]; /* of the files as their publisher compressed them */
    int shape[3];
};

const struct known_dataset *known_dataset_find(const char *name); /* NULL where it is not known */
const char *known_dataset_nearest(const char *name);              /* or NULL */
const struct known_dataset *known_dataset_at(size_t index);       /* NULL past the end */

#endif

/* Mean and standard deviation of each channel, as given or as measured. Private to src/data but for struct
 * normalization (dataset.h). */
#ifndef RUNNER_DATA_NORMALIZATION_H
#define RUNNER_DATA_NORMALIZATION_H

#include "data/row_file.h"

/* From the plan's lists: mean[channels], std[channels]. STATUS_CONFIG where a list is as long as nothing is.
 */
enum status normalization_given(const struct dataset_plan *plan, int channels, double *mean, double *std,
                                struct error *error);

/* Over the images index[count] (ascending): mean[channels] and std[channels], in units of the input (a byte
 * of 255 is 1). A channel without variance has a std of 1. The same bits on every machine: bytes are summed
 * as integers, floats in double, image by image and value by value, in two passes (docs/data.md). */
enum status normalization_measure(const struct image_set *set, const uint32_t *index, uint32_t count,
                                  double *mean, double *std, struct error *error);

#endif

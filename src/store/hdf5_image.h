/* An HDF5 file as bytes in memory, made from a field list and read back into one. Of src/store only this file
 * and merged_file.c call libhdf5.
 *
 * Equal lists give equal bytes. Thread-safe: one mutex is held around a whole image. */
#ifndef RUNNER_STORE_HDF5_IMAGE_H
#define RUNNER_STORE_HDF5_IMAGE_H

#include "store/field_list.h"

/* The image of a sorted list into *bytes (malloc, caller frees), with `spare` uninitialised bytes after its
 * *count. */
enum status hdf5_image_create(const struct field_list *list, size_t spare, unsigned char **bytes,
                              size_t *count, struct error *error);

/* Every data set of the image into the (empty) list, which owns the values; sorted. bytes must have passed
 * their checksum. */
enum status hdf5_image_read(const unsigned char *bytes, size_t count, struct field_list *list,
                            struct error *error);

/* Holds the mutex for another sequence of calls to libhdf5, with its error printing off. */
void hdf5_image_lock(void);
void hdf5_image_unlock(void);

/* Whether bytes look like a whole HDF5 file that ends where its superblock says: one that another program
 * wrote. */
bool hdf5_image_is_complete(const unsigned char *bytes, size_t count);

#endif

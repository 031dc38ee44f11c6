/* The images of a part on disk, row by row: raw bytes at known places of plain files, or a data set that
 * libhdf5 reads.
 *
 * A row is one image or vector, its elements as they are in memory. Row files are plain descriptions whose
 * texts are borrowed; whoever opens one that libhdf5 reads does so in a child process (child_process.h). */
#ifndef RUNNER_DATA_ROW_FILE_H
#define RUNNER_DATA_ROW_FILE_H

#include "data/hdf5_source.h"
#include <sys/stat.h>

enum { ROW_PARTS = 5 };

/* Row i of a part begins at byte offset + i * stride of its file. */
struct row_part {
    const char *path;
    uint32_t count;
    uint64_t offset, stride;
    struct stat information; /* when its content was checked */
};

struct row_file {
    enum element element;
    size_t row_bytes;
    uint32_t count;
    bool by_library; /* libhdf5 reads `place`, which is parts[0] */
    int part_count;
    struct row_part parts[ROW_PARTS];
    struct hdf5_place place;
    struct hdf5_facts facts;
};

const char *row_file_path(const struct row_file *rows); /* for messages */

/* Notes how the files are now. */
enum status row_file_stamp(struct row_file *rows, struct error *error);
/* STATUS_DATA where a file is not as it was noted. */
enum status row_file_unchanged(const struct row_file *rows, struct error *error);

struct row_reader;
enum status row_reader_open(const struct row_file *rows, struct row_reader **reader, struct error *error);
/* Rows first … first + count - 1. */
enum status row_reader_read(struct row_reader *reader, uint32_t first, uint32_t count, void *out,
                            struct error *error);
void row_reader_close(struct row_reader *reader);

/* Calls visit for rows index[0…count-1] (ascending), or 0…count-1 where index is NULL, in that order. */
typedef enum status row_visit(void *context, uint32_t row, const void *elements, struct error *error);
enum status row_file_walk(const struct row_file *rows, const uint32_t *index, uint32_t count,
                          row_visit *visit, void *context, struct error *error);

/* All rows into out[count * row_bytes]; STATUS_DATA where a float is not finite. In a child process; out is
 * shared memory, or NULL to look at the elements alone. */
enum status row_file_load(const struct row_file *rows, void *out, struct error *error);

#endif

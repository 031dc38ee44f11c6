/* Two ways to a row behind one reader.
 *
 * Contiguous HDF5 data sets of this machine's types are plain files with an offset, so most large sets are
 * read by pread alone and libhdf5 only looks at their metadata. Invariant: a read returns the rows whole or
 * an error; a file that shrinks meanwhile is an error, not zeros. */
#include "data/row_file.h"

#include "data/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4 << 20 };

struct row_reader {
    const struct row_file *rows;
    int files[ROW_PARTS];
    struct hdf5_images *images;
};

const char *row_file_path(const struct row_file *rows)
{
    return rows->parts[0].path;
}

enum status row_file_stamp(struct row_file *rows, struct error *error)
{
    for (int i = 0; i < rows->part_count; i++)
        if (stat(rows->parts[i].path, &rows->parts[i].information) != 0)
            return error_set_system(error, errno, "cannot open %s", rows->parts[i].path);
    return STATUS_OK;
}

enum status row_file_unchanged(const struct row_file *rows, struct error *error)
{
    for (int i = 0; i < rows->part_count; i++) {
        const struct stat *then = &rows->parts[i].information;
        struct stat now;
        if (stat(rows->parts[i].path, &now) != 0)
            return error_set_system(error, errno, "cannot read %s any more", rows->parts[i].path);
        if (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != then->st_mtim.tv_nsec || now.st_ino != then->st_ino)
            return error_set(error, STATUS_DATA, "%s was changed while it was in use: start again",
                             rows->parts[i].path);
    }
    return STATUS_OK;
}

enum status row_reader_open(const struct row_file *rows, struct row_reader **opened, struct error *error)
{
    struct row_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_set(error, STATUS_MEMORY, "out of memory: opening %s", row_file_path(rows));
    enum status status = STATUS_OK;
    reader->rows = rows;
    for (int i = 0; i < ROW_PARTS; i++)
        reader->files[i] = -1;
    for (int i = 0; status == STATUS_OK && !rows->by_library && i < rows->part_count; i++) {
        reader->files[i] = open(rows->parts[i].path, O_RDONLY | O_CLOEXEC);
        if (reader->files[i] < 0)
            status = error_set_system(error, errno, "cannot open %s", rows->parts[i].path);
    }
    if (status == STATUS_OK && rows->by_library)
        status = hdf5_images_open(&rows->place, &rows->facts, &reader->images, error);
    if (status != STATUS_OK) {
        row_reader_close(reader);
        return status;
    }
    *opened = reader;
    return STATUS_OK;
}

void row_reader_close(struct row_reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < ROW_PARTS; i++)
        if (reader->files[i] >= 0)
            close(reader->files[i]);
    if (reader->images)
        hdf5_images_close(reader->images);
    free(reader);
}

static enum status read_at(int file, const char *path, uint64_t offset, size_t bytes, char *out,
                           struct error *error)
{
    while (bytes > 0) {
        ssize_t got = pread(file, out, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_system(error, errno, "cannot read %s", path);
        if (got == 0)
            return error_set(error, STATUS_DATA, "%s is truncated: %zu bytes are missing at byte %llu", path,
                             bytes, (unsigned long long)offset);
        out += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return STATUS_OK;
}

/* Rows of one plain part. */
static enum status read_part(const struct row_reader *reader, int which, uint32_t first, uint32_t count,
                             char *out, struct error *error)
{
    const struct row_part *part = &reader->rows->parts[which];
    size_t row_bytes = reader->rows->row_bytes;
    int file = reader->files[which];
    if (part->stride == row_bytes)
        return read_at(file, part->path, part->offset + first * part->stride, count * row_bytes, out, error);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        status = read_at(file, part->path, part->offset + (first + i) * part->stride, row_bytes,
                         out + i * row_bytes, error);
    return status;
}

enum status row_reader_read(struct row_reader *reader, uint32_t first, uint32_t count, void *out,
                            struct error *error)
{
    const struct row_file *rows = reader->rows;
    char *at = out;
    if (reader->images)
        return hdf5_images_read(reader->images, first, count, out, error);
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < rows->part_count && count > 0; i++) {
        uint32_t here = rows->parts[i].count;
        if (first >= here) {
            first -= here;
            continue;
        }
        uint32_t some = here - first < count ? here - first : count;
        status = read_part(reader, i, first, some, at, error);
        at += some * rows->row_bytes;
        count -= some;
        first = 0;
    }
    return status;
}

static uint32_t row_of(const uint32_t *index, uint32_t i)
{
    return index ? index[i] : i;
}

enum status row_file_walk(const struct row_file *rows, const uint32_t *index, uint32_t count,
                          row_visit *visit, void *context, struct error *error)
{
    uint32_t most = rows->row_bytes < BLOCK_BYTES ? (uint32_t)(BLOCK_BYTES / rows->row_bytes) : 1;
    char *block = calloc(most, rows->row_bytes);
    struct row_reader *reader = NULL;
    enum status status =
        block ? row_reader_open(rows, &reader, error)
              : error_set(error, STATUS_MEMORY, "out of memory: reading %s", row_file_path(rows));
    for (uint32_t i = 0; status == STATUS_OK && i < count;) {
        uint32_t first = row_of(index, i), run = 1;
        while (run < most && i + run < count && row_of(index, i + run) == first + run)
            run++;
        status = row_reader_read(reader, first, run, block, error);
        for (uint32_t k = 0; status == STATUS_OK && k < run; k++)
            status = visit(context, first + k, block + k * rows->row_bytes, error);
        i += run;
    }
    row_reader_close(reader);
    free(block);
    return status;
}

struct loading {
    const struct row_file *rows;
    char *out;
};

static enum status keep_row(void *context, uint32_t row, const void *elements, struct error *error)
{
    const struct loading *loading = context;
    const struct row_file *rows = loading->rows;
    const float *values = elements;
    for (size_t i = 0; rows->element == ELEMENT_F32 && i < rows->row_bytes / sizeof *values; i++)
        if (!isfinite(values[i]))
            return error_set(error, STATUS_DATA,
                             "%s: images[%u] is %s at its element %zu; expected finite numbers",
                             row_file_path(rows), (unsigned)row, isnan(values[i]) ? "NaN" : "infinite", i);
    if (loading->out)
        memcpy(loading->out + row * rows->row_bytes, elements, rows->row_bytes);
    return STATUS_OK;
}

static enum status load(void *argument, struct error *error)
{
    struct loading *loading = argument;
    return row_file_walk(loading->rows, NULL, loading->rows->count, keep_row, loading, error);
}

enum status row_file_load(const struct row_file *rows, void *out, struct error *error)
{
    struct loading loading = {rows, out};
    return child_run(row_file_path(rows), load, &loading, 0, error);
}

/* Built in memory through the core driver like a run's file and put in place by one rename, so that a reader
 * sees the whole file or the former one. Histories are matrices over (run, epoch) rather than a group a run:
 * ten thousand groups of eight data sets take seconds to open, and xarray reads a matrix with two dimension
 * scales as one labelled data set. */
#include "store/merged_file.h"

#include "base/atomic_file.h"
#include "store/hdf5_image.h"

#include <hdf5.h>
#include <hdf5_hl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORE_INCREMENT = 1 << 20 };
static const char no_name[] =
    "/dev/null/merged.h5"; /* ENOTDIR for ever: the core driver opens the name first */

static size_t longest_text(const char *const *texts, size_t count)
{
    size_t longest = 1;
    for (size_t i = 0; i < count; i++)
        if (strlen(texts[i]) > longest)
            longest = strlen(texts[i]);
    return longest;
}

static hid_t text_type(size_t length)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, length) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                      H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

static size_t column_size(const struct merged_column *column, size_t runs)
{
    return column->texts != NULL ? longest_text(column->texts, runs) : sizeof(double);
}

/* Fields lie one after another without gaps. */
static hid_t record_type(const struct merged_runs *runs, size_t size)
{
    hid_t record = H5Tcreate(H5T_COMPOUND, size);
    size_t offset = 0;
    bool done = record >= 0;
    for (size_t c = 0; done && c < runs->column_count; c++) {
        const struct merged_column *column = &runs->columns[c];
        size_t field_size = column_size(column, runs->run_count);
        hid_t type = column->texts != NULL ? text_type(field_size) : H5Tcopy(H5T_NATIVE_DOUBLE);
        done = type >= 0 && H5Tinsert(record, column->name, offset, type) >= 0;
        if (type >= 0)
            H5Tclose(type);
        offset += field_size;
    }
    if (!done && record >= 0) {
        H5Tclose(record);
        return -1;
    }
    return record;
}

/* Without its end: the field was zeroed and HDF5 pads with zeros. */
static void copy_text(void *field, const char *text)
{
    for (char *byte = field; *text != '\0'; text++)
        *byte++ = *text;
}

static void fill_records(const struct merged_runs *runs, size_t size, unsigned char *records)
{
    size_t offset = 0;
    for (size_t c = 0; c < runs->column_count; c++) {
        const struct merged_column *column = &runs->columns[c];
        size_t field_size = column_size(column, runs->run_count);
        for (size_t i = 0; i < runs->run_count; i++) {
            unsigned char *field = records + i * size + offset;
            if (column->texts != NULL)
                copy_text(field, column->texts[i]);
            else
                memcpy(field, &column->numbers[i], sizeof(double));
        }
        offset += field_size;
    }
}

/* One data set of `rank` extents; returns it open, or -1. */
static hid_t write_data(hid_t file, const char *path, hid_t type, unsigned rank, const hsize_t *extents,
                        const void *values)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple((int)rank, extents, NULL),
          data = -1;
    if (properties >= 0 && space >= 0 && H5Pset_obj_track_times(properties, 0) >= 0)
        data = H5Dcreate2(file, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (data >= 0 && extents[0] > 0 && H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        H5Dclose(data);
        data = -1;
    }
    if (space >= 0)
        H5Sclose(space);
    if (properties >= 0)
        H5Pclose(properties);
    return data;
}

static bool write_summary(hid_t file, const struct merged_runs *runs)
{
    size_t size = 0;
    for (size_t c = 0; c < runs->column_count; c++)
        size += column_size(&runs->columns[c], runs->run_count);
    unsigned char *records = calloc(runs->run_count + 1, size);
    hid_t type = record_type(runs, size), data = -1;
    if (records != NULL && type >= 0) {
        fill_records(runs, size, records);
        data = write_data(file, "/summary", type, 1, (hsize_t[]){runs->run_count}, records);
    }
    free(records);
    if (type >= 0)
        H5Tclose(type);
    return data >= 0 && H5Dclose(data) >= 0;
}

static size_t longest_history(const struct merged_runs *runs)
{
    size_t longest = 1;
    for (size_t i = 0; i < runs->run_count; i++)
        if (runs->histories[i] != NULL && runs->histories[i]->count > longest)
            longest = runs->histories[i]->count;
    return longest;
}

/* 0, 1, 2 … from `first`, as a dimension scale. */
static hid_t write_scale(hid_t file, const char *path, const char *name, size_t count, int first)
{
    int *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; values != NULL && i < count; i++)
        values[i] = first + (int)i;
    hid_t scale = values != NULL ? write_data(file, path, H5T_NATIVE_INT, 1, (hsize_t[]){count}, values) : -1;
    free(values);
    if (scale >= 0 && H5DSset_scale(scale, name) < 0) {
        H5Dclose(scale);
        return -1;
    }
    return scale;
}

static bool write_ids(hid_t file, const struct merged_runs *runs, hid_t run_scale)
{
    size_t length = longest_text(runs->ids, runs->run_count);
    char *values = calloc(runs->run_count + 1, length);
    hid_t type = text_type(length), data = -1;
    for (size_t i = 0; values != NULL && i < runs->run_count; i++)
        copy_text(values + i * length, runs->ids[i]);
    if (values != NULL && type >= 0)
        data = write_data(file, "/history/id", type, 1, (hsize_t[]){runs->run_count}, values);
    bool done = data >= 0 && H5DSattach_scale(data, run_scale, 0) >= 0;
    if (data >= 0)
        H5Dclose(data);
    if (type >= 0)
        H5Tclose(type);
    free(values);
    return done;
}

static bool write_column(hid_t file, const struct merged_runs *runs, size_t epochs,
                         enum history_column column, const hid_t scales[2])
{
    double *values = calloc(runs->run_count * epochs + 1, sizeof *values);
    char path[64];
    snprintf(path, sizeof path, "/history/%s", history_column_names[column]);
    for (size_t i = 0; values != NULL && i < runs->run_count * epochs; i++) {
        const struct history *history = runs->histories[i / epochs];
        values[i] =
            history != NULL && i % epochs < history->count ? history->column[column][i % epochs] : NAN;
    }
    hid_t data = values == NULL ? -1
                                : write_data(file, path, H5T_NATIVE_DOUBLE, 2,
                                             (hsize_t[]){runs->run_count, epochs}, values);
    bool done =
        data >= 0 && H5DSattach_scale(data, scales[0], 0) >= 0 && H5DSattach_scale(data, scales[1], 1) >= 0;
    if (data >= 0)
        H5Dclose(data);
    free(values);
    return done;
}

static bool write_histories(hid_t file, const struct merged_runs *runs)
{
    size_t epochs = longest_history(runs);
    hid_t properties = H5Pcreate(H5P_GROUP_CREATE);
    hid_t group = properties >= 0 && H5Pset_obj_track_times(properties, 0) >= 0
                      ? H5Gcreate2(file, "/history", H5P_DEFAULT, properties, H5P_DEFAULT)
                      : -1;
    hid_t scales[2] = {-1, -1};
    bool done = group >= 0;
    if (done) {
        scales[0] = write_scale(file, "/history/run", "run", runs->run_count, 0);
        scales[1] = write_scale(file, "/history/epoch", "epoch", epochs, 1);
        done = scales[0] >= 0 && scales[1] >= 0 && write_ids(file, runs, scales[0]);
    }
    for (int column = HISTORY_EPOCH + 1; done && column < HISTORY_COLUMNS; column++)
        done = write_column(file, runs, epochs, (enum history_column)column, scales);
    for (size_t i = 0; i < 2; i++)
        if (scales[i] >= 0)
            H5Dclose(scales[i]);
    if (group >= 0)
        H5Gclose(group);
    if (properties >= 0)
        H5Pclose(properties);
    return done;
}

static bool copy_image(hid_t file, unsigned char **bytes, size_t *count)
{
    ssize_t size = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 ? H5Fget_file_image(file, NULL, 0) : -1;
    *bytes = size > 0 ? malloc((size_t)size) : NULL;
    *count = size > 0 ? (size_t)size : 0;
    return *bytes != NULL && H5Fget_file_image(file, *bytes, (size_t)size) == size;
}

static bool build_image(const struct merged_runs *runs, unsigned char **bytes, size_t *count)
{
    bool done = false;
    hdf5_image_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (access >= 0 && creation >= 0 && H5Pset_fapl_core(access, CORE_INCREMENT, 0) >= 0 &&
        H5Pset_obj_track_times(creation, 0) >= 0)
        file = H5Fcreate(no_name, H5F_ACC_TRUNC, creation, access);
    if (file >= 0) {
        done = write_summary(file, runs) && write_histories(file, runs) && copy_image(file, bytes, count);
        H5Fclose(file);
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
    hdf5_image_unlock();
    return done;
}

enum status merged_file_write(const char *path, const struct merged_runs *runs, struct error *error)
{
    unsigned char *bytes = NULL;
    size_t count = 0;
    const char *slash = strrchr(path, '/');
    char directory[4096];
    int length = slash != NULL ? (int)(slash - path) : 0;
    snprintf(directory, sizeof directory, "%.*s", length, path);
    enum status status = STATUS_OK;
    if (!build_image(runs, &bytes, &count))
        status =
            error_set(error, STATUS_MEMORY, "libhdf5 could not build %s; most likely memory ran out", path);
    else
        status = atomic_file_write(slash == NULL ? "."
                                   : length > 0  ? directory
                                                 : "/",
                                   slash != NULL ? slash + 1 : path, bytes, count,
                                   &(struct atomic_file_options){0}, error);
    free(bytes);
    return status;
}

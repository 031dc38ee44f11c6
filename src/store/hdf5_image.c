/* libhdf5 through its core driver: no file of that library ever exists on disk.
 *
 * Writing: groups in sorted order, then contiguous data sets without times and without filters, so that equal
 * lists give equal bytes. Reading: the verified bytes are handed to the same driver and every data set is
 * visited. The driver opens the file's name before it looks at the image, hence a name that cannot exist.
 * libhdf5 keeps process-wide state and a sequence of its calls is not atomic: one mutex is held around a
 * whole image. Its error printing is a setting of each thread and is switched off inside the lock. Rejected:
 * appending to a file on disk (a kill tore every file), H5Fflush each epoch and SWMR (some were torn),
 * deflate (49 ms a megabyte to save 16 %). */
#include "store/hdf5_image.h"

#include "base/hdf5_lock.h"

#include <assert.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdlib.h>
#include <string.h>

static const char no_name[] = "/dev/null/run.h5"; /* ENOTDIR for ever */
/* Bytes: by which the driver's memory grows, and what libhdf5 takes besides the data, rounded up. */
enum { CORE_INCREMENT = 1 << 20, OWN_MEMORY = 8 << 20 };

void hdf5_image_lock(void)
{
    hdf5_lock_take();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void hdf5_image_unlock(void)
{
    hdf5_lock_release();
}

static hid_t stored_type(const struct field *field)
{
    switch (field->type) {
    case FIELD_FLOAT32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case FIELD_FLOAT64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case FIELD_INT32:
        return H5Tcopy(H5T_STD_I32LE);
    case FIELD_UINT8:
        return H5Tcopy(H5T_STD_U8LE);
    case FIELD_UINT16:
        return H5Tcopy(H5T_STD_U16LE);
    case FIELD_UINT32:
        return H5Tcopy(H5T_STD_U32LE);
    case FIELD_UINT64:
        return H5Tcopy(H5T_STD_U64LE);
    case FIELD_TEXT:
    case FIELD_TYPES:
        break;
    }
    hid_t type = H5Tcopy(H5T_C_S1); /* an empty text is one 0 byte: HDF5 has no string of length 0 */
    if (type >= 0 && (H5Tset_size(type, field->shape[0] ? field->shape[0] : 1) < 0 ||
                      H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        type = -1;
    }
    return type;
}

/* Makes the groups above path that are not there yet. */
static bool create_groups(hid_t file, hid_t properties, const char *path)
{
    char partial[FIELD_PATH];
    strcpy(partial, path);
    for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        htri_t present = H5Lexists(file, partial, H5P_DEFAULT);
        if (present < 0)
            return false;
        hid_t group = present ? 0 : H5Gcreate2(file, partial, H5P_DEFAULT, properties, H5P_DEFAULT);
        if (group < 0 || (!present && H5Gclose(group) < 0))
            return false;
        *slash = '/';
    }
    return true;
}

static bool write_field(hid_t file, hid_t properties, const struct field *field)
{
    bool is_text = field->type == FIELD_TEXT, done = false;
    hsize_t extents[FIELD_RANK];
    for (unsigned i = 0; i < field->rank; i++)
        extents[i] = field->shape[i];
    hid_t type = stored_type(field);
    hid_t space = field->rank == 0 || is_text ? H5Screate(H5S_SCALAR)
                                              : H5Screate_simple((int)field->rank, extents, NULL);
    hid_t data = type >= 0 && space >= 0
                     ? H5Dcreate2(file, field->path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT)
                     : -1;
    if (data >= 0)
        done = field_elements(field) == 0 && !is_text
                   ? true
                   : H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, field->values) >= 0;
    if (data >= 0 && H5Dclose(data) < 0)
        done = false;
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return done;
}

/* Ties the columns of /history to its epoch column, as netCDF and xarray understand it. */
static bool attach_scales(hid_t file, const struct field_list *list)
{
    static const char folder[] = "/history/", scale_path[] = "/history/epoch";
    if (!field_list_find(list, scale_path))
        return true;
    hid_t scale = H5Dopen2(file, scale_path, H5P_DEFAULT);
    bool done = scale >= 0 && H5DSset_scale(scale, "epoch") >= 0;
    for (size_t i = 0; done && i < list->count; i++) {
        const char *path = list->fields[i].path;
        if (strncmp(path, folder, sizeof folder - 1) != 0 || strcmp(path, scale_path) == 0)
            continue;
        hid_t column = H5Dopen2(file, path, H5P_DEFAULT);
        done = column >= 0 && H5DSattach_scale(column, scale, 0) >= 0;
        if (column >= 0)
            H5Dclose(column);
    }
    if (scale >= 0)
        H5Dclose(scale);
    return done;
}

static bool write_fields(hid_t file, const struct field_list *list)
{
    hid_t group = H5Pcreate(H5P_GROUP_CREATE), data = H5Pcreate(H5P_DATASET_CREATE);
    bool done = group >= 0 && data >= 0 && H5Pset_obj_track_times(group, 0) >= 0 &&
                H5Pset_obj_track_times(data, 0) >= 0 && H5Pset_layout(data, H5D_CONTIGUOUS) >= 0 &&
                H5Pset_fill_time(data, H5D_FILL_TIME_NEVER) >= 0;
    for (size_t i = 0; done && i < list->count; i++)
        done = create_groups(file, group, list->fields[i].path) && write_field(file, data, &list->fields[i]);
    if (group >= 0)
        H5Pclose(group);
    if (data >= 0)
        H5Pclose(data);
    return done && attach_scales(file, list);
}

static bool copy_image(hid_t file, size_t spare, unsigned char **bytes, size_t *count)
{
    ssize_t size = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 ? H5Fget_file_image(file, NULL, 0) : -1;
    if (size <= 0)
        return false;
    unsigned char *image = malloc((size_t)size + spare);
    if (!image || H5Fget_file_image(file, image, (size_t)size) != size) {
        free(image);
        return false;
    }
    *bytes = image;
    *count = (size_t)size;
    return true;
}

/* libhdf5 does not survive an allocation that fails inside it (tests/faults/test_allocations.py counts the
 * crashes), so the memory that it will want is asked for, and given back, before it is called. */
static bool memory_suffices(size_t wanted)
{
    void *probe = malloc(wanted);
    free(probe);
    return probe != NULL;
}

static size_t size_of(const struct field_list *list)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        size += field_elements(&list->fields[i]) * field_type_size(list->fields[i].type);
    return size;
}

/* libhdf5 fails on a list that was checked, and on verified bytes, for want of memory alone. */
static enum status fail(struct error *error, const char *what)
{
    return error_set(error, STATUS_MEMORY, "libhdf5 could not %s; most likely memory ran out", what);
}

enum status hdf5_image_create(const struct field_list *list, size_t spare, unsigned char **bytes,
                              size_t *count, struct error *error)
{
    bool done = false;
    if (!memory_suffices(OWN_MEMORY + 3 * size_of(list) + spare))
        return error_set(error, STATUS_MEMORY, "out of memory: the image of a run");
    hdf5_image_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (access >= 0 && creation >= 0 && H5Pset_fapl_core(access, CORE_INCREMENT, 0) >= 0 &&
        H5Pset_obj_track_times(creation, 0) >= 0)
        file = H5Fcreate(no_name, H5F_ACC_TRUNC, creation, access);
    if (file >= 0) {
        done = write_fields(file, list) && copy_image(file, spare, bytes, count);
        H5Fclose(file);
    }
    if (creation >= 0)
        H5Pclose(creation);
    if (access >= 0)
        H5Pclose(access);
    hdf5_lock_release();
    return done ? STATUS_OK : fail(error, "build the image of a run");
}

/* The field type of a stored one, FIELD_TYPES where it is none of ours. */
static enum field_type field_type_of(hid_t type)
{
    size_t size = H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return size == 4 ? FIELD_FLOAT32 : size == 8 ? FIELD_FLOAT64 : FIELD_TYPES;
    case H5T_STRING:
        return H5Tis_variable_str(type) ? FIELD_TYPES : FIELD_TEXT;
    case H5T_INTEGER:
        if (H5Tget_sign(type) == H5T_SGN_2)
            return size == 4 ? FIELD_INT32 : FIELD_TYPES;
        return size == 1   ? FIELD_UINT8
               : size == 2 ? FIELD_UINT16
               : size == 4 ? FIELD_UINT32
               : size == 8 ? FIELD_UINT64
                           : FIELD_TYPES;
    default:
        return FIELD_TYPES;
    }
}

/* Shape of an open data set into field. A text's extent is its length without the padding. */
static bool read_shape(hid_t data, struct field *field)
{
    hsize_t extents[FIELD_RANK];
    hid_t space = H5Dget_space(data);
    int rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    bool done = rank >= 0 && rank <= FIELD_RANK && H5Sget_simple_extent_dims(space, extents, NULL) >= 0;
    if (space >= 0)
        H5Sclose(space);
    if (!done)
        return false;
    field->rank = (unsigned)rank;
    for (int i = 0; i < rank; i++)
        field->shape[i] = (size_t)extents[i];
    return true;
}

static bool read_values(hid_t data, hid_t type, struct field *field)
{
    size_t size = field->type == FIELD_TEXT ? H5Tget_size(type) : field_type_size(field->type);
    size_t count = field_elements(field);
    char *values = calloc(count * size + 1, 1); /* a text gets the 0 that ends it */
    if (!values || (count > 0 && H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)) {
        free(values);
        return false;
    }
    if (field->type == FIELD_TEXT) {
        field->rank = 1;
        field->shape[0] = strlen(values);
    }
    field->values = field->owned = values;
    return true;
}

static bool read_field(hid_t file, const char *path, struct field_list *list)
{
    struct field field = {0};
    hid_t data = H5Dopen2(file, path, H5P_DEFAULT);
    hid_t type = data >= 0 ? H5Dget_type(data) : -1;
    bool done = false;
    if (type >= 0) {
        field.type = field_type_of(type);
        done = field.type != FIELD_TYPES && read_shape(data, &field) && read_values(data, type, &field);
        H5Tclose(type);
    }
    if (data >= 0)
        H5Dclose(data);
    if (!done)
        return false;
    field_list_add(list, path, field.type, field.rank, field.shape, field.values);
    if (list->failed)
        free(field.owned);
    else
        list->fields[list->count - 1].owned = field.owned;
    return !list->failed;
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *information, void *context)
{
    struct field_list *list = context;
    char path[FIELD_PATH];
    if (information->type != H5O_TYPE_DATASET)
        return 0;
    if (strlen(name) + 2 > sizeof path)
        return -1;
    path[0] = '/';
    strcpy(path + 1, name);
    return read_field(file, path, list) ? 0 : -1;
}

enum status hdf5_image_read(const unsigned char *bytes, size_t count, struct field_list *list,
                            struct error *error)
{
    bool done = false;
    unsigned char *image = malloc(count ? count : 1); /* the driver wants bytes that it might change */
    if (!image || !memory_suffices(OWN_MEMORY + 3 * count)) {
        free(image);
        return error_set(error, STATUS_MEMORY, "out of memory: an image of %zu bytes", count);
    }
    memcpy(image, bytes, count);
    hdf5_image_lock();
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (access >= 0 && H5Pset_fapl_core(access, CORE_INCREMENT, 0) >= 0 &&
        H5Pset_file_image(access, image, count) >= 0)
        file = H5Fopen(no_name, H5F_ACC_RDONLY, access);
    if (file >= 0) {
        done = H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, list, H5O_INFO_BASIC) >= 0;
        H5Fclose(file);
    }
    if (access >= 0)
        H5Pclose(access);
    hdf5_lock_release();
    free(image);
    if (!done)
        return fail(error, "read the image of a run");
    field_list_sort(list);
    return STATUS_OK;
}

bool hdf5_image_is_complete(const unsigned char *bytes, size_t count)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    if (count < 64 || memcmp(bytes, signature, sizeof signature) != 0)
        return false;
    /* Superblocks 0 and 1 name the end of the file at byte 40 (4 bytes later in version 1), 2 and 3 at
     * byte 28. */
    size_t place = bytes[8] == 0 ? 40 : bytes[8] == 1 ? 44 : 28;
    uint64_t end;
    memcpy(&end, bytes + place, sizeof end);
    return end == count;
}

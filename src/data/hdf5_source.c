/* HDF5 files of users.
 *
 * A file is believed in two steps: its metadata are compared with what a data set must look like before
 * anything is allocated or read, then elements are checked one by one where their type allows what training
 * does not. Byte order, chunks and compression are libhdf5's business; it converts to this machine's types.
 * What a file only refers to (external links, external storage, virtual data sets) is refused: the SHA-256 of
 * the file would not cover it, and so a run's id would not either. Rejected: half precision, double precision
 * and wider integers for images, which would be rounded without the user's word. */
#include "data/hdf5_source.h"

#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RANK = 4, NAME = 512, SHAPE_TEXT = 96, BLOCK_ROWS = 65536, MOST_SIDE = 65535 };

struct open_file {
    const struct hdf5_place *place;
    hid_t file;
};

/* An open data set. */
struct open_data {
    const char *name;
    hid_t set, type, space;
    int rank;
    hsize_t size[MOST_RANK];
};

struct hdf5_images {
    struct open_file file;
    struct open_data data;
    hid_t memory_type;
};

static herr_t keep_first(unsigned level, const H5E_error2_t *entry, void *kept)
{
    const char **text = kept;
    if (level == 0)
        *text = entry->desc;
    return 0;
}

/* libhdf5's own innermost complaint. */
static const char *library_reason(char reason[NAME])
{
    const char *text = NULL;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
    snprintf(reason, NAME, "%s", text ? text : "unknown");
    return reason;
}

static hid_t open_read_only(const char *path)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7) /* only read, and network file systems may know no locks */
    H5Pset_file_locking(access, 0, 1);
#endif
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    return file;
}

static enum status open_file(const struct hdf5_place *place, struct open_file *opened, struct error *error)
{
    char reason[NAME];
    *opened = (struct open_file){place, -1};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (access(place->path, R_OK) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? error_set(error, STATUS_NOT_FOUND, "%s not found", place->path)
                   : error_set_system(error, errno, "cannot open %s", place->path);
    opened->file = open_read_only(place->path);
    if (opened->file >= 0)
        return STATUS_OK;
    library_reason(reason);
    if (H5Fis_hdf5(place->path) <= 0)
        return error_set(error, STATUS_DATA,
                         "%s is not an HDF5 file: expected one that holds 'images' and '%s' (docs/data.md)",
                         place->path, place->task == TASK_REGRESSION ? "targets" : "labels");
    return error_set(error, STATUS_DATA, "%s is a truncated or damaged HDF5 file (%s): write it again",
                     place->path, reason);
}

static void close_file(struct open_file *opened)
{
    if (opened->file >= 0)
        H5Fclose(opened->file);
    opened->file = -1;
}

static void close_data(struct open_data *data)
{
    if (data->space >= 0)
        H5Sclose(data->space);
    if (data->type >= 0)
        H5Tclose(data->type);
    if (data->set >= 0)
        H5Dclose(data->set);
    data->set = data->type = data->space = -1;
}

static const char *full_name(const struct hdf5_place *place, const char *name, char full[NAME])
{
    size_t length = strlen(place->group);
    while (length > 0 && place->group[length - 1] == '/')
        length--;
    snprintf(full, NAME, "%s%.*s/%s", *place->group == '/' ? "" : "/", (int)length, place->group, name);
    return full;
}

/* "float64 [100, 3, 8, 8]" */
static void describe(const struct open_data *data, char text[SHAPE_TEXT])
{
    static const char *const classes[] = {
        [H5T_TIME] = "times",          [H5T_STRING] = "strings",   [H5T_BITFIELD] = "bits",
        [H5T_OPAQUE] = "opaque bytes", [H5T_COMPOUND] = "records", [H5T_REFERENCE] = "references",
        [H5T_ENUM] = "an enumeration", [H5T_VLEN] = "lists",       [H5T_ARRAY] = "arrays"};
    H5T_class_t kind = H5Tget_class(data->type);
    size_t bits = 8 * H5Tget_size(data->type);
    int used;
    if (kind == H5T_INTEGER)
        used =
            snprintf(text, SHAPE_TEXT, "%sint%zu", H5Tget_sign(data->type) == H5T_SGN_NONE ? "u" : "", bits);
    else if (kind == H5T_FLOAT)
        used = snprintf(text, SHAPE_TEXT, "float%zu", bits);
    else
        used = snprintf(text, SHAPE_TEXT, "%s",
                        kind > 0 && kind < H5T_NCLASSES && classes[kind] ? classes[kind] : "of unknown type");
    if (data->rank > MOST_RANK) {
        snprintf(text + used, SHAPE_TEXT - (size_t)used, " in %d dimensions", data->rank);
        return;
    }
    for (int i = 0; i <= data->rank && used < SHAPE_TEXT; i++)
        used += i < data->rank
                    ? snprintf(text + used, SHAPE_TEXT - (size_t)used, "%s%llu", i ? ", " : " [",
                               (unsigned long long)data->size[i])
                    : snprintf(text + used, SHAPE_TEXT - (size_t)used, "%s", data->rank ? "]" : " []");
}

static enum status refuse(const struct open_file *file, const struct open_data *data, const char *expected,
                          struct error *error)
{
    char found[SHAPE_TEXT], full[NAME];
    describe(data, found);
    return error_set(error, STATUS_DATA, "%s: %s is %s; expected %s", file->place->path,
                     full_name(file->place, data->name, full), found, expected);
}

/* Names of what the group holds, for the message that something else is missing. */
static void list_members(const struct open_file *file, char text[NAME])
{
    H5G_info_t information;
    size_t used = 0;
    text[0] = '\0';
    hid_t group = H5Gopen2(file->file, file->place->group, H5P_DEFAULT);
    if (group < 0 || H5Gget_info(group, &information) < 0)
        information.nlinks = 0;
    for (hsize_t i = 0; i < information.nlinks && i < 8 && used + 64 < NAME; i++) {
        char name[48];
        if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT) > 0)
            used += (size_t)snprintf(text + used, NAME - used, "%s%s", used ? ", " : "", name);
    }
    if (group >= 0)
        H5Gclose(group);
    if (used == 0)
        snprintf(text, NAME, "%s", group < 0 ? "no such group" : "nothing");
}

static enum status missing(const struct open_file *file, const char *name, const char *expected,
                           struct error *error)
{
    char members[NAME];
    list_members(file, members);
    return error_set(error, STATUS_DATA, "%s has no data set '%s' in %s (there: %s); expected %s",
                     file->place->path, name, file->place->group, members, expected);
}

/* Elements of the file itself, and of a filter that this libhdf5 has. */
static enum status check_storage(const struct open_file *file, const struct open_data *data,
                                 struct error *error)
{
    char full[NAME], home[4096], own[4096];
    hid_t creation = H5Dget_create_plist(data->set);
    bool outside = H5Fget_name(data->set, home, sizeof home) < 0 ||
                   H5Fget_name(file->file, own, sizeof own) < 0 || strcmp(home, own) != 0 ||
                   H5Pget_layout(creation) == H5D_VIRTUAL || H5Pget_external_count(creation) > 0;
    enum status status = STATUS_OK;
    full_name(file->place, data->name, full);
    if (outside)
        status = error_set(error, STATUS_DATA,
                           "%s: %s lies in another file (a link or a virtual data set), which no checksum "
                           "would cover; copy it into this one (h5repack, h5copy)",
                           file->place->path, full);
    for (int i = 0; status == STATUS_OK && i < H5Pget_nfilters(creation); i++) {
        unsigned flags, configuration;
        size_t values = 0;
        char name[64] = "";
        H5Z_filter_t filter =
            H5Pget_filter2(creation, (unsigned)i, &flags, &values, NULL, sizeof name, name, &configuration);
        if (filter < 0 || H5Zfilter_avail(filter) <= 0)
            status = error_set(error, STATUS_DATA,
                               "%s: %s is compressed by a filter that this libhdf5 lacks (%d, %s); write it "
                               "again with gzip or none (h5repack -f GZIP=4)",
                               file->place->path, full, (int)filter, *name ? name : "without a name");
    }
    H5Pclose(creation);
    return status;
}

/* *present is false where the group has no such name and it is not required. */
static enum status open_data(const struct open_file *file, const char *name, const char *expected,
                             bool required, bool *present, struct open_data *data, struct error *error)
{
    char full[NAME];
    *data = (struct open_data){.name = name, .set = -1, .type = -1, .space = -1};
    *present = false;
    full_name(file->place, name, full);
    if (H5Lexists(file->file, full, H5P_DEFAULT) <= 0)
        return required ? missing(file, name, expected, error) : STATUS_OK;
    data->set = H5Dopen2(file->file, full, H5P_DEFAULT);
    if (data->set < 0)
        return error_set(error, STATUS_DATA, "%s: %s is not a data set that can be read; expected %s",
                         file->place->path, full, expected);
    *present = true;
    data->type = H5Dget_type(data->set);
    data->space = H5Dget_space(data->set);
    data->rank = data->space >= 0 && H5Sget_simple_extent_type(data->space) == H5S_SIMPLE
                     ? H5Sget_simple_extent_ndims(data->space)
                     : 0;
    if (data->type < 0 || data->rank < 0)
        return error_set(error, STATUS_DATA, "%s: %s is damaged; expected %s", file->place->path, full,
                         expected);
    if (data->rank > 0 && data->rank <= MOST_RANK)
        H5Sget_simple_extent_dims(data->space, data->size, NULL);
    return check_storage(file, data, error);
}

static const char images_expected[] = "images[N, C, H, W] or [N, F] of unsigned bytes or 32-bit floats";

static bool element_of(hid_t type, enum element *element)
{
    H5T_class_t kind = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    *element = kind == H5T_FLOAT ? ELEMENT_F32 : ELEMENT_U8;
    return (kind == H5T_INTEGER && size == 1 && H5Tget_sign(type) == H5T_SGN_NONE) ||
           (kind == H5T_FLOAT && size == 4);
}

static hid_t memory_type(enum element element)
{
    return element == ELEMENT_U8 ? H5T_NATIVE_UINT8 : H5T_NATIVE_FLOAT;
}

/* Whether the elements can be read without libhdf5, and from where. */
static void find_plain(const struct open_file *file, const struct open_data *data, struct hdf5_facts *facts)
{
    hid_t creation = H5Dget_create_plist(data->set), of_file = H5Fget_create_plist(file->file);
    haddr_t offset = H5Dget_offset(data->set);
    hsize_t user_block = 1;
    facts->plain = H5Pget_layout(creation) == H5D_CONTIGUOUS && offset != HADDR_UNDEF &&
                   H5Tequal(data->type, memory_type(facts->element)) > 0 &&
                   H5Pget_userblock(of_file, &user_block) >= 0 && user_block == 0;
    facts->offset = facts->plain ? (uint64_t)offset : 0;
    H5Pclose(creation);
    H5Pclose(of_file);
}

static enum status describe_images(const struct open_file *file, struct hdf5_facts *facts,
                                   struct error *error)
{
    struct open_data data;
    bool present;
    enum status status = open_data(file, "images", images_expected, true, &present, &data, error);
    if (status != STATUS_OK)
        goto cleanup;
    if (!element_of(data.type, &facts->element) || (data.rank != 2 && data.rank != 4)) {
        status = refuse(file, &data, images_expected, error);
        goto cleanup;
    }
    bool empty = false, large = data.size[0] > UINT32_MAX - 1;
    for (int i = 0; i < data.rank; i++)
        empty = empty || data.size[i] == 0;
    for (int i = 1; i < data.rank; i++)
        large = large || data.size[i] > MOST_SIDE;
    if (empty || large) {
        status = refuse(file, &data,
                        empty ? "at least one image, and no dimension of 0"
                              : "fewer than 2^32 images with sides of at most 65535",
                        error);
        goto cleanup;
    }
    facts->count = (uint32_t)data.size[0];
    facts->shape = data.rank == 2
                       ? (struct image_shape){(int)data.size[1], 1, 1}
                       : (struct image_shape){(int)data.size[1], (int)data.size[2], (int)data.size[3]};
    find_plain(file, &data, facts);
cleanup:
    close_data(&data);
    return status;
}

static enum status check_count(const struct open_file *file, const struct open_data *data,
                               const struct hdf5_facts *facts, struct error *error)
{
    char full[NAME], images[NAME];
    if (data->size[0] == facts->count)
        return STATUS_OK;
    return error_set(error, STATUS_DATA, "%s: %s has %llu rows, but %s has %u", file->place->path,
                     full_name(file->place, data->name, full), (unsigned long long)data->size[0],
                     full_name(file->place, "images", images), (unsigned)facts->count);
}

static const char labels_expected[] = "labels[N] of integers, the class of each image from 0 on";
static const char targets_expected[] = "targets[N, K] or [N] of numbers, or labels[N]";

static enum status open_labels(const struct open_file *file, const struct hdf5_facts *facts,
                               struct open_data *data, struct error *error)
{
    bool present;
    enum status status = open_data(file, "labels", labels_expected, true, &present, data, error);
    if (status != STATUS_OK)
        return status;
    if (H5Tget_class(data->type) == H5T_FLOAT && data->rank == 1)
        return refuse(file, data,
                      "labels[N] of integers (for numbers to be predicted, set dataset.task: regression)",
                      error);
    if (H5Tget_class(data->type) != H5T_INTEGER || data->rank != 1)
        return refuse(file, data, labels_expected, error);
    return check_count(file, data, facts, error);
}

static enum status open_targets(const struct open_file *file, const struct hdf5_facts *facts,
                                struct open_data *data, struct error *error)
{
    bool present;
    enum status status = open_data(file, "targets", targets_expected, false, &present, data, error);
    if (status == STATUS_OK && !present)
        status = open_data(file, "labels", targets_expected, false, &present, data, error);
    if (status == STATUS_OK && !present)
        status = missing(file, "targets", targets_expected, error);
    if (status != STATUS_OK)
        return status;
    H5T_class_t kind = H5Tget_class(data->type);
    bool fits = data->rank == 1 || (data->rank == 2 && data->size[1] >= 1 && data->size[1] <= MOST_SIDE);
    if ((kind != H5T_FLOAT && kind != H5T_INTEGER) || !fits)
        return refuse(file, data, targets_expected, error);
    return check_count(file, data, facts, error);
}

static enum status describe_names(const struct open_file *file, struct hdf5_facts *facts, struct error *error)
{
    static const char expected[] = "class_names of strings in one dimension, at most 65536";
    struct open_data data;
    bool present;
    enum status status = open_data(file, "class_names", expected, false, &present, &data, error);
    if (status == STATUS_OK && present) {
        bool fits = H5Tget_class(data.type) == H5T_STRING && data.rank == 1 && data.size[0] > 0 &&
                    data.size[0] <= MOST_CLASSES;
        facts->class_names = (uint32_t)data.size[0];
        if (!fits)
            status = refuse(file, &data, expected, error);
    }
    close_data(&data);
    return status;
}

static bool has_data(const struct open_file *file, const char *name)
{
    char full[NAME];
    return H5Lexists(file->file, full_name(file->place, name, full), H5P_DEFAULT) > 0;
}

static enum status describe_answers(const struct open_file *file, struct hdf5_facts *facts,
                                    struct error *error)
{
    bool regression = file->place->task == TASK_REGRESSION;
    struct open_data data = {.set = -1, .type = -1, .space = -1};
    enum status status = STATUS_OK;
    facts->unanswered =
        file->place->stand_in > 0 && !has_data(file, "labels") && !(regression && has_data(file, "targets"));
    if (facts->unanswered)
        facts->target_width = regression ? file->place->stand_in : 0;
    else
        status = (regression ? open_targets : open_labels)(file, facts, &data, error);
    if (status == STATUS_OK && regression && !facts->unanswered)
        facts->target_width = data.rank == 2 ? (int)data.size[1] : 1;
    if (status == STATUS_OK && !regression)
        status = describe_names(file, facts, error);
    close_data(&data);
    return status;
}

enum status hdf5_describe(const struct hdf5_place *place, struct hdf5_facts *facts, struct error *error)
{
    struct open_file file;
    *facts = (struct hdf5_facts){.count = 0};
    enum status status = open_file(place, &file, error);
    if (status == STATUS_OK)
        status = describe_images(&file, facts, error);
    if (status == STATUS_OK)
        status = describe_answers(&file, facts, error);
    close_file(&file);
    return status;
}

/* Rows first … first + count - 1 of an open data set, converted to the memory type. */
static enum status read_rows(const struct open_file *file, const struct open_data *data, hid_t type,
                             uint32_t first, uint32_t count, void *out, struct error *error)
{
    char full[NAME], reason[NAME];
    hsize_t start[MOST_RANK] = {first}, size[MOST_RANK];
    memcpy(size, data->size, sizeof size);
    size[0] = count;
    hid_t memory = H5Screate_simple(data->rank, size, NULL);
    bool read = memory >= 0 &&
                H5Sselect_hyperslab(data->space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
                H5Dread(data->set, type, memory, data->space, H5P_DEFAULT, out) >= 0;
    if (memory >= 0)
        H5Sclose(memory);
    if (read)
        return STATUS_OK;
    return error_set(error, STATUS_DATA, "%s: %s cannot be read at row %u: %s; the file is damaged",
                     file->place->path, full_name(file->place, data->name, full), (unsigned)first,
                     library_reason(reason));
}

static enum status read_labels(const struct open_file *file, const struct hdf5_facts *facts, uint16_t *labels,
                               uint16_t *largest, struct error *error)
{
    struct open_data data;
    uint32_t classes = facts->class_names ? facts->class_names : MOST_CLASSES;
    int64_t *block = malloc(BLOCK_ROWS * sizeof *block);
    char full[NAME];
    enum status status = open_labels(file, facts, &data, error);
    if (!block)
        status = error_set(error, STATUS_MEMORY, "out of memory: the labels of %s", file->place->path);
    *largest = 0;
    for (uint32_t first = 0; status == STATUS_OK && first < facts->count; first += BLOCK_ROWS) {
        uint32_t count = facts->count - first < BLOCK_ROWS ? facts->count - first : BLOCK_ROWS;
        status = read_rows(file, &data, H5T_NATIVE_INT64, first, count, block, error);
        for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
            if (block[i] < 0 || block[i] >= (int64_t)classes)
                status = error_set(error, STATUS_DATA, "%s: %s[%u] is %lld; expected a class from 0 to %u%s",
                                   file->place->path, full_name(file->place, "labels", full),
                                   (unsigned)(first + i), (long long)block[i], (unsigned)classes - 1,
                                   facts->class_names ? ", as many as class_names has" : "");
            labels[first + i] = (uint16_t)block[i];
            *largest = labels[first + i] > *largest ? labels[first + i] : *largest;
        }
    }
    free(block);
    close_data(&data);
    return status;
}

static enum status read_targets(const struct open_file *file, const struct hdf5_facts *facts, float *targets,
                                struct error *error)
{
    struct open_data data;
    char full[NAME];
    size_t width = (size_t)facts->target_width;
    enum status status = open_targets(file, facts, &data, error);
    if (status == STATUS_OK)
        status = read_rows(file, &data, H5T_NATIVE_FLOAT, 0, facts->count, targets, error);
    for (size_t i = 0; status == STATUS_OK && i < facts->count * width; i++)
        if (!isfinite(targets[i]))
            status = error_set(error, STATUS_DATA, "%s: %s[%zu, %zu] is %s; expected finite 32-bit numbers",
                               file->place->path, full_name(file->place, data.name, full), i / width,
                               i % width, isnan(targets[i]) ? "NaN" : "infinite");
    close_data(&data);
    return status;
}

static enum status keep_name(const struct open_file *file, uint32_t which, const char *text, size_t length,
                             char name[CLASS_NAME], struct error *error)
{
    while (length > 0 && text[length - 1] == ' ')
        length--;
    bool printable = length > 0 && length < CLASS_NAME;
    for (size_t i = 0; i < length; i++)
        printable = printable && (unsigned char)text[i] >= ' ' && text[i] != 127;
    if (!printable)
        return error_set(error, STATUS_DATA,
                         "%s: class_names[%u] is empty, longer than %d bytes or has control characters",
                         file->place->path, (unsigned)which, CLASS_NAME - 1);
    memcpy(name, text, length);
    name[length] = '\0';
    return STATUS_OK;
}

/* Strings of one length, and strings of any length: libhdf5 wants to be asked differently. */
static enum status read_names(const struct open_file *file, const struct hdf5_facts *facts,
                              char (*names)[CLASS_NAME], struct error *error)
{
    struct open_data data;
    bool present;
    enum status status = open_data(file, "class_names", "strings", true, &present, &data, error);
    if (status != STATUS_OK)
        return status;
    bool any_length = H5Tis_variable_str(data.type) > 0;
    size_t length = any_length ? sizeof(char *) : H5Tget_size(data.type);
    char *texts = length <= (1 << 20) / 16 ? calloc(facts->class_names, length) : NULL;
    if (!texts)
        status = error_set(error, STATUS_DATA, "%s: class_names are too long", file->place->path);
    else
        status = read_rows(file, &data, data.type, 0, facts->class_names, texts, error);
    for (uint32_t i = 0; status == STATUS_OK && i < facts->class_names; i++) {
        const char *text = any_length ? ((char **)(void *)texts)[i] : texts + i * length;
        size_t bytes = !text ? 0 : any_length ? strlen(text) : strnlen(text, length);
        status = keep_name(file, i, text ? text : "", bytes, names[i], error);
    }
    free(texts); /* and what variable strings point to dies with the child */
    close_data(&data);
    return status;
}

enum status hdf5_read_answers(const struct hdf5_place *place, const struct hdf5_facts *facts,
                              uint16_t *labels, uint16_t *largest, float *targets, char (*names)[CLASS_NAME],
                              struct error *error)
{
    struct open_file file;
    enum status status = open_file(place, &file, error);
    if (status == STATUS_OK && !facts->unanswered)
        status = facts->target_width > 0 ? read_targets(&file, facts, targets, error)
                                         : read_labels(&file, facts, labels, largest, error);
    if (status == STATUS_OK && facts->class_names > 0)
        status = read_names(&file, facts, names, error);
    close_file(&file);
    return status;
}

/* Room for all chunks that one row crosses, so that rows read in order unpack each chunk once. The weight of
 * 0 drops what was used longest ago; with 1, libhdf5 1.10 drops no chunk that was read in part, grows by 500
 * MB and spends two thirds of its time on the walk through them. */
static void widen_cache(const struct open_data *data, size_t element_size, hid_t access)
{
    enum { SLOTS = 10007, LEAST = 1 << 20 };
    hsize_t chunk[MOST_RANK], bytes = element_size;
    hid_t creation = H5Dget_create_plist(data->set);
    if (H5Pget_layout(creation) == H5D_CHUNKED && H5Pget_chunk(creation, MOST_RANK, chunk) == data->rank) {
        bytes *= chunk[0];
        for (int i = 1; i < data->rank; i++)
            bytes *= (data->size[i] + chunk[i] - 1) / chunk[i] * chunk[i];
        H5Pset_chunk_cache(access, SLOTS, bytes < LEAST ? LEAST : (size_t)bytes, 0.0);
    }
    H5Pclose(creation);
}

static enum status reopen_with_cache(struct hdf5_images *images, size_t element_size, struct error *error)
{
    char full[NAME];
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    widen_cache(&images->data, element_size, access);
    H5Dclose(images->data.set);
    images->data.set = H5Dopen2(images->file.file, full_name(images->file.place, "images", full), access);
    H5Pclose(access);
    return images->data.set >= 0 ? STATUS_OK
                                 : error_set(error, STATUS_DATA, "%s: %s cannot be opened again",
                                             images->file.place->path, full);
}

enum status hdf5_images_open(const struct hdf5_place *place, const struct hdf5_facts *facts,
                             struct hdf5_images **opened, struct error *error)
{
    bool present;
    struct hdf5_images *images = calloc(1, sizeof *images);
    if (!images)
        return error_set(error, STATUS_MEMORY, "out of memory: opening %s", place->path);
    images->data = (struct open_data){.set = -1, .type = -1, .space = -1};
    images->memory_type = memory_type(facts->element);
    enum status status = open_file(place, &images->file, error);
    if (status == STATUS_OK)
        status = open_data(&images->file, "images", images_expected, true, &present, &images->data, error);
    if (status == STATUS_OK)
        status = reopen_with_cache(images, facts->element == ELEMENT_U8 ? 1 : sizeof(float), error);
    if (status != STATUS_OK) {
        hdf5_images_close(images);
        return status;
    }
    *opened = images;
    return STATUS_OK;
}

enum status hdf5_images_read(struct hdf5_images *images, uint32_t first, uint32_t count, void *out,
                             struct error *error)
{
    return read_rows(&images->file, &images->data, images->memory_type, first, count, out, error);
}

void hdf5_images_close(struct hdf5_images *images)
{
    close_data(&images->data);
    close_file(&images->file);
    free(images);
}

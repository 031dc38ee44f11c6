/* Where the files are, and what they are.
 *
 * A grid of 10,000 runs asks for the same four sums 10,000 times, so they are kept in a small list that is
 * searched by path; a file whose size or time of change differs is read again. The list grows by four entries
 * a data set and lives as long as the process. Invariant: an entry's sum was computed from a file that had
 * exactly the recorded size, time and inode. Rejected: keeping sums beside the results; a sum is worth
 * something only when it was computed from the bytes. */
#include "data/data_files.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct known_sum {
    struct known_sum *next;
    struct stat information;
    char hex[DIGEST_HEX];
    char path[]; /* ends in 0 */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the list */
static struct known_sum *known_sums;

/* Data sets that Debian packages; the name is compared without regard to case and punctuation. */
static const struct {
    const char *name, *package;
} packages[] = {
    {"fashionmnist", "dataset-fashion-mnist"},
};

static const char *const idx_roles[] = {"train_images", "train_labels", "test_images", "test_labels"};
static const char *const hdf5_roles[] = {"train_file", "test_file"};
static const char *const cifar10_roles[] = {"data_batch_1", "data_batch_2", "data_batch_3",
                                            "data_batch_4", "data_batch_5", "test_batch"};
static const char *const cifar10_names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                            "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

/* By enum dataset_format; expected: where its sums begin in dataset_plan.sha256, -1 for none. */
static const struct {
    int count, expected;
    const char *const *roles;
} formats[] = {
    [DATASET_IDX] = {IDX_FILES, 0, idx_roles},
    [DATASET_NONE] = {0, -1, NULL},
    [DATASET_HDF5] = {HDF5_FILES, IDX_FILES, hdf5_roles},
    [DATASET_CIFAR10] = {CIFAR10_FILES, -1, cifar10_roles},
};

int dataset_file_count(const struct dataset_plan *plan)
{
    return formats[plan->format].count;
}

const char *data_file_role(const struct dataset_plan *plan, int which)
{
    assert(which >= 0 && which < dataset_file_count(plan));
    return formats[plan->format].roles[which];
}

static const char *file_name(const struct dataset_plan *plan, int which)
{
    const char *const idx[] = {plan->train_images, plan->train_labels, plan->test_images, plan->test_labels};
    const char *const hdf5[] = {plan->train_file, plan->test_file};
    assert(which >= 0 && which < dataset_file_count(plan));
    return plan->format == DATASET_CIFAR10 ? cifar10_names[which]
           : plan->format == DATASET_HDF5  ? hdf5[which]
                                           : idx[which];
}

bool data_file_is_named(const struct dataset_plan *plan, int which)
{
    return file_name(plan, which) != NULL;
}

enum status dataset_path(const struct dataset_plan *plan, int which, char *path, size_t size)
{
    const char *name = file_name(plan, which);
    const char *root = getenv("RUNNER_DATASET_ROOT");
    assert(name);
    if (!root || *root == '\0')
        root = plan->root;
    int length = !root || *root == '\0' || *name == '/' ? snprintf(path, size, "%s", name)
                                                        : snprintf(path, size, "%s/%s", root, name);
    return length >= 0 && (size_t)length < size ? STATUS_OK : STATUS_CONFIG;
}

static enum status resolve(const struct dataset_plan *plan, int which, char path[DATA_PATH],
                           struct error *error)
{
    if (dataset_path(plan, which, path, DATA_PATH) == STATUS_OK)
        return STATUS_OK;
    return error_set_at(error, plan->origin, STATUS_CONFIG, "dataset: the path of %s is longer than %d bytes",
                        file_name(plan, which), DATA_PATH - 1);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct known_sum *find(const char *path)
{
    for (struct known_sum *sum = known_sums; sum; sum = sum->next)
        if (strcmp(sum->path, path) == 0)
            return sum;
    return NULL;
}

/* Without memory for an entry the sum is simply computed again next time. */
static void remember(const char *path, const struct stat *information, const char *hex)
{
    struct known_sum *sum = find(path);
    size_t length = strlen(path) + 1;
    if (!sum) {
        sum = malloc(sizeof *sum + length);
        if (!sum)
            return;
        memcpy(sum->path, path, length);
        sum->next = known_sums;
        known_sums = sum;
    }
    sum->information = *information;
    memcpy(sum->hex, hex, DIGEST_HEX);
}

static const char *package_of(const char *name)
{
    char folded[64];
    size_t length = 0;
    for (const char *letter = name ? name : ""; *letter && length + 1 < sizeof folded; letter++)
        if (*letter != '-' && *letter != '_' && *letter != ' ')
            folded[length++] = (char)(*letter >= 'A' && *letter <= 'Z' ? *letter - 'A' + 'a' : *letter);
    folded[length] = '\0';
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
        if (strcmp(packages[i].name, folded) == 0)
            return packages[i].package;
    return NULL;
}

enum status data_file_missing(const struct dataset_plan *plan, int which, struct error *error)
{
    char path[DATA_PATH];
    const char *package = package_of(plan->name);
    enum status status = resolve(plan, which, path, error);
    if (status != STATUS_OK)
        return status;
    if (package)
        return error_set(
            error, STATUS_NOT_FOUND,
            "%s not found: install Debian's package %s (apt-get install %s) or set dataset.root / "
            "RUNNER_DATASET_ROOT",
            path, package, package);
    return error_set(error, STATUS_NOT_FOUND,
                     "%s not found: set dataset.root or RUNNER_DATASET_ROOT to the folder that holds it",
                     path);
}

static enum status check_expected(const struct dataset_plan *plan, int which, const char *path,
                                  const char *hex, struct error *error)
{
    int first = formats[plan->format].expected;
    const char *expected = first < 0 ? NULL : plan->sha256[first + which];
    if (!expected || strcasecmp(expected, hex) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_DATA,
                     "%s is not the file that dataset.sha256 asks for: its SHA-256 is %s, expected %s", path,
                     hex, expected);
}

enum status data_file_sum(const struct dataset_plan *plan, int which, char hex[DIGEST_HEX],
                          struct error *error)
{
    char path[DATA_PATH];
    struct stat information;
    enum status status = resolve(plan, which, path, error);
    if (status != STATUS_OK)
        return status;
    if (stat(path, &information) != 0)
        return errno == ENOENT || errno == ENOTDIR ? data_file_missing(plan, which, error)
                                                   : error_set_system(error, errno, "cannot open %s", path);
    pthread_mutex_lock(&mutex);
    const struct known_sum *known = find(path);
    if (known && same_file(&known->information, &information)) {
        memcpy(hex, known->hex, DIGEST_HEX);
    } else {
        status = digest_file(path, hex, error);
        if (status == STATUS_OK)
            remember(path, &information, hex);
    }
    pthread_mutex_unlock(&mutex);
    return status == STATUS_OK ? check_expected(plan, which, path, hex, error) : status;
}

enum status data_file_check(const struct dataset_plan *plan, int which, const char *hex, struct error *error)
{
    char path[DATA_PATH];
    enum status status = resolve(plan, which, path, error);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&mutex);
    const struct known_sum *known = find(path);
    bool changed = known && strcmp(known->hex, hex) != 0;
    pthread_mutex_unlock(&mutex);
    if (changed)
        return error_set(error, STATUS_DATA, "%s was changed while the grid was being set up: start again",
                         path);
    return check_expected(plan, which, path, hex, error);
}

enum status data_file_unchanged(const struct dataset_plan *plan, int which, struct error *error)
{
    char path[DATA_PATH];
    struct stat information;
    enum status status = resolve(plan, which, path, error);
    if (status != STATUS_OK)
        return status;
    if (stat(path, &information) != 0)
        return error_set_system(error, errno, "cannot open %s", path);
    pthread_mutex_lock(&mutex);
    const struct known_sum *known = find(path);
    bool changed = known && !same_file(&known->information, &information);
    pthread_mutex_unlock(&mutex);
    return changed ? error_set(error, STATUS_DATA, "%s was changed while it was in use: start again", path)
                   : STATUS_OK;
}

enum status dataset_identify(const struct dataset_plan *plan, char hex[65], struct error *error)
{
    char sums[DATASET_FILES][DIGEST_HEX];
    uint8_t value[DIGEST_BYTES];
    int count = dataset_file_count(plan);
    for (int which = 0; which < count; which++) {
        enum status status = data_file_sum(plan, which, sums[which], error);
        if (status != STATUS_OK)
            return status;
    }
    digest_bytes(sums, (size_t)count * sizeof sums[0], value);
    digest_to_hex(value, hex);
    return STATUS_OK;
}

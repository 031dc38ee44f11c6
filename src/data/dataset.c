/* Data sets.
 *
 * Images and answers live in a `pool`, one for every distinct set of files and ways to read them, counted by
 * its users and kept in a process-wide list under one mutex; the mutex is held while a pool loads, so that
 * runs that start together wait for one reading instead of each doing their own. A data set is a pool plus
 * three lists of indices (train, validation, test). Invariant: a pool is complete and checked before it
 * enters the list and is never written afterwards. The validation images are the first of a Philox
 * permutation keyed by split_seed; both parts keep the file's order, since every epoch shuffles anyway and
 * ascending indices read memory forwards. Rejected: a copy of the images for each part; 200 runs with five
 * splits would hold the pixels five times. */
#include "data/dataset.h"

#include "base/random.h"
#include "base/text.h"
#include "data/loaded.h"
#include "data/normalization.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What was measured of one training part; a grid's runs ask for it again and again. */
struct measured_part {
    struct measured_part *next;
    int64_t train_limit, validation_size;
    uint64_t split_seed;
    double values[]; /* mean[channels], std[channels] */
};

struct pool {
    struct pool *next;
    struct measured_part *measured;
    long users;
    char *key; /* what was read, and how */
    struct loaded_data data;
};

struct dataset {
    struct pool *pool;
    uint32_t *index[DATASET_PARTS];
    uint32_t count[DATASET_PARTS];
    bool measured;
    double *scaling; /* mean[channels], std[channels] */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the list and every pool's users */
static struct pool *pools;

static enum status (*const loaders[])(const struct dataset_plan *, struct loaded_data *, struct error *) = {
    [DATASET_IDX] = load_idx,
    [DATASET_NONE] = NULL,
    [DATASET_HDF5] = load_hdf5,
    [DATASET_CIFAR10] = load_cifar10,
};

static void free_pool(struct pool *pool)
{
    if (!pool)
        return;
    while (pool->measured) {
        struct measured_part *next = pool->measured->next;
        free(pool->measured);
        pool->measured = next;
    }
    loaded_release(&pool->data);
    free(pool->key);
    free(pool);
}

/* The key goes to the pool. */
static enum status create_pool(const struct dataset_plan *plan, char *key, struct pool **created,
                               struct error *error)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        free(key);
        return error_set(error, STATUS_MEMORY, "out of memory: opening the data set");
    }
    pool->key = key;
    assert(loaders[plan->format]); /* nobody opens data where there are none */
    enum status status = loaders[plan->format](plan, &pool->data, error);
    if (status != STATUS_OK) {
        free_pool(pool);
        return status;
    }
    pool->next = pools;
    pools = pool;
    *created = pool;
    return STATUS_OK;
}

static struct pool *find_pool(const char *key)
{
    struct pool *pool = pools;
    while (pool && strcmp(pool->key, key) != 0)
        pool = pool->next;
    return pool;
}

/* Two plans with one key read the same bytes in the same way. Malloc'ed. */
static enum status make_key(const struct dataset_plan *plan, char **key, struct error *error)
{
    struct text text = {0};
    char path[DATA_PATH];
    enum status status = STATUS_OK;
    text_format(&text, "%d %d %lld %d", (int)plan->format, (int)plan->task, (long long)plan->memory,
                plan->stand_in);
    if (plan->format == DATASET_HDF5)
        text_format(&text, "\n%s\n%s", plan->train_group, plan->test_group);
    for (int which = 0; status == STATUS_OK && which < dataset_file_count(plan); which++) {
        bool named = data_file_is_named(plan, which);
        status = named ? loaded_path(plan, which, path, error) : STATUS_OK;
        text_format(&text, "\n%s", named ? path : "");
    }
    if (status == STATUS_OK && text.failed)
        status = error_set(error, STATUS_MEMORY, "out of memory: opening the data set");
    if (status != STATUS_OK)
        text_release(&text);
    *key = text.bytes;
    return status;
}

static void release_pool(struct pool *pool)
{
    pthread_mutex_lock(&mutex);
    if (--pool->users == 0) {
        struct pool **link = &pools;
        while (*link != pool)
            link = &(*link)->next;
        *link = pool->next;
        free_pool(pool);
    }
    pthread_mutex_unlock(&mutex);
}

static enum status acquire_pool(const struct dataset_plan *plan, struct pool **acquired, struct error *error)
{
    char *key = NULL;
    enum status status = make_key(plan, &key, error);
    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&mutex);
    struct pool *pool = find_pool(key);
    if (pool)
        free(key);
    else
        status = create_pool(plan, key, &pool, error);
    if (status == STATUS_OK)
        pool->users++;
    pthread_mutex_unlock(&mutex);
    if (status != STATUS_OK)
        return status;
    for (int which = 0; status == STATUS_OK && which < dataset_file_count(plan); which++)
        if (data_file_is_named(plan, which))
            status = data_file_check(plan, which, pool->data.sums[which], error);
    if (status != STATUS_OK) {
        release_pool(pool);
        return status;
    }
    *acquired = pool;
    return STATUS_OK;
}

/* The first `limit` of `available` images, all where limit is 0. */
static enum status limited(const struct dataset_plan *plan, const char *setting, int64_t limit,
                           uint32_t available, uint32_t *count, struct error *error)
{
    if (limit < 0 || limit > available)
        return error_set_at(error, plan->origin, STATUS_CONFIG, "dataset.%s is %lld, but there are %u images",
                            setting, (long long)limit, (unsigned)available);
    *count = limit == 0 ? available : (uint32_t)limit;
    return STATUS_OK;
}

static enum status fill_all(uint32_t count, uint32_t **index, struct error *error)
{
    *index = malloc((count + (size_t)1) * sizeof **index);
    if (!*index)
        return error_set(error, STATUS_MEMORY, "out of memory: the order of %u images", (unsigned)count);
    for (uint32_t i = 0; i < count; i++)
        (*index)[i] = i;
    return STATUS_OK;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Cuts the training images 0…available-1 in two. */
static enum status split(struct dataset *dataset, const struct dataset_plan *plan, uint32_t available,
                         struct error *error)
{
    if (plan->validation_size < 0 || plan->validation_size >= available)
        return error_set_at(
            error, plan->origin, STATUS_CONFIG,
            "dataset.validation_size is %lld, but of %u images at least one must remain for training",
            (long long)plan->validation_size, (unsigned)available);
    uint32_t held_out = (uint32_t)plan->validation_size;
    uint32_t **train = &dataset->index[DATASET_TRAIN], **validation = &dataset->index[DATASET_VALIDATION];
    enum status status = fill_all(available, train, error);
    if (status == STATUS_OK)
        status = fill_all(held_out, validation, error);
    if (status != STATUS_OK)
        return status;
    dataset->count[DATASET_TRAIN] = available - held_out;
    dataset->count[DATASET_VALIDATION] = held_out;
    if (held_out == 0)
        return STATUS_OK;
    struct random_source source = {.seed = plan->split_seed, .stream = RANDOM_SPLIT};
    random_permutation(&source, *train, available);
    memcpy(*validation, *train, held_out * sizeof **train);
    memmove(*train, *train + held_out, (available - held_out) * sizeof **train);
    qsort(*train, available - held_out, sizeof **train, compare_numbers);
    qsort(*validation, held_out, sizeof **validation, compare_numbers);
    return STATUS_OK;
}

/* The measured part of this split, measured now unless it was before; the mutex is held. */
static enum status find_measured(struct dataset *dataset, const struct dataset_plan *plan,
                                 const struct measured_part **found, struct error *error)
{
    struct pool *pool = dataset->pool;
    size_t channels = (size_t)pool->data.train.shape.channels;
    for (struct measured_part *part = pool->measured; part; part = part->next)
        if (part->train_limit == plan->train_limit && part->validation_size == plan->validation_size &&
            part->split_seed == plan->split_seed) {
            *found = part;
            return STATUS_OK;
        }
    struct measured_part *part = malloc(sizeof *part + 2 * channels * sizeof part->values[0]);
    if (!part)
        return error_set(error, STATUS_MEMORY, "out of memory: measuring the training images");
    *part = (struct measured_part){.next = pool->measured,
                                   .train_limit = plan->train_limit,
                                   .validation_size = plan->validation_size,
                                   .split_seed = plan->split_seed};
    enum status status =
        normalization_measure(&pool->data.train, dataset->index[DATASET_TRAIN], dataset->count[DATASET_TRAIN],
                              part->values, part->values + channels, error);
    if (status != STATUS_OK) {
        free(part);
        return status;
    }
    *found = pool->measured = part;
    return STATUS_OK;
}

static enum status use_saved(const struct dataset_plan *plan, size_t channels, double *scaling,
                             struct error *error)
{
    if ((size_t)plan->measured.channels != channels)
        return error_set(error, STATUS_DATA,
                         "the run was trained on images of %d channels, but those of '%s' have %zu",
                         plan->measured.channels, plan->name, channels);
    memcpy(scaling, plan->measured.mean, channels * sizeof *scaling);
    memcpy(scaling + channels, plan->measured.std, channels * sizeof *scaling);
    return STATUS_OK;
}

static enum status normalize(struct dataset *dataset, const struct dataset_plan *plan, struct error *error)
{
    size_t channels = (size_t)dataset->pool->data.train.shape.channels;
    const struct measured_part *part = NULL;
    dataset->scaling = calloc(2 * channels, sizeof *dataset->scaling);
    dataset->measured = plan->normalization == NORMALIZATION_MEASURED;
    if (!dataset->scaling)
        return error_set(error, STATUS_MEMORY, "out of memory: opening the data set");
    if (!dataset->measured)
        return normalization_given(plan, (int)channels, dataset->scaling, dataset->scaling + channels, error);
    if (plan->measured.channels > 0)
        return use_saved(plan, channels, dataset->scaling, error);
    pthread_mutex_lock(&mutex);
    enum status status = find_measured(dataset, plan, &part, error);
    if (status == STATUS_OK)
        memcpy(dataset->scaling, part->values, 2 * channels * sizeof *dataset->scaling);
    pthread_mutex_unlock(&mutex);
    return status;
}

enum status dataset_open(const struct dataset_plan *plan, struct dataset **opened, struct error *error)
{
    uint32_t train_count = 0;
    struct dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        return error_set(error, STATUS_MEMORY, "out of memory: opening the data set");
    enum status status = acquire_pool(plan, &dataset->pool, error);
    if (status != STATUS_OK)
        goto cleanup;
    status =
        limited(plan, "train_limit", plan->train_limit, dataset->pool->data.train.count, &train_count, error);
    if (status != STATUS_OK)
        goto cleanup;
    status = limited(plan, "test_limit", plan->test_limit, dataset->pool->data.test.count,
                     &dataset->count[DATASET_TEST], error);
    if (status != STATUS_OK)
        goto cleanup;
    status = fill_all(dataset->count[DATASET_TEST], &dataset->index[DATASET_TEST], error);
    if (status != STATUS_OK)
        goto cleanup;
    status = split(dataset, plan, train_count, error);
    if (status != STATUS_OK)
        goto cleanup;
    status = normalize(dataset, plan, error);
    if (status != STATUS_OK)
        goto cleanup;
    *opened = dataset;
    return STATUS_OK;
cleanup:
    dataset_close(dataset);
    return status;
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset)
        return;
    if (dataset->pool)
        release_pool(dataset->pool);
    for (int part = 0; part < DATASET_PARTS; part++)
        free(dataset->index[part]);
    free(dataset->scaling);
    free(dataset);
}

struct image_shape dataset_shape(const struct dataset *dataset)
{
    return dataset->pool->data.train.shape;
}

int dataset_classes(const struct dataset *dataset)
{
    return dataset->pool->data.classes;
}

const char *dataset_class_name(const struct dataset *dataset, int which)
{
    const struct loaded_data *data = &dataset->pool->data;
    return which >= 0 && (uint32_t)which < data->class_names_count ? data->class_names[which] : NULL;
}

int dataset_target_width(const struct dataset *dataset)
{
    return dataset->pool->data.target_width;
}

size_t dataset_window_bytes(const struct dataset *dataset)
{
    return dataset->pool->data.window_bytes;
}

struct normalization dataset_normalization(const struct dataset *dataset)
{
    int channels = dataset->pool->data.train.shape.channels;
    return (struct normalization){channels, dataset->measured, dataset->scaling, dataset->scaling + channels};
}

struct dataset_view dataset_view(const struct dataset *dataset, enum dataset_part part)
{
    assert((unsigned)part < DATASET_PARTS);
    const struct pool *pool = dataset->pool;
    return (struct dataset_view){
        .images = part == DATASET_TEST ? &pool->data.test : &pool->data.train,
        .index = dataset->index[part],
        .count = dataset->count[part],
    };
}

/* A folder and files of images are the run's own section with other paths; a YAML file brings a section of
 * its own.
 *
 * The section is read by the reader of configurations, beside a model and an optimizer that are only there
 * because every configuration has them. Expected checksums are dropped where the paths change: they are those
 * of the run's files. The environment's RUNNER_DATASET_ROOT yields to a folder named here, which is the
 * nearer word. */
#include "app/data_argument.h"

#include "app/results_folder.h"
#include "config/plan_reader.h"
#include "config/sources.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 6 };

struct request {
    const struct data_argument *argument;
    const char *named; /* argument->named */
    struct pool *pool;
    struct dataset_plan *dataset;
    struct diagnostics *diagnostics;
    struct error *error;
    enum status status;
    bool done;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* What belongs to the run's files and parts alone. */
static void forget_files(struct dataset_plan *dataset)
{
    for (size_t i = 0; i < sizeof dataset->sha256 / sizeof dataset->sha256[0]; i++)
        dataset->sha256[i] = NULL;
    dataset->train_limit = dataset->test_limit = 0;
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static bool is_in(const char *folder, const char *name)
{
    char path[PATH_SIZE];
    struct error error;
    return path_join(path, folder, name, &error) == STATUS_OK && is_file(path);
}

/* The test part alone, where the training part is not there and nobody looks at it. */
static void use_test_part_alone(struct dataset_plan *dataset)
{
    dataset->train_images = dataset->test_images;
    dataset->train_labels = dataset->test_labels;
    dataset->train_file = dataset->test_file;
    dataset->train_group = dataset->test_group;
    dataset->validation_size = dataset->train_limit = 0;
}

static bool names_test_part_alone(const struct dataset_plan *dataset)
{
    return (dataset->format == DATASET_IDX && !dataset->train_images) ||
           (dataset->format == DATASET_HDF5 && !dataset->train_file);
}

/* Labels of IDX images that are not in the folder are those of images alone. */
static void forget_absent_labels(struct request *request, const char *images, const char **labels)
{
    if (!is_in(request->named, images) || is_in(request->named, *labels))
        return;
    if (request->argument->unanswered)
        *labels = NULL;
    else
        request->status =
            error_set(request->error, STATUS_NOT_FOUND,
                      "--data=%s: the labels of %s, %s, are not in it, and they are needed here; "
                      "`runner predict` takes images alone",
                      request->named, images, *labels);
}

static void use_parts_of_folder(struct request *request)
{
    struct dataset_plan *dataset = request->dataset;
    bool idx = dataset->format == DATASET_IDX, hdf5 = dataset->format == DATASET_HDF5;
    const char *train = idx ? dataset->train_images : dataset->train_file;
    const char *test = idx ? dataset->test_images : dataset->test_file;
    bool test_alone = request->argument->part == DATASET_TEST;
    if ((idx || hdf5) && test_alone && !is_in(request->named, train) && is_in(request->named, test))
        use_test_part_alone(dataset);
    if (idx) {
        forget_absent_labels(request, dataset->test_images, &dataset->test_labels);
        if (dataset->train_labels)
            forget_absent_labels(request, dataset->train_images, &dataset->train_labels);
    }
}

static void use_folder(struct request *request)
{
    struct dataset_plan *dataset = request->dataset;
    const char **files[FILES] = {&dataset->train_images, &dataset->train_labels, &dataset->test_images,
                                 &dataset->test_labels,  &dataset->train_file,   &dataset->test_file};
    for (int i = 0; i < FILES; i++)
        if (*files[i] && **files[i] == '/')
            *files[i] = base_name(*files[i]);
    dataset->root = pool_copy(request->pool, request->named);
    dataset->name = dataset->root;
    forget_files(dataset);
    use_parts_of_folder(request);
    unsetenv("RUNNER_DATASET_ROOT");
    request->done = true;
}

/* Images with their labels, or alone. */
static void use_idx(struct request *request)
{
    struct dataset_plan *dataset = request->dataset;
    const char *comma = is_file(request->named) ? NULL : strrchr(request->named, ',');
    size_t length = comma ? (size_t)(comma - request->named) : strlen(request->named);
    const char *images = pool_copy_bytes(request->pool, request->named, length);
    dataset->format = DATASET_IDX;
    dataset->name = base_name(images);
    dataset->root = NULL;
    dataset->train_images = dataset->test_images = images;
    dataset->train_labels = dataset->test_labels = comma ? pool_copy(request->pool, comma + 1) : NULL;
    dataset->validation_size = 0;
    forget_files(dataset);
    unsetenv("RUNNER_DATASET_ROOT");
    request->done = true;
}

/* One file with one part: the model is shown that part whichever is asked for. */
static void use_hdf5(struct request *request)
{
    struct dataset_plan *dataset = request->dataset;
    bool same_format = dataset->format == DATASET_HDF5;
    dataset->format = DATASET_HDF5;
    dataset->root = NULL;
    dataset->train_file = dataset->test_file = pool_copy(request->pool, request->named);
    dataset->name = base_name(dataset->test_file);
    dataset->test_group = same_format ? dataset->test_group : "/";
    dataset->train_group = dataset->test_group;
    dataset->validation_size = 0;
    forget_files(dataset);
    unsetenv("RUNNER_DATASET_ROOT");
    request->done = true;
}

static bool is_yaml_name(const char *named)
{
    return ends_with(named, ".yaml") || ends_with(named, ".yml");
}

static bool is_hdf5_name(const char *named)
{
    return ends_with(named, ".h5") || ends_with(named, ".hdf5");
}

static void use_section(struct request *request)
{
    static const char rest[] = "{model: {layers: [{Linear: {out_features: 1}}]}, optimizer: {name: sgd}, "
                               "trainer: {batch_size: 1, max_epochs: 1}}";
    static const char name[] = "the rest";
    struct sources sources = {.pool = request->pool, .diagnostics = request->diagnostics};
    struct plan_reading reading = {.needs_no_training_part = request->argument->part == DATASET_TEST,
                                   .needs_no_labels = request->argument->unanswered};
    struct node *root = yaml_parse(request->pool, name, rest, sizeof rest - 1, (struct origin){name, 1, 1},
                                   request->diagnostics);
    struct node *file =
        sources_load(&sources, pool_copy(request->pool, request->named), (struct origin){.file = NULL});
    struct node *section = file ? node_find(file, "dataset") : NULL;
    if (file && !section)
        diagnostics_add(request->diagnostics, file->origin, "there is no dataset: section for --data to use");
    if (!section || !root)
        return;
    root = node_assign(request->pool, root, "dataset", section->origin, section);
    if (!plan_read(request->pool, root, &reading, request->diagnostics))
        return;
    struct dataset_plan run = *request->dataset;
    *request->dataset = reading.plan->dataset;
    if (names_test_part_alone(request->dataset))
        use_test_part_alone(request->dataset);
    request->dataset->task = run.task;
    request->dataset->normalization = run.normalization;
    request->dataset->mean = run.mean;
    request->dataset->std = run.std;
    request->dataset->measured = run.measured;
    request->done = true;
}

static void apply(void *context)
{
    struct request *request = context;
    if (is_directory(request->named))
        use_folder(request);
    else if (is_yaml_name(request->named))
        use_section(request);
    else if (is_hdf5_name(request->named))
        use_hdf5(request);
    else
        use_idx(request);
}

/* Whether the file begins as IDX files do, packed or not. */
static bool looks_like_idx(const char *path)
{
    unsigned char bytes[2];
    FILE *file = is_file(path) ? fopen(path, "rbe") : NULL;
    bool found = file && fread(bytes, 1, sizeof bytes, file) == sizeof bytes &&
                 ((bytes[0] == 0 && bytes[1] == 0) || (bytes[0] == 0x1f && bytes[1] == 0x8b));
    if (file)
        fclose(file);
    return found;
}

static bool is_pair(const char *named)
{
    const char *comma = strrchr(named, ',');
    return comma && comma != named && comma[1] != '\0' && !is_file(named);
}

/* What can be said before anything is read. */
static enum status check_argument(const struct data_argument *argument, struct error *error)
{
    const char *named = argument->named;
    bool yaml = is_yaml_name(named), hdf5 = is_hdf5_name(named), file = is_file(named);
    if (ends_with(named, ".csv"))
        return error_set(error, STATUS_USAGE,
                         "--data=%s: CSV is not read; convert it first: tools/csv_to_hdf5.py %s %.*s.h5",
                         named, named, (int)strlen(named) - 4, named);
    if ((yaml || hdf5) && !file)
        return error_set(error, STATUS_NOT_FOUND, "--data: %s does not exist", named);
    if (is_directory(named) || yaml || hdf5 || is_pair(named))
        return STATUS_OK;
    if (!looks_like_idx(named))
        return error_set(
            error, file ? STATUS_USAGE : STATUS_NOT_FOUND,
            "--data=%s: expected a folder, a configuration with a dataset: section (FILE.yaml), an HDF5 file "
            "(FILE.h5), two IDX files (IMAGES,LABELS) or, for `runner predict`, one (IMAGES)",
            named);
    if (!argument->unanswered)
        return error_set(
            error, STATUS_USAGE,
            "--data=%s: images alone can be predicted, but not evaluated; name their labels too: "
            "--data=%s,LABELS",
            named, named);
    return STATUS_OK;
}

enum status data_argument_apply(const struct data_argument *argument, struct pool *pool,
                                struct dataset_plan *dataset, struct error *error)
{
    struct request request = {.argument = argument,
                              .named = argument->named,
                              .pool = pool,
                              .dataset = dataset,
                              .error = error,
                              .status = check_argument(argument, error)};
    if (request.status != STATUS_OK)
        return request.status;
    request.diagnostics = calloc(1, sizeof *request.diagnostics);
    if (!request.diagnostics)
        return error_set(error, STATUS_MEMORY, "out of memory");
    if (!pool_run(pool, apply, &request)) {
        request.status = error_set(error, STATUS_MEMORY, "out of memory");
    } else if (!request.done) {
        diagnostics_print(request.diagnostics, stderr);
        request.status =
            error_set(error, STATUS_CONFIG, "--data: the data set of %s cannot be used", argument->named);
    }
    free(request.diagnostics);
    return request.status;
}

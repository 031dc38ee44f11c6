/* A folder and a pair of files are the run's own section with other paths; a YAML file brings a section of
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
    const char *named;
    struct pool *pool;
    struct dataset_plan *dataset;
    struct diagnostics *diagnostics;
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
    unsetenv("RUNNER_DATASET_ROOT");
    request->done = true;
}

static void use_pair(struct request *request)
{
    struct dataset_plan *dataset = request->dataset;
    const char *comma = strrchr(request->named, ',');
    const char *images = pool_copy_bytes(request->pool, request->named, (size_t)(comma - request->named));
    dataset->format = DATASET_IDX;
    dataset->name = base_name(images);
    dataset->root = NULL;
    dataset->train_images = dataset->test_images = images;
    dataset->train_labels = dataset->test_labels = pool_copy(request->pool, comma + 1);
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
    struct plan_reading reading = {0};
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
    else if (ends_with(request->named, ".yaml") || ends_with(request->named, ".yml"))
        use_section(request);
    else if (is_hdf5_name(request->named))
        use_hdf5(request);
    else
        use_pair(request);
}

enum status data_argument_apply(const char *named, struct pool *pool, struct dataset_plan *dataset,
                                struct error *error)
{
    struct request request = {.named = named, .pool = pool, .dataset = dataset};
    bool yaml = ends_with(named, ".yaml") || ends_with(named, ".yml");
    if (ends_with(named, ".csv"))
        return error_set(error, STATUS_USAGE,
                         "--data=%s: CSV is not read; convert it first: tools/csv_to_hdf5.py %s %.*s.h5",
                         named, named, (int)strlen(named) - 4, named);
    if (!is_directory(named) && !yaml && !is_hdf5_name(named) && !strchr(named, ','))
        return error_set(
            error, is_file(named) ? STATUS_USAGE : STATUS_NOT_FOUND,
            "--data=%s: expected a folder, a configuration with a dataset: section (FILE.yaml), an HDF5 file "
            "(FILE.h5) or two IDX files (IMAGES,LABELS)",
            named);
    if ((yaml || is_hdf5_name(named)) && !is_file(named))
        return error_set(error, STATUS_NOT_FOUND, "--data: %s does not exist", named);
    request.diagnostics = calloc(1, sizeof *request.diagnostics);
    if (!request.diagnostics)
        return error_set(error, STATUS_MEMORY, "out of memory");
    enum status status = STATUS_OK;
    if (!pool_run(pool, apply, &request))
        status = error_set(error, STATUS_MEMORY, "out of memory");
    else if (!request.done) {
        diagnostics_print(request.diagnostics, stderr);
        status = error_set(error, STATUS_CONFIG, "--data: the data set of %s cannot be used", named);
    }
    free(request.diagnostics);
    return status;
}

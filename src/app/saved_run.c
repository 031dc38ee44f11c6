/* The resolved configuration in a run file has every setting, so it is read like any configuration, straight
 * from memory.
 *
 * Rejected: rebuilding the model from the tensors alone. They know neither activations nor strides. */
#include "app/saved_run.h"

#include "config/plan_reader.h"
#include "data/dataset.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const saved_weights_names[] = {[WEIGHTS_LAST] = "last", [WEIGHTS_BEST] = "best"};

enum status saved_run_path(const char *named, char path[PATH_SIZE], struct error *error)
{
    char directory[PATH_SIZE];
    if (strlen(named) < PATH_SIZE && is_file(named)) {
        strcpy(path, named);
        return STATUS_OK;
    }
    enum status status = results_find_run(named, directory, error);
    return status == STATUS_OK ? path_join(path, directory, "run.h5", error) : status;
}

struct plan_parsing {
    const char *yaml;
    struct pool *pool;
    struct plan *plan;
    struct diagnostics *diagnostics;
};

static void parse_plan(void *context)
{
    struct plan_parsing *parsing = context;
    static const char name[] = "the run's configuration";
    struct plan_reading reading = {0};
    struct node *root = yaml_parse(parsing->pool, name, parsing->yaml, strlen(parsing->yaml),
                                   (struct origin){name, 1, 1}, parsing->diagnostics);
    if (root && plan_read(parsing->pool, root, &reading, parsing->diagnostics))
        parsing->plan = reading.plan;
}

/* A model that was trained on measured inputs keeps their measure, whatever data it is shown later. */
static void keep_measure(const struct run_state *state, struct plan *plan)
{
    const struct named_tensor *mean = NULL, *std = NULL;
    for (size_t i = 0; i < state->tensor_count; i++) {
        const struct named_tensor *tensor = &state->tensors[i];
        if (tensor->type != TENSOR_FLOAT64 || tensor->rank != 1)
            continue;
        mean = strcmp(tensor->path, "/normalization/mean") == 0 ? tensor : mean;
        std = strcmp(tensor->path, "/normalization/std") == 0 ? tensor : std;
    }
    if (mean && std && mean->shape[0] == std->shape[0] && mean->shape[0] <= UINT16_MAX)
        plan->dataset.measured =
            (struct measured_normalization){(int)mean->shape[0], mean->values, std->values};
}

static enum status read_plan(struct saved_run *run, struct error *error)
{
    struct diagnostics *diagnostics = calloc(1, sizeof *diagnostics);
    struct plan_parsing parsing = {
        .yaml = run->record->identity.resolved_yaml, .pool = pool_create(0), .diagnostics = diagnostics};
    enum status status = STATUS_OK;
    run->pool = parsing.pool;
    if (!diagnostics || !parsing.pool || !pool_run(parsing.pool, parse_plan, &parsing))
        status = error_set(error, STATUS_MEMORY, "out of memory for the plan of %s", run->path);
    else if (!parsing.plan)
        status =
            error_set(error, STATUS_CONFIG, "%s: the configuration in it is not accepted by this program: %s",
                      run->path, diagnostics->errors[0].message);
    if (status == STATUS_OK)
        keep_measure(run->record->state, parsing.plan);
    run->plan = parsing.plan;
    free(diagnostics);
    return status;
}

enum status saved_run_open(const char *named, struct saved_run *run, struct error *error)
{
    *run = (struct saved_run){.record = NULL};
    enum status status = saved_run_path(named, run->path, error);
    if (status == STATUS_OK)
        status = run_file_load(run->path, &run->record, error);
    return status == STATUS_OK ? read_plan(run, error) : status;
}

void saved_run_close(struct saved_run *run)
{
    run_record_destroy(run->record);
    pool_destroy(run->pool);
    *run = (struct saved_run){.record = NULL};
}

enum status saved_run_check_data(const struct saved_run *run, struct error *error)
{
    static const char key[] = "\ndata=";
    char hex[DIGEST_HEX];
    const char *data = strstr(run->record->identity.canonical, key);
    enum status status = dataset_identify(&run->plan->dataset, hex, error);
    if (status == STATUS_OK && (!data || strncmp(data + sizeof key - 1, hex, DIGEST_HEX - 1) != 0))
        status = error_set(
            error, STATUS_DATA,
            "the data files here differ from those that %s was trained on; to use them all the same, "
            "name them with --data",
            run->path);
    return status;
}

bool saved_weights_parse(const char *word, enum saved_weights *weights)
{
    for (*weights = WEIGHTS_LAST; *weights <= WEIGHTS_BEST; (*weights)++)
        if (strcmp(word, saved_weights_names[*weights]) == 0)
            return true;
    return false;
}

const char *saved_run_weights(const struct saved_run *run, enum saved_weights weights, struct error *error)
{
    static const char best[] = "/checkpoint/best";
    const struct run_state *state = run->record->state;
    if (weights == WEIGHTS_LAST)
        return "/model";
    for (size_t i = 0; i < state->tensor_count; i++)
        if (strncmp(state->tensors[i].path, best, sizeof best - 1) == 0)
            return best;
    error_set(error, STATUS_NOT_FOUND, "%s has no best weights: %s; use --weights=last", run->path,
              run->plan->checkpoint.monitor ? "no epoch is done yet" : "its checkpoint.monitor is null");
    return NULL;
}

bool value_shape_parse(const char *word, struct value_shape *shape)
{
    int used = 0;
    *shape = (struct value_shape){.channels = 0, .height = 1, .width = 1};
    bool three = sscanf(word, "%dx%dx%d%n", &shape->channels, &shape->height, &shape->width, &used) == 3 &&
                 word[used] == '\0';
    if (!three) {
        *shape = (struct value_shape){.channels = 0, .height = 1, .width = 1, .flat = true};
        if (sscanf(word, "%d%n", &shape->channels, &used) != 1 || word[used] != '\0')
            shape->channels = 0;
    }
    return shape->channels >= 1 && shape->height >= 1 && shape->width >= 1;
}

bool saved_run_input_shape(const struct saved_run *run, struct value_shape *shape)
{
    const int *given = run->plan->dataset.shape;
    bool found = given[0] > 0;
    if (found)
        *shape = (struct value_shape){given[0], given[1] ? given[1] : 1, given[2] ? given[2] : 1, false};
    for (size_t i = 0; i < run->record->provenance_count && !found; i++)
        if (strcmp(run->record->provenance[i].key, "data.input_shape") == 0)
            found = value_shape_parse(run->record->provenance[i].value, shape);
    shape->flat = shape->height == 1 && shape->width == 1; /* as the trainer has it */
    return found;
}

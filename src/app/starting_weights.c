/* The file is read anew whenever a run starts, and its digest compared with the one in the run's id: what was
 * true when the grid was expanded may not be hours later, and a run must not be called by an id that its
 * weights do not have.
 *
 * Rejected: keeping the weights of all runs in memory from the beginning. A grid over many sources would hold
 * them all, and a resumed one would read what it does not need. */
#include "app/starting_weights.h"

#include "app/saved_run.h"
#include "nn/initial_weights.h"
#include "store/weights_file.h"
#include <string.h>

static enum status find_and_read(const char *named, struct run_state **weights, char hex[DIGEST_HEX],
                                 struct error *error)
{
    char path[PATH_SIZE];
    struct error problem = {0};
    enum status status = saved_run_path(named, path, &problem);
    if (status != STATUS_OK)
        return error_set(error, status, "there is no file %s, and as a run: %s", named, problem.message);
    if (!is_file(path))
        return error_set(error, STATUS_NOT_FOUND, "%s does not exist", path);
    status = weights_file_load(path, weights, error);
    if (status == STATUS_OK)
        status = weights_digest(*weights, hex, error);
    return status;
}

enum status starting_weights_identify(void *context, const struct model_plan *model, char hex[65],
                                      struct error *error)
{
    struct run_state *weights = NULL;
    (void)context;
    enum status status = find_and_read(model->initial_weights, &weights, hex, error);
    run_state_destroy(weights);
    return status;
}

static enum status read_expected(const struct model_plan *model, struct run_state **weights,
                                 struct error *error)
{
    char hex[DIGEST_HEX];
    struct error problem = {0};
    enum status status = find_and_read(model->initial_weights, weights, hex, &problem);
    if (status != STATUS_OK)
        return error_set_at(error, model->initial_origin, status, "model.initial_weights: %s",
                            problem.message);
    if (model->initial_sha256 && strcmp(model->initial_sha256, hex) != 0)
        return error_set_at(error, model->initial_origin, STATUS_CONFIG,
                            "model.initial_weights: the weights of %s have the SHA-256 %s, not %s",
                            model->initial_weights, hex, model->initial_sha256);
    return STATUS_OK;
}

enum status starting_weights_open(const struct model_plan *model, struct starting_weights *cache,
                                  struct error *error)
{
    bool is_there =
        !model->initial_weights || (cache->named && strcmp(cache->named, model->initial_weights) == 0);
    if (is_there)
        return STATUS_OK;
    starting_weights_release(cache);
    enum status status = read_expected(model, &cache->weights, error);
    if (status != STATUS_OK)
        starting_weights_release(cache);
    else
        cache->named = model->initial_weights;
    return status;
}

void starting_weights_release(struct starting_weights *cache)
{
    run_state_destroy(cache->weights);
    *cache = (struct starting_weights){0};
}

enum status starting_weights_check(const struct model_plan *model, const struct layer_summary *layers,
                                   struct starting_weights *cache, struct error *error)
{
    enum status status = starting_weights_open(model, cache, error);
    return status == STATUS_OK && model->initial_weights
               ? initial_weights_check(model, layers, cache->weights, error)
               : status;
}

enum status starting_weights_load(const struct plan *plan, struct trainer *trainer, struct error *error)
{
    struct starting_weights read = {0};
    enum status status = starting_weights_open(&plan->model, &read, error);
    if (status == STATUS_OK && plan->model.initial_weights)
        status = trainer_start_from(trainer, read.weights, error);
    starting_weights_release(&read);
    return status;
}

enum status starting_weights_take(const struct model_plan *plan, struct model *model, struct error *error)
{
    struct starting_weights read = {0};
    enum status status = starting_weights_open(plan, &read, error);
    if (status == STATUS_OK && plan->initial_weights)
        status = initial_weights_take(plan, read.weights, model, error);
    starting_weights_release(&read);
    return status;
}

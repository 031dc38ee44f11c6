/* A saved run, opened to be used: its record, and the plan that its own configuration gives.
 *
 * Needs neither the YAML file the run came from nor its data. Owner: the caller of saved_run_open, also after
 * a failure. */
#ifndef RUNNER_APP_SAVED_RUN_H
#define RUNNER_APP_SAVED_RUN_H

#include "app/results_folder.h"
#include "base/plan.h"
#include "config/pool.h"
#include "nn/model.h"
#include "store/run_file.h"

struct saved_run {
    char path[PATH_SIZE]; /* of the file that was read */
    struct run_record *record;
    struct pool *pool; /* where the plan lives */
    const struct plan *plan;
};

/* The file that a user may mean: a run file itself, its folder, or "<grid folder>/<name or beginning of an
 * id>". */
enum status saved_run_path(const char *named, char path[PATH_SIZE], struct error *error);

enum status saved_run_open(const char *named, struct saved_run *run, struct error *error);
void saved_run_close(struct saved_run *run);

/* STATUS_DATA unless the data that the plan names are those the run was trained on. */
enum status saved_run_check_data(const struct saved_run *run, struct error *error);

/* Which of its weights. */
enum saved_weights { WEIGHTS_LAST, WEIGHTS_BEST };
extern const char *const saved_weights_names[]; /* "last", "best" */

/* "last" or "best"; false for another word. */
bool saved_weights_parse(const char *word, enum saved_weights *weights);

/* Where the weights lie in the run's state ("/model"), or NULL: the run kept no best ones. */
const char *saved_run_weights(const struct saved_run *run, enum saved_weights weights, struct error *error);

/* "1x28x28", or "84" for a number of features; false for anything else. */
bool value_shape_parse(const char *word, struct value_shape *shape);

/* The shape of one input as the run's file or its configuration says it; false where neither does (files of
 * earlier versions, of data that have no name). */
bool saved_run_input_shape(const struct saved_run *run, struct value_shape *shape);

#endif

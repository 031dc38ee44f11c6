/* runner --dry-run: what the same command without it would do. Writes nothing. */
#ifndef RUNNER_APP_DRY_RUN_H
#define RUNNER_APP_DRY_RUN_H

#include "app/grid_work.h"
#include "app/model_check.h"

/* Prints the table of the chosen runs, the counts and an estimate of the time to stdout. work has its
 * selection made and its scheduler's options set; sizes are models_check's. */
enum status dry_run(const struct grid_work *work, const bool *chosen, const struct run_size *sizes,
                    struct error *error);

#endif

/* Where a result comes from: the program, the machine, the data, the command, the times. Stored in every run
 * file, apart from its digest.
 *
 * struct provenance is made once a process and read by all runs; a run's own entries are added per save. */
#ifndef RUNNER_APP_PROVENANCE_H
#define RUNNER_APP_PROVENANCE_H

#include "base/plan.h"
#include "data/dataset.h"
#include "store/run_file.h"
#include <stddef.h>

struct provenance;

/* instruction_set: the name of the kernels in use. NULL when out of memory. */
struct provenance *provenance_create(int argc, char **argv, const char *instruction_set);
void provenance_destroy(struct provenance *provenance);

/* What one run adds; the strings and the list that provenance_of_run returns are owned by it. */
struct run_provenance {
    char started[32], resumed[32], saved[32]; /* UTC; resumed is empty in a run's first session */
    char core_seconds[32];
    char input_shape[40];          /* of one image: "1x28x28" */
    char data[DATASET_FILES][128]; /* "<sha-256>  <file>" of the data files, empty where unknown */
    char data_keys[DATASET_FILES][32];
    struct provenance_entry entries[40];
    size_t count;
};

/* Fills run->entries from the process's entries and run's own fields. */
void provenance_fill(const struct provenance *provenance, struct run_provenance *run);

/* Sums of the data files into run->data; they were computed when the ids were, so this reads no file again.
 */
void provenance_add_data(const struct dataset_plan *dataset, struct run_provenance *run);

/* The shape of one input, without which a file of the weights does not tell what the model takes. */
void provenance_add_shape(struct image_shape shape, struct run_provenance *run);

#endif

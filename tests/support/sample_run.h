/* A made-up run of any length for tests of the store: every value is a function of its id and global step, so
 * that what was saved can be told from any other generation. */
#ifndef RUNNER_TESTS_SAMPLE_RUN_H
#define RUNNER_TESTS_SAMPLE_RUN_H

#include "base/random.h"
#include "store/run_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_STEPS = 4, SAMPLE_EPOCHS = 30, SAMPLE_WEIGHTS = 6 * 1 * 5 * 5 }; /* steps an epoch */

struct sample_run {
    struct run_record record;
    struct provenance_entry provenance[2];
    char canonical[64];
};

static inline void sample_out_of_memory(void)
{
    fputs("error: out of memory: a sample run\n", stderr);
    exit(10 + STATUS_MEMORY);
}

static inline void sample_tensor(struct named_tensor *tensor, const char *path, uint64_t step, uint32_t owner)
{
    static const size_t shape[4] = {6, 1, 5, 5};
    const struct random_source source = {.seed = step, .owner = owner};
    float *values = malloc(SAMPLE_WEIGHTS * sizeof *values);
    if (!values)
        sample_out_of_memory();
    for (uint32_t i = 0; i < SAMPLE_WEIGHTS; i++)
        values[i] = random_uniform(&source, i);
    snprintf(tensor->path, sizeof tensor->path, "%s", path);
    tensor->type = TENSOR_FLOAT32;
    tensor->rank = 4;
    memcpy(tensor->shape, shape, sizeof shape);
    tensor->values = values;
}

/* The run after `step` global steps; finished when `finished`. */
static inline struct sample_run *sample_run_create(const char *name, uint64_t step, int finished)
{
    struct sample_run *run = calloc(1, sizeof *run);
    struct run_state *state = run ? run_state_create(SAMPLE_EPOCHS, 3, NULL) : NULL;
    uint8_t hash[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    if (!run || !state)
        sample_out_of_memory();
    snprintf(run->canonical, sizeof run->canonical, "sample: %s\n", name);
    digest_bytes(run->canonical, strlen(run->canonical), hash);
    digest_to_hex(hash, hex);
    memcpy(run->record.identity.id, hex, 32);
    run->record.identity.grid = "sample";
    run->record.identity.variant = name;
    run->record.identity.name = "größe=1";
    run->record.identity.resolved_yaml = "# every setting\nseed: 1\n";
    run->record.identity.canonical = run->canonical;
    run->record.identity.numerics_version = 1;
    run->record.identity.seed = 1;
    run->provenance[0] = (struct provenance_entry){"compiler", "GCC 12.2.0"};
    run->provenance[1] = (struct provenance_entry){"started", "2024-05-01T12:00:00Z"};
    run->record.provenance = run->provenance;
    run->record.provenance_count = 2;
    run->record.state = state;
    state->status = finished ? RUN_FINISHED : RUN_STOPPED;
    state->position = (struct run_position){.epoch = (uint32_t)(step / SAMPLE_STEPS),
                                            .step = (uint32_t)(step % SAMPLE_STEPS),
                                            .global_step = step};
    state->parameter_count = SAMPLE_WEIGHTS;
    state->multiply_adds = 117600;
    state->epoch_loss_sum = (double)(step % SAMPLE_STEPS) * 1.5;
    state->core_seconds = 0.25 * (double)step;
    sample_tensor(&state->tensors[0], "/model/conv2d1/weight", step, 0);
    sample_tensor(&state->tensors[1], "/checkpoint/last/exp_avg/conv2d1/weight", step, 1);
    sample_tensor(&state->tensors[2], "/checkpoint/best/conv2d1/weight", step, 2);
    state->history.count = state->position.epoch;
    for (uint32_t row = 0; row < state->history.count; row++) {
        state->history.column[HISTORY_EPOCH][row] = row + 1;
        state->history.column[HISTORY_TRAIN_LOSS][row] = 2.0 / (row + 1);
        state->history.column[HISTORY_LEARNING_RATE][row] = 1e-3;
    }
    if (finished)
        state->final.test_accuracy = 0.902;
    return run;
}

static inline void sample_run_destroy(struct sample_run *run)
{
    run_state_destroy(run->record.state);
    free(run);
}

#endif

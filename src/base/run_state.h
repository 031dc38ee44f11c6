/* What a run is at one instant, in neutral values: train fills it, store saves it, neither knows the other.
 *
 * Owner: run_state_create's caller. Not shared between threads. */
#ifndef RUNNER_BASE_RUN_STATE_H
#define RUNNER_BASE_RUN_STATE_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum run_status {
    RUN_NEW,      /* never saved */
    RUN_STOPPED,  /* saved, may go on (also what a run under way looks like on disk) */
    RUN_FINISHED, /* all epochs done, final figures measured */
    RUN_DIVERGED, /* the loss or a parameter stopped being finite; the last finite state is kept */
    RUN_FAILED,   /* another error; `failure` says which */
};
const char *run_status_name(enum run_status status);

/* The next step to take: `step` batches of epoch `epoch` are done (both from 0); global_step counts all
 * batches ever. */
struct run_position {
    uint32_t epoch;
    uint32_t step;
    uint64_t global_step;
};

/* One row an epoch. Losses in nats an image, accuracies as fractions in [0, 1], NaN where not measured. */
enum history_column {
    HISTORY_EPOCH, /* 1 for the first */
    HISTORY_TRAIN_LOSS,
    HISTORY_TRAIN_ACCURACY, /* running over the epoch, in training mode */
    HISTORY_VALIDATION_LOSS,
    HISTORY_VALIDATION_ACCURACY,
    HISTORY_TEST_LOSS,
    HISTORY_TEST_ACCURACY,
    HISTORY_LEARNING_RATE, /* of the epoch's last step */
    HISTORY_COLUMNS,
};
extern const char *const history_column_names[HISTORY_COLUMNS]; /* "epoch", "train_loss", … */

struct history {
    uint32_t count;                  /* rows filled */
    uint32_t capacity;               /* rows there is room for: max_epochs */
    double *column[HISTORY_COLUMNS]; /* [capacity] each */
};

/* Measured in evaluation mode when the run ends, on the weights it ends with; NaN where not measured. */
struct run_final {
    double train_loss, train_accuracy;
    double validation_loss, validation_accuracy;
    double test_loss, test_accuracy;
    uint32_t best_epoch; /* epoch of the best monitored value, 0 where nothing is monitored */
    double best_value;
};

enum tensor_type { TENSOR_FLOAT32, TENSOR_FLOAT64, TENSOR_INT32, TENSOR_UINT16, TENSOR_UINT8 };
size_t tensor_type_size(enum tensor_type type);

/* A named array in common (PyTorch's) shape and row-major order, e.g. "/model/conv1/weight" [6][1][5][5]. */
struct named_tensor {
    char path[112]; /* absolute inside the file */
    enum tensor_type type;
    unsigned rank;
    size_t shape[4];
    void *values;
};
size_t named_tensor_count(const struct named_tensor *tensor); /* elements */

struct run_state {
    enum run_status status;
    char failure[256]; /* why, where status is RUN_DIVERGED or RUN_FAILED */
    struct run_position position;
    uint64_t parameter_count;
    uint64_t multiply_adds; /* of one image's forward pass */
    double epoch_loss_sum;  /* of the epoch under way: sum over images, in their order */
    uint64_t epoch_correct, epoch_images;
    double core_seconds; /* spent so far; provenance, not part of the digest */
    struct history history;
    struct run_final final;
    struct named_tensor *tensors; /* /model/…, /checkpoint/last/…, /checkpoint/best/…, /final/…,
                                     /normalization/… */
    char *class_names; /* "cat\ndog\n": one line a class, or NULL where the data set has none; malloc'ed */
    size_t tensor_count;
};

/* Room for `epochs` rows and `tensor_count` tensors (values NULL). */
struct run_state *run_state_create(uint32_t epochs, size_t tensor_count, struct error *error);
void run_state_destroy(struct run_state *state); /* and the tensors' values, which are malloc'ed one by one */
/* The name of a class, as bytes and their count; NULL where there is none. */
const char *run_state_class_name(const struct run_state *state, int which, size_t *length);
struct named_tensor *run_state_tensor(struct run_state *state, const char *path); /* NULL where absent */

#endif

/* The inside of struct trainer, shared by the files of src/train that step it, evaluate it and save it. */
#ifndef RUNNER_TRAIN_TRAINER_PRIVATE_H
#define RUNNER_TRAIN_TRAINER_PRIVATE_H

#include "nn/model.h"
#include "train/batch.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/prediction.h"
#include "train/regulariser.h"
#include "train/trainer.h"

/* What other threads may read while the leader works: each figure is whole, together they are approximate. */
struct progress_counters {
    _Atomic uint32_t epoch, step;
    _Atomic uint64_t global_step, images_done, epoch_correct, epoch_images;
    _Atomic double epoch_loss_sum;
};

/* The vectors of one instant: the model's parameters and statistics, and the optimiser's states. */
struct trainer_vectors {
    real *model;                    /* [model_state_size] */
    real *states[OPTIMIZER_STATES]; /* [model_parameter_size] each, NULL where the optimiser has none */
};

struct trainer {
    const struct plan *plan;
    const struct dataset *dataset;
    const struct kernels *kernels;
    struct model *model;
    const struct optimizer_type *optimizer;
    int state_count; /* of the optimiser */
    struct dataset_view views[DATASET_PARTS];
    struct image_shape shape;
    struct normalization normalization; /* the dataset's */
    struct load_shape load;
    uint32_t steps_per_epoch;
    uint32_t evaluation_batch; /* images of an evaluation step */

    struct arena arena;         /* all that follows by pointer */
    struct trainer_vectors now; /* now.model is the model's own vector */
    struct trainer_vectors
        good;              /* as the last epoch ended, or the run began: where divergence goes back to */
    real *best;            /* [model_state_size], NULL where nothing is monitored */
    uint32_t *order;       /* the epoch's permutation of the training images */
    float *scale, *offset; /* [channels], of load */
    struct batch batch;
    struct loss_part *parts;
    uint16_t *predictions;      /* of an evaluation step */
    uint16_t *test_predictions; /* [test images], NULL where the test set is never evaluated */
    uint16_t
        *test_labels; /* [test images], beside them, so that a reader of the file can tell which are right */
    float *test_numbers, *test_targets; /* [test images][outputs], of regression in their place */
    double mean_absolute_error[DATASET_PARTS], r_squared[DATASET_PARTS]; /* of regression, when a run ends */
    int32_t *test_confusion; /* [classes][classes]: rows are labels, columns predictions */
    struct regulariser regulariser;
    struct objective objective;
    double part_weights[DATASET_PARTS]; /* what a part's sum of losses is divided by */
    struct history history;

    bool order_is_drawn;
    uint32_t order_epoch;
    struct model_step step; /* the one under way */
    double step_lr;
    struct optimizer_step decaying_step, other_step; /* for parameters with and without weight decay */
    bool predicts;                                   /* the evaluation under way keeps its predictions */
    prediction_take *take;                           /* who looks on at the evaluation under way, or NULL */
    void *take_context;
    const real *logits;   /* of the evaluation step under way */
    struct error reading; /* why an evaluation could not go on; STATUS_OK where it was only stopped */

    enum run_status status;
    char failure[256];
    struct run_position position;
    double epoch_loss_sum;
    uint64_t epoch_correct, epoch_images;
    double core_seconds;
    double saved_at; /* monotonic seconds of the last event that asked for a save */
    struct run_final final;
    struct progress_counters progress;
};

/* False: the stop flag was seen and the pass is to be made again, or images could not be read
 * (trainer_reading). predictions[count of the part] may be NULL.
 * (evaluation.c) */
bool trainer_evaluate(struct trainer *trainer, struct team *team, const atomic_bool *stop,
                      enum dataset_part part, uint16_t *predictions, struct evaluation *evaluation);

/* After an evaluation that returned false: STATUS_OK where it was only stopped. (evaluation.c) */
enum status trainer_reading(const struct trainer *trainer, struct error *error);

/* The figures that a finished run ends with; false as above. (evaluation.c) */
bool trainer_measure_final(struct trainer *trainer, struct team *team, const atomic_bool *stop);

/* Adds the parts of one step in their order. Returns the sum of the losses. */
double trainer_sum_parts(const struct trainer *trainer, int images, uint64_t *correct);

/* Keeps the vectors of this instant as those that divergence goes back to. (trainer.c) */
void trainer_keep_good(struct trainer *trainer);

/* Copies position and sums to where other threads read them. (trainer.c) */
void trainer_publish(struct trainer *trainer, uint64_t images);

#endif

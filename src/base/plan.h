/* The plan of one run: every setting resolved, typed and checked. Immutable once config has made it.
 *
 * Plain values: config fills them from YAML through its one table of settings (src/config/settings.c, where
 * defaults, ranges and documentation live), grid hashes them, data, nn and train obey them. Strings and lists
 * belong to the plan. */
#ifndef RUNNER_BASE_PLAN_H
#define RUNNER_BASE_PLAN_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Layers, by the names of PyTorch's modules ("Conv2d"). */
enum layer_kind {
    LAYER_CONV2D,
    LAYER_LINEAR,
    LAYER_AVG_POOL2D,
    LAYER_MAX_POOL2D,
    LAYER_TANH,
    LAYER_RELU,
    LAYER_SIGMOID,
    LAYER_BATCH_NORM1D,
    LAYER_BATCH_NORM2D,
    LAYER_DROPOUT,
    LAYER_FLATTEN,
    LAYER_ADD,
    LAYER_ADAPTIVE_AVG_POOL2D,
    LAYER_GROUP_NORM,
    LAYER_LAYER_NORM,
    LAYER_LEAKY_RELU,
    LAYER_GELU,
    LAYER_SILU,
    LAYER_DROPOUT2D,
    LAYER_KINDS,
};

enum { LAYER_INPUTS = 2, LAYER_NAME = 48 };
enum { LAYER_INPUT_DATA = -1 }; /* the model's own input */

/* As layer_plan.padding, both: as many zeros as keep the image's size, the odd one below and on the right. */
enum { PADDING_SAME = -1 };

enum gelu_form { GELU_EXACT, GELU_TANH }; /* PyTorch's approximate: none, tanh */

/* One layer. Only the parameters of its kind mean anything; all have PyTorch's names and defaults. */
struct layer_plan {
    enum layer_kind kind;
    char name[LAYER_NAME]; /* unique in the model: given, or "conv2d1", "conv2d2", … */
    struct origin origin;  /* of the layer in its YAML file */
    int input_count;
    int inputs[LAYER_INPUTS]; /* index of the layer whose output is read, below this one's, or
                                 LAYER_INPUT_DATA */

    int out_channels;                          /* Conv2d */
    int kernel_size[2], stride[2], padding[2]; /* Conv2d and pools: height, width */
    int groups;                                /* Conv2d; 0 is 1 */
    int out_features;                          /* Linear */
    bool bias;                                 /* Conv2d, Linear */
    int output_size[2];                        /* AdaptiveAvgPool2d: height, width */
    double p;                   /* Dropout, Dropout2d: probability that a value, or a channel, is dropped */
    double eps, momentum;       /* norms; momentum of BatchNorm alone */
    int num_groups;             /* GroupNorm */
    double negative_slope;      /* LeakyReLU */
    enum gelu_form approximate; /* GELU */
};

/* Zeros above (dimension 0) or on the left (1), and below or on the right. */
static inline int layer_padding_before(const struct layer_plan *layer, int dimension)
{
    int padding = layer->padding[dimension];
    return padding == PADDING_SAME ? (layer->kernel_size[dimension] - 1) / 2 : padding;
}

static inline int layer_padding_after(const struct layer_plan *layer, int dimension)
{
    int padding = layer->padding[dimension];
    return padding == PADDING_SAME ? layer->kernel_size[dimension] / 2 : padding;
}

/* How convolutions are computed: roundings differ, so it belongs to a run's id. */
enum convolution { CONVOLUTION_DIRECT, CONVOLUTION_WINOGRAD };

struct model_plan {
    const char *name;
    struct layer_plan *layers; /* the output of the last one are the logits */
    int layer_count;
    enum convolution convolution; /* trainer.convolution */
    struct origin origin;

    const char *initial_weights;  /* run or safetensors file to start from, NULL: drawn at random */
    const char *initial_sha256;   /* digest of the weights in it, 64 hex digits; NULL: not looked at */
    const char *initial_except;   /* layers that stay drawn: as SETTING_NAMES, NULL for none */
    const char *freeze;           /* layers whose parameters stay as they start: as SETTING_NAMES */
    struct origin initial_origin; /* of initial_weights */
};

enum dataset_format {
    DATASET_IDX,
    DATASET_NONE, /* no data at all: the model is only looked at (`runner summary`) */
    DATASET_HDF5,
    DATASET_CIFAR10,
};

/* What a model is to learn: one of several classes, or numbers. */
enum dataset_task { TASK_CLASSIFICATION, TASK_REGRESSION };

/* One number for all channels (count 1), or one for each. */
enum { CHANNEL_VALUES = 16 };
struct channel_values {
    int count;
    double values[CHANNEL_VALUES]; /* 0 behind the last */
};

enum normalization_source { NORMALIZATION_GIVEN, NORMALIZATION_MEASURED };

/* What a run has measured of its training images: for a model that is looked at with other data. */
struct measured_normalization {
    int channels; /* 0 for none */
    const double *mean, *std;
};

struct dataset_plan {
    const char *name;
    enum dataset_format format;
    const char *root; /* folder; the environment variable RUNNER_DATASET_ROOT goes before it */
    const char *train_images, *test_images; /* IDX: file names below root */
    const char *train_labels, *test_labels; /* NULL: images alone, which need stand_in */
    const char *train_file, *test_file;     /* HDF5: below root */
    const char *train_group, *test_group;   /* HDF5: the group that holds a file's data sets */
    enum dataset_task task;
    int stand_in; /* where files have no answers (`runner predict`): numbers an image that zeros stand for,
                     1 for classes; 0: answers are needed */
    const char *sha256[6];   /* expected sums, NULL where none is given: of the four files, then of the two */
    int64_t validation_size; /* images taken from the training set, 0 for none */
    uint64_t split_seed;
    int64_t train_limit, test_limit; /* use only the first n images; 0 for all */
    enum normalization_source normalization;
    struct channel_values mean,
        std;        /* inputs become (pixel / 255 - mean) / std, floats (value - mean) / std */
    int64_t memory; /* MiB of images that are kept in memory, 0: half of the machine's */
    struct measured_normalization measured; /* of a saved run: used instead of measuring again */
    int shape[3]; /* of an input without data: channels, height, width, or features, 0, 0; 0, 0, 0: ask the
                     data */
    struct origin origin;
};

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_RMSPROP };
enum decay_of { DECAY_OF_ALL, DECAY_OF_WEIGHTS }; /* weights: neither biases nor the parameters of norms */

struct optimizer_plan {
    enum optimizer_kind kind;
    double lr, weight_decay;
    enum decay_of decay_of; /* what weight_decay and l1 apply to */
    double momentum;        /* SGD, RMSprop */
    bool nesterov;          /* SGD */
    double betas[2], eps;   /* Adam, AdamW; RMSprop has eps too */
    double alpha;           /* RMSprop */
    double l1;              /* times the sign of a parameter is added to its gradient */
    double max_norm;        /* of the weights that lead to one output, 0 for none */
};

enum scheduler_kind { SCHEDULER_CONSTANT, SCHEDULER_STEP, SCHEDULER_COSINE };

/* Learning rate by global step; docs/math.md has the formulas. */
struct scheduler_plan {
    enum scheduler_kind kind;
    double warmup_epochs; /* linear from 0 to lr */
    int step_size;        /* step: epochs between drops */
    double gamma;         /* step: factor of a drop */
    double min_lr;        /* cosine: where it ends */
};

/* One number for each class; plans that were read from the same list share it. */
enum { MOST_CLASSES = 65536 }; /* labels are 16 bits */
struct class_values {
    int count;
    const double *values; /* [count] */
    const char *text;     /* "[0.5, 1]": the shortest that reads back, so that equal texts are equal values */
};

struct loss_plan {
    double label_smoothing;
    const struct class_values *class_weights; /* NULL: all classes weigh alike */
    struct origin class_weights_origin;
};

/* Of training images only, in this order; drawn anew for every image and epoch. */
struct augmentation_plan {
    int shift;               /* up to this many pixels in each direction, zeros (raw pixel 0) move in */
    double horizontal_flip;  /* probability */
    double erasing;          /* probability that a rectangle becomes raw pixel 0 (Zhong et al. 2017) */
    double erasing_scale[2]; /* its part of the image's area: least, most */
    struct origin origin;    /* of the section, or of the file where there is none */
};

enum evaluate_test { EVALUATE_TEST_NEVER, EVALUATE_TEST_END, EVALUATE_TEST_EPOCH };

struct trainer_plan {
    int batch_size;
    int max_epochs;
    enum evaluate_test evaluate_test;
    double clip_norm, clip_value; /* of the gradient, 0 for none */
    int patience; /* epochs without a better checkpoint.monitor after which training ends, 0 for never */
};

struct checkpoint_plan {
    int every_epochs;     /* 1: after every epoch */
    double every_seconds; /* and within long ones; 0 for never */
    const char
        *monitor; /* "validation_loss", "validation_accuracy", "train_loss", or NULL: no best is kept */
};

struct plan {
    uint64_t seed;
    const char *reference_name; /* row of a reference table that this run answers to, or NULL */
    struct dataset_plan dataset;
    struct model_plan model;
    struct optimizer_plan optimizer;
    struct scheduler_plan scheduler;
    struct loss_plan loss;
    struct augmentation_plan augmentation;
    struct trainer_plan trainer;
    struct checkpoint_plan checkpoint;
};

#endif

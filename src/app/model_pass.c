/* One job for the scheduler, on all cores: a trainer that is given the saved weights and never trains.
 *
 * The trainer's plan is the run's but for the data and for what training alone needs (moments, the best so
 * far), which would only take memory. */
#include "app/model_pass.h"

#include "app/data_argument.h"
#include "app/kernel_choice.h"
#include "app/signals.h"
#include "base/text.h"
#include "sched/scheduler.h"
#include <stdlib.h>
#include <string.h>

const char *const dataset_part_names[DATASET_PARTS] = {
    [DATASET_TRAIN] = "train", [DATASET_VALIDATION] = "validation", [DATASET_TEST] = "test"};

static const struct argp_option options_table[] = {
    {"data", 'd', "DATA", 0,
     "Other data than the run's: a folder with the same file names, FILE.yaml with a dataset: section, "
     "FILE.h5, or two IDX files IMAGES,LABELS; predict takes IMAGES alone",
     1},
    {"part", 'p', "PART", 0, "Part of the data: test (the default), validation or train", 1},
    {"weights", 'w', "WHICH", 0, "Weights of the run: last (the default), or best by its checkpoint.monitor",
     1},
    {"threads", 't', "N", 0, "Threads (default: all cores; the result does not depend on it)", 1},
    {0},
};

static void read_part(struct argp_state *state, const char *word, enum dataset_part *part)
{
    for (int i = 0; i < DATASET_PARTS; i++) {
        if (strcmp(word, dataset_part_names[i]) == 0) {
            *part = (enum dataset_part)i;
            return;
        }
    }
    argp_error(state, "--part is test, validation or train, not '%s'", word);
}

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct model_pass_options *options = state->input;
    int64_t threads;
    switch (key) {
    case 'd':
        options->data = word;
        return 0;
    case 'p':
        read_part(state, word, &options->part);
        return 0;
    case 'w':
        if (!saved_weights_parse(word, &options->weights))
            argp_error(state, "--weights is last or best, not '%s'", word);
        return 0;
    case 't':
        if (!text_to_int64(word, &threads) || threads < 1 || threads > 4096)
            argp_error(state, "--threads needs a whole number from 1 to 4096, not '%s'", word);
        options->threads = (int)threads;
        return 0;
    case ARGP_KEY_ARG:
        if (options->run)
            argp_error(state, "one run at a time: '%s' comes after '%s'", word, options->run);
        options->run = word;
        return 0;
    case ARGP_KEY_END:
        if (!options->run)
            argp_error(state, "which run? Name its file or folder, or the grid's folder and the run: "
                              "results/all/baseline");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp model_pass_argp = {.options = options_table, .parser = read_option};

static void make_plan(struct model_pass *pass)
{
    pass->plan = *pass->run.plan;
    pass->plan.optimizer = (struct optimizer_plan){.kind = OPTIMIZER_SGD, .lr = 1.0};
    pass->plan.trainer.max_epochs = 1;
    pass->plan.trainer.evaluate_test = EVALUATE_TEST_NEVER;
    pass->plan.checkpoint.monitor = NULL;
}

/* The numbers that the model gives of an input, 0 where the run's file does not say how its input looks. */
static enum status count_outputs(const struct saved_run *run, int *outputs, struct error *error)
{
    const struct model_plan *model = &run->plan->model;
    struct value_shape input;
    *outputs = 0;
    if (!saved_run_input_shape(run, &input))
        return STATUS_OK;
    struct layer_summary *layers = calloc((size_t)model->layer_count + 1, sizeof *layers);
    if (!layers)
        return error_set(error, STATUS_MEMORY, "out of memory for a model's summary");
    enum status status = model_summarize(model, input, layers, error);
    if (status == STATUS_OK) {
        struct value_shape last = layers[model->layer_count - 1].output;
        *outputs = last.channels * last.height * last.width;
    }
    free(layers);
    return status;
}

static enum status allow_unanswered(struct model_pass *pass, struct error *error)
{
    pass->plan.dataset.stand_in = 1;
    return pass->plan.dataset.task == TASK_REGRESSION
               ? count_outputs(&pass->run, &pass->plan.dataset.stand_in, error)
               : STATUS_OK;
}

static enum status choose_data(const struct model_pass_options *options, struct model_pass *pass,
                               struct error *error)
{
    if (!options->data)
        return saved_run_check_data(&pass->run, error);
    struct data_argument argument = {options->data, options->part, options->unanswered};
    enum status status = data_argument_apply(&argument, pass->run.pool, &pass->plan.dataset, error);
    if (options->part == DATASET_TEST) /* nothing is held out of other data that are only looked at */
        pass->plan.dataset.validation_size = 0;
    return status == STATUS_OK && options->unanswered ? allow_unanswered(pass, error) : status;
}

static enum status open_data(const struct model_pass_options *options, struct model_pass *pass,
                             struct error *error)
{
    enum status status = dataset_open(&pass->plan.dataset, &pass->dataset, error);
    if (status != STATUS_OK)
        return status;
    pass->part = options->part;
    pass->images = dataset_view(pass->dataset, pass->part).count;
    if (pass->images == 0)
        return error_set(error, STATUS_DATA, "the %s part of %s has no images",
                         dataset_part_names[pass->part], pass->plan.dataset.name);
    return STATUS_OK;
}

enum status model_pass_open(const struct model_pass_options *options, struct model_pass *pass,
                            struct error *error)
{
    *pass = (struct model_pass){.dataset = NULL};
    enum status status = saved_run_open(options->run, &pass->run, error);
    if (status != STATUS_OK)
        return status;
    make_plan(pass);
    pass->weights = saved_run_weights(&pass->run, options->weights, error);
    if (!pass->weights)
        return error->code;
    status = choose_data(options, pass, error);
    return status == STATUS_OK ? open_data(options, pass, error) : status;
}

void model_pass_close(struct model_pass *pass)
{
    dataset_close(pass->dataset);
    saved_run_close(&pass->run);
}

struct pass_work {
    const struct model_pass *pass;
    prediction_take *take;
    void *context;
    struct evaluation *evaluation;
    struct error *error;
    enum status status;
};

/* A scheduler_job. */
static bool conduct(void *context, size_t job, struct team *team, const atomic_bool *stop)
{
    struct pass_work *work = context;
    const struct model_pass *pass = work->pass;
    struct trainer *trainer = NULL;
    const struct kernels *kernels = NULL;
    (void)job;
    kernel_choice_warn();
    work->status = kernel_choice(&kernels, work->error);
    if (work->status == STATUS_OK)
        work->status = trainer_create(&pass->plan, pass->dataset, kernels, &trainer, work->error);
    if (work->status == STATUS_OK)
        work->status = trainer_load_model(trainer, pass->run.record->state, pass->weights, work->error);
    if (work->status == STATUS_OK)
        work->status = trainer_predict(trainer, team, stop, pass->part, work->take, work->context,
                                       work->evaluation, work->error);
    trainer_destroy(trainer);
    return work->status == STATUS_OK;
}

enum status model_pass_run(const struct model_pass_options *options, struct model_pass *pass,
                           prediction_take *take, void *context, struct evaluation *evaluation,
                           struct error *error)
{
    struct pass_work work = {
        .pass = pass, .take = take, .context = context, .evaluation = evaluation, .error = error};
    struct scheduler_options scheduler = {
        .jobs = 1, .cores = options->threads, .elastic = true, .stop = signals_stop()};
    signals_install();
    struct scheduler_result result = scheduler_run(&scheduler, 1, conduct, &work);
    if (result.not_started > 0)
        return error_set(error, STATUS_STOPPED, "stopped by a signal");
    return work.status;
}

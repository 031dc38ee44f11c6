/* runner predict RUN: what the model says of every image, as CSV.
 *
 * Rows come in the order of the data set and are written as the pass goes on, so that a million images need
 * no more memory than one step. */
#include "app/command.h"
#include "app/exit_code.h"
#include "app/model_pass.h"
#include "base/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTION_LOGITS = 600 };

struct predict_options {
    struct model_pass_options pass;
    int top; /* 0: a column a class */
    bool logits;
};

static const struct argp_option options_table[] = {
    {"top", 'k', "K", 0, "Only the K most probable classes of each image, most probable first", 0},
    {"logits", OPTION_LOGITS, NULL, 0, "The scores before softmax instead of probabilities", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct predict_options *options = state->input;
    int64_t top;
    switch (key) {
    case 'k':
        if (!text_to_int64(word, &top) || top < 1 || top > MOST_CLASSES)
            argp_error(state, "--top needs a number of classes, at least 1, not '%s'", word);
        options->top = (int)top;
        return 0;
    case OPTION_LOGITS:
        options->logits = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->pass;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct predict_work {
    const struct predict_options *options;
    double *values; /* [classes], or [numbers] */
    int *classes;   /* [classes], ordered by value where --top asks for it */
    bool failed;    /* out of memory */
};

/* Of regression: what the data say, where they do, beside what the model says. */
static void write_number_header(const struct prediction_step *step)
{
    fputs("image", stdout);
    for (int k = 0; k < step->classes && step->targets; k++)
        printf(",target_%d", k);
    for (int k = 0; k < step->classes; k++)
        printf(",predicted_%d", k);
    putchar('\n');
}

static void write_numbers(struct predict_work *work, const struct prediction_step *step, int image)
{
    prediction_logits(step, image, work->values);
    printf("%u", (unsigned)step->first + (unsigned)image);
    for (int k = 0; k < step->classes && step->targets; k++)
        printf(",%.9g", (double)step->targets[(size_t)image * (size_t)step->classes + (size_t)k]);
    for (int k = 0; k < step->classes; k++)
        printf(",%.9g", work->values[k]);
    putchar('\n');
}

static void write_header(const struct predict_options *options, const struct prediction_step *step)
{
    const char *value = options->logits ? "logit" : "probability";
    int classes = step->classes, count = options->top ? options->top : classes;
    fputs(step->labels ? "image,label,predicted" : "image,predicted", stdout);
    for (int i = 0; i < count && i < classes; i++) {
        if (options->top)
            printf(",class_%d,%s_%d", i + 1, value, i + 1);
        else
            printf(",%s_%d", value, i);
    }
    putchar('\n');
}

/* The K largest first; of equals the lower class. */
static void order_top(const double *values, int *order, int classes, int top)
{
    for (int i = 0; i < classes; i++)
        order[i] = i;
    for (int i = 0; i < top && i < classes; i++) {
        int best = i;
        for (int k = i + 1; k < classes; k++)
            if (values[order[k]] > values[order[best]] ||
                (values[order[k]] == values[order[best]] && order[k] < order[best]))
                best = k;
        int chosen = order[best];
        order[best] = order[i];
        order[i] = chosen;
    }
}

static void write_row(struct predict_work *work, const struct prediction_step *step, int image)
{
    const struct predict_options *options = work->options;
    prediction_logits(step, image, work->values);
    if (!options->logits)
        prediction_softmax(work->values, step->classes);
    printf("%u,", (unsigned)step->first + (unsigned)image);
    if (step->labels)
        printf("%u,", (unsigned)step->labels[image]);
    printf("%u", (unsigned)step->predictions[image]);
    if (options->top) {
        order_top(work->values, work->classes, step->classes, options->top);
        for (int i = 0; i < options->top && i < step->classes; i++)
            printf(",%d,%.9g", work->classes[i], work->values[work->classes[i]]);
    } else {
        for (int c = 0; c < step->classes; c++)
            printf(",%.9g", work->values[c]);
    }
    putchar('\n');
}

/* A prediction_take. */
static void write_step(void *context, const struct prediction_step *step)
{
    struct predict_work *work = context;
    if (step->first == 0) {
        work->values = calloc((size_t)step->classes, sizeof *work->values);
        work->classes = calloc((size_t)step->classes, sizeof *work->classes);
        work->failed = !work->values || !work->classes;
        if (!work->failed && step->numbers)
            write_number_header(step);
        else if (!work->failed)
            write_header(work->options, step);
    }
    for (int i = 0; i < step->images && !work->failed; i++)
        (step->numbers ? write_numbers : write_row)(work, step, i);
}

int command_predict(int argc, char **argv)
{
    static const struct argp_child children[] = {{.argp = &model_pass_argp}, {0}};
    static const struct argp argp = {
        .options = options_table,
        .parser = read_option,
        .args_doc = "RUN",
        .children = children,
        .doc =
            "Prints a CSV line for every image: its number in the part, its label where the data have one, "
            "the "
            "predicted class, and the probability of each class; of regression its targets and the predicted "
            "numbers. RUN is a run file, its folder, or the grid's folder and the run's "
            "name or "
            "the beginning of its id (results/all/baseline).\v"
            "Exit codes: 0 done; 1 the run or the data cannot be used; 2 usage or configuration; 3 stopped.",
    };
    struct predict_options options = {.pass = MODEL_PASS_DEFAULTS};
    options.pass.unanswered = true;
    struct model_pass pass;
    struct evaluation evaluation;
    struct error error = {0};
    command_parse(&argp, argc, argv, &options);
    struct predict_work work = {.options = &options};
    enum status status = model_pass_open(&options.pass, &pass, &error);
    if (status == STATUS_OK && pass.run.plan->dataset.task == TASK_REGRESSION &&
        (options.top > 0 || options.logits))
        status =
            error_set(&error, STATUS_USAGE, "the run predicts numbers; --top and --logits are for classes");
    if (status == STATUS_OK)
        status = model_pass_run(&options.pass, &pass, write_step, &work, &evaluation, &error);
    if (status == STATUS_OK && work.failed)
        status = error_set(&error, STATUS_MEMORY, "out of memory for the scores of an image");
    if (status == STATUS_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = error_set_system(&error, errno, "cannot write the predictions");
    model_pass_close(&pass);
    free(work.values);
    free(work.classes);
    return status == STATUS_OK ? EXIT_DONE : command_fail(&error);
}

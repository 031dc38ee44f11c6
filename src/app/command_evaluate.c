/* runner evaluate RUN: how good a saved model is on a part of its data or on other data, class by class.
 *
 * Three forms of one set of figures: text for people, JSON and CSV for programs. */
#include "app/command.h"
#include "app/evaluated_numbers.h"
#include "app/events.h"
#include "app/exit_code.h"
#include "app/model_pass.h"
#include "train/confusion.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum form { FORM_TEXT, FORM_JSON, FORM_CSV };
static const char *const form_names[] = {[FORM_TEXT] = "text", [FORM_JSON] = "json", [FORM_CSV] = "csv"};
enum { FORMS = sizeof form_names / sizeof *form_names };

struct evaluate_options {
    struct model_pass_options pass;
    enum form form;
};

static const struct argp_option options_table[] = {
    {"format", 'f', "FORM", 0, "text (the default), json or csv", 0},
    {0},
};

static error_t read_option(int key, char *word, struct argp_state *state)
{
    struct evaluate_options *options = state->input;
    switch (key) {
    case 'f':
        for (int i = 0; i < FORMS; i++) {
            if (strcmp(word, form_names[i]) == 0) {
                options->form = (enum form)i;
                return 0;
            }
        }
        argp_error(state, "--format is text, json or csv, not '%s'", word);
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->pass;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the three forms print. */
struct evaluated {
    const struct evaluate_options *options;
    const struct model_pass *pass;
    struct evaluation evaluation;
    struct confusion confusion;
    struct evaluated_numbers numbers; /* of regression, in place of the confusion */
    struct error error;               /* of the counting */
};

/* A prediction_take. */
static void count_step(void *context, const struct prediction_step *step)
{
    struct evaluated *evaluated = context;
    if (step->numbers) {
        evaluated_numbers_add(&evaluated->numbers, step, &evaluated->error);
        return;
    }
    if (step->first == 0)
        confusion_create(step->classes, &evaluated->confusion, &evaluated->error);
    for (int i = 0; i < step->images && evaluated->confusion.counts; i++)
        confusion_add(&evaluated->confusion, step->labels[i], step->predictions[i]);
}

/* The name of a class, from the data or else from the run; empty where it has none. */
enum { CLASS_TEXT = 128 };
static const char *class_name(const struct evaluated *evaluated, int which, char text[CLASS_TEXT])
{
    size_t length = 0;
    const char *name = dataset_class_name(evaluated->pass->dataset, which);
    const char *saved = run_state_class_name(evaluated->pass->run.record->state, which, &length);
    snprintf(text, CLASS_TEXT, "%.*s", name ? CLASS_TEXT : (int)length, name ? name : saved ? saved : "");
    return text;
}

/* "0.9004", or "-" where there is none. */
enum { FIGURE = 24 };
static const char *figure(double value, char text[FIGURE])
{
    if (isnan(value))
        return "-";
    snprintf(text, FIGURE, "%.4f", value);
    return text;
}

static void print_classes(const struct evaluated *evaluated)
{
    char accuracy[FIGURE], precision[FIGURE], f1[FIGURE], name[CLASS_TEXT];
    printf("\n%6s %9s %9s %9s %9s %9s\n", "class", "images", "correct", "accuracy", "precision", "F1");
    for (int c = 0; c < evaluated->confusion.classes; c++) {
        struct class_figures of = confusion_class(&evaluated->confusion, c);
        class_name(evaluated, c, name);
        printf("%6d %9llu %9llu %9s %9s %9s%s%s\n", c, (unsigned long long)of.images,
               (unsigned long long)of.correct, figure(of.accuracy, accuracy), figure(of.precision, precision),
               figure(of.f1, f1), *name ? "  " : "", name);
    }
}

static int digits(uint64_t value)
{
    int count = 1;
    while (value >= 10) {
        value /= 10;
        count++;
    }
    return count;
}

static void print_confusion(const struct evaluated *evaluated)
{
    const struct confusion *confusion = &evaluated->confusion;
    char name[CLASS_TEXT];
    size_t classes = (size_t)confusion->classes;
    int width = digits((uint64_t)classes);
    for (size_t i = 0; i < classes * classes; i++)
        width = digits(confusion->counts[i]) > width ? digits(confusion->counts[i]) : width;
    printf("\nConfusion: a row a true class, a column a predicted one\n%6s", "");
    for (size_t c = 0; c < classes; c++)
        printf(" %*zu", width, c);
    putchar('\n');
    for (size_t label = 0; label < classes; label++) {
        printf("%6zu", label);
        for (size_t c = 0; c < classes; c++)
            printf(" %*llu", width, (unsigned long long)confusion->counts[label * classes + c]);
        class_name(evaluated, (int)label, name);
        printf("%s%s\n", *name ? "  " : "", name);
    }
}

static uint32_t epoch_of(const struct evaluated *evaluated)
{
    const struct run_state *state = evaluated->pass->run.record->state;
    return evaluated->options->pass.weights == WEIGHTS_BEST ? state->final.best_epoch : state->position.epoch;
}

static void print_about(const struct evaluated *evaluated)
{
    const struct model_pass *pass = evaluated->pass;
    printf("%s (%.8s), %s weights: epoch %u of %d\n", pass->run.record->identity.name,
           pass->run.record->identity.id, saved_weights_names[evaluated->options->pass.weights],
           (unsigned)epoch_of(evaluated), pass->run.plan->trainer.max_epochs);
    printf("%s, %s part: %u images\n\n", pass->plan.dataset.name, dataset_part_names[pass->part],
           (unsigned)pass->images);
}

static void print_text(const struct evaluated *evaluated)
{
    struct confusion_totals totals = confusion_totals(&evaluated->confusion);
    char f1[FIGURE];
    print_about(evaluated);
    printf("accuracy %9.4f  (%llu correct)\n", totals.accuracy, (unsigned long long)totals.correct);
    printf("loss     %9.4f\n", evaluated->evaluation.loss);
    printf("macro F1 %9s\n", figure(totals.macro_f1, f1));
    print_classes(evaluated);
    print_confusion(evaluated);
}

static json_t *classes_to_json(const struct evaluated *evaluated)
{
    const struct confusion *confusion = &evaluated->confusion;
    char name[CLASS_TEXT];
    json_t *classes = json_array();
    for (int c = 0; c < confusion->classes; c++) {
        struct class_figures of = confusion_class(confusion, c);
        json_array_append_new(classes, json_pack("{s:i, s:I, s:I, s:I, s:o, s:o, s:o}", "class", c, "images",
                                                 (json_int_t)of.images, "predicted", (json_int_t)of.predicted,
                                                 "correct", (json_int_t)of.correct, "accuracy",
                                                 json_number(of.accuracy), "precision",
                                                 json_number(of.precision), "f1", json_number(of.f1)));
        if (*class_name(evaluated, c, name))
            json_object_set_new(json_array_get(classes, (size_t)c), "name", json_string(name));
    }
    return classes;
}

static json_t *confusion_to_json(const struct confusion *confusion)
{
    json_t *rows = json_array();
    for (int label = 0; label < confusion->classes; label++) {
        json_t *row = json_array();
        for (int c = 0; c < confusion->classes; c++)
            json_array_append_new(
                row,
                json_integer(
                    (json_int_t)confusion->counts[(size_t)label * (size_t)confusion->classes + (size_t)c]));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* What is said of any evaluation. */
static json_t *about_to_json(const struct evaluated *evaluated)
{
    const struct model_pass *pass = evaluated->pass;
    const struct run_identity *identity = &pass->run.record->identity;
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:I}", "id", identity->id, "name", identity->name,
                     "file", pass->run.path, "weights", saved_weights_names[evaluated->options->pass.weights],
                     "epoch", (int)epoch_of(evaluated), "data", pass->plan.dataset.name, "part",
                     dataset_part_names[pass->part], "images", (json_int_t)pass->images);
}

static json_t *class_figures_to_json(const struct evaluated *evaluated)
{
    struct confusion_totals totals = confusion_totals(&evaluated->confusion);
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "correct", (json_int_t)totals.correct, "accuracy",
                     json_number(totals.accuracy), "loss", json_number(evaluated->evaluation.loss),
                     "macro_f1", json_number(totals.macro_f1), "classes", classes_to_json(evaluated),
                     "confusion", confusion_to_json(&evaluated->confusion));
}

static void print_json(const struct evaluated *evaluated)
{
    json_t *object = about_to_json(evaluated);
    json_t *figures = evaluated->numbers.outputs > 0
                          ? evaluated_numbers_json(&evaluated->numbers, &evaluated->evaluation)
                          : class_figures_to_json(evaluated);
    json_object_update(object, figures);
    json_decref(figures);
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(object);
}

static void print_csv_figure(double value)
{
    if (isnan(value))
        putchar(',');
    else
        printf(",%.17g", value);
}

static void print_csv_text(const char *text)
{
    fputs(",\"", stdout);
    for (; *text; text++)
        printf("%s%c", *text == '"' ? "\"" : "", *text);
    putchar('"');
}

/* A row a class, and one for all of them. */
static void print_csv(const struct evaluated *evaluated)
{
    const struct confusion *confusion = &evaluated->confusion;
    struct confusion_totals totals = confusion_totals(confusion);
    char name[CLASS_TEXT];
    bool named = *class_name(evaluated, 0, name) != '\0';
    fputs("class,images,correct,accuracy,precision,f1,loss", stdout);
    for (int c = 0; c < confusion->classes; c++)
        printf(",predicted_%d", c);
    fputs(named ? ",name" : "", stdout);
    for (int label = 0; label < confusion->classes; label++) {
        struct class_figures of = confusion_class(confusion, label);
        printf("\n%d,%llu,%llu", label, (unsigned long long)of.images, (unsigned long long)of.correct);
        print_csv_figure(of.accuracy);
        print_csv_figure(of.precision);
        print_csv_figure(of.f1);
        putchar(',');
        for (int c = 0; c < confusion->classes; c++)
            printf(",%llu", (unsigned long long)
                                confusion->counts[(size_t)label * (size_t)confusion->classes + (size_t)c]);
        if (named)
            print_csv_text(class_name(evaluated, label, name));
    }
    printf("\nall,%llu,%llu", (unsigned long long)totals.images, (unsigned long long)totals.correct);
    print_csv_figure(totals.accuracy);
    putchar(',');
    print_csv_figure(totals.macro_f1);
    print_csv_figure(evaluated->evaluation.loss);
    for (int c = 0; c < confusion->classes; c++)
        printf(",%llu", (unsigned long long)confusion_class(confusion, c).predicted);
    puts(named ? "," : "");
}

static enum status print_form(const struct evaluated *evaluated, struct error *error)
{
    static void (*const print[FORMS])(const struct evaluated *) = {
        [FORM_TEXT] = print_text, [FORM_JSON] = print_json, [FORM_CSV] = print_csv};
    bool numbers = evaluated->numbers.outputs > 0;
    if (numbers && evaluated->options->form == FORM_TEXT) {
        print_about(evaluated);
        evaluated_numbers_text(&evaluated->numbers, &evaluated->evaluation);
    } else if (numbers && evaluated->options->form == FORM_CSV) {
        evaluated_numbers_csv(&evaluated->numbers, &evaluated->evaluation);
    } else {
        print[evaluated->options->form](evaluated);
    }
    return fflush(stdout) == 0 && !ferror(stdout)
               ? STATUS_OK
               : error_set_system(error, errno, "cannot write the evaluation");
}

int command_evaluate(int argc, char **argv)
{
    static const struct argp_child children[] = {{.argp = &model_pass_argp}, {0}};
    static const struct argp argp = {
        .options = options_table,
        .parser = read_option,
        .args_doc = "RUN",
        .children = children,
        .doc =
            "Prints how good the model of a run is: accuracy, loss, macro F1, the figures of each class and "
            "the confusion matrix; of regression MSE, MAE and R2 of all and of each number. RUN is a run "
            "file, its folder, or the grid's folder and the run's name or the "
            "beginning of its id (results/all/baseline).\v"
            "Exit codes: 0 done; 1 the run or the data cannot be used; 2 usage or configuration; 3 stopped.",
    };
    struct evaluate_options options = {.pass = MODEL_PASS_DEFAULTS};
    struct model_pass pass;
    struct error error = {0};
    command_parse(&argp, argc, argv, &options);
    struct evaluated evaluated = {.options = &options, .pass = &pass};
    enum status status = model_pass_open(&options.pass, &pass, &error);
    if (status == STATUS_OK)
        status = model_pass_run(&options.pass, &pass, count_step, &evaluated, &evaluated.evaluation, &error);
    if (status == STATUS_OK && !evaluated.confusion.counts && evaluated.numbers.outputs == 0) {
        error = evaluated.error;
        status = error.code;
    }
    if (status == STATUS_OK)
        status = print_form(&evaluated, &error);
    confusion_release(&evaluated.confusion);
    evaluated_numbers_release(&evaluated.numbers);
    model_pass_close(&pass);
    return status == STATUS_OK ? EXIT_DONE : command_fail(&error);
}

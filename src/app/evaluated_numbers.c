/* One pass, so the spread of the targets comes from Welford's recurrence: a sum of squares less the square of
 * a sum would lose its digits where targets lie far from 0. */
#include "app/evaluated_numbers.h"

#include "app/events.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add_one(struct output_errors *errors, uint64_t images, double predicted, double target)
{
    double error = predicted - target, distance = target - errors->mean;
    errors->squares += error * error;
    errors->absolutes += fabs(error);
    errors->mean += distance / (double)images;
    errors->spread += distance * (target - errors->mean);
}

void evaluated_numbers_add(struct evaluated_numbers *numbers, const struct prediction_step *step,
                           struct error *error)
{
    size_t outputs = (size_t)step->classes;
    if (step->first == 0)
        numbers->errors = calloc(outputs, sizeof *numbers->errors);
    double *predicted = calloc(outputs, sizeof *predicted);
    if (!numbers->errors || !predicted) {
        error_set(error, STATUS_MEMORY, "out of memory for the errors of %zu numbers", outputs);
        free(predicted);
        return;
    }
    numbers->outputs = step->classes;
    for (int i = 0; i < step->images; i++) {
        numbers->images++;
        prediction_logits(step, i, predicted);
        for (size_t k = 0; k < outputs; k++)
            add_one(&numbers->errors[k], numbers->images, predicted[k],
                    (double)step->targets[(size_t)i * outputs + k]);
    }
    free(predicted);
}

void evaluated_numbers_release(struct evaluated_numbers *numbers)
{
    free(numbers->errors);
    *numbers = (struct evaluated_numbers){0};
}

struct figures {
    double mse, mae, r2;
};

static struct figures figures_of(const struct evaluated_numbers *numbers, int output)
{
    const struct output_errors *errors = &numbers->errors[output];
    double images = (double)numbers->images;
    return (struct figures){errors->squares / images, errors->absolutes / images,
                            errors->spread > 0.0 ? 1.0 - errors->squares / errors->spread : (double)NAN};
}

static struct figures figures_of_all(const struct evaluation *all)
{
    return (struct figures){all->loss, all->mean_absolute_error, all->r_squared};
}

static void print_row(const char *name, struct figures figures)
{
    printf("%6s %12.6g %12.6g ", name, figures.mse, figures.mae);
    if (isnan(figures.r2))
        printf("%9s\n", "-");
    else
        printf("%9.4f\n", figures.r2);
}

void evaluated_numbers_text(const struct evaluated_numbers *numbers, const struct evaluation *all)
{
    char name[24];
    printf("%6s %12s %12s %9s\n", "number", "MSE", "MAE", "R2");
    for (int k = 0; k < numbers->outputs; k++) {
        snprintf(name, sizeof name, "%d", k);
        print_row(name, figures_of(numbers, k));
    }
    print_row("all", figures_of_all(all));
}

static void print_csv_row(struct figures figures)
{
    printf(",%.17g,%.17g,", figures.mse, figures.mae);
    if (!isnan(figures.r2))
        printf("%.17g", figures.r2);
    putchar('\n');
}

void evaluated_numbers_csv(const struct evaluated_numbers *numbers, const struct evaluation *all)
{
    puts("number,mean_squared_error,mean_absolute_error,r_squared");
    for (int k = 0; k < numbers->outputs; k++) {
        printf("%d", k);
        print_csv_row(figures_of(numbers, k));
    }
    fputs("all", stdout);
    print_csv_row(figures_of_all(all));
}

static json_t *to_json(struct figures figures)
{
    return json_pack("{s:o, s:o, s:o}", "mean_squared_error", json_number(figures.mse), "mean_absolute_error",
                     json_number(figures.mae), "r_squared", json_number(figures.r2));
}

json_t *evaluated_numbers_json(const struct evaluated_numbers *numbers, const struct evaluation *all)
{
    json_t *object = to_json(figures_of_all(all)), *rows = json_array();
    for (int k = 0; k < numbers->outputs; k++) {
        json_t *row = to_json(figures_of(numbers, k));
        json_object_set_new(row, "number", json_integer(k));
        json_array_append_new(rows, row);
    }
    json_object_set_new(object, "numbers", rows);
    return object;
}

/* The bootstrap resamples images, keeping each one's answers by all seeds together: the difference an image
 * makes is its mean over seeds in one variant minus that in the other, and the interval is of the mean of
 * these. McNemar's test knows single models only; of the seeds that both variants have, the middle p is
 * given, which no lucky seed decides. */
#include "report/images.h"

#include "base/log.h"
#include "report/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 2000 };
static const uint64_t resampling_seed = 20170825;

/* right[i] for one run; false where it has no answers or another number of them. */
static bool read_run(struct pool *pool, const struct report_run *run, struct image_answers *answers)
{
    struct run_record *record = NULL;
    struct error error = {0};
    if (run_file_load(run->path, &record, &error) != STATUS_OK) {
        log_warning("%s is left out of the comparison over images: %s", run->name, error.message);
        return false;
    }
    const struct named_tensor *predictions = run_state_tensor(record->state, "/final/test_predictions");
    const struct named_tensor *labels = run_state_tensor(record->state, "/final/test_labels");
    bool usable = predictions != NULL && labels != NULL && predictions->type == TENSOR_UINT16 &&
                  labels->type == TENSOR_UINT16 && predictions->shape[0] == labels->shape[0] &&
                  (answers->runs == 0 || answers->images == labels->shape[0]);
    if (usable)
        answers->images = labels->shape[0];
    uint8_t *right = usable ? pool_take(pool, answers->images + 1, 1) : NULL;
    for (size_t i = 0; right != NULL && i < answers->images; i++)
        right[i] = ((const uint16_t *)predictions->values)[i] == ((const uint16_t *)labels->values)[i];
    run_record_destroy(record);
    if (right != NULL)
        answers->right[answers->runs] = right;
    return right != NULL;
}

enum status image_answers_read(struct pool *pool, const struct group *group, struct image_answers *answers,
                               struct error *error)
{
    *answers = (struct image_answers){.right = pool_take(pool, group->run_count + 1, sizeof *answers->right),
                                      .seeds = pool_take(pool, group->run_count + 1, sizeof *answers->seeds)};
    if (answers->right == NULL || answers->seeds == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while reading predictions");
    for (size_t i = 0; i < group->run_count; i++) {
        if (group->runs[i]->condition != CONDITION_FINISHED || !read_run(pool, group->runs[i], answers))
            continue;
        answers->seeds[answers->runs++] = run_key_value(pool, group->runs[i], "seed");
    }
    return STATUS_OK;
}

static double mean_right(const struct image_answers *answers, size_t image)
{
    double sum = 0;
    for (size_t run = 0; run < answers->runs; run++)
        sum += answers->right[run][image];
    return sum / (double)answers->runs;
}

static double mcnemar_of(const struct image_answers *first, size_t a, const struct image_answers *second,
                         size_t b)
{
    uint64_t only_first = 0, only_second = 0;
    for (size_t i = 0; i < first->images; i++) {
        only_first += first->right[a][i] && !second->right[b][i];
        only_second += !first->right[a][i] && second->right[b][i];
    }
    return mcnemar_test(only_first, only_second);
}

static int by_value(const void *first, const void *second)
{
    double a = *(const double *)first, b = *(const double *)second;
    return (a > b) - (a < b);
}

static double middle_mcnemar(struct pool *pool, const struct image_answers *first,
                             const struct image_answers *second)
{
    double *p = pool_take(pool, first->runs + 1, sizeof *p);
    size_t count = 0;
    for (size_t a = 0; p != NULL && a < first->runs; a++)
        for (size_t b = 0; b < second->runs; b++)
            if (strcmp(first->seeds[a], second->seeds[b]) == 0) {
                p[count++] = mcnemar_of(first, a, second, b);
                break;
            }
    if (count == 0)
        return NAN;
    qsort(p, count, sizeof *p, by_value);
    return p[count / 2];
}

struct image_comparison image_compare(struct pool *pool, const struct image_answers *first,
                                      const struct image_answers *second)
{
    struct image_comparison comparison = {NAN, NAN, NAN};
    if (first->runs == 0 || second->runs == 0 || first->images != second->images)
        return comparison;
    float *differences = pool_take(pool, first->images + 1, sizeof *differences);
    double *means = pool_take(pool, ROUNDS, sizeof *means);
    if (differences == NULL || means == NULL)
        return comparison;
    for (size_t i = 0; i < first->images; i++)
        differences[i] = (float)(100 * (mean_right(first, i) - mean_right(second, i)));
    struct bootstrap_interval interval =
        bootstrap_mean(differences, first->images, resampling_seed, ROUNDS, means);
    comparison = (struct image_comparison){interval.low, interval.high, middle_mcnemar(pool, first, second)};
    return comparison;
}

/* Pairs are runs with the same seed: they share initial weights and the order of the data, so that most of
 * what varies between seeds cancels in the difference. Where a group holds several runs of a seed (--by), the
 * k-th pairs with the k-th. Significance is decided by the paired t test after Holm; the signed-rank test
 * stands beside it because it assumes less, and a note says when there are too few pairs for it to decide
 * anything.
 *
 * Tests over seeds ask whether training again would show the difference; the interval over images asks
 * whether another test set would. Both are given, because the second does not shrink with more seeds. */
#include "report/comparison.h"

#include "report/images.h"
#include "report/statistics.h"

#include <math.h>
#include <string.h>

static const double level = 0.05;

struct comparison {
    struct paired_test test;
    double p_holm;
    struct image_comparison images;
};

static bool any_value(const struct grouping *grouping, enum metric metric, struct moment moment)
{
    for (size_t g = 0; g < grouping->group_count; g++)
        for (size_t i = 0; i < grouping->groups[g].run_count; i++)
            if (!isnan(metric_value(grouping->groups[g].runs[i], metric, moment)))
                return true;
    return false;
}

enum metric metric_to_compare(const struct grouping *grouping, struct moment moment)
{
    if (any_value(grouping, METRIC_TEST_ACCURACY, moment))
        return METRIC_TEST_ACCURACY;
    return any_value(grouping, METRIC_VALIDATION_ACCURACY, moment) ? METRIC_VALIDATION_ACCURACY
                                                                   : METRIC_TRAIN_ACCURACY;
}

enum status find_group(struct pool *pool, const struct grouping *grouping, const char *name, size_t *found,
                       struct error *error)
{
    size_t matches = 0;
    for (size_t g = 0; g < grouping->group_count; g++) {
        if (strcmp(grouping->groups[g].label, name) == 0) {
            *found = g;
            return STATUS_OK;
        }
        if (strcmp(grouping->groups[g].runs[0]->variant, name) == 0 && matches++ == 0)
            *found = g;
    }
    if (matches == 1)
        return STATUS_OK;
    const char *labels = "";
    for (size_t g = 0; g < grouping->group_count && strlen(labels) < 400; g++)
        labels = pool_format(pool, "%s%s'%s'", labels, g > 0 ? ", " : "", grouping->groups[g].label);
    return error_set(error, STATUS_USAGE,
                     matches > 1 ? "several rows belong to '%s'; name one of %s"
                                 : "no row is called '%s'; the rows are %s",
                     name, labels);
}

/* How many runs before place i have the same seed. */
static size_t occurrence(struct pool *pool, const struct group *group, size_t i, const char *seed)
{
    size_t count = 0;
    for (size_t k = 0; k < i; k++)
        count += strcmp(run_key_value(pool, group->runs[k], "seed"), seed) == 0;
    return count;
}

static const struct report_run *partner(struct pool *pool, const struct group *group, const char *seed,
                                        size_t nth)
{
    for (size_t i = 0; i < group->run_count; i++)
        if (strcmp(run_key_value(pool, group->runs[i], "seed"), seed) == 0 && nth-- == 0)
            return group->runs[i];
    return NULL;
}

static enum status compare_seeds(struct pool *pool, const struct group *group, const struct group *base,
                                 enum metric metric, struct moment moment, struct paired_test *test,
                                 struct error *error)
{
    double *values = pool_take(pool, 3 * group->run_count, sizeof *values);
    if (values == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while comparing");
    size_t pairs = 0;
    for (size_t i = 0; i < group->run_count; i++) {
        const char *seed = run_key_value(pool, group->runs[i], "seed");
        const struct report_run *other = partner(pool, base, seed, occurrence(pool, group, i, seed));
        if (other == NULL)
            continue;
        double a = metric_value(group->runs[i], metric, moment), b = metric_value(other, metric, moment);
        if (isnan(a) || isnan(b))
            continue;
        values[pairs] = a;
        values[group->run_count + pairs++] = b;
    }
    *test = paired_test(values, values + group->run_count, pairs, values + 2 * group->run_count);
    return STATUS_OK;
}

static void adjust(struct comparison *comparisons, size_t count, size_t base, double *p, size_t *order)
{
    for (size_t g = 0; g < count; g++)
        p[g] = g == base ? NAN : comparisons[g].test.p_t;
    holm_adjust(p, count, order);
    for (size_t g = 0; g < count; g++)
        comparisons[g].p_holm = p[g];
}

enum {
    DIFFERENCE,
    DIFFERENCE_INTERVAL,
    DIFFERENCE_LOW,
    DIFFERENCE_HIGH,
    PAIRS,
    P_T,
    P_RANK,
    P_HOLM,
    IMAGE_INTERVAL,
    IMAGE_LOW,
    IMAGE_HIGH,
    P_MCNEMAR,
    COMPARISON_COLUMNS
};

static const struct column column_table[COMPARISON_COLUMNS] = {
    [DIFFERENCE] = {"difference", "Difference", 2, false, true, FOR_ALL},
    [DIFFERENCE_INTERVAL] = {"difference.interval", "Difference 95% Interval", 2, true, true, FOR_PEOPLE},
    [DIFFERENCE_LOW] = {"difference.low", "Difference 95% Low", 2, false, true, FOR_MACHINES},
    [DIFFERENCE_HIGH] = {"difference.high", "Difference 95% High", 2, false, true, FOR_MACHINES},
    [PAIRS] = {"pairs", "Pairs", 0, false, true, FOR_ALL},
    [P_T] = {"p_t", "p (paired t)", 4, false, true, FOR_ALL},
    [P_RANK] = {"p_signed_rank", "p (signed rank)", 4, false, true, FOR_ALL},
    [P_HOLM] = {"p_holm", "p (t, Holm)", 4, false, true, FOR_ALL},
    [IMAGE_INTERVAL] = {"images.interval", "Difference 95% Interval over Images", 2, true, true, FOR_PEOPLE},
    [IMAGE_LOW] = {"images.low", "Difference 95% Low over Images", 2, false, true, FOR_MACHINES},
    [IMAGE_HIGH] = {"images.high", "Difference 95% High over Images", 2, false, true, FOR_MACHINES},
    [P_MCNEMAR] = {"p_mcnemar", "p (McNemar, median seed)", 4, false, true, FOR_ALL},
};

static const char *interval_text(struct pool *pool, double low, double high, int decimals)
{
    return isnan(low) ? "" : pool_format(pool, "[%+.*f, %+.*f]", decimals, low, decimals, high);
}

static struct cell cell_probability(double p)
{
    struct cell cell = cell_number(p);
    cell.is_probability = true;
    return cell;
}

static void fill_row(struct pool *pool, const struct comparison *comparison, int decimals, struct cell *cells)
{
    const struct paired_test *test = &comparison->test;
    const struct image_comparison *images = &comparison->images;
    cells[DIFFERENCE] = cell_number(test->difference);
    cells[DIFFERENCE].is_signed = true;
    if (!(comparison->p_holm < level))
        cells[DIFFERENCE].mark = "~";
    cells[DIFFERENCE_INTERVAL] = cell_text(interval_text(pool, test->low, test->high, decimals));
    cells[DIFFERENCE_LOW] = cell_number(test->low);
    cells[DIFFERENCE_HIGH] = cell_number(test->high);
    cells[PAIRS] = cell_number((double)test->n);
    cells[P_T] = cell_probability(test->p_t);
    cells[P_RANK] = cell_probability(test->p_rank);
    cells[P_HOLM] = cell_probability(comparison->p_holm);
    cells[IMAGE_INTERVAL] = cell_text(interval_text(pool, images->low, images->high, decimals));
    cells[IMAGE_LOW] = cell_number(images->low);
    cells[IMAGE_HIGH] = cell_number(images->high);
    cells[P_MCNEMAR] = cell_probability(images->p_mcnemar);
}

/* "batch_norm is better than baseline by 1.23 points (95 % interval 1.01 to 1.45, p = 0.0004 after Holm, 10
 * pairs)" */
static const char *sentence(struct pool *pool, const char *label, const char *base,
                            const struct comparison *comparison, const struct metric_definition *metric)
{
    const struct paired_test *test = &comparison->test;
    int decimals = metric->decimals;
    const char *unit = metric->scale == 100 ? " points" : "";
    if (test->n == 0)
        return pool_format(pool, "%s and %s share no finished seed, so they are not compared", label, base);
    if (test->n == 1)
        return pool_format(pool,
                           "%s and %s share one seed, with a difference of %+.*f%s; one pair decides nothing",
                           label, base, decimals, test->difference, unit);
    const char *detail = pool_format(pool, "95%% interval %+.*f to %+.*f, p = %.2g after Holm, %zu pairs",
                                     decimals, test->low, decimals, test->high, comparison->p_holm, test->n);
    if (!(comparison->p_holm < level))
        return pool_format(pool, "%s does not differ significantly from %s: %+.*f%s (%s)", label, base,
                           decimals, test->difference, unit, detail);
    bool better = test->difference * metric->better > 0;
    return pool_format(pool, "%s is %s than %s by %.*f%s (%s)", label, better ? "better" : "worse", base,
                       decimals, fabs(test->difference), unit, detail);
}

static size_t most_pairs(const struct comparison *comparisons, size_t count, size_t base)
{
    size_t most = 0;
    for (size_t g = 0; g < count; g++)
        if (g != base && comparisons[g].test.n > most)
            most = comparisons[g].test.n;
    return most;
}

static void write_notes(struct pool *pool, const struct grouping *grouping,
                        const struct comparison *comparisons, size_t base, enum metric metric,
                        const char **notes, size_t *count)
{
    const struct metric_definition *definition = &metric_definitions[metric];
    const char *base_label = grouping->groups[base].label;
    notes[(*count)++] = pool_format(pool,
                                    "Difference: %s minus that of %s, paired by seed; ~ where p (paired t, "
                                    "Holm over the rows) is not below %g",
                                    definition->title, base_label, level);
    for (size_t g = 0; g < grouping->group_count; g++)
        if (g != base)
            notes[(*count)++] =
                sentence(pool, grouping->groups[g].label, base_label, &comparisons[g], definition);
    size_t pairs = most_pairs(comparisons, grouping->group_count, base);
    if (pairs >= 2 && pairs < 6)
        notes[(*count)++] = pool_format(pool,
                                        "With %zu pairs the exact signed-rank test cannot fall below p = "
                                        "%.2g: run more seeds for it to decide",
                                        pairs, pow(2, 1.0 - (double)pairs));
}

static enum status lay_out(struct pool *pool, const struct grouping *grouping,
                           const struct comparison *comparisons, size_t base, enum metric metric,
                           struct extra_columns *extras, struct error *error)
{
    struct column *columns = pool_take(pool, COMPARISON_COLUMNS, sizeof *columns);
    struct cell *cells = pool_take(pool, grouping->group_count * COMPARISON_COLUMNS, sizeof *cells);
    const char **notes = pool_take(pool, grouping->group_count + 2, sizeof *notes);
    if (columns == NULL || cells == NULL || notes == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while comparing");
    memcpy(columns, column_table, sizeof column_table);
    columns[DIFFERENCE].decimals = metric_definitions[metric].decimals;
    bool any_images = false;
    for (size_t g = 0; g < grouping->group_count; g++) {
        if (g == base)
            continue;
        fill_row(pool, &comparisons[g], metric_definitions[metric].decimals, &cells[g * COMPARISON_COLUMNS]);
        any_images = any_images || !isnan(comparisons[g].images.low);
    }
    for (size_t c = IMAGE_INTERVAL; c <= P_MCNEMAR; c++)
        columns[c].shown = any_images;
    *extras = (struct extra_columns){
        .columns = columns, .cells = cells, .column_count = COMPARISON_COLUMNS, .notes = notes};
    write_notes(pool, grouping, comparisons, base, metric, notes, &extras->note_count);
    return STATUS_OK;
}

enum status compare_groups(struct pool *pool, const struct grouping *grouping, enum metric metric,
                           struct moment moment, const char *against, struct extra_columns *extras,
                           struct error *error)
{
    size_t base, count = grouping->group_count;
    enum status status = find_group(pool, grouping, against, &base, error);
    if (status != STATUS_OK)
        return status;
    struct comparison *comparisons = pool_take(pool, count, sizeof *comparisons);
    double *p = pool_take(pool, count, sizeof *p);
    size_t *order = pool_take(pool, count, sizeof *order);
    if (comparisons == NULL || p == NULL || order == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while comparing");
    for (size_t g = 0; g < count && status == STATUS_OK; g++)
        status = compare_seeds(pool, &grouping->groups[g], &grouping->groups[base], metric, moment,
                               &comparisons[g].test, error);
    adjust(comparisons, count, base, p, order);
    struct image_answers answers_of_base = {0};
    if (status == STATUS_OK && metric == METRIC_TEST_ACCURACY)
        status = image_answers_read(pool, &grouping->groups[base], &answers_of_base, error);
    for (size_t g = 0; g < count && status == STATUS_OK; g++) {
        struct image_answers answers = {0};
        if (metric == METRIC_TEST_ACCURACY && g != base)
            status = image_answers_read(pool, &grouping->groups[g], &answers, error);
        comparisons[g].images = image_compare(pool, &answers, &answers_of_base);
    }
    return status == STATUS_OK ? lay_out(pool, grouping, comparisons, base, metric, extras, error) : status;
}

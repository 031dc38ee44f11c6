/* Mean over seeds, all seeds or none: a group that lost its worst seed to a crash would win by it. Ties go to
 * the group that the config names first and to the earlier epoch, so that the choice is the same on every
 * machine.
 *
 * A chosen epoch becomes trainer.max_epochs: the first N epochs of a run are, bit for bit, the run of N
 * epochs, unless the learning rate follows max_epochs (cosine). Such a run stands for its last epoch alone;
 * choosing an earlier one would name a figure that no configuration gives. */
#include "report/selection.h"

#include "base/log.h"
#include "report/escape.h"
#include "report/statistics.h"

#include <math.h>
#include <string.h>

static enum status check_metric(const char *key, enum metric *metric, struct error *error)
{
    *metric = metric_find(key);
    if (*metric == METRICS || metric_definitions[*metric].better == 0)
        return error_set(
            error, STATUS_USAGE,
            "--select takes validation_accuracy, validation_loss, train_accuracy or train_loss, not '%s'",
            key);
    if (strncmp(key, "test_", 5) == 0)
        return error_set(
            error, STATUS_USAGE,
            "--select %s would choose by the test set, which then no longer tests anything; hold out "
            "images with dataset.validation_size and select by validation_accuracy",
            key);
    return STATUS_OK;
}

static bool better(const struct metric_definition *metric, const struct sample *a, const struct sample *b)
{
    return b->n == 0 || metric->better * a->mean > metric->better * b->mean;
}

/* What is chosen, and what it is chosen among. */
struct choice {
    size_t group;
    uint32_t epoch; /* 0: the end, as the configuration has it */
    struct sample sample;
    size_t candidates;
};

struct search {
    struct collection *collection;
    const struct grouping *grouping;
    enum metric metric;
    struct selection_options options;
    struct choice best;
};

/* Tries one group at one moment. *counted: runs of it that have the metric there. */
static enum status consider(struct search *search, size_t number, struct moment moment, size_t *counted,
                            struct error *error)
{
    const struct group *group = &search->grouping->groups[number];
    double *values = pool_take(&search->collection->pool, group->run_count, sizeof *values);
    if (values == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while selecting");
    *counted = group_values(group, search->metric, moment, values);
    if (*counted < group->run_count)
        return STATUS_OK;
    struct sample sample = sample_summarise(values, *counted);
    search->best.candidates++;
    if (better(&metric_definitions[search->metric], &sample, &search->best.sample)) {
        search->best.group = number;
        search->best.sample = sample;
        search->best.epoch = moment.kind == MOMENT_EPOCH ? moment.epoch : 0;
    }
    return STATUS_OK;
}

/* Epochs that all runs of the group reached; UINT32_MAX of none, 0 where one has not ended. */
static uint32_t common_epochs(const struct group *group)
{
    uint32_t epochs = UINT32_MAX;
    for (size_t i = 0; i < group->run_count; i++) {
        bool ended = group->runs[i]->condition == CONDITION_FINISHED;
        uint32_t count = ended ? group->runs[i]->summary.history.count : 0;
        epochs = count < epochs ? count : epochs;
    }
    return epochs;
}

/* Whether the learning rate of an epoch depends on how many there are. */
static bool follows_length(const char *yaml)
{
    return strstr(yaml, "\nscheduler:\n  name: cosine\n") != NULL;
}

/* The epochs that may be chosen of this group: each, or its configured last one. */
static enum status consider_epochs(struct search *search, size_t number, uint32_t first, uint32_t last,
                                   size_t *counted, struct error *error)
{
    const struct report_run *run = search->grouping->groups[number].runs[0];
    const char *yaml = report_run_configuration(search->collection, run, error);
    if (yaml == NULL)
        return error->code;
    if (follows_length(yaml) && first < run->summary.max_epochs) {
        if (last < run->summary.max_epochs)
            log_warning(
                "'%s' is passed over: its learning rate follows max_epochs, so that an earlier epoch is "
                "not a run of fewer epochs",
                search->grouping->groups[number].label);
        *counted = last < run->summary.max_epochs ? search->grouping->groups[number].run_count : *counted;
        first = run->summary.max_epochs;
    }
    enum status status = STATUS_OK;
    for (uint32_t epoch = first; epoch <= last && status == STATUS_OK; epoch++)
        status = consider(search, number, (struct moment){MOMENT_EPOCH, epoch}, counted, error);
    return status;
}

static enum status consider_group(struct search *search, size_t number, struct error *error)
{
    const struct group *group = &search->grouping->groups[number];
    const struct selection_options *options = &search->options;
    uint32_t last = options->any_epoch ? common_epochs(group) : options->moment.epoch;
    bool by_epoch = options->any_epoch || options->moment.kind == MOMENT_EPOCH;
    enum status status = STATUS_OK;
    size_t counted = 0;
    if (!by_epoch)
        status = consider(search, number, options->moment, &counted, error);
    else if (group->runs[0]->has_summary)
        status = consider_epochs(search, number, options->any_epoch ? 1 : last, last, &counted, error);
    if (status == STATUS_OK && counted < group->run_count && group->runs[0]->condition != CONDITION_ENDED)
        log_warning("'%s' is passed over: %zu of its %zu runs have no %s", group->label,
                    group->run_count - counted, group->run_count, metric_definitions[search->metric].key);
    return status;
}

static enum status find_winner(struct search *search, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t g = 0; g < search->grouping->group_count && status == STATUS_OK; g++)
        status = consider_group(search, g, error);
    if (status == STATUS_OK && search->best.sample.n == 0)
        return error_set(error, STATUS_NOT_FOUND, "no group has %s for every run; finish the grid first",
                         metric_definitions[search->metric].key);
    return status;
}

static void write_heading(const struct search *search, struct text *output)
{
    const struct choice *best = &search->best;
    const struct metric_definition *metric = &metric_definitions[search->metric];
    const struct group *group = &search->grouping->groups[best->group];
    text_append(output, "# Selected: ");
    escape_plain(output, group->label);
    text_format(output, "\n# By: mean %s over %zu runs, %.*f", metric->title, best->sample.n,
                metric->decimals + 2, best->sample.mean);
    if (best->sample.n > 1)
        text_format(output, " (standard deviation %.*f)", metric->decimals + 2, best->sample.deviation);
    text_format(output, ", best of %zu groups", search->grouping->group_count);
    if (search->options.any_epoch)
        text_format(output, " at %zu epochs in all", best->candidates);
    text_append(output, "\n");
    if (best->epoch > 0)
        text_format(output,
                    "# Epoch: %u; what follows trains that long, and repeats so many epochs of these runs\n",
                    best->epoch);
    for (size_t i = 0; i < group->run_count; i++)
        text_format(output, "# Run: %s content_sha256 %s\n", group->runs[i]->id,
                    group->runs[i]->summary.content_sha256);
}

/* The configuration, with max_epochs replaced where an epoch was chosen. */
static enum status write_configuration(const char *yaml, uint32_t epoch, struct text *output,
                                       struct error *error)
{
    static const char trainer[] = "\ntrainer:\n", key[] = "\n  max_epochs: ";
    const char *section = strstr(yaml, trainer), *place = section != NULL ? strstr(section, key) : NULL;
    if (epoch == 0) {
        text_append(output, yaml);
        return STATUS_OK;
    }
    if (place == NULL)
        return error_set(error, STATUS_DAMAGED, "the winning run's configuration names no max_epochs");
    text_format(output, "%.*s%s%u", (int)(place - yaml), yaml, key, epoch);
    text_append(output, strchr(place + 1, '\n'));
    return STATUS_OK;
}

/* The setting other than the seed by which two runs of the group differ, or NULL. */
static const char *other_difference(const struct group *group)
{
    const struct report_run *first = group->runs[0];
    for (size_t i = 1; i < group->run_count; i++)
        for (size_t k = 0; k < first->setting_count; k++) {
            const char *path = first->settings[k].path, *value = report_run_setting(group->runs[i], path);
            if (strcmp(path, "seed") != 0 && (value == NULL || strcmp(value, first->settings[k].value) != 0))
                return path;
        }
    return NULL;
}

/* All seeds of the group, so that the file gives all its runs again. */
static void write_seeds(const struct group *group, struct text *output)
{
    const char *difference = other_difference(group);
    if (difference != NULL)
        log_warning("the chosen runs differ in %s too; the configuration is that of the first of them",
                    difference);
    if (difference != NULL || group->run_count == 1)
        return;
    text_append(output, "sweep:\n  seed: [");
    for (size_t i = 0; i < group->run_count; i++)
        text_format(output, "%s%llu", i > 0 ? ", " : "", (unsigned long long)group->runs[i]->summary.seed);
    text_append(output, "]\n");
}

enum status select_setting(struct collection *collection, const struct grouping *grouping,
                           const char *metric_key, struct selection_options options, struct text *output,
                           struct error *error)
{
    struct search search = {.collection = collection, .grouping = grouping, .options = options};
    enum status status = check_metric(metric_key, &search.metric, error);
    if (status == STATUS_OK)
        status = find_winner(&search, error);
    if (status != STATUS_OK)
        return status;
    const struct group *winner = &grouping->groups[search.best.group];
    const char *yaml = report_run_configuration(collection, winner->runs[0], error);
    if (yaml == NULL)
        return error->code;
    write_heading(&search, output);
    status = write_configuration(yaml, search.best.epoch, output, error);
    if (status != STATUS_OK)
        return status;
    write_seeds(winner, output);
    return output->failed ? error_set(error, STATUS_MEMORY, "out of memory while writing the selection")
                          : STATUS_OK;
}

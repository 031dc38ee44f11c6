/* The join is by reference_name, which the config sets, and by nothing else: names of variants are ours to
 * choose, and a row that matched by accident would be a false claim about somebody's paper. Rows without a
 * match are named in a note. */
#include "report/reference.h"

#include "base/text.h"
#include "report/csv_read.h"
#include "report/statistics.h"

#include <math.h>
#include <string.h>

/* A column of the file that is a metric. */
struct published {
    enum metric metric;
    size_t field;
};

static enum metric metric_of_header(struct pool *pool, const char *header)
{
    static const char suffix[] = "_percent";
    size_t length = strlen(header), tail = sizeof suffix - 1;
    if (length > tail && strcmp(header + length - tail, suffix) == 0)
        header = pool_format(pool, "%.*s", (int)(length - tail), header);
    return metric_find(header);
}

static size_t find_metrics(struct pool *pool, const struct csv_record *header,
                           struct published published[METRICS])
{
    size_t count = 0;
    for (size_t field = 1; field < header->count && count < METRICS; field++) {
        enum metric metric = metric_of_header(pool, header->fields[field]);
        if (metric != METRICS)
            published[count++] = (struct published){metric, field};
    }
    return count;
}

static const struct csv_record *find_record(const struct csv *csv, const char *name)
{
    for (size_t i = 1; name != NULL && i < csv->count; i++)
        if (strcmp(csv->records[i].fields[0], name) == 0)
            return &csv->records[i];
    return NULL;
}

static double mean_of_group(struct pool *pool, const struct group *group, enum metric metric,
                            struct moment moment)
{
    double *values = pool_take(pool, group->run_count, sizeof *values);
    return values == NULL ? NAN : sample_summarise(values, group_values(group, metric, moment, values)).mean;
}

static enum status fill_group(struct pool *pool, const struct group *group, struct moment moment,
                              const struct csv_record *record, const struct published *published,
                              size_t count, const char *path, struct cell *cells, struct error *error)
{
    for (size_t k = 0; k < count; k++) {
        double theirs;
        const char *field = published[k].field < record->count ? record->fields[published[k].field] : "";
        if (*field == '\0')
            continue;
        if (!text_to_double(field, &theirs))
            return error_set(error, STATUS_DATA, "%s:%d: '%s' is not a number", path, record->line, field);
        cells[2 * k] = cell_number(theirs);
        cells[2 * k + 1] = cell_number(mean_of_group(pool, group, published[k].metric, moment) - theirs);
        cells[2 * k + 1].is_signed = true;
    }
    return STATUS_OK;
}

static void name_columns(struct pool *pool, const struct published *published, size_t count,
                         struct column *columns)
{
    for (size_t k = 0; k < count; k++) {
        const struct metric_definition *metric = &metric_definitions[published[k].metric];
        columns[2 * k] = (struct column){pool_format(pool, "reference.%s", metric->key),
                                         pool_format(pool, "Published %s", metric->title),
                                         metric->decimals,
                                         false,
                                         true,
                                         FOR_ALL};
        columns[2 * k + 1] = (struct column){pool_format(pool, "distance.%s", metric->key),
                                             pool_format(pool, "%s minus Published", metric->title),
                                             metric->decimals,
                                             false,
                                             true,
                                             FOR_ALL};
    }
}

static void note_unmatched(struct pool *pool, const struct csv *csv, const struct grouping *grouping,
                           struct extra_columns *extras, const char **notes)
{
    const char *names = "";
    for (size_t i = 1; i < csv->count; i++) {
        bool matched = false;
        for (size_t g = 0; g < grouping->group_count; g++)
            matched = matched || (grouping->groups[g].reference_name != NULL &&
                                  strcmp(grouping->groups[g].reference_name, csv->records[i].fields[0]) == 0);
        if (!matched)
            names = pool_format(pool, "%s%s%s", names, *names != '\0' ? ", " : "", csv->records[i].fields[0]);
    }
    if (*names != '\0')
        notes[extras->note_count++] =
            pool_format(pool, "Published, but no run has such a reference_name: %s", names);
    extras->notes = notes;
}

enum status reference_columns(struct pool *pool, const struct grouping *grouping, struct moment moment,
                              const char *path, struct extra_columns *extras, struct error *error)
{
    struct csv csv;
    struct published published[METRICS];
    enum status status = csv_read(pool, path, &csv, error);
    if (status != STATUS_OK)
        return status;
    size_t count = csv.count > 0 ? find_metrics(pool, &csv.records[0], published) : 0;
    if (count == 0)
        return error_set(
            error, STATUS_DATA,
            "%s:1: no column is a metric; the first line should read like model,test_accuracy_percent", path);
    struct column *columns = pool_take(pool, 2 * count, sizeof *columns);
    struct cell *cells = pool_take(pool, 2 * count * grouping->group_count, sizeof *cells);
    const char **notes = pool_take(pool, 1, sizeof *notes);
    if (columns == NULL || cells == NULL || notes == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while reading %s", path);
    name_columns(pool, published, count, columns);
    for (size_t g = 0; g < grouping->group_count && status == STATUS_OK; g++) {
        const struct csv_record *record = find_record(&csv, grouping->groups[g].reference_name);
        if (record != NULL)
            status = fill_group(pool, &grouping->groups[g], moment, record, published, count, path,
                                &cells[2 * count * g], error);
    }
    *extras = (struct extra_columns){.columns = columns, .cells = cells, .column_count = 2 * count};
    note_unmatched(pool, &csv, grouping, extras, notes);
    return status;
}

/* The table of runs as compound records, and their histories. Runs are sorted by id once to find those that
 * come twice: an id stands for a configuration, and a configuration for its bytes, so two finished copies
 * with different content mean that one of them was made by another program or on a broken machine, and a file
 * that mixed them would hide it. */
#include "report/merge.h"

#include "report/tables.h"
#include "store/merged_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct copy {
    const struct report_run *run;
    size_t place;
};

static int by_id(const void *first, const void *second)
{
    const struct copy *a = first, *b = second;
    int order = strcmp(a->run->id, b->run->id);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static int by_place(const void *first, const void *second)
{
    const struct copy *a = first, *b = second;
    return (a->place > b->place) - (a->place < b->place);
}

/* Finished goes before anything else; otherwise the one that is further. */
static bool is_ahead(const struct report_run *a, const struct report_run *b)
{
    bool a_finished = a->condition == CONDITION_FINISHED, b_finished = b->condition == CONDITION_FINISHED;
    if (a_finished != b_finished)
        return a_finished;
    return a->summary.position.global_step > b->summary.position.global_step;
}

static enum status check_same(const struct report_run *a, const struct report_run *b, struct error *error)
{
    if (a->condition != CONDITION_FINISHED || b->condition != CONDITION_FINISHED ||
        strcmp(a->summary.content_sha256, b->summary.content_sha256) == 0)
        return STATUS_OK;
    return error_set(
        error, STATUS_DAMAGED,
        "run %s ('%s') has different content in %s (%.12s…) and in %s (%.12s…); the same configuration must "
        "give the same bytes, so check both with runner verify and merge without the wrong one",
        a->id, a->name, a->path, a->summary.content_sha256, b->path, b->summary.content_sha256);
}

/* One of each id, in the order of the report. */
static enum status keep_one_copy(struct copy *copies, size_t *count, struct error *error)
{
    size_t kept = 0;
    qsort(copies, *count, sizeof *copies, by_id);
    for (size_t i = 0; i < *count; i++) {
        if (kept == 0 || strcmp(copies[kept - 1].run->id, copies[i].run->id) != 0) {
            copies[kept++] = copies[i];
            continue;
        }
        enum status status = check_same(copies[kept - 1].run, copies[i].run, error);
        if (status != STATUS_OK)
            return status;
        if (is_ahead(copies[i].run, copies[kept - 1].run))
            copies[kept - 1].run = copies[i].run;
    }
    qsort(copies, kept, sizeof *copies, by_place);
    *count = kept;
    return STATUS_OK;
}

static bool fill_column(struct pool *pool, const struct table *table, size_t index,
                        struct merged_column *column)
{
    const char **texts = pool_take(pool, table->row_count + 1, sizeof *texts);
    double *numbers = pool_take(pool, table->row_count + 1, sizeof *numbers);
    if (texts == NULL || numbers == NULL)
        return false;
    for (size_t row = 0; row < table->row_count; row++) {
        const struct cell *cell = table_cell(table, row, index);
        texts[row] = cell->kind == CELL_TEXT ? cell->text : "";
        numbers[row] = cell->kind == CELL_NUMBER ? cell->number : NAN;
    }
    bool is_text = table->columns[index].is_text;
    *column =
        (struct merged_column){table->columns[index].key, is_text ? texts : NULL, is_text ? NULL : numbers};
    return true;
}

enum status merge_write(struct pool *pool, const struct report_run *const *runs, size_t count,
                        struct moment moment, const char *path, struct error *error)
{
    struct copy *copies = pool_take(pool, count + 1, sizeof *copies);
    const struct report_run **kept = pool_take(pool, count + 1, sizeof *kept);
    const struct history **histories = pool_take(pool, count + 1, sizeof *histories);
    const char **ids = pool_take(pool, count + 1, sizeof *ids);
    if (copies == NULL || kept == NULL || histories == NULL || ids == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while merging");
    for (size_t i = 0; i < count; i++)
        copies[i] = (struct copy){runs[i], i};
    struct table table;
    enum status status = keep_one_copy(copies, &count, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        kept[i] = copies[i].run;
        ids[i] = kept[i]->id;
        histories[i] = kept[i]->has_summary ? &kept[i]->summary.history : NULL;
    }
    if (status == STATUS_OK)
        status = runs_table(pool, kept, count, moment, &table, error);
    if (status != STATUS_OK)
        return status;
    struct merged_column *columns = pool_take(pool, table.column_count, sizeof *columns);
    for (size_t c = 0; columns != NULL && c < table.column_count; c++)
        if (!fill_column(pool, &table, c, &columns[c]))
            columns = NULL;
    if (columns == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while merging");
    struct merged_runs merged = {count, columns, table.column_count, ids, histories};
    return merged_file_write(path, &merged, error);
}

/* Selecting and sorting work on the finished table by column keys, so that --columns and --sort know every
 * figure there is without asking where it came from. Sorting is stable: the order of the config decides
 * between equals. */
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cell *table_cell(const struct table *table, size_t row, size_t column)
{
    return &table->cells[row * table->column_count + column];
}

struct cell cell_text(const char *text)
{
    return (struct cell){.kind = CELL_TEXT, .text = text, .deviation = NAN};
}

struct cell cell_number(double number)
{
    return (struct cell){
        .kind = isnan(number) ? CELL_EMPTY : CELL_NUMBER, .number = number, .deviation = NAN};
}

static enum status find_column(struct pool *pool, const struct table *table, const char *key, size_t *found,
                               struct error *error)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strcmp(table->columns[i].key, key) == 0) {
            *found = i;
            return STATUS_OK;
        }
    const char **keys = pool_take(pool, table->column_count + 1, sizeof *keys);
    const char *nearest = NULL;
    for (size_t i = 0; keys != NULL && i < table->column_count; i++)
        keys[i] = table->columns[i].key;
    if (keys != NULL)
        nearest = text_nearest(key, keys, table->column_count);
    if (nearest != NULL)
        return error_set(error, STATUS_USAGE, "no column '%s'; did you mean '%s'?", key, nearest);
    const char *list = "";
    for (size_t i = 0; i < table->column_count && strlen(list) < 500; i++)
        list = pool_format(pool, "%s%s%s", list, i > 0 ? ", " : "", table->columns[i].key);
    return error_set(error, STATUS_USAGE, "no column '%s'; the columns are %s", key, list);
}

static bool shown_to(const struct column *column, bool for_people)
{
    return column->shown && column->audience != (for_people ? FOR_MACHINES : FOR_PEOPLE);
}

enum status table_select(struct pool *pool, struct table *table, const char *const *keys, size_t key_count,
                         bool for_people, struct error *error)
{
    size_t *chosen = pool_take(pool, table->column_count + key_count + 1, sizeof *chosen);
    if (chosen == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while laying out the table");
    size_t count = 0;
    for (size_t i = 0; keys != NULL && i < key_count; i++) {
        enum status status = find_column(pool, table, keys[i], &chosen[count++], error);
        if (status != STATUS_OK)
            return status;
    }
    for (size_t i = 0; keys == NULL && i < table->column_count; i++)
        if (shown_to(&table->columns[i], for_people))
            chosen[count++] = i;
    struct column *columns = pool_take(pool, count + 1, sizeof *columns);
    struct cell *cells = pool_take(pool, count * table->row_count + 1, sizeof *cells);
    if (columns == NULL || cells == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while laying out the table");
    for (size_t k = 0; k < count; k++) {
        columns[k] = table->columns[chosen[k]];
        for (size_t row = 0; row < table->row_count; row++)
            cells[row * count + k] = *table_cell(table, row, chosen[k]);
    }
    table->columns = columns;
    table->cells = cells;
    table->column_count = count;
    return STATUS_OK;
}

struct sort_row {
    struct cell cell;
    size_t row;
    int direction;
};

static int compare_cells(const struct cell *a, const struct cell *b)
{
    if (a->kind == CELL_NUMBER && b->kind == CELL_NUMBER)
        return (a->number > b->number) - (a->number < b->number);
    if (a->kind == CELL_TEXT && b->kind == CELL_TEXT) {
        double first, second;
        if (text_to_double(a->text, &first) && text_to_double(b->text, &second))
            return (first > second) - (first < second);
        return strcmp(a->text, b->text);
    }
    return 0;
}

static int by_cell(const void *first, const void *second)
{
    const struct sort_row *a = first, *b = second;
    bool a_empty = a->cell.kind == CELL_EMPTY, b_empty = b->cell.kind == CELL_EMPTY;
    int order = a_empty != b_empty ? a_empty - b_empty : a->direction * compare_cells(&a->cell, &b->cell);
    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

enum status table_sort(struct pool *pool, struct table *table, const char *key, struct error *error)
{
    size_t column;
    int direction = *key == '-' ? -1 : 1;
    enum status status = find_column(pool, table, key + (*key == '-'), &column, error);
    if (status != STATUS_OK)
        return status;
    struct sort_row *rows = pool_take(pool, table->row_count + 1, sizeof *rows);
    struct cell *cells = pool_take(pool, table->row_count * table->column_count + 1, sizeof *cells);
    if (rows == NULL || cells == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while sorting the table");
    for (size_t row = 0; row < table->row_count; row++)
        rows[row] = (struct sort_row){*table_cell(table, row, column), row, direction};
    qsort(rows, table->row_count, sizeof *rows, by_cell);
    for (size_t row = 0; row < table->row_count; row++)
        memcpy(&cells[row * table->column_count], table_cell(table, rows[row].row, 0),
               table->column_count * sizeof *cells);
    table->cells = cells;
    return STATUS_OK;
}

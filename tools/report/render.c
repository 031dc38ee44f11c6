/* One table, five looks. People's formats round to the column's decimals, join mean and deviation and mark
 * the best; machines get ten significant digits, enough for any figure measured and free of the noise of
 * fractions times 100.
 *
 * Markdown and terminal text are padded by display width, so that both read well unrendered. CSV is RFC 4180:
 * CRLF after every record, quotes doubled. LaTeX wants booktabs and a UTF-8 engine. */
#include "report/escape.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

bool table_format_is_for_people(enum table_format format)
{
    return format == TABLE_MARKDOWN || format == TABLE_LATEX || format == TABLE_TEXT;
}

static void append_exact(struct text *output, double number)
{
    if (isfinite(number))
        text_format(output, "%.10g", number);
}

/* How one format for people writes a cell. */
struct look {
    void (*escape)(struct text *output, const char *string);
    const char *plus_minus, *best_before, *best_after, *nothing;
};

static const struct look looks[TABLE_FORMATS] = {
    [TABLE_MARKDOWN] = {escape_markdown, " ± ", "**", "**", ""},
    [TABLE_LATEX] = {escape_latex, " $\\pm$ ", "\\textbf{", "}", "--"},
    [TABLE_TEXT] = {escape_plain, " ± ", "", " *", "-"},
};

static void append_rounded(struct text *output, const struct cell *cell, int decimals,
                           const struct look *look)
{
    double least = pow(10, -decimals);
    if (cell->is_probability && cell->number < least) {
        look->escape(output, "<");
        text_format(output, "%.*f", decimals, least);
        return;
    }
    text_format(output, cell->is_signed ? "%+.*f" : "%.*f", decimals, cell->number);
    if (!isnan(cell->deviation))
        text_format(output, "%s%.*f", look->plus_minus, decimals, cell->deviation);
    if (cell->mark != NULL) {
        text_append(output, " ");
        look->escape(output, cell->mark);
    }
}

static void append_look(struct text *output, const struct cell *cell, int decimals, const struct look *look)
{
    text_append(output, cell->best ? look->best_before : "");
    if (cell->kind == CELL_TEXT)
        look->escape(output, cell->text);
    else if (cell->kind == CELL_NUMBER && isfinite(cell->number))
        append_rounded(output, cell, decimals, look);
    else
        text_append(output, look->nothing);
    text_append(output, cell->best ? look->best_after : "");
}

static size_t display_width(const char *string)
{
    size_t width = 0;
    for (uint32_t point; (point = utf8_next(&string)) != 0;) {
        int columns = wcwidth((wchar_t)point);
        width += columns >= 0 ? (size_t)columns : 1;
    }
    return width;
}

static void append_spaces(struct text *output, size_t count)
{
    while (count-- > 0)
        text_append(output, " ");
}

/* Every cell written once, row 0 the titles, so that widths are known before the first line. */
struct written {
    struct text bytes;
    size_t *starts, *widths; /* [rows * columns], [columns] */
    struct pool pool;
};

static void write_cells(const struct table *table, enum table_format format, struct written *written)
{
    size_t columns = table->column_count, rows = table->row_count + 1;
    *written = (struct written){0};
    written->starts = pool_take(&written->pool, rows * columns + 1, sizeof *written->starts);
    written->widths = pool_take(&written->pool, columns + 1, sizeof *written->widths);
    for (size_t i = 0; i < rows * columns && !written->pool.failed; i++) {
        const struct column *column = &table->columns[i % columns];
        written->starts[i] = written->bytes.length;
        if (i < columns)
            looks[format].escape(&written->bytes, column->title);
        else
            append_look(&written->bytes, &table->cells[i - columns], column->decimals, &looks[format]);
        text_append_bytes(&written->bytes, "", 1);
        if (written->bytes.failed)
            return;
        size_t width = display_width(written->bytes.bytes + written->starts[i]);
        if (width > written->widths[i % columns])
            written->widths[i % columns] = width;
    }
}

static const char *written_cell(const struct written *written, size_t index, size_t *width)
{
    const char *cell = written->bytes.bytes + written->starts[index];
    *width = display_width(cell);
    return cell;
}

static bool written_release(struct written *written)
{
    bool failed = written->bytes.failed || written->pool.failed;
    text_release(&written->bytes);
    pool_release(&written->pool);
    return failed;
}

static void append_padded(const struct table *table, const struct written *written, size_t row, size_t column,
                          struct text *output, bool last)
{
    size_t width;
    const char *cell = written_cell(written, row * table->column_count + column, &width);
    size_t space = written->widths[column] - width;
    if (!table->columns[column].is_text)
        append_spaces(output, space);
    text_append(output, cell);
    if (table->columns[column].is_text && !last)
        append_spaces(output, space);
}

static void append_repeated(struct text *output, const char *piece, size_t count)
{
    while (count-- > 0)
        text_append(output, piece);
}

static void render_markdown(const struct table *table, const struct written *written, struct text *output)
{
    for (size_t row = 0; row <= table->row_count; row++) {
        for (size_t column = 0; column < table->column_count; column++) {
            text_append(output, column == 0 ? "| " : " | ");
            append_padded(table, written, row, column, output, false);
        }
        text_append(output, " |\n");
        for (size_t column = 0; row == 0 && column < table->column_count; column++) {
            text_append(output, table->columns[column].is_text ? "|:" : "|-");
            append_repeated(output, "-", written->widths[column]);
            text_append(output, table->columns[column].is_text ? "-" : ":");
        }
        text_append(output, row == 0 ? "|\n" : "");
    }
    for (size_t i = 0; i < table->note_count; i++) {
        text_append(output, i == 0 ? "\n- " : "- ");
        escape_markdown(output, table->notes[i]);
        text_append(output, "\n");
    }
}

static void render_text(const struct table *table, const struct written *written, struct text *output)
{
    for (size_t row = 0; row <= table->row_count; row++) {
        for (size_t column = 0; column < table->column_count; column++) {
            text_append(output, column == 0 ? "" : "  ");
            append_padded(table, written, row, column, output, column + 1 == table->column_count);
        }
        text_append(output, "\n");
        for (size_t column = 0; row == 0 && column < table->column_count; column++) {
            text_append(output, column == 0 ? "" : "  ");
            append_repeated(output, "─", written->widths[column]);
        }
        text_append(output, row == 0 ? "\n" : "");
    }
    for (size_t i = 0; i < table->note_count; i++) {
        text_append(output, i == 0 ? "\n" : "");
        escape_plain(output, table->notes[i]);
        text_append(output, "\n");
    }
}

static void render_latex(const struct table *table, const struct written *written, struct text *output)
{
    text_append(output, "% \\usepackage{booktabs}\n\\begin{tabular}{");
    for (size_t column = 0; column < table->column_count; column++)
        text_append(output, table->columns[column].is_text ? "l" : "r");
    text_append(output, "}\n\\toprule\n");
    for (size_t row = 0; row <= table->row_count; row++) {
        for (size_t column = 0; column < table->column_count; column++) {
            text_append(output, column == 0 ? "" : " & ");
            append_padded(table, written, row, column, output, false);
        }
        text_append(output, row == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
    }
    text_append(output, "\\bottomrule\n\\end{tabular}\n");
    for (size_t i = 0; i < table->note_count; i++) {
        text_append(output, "% ");
        escape_plain(output, table->notes[i]);
        text_append(output, "\n");
    }
}

static void render_csv(const struct table *table, struct text *output)
{
    for (size_t column = 0; column < table->column_count; column++) {
        text_append(output, column == 0 ? "" : ",");
        escape_csv(output, table->columns[column].title);
    }
    text_append(output, "\r\n");
    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        const struct cell *cell = &table->cells[i];
        text_append(output, i % table->column_count == 0 ? "" : ",");
        if (cell->kind == CELL_TEXT)
            escape_csv(output, cell->text);
        else if (cell->kind == CELL_NUMBER)
            append_exact(output, cell->number);
        text_append(output, (i + 1) % table->column_count == 0 ? "\r\n" : "");
    }
}

static void append_json_cell(struct text *output, const struct cell *cell)
{
    if (cell->kind == CELL_TEXT)
        escape_json(output, cell->text);
    else if (cell->kind == CELL_NUMBER && isfinite(cell->number))
        append_exact(output, cell->number);
    else
        text_append(output, "null");
}

static void render_json(const struct table *table, struct text *output)
{
    text_append(output, "{\"rows\": [");
    for (size_t row = 0; row < table->row_count; row++) {
        text_append(output, row == 0 ? "\n  {" : ",\n  {");
        for (size_t column = 0; column < table->column_count; column++) {
            text_append(output, column == 0 ? "" : ", ");
            escape_json(output, table->columns[column].key);
            text_append(output, ": ");
            append_json_cell(output, table_cell(table, row, column));
        }
        text_append(output, "}");
    }
    text_append(output, "\n], \"notes\": [");
    for (size_t i = 0; i < table->note_count; i++) {
        text_append(output, i == 0 ? "\n  " : ",\n  ");
        escape_json(output, table->notes[i]);
    }
    text_append(output, "\n]}\n");
}

void table_render(const struct table *table, enum table_format format, struct text *output)
{
    if (format == TABLE_CSV) {
        render_csv(table, output);
        return;
    }
    if (format == TABLE_JSON) {
        render_json(table, output);
        return;
    }
    struct written written;
    write_cells(table, format, &written);
    if (!written.bytes.failed && !written.pool.failed) {
        if (format == TABLE_MARKDOWN)
            render_markdown(table, &written, output);
        else if (format == TABLE_LATEX)
            render_latex(table, &written, output);
        else
            render_text(table, &written, output);
    }
    if (written_release(&written))
        output->failed = true;
}

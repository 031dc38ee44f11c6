/* A fixed list of mistakes.
 *
 * The line that a mistake stands in is copied when the mistake is found: the file may be gone or changed when
 * it is printed. Expansion meets the same mistake of a shared file in every run, hence the check for
 * repetitions. */
#include "config/diagnostics.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

const char command_line_origin[] = "command line";

void diagnostics_init(struct diagnostics *diagnostics)
{
    memset(diagnostics, 0, sizeof *diagnostics);
}

static void copy_string(char *target, size_t size, const char *source, size_t length)
{
    size_t count = length < size - 1 ? length : size - 1;
    memcpy(target, source, count);
    target[count] = 0;
}

/* Line `number` of the file without its end, "" where there is none. */
static void read_line(const char *path, int number, char line[DIAGNOSTICS_LINE])
{
    line[0] = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    int byte = 0;
    for (int current = 1; current < number && byte != EOF;) {
        byte = getc(file);
        current += byte == '\n';
    }
    size_t length = 0;
    while ((byte = getc(file)) != EOF && byte != '\n' && byte != '\r' && byte != 0 &&
           length < DIAGNOSTICS_LINE - 1)
        line[length++] = (char)byte;
    line[length] = 0;
    fclose(file);
}

static void copy_line(const struct diagnostics *diagnostics, struct origin origin,
                      char line[DIAGNOSTICS_LINE])
{
    line[0] = 0;
    if (!origin.file || origin.line < 1)
        return;
    if (strcmp(origin.file, command_line_origin) != 0)
        read_line(origin.file, origin.line, line);
    else if ((size_t)origin.line <= diagnostics->argument_count)
        copy_string(line, DIAGNOSTICS_LINE, diagnostics->arguments[origin.line - 1],
                    strcspn(diagnostics->arguments[origin.line - 1], "\r\n"));
}

static bool is_known(const struct diagnostics *diagnostics, const struct error *error)
{
    for (int i = 0; i < diagnostics->count; i++) {
        const struct error *known = &diagnostics->errors[i];
        if (known->origin.line == error->origin.line && known->origin.column == error->origin.column &&
            strcmp(known->message, error->message) == 0 &&
            strcmp(diagnostics->files[i], error->origin.file ? error->origin.file : "") == 0)
            return true;
    }
    return false;
}

void diagnostics_add(struct diagnostics *diagnostics, struct origin origin, const char *format, ...)
{
    struct error error = {.code = STATUS_CONFIG, .origin = origin};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    diagnostics->attempts++;
    if (is_known(diagnostics, &error))
        return;
    diagnostics->total++;
    if (diagnostics->count == DIAGNOSTICS_LIMIT)
        return;
    int i = diagnostics->count++;
    const char *file = origin.file ? origin.file : "";
    copy_string(diagnostics->files[i], sizeof diagnostics->files[i], file, strlen(file));
    copy_line(diagnostics, origin, diagnostics->lines[i]);
    if (origin.file)
        error.origin.file = diagnostics->files[i];
    diagnostics->errors[i] = error;
}

static int file_rank(const struct diagnostics *diagnostics, int i)
{
    int rank = 0;
    while (strcmp(diagnostics->files[rank], diagnostics->files[i]) != 0)
        rank++;
    return rank;
}

static bool is_before(const struct diagnostics *diagnostics, const int *rank, int a, int b)
{
    const struct origin *first = &diagnostics->errors[a].origin, *second = &diagnostics->errors[b].origin;
    if (rank[a] != rank[b])
        return rank[a] < rank[b];
    return first->line != second->line ? first->line < second->line : first->column < second->column;
}

void diagnostics_sort(struct diagnostics *diagnostics)
{
    int rank[DIAGNOSTICS_LIMIT], order[DIAGNOSTICS_LIMIT];
    static_assert(sizeof *diagnostics < 65536, "a copy stands on the stack");
    const struct diagnostics unsorted = *diagnostics;
    for (int i = 0; i < unsorted.count; i++)
        rank[i] = file_rank(&unsorted, i);
    for (int i = 0; i < unsorted.count; i++) { /* insertion: stable, and there are at most twenty */
        int at = i;
        for (; at > 0 && is_before(&unsorted, rank, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int i = 0; i < unsorted.count; i++) {
        diagnostics->errors[i] = unsorted.errors[order[i]];
        memcpy(diagnostics->files[i], unsorted.files[order[i]], sizeof diagnostics->files[i]);
        memcpy(diagnostics->lines[i], unsorted.lines[order[i]], sizeof diagnostics->lines[i]);
        if (diagnostics->errors[i].origin.file)
            diagnostics->errors[i].origin.file = diagnostics->files[i];
    }
}

/* "   14 |   lr: abc" and a caret below the column, which counts characters, not bytes. */
static void print_line(const char *line, struct origin origin, FILE *out)
{
    fprintf(out, "%5d | %s\n      | ", origin.line, line);
    int column = 1;
    for (const unsigned char *byte = (const unsigned char *)line; *byte && column < origin.column; byte++) {
        if ((byte[1] & 0xc0) != 0x80) {
            putc(*byte == '\t' ? '\t' : ' ', out);
            column++;
        }
    }
    fputs("^\n", out);
}

void diagnostics_print(const struct diagnostics *diagnostics, FILE *out)
{
    char buffer[sizeof(struct error) + 512];
    for (int i = 0; i < diagnostics->count; i++) {
        struct error error = diagnostics->errors[i];
        if (error.origin.file) /* the value may have been copied since */
            error.origin.file = diagnostics->files[i];
        fprintf(out, "%s\n", error_format(&error, buffer, sizeof buffer));
        if (diagnostics->lines[i][0] && error.origin.column > 0)
            print_line(diagnostics->lines[i], error.origin, out);
    }
    if (diagnostics->total > diagnostics->count)
        fprintf(out, "and %d more mistakes\n", diagnostics->total - diagnostics->count);
}

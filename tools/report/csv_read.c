/* One pass over the bytes with the current field as a growing text. A quote that never closes is an error
 * with its line; everything else that RFC 4180 leaves open is taken as it stands. */
#include "report/csv_read.h"

#include "base/atomic_file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20 };

struct reader {
    struct pool *pool;
    const char *place;
    int line;
    size_t capacity;
};

/* One field; leaves place at the comma, line end or end of the file that follows it. */
static bool read_field(struct reader *reader, struct text *field)
{
    bool quoted = *reader->place == '"';
    reader->place += quoted;
    for (; *reader->place != '\0'; reader->place++) {
        char byte = *reader->place;
        if (quoted && byte == '"') {
            if (reader->place[1] != '"') {
                reader->place++;
                return true;
            }
            reader->place++;
        } else if (!quoted && (byte == ',' || byte == '\n' || byte == '\r')) {
            return true;
        }
        reader->line += byte == '\n';
        text_append_bytes(field, &byte, 1);
    }
    return !quoted;
}

static bool append_field(struct pool *pool, struct csv_record *record, const char *value)
{
    const char **fields = pool_take(pool, record->count + 1, sizeof *fields);
    if (fields == NULL)
        return false;
    if (record->count > 0)
        memcpy(fields, record->fields, record->count * sizeof *fields);
    fields[record->count++] = value;
    record->fields = fields;
    return true;
}

static enum status read_record(struct reader *reader, const char *path, struct csv_record *record,
                               struct error *error)
{
    record->line = reader->line;
    for (bool more = true; more;) {
        struct text field = {0};
        text_append(&field, "");
        bool closed = read_field(reader, &field);
        bool kept =
            !field.failed && append_field(reader->pool, record,
                                          pool_copy(reader->pool, field.bytes != NULL ? field.bytes : ""));
        text_release(&field);
        if (!closed)
            return error_set(error, STATUS_DATA, "%s:%d: a quoted field is never closed", path, record->line);
        if (!kept)
            return error_set(error, STATUS_MEMORY, "out of memory while reading %s", path);
        more = *reader->place == ',';
        reader->place += more;
    }
    reader->place += *reader->place == '\r';
    reader->line += *reader->place == '\n';
    reader->place += *reader->place == '\n';
    return STATUS_OK;
}

static bool is_blank(const struct csv_record *record)
{
    return record->count == 1 && *record->fields[0] == '\0';
}

static enum status add_record(struct reader *reader, struct csv *csv, const struct csv_record *record,
                              struct error *error)
{
    if (csv->count == reader->capacity) {
        reader->capacity = reader->capacity == 0 ? 16 : 2 * reader->capacity;
        struct csv_record *larger = pool_take(reader->pool, reader->capacity, sizeof *larger);
        if (larger == NULL)
            return error_set(error, STATUS_MEMORY, "out of memory while reading a CSV file");
        if (csv->count > 0)
            memcpy(larger, csv->records, csv->count * sizeof *larger);
        csv->records = larger;
    }
    csv->records[csv->count++] = *record;
    return STATUS_OK;
}

enum status csv_read(struct pool *pool, const char *path, struct csv *csv, struct error *error)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    enum status status = file_read(path, FILE_LIMIT, &bytes, &size, error);
    if (status != STATUS_OK)
        return status;
    const char *start = (const char *)bytes;
    if (size >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
        start += 3;
    struct reader reader = {.pool = pool, .place = start, .line = 1};
    *csv = (struct csv){0};
    while (*reader.place != '\0' && status == STATUS_OK) {
        struct csv_record record = {0};
        status = read_record(&reader, path, &record, error);
        if (status == STATUS_OK && !is_blank(&record))
            status = add_record(&reader, csv, &record, error);
    }
    free(bytes);
    return status;
}

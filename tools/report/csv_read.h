/* Reading CSV as RFC 4180 has it: quoted fields, doubled quotes, CRLF or LF. */
#ifndef REPORT_CSV_READ_H
#define REPORT_CSV_READ_H

#include "base/error.h"
#include "report/pool.h"

struct csv_record {
    const char **fields;
    size_t count;
    int line; /* where it starts, from 1 */
};

struct csv {
    struct csv_record *records;
    size_t count;
};

enum status csv_read(struct pool *pool, const char *path, struct csv *csv, struct error *error);

#endif

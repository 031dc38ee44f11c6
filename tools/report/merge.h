/* --merge: every run of the report in one HDF5 file. */
#ifndef REPORT_MERGE_H
#define REPORT_MERGE_H

#include "report/group.h"

/* A run that several folders hold is written once; STATUS_DAMAGED where two finished copies of one id differ
 * in content. */
enum status merge_write(struct pool *pool, const struct report_run *const *runs, size_t count,
                        struct moment moment, const char *path, struct error *error);

#endif

/* A group's figures by epoch, over its seeds. */
#ifndef REPORT_CURVE_H
#define REPORT_CURVE_H

#include "report/group.h"
#include "report/statistics.h"

/* Epochs of its longest run, unfinished ones included. */
uint32_t group_epochs(const struct group *group);

/* Over the runs that reached the epoch (from 0) and measured the column there; values[run_count] is scratch.
 */
struct sample group_sample_epoch(const struct group *group, enum history_column column, uint32_t epoch,
                                 double scale, double *values);

#endif

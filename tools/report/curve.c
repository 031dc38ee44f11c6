/* Unfinished runs count as far as they came: a curve is what one looks at to see why a run stopped. */
#include "report/curve.h"

#include <math.h>

uint32_t group_epochs(const struct group *group)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < group->run_count; i++)
        if (group->runs[i]->has_summary && group->runs[i]->summary.history.count > longest)
            longest = group->runs[i]->summary.history.count;
    return longest;
}

struct sample group_sample_epoch(const struct group *group, enum history_column column, uint32_t epoch,
                                 double scale, double *values)
{
    size_t count = 0;
    for (size_t i = 0; i < group->run_count; i++) {
        const struct history *history = &group->runs[i]->summary.history;
        if (!group->runs[i]->has_summary || epoch >= history->count || isnan(history->column[column][epoch]))
            continue;
        values[count++] = scale * history->column[column][epoch];
    }
    return sample_summarise(values, count);
}

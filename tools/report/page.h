/* One self-contained HTML page: tables that sort and filter, charts, configurations, provenance. Needs no
 * network. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "report/group.h"
#include "report/table.h"

/* summary: the summary as people see it, notes included. */
enum status page_render(struct collection *collection, const struct grouping *grouping,
                        const struct report_run *const *runs, size_t run_count, struct moment moment,
                        const struct table *summary, struct text *output, struct error *error);

#endif

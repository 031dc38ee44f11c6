/* What stands below a table: every run that is not in it, by name and with its reason, and what a reader must
 * know of the figures. Long lists are cut after LISTED names with the number of the rest, never silently. */
#include "report/tables.h"

#include <string.h>

enum { LISTED = 20 };

struct note_list {
    const char **notes;
    size_t count;
};

static void note_condition(struct pool *pool, const struct report_run *const *runs, size_t count,
                           enum run_condition condition, struct moment moment, struct note_list *list)
{
    size_t found = 0;
    const char *names = "";
    for (size_t i = 0; i < count; i++) {
        const struct report_run *run = runs[i];
        if (run->condition != condition || metric_run_counts(run, moment))
            continue;
        if (found++ >= LISTED)
            continue;
        names =
            pool_format(pool, "%s%s%s%s%s%s", names, found > 1 ? "; " : "", run->name,
                        *run->problem != '\0' ? " (" : "", run->problem, *run->problem != '\0' ? ")" : "");
    }
    if (found > LISTED)
        names = pool_format(pool, "%s; and %zu more", names, found - LISTED);
    if (found > 0)
        list->notes[list->count++] =
            pool_format(pool, "%zu of %zu runs %s: %s", found, count, run_condition_name(condition), names);
}

static void note_numerics(struct pool *pool, const struct report_run *const *runs, size_t count,
                          struct note_list *list)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < count; i++) {
        if (!runs[i]->has_summary)
            continue;
        uint32_t version = runs[i]->summary.numerics_version;
        least = version < least ? version : least;
        most = version > most ? version : most;
    }
    if (least < most)
        list->notes[list->count++] = pool_format(pool,
                                                 "Runs of numerics versions %u to %u are mixed: they do not "
                                                 "have the same bits and should not be compared closely",
                                                 least, most);
}

static void note_moment(struct pool *pool, struct moment moment, struct note_list *list)
{
    if (moment.kind == MOMENT_BEST)
        list->notes[list->count++] =
            "Figures are those of each run's best epoch; train accuracy is the running one of that epoch";
    if (moment.kind == MOMENT_EPOCH)
        list->notes[list->count++] = pool_format(
            pool, "Figures are those of epoch %u; train accuracy is the running one of that epoch",
            moment.epoch);
}

enum status report_notes(struct pool *pool, const struct report_run *const *runs, size_t count,
                         struct moment moment, const char *const **notes, size_t *note_count,
                         struct error *error)
{
    struct note_list list = {.notes = pool_take(pool, CONDITIONS + 4, sizeof *list.notes)};
    if (list.notes == NULL)
        return error_set(error, STATUS_MEMORY, "out of memory while writing the notes");
    note_moment(pool, moment, &list);
    for (size_t condition = 0; condition < CONDITIONS; condition++)
        note_condition(pool, runs, count, (enum run_condition)condition, moment, &list);
    note_numerics(pool, runs, count, &list);
    *notes = list.notes;
    *note_count = list.count;
    return STATUS_OK;
}

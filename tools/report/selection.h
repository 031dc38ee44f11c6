/* The best setting of a search, by a metric's mean over seeds, as a configuration to train again. */
#ifndef REPORT_SELECTION_H
#define REPORT_SELECTION_H

#include "base/text.h"
#include "report/group.h"

struct selection_options {
    struct moment moment;
    bool any_epoch; /* the epoch is chosen too, among those of all groups; moment is not looked at */
};

/* Appends the resolved YAML of the winning group, with all its seeds, headed by comments that say what was
 * chosen among how many, by which mean, and from which runs. An epoch that was chosen or given becomes its
 * max_epochs. Groups with a run that does not count are passed over with a warning. A test metric is refused:
 * what is chosen by the test set cannot be tested on it. */
enum status select_setting(struct collection *collection, const struct grouping *grouping,
                           const char *metric_key, struct selection_options options, struct text *output,
                           struct error *error);

#endif

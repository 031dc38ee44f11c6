/* A run's record as a field list and back: the one place that knows the paths inside a run file. */
#ifndef RUNNER_STORE_RECORD_FIELDS_H
#define RUNNER_STORE_RECORD_FIELDS_H

#include "store/field_list.h"
#include "store/run_file.h"

/* Values that the list needs and the record does not hold in that form; outlives the list. */
struct record_scratch {
    uint32_t *epochs; /* [history.count] */
};

/* The sorted fields of record; they borrow its values. Also fills record->content_sha256. */
enum status record_to_fields(struct run_record *record, struct record_scratch *scratch,
                             struct field_list *list, struct error *error);
void record_scratch_release(struct record_scratch *scratch);

/* A record from the fields of an image; takes the values of tensors and texts over from the list. */
enum status record_from_fields(struct field_list *list, struct run_record **record, struct error *error);

#endif

/* --tensorboard: histories as the event files that TensorBoard reads. */
#ifndef REPORT_TENSORBOARD_H
#define REPORT_TENSORBOARD_H

#include "report/group.h"

/* directory/<run>/events.out.tfevents.0.report, a folder a run, named by the run; scalars "accuracy/train",
 * "loss/test", … by epoch. Existing files of the same name are replaced. */
enum status tensorboard_write(struct pool *pool, const struct report_run *const *runs, size_t count,
                              const char *directory, struct error *error);

/* CRC-32C (Castagnoli), reflected, polynomial 0x1EDC6F41: the checksum of a record before masking. */
uint32_t crc32c(const void *bytes, size_t count);

#endif

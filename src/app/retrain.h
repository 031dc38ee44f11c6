/* Training a saved run again, from a generation that is still there, and comparing what comes out. */
#ifndef RUNNER_APP_RETRAIN_H
#define RUNNER_APP_RETRAIN_H

#include "base/error.h"
#include <stdint.h>

/* Trains the run of this file (run.h5, whole) again, from the newest saved state that has done at most
 * from_epoch epochs (the run.prev.h5 beside it, or nothing at all) up to where run.h5 stands, writes nothing
 * there, and prints what it found. STATUS_DAMAGED: the digests differ. STATUS_STOPPED: a signal came. */
enum status retrain_and_compare(const char *path, uint32_t from_epoch, struct error *error);

#endif

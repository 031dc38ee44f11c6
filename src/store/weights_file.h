/* The weights in a file, whatever kind of file it is: a run's run.h5 or safetensors.
 *
 * What comes out is a struct run_state of nothing but tensors "/model/<layer>/<name>" of floats, sorted by
 * path; the caller destroys it. Of safetensors the tensors are taken that a layer could have (<layer>.weight,
 * bias, running_mean, running_var), a dot within the layer's name read as an underscore. */
#ifndef RUNNER_STORE_WEIGHTS_FILE_H
#define RUNNER_STORE_WEIGHTS_FILE_H

#include "base/digest.h"
#include "base/run_state.h"

/* The kind is told by the first bytes. STATUS_NOT_FOUND: no file. STATUS_DATA or STATUS_DAMAGED: the file is
 * of neither kind, or not sound. */
enum status weights_file_load(const char *path, struct run_state **weights, struct error *error);

/* SHA-256 over names, shapes and values: the same for a run's file and what was exported of it. */
enum status weights_digest(const struct run_state *weights, char hex[DIGEST_HEX], struct error *error);

#endif

/* A run's resolved configuration as a list of paths and values, wherever it comes from: a configuration's
 * file or a run's. */
#ifndef RUNNER_APP_FLAT_CONFIG_H
#define RUNNER_APP_FLAT_CONFIG_H

#include "base/error.h"
#include <stddef.h>

struct flat_setting {
    const char *path;  /* "optimizer.lr", "model.layers.conv1" */
    const char *value; /* as YAML of one line */
};

struct flat_config;

/* named: a configuration of one run; "FILE:NAME", the run or variant of that name in a larger one; or a run's
 * file or folder. Mistakes of a configuration are printed to stderr. */
enum status flat_config_load(const char *named, struct flat_config **config, struct error *error);
void flat_config_destroy(struct flat_config *config);

size_t flat_config_count(const struct flat_config *config);
const struct flat_setting *flat_config_settings(const struct flat_config *config);

#endif

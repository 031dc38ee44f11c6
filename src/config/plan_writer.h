/* From a plan to text: the canonical one whose hash is the run's id, and YAML for people. */
#ifndef RUNNER_CONFIG_PLAN_WRITER_H
#define RUNNER_CONFIG_PLAN_WRITER_H

#include "base/plan.h"
#include "base/text.h"

/* One line a setting of the identity that has an effect and is not at its default, one line a layer, and the
 * digest of the data (NULL: none). docs/config.md, "Identity". */
void plan_write_canonical(const struct plan *plan, const char *data_digest, struct text *out);

/* Every setting that has an effect, defaults too, as YAML that gives the same plan. */
void plan_write_yaml(const struct plan *plan, struct text *out);

/* "Conv2d: {name: conv1, out_channels: 6, …}" */
void layer_write_yaml(const struct model_plan *model, int index, struct text *out);

#endif

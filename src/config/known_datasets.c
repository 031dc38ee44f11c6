/* Fashion-MNIST (Xiao, Rasul and Vollgraf 2017) as Debian's package dataset-fashion-mnist installs it; the
 * sums are those that `sha256sum /usr/share/datasets/fashion-mnist/<file>` prints. */
#include "config/known_datasets.h"

#include "base/text.h"
#include <string.h>

static const struct known_dataset known_datasets[] = {
    {.name = "fashion-mnist",
     .format = DATASET_IDX,
     .root = "/usr/share/datasets/fashion-mnist",
     .files = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
               "t10k-labels-idx1-ubyte.gz"},
     .sha256 = {"b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
                "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"},
     .shape = {1, 28, 28}},
};

enum { KNOWN = sizeof known_datasets / sizeof known_datasets[0] };

const struct known_dataset *known_dataset_at(size_t index)
{
    return index < KNOWN ? &known_datasets[index] : NULL;
}

const struct known_dataset *known_dataset_find(const char *name)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known_datasets[i].name, name) == 0)
            return &known_datasets[i];
    return NULL;
}

const char *known_dataset_nearest(const char *name)
{
    const char *names[KNOWN];
    for (size_t i = 0; i < KNOWN; i++)
        names[i] = known_datasets[i].name;
    return text_nearest(name, names, KNOWN);
}

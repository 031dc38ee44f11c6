/* Draws of a search.
 *
 * The words come from Philox with the stream RANDOM_SEARCH, keyed by `sample_seed`, at (index of the sample,
 * hash of the axis' path): there is no order of drawing that an added axis could disturb. Reals are rounded
 * to SAMPLE_DIGITS significant digits, so that libm's last bit of exp and log never reaches a run's id and
 * tables show numbers that people can copy; whole numbers need no rounding.
 *
 * Rejected: drawing the settings of a sample one after the other from one sequence, as sweep tools do. A
 * setting added above the others would then change every run below it. */
#include "grid/sample.h"

#include "base/random.h"
#include "base/text.h"
#include "config/yaml_scalar.h"
#include <math.h>
#include <string.h>

enum { SAMPLE_DIGITS = 6 };

struct distribution_kind {
    const char *name, *arguments;
    bool logarithmic, whole, choice;
};

struct distribution {
    const struct distribution_kind *kind;
    double low, high;
    struct node *const *choices;
    int choice_count;
    struct origin origin;
};

static const struct distribution_kind kinds[] = {
    {.name = "uniform", .arguments = "[low, high] with low below high"},
    {.name = "loguniform", .arguments = "[low, high] with low above 0 and below high", .logarithmic = true},
    {.name = "randint",
     .arguments = "[low, high], whole numbers with low below high, which is left out",
     .whole = true},
    {.name = "lograndint",
     .arguments = "[low, high], whole numbers with low above 0 and below high, which is left out",
     .whole = true,
     .logarithmic = true},
    {.name = "choice", .arguments = "a list of values to choose from", .choice = true},
};

static const struct distribution_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

bool sample_is_distribution(const char *key)
{
    return find_kind(key) != NULL;
}

static bool read_number(const struct node *node, double *number)
{
    return node->kind == NODE_SCALAR && node->plain && yaml_to_real(node->text, number) && isfinite(*number);
}

static bool read_ends(const struct node *node, struct distribution *distribution)
{
    const struct distribution_kind *kind = distribution->kind;
    double *low = &distribution->low, *high = &distribution->high;
    if (node->kind != NODE_SEQUENCE || node->count != 2 || !read_number(node->items[0], low) ||
        !read_number(node->items[1], high))
        return false;
    bool whole = *low == floor(*low) && *high == floor(*high) && *high - *low <= UINT32_MAX;
    return *low < *high && isfinite(*high - *low) && (!kind->logarithmic || *low > 0) &&
           (!kind->whole || whole);
}

const struct distribution *sample_read(struct pool *pool, const char *path, const char *key,
                                       const struct node *arguments, struct diagnostics *diagnostics)
{
    struct distribution *distribution = pool_take(pool, 1, sizeof *distribution);
    distribution->kind = find_kind(key);
    distribution->origin = arguments->origin;
    bool valid = false;
    if (distribution->kind->choice) {
        valid = arguments->kind == NODE_SEQUENCE && arguments->count > 0;
        distribution->choices = arguments->items;
        distribution->choice_count = valid ? arguments->count : 0;
    } else {
        valid = read_ends(arguments, distribution);
    }
    if (!valid)
        diagnostics_add(diagnostics, arguments->origin, "%s: %s: expected %s", path, key,
                        distribution->kind->arguments);
    return valid ? distribution : NULL;
}

/* FNV-1a: the axis' place among the draws. */
static uint32_t hash_path(const char *path)
{
    uint32_t hash = 2166136261u;
    for (; *path; path++)
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    return hash;
}

/* Between the ends, in [low, high). */
static double place(const struct distribution *distribution, const struct random_source *source,
                    uint32_t index)
{
    uint32_t words[4];
    random_words(source, index, words);
    double share = (double)(((uint64_t)words[0] << 32 | words[1]) >> 11) * 0x1p-53;
    double low = distribution->low, high = distribution->high;
    if (distribution->kind->logarithmic)
        return exp(log(low) + share * (log(high) - log(low)));
    return low + share * (high - low);
}

static const char *draw_whole(struct pool *pool, const struct distribution *distribution,
                              const struct random_source *source, uint32_t index)
{
    double value = 0;
    if (distribution->kind->logarithmic) {
        value = floor(place(distribution, source, index));
        value = fmin(fmax(value, distribution->low), distribution->high - 1);
    } else {
        uint32_t width = (uint32_t)(distribution->high - distribution->low);
        value = distribution->low + random_below(source, index, width);
    }
    return axis_number_text(pool, value, 15);
}

static const char *draw_real(struct pool *pool, const struct distribution *distribution,
                             const struct random_source *source, uint32_t index)
{
    const char *text = axis_number_text(pool, place(distribution, source, index), SAMPLE_DIGITS);
    double rounded = 0;
    yaml_to_real(text, &rounded);
    if (rounded < distribution->low || rounded > distribution->high) /* rounding left the range */
        return axis_number_text(pool, rounded < distribution->low ? distribution->low : distribution->high,
                                15);
    return text;
}

struct node *sample_draw(struct pool *pool, const struct axis *axis, uint64_t seed, uint32_t index)
{
    const struct distribution *distribution = axis->distribution;
    const struct random_source source = {
        .seed = seed, .stream = RANDOM_SEARCH, .step = hash_path(axis->path)};
    if (distribution->kind->choice)
        return distribution->choices[random_below(&source, index, (uint32_t)distribution->choice_count)];
    const char *text = distribution->kind->whole ? draw_whole(pool, distribution, &source, index)
                                                 : draw_real(pool, distribution, &source, index);
    return node_scalar(pool, distribution->origin, text, true);
}

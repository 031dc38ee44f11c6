/* L1, gradient clipping and max-norm over the flat vector.
 *
 * The norm of the gradient is a sum over all parameters, the one reduction of training that spans layers. It
 * is cut into chunks of a fixed size, whose sums (16 partial ones in double, then a fixed tree) are added in
 * order by every member for itself: the bits do not depend on the team, and one barrier is enough. The order
 * within the vector is kernel order, which all kernel tables share.
 *
 * Max-norm takes rows by the common order through a table of places, made once. Rejected: asking the kernel
 * table for the place of each weight in each step, an indirect call a weight. */
#include "train/regulariser.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 * LANES };

static size_t row_length(const struct model_tensor *tensor)
{
    size_t length = 1;
    for (unsigned d = 1; d < tensor->rank; d++)
        length *= tensor->shape[d];
    return length;
}

/* Rows of weights that max-norm may scale: not those of frozen layers. */
static bool has_rows(const struct model_plan *plan, const struct model_tensor *tensor)
{
    return tensor->is_weight && !text_has_word(plan->freeze, tensor->layer);
}

static void count_rows(const struct model_plan *plan, const struct model *model, size_t *rows, size_t *places)
{
    *rows = *places = 0;
    for (int t = 0; t < model_tensor_count(model); t++) {
        struct model_tensor tensor = model_tensor(model, t);
        if (!has_rows(plan, &tensor))
            continue;
        *rows += tensor.shape[0];
        *places += tensor.shape[0] * row_length(&tensor);
    }
}

static void fill_rows(struct regulariser *regulariser, const struct model_plan *plan,
                      const struct model *model)
{
    struct weight_row *row = regulariser->rows;
    size_t place = 0;
    for (int t = 0; t < model_tensor_count(model); t++) {
        struct model_tensor tensor = model_tensor(model, t);
        if (!has_rows(plan, &tensor))
            continue;
        size_t length = row_length(&tensor);
        for (size_t o = 0; o < tensor.shape[0]; o++, row++) {
            *row = (struct weight_row){place, length};
            for (size_t i = 0; i < length; i++)
                regulariser->places[place++] = (uint32_t)model_tensor_place(model, t, o * length + i);
        }
    }
}

/* The region of one tensor, or the last one longer where both are treated alike. */
static void add_region(struct regulariser *regulariser, struct parameter_region region)
{
    size_t count = regulariser->region_count;
    struct parameter_region *last = count > 0 ? &regulariser->regions[count - 1] : NULL;
    if (last && last->decays == region.decays && last->frozen == region.frozen)
        last->end = region.end;
    else
        regulariser->regions[regulariser->region_count++] = region;
}

/* Tensors lie in order in the vector; what is between them (padding) stays 0 whatever is done to it. */
static void fill_regions(struct regulariser *regulariser, const struct model_plan *plan,
                         const struct model *model)
{
    size_t reached = 0;
    regulariser->region_count = 0;
    for (int t = 0; t < model_tensor_count(model); t++) {
        struct model_tensor tensor = model_tensor(model, t);
        size_t begin, end;
        if (!tensor.is_parameter)
            continue;
        model_tensor_range(model, t, &begin, &end);
        struct parameter_region region = {.begin = reached, .end = end};
        region.frozen = text_has_word(plan->freeze, tensor.layer);
        region.decays = !region.frozen && (tensor.is_weight || !regulariser->decays_weights_alone);
        add_region(regulariser, region);
        reached = end;
    }
    if (regulariser->region_count > 0)
        regulariser->regions[regulariser->region_count - 1].end = regulariser->parameter_size;
}

void regulariser_lay_out(struct regulariser *regulariser, const struct plan *plan, const struct model *model,
                         struct arena *arena)
{
    size_t places;
    *regulariser = (struct regulariser){.l1 = (float)plan->optimizer.l1,
                                        .max_norm = (float)plan->optimizer.max_norm,
                                        .clip_norm = (float)plan->trainer.clip_norm,
                                        .clip_value = (float)plan->trainer.clip_value,
                                        .decays_weights_alone = plan->optimizer.decay_of == DECAY_OF_WEIGHTS,
                                        .freezes = plan->model.freeze != NULL,
                                        .parameter_size = model_parameter_size(model)};
    regulariser->chunk_count = (regulariser->parameter_size + CHUNK - 1) / CHUNK;
    regulariser->square_sums = arena_take(arena, regulariser->chunk_count, sizeof *regulariser->square_sums);
    regulariser->regions =
        arena_take(arena, (size_t)model_tensor_count(model) + 1, sizeof *regulariser->regions);
    count_rows(&plan->model, model, &regulariser->row_count, &places);
    if (regulariser->max_norm == 0.0f)
        regulariser->row_count = places = 0;
    regulariser->rows = arena_take(arena, regulariser->row_count, sizeof *regulariser->rows);
    regulariser->places = arena_take(arena, places, sizeof *regulariser->places);
    if (arena_is_measuring(arena))
        return;
    fill_regions(regulariser, &plan->model, model);
    if (regulariser->row_count > 0)
        fill_rows(regulariser, &plan->model, model);
}

static size_t chunk_end(const struct regulariser *regulariser, size_t chunk)
{
    size_t end = (chunk + 1) * CHUNK;
    return end < regulariser->parameter_size ? end : regulariser->parameter_size;
}

static void add_signs(const struct regulariser *regulariser, size_t begin, size_t end, const real *parameter,
                      real *gradient)
{
    for (size_t r = 0; r < regulariser->region_count; r++) {
        const struct parameter_region *region = &regulariser->regions[r];
        size_t first = begin > region->begin ? begin : region->begin,
               last = end < region->end ? end : region->end;
        for (size_t i = first; region->decays && i < last; i++) {
            real sign = (real)((parameter[i] > 0) - (parameter[i] < 0));
            gradient[i] += regulariser->l1 * sign;
        }
    }
}

/* Frozen parameters have no gradient: they must not count in its norm. */
static void clear_frozen(const struct regulariser *regulariser, size_t begin, size_t end, real *gradient)
{
    for (size_t r = 0; r < regulariser->region_count; r++) {
        const struct parameter_region *region = &regulariser->regions[r];
        size_t first = begin > region->begin ? begin : region->begin,
               last = end < region->end ? end : region->end;
        if (region->frozen && first < last)
            memset(gradient + first, 0, (last - first) * sizeof *gradient);
    }
}

static double square_sum(const real *gradient, size_t count)
{
    double sums[LANES] = {0};
    for (size_t i = 0; i + LANES <= count; i += LANES) /* the vector's size is a multiple of LANES */
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += (double)gradient[i + lane] * (double)gradient[i + lane];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    return sums[0];
}

/* min(1, limit / (norm + 1e-6)), as PyTorch has it. */
static real clip_factor(const struct regulariser *regulariser)
{
    double sum = 0.0;
    if (regulariser->clip_norm == 0.0f)
        return 1.0f;
    for (size_t c = 0; c < regulariser->chunk_count; c++)
        sum += regulariser->square_sums[c];
    double factor = regulariser->clip_norm / (sqrt(sum) + 1e-6);
    return factor < 1.0 ? (real)factor : (real)1.0;
}

static real clipped(real value, real bound)
{
    value = value > bound ? bound : value;
    return value < -bound ? -bound : value;
}

static void scale_and_bound(const struct regulariser *regulariser, size_t begin, size_t end, real factor,
                            real *gradient)
{
    if (factor != 1)
        for (size_t i = begin; i < end; i++)
            gradient[i] *= factor;
    if (regulariser->clip_value != 0.0f)
        for (size_t i = begin; i < end; i++)
            gradient[i] = clipped(gradient[i], regulariser->clip_value);
}

void regulariser_change_gradient(const struct regulariser *regulariser, const real *parameter, real *gradient,
                                 struct member member)
{
    long first, last;
    if (regulariser->l1 == 0.0f && regulariser->clip_norm == 0.0f && regulariser->clip_value == 0.0f)
        return;
    member_range(member, (long)regulariser->chunk_count, &first, &last);
    for (size_t c = (size_t)first; c < (size_t)last; c++) {
        size_t begin = c * CHUNK, end = chunk_end(regulariser, c);
        if (regulariser->freezes)
            clear_frozen(regulariser, begin, end, gradient);
        if (regulariser->l1 != 0.0f)
            add_signs(regulariser, begin, end, parameter, gradient);
        if (regulariser->clip_norm != 0.0f)
            regulariser->square_sums[c] = square_sum(gradient + begin, end - begin);
    }
    team_barrier(member);
    real factor = clip_factor(regulariser);
    if (first < last)
        scale_and_bound(regulariser, (size_t)first * CHUNK, chunk_end(regulariser, (size_t)last - 1), factor,
                        gradient);
    team_barrier(member);
}

void regulariser_limit_norms(const struct regulariser *regulariser, real *parameter, struct member member)
{
    long first, last;
    if (regulariser->max_norm == 0.0f)
        return;
    team_barrier(member);
    member_range(member, (long)regulariser->row_count, &first, &last);
    for (long r = first; r < last; r++) {
        const struct weight_row *row = &regulariser->rows[r];
        const uint32_t *places = regulariser->places + row->first;
        double sum = 0.0;
        for (size_t i = 0; i < row->count; i++)
            sum += (double)parameter[places[i]] * (double)parameter[places[i]];
        double norm = sqrt(sum);
        if (!(norm > regulariser->max_norm))
            continue;
        real factor = (real)(regulariser->max_norm / (norm + 1e-7));
        for (size_t i = 0; i < row->count; i++)
            parameter[places[i]] *= factor;
    }
}

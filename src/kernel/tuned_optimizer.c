/* Optimisers: one pass over the flat vectors. Ranges begin and end anywhere, so the last few elements go
 * through a vector that is filled up with zeros. Parameters have been read by every member of the team since
 * they were last written, so that a store would wait for all of them to give up the line. */
#include "kernel/prefetch.h"
#include "kernel/simd.h"
#include "kernel/tuned.h"

enum { AHEAD = 12 * LANES }; /* parameters */

INLINE vec flush_moment(vec moment)
{
    veci tiny = (moment < vec_all(0x1p-100f)) & (moment > vec_all(-0x1p-100f));
    return vec_select(tiny, vec_zero(), moment);
}

struct sgd_vectors {
    vec lr, momentum, weight_decay;
    bool uses_buffer, nesterov, first;
};

INLINE void sgd_vector(const struct sgd_vectors *step, vec *parameter, vec gradient, vec *buffer)
{
    vec g = vec_fma(step->weight_decay, *parameter, gradient);
    if (step->uses_buffer) {
        *buffer = flush_moment(step->first ? g : vec_fma(step->momentum, *buffer, g));
        g = step->nesterov ? vec_fma(step->momentum, *buffer, g) : *buffer;
    }
    *parameter = vec_fma(-step->lr, g, *parameter);
}

void TUNED(sgd_update)(const struct sgd_step *step, size_t begin, size_t end, float *parameter,
                       const float *gradient, float *buffer)
{
    struct sgd_vectors vectors = {.lr = vec_all(step->lr),
                                  .momentum = vec_all(step->momentum),
                                  .weight_decay = vec_all(step->weight_decay),
                                  .uses_buffer = step->momentum != 0,
                                  .nesterov = step->nesterov,
                                  .first = step->first};
    for (size_t k = begin; k < end; k += VECTOR) {
        prefetch_to_write(parameter + k + AHEAD);
        size_t bytes = (end - k < VECTOR ? end - k : VECTOR) * sizeof(float);
        vec p = vec_zero(), g = vec_zero(), m = vec_zero();
        memcpy(&p, parameter + k, bytes);
        memcpy(&g, gradient + k, bytes);
        if (vectors.uses_buffer)
            memcpy(&m, buffer + k, bytes);
        sgd_vector(&vectors, &p, g, &m);
        memcpy(parameter + k, &p, bytes);
        if (vectors.uses_buffer)
            memcpy(buffer + k, &m, bytes);
    }
}

struct adam_vectors {
    vec beta1, beta2, one_minus_beta1, one_minus_beta2, eps, step_size, inverse_sqrt_bias2, coupled, shrink;
};

INLINE void adam_vector(const struct adam_vectors *step, vec *parameter, vec gradient, vec *first,
                        vec *second)
{
    vec g = vec_fma(step->coupled, *parameter, gradient);
    *first = flush_moment(vec_fma(step->beta1, *first, step->one_minus_beta1 * g));
    *second = flush_moment(vec_fma(step->beta2, *second, step->one_minus_beta2 * g * g));
    vec denominator = vec_fma(vec_sqrt(*second), step->inverse_sqrt_bias2, step->eps);
    vec shrunk = vec_fma(-step->shrink, *parameter, *parameter);
    *parameter = vec_fma(-step->step_size, *first / denominator, shrunk);
}

static struct adam_vectors adam_vectors_of(const struct adam_step *step)
{
    return (struct adam_vectors){.beta1 = vec_all((float)step->beta1),
                                 .beta2 = vec_all((float)step->beta2),
                                 .one_minus_beta1 = vec_all((float)(1.0 - step->beta1)),
                                 .one_minus_beta2 = vec_all((float)(1.0 - step->beta2)),
                                 .eps = vec_all(step->eps),
                                 .step_size = vec_all(step->step_size),
                                 .inverse_sqrt_bias2 = vec_all(step->inverse_sqrt_bias2),
                                 .coupled = vec_all(step->decoupled ? 0.0f : step->weight_decay),
                                 .shrink = vec_all(step->decoupled ? step->lr * step->weight_decay : 0.0f)};
}

void TUNED(adam_update)(const struct adam_step *step, size_t begin, size_t end, float *parameter,
                        const float *gradient, float *first_moment, float *second_moment)
{
    struct adam_vectors vectors = adam_vectors_of(step);
    size_t k = begin;
    for (; k + VECTOR <= end; k += VECTOR) {
        prefetch_to_write(parameter + k + AHEAD);
        vec p = vec_load_unaligned(parameter + k), g = vec_load_unaligned(gradient + k);
        vec m = vec_load_unaligned(first_moment + k), v = vec_load_unaligned(second_moment + k);
        adam_vector(&vectors, &p, g, &m, &v);
        vec_store_unaligned(parameter + k, p);
        vec_store_unaligned(first_moment + k, m);
        vec_store_unaligned(second_moment + k, v);
    }
    if (k < end) {
        size_t bytes = (end - k) * sizeof(float);
        vec p = vec_zero(), g = vec_zero(), m = vec_zero(), v = vec_zero();
        memcpy(&p, parameter + k, bytes);
        memcpy(&g, gradient + k, bytes);
        memcpy(&m, first_moment + k, bytes);
        memcpy(&v, second_moment + k, bytes);
        adam_vector(&vectors, &p, g, &m, &v);
        memcpy(parameter + k, &p, bytes);
        memcpy(first_moment + k, &m, bytes);
        memcpy(second_moment + k, &v, bytes);
    }
}

/* A processor without vector kernels trains to the same bits, but so slowly that its user must hear of it
 * before the grid has run for a week; a line for each run would hide everything else. Rejected: an error,
 * which would take from a small machine what it can do. */
#include "app/kernel_choice.h"
#include "base/log.h"
#include <stdatomic.h>

enum status kernel_choice(const struct kernels **kernels, struct error *error)
{
    const char *problem = NULL;
    *kernels = kernel_select(&problem);
    return *kernels != NULL ? STATUS_OK : error_set(error, STATUS_USAGE, "%s", problem);
}

void kernel_choice_warn(void)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    if (kernel_lacks_vectors() && !atomic_flag_test_and_set(&told)) {
        log_warning(
            "this CPU has no AVX2 with FMA, AVX-512 or NEON: the portable kernels compute the same results, "
            "many times slower");
    }
}

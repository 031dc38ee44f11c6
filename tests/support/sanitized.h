/* Whether AddressSanitizer watches this program, for tests that repeat the same accesses for the sake of a
 * figure: the figure is the optimised build's to show, and a few rounds touch all the memory. */
#ifndef RUNNER_TESTS_SUPPORT_SANITIZED_H
#define RUNNER_TESTS_SUPPORT_SANITIZED_H

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif

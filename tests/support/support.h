/* SPDX-License-Identifier: Apache-2.0 */
/* What every test needs: cmocka in the right order, a temporary folder, a status check that prints the error, a seed.
 */
#ifndef SHOAL_TESTS_SUPPORT_H
#define SHOAL_TESTS_SUPPORT_H

/* cmocka needs the others before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/arena.h"
#include "shoal/error.h"
#include "shoal/str.h"

/* Fails the test, printing the error, unless the status is as wanted. */
#define CHECK_OK(expr, err) check_status((expr), SHOAL_OK, (err), #expr, __FILE__, __LINE__)
#define CHECK_STATUS(expr, want, err) check_status((expr), (want), (err), #expr, __FILE__, __LINE__)
void check_status(shoal_status got, shoal_status want, const shoal_error *err, const char *expr, const char *file,
                  int line);
#define CHECK_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)
void check_str(shoal_str got, const char *want, const char *expr, const char *file, int line);

/* A new folder below the build's tmp/; removed by test_folder_remove (kept when SHOAL_KEEP is set). malloced. */
char *test_folder(void);
void test_folder_remove(char *path);

/* Random with a printed seed: SHOAL_SEED=n repeats a run. SHOAL_BUDGET scales iterations (default 1). */
typedef struct test_random {
  uint64_t state;
} test_random;
test_random test_random_start(const char *test);
uint64_t test_random_next(test_random *r);
uint64_t test_random_below(test_random *r, uint64_t n); /* 0 … n-1 */
uint64_t test_budget(uint64_t iterations);

#endif

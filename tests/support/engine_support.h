/* SPDX-License-Identifier: Apache-2.0 */
/* An engine of DuckDB with a folder of its own, which it may read and write, for tests of the engine. */
#ifndef SHOAL_TEST_ENGINE_SUPPORT_H
#define SHOAL_TEST_ENGINE_SUPPORT_H

#include "support/support.h"

#include "engine/engine.h"

typedef struct fixture {
  char *folder;
  char staging[512];
  shoal_engine *engine;
  shoal_arena arena;
  shoal_error err;
} fixture;

int test_engine_setup(void **state);
int test_engine_teardown(void **state);
/* Rows as "a|b\nc|d\n", NULL as "~". */
shoal_status test_engine_rows(fixture *f, const shoal_job *job, shoal_buf *out);

#endif

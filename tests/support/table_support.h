/* SPDX-License-Identifier: Apache-2.0 */
/* A Delta table in a folder of its own, and an engine that may read and write there, for tests of delta/. */
#ifndef SHOAL_TEST_TABLE_SUPPORT_H
#define SHOAL_TEST_TABLE_SUPPORT_H

#include "support/support.h"

#include "delta/delta.h"

typedef struct test_table {
  char *folder, *root; /* the same, `root` without links */
  shoal_arena arena;
  shoal_engine *engine;
  shoal_delta_table table; /* in a store over `root`; nothing is there yet */
} test_table;

/* The table keeps a pointer to *t. */
void test_table_open(test_table *t, const char *prefix, unsigned threads);
void test_table_close(test_table *t);

#endif

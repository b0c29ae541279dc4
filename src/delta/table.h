/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of include/shoal/delta.h. Private to delta/. */
#ifndef SHOAL_DELTA_TABLE_H
#define SHOAL_DELTA_TABLE_H

#include "delta/delta.h"
#include "shoal/delta.h"

typedef struct shoal_table_idle shoal_table_idle;

struct shoal_table {
  shoal_arena arena;
  const char *folder;
  shoal_store *store;
  shoal_engine *engine;   /* opened when it is needed */
  shoal_table_idle *idle; /* for streams */
  shoal_delta_table table;
  shoal_delta_snapshot *head; /* between appends */
  bool merge_schema;
};

/* Its engine, for work that is over when the call returns. */
SHOAL_MUST_USE shoal_status shoal_table_engine(shoal_table *t, shoal_engine **out, shoal_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expectations: conditions that a result must meet before it is published. They are counted over the staged files,
 * before anything is claimed, or over a result that is there already.
 */
#ifndef SHOAL_RUN_EXPECT_H
#define SHOAL_RUN_EXPECT_H

#include "code/model.h"
#include "engine/engine.h"

typedef struct shoal_broken {
  size_t expect; /* index into model.expects */
  uint64_t rows; /* that break it */
} shoal_broken;

/* The staged files as a table. Partition columns come from the files' values, as they will for every reader. */
SHOAL_MUST_USE shoal_status shoal_staged_scan(const shoal_model *m, const char *staging, const shoal_outcome *made,
                                              shoal_arena *arena, shoal_scan *out, shoal_error *err);
/* Those that `result` breaks; *holds unless one of them is more than a warning. `of` has the macros, variables and the
   clock that conditions may name. */
SHOAL_MUST_USE shoal_status shoal_expects_check(const shoal_model *m, shoal_engine *engine, const shoal_job *of,
                                                const shoal_scan *result, shoal_arena *arena, shoal_broken **out,
                                                size_t *n, bool *holds, shoal_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A lake for a test, over a faulty store over files or memory, and results with a few bytes for files. */
#ifndef SHOAL_TESTS_LAKE_SUPPORT_H
#define SHOAL_TESTS_LAKE_SUPPORT_H

#include "lake/lake.h"
#include "store/faulty.h"

typedef struct lake_fixture {
  char *folder;       /* NULL: in memory */
  shoal_store *inner; /* what the faulty one wraps */
  shoal_store *store; /* faulty */
  shoal_lake *lake;
  shoal_arena arena;
  shoal_error err;
} lake_fixture;

/* The trunk "main" is there. */
lake_fixture lake_fixture_file(void);
lake_fixture lake_fixture_memory(void);
void lake_fixture_close(lake_fixture *f);

shoal_hash test_hash(uint64_t n);
/* A result that is only named: for what never looks at files. Texts are constant or in the arena. */
shoal_result test_result(shoal_arena *arena, const char *dataset, uint64_t n);
typedef struct test_draft {
  shoal_result_draft draft;
  shoal_outcome outcome;
} test_draft;
/* Stages `files` files of a few bytes and fills in a draft; column names of the schema, with ' ' between them. */
shoal_status test_stage(lake_fixture *f, const char *dataset, uint64_t n, size_t files, const char *columns,
                        test_draft *out, shoal_error *err);
/* Stages and puts; n is the signature. */
shoal_status test_put_result(lake_fixture *f, const char *dataset, uint64_t n, size_t files, shoal_result *out,
                             shoal_error *err);
/* An object of these bytes, as JSON; without a dataset it is no dataset's, and its function is m.embed. */
shoal_status test_put_object(lake_fixture *f, const char *dataset, uint64_t n, const char *bytes, shoal_result *out,
                             shoal_error *err);
/* Publishes one change, on what the state holds, without reads. */
shoal_status test_publish_set(lake_fixture *f, shoal_state *state, const char *dataset, const shoal_result *r,
                              shoal_error *err);
shoal_status test_publish_remove(lake_fixture *f, shoal_state *state, const char *dataset, shoal_error *err);
shoal_state *test_load(lake_fixture *f, const char *branch, int64_t publication);

/* An object's text, in the fixture's arena; {NULL,0} if there is none. */
shoal_str test_object(lake_fixture *f, const char *key);
/* Replaces an object behind the lake's back. */
void test_overwrite(lake_fixture *f, const char *key, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "support/lake_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "support/support.h"

static lake_fixture open_over(shoal_store *inner, char *folder) {
  lake_fixture f = {.folder = folder, .inner = inner};
  CHECK_OK(shoal_store_open_faulty(inner, &f.store, &f.err), &f.err);
  CHECK_OK(shoal_lake_create(f.store, &(shoal_lake_options){0}, &f.lake, &f.err), &f.err);
  CHECK_OK(shoal_branch_create(f.lake, f.lake->trunk, SHOAL_STR_NONE, 0, &f.err), &f.err);
  return f;
}

lake_fixture lake_fixture_file(void) {
  shoal_error err;
  shoal_store *inner;
  char *folder = test_folder();
  CHECK_OK(shoal_store_open_file(folder, true, &inner, &err), &err);
  return open_over(inner, folder);
}

lake_fixture lake_fixture_memory(void) {
  shoal_error err;
  shoal_store *inner;
  CHECK_OK(shoal_store_open_memory(&inner, &err), &err);
  return open_over(inner, NULL);
}

void lake_fixture_close(lake_fixture *f) {
  shoal_lake_free(f->lake);
  shoal_store_free(f->store);
  shoal_store_free(f->inner);
  shoal_arena_dispose(&f->arena);
  test_folder_remove(f->folder);
}

shoal_hash test_hash(uint64_t n) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/test");
  shoal_hasher_u64(&h, n);
  return shoal_hasher_end(&h);
}

shoal_result test_result(shoal_arena *arena, const char *dataset, uint64_t n) {
  shoal_str name = shoal_str_z(shoal_arena_printf(arena, "%s", dataset));
  char *home = shoal_arena_printf(arena, "%s", dataset);
  char *dot = strchr(home, '.');
  if (dot)
    *dot = '/';
  return (shoal_result){.signature = test_hash(n),
                        .generation = 1,
                        .attempt = shoal_str_z(shoal_arena_printf(arena, "attempt-%llu", (unsigned long long)n)),
                        .home = shoal_str_z(home),
                        .dataset = name,
                        .rows = n,
                        .bytes = 10 * n,
                        .n_files = 1,
                        .schema_hash = test_hash(1000000 + n),
                        .made_us = (int64_t)n,
                        .writer = SHOAL_STR("anna@host"),
                        .run = SHOAL_STR("run-1")};
}

static shoal_status fill_schema(lake_fixture *f, const char *columns, shoal_schema *out, shoal_error *err) {
  shoal_str rest = shoal_str_z(columns), name;
  *out = (shoal_schema){.fields = SHOAL_NEW_ARRAY(&f->arena, shoal_field, strlen(columns) + 1)};
  if (!out->fields)
    return shoal_fail_nomem(err);
  while (shoal_str_split(&rest, ' ', &name))
    out->fields[out->n_fields++] =
        (shoal_field){.name = name, .type = {.kind = SHOAL_TYPE_INTEGER}, .nullable = true, .physical = name};
  return SHOAL_OK;
}

static shoal_status stage_file(lake_fixture *f, const char *staging, const char *dataset, uint64_t n, size_t i,
                               shoal_output_file *out, shoal_error *err) {
  char *name = shoal_arena_printf(&f->arena, "part-%zu.parquet", i);
  char *bytes = shoal_arena_printf(&f->arena, "%s %llu %zu", dataset, (unsigned long long)n, i);
  char *path = name ? shoal_arena_printf(&f->arena, "%s/%s", staging, name) : NULL;
  if (!bytes || !path)
    return shoal_fail_nomem(err);
  *out = (shoal_output_file){.name = shoal_str_z(name), .bytes = strlen(bytes), .rows = 1};
  return shoal_os_create_file(path, shoal_str_z(bytes), err);
}

shoal_status test_stage(lake_fixture *f, const char *dataset, uint64_t n, size_t files, const char *columns,
                        test_draft *out, shoal_error *err) {
  char *staging;
  *out = (test_draft){0};
  SHOAL_TRY(fill_schema(f, columns, &out->outcome.schema, err));
  SHOAL_TRY(shoal_store_staging(f->store, &f->arena, &staging, err));
  out->draft = (shoal_result_draft){.signature = test_hash(n),
                                    .dataset = shoal_str_z(dataset),
                                    .staging = staging,
                                    .description = SHOAL_STR("a test"),
                                    .provenance = SHOAL_STR("{\"model\":\"select 1\"}"),
                                    .run = SHOAL_STR("run-1"),
                                    .writer = SHOAL_STR("anna@host")};
  if (!(out->outcome.files = SHOAL_NEW_ARRAY(&f->arena, shoal_output_file, files)))
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < files; i++) {
    SHOAL_TRY(stage_file(f, staging, dataset, n, i, &out->outcome.files[i], err));
    out->outcome.bytes += out->outcome.files[i].bytes;
  }
  out->outcome.n_files = out->outcome.rows = files;
  return SHOAL_OK;
}

shoal_status test_put_result(lake_fixture *f, const char *dataset, uint64_t n, size_t files, shoal_result *out,
                             shoal_error *err) {
  test_draft d;
  bool won;
  shoal_status st = test_stage(f, dataset, n, files, "n", &d, err);
  d.draft.outcome = &d.outcome;
  if (st == SHOAL_OK)
    st = shoal_result_put(f->lake, &d.draft, &f->arena, out, &won, err);
  if (d.draft.staging)
    shoal_ignore(shoal_os_remove_tree(d.draft.staging, NULL));
  return st;
}

shoal_status test_put_object(lake_fixture *f, const char *dataset, uint64_t n, const char *bytes, shoal_result *out,
                             shoal_error *err) {
  shoal_outcome cost = {0};
  bool won;
  shoal_lookup look = {.signature = test_hash(n)};
  SHOAL_TRY(shoal_claims_lookup(f->lake, &look, 1, &f->arena, err));
  shoal_result_draft draft = {.signature = test_hash(n),
                              .dataset = shoal_str_z(dataset ? dataset : "m.embed"),
                              .unnamed = !dataset,
                              .outcome = &cost,
                              .codec = SHOAL_STR("json"),
                              .type = SHOAL_STR("list"),
                              .payload = shoal_str_z(bytes),
                              .provenance = SHOAL_STR("{\"who\":\"a\"}"),
                              .writer = SHOAL_STR("a@host"),
                              .generations = look.generations};
  return shoal_result_put(f->lake, &draft, &f->arena, out, &won, err);
}

static shoal_status publish_change(lake_fixture *f, shoal_state *state, const shoal_change *change, shoal_error *err) {
  int64_t number;
  shoal_publication_draft draft = {.base = state->publication,
                                   .changes = change,
                                   .n_changes = 1,
                                   .run = SHOAL_STR("run-1"),
                                   .writer = SHOAL_STR("anna@host"),
                                   .kind = "run"};
  return shoal_publish(f->lake, state, &draft, &number, err);
}

shoal_status test_publish_set(lake_fixture *f, shoal_state *state, const char *dataset, const shoal_result *r,
                              shoal_error *err) {
  shoal_change c = {.kind = SHOAL_CHANGE_SET, .name = shoal_str_z(dataset), .result = *r};
  return publish_change(f, state, &c, err);
}

shoal_status test_publish_remove(lake_fixture *f, shoal_state *state, const char *dataset, shoal_error *err) {
  shoal_change c = {.kind = SHOAL_CHANGE_REMOVE, .name = shoal_str_z(dataset)};
  return publish_change(f, state, &c, err);
}

shoal_state *test_load(lake_fixture *f, const char *branch, int64_t publication) {
  shoal_state *s = NULL;
  CHECK_OK(shoal_branch_load(f->lake, shoal_str_z(branch), publication, &s, &f->err), &f->err);
  return s;
}

shoal_str test_object(lake_fixture *f, const char *key) {
  shoal_buf buf = {0};
  shoal_str out = SHOAL_STR_NONE;
  if (shoal_store_get(f->inner, shoal_str_z(key), &buf, NULL) == SHOAL_OK)
    out = shoal_arena_str(&f->arena, shoal_buf_str(&buf));
  shoal_buf_dispose(&buf);
  return out;
}

void test_overwrite(lake_fixture *f, const char *key, const char *text) {
  CHECK_OK(shoal_store_rewrite(f->inner, shoal_str_z(key), shoal_str_z(text), &f->err), &f->err);
}

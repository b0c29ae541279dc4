/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of files: encoded, decoded, and kept inside the table. */
#include "support/support.h"

#include "base/buf.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/delta.h"

/* `text` with each "%s" replaced. */
static void test_replace(shoal_buf *out, const char *text, const char *with) {
  for (const char *at; (at = strstr(text, "%s")); text = at + 2) {
    shoal_buf_add(out, shoal_str_n(text, (size_t)(at - text)));
    shoal_buf_addz(out, with);
  }
  shoal_buf_addz(out, text);
}

static void test_both_ways(void **state) {
  (void)state;
  static const struct {
    const char *plain, *encoded;
  } cases[] = {
      {"part-0.parquet", "part-0.parquet"},
      {"a=b c/x%.parquet", "a=b%20c/x%25.parquet"},
      {"p=US%2FEast/x", "p=US%252FEast/x"},
      {"a:b", "a%3Ab"},
      {"\xc3\xa4", "%C3%A4"},
      {"..a/b..", "..a/b.."},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_buf out = {0};
    shoal_delta_path_encode(&out, shoal_str_z(cases[i].plain));
    CHECK_STR(shoal_buf_str(&out), cases[i].encoded);
    shoal_buf_clear(&out);
    CHECK_OK(shoal_delta_path_decode(shoal_str_z(cases[i].encoded), &out, &err), &err);
    CHECK_STR(shoal_buf_str(&out), cases[i].plain);
    shoal_buf_dispose(&out);
  }
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *path;
    shoal_status status;
  } cases[] = {
      {"", SHOAL_ECORRUPT},
      {"a%00b", SHOAL_ECORRUPT},
      {"a%2", SHOAL_ECORRUPT},
      {"a%zz", SHOAL_ECORRUPT},
      {"../x", SHOAL_EUNSUPPORTED},
      {"a/%2e%2E/x", SHOAL_EUNSUPPORTED},
      {"a/..", SHOAL_EUNSUPPORTED},
      {"/etc/passwd", SHOAL_EUNSUPPORTED},
      {"%2Fetc/passwd", SHOAL_EUNSUPPORTED},
      {"s3://b/x", SHOAL_EUNSUPPORTED},
      {"file:/a/b", SHOAL_EUNSUPPORTED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    shoal_buf out = {0};
    CHECK_STATUS(shoal_delta_path_decode(shoal_str_z(cases[i].path), &out, &err), cases[i].status, &err);
    shoal_buf_dispose(&out);
  }
}

/* "%s" stands for the store's root. `key` is what is expected of a table at "t", NULL: outside. */
static void test_resolved(void **state) {
  (void)state;
  static const struct {
    const char *path, *key, *local;
    shoal_status near, anywhere;
  } cases[] = {
      {"a%20b/x.parquet", "t/a b/x.parquet", "%s/t/a b/x.parquet", SHOAL_OK, SHOAL_OK},
      {"%s/t/x", "t/x", "%s/t/x", SHOAL_OK, SHOAL_OK},
      {"file:%s/t/a%2541", "t/a%41", "%s/t/a%41", SHOAL_OK, SHOAL_OK},
      {"file://%s/t/x", "t/x", "%s/t/x", SHOAL_OK, SHOAL_OK},
      {"file://localhost%s/t/../t/./x", "t/x", "%s/t/x", SHOAL_OK, SHOAL_OK},
      {"../t/x", "t/x", "%s/t/x", SHOAL_OK, SHOAL_OK},
      {"../u/x", NULL, "%s/u/x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"../../../../../../../../../../../../etc/x", NULL, "/etc/x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"%s/tt/x", NULL, "%s/tt/x", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"file:/etc/passwd", NULL, "/etc/passwd", SHOAL_EUNSUPPORTED, SHOAL_OK},
      {"file://host/x", NULL, NULL, SHOAL_EUNSUPPORTED, SHOAL_EUNSUPPORTED},
      {"s3://b/x", NULL, NULL, SHOAL_EUNSUPPORTED, SHOAL_EUNSUPPORTED},
      {"a%00", NULL, NULL, SHOAL_ECORRUPT, SHOAL_ECORRUPT},
  };
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_delta_table table = {.prefix = SHOAL_STR("t")};
  char *folder = test_folder(), *root;
  CHECK_OK(shoal_os_realpath(folder, &arena, &root, &err), &err);
  CHECK_OK(shoal_store_open_file(root, false, &table.store, &err), &err);
  for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
    shoal_delta_place place;
    shoal_buf path = {0}, local = {0};
    table.anywhere = i % 2;
    test_replace(&path, cases[i / 2].path, root);
    shoal_status want = table.anywhere ? cases[i / 2].anywhere : cases[i / 2].near;
    CHECK_STATUS(shoal_delta_path_resolve(&table, shoal_buf_str(&path), &arena, &place, &err), want, &err);
    if (want == SHOAL_OK) {
      test_replace(&local, cases[i / 2].local, root);
      CHECK_STR(shoal_buf_str(&local), place.local);
      assert_int_equal(cases[i / 2].key == NULL, place.key.ptr == NULL);
      if (place.key.ptr)
        CHECK_STR(place.key, cases[i / 2].key);
    }
    shoal_buf_dispose(&path);
    shoal_buf_dispose(&local);
  }
  shoal_store_free(table.store);
  shoal_arena_dispose(&arena);
  test_folder_remove(folder);
}

/* A table may be all of a store, whose root has no key. */
static void test_resolved_at_the_root(void **state) {
  (void)state;
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_delta_place place;
  shoal_delta_table table = {.prefix = SHOAL_STR(""), .anywhere = true};
  char *folder = test_folder(), *root;
  CHECK_OK(shoal_os_realpath(folder, &arena, &root, &err), &err);
  CHECK_OK(shoal_store_open_file(root, false, &table.store, &err), &err);
  char *inside = shoal_arena_printf(&arena, "%s/a/x", root);
  CHECK_OK(shoal_delta_path_resolve(&table, shoal_str_z(inside), &arena, &place, &err), &err);
  CHECK_STR(place.key, "a/x");
  CHECK_OK(shoal_delta_path_resolve(&table, SHOAL_STR("/etc/x"), &arena, &place, &err), &err);
  CHECK_STR(SHOAL_STR("/etc/x"), place.local);
  shoal_store_free(table.store);
  shoal_arena_dispose(&arena);
  test_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways), cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_resolved), cmocka_unit_test(test_resolved_at_the_root)};
  return cmocka_run_group_tests_name("delta/path", tests, NULL, NULL);
}

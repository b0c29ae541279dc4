/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots for reading (delta/view.c) against those for writing (delta/snapshot.c), which replay the other way around:
 * over logs made at random, with checkpoints, compactions and the cache (V1 to V3 of delta/view_cache.c).
 */
#include "support/table_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "delta/view.h"

#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA                                                                                                       \
  "{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\\":" \
  "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\"},{\\\"name\\\":\\\"p\\\","         \
  "\\\"type\\\":\\\"string\\\"},{\\\"name\\\":\\\"s\\\",\\\"type\\\":\\\"string\\\"}]}\",\"partitionColumns\":["       \
  "\"p\"],\"configuration\":{%s}}}\n"

typedef struct fixture {
  test_table t;
  test_random random;
} fixture;

static void open_table(fixture *f) {
  shoal_error err = {0};
  char *folder = shoal_arena_printf(&f->t.arena, "%s/table", f->t.root);
  CHECK_OK(shoal_store_open_file(folder, true, &f->t.table.store, &err), &err);
}

static void begin(fixture *f) {
  *f = (fixture){.random = test_random_start("delta/view")};
  test_table_open(&f->t, "", 2);
  f->t.table.cache_from = 1;
  shoal_store_free(f->t.table.store); /* what is remembered stands beside the table's folder */
  open_table(f);
}

static void end(fixture *f) { test_table_close(&f->t); }

static void put(fixture *f, const char *name, const shoal_buf *text) {
  shoal_error err = {0};
  char key[96];
  snprintf(key, sizeof key, "_delta_log/%s", name);
  CHECK_OK(shoal_store_put_new(f->t.table.store, shoal_str_z(key), shoal_buf_str(text), &err), &err);
}

static void put_commit(fixture *f, int64_t version, const shoal_buf *text) {
  char name[64];
  snprintf(name, sizeof name, "%020lld.json", (long long)version);
  put(f, name, text);
}

/* ---- comparing ---- */

/* Path, vector, partition and what is known of it, in no order: the sum of the hashes of all. */
static uint64_t mix(shoal_str text) {
  const shoal_hash h = shoal_hash_bytes(text);
  uint64_t v;
  memcpy(&v, h.b, sizeof v);
  return v;
}

static uint64_t sum_of_set(const shoal_files *f, const bool *dead) {
  uint64_t sum = 0;
  for (size_t i = 0; i < f->n; i++) {
    shoal_buf text = {0};
    shoal_str value;
    uint32_t vector = shoal_counts_get(&f->vector, i);
    if (dead && dead[i])
      continue;
    assert_int_equal(shoal_files_path(f, i, &text, NULL), SHOAL_OK);
    assert_true(shoal_files_values(f, shoal_counts_get(&f->part, i), &value));
    if (vector)
      shoal_buf_addz(&text, " has a vector");
    shoal_buf_addf(&text, " %.*s %u %llu", SHOAL_FMT(value), shoal_counts_get(&f->rows, i),
                   (unsigned long long)((const uint64_t *)f->sizes.ptr)[i]);
    sum += mix(shoal_buf_str(&text));
    shoal_buf_dispose(&text);
  }
  return sum;
}

static uint64_t sum_of_snapshot(const shoal_delta_snapshot *s) {
  uint64_t sum = 0;
  for (size_t i = 0; i < s->n_files; i++) {
    const shoal_delta_file *file = &s->files[i];
    shoal_buf text = {0};
    shoal_buf_add(&text, file->path);
    if (file->deletion_vector.ptr)
      shoal_buf_addz(&text, " has a vector");
    int64_t rows = shoal_delta_file_rows(file);
    shoal_buf_addf(&text, " %.*s %u %llu", SHOAL_FMT(file->partition_values[0].value),
                   rows < 0 ? UINT32_MAX : (uint32_t)rows, (unsigned long long)file->size);
    sum += mix(shoal_buf_str(&text));
    shoal_buf_dispose(&text);
  }
  return sum;
}

/* Whether the view came from the cache. */
static bool check_view(const shoal_delta_table *table, int64_t version, const shoal_delta_snapshot *s) {
  shoal_error err = {0};
  shoal_delta_view *v;
  CHECK_OK(shoal_delta_view_open(table, version, &v, &err), &err);
  assert_int_equal(shoal_delta_view_version(v), s->version);
  assert_int_equal(shoal_delta_view_n_files(v), s->n_files);
  assert_true(shoal_str_eq(v->metadata.schema_json, s->metadata.schema_json));
  assert_true(shoal_str_eq(shoal_delta_config(&v->metadata, "k"), shoal_delta_config(&s->metadata, "k")));
  assert_int_equal(v->protocol.min_writer, s->protocol.min_writer);
  assert_true(sum_of_set(&v->base, v->dead) + sum_of_set(&v->tail, NULL) == sum_of_snapshot(s));
  bool recalled = v->base.mapped.len > 0;
  shoal_delta_view_free(v);
  return recalled;
}

static bool check_version(const shoal_delta_table *table, int64_t version) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  shoal_delta_table plain = *table;
  plain.cache = NULL;
  CHECK_OK(shoal_delta_snapshot_open(&plain, version, &s, &err), &err);
  check_view(&plain, version, s);
  bool recalled = table->cache && check_view(table, version, s);
  shoal_delta_snapshot_free(s);
  return recalled;
}

/* ---- logs made at random ---- */

#define VECTOR(id)                                                                                                     \
  ",\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"vBn[lx{q8@P<9BNH/isA\",\"offset\":%d,"              \
  "\"sizeInBytes\":1,\"cardinality\":1}",                                                                              \
      (int)(id)

static void add_file(fixture *f, shoal_buf *out, const char *verb, uint64_t file, uint64_t vector) {
  shoal_buf_addf(out, "{\"%s\":{\"path\":\"day%%3D%llu/part-%05llu-%llx.parquet\",\"dataChange\":true", verb,
                 (unsigned long long)(file % 7), (unsigned long long)file, (unsigned long long)(file * 7919));
  if (strcmp(verb, "add") == 0) {
    shoal_buf_addf(out, ",\"partitionValues\":{\"p\":\"%llu\"},\"size\":%llu,\"modificationTime\":1",
                   (unsigned long long)(file % 3), (unsigned long long)file + 10);
    if (test_random_below(&f->random, 4))
      shoal_buf_addf(out, ",\"stats\":\"{\\\"numRecords\\\":%llu,\\\"minValues\\\":{\\\"a\\\":%llu}}\"",
                     (unsigned long long)file, (unsigned long long)file);
  } else {
    shoal_buf_addz(out, ",\"deletionTimestamp\":1");
  }
  if (vector)
    shoal_buf_addf(out, VECTOR(vector));
  shoal_buf_addz(out, "}}\n");
}

#define N_FILES 40

/* Adds and removes files of which `vectors` says what they are: 0 not there, 1 whole, more: with a vector. */
static void random_commit(fixture *f, int64_t version, uint64_t *vectors) {
  shoal_buf text = {0};
  if (version == 0)
    shoal_buf_addz(&text, PROTOCOL);
  if (version == 0 || test_random_below(&f->random, 25) == 0) {
    char key[64];
    snprintf(key, sizeof key, "\"k\":\"%lld\"", (long long)version);
    shoal_buf_addf(&text, METADATA, key);
  }
  for (uint64_t n = test_random_below(&f->random, 6); n > 0; n--) {
    uint64_t file = test_random_below(&f->random, N_FILES), was = vectors[file];
    uint64_t now = test_random_below(&f->random, 3) ? was + 1 : 0;
    if (was)
      add_file(f, &text, "remove", file, was - 1);
    if (now)
      add_file(f, &text, "add", file, now - 1);
    vectors[file] = now;
  }
  put_commit(f, version, &text);
  shoal_buf_dispose(&text);
}

/* What the commits from `from` to `to` come to, as a compaction says it. */
static void compact(fixture *f, int64_t from, int64_t to) {
  shoal_error err = {0};
  shoal_replay r = {0};
  shoal_buf out = {0};
  char name[96];
  for (int64_t v = from; v <= to; v++) {
    shoal_buf text = {0};
    shoal_str key = shoal_delta_key(&f->t.table, &f->t.arena, "_delta_log/%020lld.json", (long long)v);
    CHECK_OK(shoal_store_get(f->t.table.store, key, &text, &err), &err);
    CHECK_OK(shoal_replay_commit(&r, shoal_buf_str(&text), "a commit", &f->t.arena, &err), &err);
    shoal_buf_dispose(&text);
  }
  if (r.protocol.ptr)
    shoal_buf_addf(&out, "{\"protocol\":%.*s}\n", SHOAL_FMT(r.protocol));
  if (r.metadata.ptr)
    shoal_buf_addf(&out, "{\"metaData\":%.*s}\n", SHOAL_FMT(r.metadata));
  for (size_t i = 0; i < r.files.len; i++)
    shoal_buf_addf(&out, "{\"%s\":%.*s}\n", r.files.ptr[i].live ? "add" : "remove", SHOAL_FMT(r.files.ptr[i].file.raw));
  snprintf(name, sizeof name, "%020lld.%020lld.compacted.json", (long long)from, (long long)to);
  put(f, name, &out);
  shoal_buf_dispose(&out);
  shoal_replay_dispose(&r);
}

static void checkpoint(fixture *f) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(&f->t.table, SHOAL_DELTA_LATEST, &s, &err), &err);
  CHECK_OK(shoal_delta_checkpoint(&f->t.table, s, &err), &err);
  shoal_delta_snapshot_free(s);
}

static void test_random_logs(void **state) {
  (void)state;
  fixture f;
  uint64_t vectors[N_FILES] = {0};
  size_t recalled = 0;
  begin(&f);
  f.t.table.cache = shoal_arena_printf(&f.t.arena, "%s/cache", f.t.root);
  int64_t versions = (int64_t)test_budget(60), compacted = -1;
  for (int64_t v = 0; v < versions; v++) {
    random_commit(&f, v, vectors);
    if (v - compacted > 2 && test_random_below(&f.random, 6) == 0) {
      compact(&f, compacted + 1, v);
      compacted = v;
    }
    recalled += check_version(&f.t.table, SHOAL_DELTA_LATEST);
    check_version(&f.t.table, (int64_t)test_random_below(&f.random, (uint64_t)v + 1));
    if (test_random_below(&f.random, 12) == 0)
      checkpoint(&f);
  }
  assert_true(recalled > (size_t)versions / 4);
  end(&f);
}

/* ---- the cache ---- */

static void make_table(fixture *f, int64_t versions, uint64_t from) {
  for (int64_t v = 0; v < versions; v++) {
    shoal_buf text = {0};
    if (v == 0)
      shoal_buf_addf(&text, PROTOCOL METADATA, "");
    for (uint64_t i = 0; i < 8; i++)
      add_file(f, &text, "add", from + (uint64_t)v * 8 + i, i == 7);
    put_commit(f, v, &text);
    shoal_buf_dispose(&text);
  }
}

static char *cached_file(fixture *f) {
  shoal_error err = {0};
  shoal_dirent *entries;
  size_t n;
  CHECK_OK(shoal_os_list(f->t.table.cache, &f->t.arena, &entries, &n, &err), &err);
  assert_int_equal(n, 1);
  return shoal_arena_printf(&f->t.arena, "%s/%s", f->t.table.cache, entries[0].name.ptr);
}

static void test_broken_caches(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_buf whole = {0};
  begin(&f);
  f.t.table.cache = shoal_arena_printf(&f.t.arena, "%s/cache", f.t.root);
  make_table(&f, 3, 0);
  assert_false(check_version(&f.t.table, SHOAL_DELTA_LATEST));
  assert_true(check_version(&f.t.table, SHOAL_DELTA_LATEST));
  char *path = cached_file(&f);
  CHECK_OK(shoal_os_read_file(path, SIZE_MAX, &whole, &err), &err);
  for (uint64_t i = 0; i < test_budget(300); i++) {
    shoal_buf bad = {0};
    shoal_buf_add(&bad, shoal_buf_str(&whole));
    if (i % 3)
      bad.ptr[test_random_below(&f.random, bad.len)] ^= (char)(1 << test_random_below(&f.random, 8));
    else
      bad.len = test_random_below(&f.random, bad.len);
    CHECK_OK(shoal_os_replace_file(path, shoal_buf_str(&bad), &err), &err);
    bool padding = check_version(&f.t.table, SHOAL_DELTA_LATEST); /* a bit that fills up is no byte of anything */
    assert_true(!padding || i % 3);
    shoal_buf_dispose(&bad);
  }
  CHECK_OK(shoal_os_replace_file(path, shoal_buf_str(&whole), &err), &err);
  assert_true(check_version(&f.t.table, SHOAL_DELTA_LATEST));
  f.t.table.cache = "/proc/nowhere"; /* where nothing can be written */
  assert_false(check_version(&f.t.table, SHOAL_DELTA_LATEST));
  shoal_buf_dispose(&whole);
  end(&f);
}

/* V1: the same place, the same id, the same number of versions. */
static void test_a_table_made_again(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  begin(&f);
  f.t.table.cache = shoal_arena_printf(&f.t.arena, "%s/cache", f.t.root);
  for (uint64_t i = 0; i < 3; i++) {
    make_table(&f, 3, i * 100);
    assert_false(check_version(&f.t.table, SHOAL_DELTA_LATEST));
    assert_true(check_version(&f.t.table, SHOAL_DELTA_LATEST));
    shoal_store_free(f.t.table.store);
    CHECK_OK(shoal_os_remove_tree(shoal_arena_printf(&f.t.arena, "%s/table", f.t.root), &err), &err);
    open_table(&f);
  }
  end(&f);
}

static void test_old_ones_go(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_dirent *entries;
  size_t n;
  begin(&f);
  for (int i = 0; i < 5; i++) {
    char *path = shoal_arena_printf(&f.t.arena, "%s/%d", f.t.root, i);
    const struct timespec times[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
    CHECK_OK(shoal_os_replace_file(path, SHOAL_STR("0123456789"), &err), &err);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  }
  CHECK_OK(shoal_os_rmdir(shoal_arena_printf(&f.t.arena, "%s/table", f.t.root), &err), &err);
  shoal_os_touch(shoal_arena_printf(&f.t.arena, "%s/0", f.t.root));
  shoal_files_cache_trim(f.t.root, "1", 30);
  CHECK_OK(shoal_os_list(f.t.root, &f.t.arena, &entries, &n, &err), &err);
  assert_int_equal(n, 3);
  CHECK_STR(entries[0].name, "0");
  CHECK_STR(entries[1].name, "1");
  CHECK_STR(entries[2].name, "4");
  end(&f);
}

/* ---- out of memory ---- */

static void test_memory(void **state) {
  (void)state;
  fixture f;
  shoal_delta_snapshot *s;
  shoal_error err = {0};
  begin(&f);
  f.t.table.cache = shoal_arena_printf(&f.t.arena, "%s/cache", f.t.root);
  make_table(&f, 2, 0);
  CHECK_OK(shoal_delta_snapshot_open(&f.t.table, SHOAL_DELTA_LATEST, &s, &err), &err);
  for (int way = 0; way < 2; way++) {
    shoal_status status = SHOAL_ENOMEM;
    for (uint64_t n = 1; status != SHOAL_OK; n++) {
      shoal_delta_view *v;
      shoal_mem_fail_at(n, 0);
      status = shoal_delta_view_open(&f.t.table, SHOAL_DELTA_LATEST, &v, &err);
      bool failed = shoal_mem_requests() >= n;
      shoal_mem_fail_at(0, 0);
      assert_true(status == SHOAL_OK || status == SHOAL_ENOMEM);
      if (status == SHOAL_OK) {
        assert_true(sum_of_set(&v->base, v->dead) + sum_of_set(&v->tail, NULL) == sum_of_snapshot(s));
        shoal_delta_view_free(v);
        status = failed ? SHOAL_ENOMEM : SHOAL_OK; /* what is only for the cache may fail */
      }
      assert_true(n < 100000);
    }
  }
  shoal_delta_snapshot_free(s);
  end(&f);
}

/* ---- paths, numbers ---- */

static void test_paths(void **state) {
  (void)state;
  test_random r = test_random_start("delta/files paths");
  shoal_delta_metadata m = {0};
  shoal_files f;
  shoal_arena arena = {0};
  shoal_str paths[2000];
  assert_int_equal(shoal_files_init(&f, &m, NULL), SHOAL_OK);
  for (size_t i = 0; i < 2000; i++) {
    char text[700];
    size_t len = 1 + test_random_below(&r, i % 20 == 0 ? 699 : 20);
    static const char *const alphabets[] = {"ab", "0123456789abcdef-", "-f", "09afZ./"};
    const char *letters = alphabets[test_random_below(&r, 4)];
    for (size_t k = 0; k < len; k++)
      text[k] = letters[test_random_below(&r, (uint32_t)strlen(letters))];
    paths[i] = shoal_arena_str(&arena, shoal_str_n(text, len));
    const shoal_files_row row = {.path = paths[i], .partition = SHOAL_STR("")};
    assert_int_equal(shoal_files_add(&f, &row, NULL), SHOAL_OK);
  }
  for (size_t i = 0; i < 2000; i++) {
    shoal_buf got = {0};
    assert_int_equal(shoal_files_path(&f, i, &got, NULL), SHOAL_OK);
    assert_true(shoal_str_eq(shoal_buf_str(&got), paths[i]));
    shoal_buf_dispose(&got);
  }
  shoal_files_dispose(&f);
  shoal_arena_dispose(&arena);
}

static void test_numbers(void **state) {
  (void)state;
  static const struct {
    shoal_type type;
    const char *text;
    bool ok, exact;
    int64_t number;
  } cases[] = {
      {{.kind = SHOAL_TYPE_LONG}, "9223372036854775807", true, true, INT64_MAX},
      {{.kind = SHOAL_TYPE_LONG}, "-9223372036854775808", true, true, INT64_MIN},
      {{.kind = SHOAL_TYPE_LONG}, "9223372036854775808", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, "-9223372036854775809", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, "-9223372036854775808.5", false, false, 0},
      {{.kind = SHOAL_TYPE_LONG}, "-0.5", true, false, -1},
      {{.kind = SHOAL_TYPE_LONG}, "12.50", true, false, 12},
      {{.kind = SHOAL_TYPE_LONG}, "12.00", true, true, 12},
      {{.kind = SHOAL_TYPE_LONG}, "1e3", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, "", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, "-", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, ".", false, true, 0},
      {{.kind = SHOAL_TYPE_LONG}, "1.", false, true, 0},
      {{.kind = SHOAL_TYPE_DECIMAL, .precision = 10, .scale = 2}, "-1.005", true, false, -101},
      {{.kind = SHOAL_TYPE_DECIMAL, .precision = 10, .scale = 2}, "7", true, true, 700},
      {{.kind = SHOAL_TYPE_DATE}, "1970-01-02", true, true, INT64_C(86400000000)},
      {{.kind = SHOAL_TYPE_DATE}, "1970-01-02T00:00:00", false, true, 0},
      {{.kind = SHOAL_TYPE_TIMESTAMP}, "1970-01-01T00:00:00.001Z", true, true, 1000},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t v;
    bool exact;
    bool ok = shoal_leaf_number(&cases[i].type, shoal_str_z(cases[i].text), &v, &exact);
    if (ok != cases[i].ok || (ok && (v != cases[i].number || exact != cases[i].exact)))
      fail_msg("%s: %d %lld %d", cases[i].text, ok, (long long)v, exact);
  }
  static const char *const ascending[] = {"-1.7e308", "-2.5", "-1e-300", "0.0", "1e-300", "0.1", "2", "1.7e308"};
  const shoal_type type = {.kind = SHOAL_TYPE_DOUBLE};
  int64_t before = INT64_MIN, v;
  bool exact;
  for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
    assert_true(shoal_leaf_number(&type, shoal_str_z(ascending[i]), &v, &exact) && v > before);
    before = v;
  }
  int64_t zero;
  assert_true(shoal_leaf_number(&type, SHOAL_STR("0"), &zero, &exact) &&
              shoal_leaf_number(&type, SHOAL_STR("-0.0"), &v, &exact) && v == zero);
}

/* Texts in one shape after the other take quick ways: each bound is what its text alone says, or none. */
static void test_texts_of_one_shape(void **state) {
  (void)state;
  static const char *const times[] = {
      "1970-01-01T00:00:00.001Z", "2020-02-29T23:59:59.999Z", "2020-02-29T00:00:60.000Z",
      "2021-02-29T00:00:00.000Z", "2020-02-29T24:00:00.000Z", "2020-02-29T00:60:00.000Z",
      "2020-02-29T00:00:00.00xZ", "2020-02-29T0a:00:00.000Z", "2020-02-29T12:30:00.5+01",
      "2020-02-29 12:30:00.500Z", "2020-02-29T12:30:00.500",  "0001-01-01T00:00:00.000Z",
      "9999-12-31T23:59:59.999Z", "2020-02-28T01:02:03.004Z", "nonsense"};
  static const char *const numbers[] = {
      "0",   "-1",  "123456789012345678", "1234567890123456789", "9223372036854775807", "9223372036854775808", "1.5",
      "1e3", "-0.5"};
  shoal_field fields[] = {{.name = SHOAL_STR("t"), .physical = SHOAL_STR("t"), .type = {.kind = SHOAL_TYPE_TIMESTAMP}},
                          {.name = SHOAL_STR("n"), .physical = SHOAL_STR("n"), .type = {.kind = SHOAL_TYPE_LONG}}};
  const shoal_delta_metadata m = {.schema = {fields, 2}};
  enum {
    N_TIMES = sizeof times / sizeof *times,
    N_NUMBERS = sizeof numbers / sizeof *numbers,
    N = N_TIMES * N_NUMBERS
  };
  shoal_files f;
  assert_int_equal(shoal_files_init(&f, &m, NULL), SHOAL_OK);
  for (size_t i = 0; i < N; i++) {
    char stats[256];
    snprintf(stats, sizeof stats, "{\"minValues\":{\"t\":\"%s\",\"n\":%s},\"nullCount\":{\"t\":%zu}}",
             times[i % N_TIMES], numbers[i / N_TIMES], i);
    const shoal_files_row row = {.path = SHOAL_STR("p"), .stats = shoal_str_z(stats)};
    assert_int_equal(shoal_files_add(&f, &row, NULL), SHOAL_OK);
  }
  for (size_t i = 0; i < N; i++) {
    const char *texts[] = {times[i % N_TIMES], numbers[i / N_TIMES]};
    for (size_t k = 0; k < 2; k++) {
      int64_t want, got = ((const int64_t *)f.leaves[k].min.ptr)[i];
      bool exact, known = shoal_leaf_number(&fields[k].type, shoal_str_z(texts[k]), &want, &exact);
      want = known ? want - (k == 0 ? 1000 : 0) : INT64_MIN;
      if (got != want)
        fail_msg("%s is %lld, not %lld", texts[k], (long long)got, (long long)want);
    }
    assert_int_equal(shoal_counts_get(&f.leaves[0].nulls, i), i);
  }
  shoal_files_dispose(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_logs),
                                     cmocka_unit_test(test_broken_caches),
                                     cmocka_unit_test(test_a_table_made_again),
                                     cmocka_unit_test(test_old_ones_go),
                                     cmocka_unit_test(test_memory),
                                     cmocka_unit_test(test_paths),
                                     cmocka_unit_test(test_numbers),
                                     cmocka_unit_test(test_texts_of_one_shape)};
  return cmocka_run_group_tests_name("delta/view", tests, NULL, NULL);
}

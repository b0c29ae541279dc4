/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: every pair of kinds at both isolation levels against the matrix that R1 … R7 of delta/conflict.h mean,
 * T1 … T4 of delta/transaction.h, writers at once, row ids and in-commit timestamps.
 */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "delta/transaction.h"
#include "store/faulty.h"

#define SCHEMA                                                                                                         \
  "{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\"},{\\\"name\\\":"     \
  "\\\"p\\\",\\\"type\\\":\\\"string\\\"}]}"
#define HEAD(protocol, config)                                                                                         \
  "{\"commitInfo\":{\"timestamp\":5,\"inCommitTimestamp\":99999999999999}}\n{\"protocol\":" protocol                   \
  "}\n{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"" SCHEMA     \
  "\",\"partitionColumns\":[\"p\"],\"configuration\":{" config "}}}\n"
#define PLAIN HEAD("{\"minReaderVersion\":1,\"minWriterVersion\":2}", "")
#define ADD(path)                                                                                                      \
  "{\"add\":{\"path\":\"" path "\",\"partitionValues\":{\"p\":\"1\"},\"size\":5,\"modificationTime\":1,"               \
  "\"dataChange\":true}}\n"

typedef enum kind { APPEND, INSERT, DELETE_A, DELETE_B, DELETE_ALL, OPTIMIZE, PROPERTY, APP, KINDS } kind;
static const char *const names[] = {"append",     "insert",   "delete a", "delete b",
                                    "delete all", "optimize", "property", "app"};

/* ours (row) after theirs (column): '.' goes in, 'C' conflicts, 's' conflicts only under Serializable. */
static const char *const matrix[KINDS] = {
    [APPEND] = "........",     /* T3 */
    [INSERT] = "sCCCCCCs",     /* reads all */
    [DELETE_A] = "sCC.CCCs",   /* reads a; b's deletion does not matter */
    [DELETE_B] = "sC.CCCCs",   /* reads b */
    [DELETE_ALL] = "sCCCCCCs", /* reads all */
    [OPTIMIZE] = "..CCCCC.",   /* what comes new is none of its business */
    [PROPERTY] = "......C.",   /* reads no rows */
    [APP] = ".......C",        /* an append, of the same application */
};

static void put(const shoal_delta_table *t, int64_t version, const char *text) {
  shoal_error err = {0};
  char key[64];
  snprintf(key, sizeof key, "t/_delta_log/%020lld.json", (long long)version);
  CHECK_OK(shoal_store_put_new(t->store, shoal_str_z(key), shoal_str_z(text), &err), &err);
}

static shoal_delta_table make(const char *head) {
  shoal_error err = {0};
  shoal_delta_table t = {.prefix = SHOAL_STR("t")};
  CHECK_OK(shoal_store_open_memory(&t.store, &err), &err);
  put(&t, 0, head);
  return t;
}

static shoal_delta_snapshot *open_at(const shoal_delta_table *t, int64_t version) {
  shoal_error err = {0};
  shoal_delta_snapshot *s;
  CHECK_OK(shoal_delta_snapshot_open(t, version, &s, &err), &err);
  return s;
}

static bool any_file(void *arg, const shoal_delta_file *added) {
  (void)arg;
  return added->path.len > 0;
}

static const shoal_delta_file *file_of(const shoal_delta_snapshot *s, const char *path) {
  for (size_t i = 0; i < shoal_delta_snapshot_n_files(s); i++)
    if (shoal_str_is(shoal_delta_snapshot_files(s)[i].path, path))
      return &shoal_delta_snapshot_files(s)[i];
  return NULL;
}

static shoal_status drop(shoal_delta_transaction *t, const shoal_delta_snapshot *s, const char *path, bool change,
                         shoal_error *err) {
  const shoal_delta_file *f = file_of(s, path);
  SHOAL_TRY(shoal_delta_transaction_reads(t, f, err));
  return shoal_delta_transaction_remove(t, f, change, err);
}

/* Lets the transaction read and do what its kind does. `file` is its own new one. */
static shoal_status fill(shoal_delta_transaction *t, const shoal_delta_snapshot *s, kind k, shoal_delta_file *file,
                         shoal_delta_metadata *m, shoal_error *err) {
  if (k == INSERT || k == DELETE_ALL)
    shoal_delta_transaction_reads_all(t);
  if (k == DELETE_A || k == DELETE_B)
    shoal_delta_transaction_would_read(t, any_file, NULL);
  if (k == DELETE_A || k == DELETE_ALL || k == OPTIMIZE)
    SHOAL_TRY(drop(t, s, "a", k != OPTIMIZE, err));
  if (k == DELETE_B || k == DELETE_ALL || k == OPTIMIZE)
    SHOAL_TRY(drop(t, s, "b", k != OPTIMIZE, err));
  if (k == OPTIMIZE)
    shoal_delta_transaction_isolate(t, SHOAL_DELTA_SNAPSHOT);
  file->data_change = k != OPTIMIZE;
  if (k == APPEND || k == INSERT || k == OPTIMIZE || k == APP)
    SHOAL_TRY(shoal_delta_transaction_add(t, file, err));
  if (k == APP)
    SHOAL_TRY(shoal_delta_transaction_app(t, SHOAL_STR("etl"), 3, err));
  if (k == PROPERTY) {
    static const shoal_delta_kv kv[] = {{{"k", 1}, {"v", 1}}};
    *m = *shoal_delta_snapshot_metadata(s);
    m->configuration = kv;
    m->n_configuration = 1;
    shoal_delta_transaction_metadata(t, m);
  }
  return SHOAL_OK;
}

static shoal_status commit(const shoal_delta_table *table, const shoal_delta_snapshot *s, kind k,
                           shoal_delta_isolation isolation, const char *path, int64_t *version, shoal_error *err) {
  shoal_delta_transaction *t;
  shoal_delta_kv value = {SHOAL_STR("p"), SHOAL_STR("1")};
  shoal_delta_file file = {.path = shoal_str_z(path),
                           .size = 5,
                           .partition_values = &value,
                           .n_partition_values = 1,
                           .stats = SHOAL_STR("{\"numRecords\":10}")};
  shoal_delta_metadata m;
  SHOAL_TRY(shoal_delta_transaction_open(table, s, 0, "TEST", SHOAL_STR_NONE, &t, err));
  shoal_delta_transaction_isolate(t, isolation);
  shoal_status status = fill(t, s, k, &file, &m, err);
  if (status == SHOAL_OK)
    status = shoal_delta_transaction_commit(t, version, err);
  shoal_delta_transaction_free(t);
  return status;
}

static void check_pair(kind ours, kind theirs, shoal_delta_isolation isolation) {
  shoal_error err = {0};
  int64_t version;
  shoal_delta_table t = make(PLAIN ADD("a") ADD("b"));
  shoal_delta_snapshot *s = open_at(&t, 0);
  char expected = matrix[ours][theirs];
  bool conflicts = expected == 'C' || (expected == 's' && isolation == SHOAL_DELTA_SERIALIZABLE);
  CHECK_OK(commit(&t, s, theirs, isolation, "theirs", &version, &err), &err);
  assert_int_equal(version, 1);
  shoal_status status = commit(&t, s, ours, isolation, "ours", &version, &err);
  if (status != (conflicts ? SHOAL_ECONFLICT : SHOAL_OK))
    fail_msg("%s after %s at level %d: %s %s", names[ours], names[theirs], isolation, shoal_status_name(status),
             err.message);
  assert_int_equal(version, conflicts ? -1 : 2);
  shoal_delta_snapshot_free(s);
  s = open_at(&t, SHOAL_DELTA_LATEST); /* and the log is still one */
  assert_int_equal(shoal_delta_snapshot_version(s), conflicts ? 1 : 2);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

static void test_matrix(void **state) {
  (void)state;
  for (int ours = 0; ours < KINDS; ours++)
    for (int theirs = 0; theirs < KINDS; theirs++) {
      check_pair((kind)ours, (kind)theirs, SHOAL_DELTA_WRITE_SERIALIZABLE);
      check_pair((kind)ours, (kind)theirs, SHOAL_DELTA_SERIALIZABLE);
    }
}

/* An append goes on over a change of the metadata only where it still fits. */
static void test_changed_table(void **state) {
  (void)state;
  static const struct {
    const char *commit;
    shoal_status status;
  } cases[] = {
      {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[],\"writerFeatures\":["
       "\"news\"]}}\n",
       SHOAL_EUNSUPPORTED},
      {"{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"news\"],\"writerFeatures\":"
       "[\"news\"]}}\n",
       SHOAL_EUNSUPPORTED},
      {HEAD("{\"minReaderVersion\":1,\"minWriterVersion\":3}", "\"delta.constraints.c\":\"a > 0\""),
       SHOAL_EUNSUPPORTED},
      {HEAD("{\"minReaderVersion\":1,\"minWriterVersion\":3}", "\"delta.appendOnly\":\"true\""), SHOAL_OK},
      {"{\"metaData\":{\"id\":\"i\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{"
       "\\\"type\\\":"
       "\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\"}]}\",\"partitionColumns\":[],"
       "\"configuration\":{}}}\n",
       SHOAL_ECONFLICT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    int64_t version;
    shoal_delta_table t = make(PLAIN ADD("a"));
    shoal_delta_snapshot *s = open_at(&t, 0);
    put(&t, 1, cases[i].commit);
    CHECK_STATUS(commit(&t, s, APPEND, SHOAL_DELTA_WRITE_SERIALIZABLE, "ours", &version, &err), cases[i].status, &err);
    shoal_delta_snapshot_free(s);
    shoal_store_free(t.store);
  }
}

/* Rows were checked against the constraints of the version that was read: with others they must be written again. */
static void test_other_constraints_meanwhile(void **state) {
  (void)state;
#define UNDER(config) HEAD("{\"minReaderVersion\":1,\"minWriterVersion\":3}", config)
  static const struct {
    const char *before, *after;
    shoal_status status;
  } cases[] = {
      {UNDER(""), UNDER("\"k\":\"v\""), SHOAL_OK},
      {UNDER(""), UNDER("\"delta.constraints.c\":\"a > 0\""), SHOAL_ECONFLICT},
      {UNDER(""), UNDER("\"Delta.Constraints.c\":\"a > 0\""), SHOAL_ECONFLICT},
      {UNDER("\"delta.constraints.c\":\"a > 0\""), UNDER("\"k\":\"v\",\"delta.constraints.c\":\"a > 0\""), SHOAL_OK},
      {UNDER("\"delta.constraints.c\":\"a > 0\""), UNDER("\"delta.constraints.c\":\"a > 1\""), SHOAL_ECONFLICT},
      {UNDER("\"delta.constraints.c\":\"a > 0\""), UNDER("\"delta.constraints.d\":\"a > 0\""), SHOAL_ECONFLICT},
      {UNDER("\"delta.constraints.c\":\"a > 0\""), UNDER(""), SHOAL_ECONFLICT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_error err = {0};
    int64_t version;
    shoal_delta_transaction *tx;
    shoal_delta_table t = make(cases[i].before);
    shoal_delta_snapshot *s = open_at(&t, 0);
    put(&t, 1, cases[i].after);
    CHECK_OK(shoal_delta_transaction_open(&t, s, SHOAL_DELTA_CHECKS, "WRITE", SHOAL_STR_NONE, &tx, &err), &err);
    CHECK_STATUS(shoal_delta_transaction_commit(tx, &version, &err), cases[i].status, &err);
    shoal_delta_transaction_free(tx);
    shoal_delta_snapshot_free(s);
    shoal_store_free(t.store);
  }
}

static void test_append_only(void **state) {
  (void)state;
  shoal_error err = {0};
  int64_t version;
  shoal_delta_table t =
      make(HEAD("{\"minReaderVersion\":1,\"minWriterVersion\":2}", "\"delta.appendOnly\":\"true\"") ADD("a") ADD("b"));
  shoal_delta_snapshot *s = open_at(&t, 0);
  CHECK_STATUS(commit(&t, s, DELETE_A, SHOAL_DELTA_WRITE_SERIALIZABLE, "x", &version, &err), SHOAL_EUNSUPPORTED, &err);
  CHECK_OK(commit(&t, s, APPEND, SHOAL_DELTA_WRITE_SERIALIZABLE, "x", &version, &err), &err);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

static shoal_str commit_text(const shoal_delta_table *t, int64_t version, shoal_buf *out) {
  shoal_error err = {0};
  char key[64];
  snprintf(key, sizeof key, "t/_delta_log/%020lld.json", (long long)version);
  shoal_buf_clear(out);
  CHECK_OK(shoal_store_get(t->store, shoal_str_z(key), out, &err), &err);
  return shoal_buf_str(out);
}

static void expect_text(const shoal_delta_table *t, int64_t version, const char *text) {
  shoal_buf buf = {0};
  shoal_str got = commit_text(t, version, &buf);
  if (shoal_str_find(got, shoal_str_z(text)) < 0)
    fail_msg("version %lld has no %s: %.*s", (long long)version, text, SHOAL_FMT(got));
  shoal_buf_dispose(&buf);
}

/* T2: made anew on top of a winner. The table's clock is ahead of ours. */
static void test_stamps(void **state) {
  (void)state;
  shoal_error err = {0};
  int64_t version;
  shoal_delta_table t = make(HEAD(
      "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[],\"writerFeatures\":[\"domainMetadata\","
      "\"inCommitTimestamp\",\"rowTracking\"]}",
      "\"delta.enableInCommitTimestamps\":\"true\",\"delta.enableRowTracking\":\"true\""));
  shoal_delta_snapshot *s = open_at(&t, 0);
  for (int i = 1; i <= 3; i++) { /* all on version 0 */
    char path[8];
    snprintf(path, sizeof path, "f%d", i);
    CHECK_OK(commit(&t, s, APPEND, SHOAL_DELTA_WRITE_SERIALIZABLE, path, &version, &err), &err);
    assert_int_equal(version, i);
  }
  expect_text(&t, 1, "\"inCommitTimestamp\":100000000000000");
  expect_text(&t, 3, "\"inCommitTimestamp\":100000000000002");
  expect_text(&t, 3, "\"isBlindAppend\":true");
  expect_text(&t, 1, "\"baseRowId\":0,\"defaultRowCommitVersion\":1");
  expect_text(&t, 3, "\"baseRowId\":20,\"defaultRowCommitVersion\":3");
  expect_text(&t, 3, "{\\\"rowIdHighWaterMark\\\":29}");
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

/* T1: whatever call of the store fails, once: the commit is in once or not at all, and the answer says which. */
static void test_nth_failure(void **state) {
  (void)state;
  for (int mode = 0; mode < 3; mode++)
    for (uint64_t n = 1;; n++) {
      shoal_error err = {0};
      int64_t version;
      shoal_delta_table t = make(PLAIN ADD("a") ADD("b"));
      shoal_delta_snapshot *s = open_at(&t, 0);
      put(&t, 1, ADD("theirs"));
      shoal_store *inner = t.store, *faulty = NULL;
      bool over;
      if (mode < 2) {
        CHECK_OK(shoal_store_open_faulty(inner, &faulty, &err), &err);
        shoal_store_faulty_at(faulty, n, mode ? SHOAL_FAULT_AFTER : SHOAL_FAULT_BEFORE, false);
        t.store = faulty;
      } else {
        shoal_mem_fail_at(n, 0);
      }
      shoal_status status = commit(&t, s, DELETE_A, SHOAL_DELTA_WRITE_SERIALIZABLE, "x", &version, &err);
      over = mode < 2 ? shoal_store_faulty_calls(faulty) < n : shoal_mem_requests() < n;
      shoal_mem_fail_at(0, 0);
      t.store = inner;
      shoal_delta_snapshot_free(s);
      s = open_at(&t, SHOAL_DELTA_LATEST);
      bool in = !file_of(s, "a");
      if (in != (status == SHOAL_OK))
        fail_msg("call %llu: %s, but the commit is %s", (unsigned long long)n, shoal_status_name(status),
                 in ? "in" : "not in");
      shoal_delta_snapshot_free(s);
      if (faulty)
        shoal_store_free(faulty);
      shoal_store_free(inner);
      if (over)
        break;
    }
}

enum { WRITERS = 6, ROUNDS = 25 };
typedef struct writer {
  const shoal_delta_table *table;
  int who;
  size_t conflicts;
  shoal_status status;
} writer;

/* Appends, all on the state it saw first; none may fail (T3). */
static void write_rounds(void *arg) {
  writer *w = arg;
  shoal_error err = {0};
  shoal_delta_snapshot *s = NULL;
  int64_t version;
  w->status = shoal_delta_snapshot_open(w->table, SHOAL_DELTA_LATEST, &s, &err);
  for (int i = 0; i < ROUNDS && w->status == SHOAL_OK; i++) {
    char path[32];
    snprintf(path, sizeof path, "w%d-%d", w->who, i);
    w->status = commit(w->table, s, APPEND, SHOAL_DELTA_WRITE_SERIALIZABLE, path, &version, &err);
  }
  shoal_delta_snapshot_free(s);
}

static void test_writers_at_once(void **state) {
  (void)state;
  shoal_error err = {0};
  writer writers[WRITERS];
  shoal_thread threads[WRITERS];
  char *folder = test_folder();
  shoal_delta_table t = {.prefix = SHOAL_STR("t")};
  CHECK_OK(shoal_store_open_file(folder, false, &t.store, &err), &err);
  put(&t, 0, PLAIN);
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (writer){.table = &t, .who = i};
    CHECK_OK(shoal_thread_start(&threads[i], write_rounds, &writers[i], &err), &err);
  }
  for (int i = 0; i < WRITERS; i++) {
    shoal_thread_join(&threads[i]);
    assert_int_equal(writers[i].status, SHOAL_OK);
  }
  shoal_delta_snapshot *s = open_at(&t, SHOAL_DELTA_LATEST);
  assert_int_equal(shoal_delta_snapshot_version(s), WRITERS * ROUNDS);
  assert_int_equal(shoal_delta_snapshot_n_files(s), WRITERS * ROUNDS);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
  test_folder_remove(folder);
}

static void test_new_table(void **state) {
  (void)state;
  shoal_error err = {0};
  shoal_delta_table t = make(PLAIN);
  shoal_delta_snapshot *s = open_at(&t, 0);
  shoal_delta_table other = {.store = t.store, .prefix = SHOAL_STR("u")};
  int64_t version;
  for (int i = 0; i < 3; i++) {
    shoal_delta_transaction *tx;
    CHECK_OK(shoal_delta_transaction_open(&other, NULL, 0, "CREATE TABLE", SHOAL_STR_NONE, &tx, &err), &err);
    if (i)
      shoal_delta_transaction_metadata(tx, shoal_delta_snapshot_metadata(s));
    shoal_delta_transaction_protocol(tx, shoal_delta_snapshot_protocol(s));
    static const shoal_status want[] = {SHOAL_EINVAL, SHOAL_OK, SHOAL_EEXIST};
    CHECK_STATUS(shoal_delta_transaction_commit(tx, &version, &err), want[i], &err);
    shoal_delta_transaction_free(tx);
  }
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

static void drop_commit(const shoal_delta_table *t, int64_t version) {
  shoal_error err = {0};
  char key[64];
  snprintf(key, sizeof key, "t/_delta_log/%020lld.json", (long long)version);
  CHECK_OK(shoal_store_del(t->store, shoal_str_z(key), &err), &err);
}

/* T4: others commit, make a checkpoint, and clean up what lies before it, the base and what followed it. */
static void test_base_cleaned_up(void **state) {
  (void)state;
  for (int kind = APPEND; kind <= DELETE_A; kind++) {
    shoal_error err = {0};
    int64_t version;
    shoal_delta_table t = make(PLAIN ADD("a"));
    shoal_delta_snapshot *s = open_at(&t, 0);
    for (int64_t v = 1; v <= 4; v++)
      put(&t, v, "{\"commitInfo\":{\"timestamp\":5,\"isBlindAppend\":true}}\n");
    for (int64_t v = 0; v < 4; v++)
      drop_commit(&t, v);
    CHECK_STATUS(commit(&t, s, (enum kind)kind, SHOAL_DELTA_WRITE_SERIALIZABLE, "ours", &version, &err),
                 SHOAL_ECONFLICT, &err);
    assert_int_equal(version, -1);
    assert_non_null(strstr(err.message, "cleaned up"));
    shoal_buf text = {0};
    CHECK_STATUS(shoal_store_get(t.store, SHOAL_STR("t/_delta_log/00000000000000000001.json"), &text, &err),
                 SHOAL_ENOTFOUND, &err);
    shoal_buf_dispose(&text);
    shoal_delta_snapshot_free(s);
    shoal_store_free(t.store);
  }
}

/* A base of which only a checkpoint is left, as others leave it, is none that has been overtaken. */
static void test_base_without_commit(void **state) {
  (void)state;
  shoal_error err = {0};
  int64_t version;
  shoal_delta_table t = make(PLAIN ADD("a"));
  shoal_delta_snapshot *s = open_at(&t, 0);
  drop_commit(&t, 0);
  CHECK_OK(commit(&t, s, APPEND, SHOAL_DELTA_WRITE_SERIALIZABLE, "ours", &version, &err), &err);
  assert_int_equal(version, 1);
  shoal_delta_snapshot_free(s);
  shoal_store_free(t.store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_matrix),          cmocka_unit_test(test_changed_table),
      cmocka_unit_test(test_append_only),     cmocka_unit_test(test_other_constraints_meanwhile),
      cmocka_unit_test(test_stamps),          cmocka_unit_test(test_nth_failure),
      cmocka_unit_test(test_writers_at_once), cmocka_unit_test(test_new_table),
      cmocka_unit_test(test_base_cleaned_up), cmocka_unit_test(test_base_without_commit),
  };
  return cmocka_run_group_tests_name("delta/transaction", tests, NULL, NULL);
}

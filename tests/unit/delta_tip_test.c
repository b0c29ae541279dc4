/* SPDX-License-Identifier: Apache-2.0 */
/* Tips and the checkpoints that are made of them: whatever is left below, the state is that of the commits alone. */
#include "support/table_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/adds.h"
#include "delta/maintain.h"
#include "delta/write.h"
#include "store/faulty.h"

typedef struct fixture {
  test_table t;
  test_random r;
  int64_t version;
  int next;         /* number of the next file */
  int live[4000];   /* numbers of files */
  int vector[4000]; /* by number; 0: none */
  size_t n_live;
  bool v2, plain; /* plain: no vectors */
} fixture;

static void set_up(fixture *f, const char *name) {
  *f = (fixture){.r = test_random_start(name)};
  test_table_open(&f->t, "t", 2);
  f->t.table.tip_from = 1;
}

static void tear_down(fixture *f) { test_table_close(&f->t); }

/* ---- a history ---- */

static shoal_delta_file file_of(fixture *f, int number) {
  shoal_delta_kv *value = SHOAL_NEW(&f->t.arena, shoal_delta_kv), *tag = SHOAL_NEW(&f->t.arena, shoal_delta_kv);
  int vector = f->vector[number];
  *value = (shoal_delta_kv){SHOAL_STR("p"), number % 3 ? SHOAL_STR("x'\"\\ \xc3\xa4") : SHOAL_STR_NONE};
  *tag = (shoal_delta_kv){SHOAL_STR("k"), SHOAL_STR("v")};
  return (shoal_delta_file){
      .path = shoal_str_z(shoal_arena_printf(&f->t.arena, "p=%d/f%%20'%d", number % 7, number)),
      .size = (uint64_t)number + 5,
      .modified_ms = 1700000000000 + number,
      .data_change = true,
      .partition_values = value,
      .n_partition_values = 1,
      .tags = tag,
      .n_tags = number % 2,
      .has_row_id = number % 5 == 0,
      .base_row_id = number % 5 == 0 ? number * 10 : -1,
      .row_commit_version = number % 5 == 0 ? 3 : -1,
      .deletion_vector =
          vector
              ? shoal_str_z(shoal_arena_printf(&f->t.arena,
                                               "{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\","
                                               "\"offset\":%d,\"sizeInBytes\":40,\"cardinality\":2}",
                                               vector))
              : SHOAL_STR_NONE,
      .stats = number % 4 ? shoal_str_z(shoal_arena_printf(&f->t.arena,
                                                           "{\"numRecords\":%d,\"maxValues\":{\"a\":1.10}}", number))
                          : SHOAL_STR_NONE};
}

static void commit(fixture *f) {
  shoal_error err = {0};
  shoal_delta_commit c = {0};
  shoal_field fields[] = {{.name = SHOAL_STR("a"), .type = {.kind = SHOAL_TYPE_LONG}, .nullable = true},
                          {.name = SHOAL_STR("p"), .type = {.kind = SHOAL_TYPE_STRING}, .nullable = true}};
  shoal_str partitions[] = {SHOAL_STR("p")};
  int64_t v = f->version++;
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR_NONE, false, SHOAL_STR_NONE);
  const shoal_str feature = SHOAL_STR("v2Checkpoint");
  const shoal_delta_kv policy = {SHOAL_STR("delta.checkpointPolicy"), SHOAL_STR("v2")};
  const shoal_delta_protocol old = {.min_reader = 1, .min_writer = 2}, young = {3, 7, &feature, &feature, 1, 1};
  if (v == 0) {
    shoal_delta_commit_protocol(&c, f->v2 ? &young : &old);
    shoal_delta_commit_metadata(&c, &(shoal_delta_metadata){.id = SHOAL_STR("i"),
                                                            .schema = {fields, 2},
                                                            .partition_columns = partitions,
                                                            .n_partition_columns = 1,
                                                            .configuration = &policy,
                                                            .n_configuration = f->v2});
  }
  int first = f->next;
  for (uint64_t n = test_random_below(&f->r, 4); n > 0 && f->n_live; n--) {
    size_t at = (size_t)test_random_below(&f->r, f->n_live);
    int number = f->live[at];
    shoal_delta_file file = file_of(f, number);
    if (number < 0 || (first && number >= first))
      continue; /* of this commit */
    /* Some long ago: their tombstones have expired. */
    shoal_delta_commit_remove(&c, &file, test_random_below(&f->r, 2) ? 1000000 : shoal_time_now());
    f->live[at] = f->live[--f->n_live];
    if (f->plain || test_random_below(&f->r, 2) == 0)
      continue;
    f->vector[number]++; /* it loses rows only */
    file = file_of(f, number);
    shoal_delta_commit_add(&c, &file);
    f->live[f->n_live++] = number;
    first = f->next;
    break; /* not twice in a commit */
  }
  for (uint64_t n = 1 + test_random_below(&f->r, 6); n > 0; n--) {
    shoal_delta_file file = file_of(f, f->next);
    shoal_delta_commit_add(&c, &file);
    f->live[f->n_live++] = f->next++;
  }
  shoal_delta_commit_txn(&c, shoal_str_z(shoal_arena_printf(&f->t.arena, "app%d", (int)(v % 3))), v, shoal_time_now());
  shoal_delta_commit_domain(&c, shoal_str_z(shoal_arena_printf(&f->t.arena, "d%d", (int)(v % 4))), SHOAL_STR("{}"),
                            v % 8 == 7);
  CHECK_OK(shoal_delta_commit_put(&f->t.table, &c, v, &err), &err);
  shoal_delta_commit_dispose(&c);
}

/* ---- comparing states ---- */

static void check_kv(const shoal_delta_kv *a, size_t n_a, const shoal_delta_kv *b, size_t n_b) {
  assert_int_equal(n_a, n_b);
  for (size_t i = 0; i < n_a; i++) {
    assert_true(shoal_str_eq(a[i].key, b[i].key));
    assert_true(shoal_str_eq(a[i].value, b[i].value) && !a[i].value.ptr == !b[i].value.ptr);
  }
}

static void check_file(const shoal_delta_file *a, const shoal_delta_file *b) {
  assert_true(shoal_str_eq(a->path, b->path));
  assert_int_equal(a->size, b->size);
  assert_int_equal(a->modified_ms, b->modified_ms);
  assert_true(shoal_str_eq(a->stats, b->stats) && !a->stats.ptr == !b->stats.ptr);
  assert_int_equal(a->has_row_id, b->has_row_id);
  assert_int_equal(a->base_row_id, b->base_row_id);
  assert_int_equal(a->row_commit_version, b->row_commit_version);
  check_kv(a->partition_values, a->n_partition_values, b->partition_values, b->n_partition_values);
  check_kv(a->tags, a->n_tags, b->tags, b->n_tags);
}

static const shoal_delta_file *find(const shoal_delta_snapshot *s, shoal_str key) {
  const shoal_delta_file *found = NULL;
  for (size_t i = 0; i < s->n_files; i++)
    if (shoal_str_eq(s->keys[i], key)) {
      assert_null(found);
      found = &s->files[i];
    }
  return found;
}

static size_t young(const shoal_delta_snapshot *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->n_tombstones; i++)
    n += s->tombstones[i].deleted_ms > 1000000;
  return n;
}

static void check_same(const shoal_delta_snapshot *is, const shoal_delta_snapshot *wanted) {
  assert_int_equal(is->n_files, wanted->n_files);
  for (size_t i = 0; i < wanted->n_files; i++) {
    const shoal_delta_file *file = find(is, wanted->keys[i]);
    assert_non_null(file);
    check_file(file, &wanted->files[i]);
  }
  assert_int_equal(young(is), young(wanted));
  assert_int_equal(is->txns.len, wanted->txns.len);
  for (size_t i = 0; i < wanted->txns.len; i++)
    assert_int_equal(shoal_delta_snapshot_txn(is, wanted->txns.ptr[i].id), wanted->txns.ptr[i].version);
  size_t domains = 0;
  for (size_t i = 0; i < wanted->domains.len; i++)
    domains += !wanted->domains.ptr[i].removed;
  for (size_t i = 0; i < is->domains.len; i++)
    domains -= !is->domains.ptr[i].removed;
  assert_int_equal(domains, 0);
}

/* The state at a version by the checkpoint of that version, and by the commits. */
static void check_checkpoint(fixture *f, int64_t version) {
  shoal_error err = {0};
  shoal_delta_snapshot *is, *wanted;
  shoal_delta_table plain = f->t.table;
  plain.get_engine = NULL;
  CHECK_OK(shoal_delta_snapshot_open(&plain, version, &wanted, &err), &err);
  shoal_str commit = shoal_delta_key(&f->t.table, &f->t.arena, "_delta_log/%020lld.json", (long long)0);
  shoal_buf text = {0};
  CHECK_OK(shoal_store_get(f->t.table.store, commit, &text, &err), &err);
  CHECK_OK(shoal_store_del(f->t.table.store, commit, &err), &err); /* so that it is not gone around the checkpoint */
  CHECK_OK(shoal_delta_snapshot_open(&f->t.table, version, &is, &err), &err);
  CHECK_OK(shoal_store_put_new(f->t.table.store, commit, shoal_buf_str(&text), &err), &err);
  shoal_buf_dispose(&text);
  check_same(is, wanted);
  shoal_delta_snapshot_free(is);
  shoal_delta_snapshot_free(wanted);
}

/* Each checkpoint rests on the one before. */
static void check_chain(bool v2) {
  fixture f;
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  shoal_delta_snapshot *tip;
  set_up(&f, "delta/tip checkpoints");
  f.v2 = v2;
  for (int k = 0; k < 6; k++) {
    for (int i = 0; i < 15; i++)
      commit(&f);
    CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
    assert_int_equal(made.version, f.version - 1);
    assert_int_equal(made.n_files, f.n_live);
    check_checkpoint(&f, made.version);
    CHECK_OK(shoal_delta_tip_open(&f.t.table, SHOAL_DELTA_LATEST, &tip, &err), &err);
    assert_int_equal(tip->n_below, 1);
    assert_int_equal(tip->n_files, 0);
    shoal_delta_snapshot_free(tip);
  }
  tear_down(&f);
}

static void test_checkpoints_of_checkpoints(void **state) {
  (void)state;
  check_chain(false);
}

static void test_v2_checkpoints_of_checkpoints(void **state) {
  (void)state;
  check_chain(true);
}

static size_t sidecars(fixture *f, shoal_map *names) {
  shoal_error err = {0};
  shoal_delta_snapshot *tip;
  CHECK_OK(shoal_delta_tip_open(&f->t.table, SHOAL_DELTA_LATEST, &tip, &err), &err);
  size_t same = 0, n = tip->n_below;
  for (size_t i = 0; i < n; i++) {
    assert_non_null(tip->below[i].sidecar.ptr);
    same += shoal_map_get(names, tip->below[i].key) != SHOAL_MAP_NONE;
  }
  shoal_map_dispose(names);
  for (size_t i = 0; i < n; i++)
    CHECK_OK(shoal_map_put(names, shoal_arena_str(&f->t.arena, tip->below[i].key), 1, &err), &err);
  shoal_delta_snapshot_free(tip);
  return n * 100 + same;
}

/* One commit of files number from … to, added or removed. */
static void commit_many(fixture *f, int from, int to, bool add) {
  shoal_error err = {0};
  shoal_delta_commit c = {0};
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR_NONE, false, SHOAL_STR_NONE);
  for (int i = from; i < to; i++) {
    shoal_delta_kv value = {SHOAL_STR("p"), SHOAL_STR("x")};
    shoal_delta_file file = {.path = shoal_str_z(shoal_arena_printf(&f->t.arena, "g%06d", i)),
                             .size = 5,
                             .data_change = true,
                             .partition_values = &value,
                             .n_partition_values = 1};
    if (add)
      shoal_delta_commit_add(&c, &file);
    else
      shoal_delta_commit_remove(&c, &file, shoal_time_now());
  }
  CHECK_OK(shoal_delta_commit_put(&f->t.table, &c, f->version++, &err), &err);
  shoal_delta_commit_dispose(&c);
}

/* What was not touched is named again. */
static void test_sidecars_stay(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  shoal_map names = {0};
  set_up(&f, "delta/tip sidecars");
  f.v2 = true;
  commit(&f);
  commit_many(&f, 0, 34000, true);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(made.n_files, 34000 + f.n_live);
  assert_int_equal(sidecars(&f, &names), 300);
  check_checkpoint(&f, made.version);
  commit_many(&f, 12000, 12100, false);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(made.n_files, 33900 + f.n_live);
  assert_int_equal(sidecars(&f, &names), 302);
  check_checkpoint(&f, made.version);
  commit_many(&f, 34000, 34100, true); /* into a small one, which is packed with the next */
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(sidecars(&f, &names), 403);
  commit_many(&f, 34100, 34200, true);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(sidecars(&f, &names), 403);
  check_checkpoint(&f, made.version);
  shoal_map_dispose(&names);
  tear_down(&f);
}

static int64_t last_checkpoint(fixture *f) {
  shoal_error err = {0};
  shoal_log_hint hint;
  CHECK_OK(shoal_delta_log_hint(&f->t.table, &f->t.arena, &hint, &err), &err);
  return hint.version;
}

/* Every hundred versions; of many files more seldom, unless the table says how often. */
static void test_large_checkpoints_are_rarer(void **state) {
  (void)state;
  const shoal_delta_kv often = {SHOAL_STR("delta.checkpointInterval"), SHOAL_STR("50")};
  const shoal_delta_metadata silent = {0}, says = {.configuration = &often, .n_configuration = 1};
  fixture f;
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  set_up(&f, "delta/tip rarer");
  commit(&f);
  commit_many(&f, 0, 5000, true);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  for (int64_t v = 100; v <= 400; v += 100) {
    while (f.version <= v)
      commit_many(&f, 0, 0, true);
    shoal_delta_after_commit(&f.t.table, &silent, v);
    assert_int_equal(last_checkpoint(&f), v < 300 ? 1 : 300);
  }
  while (f.version <= 450)
    commit_many(&f, 0, 0, true);
  shoal_delta_after_commit(&f.t.table, &silent, 450);
  assert_int_equal(last_checkpoint(&f), 300);
  shoal_delta_after_commit(&f.t.table, &says, 450);
  assert_int_equal(last_checkpoint(&f), 450);
  tear_down(&f);
}

/* Whatever fails while a V2 checkpoint is made, the table reads the same, and the next one works. */
static void test_every_store_call(void **state) {
  (void)state;
  static const shoal_fault faults[] = {SHOAL_FAULT_BEFORE, SHOAL_FAULT_AFTER}; /* delta_checkpoint_test has them all */
  for (int kind = 0; kind < 2; kind++) {
    for (uint64_t n = 1, calls = n; calls >= n; n++) {
      fixture f;
      shoal_error err = {0};
      shoal_delta_checkpointed made;
      set_up(&f, "delta/tip failures");
      f.v2 = true;
      for (int i = 0; i < 4; i++)
        commit(&f);
      CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
      for (int i = 0; i < 3; i++)
        commit(&f);
      shoal_delta_table faulty = f.t.table;
      CHECK_OK(shoal_store_open_faulty(f.t.table.store, &faulty.store, &err), &err);
      shoal_store_faulty_at(faulty.store, n, faults[kind], false);
      shoal_ignore(shoal_delta_checkpoint_version(&faulty, SHOAL_DELTA_LATEST, &made, NULL));
      calls = shoal_store_faulty_calls(faulty.store);
      check_checkpoint(&f, f.version - 1);
      CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
      assert_int_equal(made.n_files, f.n_live);
      check_checkpoint(&f, f.version - 1);
      shoal_store_free(faulty.store);
      tear_down(&f);
    }
  }
}

static void test_what_is_wanted_is_brought(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  shoal_delta_snapshot *tip, *whole;
  set_up(&f, "delta/tip brings");
  for (int i = 0; i < 40; i++)
    commit(&f);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  for (int i = 0; i < 10; i++)
    commit(&f);
  CHECK_OK(shoal_delta_snapshot_open(&f.t.table, SHOAL_DELTA_LATEST, &whole, &err), &err);
  shoal_str paths[4000];
  for (int round = 0; round < 5; round++) {
    size_t n = 0;
    CHECK_OK(shoal_delta_tip_open(&f.t.table, SHOAL_DELTA_LATEST, &tip, &err), &err);
    assert_int_equal(tip->n_below, 1);
    assert_true(tip->n_files < whole->n_files);
    for (size_t i = 0; i < whole->n_files; i++)
      if (test_random_below(&f.r, (uint64_t)round + 1) == 0)
        paths[n++] = whole->files[i].path;
    CHECK_OK(shoal_delta_tip_bring(&f.t.table, tip, paths, n, &err), &err);
    CHECK_OK(shoal_delta_tip_bring(&f.t.table, tip, paths, n, &err), &err); /* they are there: nothing happens */
    for (size_t i = 0, k = 0; i < whole->n_files && k < n; i++)
      if (shoal_str_eq(whole->files[i].path, paths[k])) {
        k++;
        assert_non_null(find(tip, whole->keys[i]));
        check_file(find(tip, whole->keys[i]), &whole->files[i]);
      }
    CHECK_OK(shoal_delta_tip_bring(&f.t.table, tip, NULL, 0, &err), &err);
    assert_int_equal(tip->n_files, whole->n_files);
    shoal_delta_snapshot_free(tip);
  }
  CHECK_OK(shoal_delta_tip_open(&f.t.table, SHOAL_DELTA_LATEST, &tip, &err), &err);
  paths[0] = SHOAL_STR("nowhere");
  CHECK_STATUS(shoal_delta_tip_bring(&f.t.table, tip, paths, 1, &err), SHOAL_ECORRUPT, &err);
  shoal_delta_snapshot_free(tip);
  shoal_delta_snapshot_free(whole);
  tear_down(&f);
}

/* ---- maintenance of what lies below: as of the whole state ---- */

/* The same table, but read whole. */
static shoal_delta_table whole_of(const fixture *f) {
  shoal_delta_table t = f->t.table;
  t.tip_from = UINT64_MAX;
  return t;
}

static void history(fixture *f, const char *name, bool v2, bool plain) {
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  set_up(f, name);
  f->v2 = v2;
  f->plain = plain;
  for (int i = 0; i < 60; i++)
    commit(f);
  CHECK_OK(shoal_delta_checkpoint_version(&f->t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  for (int i = 0; i < 10; i++)
    commit(f);
}

static int compare_lines(const void *a, const void *b) {
  const shoal_str *x = a, *y = b;
  int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* The lines of a clone's commit, but for those that differ each time. */
static size_t lines_of(fixture *f, const shoal_delta_table *t, shoal_str *out, size_t most) {
  shoal_error err = {0};
  shoal_buf text = {0};
  shoal_str line, rest;
  size_t n = 0;
  CHECK_OK(shoal_store_get(t->store, shoal_delta_key(t, &f->t.arena, "_delta_log/%020d.json", 0), &text, &err), &err);
  rest = shoal_arena_str(&f->t.arena, shoal_buf_str(&text));
  while (shoal_str_split(&rest, '\n', &line)) {
    if (line.len == 0 || shoal_str_starts(line, SHOAL_STR("{\"commitInfo")) ||
        shoal_str_starts(line, SHOAL_STR("{\"metaData")))
      continue;
    assert_true(n < most);
    out[n++] = line;
  }
  qsort(out, n, sizeof *out, compare_lines);
  shoal_buf_dispose(&text);
  return n;
}

static void check_clones(bool v2) {
  fixture f;
  shoal_error err = {0};
  size_t n;
  shoal_str a[5000], b[5000];
  history(&f, "delta/tip clones", v2, false);
  shoal_delta_table whole = whole_of(&f), one = f.t.table, other = f.t.table;
  one.prefix = SHOAL_STR("one");
  other.prefix = SHOAL_STR("other");
  CHECK_OK(shoal_delta_clone(&one, &f.t.table, SHOAL_DELTA_LATEST, &n, &err), &err);
  assert_int_equal(n, f.n_live);
  CHECK_OK(shoal_delta_clone(&other, &whole, SHOAL_DELTA_LATEST, &n, &err), &err);
  assert_int_equal(n, f.n_live);
  n = lines_of(&f, &one, a, 5000);
  assert_true(n >= f.n_live);
  assert_int_equal(lines_of(&f, &other, b, 5000), n);
  for (size_t i = 0; i < n; i++)
    if (!shoal_str_eq(a[i], b[i]))
      fail_msg("%.*s\n%.*s", SHOAL_FMT(a[i]), SHOAL_FMT(b[i]));
  CHECK_STATUS(shoal_delta_clone(&one, &f.t.table, SHOAL_DELTA_LATEST, &n, &err), SHOAL_EEXIST, &err);
  tear_down(&f);
}

static void test_clones(void **state) {
  (void)state;
  check_clones(false);
  check_clones(true);
}

static void put_object(fixture *f, const char *key) {
  shoal_error err = {0};
  CHECK_OK(shoal_store_put_new(f->t.table.store, shoal_str_z(key), SHOAL_STR("x"), &err), &err);
}

/* Every file that there was, and some that there never were. */
static void put_objects(fixture *f, int n) {
  for (int i = 0; i < n; i++)
    put_object(f, shoal_arena_printf(&f->t.arena, "t/p=%d/f '%d", i % 7, i));
  put_object(f, "t/p=1/stray");
  put_object(f, "t/_hidden/f");
}

static void test_vacuums(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_delta_vacuumed is, wanted;
  const shoal_delta_vacuum all = {.shorter = true, .dry_run = true}, kept = {.retention_us = -1, .dry_run = true};
  history(&f, "delta/tip vacuums", false, false);
  put_objects(&f, f.next);
  shoal_delta_table whole = whole_of(&f);
  CHECK_OK(shoal_delta_vacuum_files(&f.t.table, &all, &f.t.arena, &is, &err), &err);
  CHECK_OK(shoal_delta_vacuum_files(&whole, &all, &f.t.arena, &wanted, &err), &err);
  assert_int_equal(is.n, (size_t)f.next - f.n_live + 1);
  assert_int_equal(wanted.n, is.n);
  for (size_t i = 0; i < is.n; i++)
    assert_true(shoal_str_eq(is.keys[i], wanted.keys[i]));
  CHECK_OK(shoal_delta_vacuum_files(&f.t.table, &kept, &f.t.arena, &is, &err), &err);
  assert_int_equal(is.n, 0); /* all are young */
  tear_down(&f);
}

static size_t count_actions(fixture *f, int64_t version, const char *kind) {
  shoal_error err = {0};
  shoal_buf text = {0};
  shoal_str key = shoal_delta_key(&f->t.table, &f->t.arena, "_delta_log/%020lld.json", (long long)version), rest, line;
  size_t n = 0;
  CHECK_OK(shoal_store_get(f->t.table.store, key, &text, &err), &err);
  rest = shoal_buf_str(&text);
  while (shoal_str_split(&rest, '\n', &line))
    n += shoal_str_find(line, shoal_str_z(kind)) == 0;
  shoal_buf_dispose(&text);
  return n;
}

/* Back and forth: over a checkpoint, and where both states rest on the same one. */
static void test_restores(void **state) {
  (void)state;
  static const int64_t targets[] = {30, 62, 69};
  fixture f;
  shoal_error err = {0};
  shoal_delta_restored done;
  shoal_delta_snapshot *is, *wanted, *before;
  history(&f, "delta/tip restores", false, true);
  put_objects(&f, f.next);
  shoal_delta_table whole = whole_of(&f);
  for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
    CHECK_OK(shoal_delta_snapshot_open(&whole, SHOAL_DELTA_LATEST, &before, &err), &err);
    CHECK_OK(shoal_delta_snapshot_open(&whole, targets[k], &wanted, &err), &err);
    CHECK_OK(shoal_delta_restore(&f.t.table, targets[k], &done, &err), &err);
    CHECK_OK(shoal_delta_snapshot_open(&whole, SHOAL_DELTA_LATEST, &is, &err), &err);
    assert_int_equal(is->n_files, wanted->n_files);
    for (size_t i = 0; i < wanted->n_files; i++)
      assert_non_null(find(is, wanted->keys[i]));
    assert_true(done.files_added + done.files_removed > 0);
    assert_int_equal(count_actions(&f, done.version, "{\"add\""), done.files_added);
    assert_int_equal(count_actions(&f, done.version, "{\"remove\""), done.files_removed);
    assert_int_equal(before->n_files - done.files_removed + done.files_added, wanted->n_files);
    shoal_delta_snapshot_free(is);
    shoal_delta_snapshot_free(wanted);
    shoal_delta_snapshot_free(before);
  }
  tear_down(&f);
}

/* A checkpoint as writers leave it that keep statistics in columns only. */
static void write_parsed(fixture *f) {
  shoal_error err = {0};
  char *staging, *path;
  const shoal_job job = {
      .sql = SHOAL_STR(
          "SELECT {minReaderVersion: 1::INTEGER, minWriterVersion: 2::INTEGER} AS protocol, NULL AS \"metaData\", NULL "
          "AS \"add\" UNION ALL "
          "SELECT NULL, {id: 'i', format: {provider: 'parquet'}, \"schemaString\": "
          "'{\"type\":\"struct\",\"fields\":[{\"name\":\"d\",\"type\":\"decimal(38,4)\",\"nullable\":true,\"metadata\":"
          "{}},"
          "{\"name\":\"at\",\"type\":\"timestamp\",\"nullable\":true,\"metadata\":{}}]}', \"partitionColumns\": "
          "[]::VARCHAR[], "
          "configuration: MAP {}::MAP(VARCHAR, VARCHAR)}, NULL UNION ALL "
          "SELECT NULL, NULL, {path: 'f', \"partitionValues\": MAP {}::MAP(VARCHAR, VARCHAR), size: 7::BIGINT, "
          "\"modificationTime\": 8::BIGINT, \"dataChange\": false, stats_parsed: {\"numRecords\": 3::BIGINT, "
          "\"minValues\": {d: 1234567890123456789012345678901234.5678::DECIMAL(38, 4), \"at\": TIMESTAMPTZ '2020-01-01 "
          "00:00:00.5+00', t: 'a\"\\b', x: 'nan'::DOUBLE, day: DATE '2020-02-29'}, \"nullCount\": {d: 0::BIGINT, "
          "\"at\": NULL::BIGINT}}}")};
  CHECK_OK(shoal_store_staging(f->t.table.store, &f->t.arena, &staging, &err), &err);
  path = shoal_arena_printf(&f->t.arena, "%s/c.parquet", staging);
  CHECK_OK(shoal_engine_copy(f->t.engine, &job, path, SHOAL_STR("parquet"), &err), &err);
  const shoal_put_file put = {shoal_str_z(path), SHOAL_STR("t/_delta_log/00000000000000000000.checkpoint.parquet")};
  CHECK_OK(shoal_store_put_files(f->t.table.store, &put, 1, &err), &err);
  CHECK_OK(shoal_os_remove_tree(staging, &err), &err);
}

static void test_statistics_in_columns_stay(void **state) {
  (void)state;
  fixture f;
  shoal_error err = {0};
  shoal_delta_checkpointed made;
  shoal_delta_snapshot *s;
  shoal_delta_commit c = {0};
  const char *stats = "{\"numRecords\":3,\"minValues\":{\"d\":1234567890123456789012345678901234.5678,"
                      "\"at\":\"2020-01-01T00:00:00.500Z\",\"t\":\"a\\\"\\\\b\",\"day\":\"2020-02-29\"},"
                      "\"nullCount\":{\"d\":0}}";
  set_up(&f, "delta/tip parsed");
  write_parsed(&f);
  CHECK_OK(shoal_delta_snapshot_open(&f.t.table, 0, &s, &err), &err);
  assert_int_equal(s->n_files, 1);
  CHECK_STR(s->files[0].stats, stats);
  shoal_delta_snapshot_free(s);
  shoal_delta_commit_info(&c, shoal_time_now(), "WRITE", SHOAL_STR_NONE, true, SHOAL_STR_NONE);
  CHECK_OK(shoal_delta_commit_put(&f.t.table, &c, 1, &err), &err);
  shoal_delta_commit_dispose(&c);
  CHECK_OK(shoal_delta_checkpoint_version(&f.t.table, SHOAL_DELTA_LATEST, &made, &err), &err);
  assert_int_equal(made.version, 1);
  CHECK_OK(shoal_store_del(f.t.table.store, SHOAL_STR("t/_delta_log/00000000000000000000.checkpoint.parquet"), &err),
           &err);
  CHECK_OK(shoal_delta_snapshot_open(&f.t.table, 1, &s, &err), &err);
  CHECK_STR(s->files[0].stats, stats);
  shoal_delta_snapshot_free(s);
  tear_down(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_checkpoints_of_checkpoints),
                                     cmocka_unit_test(test_v2_checkpoints_of_checkpoints),
                                     cmocka_unit_test(test_sidecars_stay),
                                     cmocka_unit_test(test_every_store_call),
                                     cmocka_unit_test(test_what_is_wanted_is_brought),
                                     cmocka_unit_test(test_statistics_in_columns_stay),
                                     cmocka_unit_test(test_large_checkpoints_are_rarer),
                                     cmocka_unit_test(test_clones),
                                     cmocka_unit_test(test_vacuums),
                                     cmocka_unit_test(test_restores)};
  return cmocka_run_group_tests_name("delta/tip", tests, NULL, NULL);
}

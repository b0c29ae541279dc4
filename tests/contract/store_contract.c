/* SPDX-License-Identifier: Apache-2.0 */
/* One suite for every store. Each test opens a store of its own. */
#include "contract/store_contract.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "support/support.h"

typedef struct fixture {
  const store_case *c;
  shoal_store *s;
  void *arg;
  shoal_arena arena;
  shoal_error err;
} fixture;

#define RACERS 8
#define ROUNDS 40

static fixture fixture_open(void **state) {
  fixture f = {.c = *state};
  f.s = f.c->open(&f.arg);
  return f;
}
static void fixture_close(fixture *f) {
  f->c->close(f->s, f->arg);
  shoal_arena_dispose(&f->arena);
}

static void expect(fixture *f, const char *key, const char *bytes) {
  shoal_buf buf = {0};
  CHECK_OK(shoal_store_get(f->s, shoal_str_z(key), &buf, &f->err), &f->err);
  CHECK_STR(shoal_buf_str(&buf), bytes);
  shoal_buf_dispose(&buf);
}
static void expect_none(fixture *f, const char *key) {
  shoal_buf buf = {0};
  shoal_object o;
  CHECK_STATUS(shoal_store_get(f->s, shoal_str_z(key), &buf, &f->err), SHOAL_ENOTFOUND, &f->err);
  CHECK_STATUS(shoal_store_head(f->s, shoal_str_z(key), &o, &f->err), SHOAL_ENOTFOUND, &f->err);
  assert_int_equal(buf.len, 0);
  shoal_buf_dispose(&buf);
}
static void put(fixture *f, const char *key, const char *bytes) {
  CHECK_OK(shoal_store_put_new(f->s, shoal_str_z(key), shoal_str_z(bytes), &f->err), &f->err);
}
/* The keys of a listing, joined by blanks. */
static void expect_list(fixture *f, const char *prefix, const char *after, bool shallow, size_t limit,
                        const char *want) {
  shoal_object *objects;
  size_t n;
  shoal_buf buf = {0};
  CHECK_OK(
      shoal_store_list(f->s, shoal_str_z(prefix), shoal_str_z(after), shallow, limit, &f->arena, &objects, &n, &f->err),
      &f->err);
  for (size_t i = 0; i < n; i++)
    shoal_buf_addf(&buf, "%s%.*s", i ? " " : "", SHOAL_FMT(objects[i].key));
  CHECK_STR(shoal_buf_str(&buf), want);
  shoal_buf_dispose(&buf);
}

/* C1, C3 */
static void put_then_get(void **state) {
  fixture f = fixture_open(state);
  expect_none(&f, "a/b/c");
  put(&f, "a/b/c", "hello");
  expect(&f, "a/b/c", "hello");
  put(&f, "top", "");
  expect(&f, "top", "");
  CHECK_STATUS(shoal_store_put_new(f.s, SHOAL_STR("a/b/c"), SHOAL_STR("other"), &f.err), SHOAL_EEXIST, &f.err);
  expect(&f, "a/b/c", "hello");
  shoal_object o;
  CHECK_OK(shoal_store_head(f.s, SHOAL_STR("a/b/c"), &o, &f.err), &f.err);
  assert_int_equal(o.size, 5);
  assert_true(o.modified_us > 1600000000000000);
  expect_none(&f, "a/b");
  expect_none(&f, "a/b/c/d");
  expect_none(&f, "a/b/cc");
  fixture_close(&f);
}

/* C8: all of put_new but the durability. */
static void put_briefly(void **state) {
  fixture f = fixture_open(state);
  CHECK_OK(shoal_store_put_brief(f.s, SHOAL_STR("l/k/1"), SHOAL_STR("one"), &f.err), &f.err);
  expect(&f, "l/k/1", "one");
  CHECK_STATUS(shoal_store_put_brief(f.s, SHOAL_STR("l/k/1"), SHOAL_STR("two"), &f.err), SHOAL_EEXIST, &f.err);
  CHECK_STATUS(shoal_store_put_new(f.s, SHOAL_STR("l/k/1"), SHOAL_STR("two"), &f.err), SHOAL_EEXIST, &f.err);
  CHECK_STATUS(shoal_store_put_brief(f.s, SHOAL_STR("l//1"), SHOAL_STR("x"), &f.err), SHOAL_EINVAL, &f.err);
  expect(&f, "l/k/1", "one");
  CHECK_OK(shoal_store_del(f.s, SHOAL_STR("l/k/1"), &f.err), &f.err);
  put(&f, "l/k/1", "two");
  expect(&f, "l/k/1", "two");
  fixture_close(&f);
}

static void get_ranges(void **state) {
  fixture f = fixture_open(state);
  put(&f, "x", "0123456789");
  static const struct {
    uint64_t off, len;
    const char *want;
  } cases[] = {{0, 3, "012"}, {4, 2, "45"}, {8, 100, "89"}, {10, 1, ""}, {99, 1, ""}, {3, UINT64_MAX, "3456789"},
               {2, 0, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    shoal_buf buf = {0};
    CHECK_OK(shoal_store_get_range(f.s, SHOAL_STR("x"), cases[i].off, cases[i].len, &buf, &f.err), &f.err);
    CHECK_STR(shoal_buf_str(&buf), cases[i].want);
    shoal_buf_dispose(&buf);
  }
  fixture_close(&f);
}

static void get_many(void **state) {
  fixture f = fixture_open(state);
  put(&f, "k/1", "one");
  put(&f, "k/3", "");
  shoal_get gets[] = {
      {.key = SHOAL_STR("k/1")}, {.key = SHOAL_STR("k/2")}, {.key = SHOAL_STR("k/3")}, {.key = SHOAL_STR("/")}};
  CHECK_OK(shoal_store_get_many(f.s, gets, 4, &f.arena, &f.err), &f.err);
  assert_int_equal(gets[0].status, SHOAL_OK);
  CHECK_STR(gets[0].bytes, "one");
  assert_int_equal(gets[0].bytes.ptr[3], 0);
  assert_int_equal(gets[1].status, SHOAL_ENOTFOUND);
  assert_int_equal(gets[2].status, SHOAL_OK);
  assert_int_equal(gets[2].bytes.len, 0);
  assert_int_equal(gets[3].status, SHOAL_EINVAL);
  fixture_close(&f);
}

static void refuse_bad_keys(void **state) {
  fixture f = fixture_open(state);
  char longest[1026];
  memset(longest, 'x', sizeof longest);
  for (size_t i = 100; i < 1024; i += 100)
    longest[i] = '/';
  shoal_str bad[] = {SHOAL_STR(""),     SHOAL_STR("/"),    SHOAL_STR("/a"),           SHOAL_STR("a/"),
                     SHOAL_STR("a//b"), SHOAL_STR("."),    SHOAL_STR("a/../b"),       SHOAL_STR("a/./b"),
                     SHOAL_STR("a\0b"), SHOAL_STR("a\nb"), SHOAL_STR("a\x7f"),        SHOAL_STR("\xff\xfe"),
                     SHOAL_STR(".."),   SHOAL_STR("a/.."), SHOAL_STR("_shoal/tmp/x"), SHOAL_STR("_shoal/tmp"),
                     {longest, 1025}};
  shoal_buf buf = {0};
  shoal_object o;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK_STATUS(shoal_store_put_new(f.s, bad[i], SHOAL_STR("x"), &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_rewrite(f.s, bad[i], SHOAL_STR("x"), &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_get(f.s, bad[i], &buf, &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_head(f.s, bad[i], &o, &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_del(f.s, bad[i], &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_link(f.s, bad[i], SHOAL_STR("x"), &f.err), SHOAL_EINVAL, &f.err);
    CHECK_STATUS(shoal_store_link(f.s, SHOAL_STR("x"), bad[i], &f.err), SHOAL_EINVAL, &f.err);
    assert_null(shoal_store_local_path(f.s, bad[i], &f.arena));
  }
  CHECK_OK(shoal_store_put_new(f.s, shoal_str_n(longest, 1024), SHOAL_STR("x"), &f.err), &f.err);
  put(&f, "ümläut/с пробел.%20/…", "u");
  expect(&f, "ümläut/с пробел.%20/…", "u");
  expect_list(&f, "ümläut/", NULL, false, 0, "ümläut/с пробел.%20/…");
  shoal_object *objects;
  size_t n;
  CHECK_STATUS(shoal_store_list(f.s, SHOAL_STR("a"), SHOAL_STR_NONE, false, 0, &f.arena, &objects, &n, &f.err),
               SHOAL_EINVAL, &f.err);
  fixture_close(&f);
}

/* C7 */
static void rewrite_replaces(void **state) {
  fixture f = fixture_open(state);
  CHECK_OK(shoal_store_rewrite(f.s, SHOAL_STR("r/beat"), SHOAL_STR("1"), &f.err), &f.err);
  expect(&f, "r/beat", "1");
  CHECK_OK(shoal_store_rewrite(f.s, SHOAL_STR("r/beat"), SHOAL_STR("twenty"), &f.err), &f.err);
  expect(&f, "r/beat", "twenty");
  fixture_close(&f);
}

static void delete_then_put(void **state) {
  fixture f = fixture_open(state);
  put(&f, "d/e/f", "1");
  put(&f, "d/g", "2");
  CHECK_OK(shoal_store_del(f.s, SHOAL_STR("d/e/f"), &f.err), &f.err);
  expect_none(&f, "d/e/f");
  CHECK_OK(shoal_store_del(f.s, SHOAL_STR("d/e/f"), &f.err), &f.err);
  CHECK_OK(shoal_store_del(f.s, SHOAL_STR("d"), &f.err), &f.err);
  expect_list(&f, "", NULL, false, 0, "d/g");
  put(&f, "d/e/f", "3");
  expect(&f, "d/e/f", "3");
  fixture_close(&f);
}

/* C4 */
static void list_in_order(void **state) {
  fixture f = fixture_open(state);
  static const char *keys[] = {"a/b", "a-b", "a.b", "a/b.c", "a/c/d", "a/c-d", "a0", "a/c/e/f", "b", "_x/y"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    put(&f, keys[i], "x");
  expect_list(&f, "", NULL, false, 0, "_x/y a-b a.b a/b a/b.c a/c-d a/c/d a/c/e/f a0 b");
  expect_list(&f, "", NULL, true, 0, "_x/ a-b a.b a/ a0 b");
  expect_list(&f, "a/", NULL, false, 0, "a/b a/b.c a/c-d a/c/d a/c/e/f");
  expect_list(&f, "a/", NULL, true, 0, "a/b a/b.c a/c-d a/c/");
  expect_list(&f, "a/c/e/", NULL, true, 0, "a/c/e/f");
  expect_list(&f, "nothing/", NULL, true, 0, "");
  expect_list(&f, "b/", NULL, true, 0, "");
  expect_list(&f, "", "a.b", false, 0, "a/b a/b.c a/c-d a/c/d a/c/e/f a0 b");
  expect_list(&f, "", "a/c/d", false, 2, "a/c/e/f a0");
  expect_list(&f, "a/", "a/c-d", false, 1, "a/c/d");
  expect_list(&f, "", "a/c", true, 0, "a0 b");
  expect_list(&f, "", "zzz", false, 0, "");
  expect_list(&f, "", NULL, false, 3, "_x/y a-b a.b");
  shoal_object *objects;
  size_t n;
  CHECK_OK(shoal_store_list(f.s, SHOAL_STR("a/"), SHOAL_STR_NONE, true, 0, &f.arena, &objects, &n, &f.err), &f.err);
  assert_int_equal(objects[0].size, 1);
  assert_true(objects[0].modified_us > 1600000000000000 && !objects[0].folder);
  assert_true(objects[3].folder && objects[3].size == 0);
  fixture_close(&f);
}

/* C5 */
static void show_no_temporary_names(void **state) {
  fixture f = fixture_open(state);
  char *staging;
  CHECK_OK(shoal_store_staging(f.s, &f.arena, &staging, &f.err), &f.err);
  char *path = shoal_arena_printf(&f.arena, "%s/half.parquet", staging);
  CHECK_OK(shoal_os_create_file(path, SHOAL_STR("half"), &f.err), &f.err);
  put(&f, "_shoal/format.json", "{}");
  expect_list(&f, "", NULL, false, 0, "_shoal/format.json");
  expect_list(&f, "_shoal/", NULL, true, 0, "_shoal/format.json");
  CHECK_OK(shoal_os_remove_tree(staging, &f.err), &f.err);
  fixture_close(&f);
}

/* C2, C6 */
static void move_staged_files(void **state) {
  fixture f = fixture_open(state);
  char *one, *two;
  CHECK_OK(shoal_store_staging(f.s, &f.arena, &one, &f.err), &f.err);
  CHECK_OK(shoal_store_staging(f.s, &f.arena, &two, &f.err), &f.err);
  assert_string_not_equal(one, two);
  assert_int_equal(one[0], '/');
  char *a = shoal_arena_printf(&f.arena, "%s/a", one), *b = shoal_arena_printf(&f.arena, "%s/b", one);
  CHECK_OK(shoal_os_create_file(a, SHOAL_STR("aaa"), &f.err), &f.err);
  CHECK_OK(shoal_os_create_file(b, SHOAL_STR("bb"), &f.err), &f.err);
  shoal_put_file files[] = {{shoal_str_z(a), SHOAL_STR("t/_shoal/s/1/part-a")},
                            {shoal_str_z(b), SHOAL_STR("t/_shoal/s/1/p=2/part-b")}};
  CHECK_OK(shoal_store_put_files(f.s, files, 2, &f.err), &f.err);
  expect(&f, "t/_shoal/s/1/part-a", "aaa");
  expect(&f, "t/_shoal/s/1/p=2/part-b", "bb");
  shoal_stat st;
  CHECK_STATUS(shoal_os_stat(a, &st, &f.err), SHOAL_ENOTFOUND, &f.err);
  CHECK_OK(shoal_os_create_file(a, SHOAL_STR("new"), &f.err), &f.err);
  CHECK_STATUS(shoal_store_put_files(f.s, files, 1, &f.err), SHOAL_EEXIST, &f.err);
  expect(&f, "t/_shoal/s/1/part-a", "aaa");
  CHECK_OK(shoal_store_put_files(f.s, NULL, 0, &f.err), &f.err);
  char *local = shoal_store_local_path(f.s, SHOAL_STR("t/_shoal/s/1/part-a"), &f.arena);
  if (local) {
    CHECK_OK(shoal_os_stat(local, &st, &f.err), &f.err);
    assert_int_equal(st.size, 3);
  }
  CHECK_OK(shoal_os_remove_tree(one, &f.err), &f.err);
  CHECK_OK(shoal_os_remove_tree(two, &f.err), &f.err);
  fixture_close(&f);
}

static void link_shares_bytes(void **state) {
  fixture f = fixture_open(state);
  put(&f, "l/a", "bytes");
  if (!f.c->links) {
    CHECK_STATUS(shoal_store_link(f.s, SHOAL_STR("l/a"), SHOAL_STR("m/n/b"), &f.err), SHOAL_EUNSUPPORTED, &f.err);
  } else {
    CHECK_OK(shoal_store_link(f.s, SHOAL_STR("l/a"), SHOAL_STR("m/n/b"), &f.err), &f.err);
    CHECK_STATUS(shoal_store_link(f.s, SHOAL_STR("l/a"), SHOAL_STR("m/n/b"), &f.err), SHOAL_EEXIST, &f.err);
    CHECK_STATUS(shoal_store_link(f.s, SHOAL_STR("l/none"), SHOAL_STR("m/n/c"), &f.err), SHOAL_ENOTFOUND, &f.err);
    CHECK_OK(shoal_store_del(f.s, SHOAL_STR("l/a"), &f.err), &f.err);
    expect(&f, "m/n/b", "bytes");
  }
  fixture_close(&f);
}

typedef struct racer {
  shoal_store *s;
  int id, wins, failures;
} racer;

/* One object per round: puts it, and deletes another of its own, so that folders come and go. */
static void race(void *arg) {
  racer *r = arg;
  for (int i = 0; i < ROUNDS; i++) {
    char key[64], bytes[64], own[64];
    snprintf(key, sizeof key, "race/%d/%020d.json", i / 4, i);
    snprintf(bytes, sizeof bytes, "%d", r->id);
    snprintf(own, sizeof own, "own/%d/%d", i % 3, r->id);
    shoal_status st = shoal_store_put_new(r->s, shoal_str_z(key), shoal_str_z(bytes), NULL);
    r->wins += st == SHOAL_OK;
    r->failures += st != SHOAL_OK && st != SHOAL_EEXIST;
    r->failures += shoal_store_put_new(r->s, shoal_str_z(own), shoal_str_z(bytes), NULL) != SHOAL_OK;
    r->failures += shoal_store_del(r->s, shoal_str_z(own), NULL) != SHOAL_OK;
  }
}

/* Counts, by content, who won each round. */
static void count_winners(fixture *f, int wins[RACERS]) {
  shoal_object *objects;
  size_t n;
  CHECK_OK(shoal_store_list(f->s, SHOAL_STR("race/"), SHOAL_STR_NONE, false, 0, &f->arena, &objects, &n, &f->err),
           &f->err);
  assert_int_equal(n, ROUNDS);
  for (size_t i = 0; i < n; i++) {
    shoal_buf buf = {0};
    int64_t who = -1;
    CHECK_OK(shoal_store_get(f->s, objects[i].key, &buf, &f->err), &f->err);
    assert_true(shoal_str_i64(shoal_buf_str(&buf), &who) && who >= 0 && who < RACERS);
    wins[who]++;
    shoal_buf_dispose(&buf);
  }
}

/* C1 */
static void threads_race_for_put_new(void **state) {
  fixture f = fixture_open(state);
  shoal_thread threads[RACERS] = {0};
  racer racers[RACERS];
  int wins[RACERS] = {0};
  for (int i = 0; i < RACERS; i++) {
    racers[i] = (racer){.s = f.s, .id = i};
    CHECK_OK(shoal_thread_start(&threads[i], race, &racers[i], &f.err), &f.err);
  }
  for (int i = 0; i < RACERS; i++)
    shoal_thread_join(&threads[i]);
  count_winners(&f, wins);
  for (int i = 0; i < RACERS; i++) {
    assert_int_equal(racers[i].failures, 0);
    assert_int_equal(racers[i].wins, wins[i]);
  }
  fixture_close(&f);
}

/* C1, C3 across processes */
static void processes_race_for_put_new(void **state) {
  fixture f = fixture_open(state);
  if (!f.c->processes) {
    fixture_close(&f);
    skip();
  }
  pid_t pids[RACERS];
  int wins[RACERS] = {0};
  put(&f, "before", "fork");
  for (int i = 0; i < RACERS; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) {
      racer r = {.s = f.s, .id = i};
      race(&r);
      _exit(r.failures ? 255 : r.wins);
    }
  }
  int won[RACERS];
  for (int i = 0; i < RACERS; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
    won[i] = WEXITSTATUS(status);
  }
  count_winners(&f, wins);
  for (int i = 0; i < RACERS; i++)
    assert_int_equal(won[i], wins[i]);
  char *staging; /* making it clears away what the children, who just exited, left */
  CHECK_OK(shoal_store_staging(f.s, &f.arena, &staging, &f.err), &f.err);
  CHECK_OK(shoal_os_remove_tree(staging, &f.err), &f.err);
  fixture_close(&f);
}

int store_contract_run(const store_case *c) {
#define CASE(fn)                                                                                                       \
  { #fn, fn, NULL, NULL, (void *)c }
  const struct CMUnitTest tests[] = {
      CASE(put_then_get),
      CASE(put_briefly),
      CASE(get_ranges),
      CASE(get_many),
      CASE(refuse_bad_keys),
      CASE(rewrite_replaces),
      CASE(delete_then_put),
      CASE(list_in_order),
      CASE(show_no_temporary_names),
      CASE(move_staged_files),
      CASE(link_shares_bytes),
      CASE(threads_race_for_put_new),
      CASE(processes_race_for_put_new),
  };
#undef CASE
  return _cmocka_run_group_tests(c->name, tests, sizeof tests / sizeof *tests, NULL, NULL);
}

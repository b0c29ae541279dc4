/* SPDX-License-Identifier: Apache-2.0 */
/* Invariant 7; L1 … L4 are those of lake/lease.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "support/lake_support.h"
#include "support/support.h"

static shoal_status take(lake_fixture *f, uint64_t key, uint32_t epoch, uint64_t beat, shoal_lease **out,
                         shoal_lease_holder *holder) {
  shoal_hash h = test_hash(key);
  return shoal_lease_take(f->lake, &h, SHOAL_STR("run-1"), SHOAL_STR("anna@host"), SHOAL_STR("silver.a"), epoch, beat,
                          out, holder, &f->arena, &f->err);
}

static void one_holder_at_a_time(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_lease *mine, *other;
  shoal_lease_holder holder;
  CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
  CHECK_STATUS(take(&f, 1, 0, 0, &other, &holder), SHOAL_EBUSY, &f.err);
  assert_null(other);
  CHECK_STR(holder.who, "anna@host");
  CHECK_STR(holder.dataset, "silver.a");
  assert_int_equal(holder.epoch, 1);
  uint64_t beat = holder.beat;
  CHECK_OK(shoal_lease_renew(mine, &f.err), &f.err);
  CHECK_STATUS(take(&f, 1, 1, beat, &other, &holder), SHOAL_EBUSY, &f.err);
  assert_int_not_equal(holder.beat, beat);
  CHECK_OK(take(&f, 2, 0, 0, &other, &holder), &f.err);
  shoal_lease_holder *all;
  size_t n;
  CHECK_OK(shoal_lease_list(f.lake, &f.arena, &all, &n, &f.err), &f.err);
  assert_int_equal(n, 2);
  shoal_lease_release(other);
  shoal_lease_release(mine);
  CHECK_OK(shoal_lease_list(f.lake, &f.arena, &all, &n, &f.err), &f.err);
  assert_int_equal(n, 0);
  CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
  shoal_lease_release(mine);
  lake_fixture_close(&f);
}

/* L2, L4: watched without a beat for a lease's life, it is taken over; the old holder notices. */
static void stale_is_taken_over(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_lease *old, *new, *none;
  shoal_lease_holder holder;
  CHECK_OK(take(&f, 1, 0, 0, &old, &holder), &f.err);
  CHECK_STATUS(take(&f, 1, 0, 0, &none, &holder), SHOAL_EBUSY, &f.err);
  CHECK_OK(take(&f, 1, holder.epoch, holder.beat, &new, &holder), &f.err);
  CHECK_STATUS(shoal_lease_renew(old, &f.err), SHOAL_ECONFLICT, &f.err);
  CHECK_OK(shoal_lease_renew(new, &f.err), &f.err);
  shoal_lease_release(old);
  CHECK_STATUS(take(&f, 1, 0, 0, &none, &holder), SHOAL_EBUSY, &f.err);
  assert_int_equal(holder.epoch, 2);
  shoal_lease_release(new);
  CHECK_OK(take(&f, 1, 0, 0, &new, &holder), &f.err);
  shoal_lease_release(new);
  lake_fixture_close(&f);
}

/* What a power loss left of a lease holds up nobody. */
static void broken_is_nobodys(void **state) {
  (void)state;
  static const char *const left[] = {"", "{\"format\": 1, \"ep"};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    lake_fixture f = lake_fixture_memory();
    shoal_lease *mine, *other;
    shoal_lease_holder holder, *all;
    size_t n;
    char hex[SHOAL_HASH_HEX + 1];
    shoal_hash h = test_hash(1);
    shoal_hash_hex(&h, hex);
    char *key = shoal_arena_printf(&f.arena, "_shoal/leases/%s/0000000001.json", hex);
    CHECK_OK(shoal_store_put_new(f.lake->store, shoal_str_z(key), shoal_str_z(left[i]), &f.err), &f.err);
    CHECK_OK(shoal_lease_list(f.lake, &f.arena, &all, &n, &f.err), &f.err);
    assert_int_equal(n, 0);
    CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
    CHECK_STATUS(take(&f, 1, 0, 0, &other, &holder), SHOAL_EBUSY, &f.err);
    assert_int_equal(holder.epoch, 2);
    CHECK_OK(shoal_lease_renew(mine, &f.err), &f.err);
    shoal_lease_release(mine);
    CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
    shoal_lease_release(mine);
    lake_fixture_close(&f);
  }
}

/* L2: a process of this machine that is gone is not waited for. */
static void dead_holder_is_replaced_at_once(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_file();
  shoal_lease *mine;
  shoal_lease_holder holder;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    _exit(take(&f, 1, 0, 0, &mine, &holder) == SHOAL_OK ? 0 : 1);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
  CHECK_OK(shoal_lease_renew(mine, &f.err), &f.err);
  shoal_lease_release(mine);
  shoal_lease_holder *all;
  size_t n;
  CHECK_OK(shoal_lease_list(f.lake, &f.arena, &all, &n, &f.err), &f.err);
  assert_int_equal(n, 0);
  lake_fixture_close(&f);
}

/* What another does between two steps of somebody who takes a lease. */
typedef struct other {
  lake_fixture *f;
  shoal_store *faulty;
  int script; /* 0 takes it; 1 takes it and gives it back; 2 takes it again after that; 3 gives back a lease held */
  shoal_lease *lease;
} other;

static void go_between(void *arg) {
  other *o = arg;
  shoal_lease_holder holder;
  shoal_store *through = o->f->lake->store;
  o->f->lake->store = o->f->inner;
  if (o->script == 3) {
    shoal_lease_release(o->lease);
    o->lease = NULL;
  }
  for (int i = 0; i <= o->script && (o->script < 3 || i == 0); i++) {
    if (i == 1) {
      shoal_lease_release(o->lease);
      o->lease = NULL;
    } else
      shoal_ignore(take(o->f, 1, 0, 0, &o->lease, &holder));
  }
  o->f->lake->store = through;
}

/* Leaves a lease of a process that is gone. */
static void leave_dead(lake_fixture *f) {
  shoal_lease *lease;
  shoal_lease_holder holder;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    _exit(take(f, 1, 0, 0, &lease, &holder) == SHOAL_OK ? 0 : 1);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

static bool holds(shoal_lease *lease) { return lease && shoal_lease_renew(lease, NULL) == SHOAL_OK; }

/* L5: another comes before each single step of a taking; never do both believe that they hold it, and it stays free for
 * nobody who could have had it. */
static void others_between_steps(void **state) {
  (void)state;
  for (int dead = 0; dead < 2; dead++)
    for (int script = 0; script < 4; script++) {
      bool reached = true;
      for (uint64_t n = 1; reached; n++) {
        lake_fixture f = lake_fixture_file();
        shoal_lease *mine = NULL;
        shoal_lease_holder holder;
        other o = {.f = &f, .script = script};
        if (dead)
          leave_dead(&f);
        if (script == 3)
          CHECK_OK(take(&f, 1, 0, 0, &o.lease, &holder), &f.err);
        shoal_store_faulty_meanwhile(f.lake->store, n, go_between, &o);
        shoal_status st = take(&f, 1, 0, 0, &mine, &holder);
        reached = shoal_store_faulty_calls(f.lake->store) >= n;
        shoal_store_faulty_meanwhile(f.lake->store, 0, NULL, NULL);
        assert_true(st == SHOAL_OK || st == SHOAL_EBUSY);
        if (o.lease) { /* it is alive, so nobody may take it */
          assert_true(holds(o.lease));
          assert_int_equal(st, SHOAL_EBUSY);
        } else if (script == 0 || script == 2)
          assert_int_equal(st, SHOAL_OK);
        assert_int_equal(st == SHOAL_OK, holds(mine));
        shoal_lease_release(mine);
        shoal_lease_release(o.lease);
        CHECK_OK(take(&f, 1, 0, 0, &mine, &holder), &f.err);
        shoal_lease_release(mine);
        lake_fixture_close(&f);
      }
    }
}

/* L3: who was taken over gives back nothing of his successors'. */
static void late_release_takes_nothing(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_memory();
  shoal_lease *slow, *quick, *next, *none;
  shoal_lease_holder holder;
  CHECK_OK(take(&f, 1, 0, 0, &slow, &holder), &f.err);
  CHECK_STATUS(take(&f, 1, 0, 0, &none, &holder), SHOAL_EBUSY, &f.err);
  CHECK_OK(take(&f, 1, holder.epoch, holder.beat, &quick, &holder), &f.err);
  shoal_lease_release(quick);
  CHECK_OK(take(&f, 1, 0, 0, &next, &holder), &f.err);
  shoal_lease_release(slow);
  CHECK_OK(shoal_lease_renew(next, &f.err), &f.err);
  shoal_lease_release(next);
  lake_fixture_close(&f);
}

/* L1: processes that race for one lease; each holder writes a mark, and no two marks overlap. */
static void race_of_processes(void **state) {
  (void)state;
  lake_fixture f = lake_fixture_file();
  enum { N = 6, ROUNDS = 15 };
  pid_t pids[N];
  for (int i = 0; i < N; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] > 0)
      continue;
    int held = 0;
    for (int r = 0; r < ROUNDS * 2000 && held < ROUNDS; r++) {
      shoal_lease *lease;
      shoal_lease_holder holder;
      shoal_status st = take(&f, 7, 0, 0, &lease, &holder);
      if (st == SHOAL_EBUSY) {
        usleep(500);
        continue;
      }
      if (st != SHOAL_OK || shoal_store_put_new(f.inner, SHOAL_STR("mark"), SHOAL_STR("x"), NULL) != SHOAL_OK ||
          shoal_store_del(f.inner, SHOAL_STR("mark"), NULL) != SHOAL_OK)
        _exit(1);
      shoal_lease_release(lease);
      held++;
    }
    _exit(held == ROUNDS ? 0 : 2);
  }
  for (int i = 0; i < N; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  lake_fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_holder_at_a_time), cmocka_unit_test(stale_is_taken_over),
      cmocka_unit_test(broken_is_nobodys),    cmocka_unit_test(dead_holder_is_replaced_at_once),
      cmocka_unit_test(others_between_steps), cmocka_unit_test(late_release_takes_nothing),
      cmocka_unit_test(race_of_processes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

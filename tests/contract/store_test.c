/* SPDX-License-Identifier: Apache-2.0 */
/* The store contract on every store, and what only one of them has: leftovers of the dead, injected faults. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"
#include "contract/store_contract.h"
#include "store/faulty.h"
#include "support/support.h"

static void must(shoal_status st, const shoal_error *err) {
  if (st != SHOAL_OK) {
    fprintf(stderr, "%s\n", err->message);
    abort();
  }
}

static shoal_store *open_file(void **arg) {
  shoal_error err;
  shoal_store *s;
  char *folder = test_folder();
  *arg = folder;
  must(shoal_store_open_file(folder, true, &s, &err), &err);
  return s;
}
/* A store leaves nothing behind that is no object (C5). */
static void close_file(shoal_store *s, void *arg) {
  shoal_store_free(s);
  shoal_stat st;
  char path[4096];
  snprintf(path, sizeof path, "%s/_shoal/tmp", (char *)arg);
  assert_int_equal(shoal_os_stat(path, &st, NULL), SHOAL_ENOTFOUND);
  test_folder_remove(arg);
}
static shoal_store *open_memory(void **arg) {
  shoal_error err;
  shoal_store *s;
  *arg = NULL;
  must(shoal_store_open_memory(&s, &err), &err);
  return s;
}
static void close_memory(shoal_store *s, void *arg) {
  (void)arg;
  shoal_store_free(s);
}

typedef struct wrapped {
  shoal_store *inner;
  void *arg;
} wrapped;
static shoal_store *wrap(shoal_store *(*open)(void **), void **arg) {
  shoal_error err;
  shoal_store *s;
  wrapped *w = malloc(sizeof *w);
  w->inner = open(&w->arg);
  *arg = w;
  must(shoal_store_open_faulty(w->inner, &s, &err), &err);
  return s;
}
static shoal_store *open_faulty_file(void **arg) { return wrap(open_file, arg); }
static shoal_store *open_faulty_memory(void **arg) { return wrap(open_memory, arg); }
static void close_faulty_file(shoal_store *s, void *arg) {
  wrapped *w = arg;
  shoal_store_free(s);
  close_file(w->inner, w->arg);
  free(w);
}
static void close_faulty_memory(shoal_store *s, void *arg) {
  wrapped *w = arg;
  shoal_store_free(s);
  close_memory(w->inner, w->arg);
  free(w);
}

/* C6: whatever the fault, the object is absent or whole. */
static void faults_leave_whole_objects(void **state) {
  (void)state;
  shoal_error err;
  void *arg;
  shoal_store *s = open_faulty_file(&arg), *inner = ((wrapped *)arg)->inner;
  shoal_buf buf = {0};
  shoal_store_faulty_at(s, 2, SHOAL_FAULT_AFTER, false);
  CHECK_OK(shoal_store_put_new(s, SHOAL_STR("a"), SHOAL_STR("1"), &err), &err);
  CHECK_STATUS(shoal_store_put_new(s, SHOAL_STR("b"), SHOAL_STR("2"), &err), SHOAL_EIO, &err);
  CHECK_OK(shoal_store_get(inner, SHOAL_STR("b"), &buf, &err), &err);
  CHECK_STR(shoal_buf_str(&buf), "2");
  CHECK_STATUS(shoal_store_put_new(s, SHOAL_STR("b"), SHOAL_STR("3"), &err), SHOAL_EEXIST, &err);
  assert_int_equal(shoal_store_faulty_calls(s), 3);

  shoal_store_faulty_at(s, 1, SHOAL_FAULT_BEFORE, true);
  CHECK_STATUS(shoal_store_put_new(s, SHOAL_STR("c"), SHOAL_STR("3"), &err), SHOAL_EIO, &err);
  CHECK_STATUS(shoal_store_get(s, SHOAL_STR("a"), &buf, &err), SHOAL_EIO, &err);
  buf.len = 0;
  CHECK_STATUS(shoal_store_get(inner, SHOAL_STR("c"), &buf, &err), SHOAL_ENOTFOUND, &err);

  shoal_store_faulty_at(s, 1, SHOAL_FAULT_SPACE, true);
  CHECK_STATUS(shoal_store_rewrite(s, SHOAL_STR("a"), SHOAL_STR("9"), &err), SHOAL_ESPACE, &err);
  CHECK_OK(shoal_store_get(s, SHOAL_STR("a"), &buf, &err), &err);
  CHECK_STR(shoal_buf_str(&buf), "1");
  shoal_store_faulty_at(s, 0, SHOAL_FAULT_NONE, false);
  CHECK_OK(shoal_store_put_new(s, SHOAL_STR("c"), SHOAL_STR("3"), &err), &err);
  shoal_buf_dispose(&buf);
  close_faulty_file(s, arg);
}

static void missing_root(void **state) {
  (void)state;
  shoal_error err;
  shoal_store *s;
  char *folder = test_folder(), path[4096];
  snprintf(path, sizeof path, "%s/no/such", folder);
  CHECK_STATUS(shoal_store_open_file(path, false, &s, &err), SHOAL_ENOTFOUND, &err);
  assert_null(s);
  CHECK_OK(shoal_store_open_file(path, true, &s, &err), &err);
  shoal_store_free(s);
  CHECK_OK(shoal_store_open_file(path, false, &s, &err), &err);
  shoal_store_free(s);
  test_folder_remove(folder);
}

static size_t count_entries(const char *path) {
  shoal_arena arena = {0};
  shoal_dirent *entries;
  size_t n = 0;
  shoal_status st = shoal_os_list(path, &arena, &entries, &n, NULL);
  shoal_arena_dispose(&arena);
  return st == SHOAL_OK ? n : 0;
}

/* F3: a process that was killed leaves its staging behind; the next staging of another removes it, the living keep
 * theirs. */
static void leftovers_of_the_dead_go(void **state) {
  (void)state;
  shoal_error err;
  void *arg;
  shoal_arena arena = {0};
  shoal_store *s = open_file(&arg);
  char *mine, *staged, path[4096];
  snprintf(path, sizeof path, "%s/_shoal/tmp", (char *)arg);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    if (shoal_store_staging(s, &arena, &staged, NULL) == SHOAL_OK)
      _exit(0);
    _exit(1);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_int_equal(count_entries(path), 1);
  CHECK_OK(shoal_store_staging(s, &arena, &mine, &err), &err);
  assert_int_equal(count_entries(path), 1);
  shoal_stat st;
  CHECK_OK(shoal_os_stat(mine, &st, &err), &err);
  shoal_store *other;
  CHECK_OK(shoal_store_open_file(arg, false, &other, &err), &err);
  CHECK_OK(shoal_store_staging(other, &arena, &staged, &err), &err);
  CHECK_OK(shoal_os_stat(mine, &st, &err), &err);
  CHECK_OK(shoal_os_remove_tree(staged, &err), &err);
  shoal_store_free(other);
  CHECK_OK(shoal_os_stat(mine, &st, &err), &err);
  CHECK_OK(shoal_os_remove_tree(mine, &err), &err);
  close_file(s, arg);
  shoal_arena_dispose(&arena);
}

/* F4: an operator removes folders under us. */
static void vanished_folders_are_made_anew(void **state) {
  (void)state;
  shoal_error err;
  void *arg;
  char path[4096];
  shoal_store *s = open_file(&arg);
  CHECK_OK(shoal_store_put_new(s, SHOAL_STR("a/b/c"), SHOAL_STR("1"), &err), &err);
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", (char *)arg, i ? "_shoal" : "a");
    CHECK_OK(shoal_os_remove_tree(path, &err), &err);
    CHECK_OK(shoal_store_rewrite(s, SHOAL_STR("a/b/c"), SHOAL_STR("2"), &err), &err);
  }
  CHECK_STATUS(shoal_store_put_new(s, SHOAL_STR("a/b/c/d"), SHOAL_STR("1"), &err), SHOAL_EINVAL, &err);
  close_file(s, arg);
}

static void token_of_processes(void **state) {
  (void)state;
  char token[SHOAL_PROCESS_TOKEN];
  shoal_os_process_token(token);
  assert_int_equal(shoal_os_process_look(shoal_str_z(token)), SHOAL_PROCESS_ALIVE);
  assert_int_equal(shoal_os_process_look(SHOAL_STR("")), SHOAL_PROCESS_UNKNOWN);
  assert_int_equal(shoal_os_process_look(SHOAL_STR("x.y.z")), SHOAL_PROCESS_UNKNOWN);
  token[strlen(token) - 1] ^= 1;
  assert_int_equal(shoal_os_process_look(shoal_str_z(token)), SHOAL_PROCESS_GONE);
  token[0] = token[0] == 'x' ? 'y' : 'x';
  assert_int_equal(shoal_os_process_look(shoal_str_z(token)), SHOAL_PROCESS_UNKNOWN);
}

int main(void) {
  static const store_case cases[] = {
      {"file", open_file, close_file, true, true},
      {"memory", open_memory, close_memory, false, false},
      {"faulty over file", open_faulty_file, close_faulty_file, true, true},
      {"faulty over memory", open_faulty_memory, close_faulty_memory, false, false},
  };
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(faults_leave_whole_objects), cmocka_unit_test(missing_root),
      cmocka_unit_test(leftovers_of_the_dead_go),   cmocka_unit_test(vanished_folders_are_made_anew),
      cmocka_unit_test(token_of_processes),
  };
  int failed = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    failed += store_contract_run(&cases[i]);
  return failed + cmocka_run_group_tests(tests, NULL, NULL);
}

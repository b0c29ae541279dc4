/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "base/str.h"

void check_status(shoal_status got, shoal_status want, const shoal_error *err, const char *expr, const char *file,
                  int line) {
  if (got == want)
    return;
  fprintf(stderr, "%s:%d: %s is %s, not %s", file, line, expr, shoal_status_name(got), shoal_status_name(want));
  if (err && err->message[0])
    fprintf(stderr, ": %s%s%s", err->message, err->hint[0] ? " / " : "", err->hint);
  fputc('\n', stderr);
  _fail(file, line);
}

void check_str(shoal_str got, const char *want, const char *expr, const char *file, int line) {
  if (shoal_str_is(got, want))
    return;
  fprintf(stderr, "%s:%d: %s is \"%.*s\", not \"%s\"\n", file, line, expr, SHOAL_FMT(got), want);
  _fail(file, line);
}

char *test_folder(void) {
  const char *base = getenv("TMPDIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/shoal-test-XXXXXX", base ? base : "/tmp");
  if (!mkdtemp(path)) {
    perror(path);
    abort();
  }
  return strdup(path);
}

void test_folder_remove(char *path) {
  if (path && !getenv("SHOAL_KEEP")) {
    shoal_error err = {0};
    if (shoal_os_remove_tree(path, &err) < 0)
      fprintf(stderr, "%s\n", err.message);
  }
  free(path);
}

test_random test_random_start(const char *test) {
  const char *seed = getenv("SHOAL_SEED");
  uint64_t s = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
  fprintf(stderr, "%s: SHOAL_SEED=%llu\n", test, (unsigned long long)s);
  return (test_random){s ? s : 1};
}

uint64_t test_random_next(test_random *r) {
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
uint64_t test_random_below(test_random *r, uint64_t n) { return n ? test_random_next(r) % n : 0; }
uint64_t test_budget(uint64_t iterations) {
  const char *b = getenv("SHOAL_BUDGET");
  double k = b ? atof(b) : 1;
  return k <= 0 ? 1 : (uint64_t)((double)iterations * k);
}

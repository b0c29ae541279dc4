/* SPDX-License-Identifier: Apache-2.0 */
/* Asks an open table again and again: query FOLDER SQL N. Prints the median of the seconds a query took, all but the
   first. */
#include <shoal/delta.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static shoal_status ask(shoal_table *t, const char *sql, shoal_error *err) {
  struct ArrowArrayStream rows;
  struct ArrowArray batch;
  shoal_status status = shoal_table_scan(t, SHOAL_TABLE_LATEST, sql, &rows, err);
  if (status < 0)
    return status;
  while (rows.get_next(&rows, &batch) == 0 && batch.release)
    batch.release(&batch);
  rows.release(&rows);
  return SHOAL_OK;
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_table *t;
  int n = argc == 4 ? atoi(argv[3]) : 0;
  double *took = calloc((size_t)n + 1, sizeof *took);
  if (n < 1 || !took)
    return 2;
  int failed = shoal_table_open(argv[1], &t, &err) < 0;
  for (int i = 0; !failed && i <= n; i++) {
    double start = now();
    failed = ask(t, argv[2], &err) < 0;
    took[i] = now() - start;
  }
  if (failed)
    return fprintf(stderr, "error: %s\n", err.message), 1;
  qsort(took + 1, (size_t)n, sizeof *took, by_size);
  printf("%f\n", took[1 + n / 2]);
  shoal_table_close(t);
  return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of many writers of a Delta table of accounts (id, balance), for tests/crash/writers.py, until a time:
 *
 *   delta_writer append FOLDER WRITER SECONDS      opens accounts WRITER * 1000000 + n, each by an append of its own
 *   delta_writer transfer FOLDER WRITER SECONDS N  moves money between two of the accounts 0 … N-1, by one update each
 *
 * A line tells what was acknowledged, before the next one is begun: "a ID VERSION", "t FROM TO AMOUNT VERSION"; "c" a
 * transfer that others came in the way of. Anything else that happens ends it with an error.
 */
#include <shoal/delta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static shoal_status append(shoal_table *t, long id, shoal_error *err) {
  char query[128];
  struct ArrowArrayStream rows;
  int64_t version;
  snprintf(query, sizeof query, "SELECT %ld::BIGINT AS id, 0::BIGINT AS balance", id);
  shoal_status status = shoal_table_scan(t, 0, query, &rows, err);
  if (status == SHOAL_OK)
    status = shoal_table_append(t, &rows, &version, err);
  if (status == SHOAL_OK)
    printf("a %ld %lld\n", id, (long long)version);
  return status;
}

static shoal_status transfer(shoal_table *t, unsigned *seed, unsigned n, shoal_error *err) {
  char value[160], where[64];
  shoal_table_changed done;
  unsigned from = (unsigned)rand_r(seed) % n, to = (from + 1 + (unsigned)rand_r(seed) % (n - 1)) % n;
  int amount = 1 + rand_r(seed) % 100;
  snprintf(value, sizeof value, "balance + CASE id WHEN %u THEN -%d ELSE %d END", from, amount, amount);
  snprintf(where, sizeof where, "id IN (%u, %u)", from, to);
  const shoal_table_pair set = {"balance", value};
  shoal_status status = shoal_table_update(t, &set, 1, where, &done, err);
  if (status == SHOAL_OK && done.updated != 2)
    return fprintf(stderr, "%llu accounts of two\n", (unsigned long long)done.updated), SHOAL_ECORRUPT;
  if (status == SHOAL_OK)
    printf("t %u %u %d %lld\n", from, to, amount, (long long)done.version);
  if (status != SHOAL_ECONFLICT)
    return status;
  puts("c");
  return SHOAL_OK;
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_table *t;
  if (argc < 5)
    return 2;
  long writer = atol(argv[3]);
  unsigned seed = (unsigned)writer + 1, n = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
  double until = now() + atof(argv[4]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  shoal_status status = shoal_table_open(argv[2], &t, &err);
  for (long i = 0; status == SHOAL_OK && now() < until; i++)
    status = n ? transfer(t, &seed, n, &err) : append(t, writer * 1000000 + i, &err);
  if (status != SHOAL_OK)
    return fprintf(stderr, "error: %s\n", err.message), 1;
  shoal_table_close(t);
  return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of many processes at a Delta table of accounts (id, balance), for tests/crash/writers.py, until a time
 * is over or there is a file FOLDER.stop:
 *
 *   delta_writer append FOLDER WRITER SECONDS           opens accounts WRITER * 1000000 + n, each by an append of its
 * own delta_writer transfer FOLDER WRITER SECONDS N       moves money between two of the accounts 0 … N-1, by updates
 * and, in turn, by merges delta_writer read FOLDER WRITER SECONDS N MONEY     looks that the accounts 0 … N-1 have that
 * much, that versions never go back and that no account is gone
 *
 * A line tells what was acknowledged, before the next one is begun: "a ID VERSION", "t FROM TO AMOUNT VERSION"; "c" a
 * transfer that others came in the way of; "r VERSION" what was read. Anything else that happens ends it with an error.
 */
#include <nanoarrow/nanoarrow.h>
#include <shoal/delta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static shoal_status wrong(const char *what, long long a, long long b) {
  fprintf(stderr, "%s: %lld, %lld\n", what, a, b);
  return SHOAL_ECORRUPT;
}

/* Rows (id, `name`) as a stream. */
static int make_rows(const char *name, const int64_t (*rows)[2], int n, struct ArrowArrayStream *out) {
  struct ArrowSchema schema;
  struct ArrowArray array;
  ArrowSchemaInit(&schema);
  int bad = ArrowSchemaSetTypeStruct(&schema, 2) || ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64) ||
            ArrowSchemaSetName(schema.children[0], "id") ||
            ArrowSchemaSetType(schema.children[1], NANOARROW_TYPE_INT64) ||
            ArrowSchemaSetName(schema.children[1], name) || ArrowArrayInitFromSchema(&array, &schema, NULL) ||
            ArrowArrayStartAppending(&array);
  for (int i = 0; i < n && !bad; i++)
    bad = ArrowArrayAppendInt(array.children[0], rows[i][0]) || ArrowArrayAppendInt(array.children[1], rows[i][1]) ||
          ArrowArrayFinishElement(&array);
  bad = bad || ArrowArrayFinishBuildingDefault(&array, NULL) || ArrowBasicArrayStreamInit(out, &schema, 1);
  if (!bad)
    ArrowBasicArrayStreamSetArray(out, 0, &array);
  return bad;
}

/* A version that is given later is a later one. */
static shoal_status follow(int64_t version, int64_t *last) {
  if (version <= *last)
    return wrong("a version behind the one before", version, *last);
  *last = version;
  return SHOAL_OK;
}

static shoal_status append(shoal_table *t, long id, int64_t *last, shoal_error *err) {
  const int64_t row[1][2] = {{id, 0}};
  struct ArrowArrayStream rows;
  int64_t version;
  if (make_rows("balance", row, 1, &rows))
    return wrong("no row", id, 0);
  shoal_status status = shoal_table_append(t, &rows, &version, err);
  if (status == SHOAL_OK)
    printf("a %ld %lld\n", id, (long long)version);
  return status == SHOAL_OK ? follow(version, last) : status;
}

static shoal_status update(shoal_table *t, unsigned from, unsigned to, int amount, shoal_table_changed *done,
                           shoal_error *err) {
  char value[160], where[64];
  snprintf(value, sizeof value, "balance + CASE id WHEN %u THEN -%d ELSE %d END", from, amount, amount);
  snprintf(where, sizeof where, "id IN (%u, %u)", from, to);
  const shoal_table_pair set = {"balance", value};
  return shoal_table_update(t, &set, 1, where, done, err);
}

static shoal_status merge(shoal_table *t, unsigned from, unsigned to, int amount, shoal_table_changed *done,
                          shoal_error *err) {
  const int64_t moved[2][2] = {{from, -amount}, {to, amount}};
  const char *clause = "matched then update set balance = target.balance + source.amount";
  struct ArrowArrayStream rows;
  if (make_rows("amount", moved, 2, &rows))
    return wrong("no rows", from, to);
  return shoal_table_merge(t, &rows, "target.id = source.id", &clause, 1, done, err);
}

static shoal_status transfer(shoal_table *t, unsigned *seed, unsigned n, int64_t *last, shoal_error *err) {
  shoal_table_changed done;
  unsigned from = (unsigned)rand_r(seed) % n, to = (from + 1 + (unsigned)rand_r(seed) % (n - 1)) % n;
  int amount = 1 + rand_r(seed) % 100;
  shoal_status status = (rand_r(seed) & 16 ? merge : update)(t, from, to, amount, &done, err);
  if (status == SHOAL_ECONFLICT) {
    puts("c");
    return SHOAL_OK;
  }
  if (status == SHOAL_OK && done.updated != 2)
    return wrong("accounts of two", (long long)done.updated, 2);
  if (status == SHOAL_OK)
    printf("t %u %u %d %lld\n", from, to, amount, (long long)done.version);
  return status == SHOAL_OK ? follow(done.version, last) : status;
}

/* The only row of two numbers. */
static shoal_status ask(shoal_table *t, int64_t version, const char *query, long long out[2], shoal_error *err) {
  struct ArrowArrayStream rows;
  struct ArrowArray batch = {0};
  shoal_status status = shoal_table_scan(t, version, query, &rows, err);
  if (status != SHOAL_OK)
    return status;
  int bad = rows.get_next(&rows, &batch);
  if (bad || !batch.release || batch.length != 1)
    status = wrong(bad ? rows.get_last_error(&rows) : "rows, not one", bad, batch.length);
  for (int i = 0; i < 2 && status == SHOAL_OK; i++)
    out[i] = ((const int64_t *)batch.children[i]->buffers[1])[batch.children[i]->offset];
  if (batch.release)
    batch.release(&batch);
  rows.release(&rows);
  return status;
}

static shoal_status look(shoal_table *t, unsigned n, long long money, int64_t *last, shoal_error *err) {
  static long long accounts; /* there were as many before */
  char query[128];
  int64_t version;
  long long at[2] = {0}, latest[2] = {0};
  shoal_status status = shoal_table_version(t, &version, err);
  if (status == SHOAL_OK && version < *last)
    return wrong("the latest version went back", version, *last);
  *last = version;
  snprintf(query, sizeof query, "SELECT sum(balance)::BIGINT, count(*) FROM t WHERE id < %u", n);
  if (status == SHOAL_OK)
    status = ask(t, version, query, at, err);
  if (status == SHOAL_OK && (at[0] != money || at[1] != n))
    return wrong("money and accounts", at[0], at[1]);
  if (status == SHOAL_OK)
    status = ask(t, SHOAL_TABLE_LATEST, "SELECT count(*), max(id) FROM t", latest, err);
  if (status == SHOAL_OK && latest[0] < accounts)
    return wrong("fewer accounts than before", latest[0], accounts);
  accounts = latest[0];
  if (status == SHOAL_OK)
    printf("r %lld\n", (long long)version);
  return status;
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_table *t;
  if (argc < 5 || (argc < 6 && strcmp(argv[1], "append") != 0))
    return 2;
  long writer = atol(argv[3]);
  unsigned seed = (unsigned)writer + 1, n = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
  long long money = argc > 6 ? atoll(argv[6]) : -1;
  int64_t last = -1;
  double until = now() + atof(argv[4]);
  char stop[4096];
  snprintf(stop, sizeof stop, "%s.stop", argv[2]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  shoal_status status = shoal_table_open(argv[2], &t, &err);
  for (long i = 0; status == SHOAL_OK && now() < until && access(stop, F_OK); i++)
    status = money >= 0 ? look(t, n, money, &last, &err)
             : n        ? transfer(t, &seed, n, &last, &err)
                        : append(t, writer * 1000000 + i, &last, &err);
  if (status != SHOAL_OK)
    return fprintf(stderr, "error: %s\n", err.message), 1;
  shoal_table_close(t);
  return 0;
}

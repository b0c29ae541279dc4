/* SPDX-License-Identifier: Apache-2.0 */
/* Copies the adults of one Delta table into another, forgets one of them there, and counts: people FROM TO. */
#include <inttypes.h>
#include <shoal/delta.h>
#include <stdio.h>

static int fail(const shoal_error *err) {
  fprintf(stderr, "error: %s\n", err->message);
  return 1;
}

/* The one number that a query gives. */
static shoal_status count(shoal_table *t, int64_t version, const char *query, int64_t *out, shoal_error *err) {
  struct ArrowArrayStream rows;
  struct ArrowArray batch;
  shoal_status status = shoal_table_scan(t, version, query, &rows, err);
  if (status < 0)
    return status;
  if (rows.get_next(&rows, &batch) == 0 && batch.release) {
    *out = ((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset];
    batch.release(&batch);
  }
  rows.release(&rows);
  return SHOAL_OK;
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_table *from = NULL, *to = NULL;
  struct ArrowArrayStream adults;
  int64_t appended, before = 0, after = 0;
  shoal_table_changed forgotten;
  if (argc != 3)
    return fprintf(stderr, "usage: people FROM TO\n"), 1;
  int failed = shoal_table_open(argv[1], &from, &err) < 0 || shoal_table_open(argv[2], &to, &err) < 0 ||
               shoal_table_scan(from, SHOAL_TABLE_LATEST, "SELECT * FROM t WHERE age >= 18", &adults, &err) < 0 ||
               shoal_table_append(to, &adults, &appended, &err) < 0 ||
               shoal_table_delete(to, "name = 'ann'", &forgotten, &err) < 0 ||
               count(to, SHOAL_TABLE_LATEST, "SELECT count(*) FROM t", &after, &err) < 0 ||
               count(to, appended, "SELECT count(*) FROM t", &before, &err) < 0;
  if (!failed)
    printf("%" PRId64 " adults in version %" PRId64 ", %" PRId64 " after %" PRIu64 " was forgotten\n", before, appended,
           after, forgotten.deleted);
  shoal_table_close(to);
  shoal_table_close(from);
  return failed ? fail(&err) : 0;
}

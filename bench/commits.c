/* SPDX-License-Identifier: Apache-2.0 */
/* Durable appends of one row each, as many as there is time for: commits FOLDER SECONDS WRITER. Prints how many were
   acknowledged. Every row has the writer's number and its own, so that whoever counts sees what was lost. */
#include <nanoarrow/nanoarrow.h>
#include <shoal/delta.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One row (writer, n) as a stream. */
static int one_row(int64_t writer, int64_t n, struct ArrowArrayStream *out) {
  struct ArrowSchema schema;
  struct ArrowArray array;
  ArrowSchemaInit(&schema);
  int bad = ArrowSchemaSetTypeStruct(&schema, 2) || ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64) ||
            ArrowSchemaSetName(schema.children[0], "writer") ||
            ArrowSchemaSetType(schema.children[1], NANOARROW_TYPE_INT64) ||
            ArrowSchemaSetName(schema.children[1], "n") || ArrowArrayInitFromSchema(&array, &schema, NULL) ||
            ArrowArrayStartAppending(&array) || ArrowArrayAppendInt(array.children[0], writer) ||
            ArrowArrayAppendInt(array.children[1], n) || ArrowArrayFinishElement(&array) ||
            ArrowArrayFinishBuildingDefault(&array, NULL) || ArrowBasicArrayStreamInit(out, &schema, 1);
  if (!bad)
    ArrowBasicArrayStreamSetArray(out, 0, &array);
  return bad;
}

int main(int argc, char **argv) {
  shoal_error err = {0};
  shoal_table *t;
  long n = 0;
  if (argc != 4)
    return 2;
  double until = now() + atof(argv[2]);
  int failed = shoal_table_open(argv[1], &t, &err) < 0;
  for (; !failed && now() < until; n++) {
    struct ArrowArrayStream row;
    int64_t version;
    if (one_row(atol(argv[3]), n, &row))
      return 3;
    failed = shoal_table_append(t, &row, &version, &err) < 0;
  }
  if (failed)
    return fprintf(stderr, "error: %s\n", err.message), 1;
  shoal_table_close(t);
  printf("%ld\n", n);
  return 0;
}

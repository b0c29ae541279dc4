/* SPDX-License-Identifier: Apache-2.0 */
/* The adds of a checkpoint into a set of files (adds.h). */
#include "delta/adds.h"
#include "delta/files.h"

typedef struct taking {
  shoal_files *f;
  const shoal_files_source *from;
  shoal_buf partition;
} taking;

static shoal_status take_row(void *arg, const shoal_adds_row *add, shoal_error *err) {
  taking *t = arg;
  if (t->from->dropped && t->from->dropped(t->from->arg, add->path, add->vector))
    return SHOAL_OK;
  shoal_buf_clear(&t->partition);
  shoal_files_partition(add->values, t->f->n_partition_columns, &t->partition);
  SHOAL_TRY(shoal_buf_check(&t->partition, err));
  const shoal_files_row row = {add->path, (uint64_t)add->size, shoal_buf_str(&t->partition), add->vector, add->stats};
  return shoal_files_add(t->f, &row, err);
}

shoal_status shoal_files_read(shoal_files *f, const shoal_files_source *from, shoal_error *err) {
  shoal_arena arena = {0};
  taking t = {.f = f, .from = from};
  shoal_str *columns = SHOAL_NEW_ARRAY(&arena, shoal_str, f->n_partition_columns);
  shoal_adds adds = {.engine = from->engine,
                     .files = from->files,
                     .n_files = from->n_files,
                     .wanted = SHOAL_ADDS_SIZE | SHOAL_ADDS_STATS | SHOAL_ADDS_VALUES,
                     .columns = columns,
                     .n_columns = f->n_partition_columns};
  for (size_t i = 0; columns && i < f->n_partition_columns; i++)
    columns[i] = f->schema->fields[f->partition_columns[i]].physical;
  shoal_status status = columns ? shoal_adds_each(&adds, take_row, &t, err) : shoal_fail_nomem(err);
  shoal_buf_dispose(&t.partition);
  shoal_arena_dispose(&arena);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine wrote, as files of a table: for results of a lake and for rows appended to any table alike. */
#include "base/str.h"
#include "delta/delta.h"

shoal_status shoal_delta_file_of(const shoal_output_file *f, const shoal_delta_measured *measured,
                                 const shoal_str *partition_by, size_t n_partition_by, int64_t modified_ms,
                                 shoal_arena *arena, shoal_delta_file *out, shoal_error *err) {
  shoal_buf path = {0}, stats = {0};
  shoal_delta_kv *values = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, n_partition_by);
  shoal_status status = values ? shoal_delta_stats_json(f, measured, &stats, err) : shoal_fail_nomem(err);
  shoal_delta_path_encode(&path, f->name);
  if (status == SHOAL_OK)
    status = shoal_buf_check(&path, err);
  for (size_t i = 0; i < n_partition_by && values; i++)
    values[i] = (shoal_delta_kv){partition_by[i], f->partition_values[i]};
  *out = (shoal_delta_file){.path = shoal_arena_str(arena, shoal_buf_str(&path)),
                            .size = f->bytes,
                            .modified_ms = modified_ms,
                            .data_change = true,
                            .partition_values = values,
                            .n_partition_values = n_partition_by,
                            .stats = shoal_arena_str(arena, shoal_buf_str(&stats))};
  if (status == SHOAL_OK && (!out->path.ptr || !out->stats.ptr))
    status = shoal_fail_nomem(err);
  shoal_buf_dispose(&path);
  shoal_buf_dispose(&stats);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads checkpoints, which are Parquet and therefore the engine's business. */
#include "delta/delta_internal.h"

shoal_status shoal_delta_checkpoint_read(const shoal_delta_table *table, const shoal_log_file *files, size_t n,
                                         shoal_arena *arena, shoal_replay *r, shoal_error *err) {
  (void)table;
  (void)n;
  (void)arena;
  (void)r;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "%.*s: this build does not read checkpoints yet",
                    SHOAL_FMT(files[0].object.key));
}

shoal_status shoal_delta_checkpoint(const shoal_delta_table *table, const shoal_delta_snapshot *s, shoal_error *err) {
  (void)table;
  (void)s;
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "this build does not write checkpoints yet");
}

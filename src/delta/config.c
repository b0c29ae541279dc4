/* SPDX-License-Identifier: Apache-2.0 */
/* What a table's properties and protocol say. */
#include "delta/delta_internal.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define RETENTION_MS (7 * DAY_MS)      /* delta.deletedFileRetentionDuration's default */
#define LOG_RETENTION_MS (30 * DAY_MS) /* delta.logRetentionDuration's */

shoal_str shoal_delta_config(const shoal_delta_metadata *m, const char *key) {
  for (size_t i = 0; i < m->n_configuration; i++) {
    if (shoal_str_is(m->configuration[i].key, key))
      return m->configuration[i].value;
  }
  return SHOAL_STR_NONE;
}

bool shoal_delta_is_on(const shoal_delta_metadata *m, const char *key) {
  return shoal_str_ieq(shoal_delta_config(m, key), SHOAL_STR("true"));
}

bool shoal_delta_is_mapped(const shoal_delta_metadata *m) {
  shoal_str mode = shoal_delta_config(m, "delta.columnMapping.mode");
  return mode.len && !shoal_str_is(mode, "none");
}

bool shoal_delta_has_feature(const shoal_delta_protocol *p, const char *name) {
  for (size_t i = 0; p->min_writer == 7 && i < p->n_writer_features; i++)
    if (shoal_str_is(p->writer_features[i], name))
      return true;
  return false;
}

/* "interval 1 week", "interval 36 hours": milliseconds, -1 if it is anything else (then all is kept). */
static int64_t interval_ms(shoal_str text) {
  static const struct {
    const char *unit;
    int64_t ms;
  } units[] = {{"week", 7 * DAY_MS}, {"day", DAY_MS}, {"hour", DAY_MS / 24}, {"minute", 60000}, {"second", 1000}};
  shoal_str rest = shoal_str_trim(text), piece = {0};
  int64_t n = -1, ms;
  if (shoal_str_starts(rest, SHOAL_STR("interval ")))
    rest = shoal_str_trim(shoal_str_sub(rest, 9, rest.len));
  if (!shoal_str_split(&rest, ' ', &piece) || !shoal_str_i64(piece, &n) || n < 0)
    return -1;
  rest = shoal_str_trim(rest);
  if (shoal_str_ends(rest, SHOAL_STR("s")))
    rest = shoal_str_sub(rest, 0, rest.len - 1);
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (shoal_str_is(rest, units[i].unit) && !__builtin_mul_overflow(n, units[i].ms, &ms))
      return ms;
  }
  return -1;
}

int64_t shoal_delta_file_retention(const shoal_delta_metadata *m) {
  shoal_str retention = shoal_delta_config(m, "delta.deletedFileRetentionDuration");
  return retention.ptr ? interval_ms(retention) : RETENTION_MS;
}

int64_t shoal_delta_log_retention(const shoal_delta_metadata *m) {
  shoal_str retention = shoal_delta_config(m, "delta.logRetentionDuration");
  return retention.ptr ? interval_ms(retention) : LOG_RETENTION_MS;
}

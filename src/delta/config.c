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

/* Cuts the next word off; blanks stand between words. */
static shoal_str next_word(shoal_str *rest) {
  size_t end = 0;
  *rest = shoal_str_trim(*rest);
  while (end < rest->len && (unsigned char)rest->ptr[end] > ' ')
    end++;
  shoal_str word = shoal_str_sub(*rest, 0, end);
  *rest = shoal_str_sub(*rest, end, rest->len);
  return word;
}

/* "2", "days": microseconds. */
static bool read_term(shoal_str number, shoal_str unit, int64_t *us) {
  static const struct {
    const char *unit;
    int64_t us;
  } units[] = {{"week", 7 * DAY_MS * 1000}, {"day", DAY_MS * 1000}, {"hour", DAY_MS / 24 * 1000},
               {"minute", 60000000},        {"second", 1000000},    {"millisecond", 1000},
               {"microsecond", 1}};
  int64_t n;
  if (!shoal_str_i64(number, &n))
    return false;
  shoal_str one = shoal_str_sub(unit, 0, unit.len - (unit.len > 1 && (unit.ptr[unit.len - 1] | 32) == 's'));
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (shoal_str_ieq(one, shoal_str_z(units[i].unit)))
      return !__builtin_mul_overflow(n, units[i].us, us);
  return false;
}

int64_t shoal_delta_interval(shoal_str text) {
  shoal_str rest = text, word = next_word(&rest);
  int64_t us, sum = 0;
  if (shoal_str_ieq(word, SHOAL_STR("interval")))
    word = next_word(&rest);
  do {
    shoal_str unit = next_word(&rest);
    if (!read_term(word, unit, &us) || __builtin_add_overflow(sum, us, &sum))
      return -1;
    word = next_word(&rest);
  } while (word.len);
  return sum < 0 || rest.len ? -1 : sum / 1000;
}

int64_t shoal_delta_file_retention(const shoal_delta_metadata *m) {
  shoal_str retention = shoal_delta_config(m, "delta.deletedFileRetentionDuration");
  return retention.ptr ? shoal_delta_interval(retention) : RETENTION_MS;
}

int64_t shoal_delta_log_retention(const shoal_delta_metadata *m) {
  shoal_str retention = shoal_delta_config(m, "delta.logRetentionDuration");
  return retention.ptr ? shoal_delta_interval(retention) : LOG_RETENTION_MS;
}

int64_t shoal_delta_txn_retention(const shoal_delta_metadata *m) {
  shoal_str retention = shoal_delta_config(m, "delta.setTransactionRetentionDuration");
  return retention.ptr ? shoal_delta_interval(retention) : -1;
}

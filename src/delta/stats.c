/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add.stats from the engine's statistics (protocol, "Per-file Statistics"). Readers skip files by these, so a bound
 * that is no bound loses rows: whatever can't be vouched for is left out, which is always allowed.
 *
 *  S1 Only numbers, decimals, dates, timestamps and strings have bounds; which leaves have statistics at all is said.
 *  S2 Strings are cut at so many characters; a cut maximum is closed by a character above the one it lost.
 *  S3 Timestamps have milliseconds: a minimum is rounded down, a maximum up.
 *  S4 Numbers go through as the engine's text, never through a double.
 */
#include "base/limits.h"
#include "base/time.h"
#include "delta/delta_internal.h"

typedef enum part { MIN, MAX, NULLS } part;

typedef struct writer {
  shoal_buf *out;
  const shoal_output_file *file;
  part part;
  size_t chars; /* of bounds of texts */
  shoal_str path[SHOAL_MAX_TYPE_DEPTH + 1];
  size_t depth;
} writer;

/* The text is a JSON number: -?digits[.digits][e[+-]digits], no leading zero. */
static bool is_json_number(shoal_str s) {
  yyjson_doc *doc = NULL;
  if (s.len == 0 || !((s.ptr[0] >= '0' && s.ptr[0] <= '9') || s.ptr[0] == '-'))
    return false;
  bool ok = shoal_json_parse_raw(s, "bound", &doc, NULL) == SHOAL_OK && yyjson_is_raw(yyjson_doc_get_root(doc));
  yyjson_doc_free(doc);
  return ok;
}

static bool write_number(shoal_buf *out, shoal_str s) {
  if (!is_json_number(s))
    return false;
  shoal_buf_add(out, s);
  return true;
}

static bool write_date(shoal_buf *out, shoal_str s) {
  int64_t us;
  if (s.len != 10 || !shoal_time_parse(s, &us))
    return false;
  shoal_buf_json_str(out, s);
  return true;
}

static bool write_timestamp(shoal_buf *out, shoal_str s, bool zoned, bool up) {
  char text[SHOAL_TIME_TEXT];
  int64_t us, below;
  if (s.len < 19 || !shoal_time_parse(s, &us))
    return false;
  below = us % 1000 < 0 ? us % 1000 + 1000 : us % 1000;
  us += up && below ? 1000 - below : -below;
  shoal_time_text(us, text); /* 2020-01-01T00:00:00.123456Z */
  shoal_str full = shoal_str_z(text);
  if (full.len != SHOAL_TIME_TEXT - 1)
    return false;
  shoal_buf_addf(out, "\"%.*s%s\"", SHOAL_FMT(shoal_str_sub(full, 0, 23)), zoned ? "Z" : "");
  return true;
}

/* Offset behind the first n characters of valid UTF-8. */
static size_t chars(shoal_str s, size_t n) {
  size_t i = 0;
  while (i < s.len && n > 0) {
    i++;
    while (i < s.len && ((unsigned char)s.ptr[i] & 0xc0) == 0x80)
      i++;
    n--;
  }
  return i;
}

/* A maximum that needs twice the length to be a bound is left out. */
static bool write_string(shoal_buf *out, shoal_str s, bool up, size_t length) {
  const char *last = "\xf4\x8f\xbf\xbf"; /* U+10FFFF */
  shoal_buf text = {0};
  if (!shoal_str_utf8(s))
    return false;
  size_t n = length, cut = chars(s, n);
  if (cut == s.len || !up) {
    shoal_buf_json_str(out, shoal_str_sub(s, 0, cut));
    return true;
  }
  while (shoal_str_starts(shoal_str_sub(s, cut, s.len), shoal_str_z(last)) && ++n <= 2 * length)
    cut = chars(s, n);
  if (n > 2 * length)
    return false;
  const char *closing = cut == s.len ? "" : (unsigned char)s.ptr[cut] < 0x7f ? "\x7f" : last;
  shoal_buf_add(&text, shoal_str_sub(s, 0, cut));
  shoal_buf_addz(&text, closing);
  shoal_buf_json_str(out, shoal_buf_str(&text));
  if (text.status < 0)
    out->status = text.status;
  shoal_buf_dispose(&text);
  return true;
}

shoal_bound shoal_delta_bound_of(shoal_type_kind kind) {
  switch (kind) {
  case SHOAL_TYPE_BYTE:
  case SHOAL_TYPE_SHORT:
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_LONG:
    return SHOAL_BOUND_WHOLE;
  case SHOAL_TYPE_DECIMAL:
    return SHOAL_BOUND_DECIMAL;
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DOUBLE:
    return SHOAL_BOUND_FLOAT;
  case SHOAL_TYPE_DATE:
    return SHOAL_BOUND_DATE;
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return SHOAL_BOUND_TIME;
  case SHOAL_TYPE_STRING:
    return SHOAL_BOUND_TEXT;
  case SHOAL_TYPE_BOOLEAN:
  case SHOAL_TYPE_BINARY:
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  return SHOAL_BOUND_NONE;
}

static bool write_bound(shoal_buf *out, shoal_type_kind kind, shoal_str s, bool up, size_t length) {
  switch (shoal_delta_bound_of(kind)) {
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_DECIMAL:
  case SHOAL_BOUND_FLOAT:
    return write_number(out, s);
  case SHOAL_BOUND_DATE:
    return write_date(out, s);
  case SHOAL_BOUND_TIME:
    return write_timestamp(out, s, kind == SHOAL_TYPE_TIMESTAMP, up);
  case SHOAL_BOUND_TEXT:
    return write_string(out, s, up, length);
  case SHOAL_BOUND_NONE:
    break;
  }
  return false;
}

static const shoal_column_stats *find_stats(const writer *w) {
  for (size_t i = 0; i < w->file->n_stats; i++) {
    const shoal_column_stats *s = &w->file->stats[i];
    bool same = s->n_path == w->depth;
    for (size_t k = 0; same && k < w->depth; k++)
      same = shoal_str_eq(s->path[k], w->path[k]);
    if (same)
      return s;
  }
  return NULL;
}

static bool write_leaf(writer *w, shoal_type_kind kind) {
  const shoal_column_stats *s = find_stats(w);
  if (!s)
    return false;
  if (w->part == NULLS) {
    if (s->null_count < 0)
      return false;
    shoal_buf_addf(w->out, "%lld", (long long)s->null_count);
    return true;
  }
  shoal_str bound = w->part == MIN ? s->min : s->max;
  return bound.ptr && !s->has_nan && write_bound(w->out, kind, bound, w->part == MAX, w->chars);
}

static bool write_struct(writer *w, const shoal_field *fields, size_t n);

/* key and value; takes back the key when there is no value. */
static bool write_field(writer *w, const shoal_field *field, bool first) {
  size_t start = w->out->len;
  bool nested = field->type.kind == SHOAL_TYPE_STRUCT, wrote;
  shoal_buf_addz(w->out, first ? "" : ",");
  shoal_buf_json_str(w->out, shoal_field_stored_name(field));
  shoal_buf_addc(w->out, ':');
  w->path[w->depth++] = field->name;
  wrote = nested ? write_struct(w, field->type.fields, field->type.n_fields) : write_leaf(w, field->type.kind);
  w->depth--;
  if (!wrote && w->out->status == SHOAL_OK)
    w->out->len = start;
  return wrote;
}

static bool write_struct(writer *w, const shoal_field *fields, size_t n) {
  size_t written = 0;
  shoal_buf_addc(w->out, '{');
  for (size_t i = 0; i < n && w->depth <= SHOAL_MAX_TYPE_DEPTH; i++)
    written += write_field(w, &fields[i], written == 0);
  shoal_buf_addc(w->out, '}');
  return written > 0;
}

static void write_part(const shoal_output_file *f, const shoal_delta_measured *m, part which, const char *key,
                       shoal_buf *out) {
  writer w = {.out = out, .file = f, .part = which, .chars = m->chars};
  shoal_buf_addf(out, ",\"%s\":", key);
  write_struct(&w, m->columns.fields, m->columns.n_fields);
}

shoal_status shoal_delta_stats_json(const shoal_output_file *f, const shoal_delta_measured *m, shoal_buf *out,
                                    shoal_error *err) {
  shoal_buf_addf(out, "{\"numRecords\":%llu", (unsigned long long)f->rows);
  write_part(f, m, MIN, "minValues", out);
  write_part(f, m, MAX, "maxValues", out);
  write_part(f, m, NULLS, "nullCount", out);
  shoal_buf_addc(out, '}');
  return shoal_buf_check(out, err);
}

int64_t shoal_delta_file_rows(const shoal_delta_file *f) {
  yyjson_doc *doc = NULL;
  int64_t rows = -1;
  if (f->stats.ptr && shoal_json_parse_raw(f->stats, "stats", &doc, NULL) == SHOAL_OK)
    rows = shoal_json_i64(yyjson_doc_get_root(doc), "numRecords", -1);
  yyjson_doc_free(doc);
  return rows;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* stats_columns.h: the list as names, and a schema with the leaves that are chosen by it. */
#include "delta/stats_columns.h"

#include "base/limits.h"
#include "delta/property.h"

#define LEAVES 32 /* Spark's defaults */
#define CHARS 32

/* ---- the list ---- */

typedef struct column_name {
  shoal_str *parts; /* from the top down */
  size_t n;
} column_name;
typedef struct column_names {
  column_name *list;
  size_t n;
  bool given; /* also where it is empty */
} column_names;

static bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_blanks(shoal_str text, size_t *at) {
  while (*at < text.len && is_blank(text.ptr[*at]))
    ++*at;
}

/* From behind the first backquote to behind the last; doubled ones are one. */
static bool cut_quoted(shoal_str text, size_t *at, char *into, shoal_str *out) {
  size_t n = 0;
  while (*at < text.len) {
    char c = text.ptr[(*at)++];
    bool doubled = c == '`' && *at < text.len && text.ptr[*at] == '`';
    if (c == '`' && !doubled) {
      *out = (shoal_str){into, n};
      return n > 0;
    }
    *at += doubled;
    into[n++] = c;
  }
  return false;
}

static bool cut_part(shoal_str text, size_t *at, char *into, shoal_str *out) {
  size_t start = *at;
  if (start < text.len && text.ptr[start] == '`') {
    ++*at;
    return cut_quoted(text, at, into, out);
  }
  while (*at < text.len && is_plain(text.ptr[*at]))
    ++*at;
  *out = shoal_str_sub(text, start, *at);
  return out->len > 0;
}

/* One name, up to a comma or the end. */
static bool cut_name(shoal_str text, size_t *at, char *into, column_name *out) {
  skip_blanks(text, at);
  do {
    if (!cut_part(text, at, into + *at, &out->parts[out->n++]))
      return false;
  } while (*at < text.len && text.ptr[*at] == '.' && ++*at);
  skip_blanks(text, at);
  return *at == text.len || text.ptr[*at] == ',';
}

static shoal_status parse(shoal_str text, shoal_arena *arena, column_names *out, shoal_error *err) {
  size_t at = 0, n_parts = 1, used = 0;
  bool ok = true;
  *out = (column_names){.given = true};
  if (shoal_str_trim(text).len == 0)
    return SHOAL_OK;
  for (size_t i = 0; i < text.len; i++)
    n_parts += text.ptr[i] == ',' || text.ptr[i] == '.';
  shoal_str *parts = SHOAL_NEW_ARRAY(arena, shoal_str, n_parts);
  char *unquoted = SHOAL_NEW_ARRAY(arena, char, text.len + 1);
  out->list = SHOAL_NEW_ARRAY(arena, column_name, n_parts);
  if (!parts || !unquoted || !out->list)
    return shoal_fail_nomem(err);
  do {
    column_name *name = &out->list[out->n++];
    name->parts = parts + used;
    ok = cut_name(text, &at, unquoted, name);
    used += name->n;
  } while (ok && at++ < text.len);
  if (ok)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_STATS_COLUMNS " is a list of columns, not '%.*s'", SHOAL_FMT(text));
  shoal_hint(err, "names stand between commas, fields of structs behind dots, and names that are not of letters, "
                  "digits and underscores in backquotes: a, s.x, `my column`");
  return SHOAL_EINVAL;
}

shoal_status shoal_delta_stats_columns_parse(shoal_str text, shoal_error *err) {
  shoal_arena arena = {0};
  column_names names;
  shoal_status status = parse(text, &arena, &names, err);
  shoal_arena_dispose(&arena);
  return status;
}

/* What the table says; a list of others that can't be understood is none. */
static shoal_status names_of(const shoal_delta_metadata *m, shoal_arena *arena, column_names *out, shoal_error *err) {
  shoal_str text = m ? shoal_delta_config(m, SHOAL_DELTA_STATS_COLUMNS) : SHOAL_STR_NONE;
  *out = (column_names){0};
  if (!text.ptr)
    return SHOAL_OK;
  shoal_status status = parse(text, arena, out, NULL);
  if (status == SHOAL_EINVAL)
    *out = (column_names){0};
  return status == SHOAL_ENOMEM ? shoal_fail_nomem(err) : SHOAL_OK;
}

/* The name is that of the path, or of a struct that it leads through. */
static bool covers(const column_name *name, const shoal_str *path, size_t n) {
  bool same = name->n <= n;
  for (size_t i = 0; same && i < name->n; i++)
    same = shoal_str_ieq(name->parts[i], path[i]);
  return same;
}

/* ---- the columns ---- */

int64_t shoal_delta_measured_leaves(const shoal_delta_metadata *m) {
  int64_t n;
  if (!m || !shoal_str_i64(shoal_delta_config(m, SHOAL_DELTA_STATS_LEAVES), &n))
    return LEAVES;
  return n < 0 ? INT64_MAX : n;
}

static size_t measured_chars(const shoal_delta_metadata *m) {
  int64_t n;
  bool said = m && shoal_str_i64(shoal_delta_config(m, SHOAL_DELTA_STATS_CHARS), &n) && n >= 0;
  return !said ? CHARS : n < INT32_MAX ? (size_t)n : INT32_MAX;
}

shoal_status shoal_delta_file_columns(const shoal_schema *whole, const shoal_str *partition_by, size_t n,
                                      shoal_arena *arena, shoal_schema *out, shoal_error *err) {
  *out = (shoal_schema){.fields = SHOAL_NEW_ARRAY(arena, shoal_field, whole->n_fields)};
  if (!out->fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < whole->n_fields; i++) {
    bool partition = false;
    for (size_t k = 0; k < n; k++)
      partition = partition || shoal_str_ieq(whole->fields[i].name, partition_by[k]);
    if (!partition)
      out->fields[out->n_fields++] = whole->fields[i];
  }
  return SHOAL_OK;
}

typedef struct choosing {
  column_names names;
  int64_t left; /* where there are no names */
  shoal_str path[SHOAL_MAX_TYPE_DEPTH + 1];
  size_t depth;
  shoal_arena *arena;
} choosing;

static bool is_chosen(choosing *c) {
  if (!c->names.given)
    return c->left-- > 0;
  for (size_t i = 0; i < c->names.n; i++)
    if (covers(&c->names.list[i], c->path, c->depth))
      return true;
  return false;
}

/* Copies of those fields, in place, that have leaves that are chosen. */
static shoal_status choose(choosing *c, shoal_field **fields, size_t *n, shoal_error *err) {
  const shoal_field *all = *fields;
  shoal_field *kept = SHOAL_NEW_ARRAY(c->arena, shoal_field, *n);
  size_t n_kept = 0;
  if (!kept)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n && c->depth <= SHOAL_MAX_TYPE_DEPTH; i++) {
    shoal_field one = all[i];
    bool is_struct = one.type.kind == SHOAL_TYPE_STRUCT;
    c->path[c->depth++] = one.name;
    if (is_struct)
      SHOAL_TRY(choose(c, &one.type.fields, &one.type.n_fields, err));
    if (is_struct ? one.type.n_fields > 0 : is_chosen(c))
      kept[n_kept++] = one;
    c->depth--;
  }
  *fields = kept;
  *n = n_kept;
  return SHOAL_OK;
}

shoal_status shoal_delta_measured_columns(const shoal_schema *whole, const shoal_str *partition_by, size_t n,
                                          const shoal_delta_metadata *m, shoal_arena *arena, shoal_delta_measured *out,
                                          shoal_error *err) {
  choosing c = {.left = shoal_delta_measured_leaves(m), .arena = arena};
  *out = (shoal_delta_measured){.chars = measured_chars(m)};
  SHOAL_TRY(names_of(m, arena, &c.names, err));
  SHOAL_TRY(shoal_delta_file_columns(whole, partition_by, n, arena, &out->columns, err));
  return choose(&c, &out->columns.fields, &out->columns.n_fields, err);
}

shoal_status shoal_delta_is_measured(const shoal_delta_metadata *m, const shoal_str *path, size_t n, shoal_arena *arena,
                                     bool *out, shoal_error *err) {
  shoal_delta_measured measured;
  SHOAL_TRY(
      shoal_delta_measured_columns(&m->schema, m->partition_columns, m->n_partition_columns, m, arena, &measured, err));
  shoal_schema in = measured.columns;
  *out = true;
  for (size_t i = 0; i < n && *out; i++) {
    ptrdiff_t at = shoal_schema_find(&in, path[i]);
    *out = at >= 0;
    if (*out)
      in = (shoal_schema){in.fields[at].type.fields, in.fields[at].type.n_fields};
  }
  return SHOAL_OK;
}

/* ---- a table's own list ---- */

static shoal_status check_name(const shoal_delta_metadata *m, const column_name *name, shoal_error *err) {
  const shoal_field *field = NULL;
  shoal_schema in = m->schema;
  shoal_str last = name->parts[name->n - 1];
  for (size_t i = 0; i < name->n; i++) {
    ptrdiff_t at = shoal_schema_find(&in, name->parts[i]);
    if (at < 0 || (field && field->type.kind != SHOAL_TYPE_STRUCT))
      return shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_STATS_COLUMNS " names '%.*s', which the table does not have",
                        SHOAL_FMT(name->parts[i]));
    field = &in.fields[at];
    in = (shoal_schema){field->type.fields, field->type.n_fields};
  }
  for (size_t i = 0; i < m->n_partition_columns && name->n == 1; i++)
    if (shoal_str_ieq(m->partition_columns[i], last))
      return shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_STATS_COLUMNS " names '%.*s', of which a file has one value",
                        SHOAL_FMT(last));
  if (field->type.kind != SHOAL_TYPE_STRUCT && shoal_delta_bound_of(field->type.kind) == SHOAL_BOUND_NONE)
    return shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_STATS_COLUMNS " names '%.*s', whose type has no bounds",
                      SHOAL_FMT(last));
  return SHOAL_OK;
}

shoal_status shoal_delta_stats_columns_check(const shoal_delta_metadata *m, shoal_error *err) {
  shoal_arena arena = {0};
  column_names names;
  shoal_status status = names_of(m, &arena, &names, err);
  for (size_t i = 0; i < names.n && status == SHOAL_OK; i++) {
    status = check_name(m, &names.list[i], err);
    for (size_t k = 0; k < names.n && status == SHOAL_OK; k++)
      if (k != i && covers(&names.list[k], names.list[i].parts, names.list[i].n))
        status = shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_STATS_COLUMNS " names '%.*s' twice",
                            SHOAL_FMT(names.list[i].parts[names.list[i].n - 1]));
  }
  shoal_arena_dispose(&arena);
  return status;
}

static void add_part(shoal_buf *out, shoal_str part) {
  bool plain = part.len > 0 && !(part.ptr[0] >= '0' && part.ptr[0] <= '9');
  for (size_t i = 0; i < part.len; i++)
    plain = plain && is_plain(part.ptr[i]);
  shoal_buf_addz(out, plain ? "" : "`");
  for (size_t i = 0; i < part.len; i++) {
    shoal_buf_addc(out, part.ptr[i]);
    if (part.ptr[i] == '`')
      shoal_buf_addc(out, '`');
  }
  shoal_buf_addz(out, plain ? "" : "`");
}

static void add_name(shoal_buf *out, const column_name *name) {
  shoal_buf_addz(out, out->len ? "," : "");
  for (size_t i = 0; i < name->n; i++) {
    shoal_buf_addz(out, i ? "." : "");
    add_part(out, name->parts[i]);
  }
}

shoal_status shoal_delta_stats_columns_rename(shoal_delta_metadata *m, shoal_str from, shoal_str to, shoal_arena *arena,
                                              shoal_error *err) {
  column_names names;
  shoal_buf text = {0};
  bool changes = false;
  SHOAL_TRY(names_of(m, arena, &names, err));
  for (size_t i = 0; i < names.n; i++) {
    bool same = shoal_str_ieq(names.list[i].parts[0], from);
    changes = changes || same;
    if (same && to.ptr)
      names.list[i].parts[0] = to;
    if (!same || to.ptr)
      add_name(&text, &names.list[i]);
  }
  shoal_str value = SHOAL_STR(""); /* of no columns: Spark keeps it, too */
  shoal_status status = text.len ? shoal_buf_take(&text, arena, &value, err) : shoal_buf_check(&text, err);
  shoal_buf_dispose(&text);
  if (changes && status == SHOAL_OK)
    status = shoal_delta_config_set(m, SHOAL_STR(SHOAL_DELTA_STATS_COLUMNS), value, arena, err);
  return status;
}

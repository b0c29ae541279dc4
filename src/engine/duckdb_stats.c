/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what COPY … RETURN_STATS says of the files it wrote, as neutral statistics. Only bounds that are bounds come
 * through: those of NaN-holding columns, of infinite or BC dates and of binaries are left out. Every file is checked
 * to have the size that the engine believes it wrote, which catches a disk that ran full unnoticed.
 */
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "engine/duckdb_internal.h"

/* The columns of the result, by position. */
enum { FILE_NAME, FILE_COUNT, FILE_SIZE, FOOTER_SIZE, FILE_STATS, FILE_KEYS, N_COLUMNS };

typedef struct reading {
  shoal_duckdb *d;
  const shoal_job *job;
  shoal_arena *arena;
  shoal_outcome *out;
  SHOAL_VEC(shoal_output_file) files;
  shoal_error *err;
} reading;

/* One row's entries of a MAP column: parallel vectors of keys and values, first … first+n. */
typedef struct entries {
  duckdb_vector keys, values;
  size_t first, n;
} entries;

static entries map_entries(const shoal_duckdb_api *api, duckdb_vector map, size_t row) {
  entries e = {0};
  if (!shoal_duckdb_valid(api->vector_get_validity(map), row))
    return e;
  const duckdb_list_entry *list = (const duckdb_list_entry *)api->vector_get_data(map) + row;
  duckdb_vector child = api->list_vector_get_child(map);
  e.keys = api->struct_vector_get_child(child, 0);
  e.values = api->struct_vector_get_child(child, 1);
  e.first = (size_t)list->offset;
  e.n = (size_t)list->length;
  return e;
}

static shoal_str text_at(const shoal_duckdb_api *api, duckdb_vector v, size_t row) {
  if (!shoal_duckdb_valid(api->vector_get_validity(v), row))
    return SHOAL_STR_NONE;
  return shoal_duckdb_string((const duckdb_string_t *)api->vector_get_data(v) + row);
}

/* Cuts the next name off "st"."we""ird"; false when there is none or the text is not of that form. */
static bool next_name(shoal_str *path, shoal_arena *arena, shoal_str *name) {
  if (path->len < 2 || path->ptr[0] != '"')
    return false;
  char *out = shoal_arena_alloc(arena, path->len);
  size_t n = 0, i = 1;
  for (; out && i < path->len; i++) {
    if (path->ptr[i] == '"' && (i + 1 >= path->len || path->ptr[i + 1] != '"'))
      break;
    i += path->ptr[i] == '"';
    out[n++] = path->ptr[i];
  }
  if (!out || i >= path->len)
    return false;
  *name = (shoal_str){out, n};
  *path = shoal_str_sub(*path, i + 1, path->len);
  if (path->len && path->ptr[0] == '.')
    *path = shoal_str_sub(*path, 1, path->len);
  return true;
}

static const shoal_field *find_field(const shoal_field *fields, size_t n, shoal_str name) {
  for (size_t i = 0; i < n; i++) {
    if (shoal_str_eq(shoal_field_stored_name(&fields[i]), name))
      return &fields[i];
  }
  return NULL;
}

/* The leaf that a path names, through structs only, and its path by logical names: false for what lies in arrays and
   maps. */
static bool resolve(reading *r, shoal_str path, shoal_column_stats *stats) {
  const shoal_field *fields = r->out->schema.fields, *field = NULL;
  size_t n = r->out->schema.n_fields, depth = 0;
  shoal_str names[SHOAL_MAX_TYPE_DEPTH + 1];
  while (path.len && depth < sizeof names / sizeof *names && next_name(&path, r->arena, &names[depth])) {
    field = find_field(fields, n, names[depth]);
    if (!field || field->type.kind == SHOAL_TYPE_ARRAY || field->type.kind == SHOAL_TYPE_MAP)
      return false;
    names[depth++] = field->name;
    fields = field->type.fields;
    n = field->type.n_fields;
    if (field->type.kind == SHOAL_TYPE_VARIANT) /* which is there where its metadata is */
      path = shoal_str_is(path, "\"metadata\"") ? SHOAL_STR("") : path;
  }
  if (!field || path.len || field->type.kind == SHOAL_TYPE_STRUCT)
    return false;
  shoal_str *copy = SHOAL_NEW_ARRAY(r->arena, shoal_str, depth);
  if (!copy)
    return false;
  memcpy(copy, names, depth * sizeof *names);
  stats->path = copy;
  stats->n_path = depth;
  stats->kind = field->type.kind;
  return true;
}

static bool is_finite_text(shoal_str s) {
  return shoal_str_find(s, SHOAL_STR("inf")) < 0 && shoal_str_find(s, SHOAL_STR("nan")) < 0 &&
         shoal_str_find(s, SHOAL_STR("(BC)")) < 0;
}

/* The bound as it may be used, {NULL,0} if it may not. */
static shoal_str usable_bound(shoal_type_kind kind, shoal_str text) {
  switch (kind) {
  case SHOAL_TYPE_BOOLEAN:
    if (shoal_str_is(text, "0") || shoal_str_is(text, "1"))
      return text.ptr[0] == '1' ? SHOAL_STR("true") : SHOAL_STR("false");
    return text;
  case SHOAL_TYPE_FLOAT:
  case SHOAL_TYPE_DOUBLE:
  case SHOAL_TYPE_DATE:
  case SHOAL_TYPE_TIMESTAMP:
  case SHOAL_TYPE_TIMESTAMP_NTZ:
    return is_finite_text(text) ? text : SHOAL_STR_NONE;
  case SHOAL_TYPE_BYTE:
  case SHOAL_TYPE_SHORT:
  case SHOAL_TYPE_INTEGER:
  case SHOAL_TYPE_LONG:
  case SHOAL_TYPE_DECIMAL:
  case SHOAL_TYPE_STRING:
    return text;
  case SHOAL_TYPE_BINARY:
  case SHOAL_TYPE_STRUCT:
  case SHOAL_TYPE_ARRAY:
  case SHOAL_TYPE_MAP:
  case SHOAL_TYPE_VARIANT:
  case SHOAL_TYPE_VOID:
    break;
  }
  return SHOAL_STR_NONE;
}

static void read_facts(reading *r, entries facts, shoal_column_stats *stats) {
  const shoal_duckdb_api *api = r->d->api;
  bool floating = stats->kind == SHOAL_TYPE_FLOAT || stats->kind == SHOAL_TYPE_DOUBLE;
  stats->null_count = -1;
  stats->has_nan = floating;
  for (size_t i = facts.first; i < facts.first + facts.n; i++) {
    shoal_str key = text_at(api, facts.keys, i), value = text_at(api, facts.values, i);
    if (!value.ptr)
      continue;
    if (shoal_str_is(key, "min"))
      stats->min = usable_bound(stats->kind, value);
    else if (shoal_str_is(key, "max"))
      stats->max = usable_bound(stats->kind, value);
    else if (shoal_str_is(key, "has_nan"))
      stats->has_nan = !shoal_str_is(value, "false");
    else if (shoal_str_is(key, "null_count") && !shoal_str_i64(value, &stats->null_count))
      stats->null_count = -1;
  }
  if (stats->has_nan)
    stats->min = stats->max = SHOAL_STR_NONE;
  stats->min = shoal_arena_str(r->arena, stats->min);
  stats->max = shoal_arena_str(r->arena, stats->max);
}

static shoal_status read_stats(reading *r, duckdb_vector column, size_t row, shoal_output_file *file) {
  const shoal_duckdb_api *api = r->d->api;
  entries columns = map_entries(api, column, row);
  file->stats = SHOAL_NEW_ARRAY(r->arena, shoal_column_stats, columns.n + 1);
  if (!file->stats)
    return shoal_fail_nomem(r->err);
  for (size_t i = columns.first; i < columns.first + columns.n; i++) {
    shoal_column_stats *stats = &file->stats[file->n_stats];
    if (!resolve(r, text_at(api, columns.keys, i), stats))
      continue;
    read_facts(r, map_entries(api, columns.values, i), stats);
    file->n_stats++;
  }
  return SHOAL_OK;
}

/* As Delta serialises partition values; `text` is the engine's spelling, UTC. */
static shoal_str spell_partition(reading *r, shoal_type_kind kind, shoal_str text) {
  if (kind == SHOAL_TYPE_TIMESTAMP && text.len >= 22) { /* 2020-01-01 00:00:00[.ffffff]+00 → 2020-01-01T…Z */
    shoal_str date = shoal_str_sub(text, 0, 10), clock = shoal_str_sub(text, 11, text.len - 3);
    shoal_str fraction = shoal_str_sub(SHOAL_STR("00:00:00.000000"), clock.len, 15);
    return shoal_str_z(
        shoal_arena_printf(r->arena, "%.*sT%.*s%.*sZ", SHOAL_FMT(date), SHOAL_FMT(clock), SHOAL_FMT(fraction)));
  }
  if (kind == SHOAL_TYPE_FLOAT || kind == SHOAL_TYPE_DOUBLE) {
    if (shoal_str_is(text, "nan"))
      return SHOAL_STR("NaN");
    if (shoal_str_is(text, "inf") || shoal_str_is(text, "-inf"))
      return text.ptr[0] == '-' ? SHOAL_STR("-Infinity") : SHOAL_STR("Infinity");
  }
  return shoal_arena_str(r->arena, text);
}

static shoal_status read_keys(reading *r, duckdb_vector column, size_t row, shoal_output_file *file) {
  const shoal_duckdb_api *api = r->d->api;
  size_t n = r->job->n_partition_by;
  if (n == 0)
    return SHOAL_OK;
  entries keys = map_entries(api, column, row);
  shoal_str *values = SHOAL_NEW_ARRAY(r->arena, shoal_str, n);
  if (!values)
    return shoal_fail_nomem(r->err);
  for (size_t k = 0; k < n; k++) {
    const shoal_field *field = &r->out->schema.fields[shoal_schema_find(&r->out->schema, r->job->partition_by[k])];
    for (size_t i = keys.first; i < keys.first + keys.n; i++) {
      shoal_str value = text_at(api, keys.values, i);
      if (!shoal_str_ieq(text_at(api, keys.keys, i), shoal_field_stored_name(field)) || !value.ptr)
        continue;
      if (value.len == 0) {
        shoal_fail(r->err, SHOAL_EENGINE, "partition column \"%.*s\" has an empty string, which Delta reads as NULL",
                   SHOAL_FMT(field->name));
        shoal_hint(r->err, "nullif(\"%.*s\", '')", SHOAL_FMT(field->name));
        return SHOAL_EENGINE;
      }
      values[k] = spell_partition(r, field->type.kind, value);
      if (!values[k].ptr)
        return shoal_fail_nomem(r->err);
    }
  }
  file->partition_values = values;
  return SHOAL_OK;
}

/* A file of no rows is dropped; any other must have its size on the disk. */
static shoal_status check_file(reading *r, const char *path, shoal_output_file *file, bool *keep) {
  shoal_stat st;
  *keep = file->rows > 0;
  if (!*keep)
    return shoal_os_unlink(path, r->err);
  SHOAL_TRY(shoal_os_stat(path, &st, r->err));
  if (st.size != file->bytes)
    return shoal_fail(r->err, SHOAL_ESPACE, "%s has %llu bytes, the engine wrote %llu: is the disk full?", path,
                      (unsigned long long)st.size, (unsigned long long)file->bytes);
  return SHOAL_OK;
}

static shoal_status read_file(reading *r, duckdb_data_chunk chunk, size_t row) {
  const shoal_duckdb_api *api = r->d->api;
  duckdb_vector v[N_COLUMNS];
  bool keep;
  for (idx_t i = 0; i < N_COLUMNS; i++)
    v[i] = api->data_chunk_get_vector(chunk, i);
  char *path = shoal_arena_cstr(r->arena, text_at(api, v[FILE_NAME], row));
  if (!path)
    return shoal_fail_nomem(r->err);
  const char *slash = strrchr(path, '/');
  shoal_output_file file = {
      .name = shoal_str_z(slash ? slash + 1 : path),
      .bytes = ((const uint64_t *)api->vector_get_data(v[FILE_SIZE]))[row],
      .rows = ((const uint64_t *)api->vector_get_data(v[FILE_COUNT]))[row],
  };
  SHOAL_TRY(check_file(r, path, &file, &keep));
  if (!keep)
    return SHOAL_OK;
  SHOAL_TRY(read_stats(r, v[FILE_STATS], row, &file));
  SHOAL_TRY(read_keys(r, v[FILE_KEYS], row, &file));
  shoal_output_file *slot = shoal_vec_add(&r->files);
  if (!slot)
    return shoal_fail_nomem(r->err);
  *slot = file;
  r->out->rows += file.rows;
  r->out->bytes += file.bytes;
  return SHOAL_OK;
}

static shoal_status read_chunk(reading *r, duckdb_data_chunk chunk) {
  if (r->d->api->data_chunk_get_column_count(chunk) < N_COLUMNS)
    return shoal_fail(r->err, SHOAL_EENGINE, "the engine did not say which files it wrote");
  for (size_t row = 0; row < r->d->api->data_chunk_get_size(chunk); row++)
    SHOAL_TRY(read_file(r, chunk, row));
  return SHOAL_OK;
}

shoal_status shoal_duckdb_read_files(shoal_duckdb *d, duckdb_result *result, const shoal_job *job, shoal_arena *arena,
                                     shoal_outcome *out, shoal_error *err) {
  reading r = {.d = d, .job = job, .arena = arena, .out = out, .err = err};
  shoal_status status = SHOAL_OK;
  duckdb_data_chunk chunk;
  while (status == SHOAL_OK && (chunk = d->api->fetch_chunk(*result))) {
    status = read_chunk(&r, chunk);
    d->api->destroy_data_chunk(&chunk);
  }
  if (status == SHOAL_OK && r.files.len) {
    out->files = SHOAL_NEW_ARRAY(arena, shoal_output_file, r.files.len);
    out->n_files = r.files.len;
    if (!out->files)
      status = shoal_fail_nomem(err);
    else
      memcpy(out->files, r.files.ptr, r.files.len * sizeof *r.files.ptr);
  }
  shoal_vec_dispose(&r.files);
  return status;
}

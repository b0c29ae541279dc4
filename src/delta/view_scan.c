/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view as an engine sees it. Nothing is listed until the engine has said what it looks for: of a million files, those
 * that remain are decoded, and only their deletion vectors are read.
 */
#include "base/mem.h"
#include "base/time.h"
#include "delta/view.h"

/* By itself in the arena: a scan outlives the call. */
typedef struct source {
  const shoal_delta_table *table;
  const shoal_delta_view *v;
} source;

typedef struct vectors {
  shoal_delta_vector **of;
  size_t n_whole;
} vectors;

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const vectors *v = arg;
  shoal_delta_vector_keep(v->of[file - v->n_whole], rows, n, alive);
}

/* What is being listed. */
typedef struct listing {
  const source *s;
  shoal_arena *arena;
  shoal_scan_file *files;
  size_t n;
  shoal_delta_vector **vectors;
  size_t n_vectors;
  shoal_buf path;
  shoal_error *err;
} listing;

/* Values are decoded once for all files of a partition. */
typedef struct part_values {
  const shoal_str **of;
} part_values;

static shoal_status values_of(listing *l, const shoal_files *f, part_values *known, size_t i, const shoal_str **out) {
  uint32_t part = shoal_counts_get(&f->part, i);
  if (!known->of[part]) {
    shoal_str *values = SHOAL_NEW_ARRAY(l->arena, shoal_str, f->n_partition_columns + 1);
    if (!values)
      return shoal_fail_nomem(l->err);
    if (!shoal_files_values(f, part, values))
      return shoal_fail(l->err, SHOAL_ECORRUPT, "cached partition values are broken");
    known->of[part] = values;
  }
  *out = known->of[part];
  return SHOAL_OK;
}

static shoal_status list_file(listing *l, const shoal_files *f, part_values *known, size_t i) {
  shoal_delta_place place;
  shoal_buf_clear(&l->path);
  SHOAL_TRY(shoal_files_path(f, i, &l->path, l->err));
  SHOAL_TRY(shoal_delta_path_resolve(l->s->table, shoal_buf_str(&l->path), l->arena, &place, l->err));
  if (!place.local)
    return shoal_fail(l->err, SHOAL_EUNSUPPORTED, "the store has no local file for '%s'", shoal_buf_z(&l->path));
  shoal_scan_file *out = &l->files[l->n++];
  out->path = shoal_str_z(place.local);
  SHOAL_TRY(values_of(l, f, known, i, &out->partition_values));
  uint32_t vector = shoal_counts_get(&f->vector, i);
  if (!vector)
    return SHOAL_OK;
  return shoal_delta_scan_vector(l->s->table, shoal_texts_get(&f->vectors, vector - 1), l->arena,
                                 &l->vectors[l->n_vectors++], l->err);
}

/* Files without a vector, or those with one. */
static shoal_status list_some(listing *l, const shoal_files *f, const bool *wanted, bool with_vector) {
  part_values known = {SHOAL_NEW_ARRAY(l->arena, const shoal_str *, shoal_texts_len(&f->parts))};
  if (!known.of)
    return shoal_fail_nomem(l->err);
  for (size_t i = 0; i < f->n; i++)
    if (wanted[i] && (shoal_counts_get(&f->vector, i) != 0) == with_vector)
      SHOAL_TRY(list_file(l, f, &known, i));
  return SHOAL_OK;
}

static shoal_status list_all(listing *l, const bool *base, const bool *tail, shoal_scan *out) {
  const shoal_delta_view *v = l->s->v;
  size_t wanted = 0, with_vector = 0;
  uint64_t rows = 0;
  bool known = true;
  for (size_t i = 0; i < v->base.n + v->tail.n; i++) {
    bool old = i < v->base.n, want = old ? base[i] : tail[i - v->base.n];
    const shoal_files *f = old ? &v->base : &v->tail;
    size_t at = old ? i : i - v->base.n;
    uint32_t count = shoal_counts_get(&f->rows, at);
    wanted += want;
    with_vector += want && shoal_counts_get(&f->vector, at) != 0;
    rows += want && count != SHOAL_FILES_UNKNOWN ? count : 0;
    known = known && (!want || count != SHOAL_FILES_UNKNOWN);
  }
  vectors *kept = SHOAL_NEW(l->arena, vectors);
  l->files = SHOAL_NEW_ARRAY(l->arena, shoal_scan_file, wanted);
  l->vectors = SHOAL_NEW_ARRAY(l->arena, shoal_delta_vector *, with_vector);
  if (!kept || !l->files || !l->vectors)
    return shoal_fail_nomem(l->err);
  for (int with = 0; with < 2; with++) {
    SHOAL_TRY(list_some(l, &v->base, base, with));
    SHOAL_TRY(list_some(l, &v->tail, tail, with));
    if (!with)
      out->n_whole = l->n;
  }
  out->rows = known ? rows : 0;
  *kept = (vectors){l->vectors, out->n_whole};
  out->files = l->files;
  out->n_files = l->n;
  out->keep = with_vector ? keep : NULL;
  out->keep_arg = kept;
  return SHOAL_OK;
}

/* Which files of a view's two sets are wanted. */
static shoal_status match(const shoal_delta_view *v, const shoal_predicate *any, size_t n, bool **base, bool **tail,
                          shoal_error *err) {
  *base = shoal_malloc(v->base.n + 1);
  *tail = shoal_malloc(v->tail.n + 1);
  if (!*base || !*tail)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_files_match(&v->base, any, n, *base, err));
  SHOAL_TRY(shoal_files_match(&v->tail, any, n, *tail, err));
  for (size_t i = 0; v->dead && i < v->base.n; i++)
    (*base)[i] = (*base)[i] && !v->dead[i];
  return SHOAL_OK;
}

static shoal_status add_paths(const shoal_files *f, const bool *wanted, shoal_arena *arena, shoal_str *out, size_t *n,
                              shoal_error *err) {
  shoal_buf path = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < f->n && status == SHOAL_OK; i++) {
    if (!wanted[i])
      continue;
    shoal_buf_clear(&path);
    status = shoal_files_path(f, i, &path, err);
    out[*n] = shoal_arena_str(arena, shoal_buf_str(&path));
    if (status == SHOAL_OK && !out[(*n)++].ptr)
      status = shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&path);
  return status;
}

shoal_status shoal_delta_view_match(const shoal_delta_view *v, const shoal_predicate *any, size_t n, shoal_arena *arena,
                                    shoal_str **out, size_t *n_out, shoal_error *err) {
  bool *base, *tail;
  size_t wanted = 0;
  *n_out = 0;
  shoal_status status = match(v, any, n, &base, &tail, err);
  for (size_t i = 0; status == SHOAL_OK && i < v->base.n + v->tail.n; i++)
    wanted += i < v->base.n ? base[i] : tail[i - v->base.n];
  *out = status == SHOAL_OK ? SHOAL_NEW_ARRAY(arena, shoal_str, wanted) : NULL;
  if (status == SHOAL_OK && !*out)
    status = shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = add_paths(&v->base, base, arena, *out, n_out, err);
  if (status == SHOAL_OK)
    status = add_paths(&v->tail, tail, arena, *out, n_out, err);
  shoal_free(base);
  shoal_free(tail);
  return status;
}

static shoal_status select_files(void *arg, const shoal_predicate *any, size_t n, shoal_arena *arena, shoal_scan *out,
                                 shoal_error *err) {
  const source *s = arg;
  listing l = {.s = s, .arena = arena, .err = err};
  bool *base, *tail;
  shoal_status status = match(s->v, any, n, &base, &tail, err);
  if (status == SHOAL_OK)
    status = list_all(&l, base, tail, out);
  if (status == SHOAL_OK) {
    out->select = NULL;
    out->select_arg = NULL;
  }
  shoal_buf_dispose(&l.path);
  shoal_free(base);
  shoal_free(tail);
  return status;
}

/* ---- answers from statistics ---- */

/* Bounds of these types are values, whoever has written them, even by way of floats: whole numbers up to 2^53, decimals
   of 15 digits (files_stats.c takes bounds of more of them than their type has for loose). */
static bool is_exact(const shoal_leaf *l, int64_t bound) {
  const int64_t most = INT64_C(1) << 53, digits = INT64_C(999999999999999);
  shoal_bound kind = shoal_delta_bound_of(l->field->type.kind);
  return kind == SHOAL_BOUND_WHOLE     ? bound >= -most && bound <= most
         : kind == SHOAL_BOUND_DECIMAL ? bound >= -digits && bound <= digits
         : kind == SHOAL_BOUND_DATE    ? bound != INT64_MIN && bound != INT64_MAX
                                       : false;
}

typedef struct extremes {
  bool any;
  int64_t min, max;
} extremes;

static const shoal_leaf *leaf_of(const shoal_files *f, size_t column) {
  size_t node = 0;
  while (column-- > 0)
    node = f->leaves[node].end;
  return &f->leaves[node];
}

/* False where a file does not say, or not exactly. */
static bool widen(const shoal_files *f, const bool *dead, size_t column, extremes *e) {
  const shoal_leaf *l = f->n ? leaf_of(f, column) : NULL;
  for (size_t i = 0; i < f->n; i++) {
    uint32_t rows = shoal_counts_get(&f->rows, i);
    if ((dead && dead[i]) || rows == 0)
      continue;
    if (rows == SHOAL_FILES_UNKNOWN || shoal_counts_get(&f->loose, i) || shoal_counts_get(&f->vector, i))
      return false;
    if (shoal_counts_get(&l->nulls, i) == rows)
      continue;
    if (!l->seen || l->kind != SHOAL_LEAF_NUMBER || !shoal_leaf_has_max(l))
      return false;
    int64_t min = ((const int64_t *)l->min.ptr)[i], max = ((const int64_t *)l->max.ptr)[i];
    if (!is_exact(l, min) || !is_exact(l, max) || min > max)
      return false;
    e->min = e->any && e->min < min ? e->min : min;
    e->max = e->any && e->max > max ? e->max : max;
    e->any = true;
  }
  return true;
}

/* How many values are not NULL. */
static bool count_values(const shoal_files *f, const bool *dead, size_t column, uint64_t *count) {
  const shoal_leaf *l = f->n ? leaf_of(f, column) : NULL;
  for (size_t i = 0; i < f->n; i++) {
    uint32_t rows = shoal_counts_get(&f->rows, i);
    if ((dead && dead[i]) || rows == 0)
      continue;
    uint32_t nulls = l->is_struct ? SHOAL_FILES_UNKNOWN : shoal_counts_get(&l->nulls, i);
    if (rows == SHOAL_FILES_UNKNOWN || nulls == SHOAL_FILES_UNKNOWN || nulls > rows || shoal_counts_get(&f->loose, i) ||
        shoal_counts_get(&f->vector, i))
      return false;
    *count += rows - nulls;
  }
  return true;
}

/* Rows of a file, less those that its deletion vector takes. */
static shoal_status count_file(const shoal_files *f, size_t i, shoal_arena *arena, uint64_t *rows, shoal_error *err) {
  uint32_t n = shoal_counts_get(&f->rows, i), vector = shoal_counts_get(&f->vector, i);
  shoal_delta_vector_descriptor d = {0};
  if (vector)
    SHOAL_TRY(shoal_delta_vector_describe(shoal_texts_get(&f->vectors, vector - 1), arena, &d, err));
  if (n == SHOAL_FILES_UNKNOWN || d.cardinality > n)
    return SHOAL_DONE;
  *rows = n - d.cardinality;
  return SHOAL_OK;
}

static shoal_status count(const shoal_files *f, const bool *dead, shoal_arena *arena, uint64_t *rows,
                          shoal_error *err) {
  for (size_t i = 0; i < f->n; i++) {
    uint64_t alive;
    if (dead && dead[i])
      continue;
    shoal_status status = count_file(f, i, arena, &alive, err);
    if (status != SHOAL_OK)
      return status;
    *rows += alive;
  }
  return SHOAL_OK;
}

/* ---- of partition columns ---- */

/* Values that compare as their texts or numbers do; others (times, whose zone is the writer's, floats) are read. */
static bool compare_values(const shoal_type *type, shoal_str a, shoal_str b, int *out) {
  int64_t us;
  switch (shoal_delta_bound_of(type->kind)) {
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_DECIMAL:
    return shoal_delta_compare_numbers(a, b, out);
  case SHOAL_BOUND_DATE:
    *out = shoal_str_cmp(a, b);
    return a.len == 10 && b.len == 10 && shoal_time_parse(a, &us) && shoal_time_parse(b, &us);
  case SHOAL_BOUND_TEXT:
    *out = shoal_str_cmp(a, b);
    return true;
  case SHOAL_BOUND_FLOAT:
  case SHOAL_BOUND_TIME:
  case SHOAL_BOUND_NONE:
    break;
  }
  return false;
}

/* SHOAL_DONE where a value is none, or the type has no order here. */
static shoal_status take_value(const shoal_type *type, shoal_str value, uint64_t rows, shoal_answer *a) {
  int low = -1, high = 1;
  if (value.len == 0 || rows == 0) /* an empty text is NULL */
    return SHOAL_OK;
  a->count += rows;
  if (!a->bounds)
    return SHOAL_OK;
  if (!compare_values(type, value, a->min.ptr ? a->min : value, &low) ||
      !compare_values(type, value, a->max.ptr ? a->max : value, &high))
    return SHOAL_DONE;
  a->min = !a->min.ptr || low < 0 ? value : a->min;
  a->max = !a->max.ptr || high > 0 ? value : a->max;
  return SHOAL_OK;
}

static shoal_status answer_partition(const shoal_files *f, const bool *dead, size_t k, shoal_arena *arena,
                                     shoal_answer *a, shoal_error *err) {
  shoal_str *values = SHOAL_NEW_ARRAY(arena, shoal_str, f->n_partition_columns);
  uint64_t *rows = SHOAL_NEW_ARRAY(arena, uint64_t, shoal_texts_len(&f->parts) + 1);
  shoal_status status = values && rows ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < f->n && status == SHOAL_OK; i++) {
    uint64_t alive = 0;
    if (!dead || !dead[i])
      status = count_file(f, i, arena, &alive, err);
    rows[shoal_counts_get(&f->part, i)] += alive;
  }
  for (size_t i = 0; i < shoal_texts_len(&f->parts) && status == SHOAL_OK; i++)
    status = shoal_files_values(f, (uint32_t)i, values)
                 ? take_value(&f->schema->fields[a->column].type, values[k], rows[i], a)
                 : SHOAL_DONE;
  return status;
}

/* ---- all together ---- */

static shoal_str value_text(const shoal_leaf *l, int64_t value, shoal_arena *arena) {
  char text[SHOAL_TIME_TEXT];
  const shoal_type *type = &l->field->type;
  int64_t unit = 1;
  if (type->kind == SHOAL_TYPE_DATE) {
    shoal_time_text(value, text);
    return shoal_arena_str(arena, shoal_str_n(text, 10));
  }
  for (unsigned i = 0; type->kind == SHOAL_TYPE_DECIMAL && i < type->scale; i++)
    unit *= 10;
  if (unit == 1)
    return shoal_str_z(shoal_arena_printf(arena, "%lld", (long long)value));
  int64_t whole = value / unit, rest = value % unit;
  return shoal_str_z(shoal_arena_printf(arena, "%s%lld.%0*lld", value < 0 ? "-" : "",
                                        (long long)(whole < 0 ? -whole : whole), type->scale,
                                        (long long)(rest < 0 ? -rest : rest)));
}

static shoal_status answer_column(const shoal_delta_view *v, shoal_answer *a, shoal_arena *arena, shoal_error *err) {
  extremes e = {0};
  for (size_t k = 0; k < v->base.n_partition_columns; k++) {
    if (v->base.partition_columns[k] != a->column)
      continue;
    shoal_status status = answer_partition(&v->base, v->dead, k, arena, a, err);
    return status == SHOAL_OK ? answer_partition(&v->tail, NULL, k, arena, a, err) : status;
  }
  if (a->counts &&
      (!count_values(&v->base, v->dead, a->column, &a->count) || !count_values(&v->tail, NULL, a->column, &a->count)))
    return SHOAL_DONE;
  if (!a->bounds)
    return SHOAL_OK;
  if (!widen(&v->base, v->dead, a->column, &e) || !widen(&v->tail, NULL, a->column, &e))
    return SHOAL_DONE;
  const shoal_leaf *l = leaf_of(&v->base, a->column);
  a->min = e.any ? value_text(l, e.min, arena) : SHOAL_STR_NONE;
  a->max = e.any ? value_text(l, e.max, arena) : SHOAL_STR_NONE;
  return e.any && (!a->min.ptr || !a->max.ptr) ? shoal_fail_nomem(err) : SHOAL_OK;
}

static shoal_status answer(void *arg, shoal_answer *of, size_t n, shoal_arena *arena, uint64_t *rows,
                           shoal_error *err) {
  const shoal_delta_view *v = ((const source *)arg)->v;
  *rows = 0;
  shoal_status status = count(&v->base, v->dead, arena, rows, err);
  if (status == SHOAL_OK)
    status = count(&v->tail, NULL, arena, rows, err);
  for (size_t i = 0; status == SHOAL_OK && i < n; i++)
    status = answer_column(v, &of[i], arena, err);
  return status;
}

shoal_status shoal_delta_view_scan(const shoal_delta_table *table, const shoal_delta_view *v, shoal_arena *arena,
                                   shoal_scan *out, shoal_error *err) {
  const shoal_delta_metadata *m = &v->metadata;
  *out = (shoal_scan){0};
  SHOAL_TRY(shoal_delta_check_types(m, err));
  source *s = SHOAL_NEW(arena, source);
  shoal_delta_table *own = SHOAL_NEW(arena, shoal_delta_table);
  if (!s || !own)
    return shoal_fail_nomem(err);
  *own = *table;
  *s = (source){own, v};
  *out = (shoal_scan){.format = SHOAL_SCAN_TABLE,
                      .schema = &m->schema,
                      .partition_columns = v->base.partition_columns,
                      .n_partition_columns = m->n_partition_columns,
                      .by_field_id = shoal_str_is(shoal_delta_config(m, "delta.columnMapping.mode"), "id"),
                      .n_files = shoal_delta_view_n_files(v),
                      .select = select_files,
                      .select_arg = s,
                      .answer = answer};
  out->n_whole = out->n_files;
  return SHOAL_OK;
}

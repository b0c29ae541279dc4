/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.h: names into columns and back, marks of files, and a sample of rows. */
#include "delta/cluster.h"

#include "base/limits.h"
#include "base/vec.h"
#include "delta/stats_columns.h"

/* By this name Delta's own implementation and this one take over each other's files: the tags say all there is. */
#define PROVIDER "liquid"
#define TAG_CUBE "ZCUBE_ID"
#define TAG_BY "ZCUBE_ZORDER_BY"

/* Rows of a sample: so many tell ranks apart by a thousandth, and so many for each file its size by a tenth. */
#define SAMPLE_ROWS 100000
#define SAMPLE_ROWS_OF_FILE 100
#define MOST_SAMPLE_ROWS 1000000
#define MOST_KEY_BYTES 32 /* of a key that is a bound */

/* ---- columns ---- */

typedef struct column_path {
  const shoal_field *fields[SHOAL_MAX_TYPE_DEPTH + 1]; /* from the top down */
  size_t n;
} column_path;

static bool is_ordered(const shoal_type *type) {
  return type->kind != SHOAL_TYPE_STRUCT && type->kind != SHOAL_TYPE_ARRAY && type->kind != SHOAL_TYPE_MAP &&
         type->kind != SHOAL_TYPE_VARIANT && type->kind != SHOAL_TYPE_VOID;
}

/* A column may have dots in its own name. */
static bool find_path(const shoal_schema *schema, shoal_str name, column_path *out) {
  ptrdiff_t at = shoal_schema_find(schema, name);
  if (at >= 0) {
    out->fields[out->n++] = &schema->fields[at];
    return true;
  }
  for (size_t dot = 0; dot < name.len && out->n < SHOAL_MAX_TYPE_DEPTH; dot++) {
    at = name.ptr[dot] == '.' ? shoal_schema_find(schema, shoal_str_sub(name, 0, dot)) : -1;
    if (at < 0 || schema->fields[at].type.kind != SHOAL_TYPE_STRUCT)
      continue;
    const shoal_type *type = &schema->fields[at].type;
    out->fields[out->n++] = &schema->fields[at];
    if (find_path(&(shoal_schema){type->fields, type->n_fields}, shoal_str_sub(name, dot + 1, name.len), out))
      return true;
    out->n--;
  }
  return false;
}

static bool is_partition(const shoal_delta_metadata *m, const shoal_field *f) {
  for (size_t i = 0; i < m->n_partition_columns; i++)
    if (shoal_str_eq(m->partition_columns[i], f->name))
      return true;
  return false;
}

static shoal_status check_measured(const shoal_delta_metadata *m, const column_path *path, shoal_arena *arena,
                                   shoal_error *err) {
  shoal_str names[SHOAL_MAX_TYPE_DEPTH + 1];
  bool is;
  for (size_t i = 0; i < path->n; i++)
    names[i] = path->fields[i]->name;
  SHOAL_TRY(shoal_delta_is_measured(m, names, path->n, arena, &is, err));
  if (is)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "files have no statistics of '%.*s', by which they could be skipped",
                   SHOAL_FMT(names[path->n - 1]));
  shoal_hint(err,
             "statistics are of the first columns of a table, or of those that it names in " SHOAL_DELTA_STATS_COLUMNS
             ": choose among them, or name the column");
  return SHOAL_EINVAL;
}

static shoal_status check_column(const shoal_delta_metadata *m, const column_path *path, shoal_str name,
                                 shoal_arena *arena, shoal_error *err) {
  const shoal_field *leaf = path->fields[path->n - 1];
  if (is_partition(m, path->fields[0]))
    return shoal_fail(err, SHOAL_EINVAL, "the table is partitioned by '%.*s': its files have one value of it",
                      SHOAL_FMT(name));
  if (!is_ordered(&leaf->type))
    return shoal_fail(err, SHOAL_EINVAL, "the type of '%.*s' has no order to cluster by", SHOAL_FMT(name));
  return check_measured(m, path, arena, err);
}

/* Both spellings of a column. */
static shoal_status spell(const column_path *path, shoal_arena *arena, shoal_str *sql, shoal_str *names,
                          shoal_error *err) {
  shoal_buf text = {0}, json = {0};
  shoal_jw w = {.out = &json};
  shoal_jw_arr(&w);
  for (size_t i = 0; i < path->n; i++) {
    shoal_buf_addz(&text, i ? "." : "");
    shoal_buf_sql_ident(&text, path->fields[i]->name);
    shoal_jw_str(&w, shoal_field_stored_name(path->fields[i]));
  }
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_take(&text, arena, sql, err);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&json, arena, names, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&json);
  return status;
}

static void add_name(shoal_buf *out, const column_path *path) {
  for (size_t i = 0; i < path->n; i++)
    shoal_buf_addf(out, i ? ".%.*s" : "%.*s", SHOAL_FMT(path->fields[i]->name));
}

/* The paths as columns of a clustering. */
static shoal_status describe(const column_path *paths, size_t n, shoal_arena *arena, shoal_delta_clustering *out,
                             shoal_error *err) {
  shoal_str *sql = SHOAL_NEW_ARRAY(arena, shoal_str, n), *names = SHOAL_NEW_ARRAY(arena, shoal_str, n);
  shoal_buf json = {0}, name = {0};
  shoal_jw w = {.out = &json};
  shoal_status status = sql && names ? SHOAL_OK : shoal_fail_nomem(err);
  shoal_jw_arr(&w);
  for (size_t i = 0; status == SHOAL_OK && i < n; i++) {
    shoal_buf_clear(&name);
    add_name(&name, &paths[i]);
    shoal_jw_str(&w, shoal_buf_str(&name));
    status = shoal_buf_check(&name, err);
    if (status == SHOAL_OK)
      status = spell(&paths[i], arena, &sql[i], &names[i], err);
  }
  shoal_jw_end(&w);
  *out = (shoal_delta_clustering){.sql = sql, .paths = names, .n = n};
  if (status == SHOAL_OK)
    status = shoal_buf_take(&json, arena, &out->names, err);
  shoal_buf_dispose(&json);
  shoal_buf_dispose(&name);
  return status;
}

shoal_status shoal_delta_cluster_by(const shoal_delta_metadata *m, const shoal_str *names, size_t n, shoal_arena *arena,
                                    shoal_delta_clustering *out, shoal_error *err) {
  *out = (shoal_delta_clustering){0};
  if (n > SHOAL_CURVE_COLUMNS)
    return shoal_fail(err, SHOAL_ELIMIT, "rows are clustered by at most %d columns", SHOAL_CURVE_COLUMNS);
  column_path *paths = SHOAL_NEW_ARRAY(arena, column_path, n);
  if (!paths)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++) {
    if (!find_path(&m->schema, names[i], &paths[i]))
      return shoal_fail(err, SHOAL_EINVAL, "there is no column '%.*s' to cluster by", SHOAL_FMT(names[i]));
    SHOAL_TRY(check_column(m, &paths[i], names[i], arena, err));
    for (size_t k = 0; k < i; k++)
      if (paths[k].fields[paths[k].n - 1] == paths[i].fields[paths[i].n - 1])
        return shoal_fail(err, SHOAL_EINVAL, "'%.*s' is named twice", SHOAL_FMT(names[i]));
  }
  return describe(paths, n, arena, out, err);
}

/* ---- the domain ---- */

static const shoal_field *find_physical(const shoal_field *fields, size_t n, yyjson_val *name) {
  for (size_t i = 0; i < n; i++)
    if (yyjson_is_str(name) &&
        shoal_str_eq(fields[i].physical, shoal_str_n(yyjson_get_str(name), yyjson_get_len(name))))
      return &fields[i];
  return NULL;
}

/* ["a", "b"] from the top down, as Delta's own writer has it, or "a", as the protocol's example has it. */
static bool read_path(const shoal_schema *schema, yyjson_val *v, column_path *out) {
  const shoal_field *fields = schema->fields;
  size_t n_fields = schema->n_fields, n = yyjson_is_arr(v) ? yyjson_arr_size(v) : 1;
  for (size_t i = 0; i < n && i <= SHOAL_MAX_TYPE_DEPTH; i++) {
    const shoal_field *f = find_physical(fields, n_fields, yyjson_is_arr(v) ? yyjson_arr_get(v, i) : v);
    if (!f)
      return false;
    out->fields[out->n++] = f;
    fields = f->type.kind == SHOAL_TYPE_STRUCT ? f->type.fields : NULL;
    n_fields = fields ? f->type.n_fields : 0;
  }
  return out->n > 0 && out->n == n && is_ordered(&out->fields[n - 1]->type);
}

static shoal_status read_domain(const shoal_delta_snapshot *s, yyjson_val *columns, shoal_arena *arena,
                                shoal_delta_clustering *out, shoal_error *err) {
  size_t n = yyjson_arr_size(columns), i, max;
  column_path *paths = SHOAL_NEW_ARRAY(arena, column_path, n);
  yyjson_val *v;
  if (!paths)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(columns, i, max, v) if (!read_path(&s->metadata.schema, v, &paths[i])) return shoal_fail(
      err, SHOAL_ECORRUPT, "the table says that it is clustered by a column that it does not have");
  return n ? describe(paths, n, arena, out, err) : SHOAL_OK;
}

shoal_status shoal_delta_cluster_of(const shoal_delta_snapshot *s, shoal_arena *arena, shoal_delta_clustering *out,
                                    shoal_error *err) {
  yyjson_doc *doc = NULL, *inner = NULL;
  shoal_status status = SHOAL_OK;
  *out = (shoal_delta_clustering){0};
  for (size_t i = 0; i < s->domains.len && !doc && status == SHOAL_OK; i++) {
    const shoal_replay_named *d = &s->domains.ptr[i];
    if (!d->removed && shoal_str_is(d->id, SHOAL_DELTA_CLUSTERING))
      status = shoal_json_parse(d->raw, "domainMetadata", &doc, err);
  }
  if (doc) {
    shoal_str text = shoal_json_str(yyjson_doc_get_root(doc), "configuration");
    status = shoal_json_parse(text, SHOAL_DELTA_CLUSTERING, &inner, err);
  }
  if (inner)
    status = read_domain(s, yyjson_obj_get(yyjson_doc_get_root(inner), "clusteringColumns"), arena, out, err);
  yyjson_doc_free(inner);
  yyjson_doc_free(doc);
  return status;
}

shoal_status shoal_delta_cluster_check(const shoal_delta_snapshot *s, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_delta_clustering own;
  shoal_status status = shoal_delta_cluster_of(s, &arena, &own, err);
  for (size_t i = 0; i < own.n && status == SHOAL_OK; i++) {
    yyjson_doc *doc = NULL;
    column_path path = {0};
    status = shoal_json_parse(own.paths[i], SHOAL_DELTA_CLUSTERING, &doc, err);
    if (status == SHOAL_OK && read_path(&s->metadata.schema, yyjson_doc_get_root(doc), &path))
      status = check_measured(&s->metadata, &path, &arena, err);
    yyjson_doc_free(doc);
  }
  shoal_arena_dispose(&arena);
  return status;
}

shoal_status shoal_delta_cluster_domain(const shoal_delta_clustering *c, shoal_arena *arena, shoal_str *out,
                                        shoal_error *err) {
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  shoal_jw_obj(&w);
  shoal_jw_key(&w, "clusteringColumns");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < c->n; i++)
    shoal_jw_raw(&w, c->paths[i]);
  shoal_jw_end(&w);
  shoal_jw_kz(&w, "domainName", SHOAL_DELTA_CLUSTERING);
  shoal_jw_end(&w);
  shoal_status status = shoal_buf_take(&text, arena, out, err);
  shoal_buf_dispose(&text);
  return status;
}

/* ---- files ---- */

static shoal_str tag(const shoal_delta_file *f, const char *key) {
  for (size_t i = 0; i < f->n_tags; i++)
    if (shoal_str_is(f->tags[i].key, key))
      return f->tags[i].value;
  return SHOAL_STR_NONE;
}

shoal_str shoal_delta_cluster_cube(const shoal_delta_clustering *c, const shoal_delta_file *f) {
  bool same = shoal_str_is(f->clustering, PROVIDER) && shoal_str_eq(tag(f, TAG_BY), c->names);
  return same ? tag(f, TAG_CUBE) : SHOAL_STR_NONE;
}

bool shoal_delta_cluster_is_foreign(const shoal_delta_file *f) {
  return f->clustering.ptr && !shoal_str_is(f->clustering, PROVIDER);
}

shoal_status shoal_delta_cluster_mark(const shoal_delta_clustering *c, shoal_str cube, shoal_arena *arena,
                                      shoal_delta_file *f, shoal_error *err) {
  const shoal_delta_kv marks[] = {{SHOAL_STR(TAG_CUBE), cube}, {SHOAL_STR(TAG_BY), c->names}};
  const size_t n = sizeof marks / sizeof *marks;
  shoal_delta_kv *tags = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, n);
  if (!tags)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < n; i++)
    tags[i] = marks[i];
  f->tags = tags;
  f->n_tags = n;
  f->clustering = SHOAL_STR(PROVIDER);
  return SHOAL_OK;
}

/* ---- the sample ---- */

/* SELECT hex(key of "a")[1:64], … FROM sampled [WHERE it is one row of so many, whichever way the table is read] */
static void add_sample(const shoal_delta_clustering *c, uint64_t one_of, shoal_buf *sql) {
  for (size_t i = 0; i < c->n; i++) {
    shoal_buf_addz(sql, i ? ", hex(" : "SELECT hex(");
    shoal_curve_add_key(sql, c->sql[i]);
    shoal_buf_addf(sql, ")[1:%d]", 2 * MOST_KEY_BYTES);
  }
  shoal_buf_addz(sql, " FROM sampled");
  if (one_of > 1)
    shoal_buf_addf(sql, " WHERE hash(\"" SHOAL_POSITION_FILE "\", \"" SHOAL_POSITION_ROW "\") %% %llu = 0",
                   (unsigned long long)one_of);
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c - 'A' + 10; }

static shoal_status take_key(shoal_str hex, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  char bytes[MOST_KEY_BYTES];
  size_t n = hex.len / 2 < sizeof bytes ? hex.len / 2 : sizeof bytes;
  for (size_t i = 0; i < n; i++)
    bytes[i] = (char)(digit(hex.ptr[2 * i]) << 4 | digit(hex.ptr[2 * i + 1]));
  *out = shoal_arena_str(arena, shoal_str_n(bytes, n));
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

typedef SHOAL_VEC(shoal_str) sample;

static shoal_status read_sample(const shoal_delta_clustering *c, shoal_engine *engine, const shoal_scan *scan,
                                uint64_t one_of, shoal_arena *arena, sample *out, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("sampled"), scan};
  shoal_buf sql = {0};
  shoal_rows *rows = NULL;
  add_sample(c, one_of, &sql);
  shoal_status status = shoal_buf_check(&sql, err);
  const shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  if (status == SHOAL_OK)
    status = shoal_engine_query(engine, &job, &rows, err);
  while (status == SHOAL_OK && (status = shoal_rows_next(rows, err)) == SHOAL_OK)
    for (size_t i = 0; i < c->n && status == SHOAL_OK; i++) {
      shoal_str *key = shoal_vec_add(out);
      status = key ? take_key(shoal_rows_text(rows, i), arena, key, err) : shoal_fail_nomem(err);
    }
  shoal_rows_free(rows);
  shoal_buf_dispose(&sql);
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

shoal_status shoal_delta_cluster_learn(const shoal_delta_clustering *c, const shoal_delta_table *table,
                                       const shoal_delta_snapshot *s, shoal_engine *engine, uint64_t rows, size_t files,
                                       shoal_arena *arena, shoal_curve *out, shoal_error *err) {
  shoal_arena scratch = {0};
  shoal_scan scan;
  sample keys = {0};
  uint64_t wanted = files * (uint64_t)SAMPLE_ROWS_OF_FILE;
  wanted = wanted < SAMPLE_ROWS ? SAMPLE_ROWS : wanted > MOST_SAMPLE_ROWS ? MOST_SAMPLE_ROWS : wanted;
  uint64_t one_of = rows / wanted;
  shoal_status status = shoal_delta_scan(table, s, &scratch, &scan, err);
  scan.positions = one_of > 1;
  if (status == SHOAL_OK)
    status = read_sample(c, engine, &scan, one_of, &scratch, &keys, err);
  if (status == SHOAL_OK)
    status = shoal_curve_learn(keys.ptr, keys.len / c->n, (unsigned)c->n, files, arena, out, err);
  shoal_vec_dispose(&keys);
  shoal_arena_dispose(&scratch);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What change.h writes beside the log: rows that come, files without the rows that went, deletion vectors, change data.
 */
#include "base/str.h"
#include "delta/change.h"
#include "delta/changes.h"
#include "engine/variants.h"

/* Where rows are taken from: the table's files, the selection of changes itself, what was staged of it. */
typedef enum origin { OF_FILES, OF_SELECTION, OF_STAGED } origin;

/* "a", "b", … of the table's columns. */
static void add_columns(shoal_buf *sql, const shoal_schema *schema, origin from) {
  shoal_buf name = {0};
  for (size_t i = 0; i < schema->n_fields; i++) {
    const shoal_field *f = &schema->fields[i];
    shoal_buf_clear(&name);
    shoal_buf_sql_ident(&name, f->name);
    shoal_buf_addz(sql, i ? ", " : "");
    switch (from) {
    case OF_FILES:
      shoal_variants_add_exact(sql, f);
      break;
    case OF_SELECTION:
      shoal_buf_add(sql, shoal_buf_str(&name));
      break;
    case OF_STAGED:
      shoal_variants_add_staged(sql, f, shoal_buf_str(&name));
      break;
    }
    shoal_buf_addf(sql, " AS %s", shoal_buf_z(&name));
  }
  if (name.status < 0)
    sql->status = name.status;
  shoal_buf_dispose(&name);
}

static shoal_status write_query(const shoal_delta_writing *w, const shoal_buf *sql, const shoal_input *inputs, size_t n,
                                shoal_delta_written *out, shoal_error *err) {
  const shoal_job job = {.sql = shoal_buf_str(sql), .inputs = inputs, .n_inputs = n};
  SHOAL_TRY(shoal_buf_check(sql, err));
  return shoal_delta_write(w, &job, out, err);
}

/* ---- rows that come ---- */

void shoal_change_add_rows(shoal_buf *sql, const shoal_change *c, bool staged) {
  add_columns(sql, &c->metadata->schema, staged ? OF_STAGED : OF_SELECTION);
  if (c->tracking.on) { /* a row that changes is the same row, of another version */
    shoal_buf_addz(sql, ", \"" SHOAL_CHANGE_ID "\" AS ");
    shoal_buf_sql_ident(sql, c->tracking.id_column);
    shoal_buf_addz(sql, ", NULL::BIGINT AS ");
    shoal_buf_sql_ident(sql, c->tracking.version_column);
  }
}

shoal_status shoal_change_write_rows(shoal_change *c, const shoal_job *job, shoal_error *err) {
  shoal_delta_writing w = c->writing;
  if (c->tracking.on)
    SHOAL_TRY(shoal_delta_tracking_writing(&c->tracking, &w, err));
  return shoal_delta_write(&w, job, &c->inserted, err);
}

shoal_status shoal_change_insert(shoal_change *c, shoal_error *err) {
  const shoal_input input = {SHOAL_STR("changes"), &c->changes};
  shoal_buf sql = {0};
  if (c->changes.n_files == 0 || c->out->updated + c->out->inserted == 0)
    return SHOAL_OK;
  shoal_buf_addz(&sql, "SELECT ");
  shoal_change_add_rows(&sql, c, true);
  shoal_buf_addf(&sql, " FROM changes WHERE \"" SHOAL_CHANGE_ACTION "\" <> %d", SHOAL_CHANGE_DELETED);
  const shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_change_write_rows(c, &job, err);
  shoal_buf_dispose(&sql);
  return status;
}

shoal_status shoal_change_check_written(const shoal_change *c, shoal_error *err) {
  uint64_t expected = c->out->updated + c->out->inserted;
  if (c->inserted.rows == expected)
    return SHOAL_OK;
  return shoal_fail(err, SHOAL_EENGINE, "%llu rows were to be written and %llu were", (unsigned long long)expected,
                    (unsigned long long)c->inserted.rows);
}

/* ---- rows of touched files ---- */

/* Which rows of files a scan shows: those in a vector, or those that are not. */
typedef struct shown {
  const shoal_delta_vector **vectors;
  bool inside;
} shown;

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const shown *s = arg;
  shoal_delta_vector_keep(s->vectors[file], rows, n, alive);
  for (size_t i = 0; i < n && s->inside; i++)
    alive[i] = !alive[i];
}

/* What a scan over touched files shows of them; NULL: nothing, the file is not read. */
typedef const shoal_delta_vector *(*choose)(const shoal_touched *t);
static const shoal_delta_vector *choose_deleted(const shoal_touched *t) { return t->deleted; }
static const shoal_delta_vector *choose_updated(const shoal_touched *t) { return t->updated; }
static const shoal_delta_vector *choose_rewritten(const shoal_touched *t) { return t->rewritten ? t->gone : NULL; }

static shoal_status scan_touched(shoal_change *c, choose chosen, bool inside, shoal_scan *out, shoal_error *err) {
  const shoal_delta_file **files = SHOAL_NEW_ARRAY(&c->arena, const shoal_delta_file *, c->target.n_files);
  shown *s = SHOAL_NEW(&c->arena, shown);
  size_t n = 0;
  if (!files || !s)
    return shoal_fail_nomem(err);
  *s = (shown){SHOAL_NEW_ARRAY(&c->arena, const shoal_delta_vector *, c->target.n_files), inside};
  if (!s->vectors)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < c->target.n_files; i++) {
    const shoal_delta_vector *v = chosen(&c->touched[i]);
    if (!v)
      continue;
    s->vectors[n] = v;
    files[n++] = &c->view.files[c->files[i] - c->snapshot->files];
  }
  SHOAL_TRY(shoal_delta_scan_listed(c->table, &c->view, files, n, &c->arena, out, err));
  out->n_whole = 0;
  out->positions = c->tracking.on;
  out->exact = true;
  out->keep = n ? keep : NULL;
  out->keep_arg = s;
  return SHOAL_OK;
}

/* A file of unknown rows may turn out to have none left. */
shoal_status shoal_change_rewrite(shoal_change *c, shoal_error *err) {
  shoal_scan scan;
  shoal_buf sql = {0};
  SHOAL_TRY(scan_touched(c, choose_rewritten, false, &scan, err));
  if (scan.n_files == 0)
    return SHOAL_OK;
  const shoal_input input = {SHOAL_STR("rest"), &scan};
  shoal_delta_writing w = c->writing;
  w.rules = NULL; /* these rows have been there */
  if (c->tracking.on)
    SHOAL_TRY(shoal_delta_tracking_writing(&c->tracking, &w, err));
  shoal_buf_addz(&sql, "SELECT ");
  add_columns(&sql, &c->metadata->schema, OF_FILES);
  if (c->tracking.on)
    shoal_delta_tracking_add_columns(&c->tracking, &sql, "rest");
  shoal_buf_addz(&sql, " FROM rest");
  shoal_status status = write_query(&w, &sql, &input, 1, &c->copied, err);
  c->out->copied = c->copied.rows;
  shoal_buf_dispose(&sql);
  int64_t expected = 0;
  for (size_t i = 0; i < c->target.n_files && expected >= 0; i++)
    if (c->touched[i].rewritten)
      expected = c->touched[i].n_rows < 0
                     ? -1
                     : expected + c->touched[i].n_rows - (int64_t)shoal_delta_vector_count(c->touched[i].gone);
  if (status == SHOAL_OK && expected >= 0 && c->copied.rows != (uint64_t)expected)
    status = shoal_fail(err, SHOAL_ECORRUPT, "%llu rows stay, where the files' statistics say %lld",
                        (unsigned long long)c->copied.rows, (long long)expected);
  return status;
}

/* ---- deletion vectors ---- */

/* The bounds hold for rows that have gone, too (protocol, "Per-file Statistics"). */
static shoal_status loosen(shoal_str stats, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  yyjson_doc *doc;
  shoal_buf text = {0};
  shoal_jw w = {.out = &text};
  size_t i, n;
  yyjson_val *key, *value;
  SHOAL_TRY(shoal_json_parse_raw(stats, "stats", &doc, err));
  shoal_status status = SHOAL_OK;
  shoal_jw_obj(&w);
  yyjson_obj_foreach(yyjson_doc_get_root(doc), i, n, key, value) {
    if (shoal_str_is(shoal_str_z(yyjson_get_str(key)), "tightBounds") || status < 0)
      continue;
    shoal_jw_key(&w, yyjson_get_str(key));
    shoal_jw_raw(&w, SHOAL_STR(""));
    status = shoal_json_write(value, &text, err);
  }
  shoal_jw_kbool(&w, "tightBounds", false);
  shoal_jw_end(&w);
  if (status == SHOAL_OK)
    status = shoal_buf_take(&text, arena, out, err);
  shoal_buf_dispose(&text);
  yyjson_doc_free(doc);
  return status;
}

shoal_status shoal_change_put_vectors(shoal_change *c, shoal_error *err) {
  const shoal_delta_vector **vectors = SHOAL_NEW_ARRAY(&c->arena, const shoal_delta_vector *, c->target.n_files);
  shoal_delta_file *adds = SHOAL_NEW_ARRAY(&c->arena, shoal_delta_file, c->target.n_files);
  shoal_str *descriptors = SHOAL_NEW_ARRAY(&c->arena, shoal_str, c->target.n_files);
  size_t n = 0;
  if (!vectors || !adds || !descriptors)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < c->target.n_files; i++) {
    const shoal_touched *t = &c->touched[i];
    if (!t->gone || t->whole || t->rewritten)
      continue;
    adds[n] = *t->file;
    adds[n].data_change = true;
    SHOAL_TRY(loosen(t->file->stats, &c->arena, &adds[n].stats, err));
    vectors[n++] = t->gone;
  }
  SHOAL_TRY(shoal_delta_vectors_put(c->table, vectors, n, &c->arena, descriptors, err));
  for (size_t i = 0; i < n; i++) {
    adds[i].deletion_vector = descriptors[i];
    SHOAL_TRY(shoal_delta_transaction_add(c->transaction, &adds[i], err));
  }
  c->out->vectors = n;
  return SHOAL_OK;
}

/* ---- change data (D3) ---- */

static bool needs_feed(const shoal_change *c) {
  bool needs = c->out->updated > 0;
  for (size_t i = 0; i < c->target.n_files && !needs; i++)
    needs = c->touched[i].gone && !c->touched[i].whole;
  return needs;
}

static void add_source(shoal_buf *sql, const shoal_schema *schema, const char *type, const char *name, origin from) {
  shoal_buf_addz(sql, sql->len ? " UNION ALL SELECT " : "SELECT ");
  add_columns(sql, schema, from);
  shoal_buf_addf(sql, ", %s AS " SHOAL_CHANGES_TYPE " FROM %s", type, name);
}

/* What its files call the feed's columns. */
static shoal_status describe_feed(shoal_change *c, shoal_delta_writing *w, shoal_error *err) {
  const shoal_schema *table = w->stored;
  shoal_str name = SHOAL_STR(SHOAL_CHANGES_TYPE);
  if (!table)
    return SHOAL_OK;
  shoal_schema *stored = SHOAL_NEW(&c->arena, shoal_schema);
  shoal_field *fields = SHOAL_NEW_ARRAY(&c->arena, shoal_field, table->n_fields + 1);
  if (!stored || !fields)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < table->n_fields; i++)
    fields[i] = table->fields[i];
  fields[table->n_fields] =
      (shoal_field){.name = name, .physical = name, .type = {.kind = SHOAL_TYPE_STRING}, .nullable = true};
  *stored = (shoal_schema){fields, table->n_fields + 1};
  w->stored = stored;
  return SHOAL_OK;
}

shoal_status shoal_change_write_feed(shoal_change *c, bool values, shoal_error *err) {
  shoal_scan deleted, updated;
  shoal_buf sql = {0};
  shoal_delta_writing w = c->writing;
  if (!needs_feed(c))
    return SHOAL_OK;
  w.schema = NULL; /* the feed has a column more */
  SHOAL_TRY(describe_feed(c, &w, err));
  w.rules = NULL; /* its rows are in the table, or are checked there */
  w.folder = SHOAL_DELTA_CHANGES_FOLDER;
  SHOAL_TRY(scan_touched(c, choose_deleted, true, &deleted, err));
  SHOAL_TRY(scan_touched(c, choose_updated, true, &updated, err));
  const shoal_input inputs[] = {{SHOAL_STR("deleted_rows"), &deleted},
                                {SHOAL_STR("updated_rows"), &updated},
                                {SHOAL_STR("changes"), &c->changes}};
  add_source(&sql, &c->metadata->schema, "'delete'", "deleted_rows", OF_FILES);
  add_source(&sql, &c->metadata->schema, "'update_preimage'", "updated_rows", OF_FILES);
  if (values && c->changes.n_files) {
    add_source(&sql, &c->metadata->schema,
               "CASE \"" SHOAL_CHANGE_ACTION "\" WHEN 2 THEN 'update_postimage' ELSE 'insert' END", "changes",
               OF_STAGED);
    shoal_buf_addf(&sql, " WHERE \"" SHOAL_CHANGE_ACTION "\" <> %d", SHOAL_CHANGE_DELETED);
  }
  shoal_status status = write_query(&w, &sql, inputs, c->changes.n_files ? 3 : 2, &c->feeds, err);
  uint64_t expected = c->out->deleted + 2 * c->out->updated + c->out->inserted;
  if (status == SHOAL_OK && c->feeds.rows != expected)
    status = shoal_fail(err, SHOAL_EENGINE, "%llu changes were to be written and %llu were",
                        (unsigned long long)expected, (unsigned long long)c->feeds.rows);
  shoal_buf_dispose(&sql);
  return status;
}

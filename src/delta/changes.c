/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules F1 … F3 of changes.h. The commits of the range become two scans: one over change data files, which say what
 * happened row by row, and one over data files, each of which says it for all its rows. What a file can't hold (the
 * version, its time, for data files also the kind) is told to the engine as values of partition columns, so no row is
 * touched here.
 */
#include "delta/changes.h"

#include "base/os.h"
#include "base/time.h"
#include "delta/deletion_vector.h"
#include "delta/delta_internal.h"

/* One file of the feed: the rows of `shown` (NULL: all) that are not in `hidden` (NULL: none). */
typedef struct part {
  shoal_delta_file file;
  const shoal_delta_vector *shown, *hidden;
} part;

typedef SHOAL_VEC(part) parts;

typedef struct collecting {
  const shoal_delta_table *table;
  shoal_arena *arena;
  shoal_delta_changes *out;
  const shoal_delta_metadata *last; /* the range's last */
  shoal_log log;
  parts told, whole; /* change data files; data files */
  int64_t last_us;   /* time of the version before; INT64_MIN: none */
} collecting;

/* ---- what the versions say of themselves ---- */

static shoal_status not_recorded(int64_t version, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "at version %lld the table kept no change data feed", (long long)version);
  shoal_hint(err, "delta.enableChangeDataFeed must be true from the first version on that is asked for");
  return SHOAL_EUNSUPPORTED;
}

static bool widens(const shoal_type *from, const shoal_type *to);

/* F3: every column of `old` is there, by name and by its name in files, and can be read as it is now. */
static bool reads_as(const shoal_field *old, size_t n_old, const shoal_field *now, size_t n_now) {
  for (size_t i = 0; i < n_old; i++) {
    bool found = false;
    for (size_t k = 0; k < n_now && !found; k++)
      found = shoal_str_eq(old[i].name, now[k].name) && shoal_str_eq(old[i].physical, now[k].physical) &&
              (now[k].nullable || !old[i].nullable) && widens(&old[i].type, &now[k].type);
    if (!found)
      return false;
  }
  return true;
}

/* Only what a reader of Parquet casts without losing anything. */
static bool widens(const shoal_type *from, const shoal_type *to) {
  if (from->kind == to->kind && from->kind == SHOAL_TYPE_DECIMAL)
    return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale;
  if (from->kind == to->kind)
    return reads_as(from->fields, from->n_fields, to->fields, to->n_fields);
  return (to->kind == SHOAL_TYPE_LONG && from->kind >= SHOAL_TYPE_BYTE && from->kind <= SHOAL_TYPE_INTEGER) ||
         (to->kind == SHOAL_TYPE_INTEGER && (from->kind == SHOAL_TYPE_BYTE || from->kind == SHOAL_TYPE_SHORT)) ||
         (to->kind == SHOAL_TYPE_SHORT && from->kind == SHOAL_TYPE_BYTE) ||
         (to->kind == SHOAL_TYPE_DOUBLE && from->kind == SHOAL_TYPE_FLOAT);
}

static bool same_partitions(const shoal_delta_metadata *a, const shoal_delta_metadata *b) {
  bool same = a->n_partition_columns == b->n_partition_columns;
  for (size_t i = 0; same && i < a->n_partition_columns; i++)
    same = shoal_str_eq(a->partition_columns[i], b->partition_columns[i]);
  return same;
}

/* F2, F3 */
static shoal_status check_metadata(const collecting *c, const shoal_delta_metadata *m, int64_t version,
                                   shoal_error *err) {
  if (!shoal_delta_is_on(m, "delta.enableChangeDataFeed"))
    return not_recorded(version, err);
  if (same_partitions(m, c->last) &&
      reads_as(m->schema.fields, m->schema.n_fields, c->last->schema.fields, c->last->schema.n_fields))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "the columns of version %lld can't be read as those of version %lld",
                   (long long)version, (long long)c->out->to);
  shoal_hint(err, "ask for the changes before and after the change of columns one by one");
  return SHOAL_EUNSUPPORTED;
}

static shoal_status check_names(const shoal_schema *schema, shoal_error *err) {
  static const char *const ours[] = {SHOAL_CHANGES_TYPE, SHOAL_CHANGES_VERSION, SHOAL_CHANGES_TIME};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (shoal_schema_find(schema, shoal_str_z(ours[i])) >= 0)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has a column '%s', which its changes have, too", ours[i]);
  return SHOAL_OK;
}

/* ---- files ---- */

/* The file with values of partition columns that it has not in the log. */
static shoal_status add_part(collecting *c, parts *to, const shoal_delta_file *file, const shoal_delta_kv *more,
                             size_t n_more, part **out, shoal_error *err) {
  shoal_delta_kv *values = SHOAL_NEW_ARRAY(c->arena, shoal_delta_kv, file->n_partition_values + n_more);
  *out = shoal_vec_add(to);
  if (!values || !*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < file->n_partition_values; i++)
    values[i] = file->partition_values[i];
  for (size_t i = 0; i < n_more; i++)
    values[file->n_partition_values + i] = more[i];
  **out = (part){.file = *file};
  (*out)->file.partition_values = values;
  (*out)->file.n_partition_values += n_more;
  return SHOAL_OK;
}

static void free_vector(void *v) { shoal_delta_vector_free(v); }

static shoal_status read_vector(collecting *c, const shoal_delta_file *f, const shoal_delta_vector **out,
                                shoal_error *err) {
  shoal_delta_vector_descriptor d;
  shoal_delta_vector *v;
  *out = NULL;
  if (!f->deletion_vector.ptr)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_vector_describe(f->deletion_vector, c->arena, &d, err));
  SHOAL_TRY(shoal_delta_vector_read(c->table, &d, &v, err));
  *out = v;
  return shoal_arena_own(c->arena, free_vector, v) ? SHOAL_OK : shoal_fail_nomem(err);
}

/* A vacuum may have taken the file, which the engine would tell with less sense. */
static shoal_status check_there(collecting *c, const shoal_delta_file *f, int64_t version, shoal_error *err) {
  shoal_delta_place place;
  shoal_stat st;
  SHOAL_TRY(shoal_delta_path_resolve(c->table, f->path, c->arena, &place, err));
  if (place.local && shoal_os_stat(place.local, &st, NULL) == SHOAL_ENOTFOUND)
    return shoal_fail(err, SHOAL_ENOTFOUND, "'%.*s', which the changes of version %lld need, is gone",
                      SHOAL_FMT(f->path), (long long)version);
  return SHOAL_OK;
}

/* ---- one commit ---- */

/* Where a version is in the log, and when it was. */
static shoal_status find_commit(collecting *c, int64_t version, const shoal_log_file **out, shoal_error *err) {
  *out = NULL;
  for (size_t i = 0; i < c->log.n && !*out; i++)
    if (c->log.files[i].kind == SHOAL_LOG_COMMIT && c->log.files[i].version == version)
      *out = &c->log.files[i];
  return *out ? SHOAL_OK : shoal_delta_log_missing(c->table, &c->log, version, err);
}

/* In-commit timestamps where there are some, else the files' times, which never run backwards. */
static void note_time(collecting *c, const shoal_log_file *f, const shoal_actions *actions) {
  int64_t us = shoal_delta_commit_time(f, c->last_us);
  for (size_t i = 0; i < actions->len; i++)
    if (actions->ptr[i].kind == SHOAL_ACTION_INFO && actions->ptr[i].ict_ms >= 0)
      us = actions->ptr[i].ict_ms * 1000;
  c->last_us = us;
}

/* The values of the version's columns: kind, version, time. */
static shoal_status describe(collecting *c, int64_t version, shoal_delta_kv out[3], shoal_error *err) {
  char time[SHOAL_TIME_TEXT];
  shoal_time_text(c->last_us, time);
  out[0] = (shoal_delta_kv){SHOAL_STR(SHOAL_CHANGES_VERSION),
                            shoal_str_z(shoal_arena_printf(c->arena, "%lld", (long long)version))};
  out[1] = (shoal_delta_kv){SHOAL_STR(SHOAL_CHANGES_TIME), shoal_arena_str(c->arena, shoal_str_z(time))};
  out[2] = (shoal_delta_kv){SHOAL_STR(SHOAL_CHANGES_TYPE), SHOAL_STR_NONE};
  return out[0].value.ptr && out[1].value.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status add_told(collecting *c, const shoal_actions *actions, int64_t version, bool *any,
                             shoal_error *err) {
  shoal_delta_kv values[3];
  part *p;
  *any = false;
  SHOAL_TRY(describe(c, version, values, err));
  for (size_t i = 0; i < actions->len; i++) {
    if (actions->ptr[i].kind != SHOAL_ACTION_CDC)
      continue;
    *any = true;
    SHOAL_TRY(check_there(c, &actions->ptr[i].file, version, err));
    SHOAL_TRY(add_part(c, &c->told, &actions->ptr[i].file, values, 2, &p, err));
  }
  return SHOAL_OK;
}

/* The action of the other kind on the same file; NULL: there is none. */
static const shoal_action *partner(const shoal_actions *actions, const shoal_map *others, const shoal_action *a) {
  uint32_t at = shoal_map_get(others, a->file.path);
  return at == SHOAL_MAP_NONE ? NULL : &actions->ptr[at];
}

/* Rows that an add shows and a remove hides, or the other way round. */
static shoal_status add_whole(collecting *c, const shoal_action *a, const shoal_action *other, int64_t version,
                              shoal_error *err) {
  shoal_delta_kv values[3];
  bool adds = a->kind == SHOAL_ACTION_ADD;
  part *p;
  SHOAL_TRY(describe(c, version, values, err));
  values[2].value = adds ? SHOAL_STR("insert") : SHOAL_STR("delete");
  if (a->file.n_partition_values < c->last->n_partition_columns)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "version %lld does not say in which partition '%.*s' lay",
                      (long long)version, SHOAL_FMT(a->file.path));
  SHOAL_TRY(check_there(c, &a->file, version, err));
  SHOAL_TRY(add_part(c, &c->whole, &a->file, values, 3, &p, err));
  SHOAL_TRY(read_vector(c, &a->file, &p->hidden, err));
  if (!other)
    return SHOAL_OK;
  SHOAL_TRY(read_vector(c, &other->file, &p->shown, err));
  if (!p->shown) /* the other one shows all rows: this one none that it does not */
    c->whole.len--;
  return SHOAL_OK;
}

static shoal_status add_files(collecting *c, const shoal_actions *actions, int64_t version, shoal_error *err) {
  shoal_map adds = {0}, removes = {0};
  shoal_status status = SHOAL_OK;
  for (size_t i = 0; i < actions->len && status == SHOAL_OK; i++) {
    const shoal_action *a = &actions->ptr[i];
    if ((a->kind == SHOAL_ACTION_ADD || a->kind == SHOAL_ACTION_REMOVE) && a->file.data_change)
      status = shoal_map_put(a->kind == SHOAL_ACTION_ADD ? &adds : &removes, a->file.path, (uint32_t)i, err);
  }
  for (size_t i = 0; i < actions->len && status == SHOAL_OK; i++) {
    const shoal_action *a = &actions->ptr[i];
    if ((a->kind == SHOAL_ACTION_ADD || a->kind == SHOAL_ACTION_REMOVE) && a->file.data_change)
      status = add_whole(c, a, partner(actions, a->kind == SHOAL_ACTION_ADD ? &removes : &adds, a), version, err);
  }
  shoal_map_dispose(&adds);
  shoal_map_dispose(&removes);
  return status;
}

static shoal_status add_actions(collecting *c, const shoal_actions *actions, int64_t version, shoal_error *err) {
  bool told;
  for (size_t i = 0; i < actions->len; i++) {
    shoal_delta_metadata m;
    if (actions->ptr[i].kind != SHOAL_ACTION_METADATA)
      continue;
    SHOAL_TRY(shoal_delta_metadata_parse(actions->ptr[i].raw, c->arena, &m, err));
    SHOAL_TRY(check_metadata(c, &m, version, err));
  }
  SHOAL_TRY(add_told(c, actions, version, &told, err));
  return told ? SHOAL_OK : add_files(c, actions, version, err);
}

static shoal_status add_version(collecting *c, int64_t version, shoal_error *err) {
  const shoal_log_file *f;
  shoal_buf text = {0};
  shoal_actions actions = {0};
  SHOAL_TRY(find_commit(c, version, &f, err));
  shoal_status status = shoal_store_get(c->table->store, f->object.key, &text, err);
  if (status == SHOAL_OK)
    status = shoal_delta_actions_parse(shoal_buf_str(&text), f->object.key.ptr, c->arena, &actions, err);
  if (status == SHOAL_OK) {
    note_time(c, f, &actions);
    status = add_actions(c, &actions, version, err);
  }
  shoal_vec_dispose(&actions);
  shoal_buf_dispose(&text);
  return status;
}

/* ---- scans ---- */

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const part *p = (const part *)arg + file;
  bool shown[256];
  for (size_t from = 0; from < n; from += sizeof shown) {
    size_t some = n - from < sizeof shown ? n - from : sizeof shown;
    for (size_t i = 0; i < some; i++)
      alive[from + i] = true;
    if (p->hidden)
      shoal_delta_vector_keep(p->hidden, rows + from, some, alive + from);
    if (!p->shown)
      continue;
    shoal_delta_vector_keep(p->shown, rows + from, some, shown);
    for (size_t i = 0; i < some; i++)
      alive[from + i] = alive[from + i] && !shown[i];
  }
}

/* A table of the files' columns and the feed's, the last `n_values` of which stand in the log. */
static shoal_status describe_table(const collecting *c, bool told, shoal_delta_snapshot *out, shoal_error *err) {
  static const struct {
    const char *name;
    shoal_type_kind kind;
  } more[] = {{SHOAL_CHANGES_TYPE, SHOAL_TYPE_STRING},
              {SHOAL_CHANGES_VERSION, SHOAL_TYPE_LONG},
              {SHOAL_CHANGES_TIME, SHOAL_TYPE_TIMESTAMP}};
  shoal_delta_metadata *m = &out->metadata;
  size_t n = c->last->schema.n_fields, n_partitions = c->last->n_partition_columns;
  shoal_field *fields = SHOAL_NEW_ARRAY(c->arena, shoal_field, n + 3);
  shoal_str *partitions = SHOAL_NEW_ARRAY(c->arena, shoal_str, n_partitions + 3);
  if (!fields || !partitions)
    return shoal_fail_nomem(err);
  *m = *c->last;
  for (size_t i = 0; i < n; i++)
    fields[i] = m->schema.fields[i];
  for (size_t i = 0; i < n_partitions; i++)
    partitions[i] = m->partition_columns[i];
  for (size_t i = 0; i < 3; i++) {
    shoal_str name = shoal_str_z(more[i].name);
    fields[n + i] = (shoal_field){.name = name, .physical = name, .type = {.kind = more[i].kind}, .nullable = true};
    if (i > 0 || !told)
      partitions[n_partitions++] = name;
  }
  m->schema = (shoal_schema){fields, n + 3};
  m->partition_columns = partitions;
  m->n_partition_columns = n_partitions;
  if (told) /* change data files have the physical names, and for the kind no id: they are read by name */
    m->n_configuration = 0;
  return SHOAL_OK;
}

static shoal_status scan_parts(const collecting *c, const parts *list, bool told, shoal_scan **out, shoal_error *err) {
  shoal_delta_snapshot *table = SHOAL_NEW(c->arena, shoal_delta_snapshot);
  const shoal_delta_file **files = SHOAL_NEW_ARRAY(c->arena, const shoal_delta_file *, list->len);
  part *copy = SHOAL_NEW_ARRAY(c->arena, part, list->len);
  *out = SHOAL_NEW(c->arena, shoal_scan);
  bool vectors = false;
  if (!table || !files || !copy || !*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < list->len; i++) {
    copy[i] = list->ptr[i];
    files[i] = &copy[i].file;
    vectors = vectors || copy[i].shown || copy[i].hidden;
  }
  SHOAL_TRY(describe_table(c, told, table, err));
  SHOAL_TRY(shoal_delta_scan_listed(c->table, table, files, list->len, c->arena, *out, err));
  if (vectors) {
    (*out)->n_whole = 0;
    (*out)->keep = keep;
    (*out)->keep_arg = copy;
  }
  return SHOAL_OK;
}

static shoal_status make_job(collecting *c, shoal_error *err) {
  shoal_input *inputs = SHOAL_NEW_ARRAY(c->arena, shoal_input, 2);
  shoal_scan *told, *whole;
  if (!inputs)
    return shoal_fail_nomem(err);
  SHOAL_TRY(scan_parts(c, &c->told, true, &told, err));
  SHOAL_TRY(scan_parts(c, &c->whole, false, &whole, err));
  inputs[0] = (shoal_input){SHOAL_STR("told_changes"), told};
  inputs[1] = (shoal_input){SHOAL_STR("file_changes"), whole};
  c->out->job = (shoal_job){.sql = SHOAL_STR("SELECT * FROM (FROM told_changes UNION ALL FROM file_changes) ORDER BY "
                                             "\"" SHOAL_CHANGES_VERSION "\""),
                            .inputs = inputs,
                            .n_inputs = 2};
  return SHOAL_OK;
}

/* ---- the range ---- */

static shoal_status check_first(const collecting *c, shoal_error *err) {
  shoal_delta_snapshot *first = NULL;
  SHOAL_TRY(shoal_delta_tip_open(c->table, c->out->from, &first, err));
  shoal_status status = check_metadata(c, &first->metadata, c->out->from, err);
  shoal_delta_snapshot_free(first);
  return status;
}

static shoal_status collect(collecting *c, shoal_error *err) {
  shoal_delta_changes *out = c->out;
  SHOAL_TRY(shoal_delta_tip_open(c->table, out->to, &out->snapshot, err));
  c->last = &out->snapshot->metadata;
  out->to = out->snapshot->version;
  if (out->from < 0 || out->from > out->to)
    return shoal_fail(err, SHOAL_EINVAL, "there are no versions from %lld to %lld", (long long)out->from,
                      (long long)out->to);
  SHOAL_TRY(check_names(&c->last->schema, err));
  SHOAL_TRY(check_first(c, err));
  SHOAL_TRY(shoal_delta_log_list(c->table, out->from, c->arena, &c->log, err));
  for (int64_t v = out->from; v <= out->to; v++)
    SHOAL_TRY(add_version(c, v, err));
  return make_job(c, err);
}

shoal_status shoal_delta_changes_open(const shoal_delta_table *table, int64_t from, int64_t to, shoal_arena *arena,
                                      shoal_delta_changes *out, shoal_error *err) {
  collecting c = {.table = table, .arena = arena, .out = out, .last_us = INT64_MIN};
  *out = (shoal_delta_changes){.from = from, .to = to};
  shoal_status status = collect(&c, err);
  shoal_vec_dispose(&c.told);
  shoal_vec_dispose(&c.whole);
  if (status < 0)
    shoal_delta_changes_dispose(out);
  return status;
}

void shoal_delta_changes_dispose(shoal_delta_changes *c) {
  shoal_delta_snapshot_free(c->snapshot);
  c->snapshot = NULL;
}

shoal_status shoal_delta_version_since(const shoal_delta_table *table, int64_t us, int64_t *out, shoal_error *err) {
  int64_t before = -1, latest;
  shoal_error none = {0};
  *out = -1;
  SHOAL_TRY(shoal_delta_latest(table, -1, &latest, err));
  shoal_status status = shoal_delta_version_at(table, us - 1, &before, &none);
  if (status == SHOAL_ENOTFOUND) { /* the oldest that is there */
    shoal_arena arena = {0};
    shoal_log log;
    status = shoal_delta_log_list(table, 0, &arena, &log, err);
    for (size_t i = 0; status == SHOAL_OK && i < log.n && *out < 0; i++)
      if (log.files[i].kind == SHOAL_LOG_COMMIT)
        *out = log.files[i].version;
    shoal_arena_dispose(&arena);
    return status;
  }
  if (status < 0) {
    if (err)
      *err = none;
    return status;
  }
  if (before >= latest)
    return shoal_fail(err, SHOAL_ENOTFOUND, "the table has no version as young as that");
  *out = before + 1;
  return SHOAL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V2 checkpoints (protocol, "V2 Spec"): a JSON object named by a UUID, which names sidecars with the files. A sidecar
 * none of whose files has been spoken of since is named again; the others' files, and the new ones, go into new
 * sidecars, cut along their paths, so that files that come and go together stand together. Small ones are packed.
 *
 *  S1 Sidecars are durable before they are named, and are never written again.
 *  S2 What is named again holds nothing that has been spoken of: its tags say between which paths its files lie, and
 *     where one that was spoken of does, too, or there are no tags, it was looked into.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/time.h"
#include "delta/checkpoint.h"
#include "delta/layout.h"

#define LEAST_ROWS 10000  /* of a sidecar */
#define MOST_SIDECARS 200 /* aimed at */

typedef struct looked {
  int64_t rows, adds, spoken;
  shoal_str first, last; /* of its paths */
  bool told;             /* all of this, by its tags */
  bool formed;           /* its statistics stand as they are to stand now */
  bool asked;            /* it was looked into */
} looked;

typedef struct sidecars {
  shoal_checkpoint *c;
  int64_t rows;      /* of all that is below */
  int64_t left_rows; /* of what of it goes into new ones, or is not needed any more */
  int64_t reused_rows, reused_adds;
  uint64_t bytes; /* of new ones */
  shoal_outcome made;
  char *folder; /* staged */
  looked *new;  /* of the new ones */
} sidecars;

#define ROWS "shoal.rows" /* tags of a sidecar */
#define ADDS "shoal.adds"
#define FIRST "shoal.first"
#define LAST "shoal.last"
#define FORM "shoal.stats" /* absent: statistics are text alone, or somebody else's */

/* ---- which may be named again (S2) ---- */

/* For each file below: its name, its actions, its adds, and how many of them have been spoken of. */
static void add_question(const shoal_checkpoint *c, shoal_buf *sql) {
  static const struct {
    size_t column;
    const char *name;
  } kinds[] = {{SHOAL_CHECKPOINT_ADD, "add"}, {SHOAL_CHECKPOINT_REMOVE, "remove"}};
  const char *separator = "";
  shoal_buf_addz(sql,
                 "SELECT f, count(*), count(*) FILTER (WHERE is_add), count(*) FILTER (WHERE k IN (SELECT key FROM "
                 "spoken)) FROM (");
  for (size_t i = 0; i < 2; i++) {
    shoal_buf key = {0};
    if (shoal_checkpoint_key(c, kinds[i].column, &key)) {
      shoal_buf_addf(sql, "%sSELECT log.filename AS f, %s AS is_add, ", separator, i == 0 ? "true" : "false");
      shoal_buf_add(sql, shoal_buf_str(&key));
      shoal_buf_addf(sql, " AS k FROM below AS log WHERE log.\"%s\".path IS NOT NULL", kinds[i].name);
      separator = " UNION ALL ";
    }
    shoal_buf_dispose(&key);
  }
  shoal_buf_addz(sql, ") GROUP BY f");
}

static bool read_row(const shoal_rows *rows, looked *out) {
  return shoal_str_i64(shoal_rows_text(rows, 1), &out->rows) && shoal_str_i64(shoal_rows_text(rows, 2), &out->adds) &&
         shoal_str_i64(shoal_rows_text(rows, 3), &out->spoken);
}

static shoal_status take_answers(const shoal_checkpoint *c, shoal_rows *rows, looked *files) {
  shoal_status status;
  while ((status = shoal_rows_next(rows, c->err)) == SHOAL_OK) {
    shoal_str name = shoal_rows_text(rows, 0);
    size_t i = 0;
    while (i < c->n_below && !shoal_str_eq(c->below[i].path, name))
      i++;
    if (i == c->n_below || !read_row(rows, &files[i]))
      return shoal_fail(c->err, SHOAL_EENGINE, "the engine does not tell what is in a sidecar");
  }
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

/* Into the files of a list. */
static shoal_status look(shoal_checkpoint *c, const shoal_scan_file *list, size_t n, looked *files) {
  shoal_buf sql = {0};
  shoal_rows *rows;
  c->in.scans[2].files = list;
  c->in.scans[2].n_files = n;
  SHOAL_TRY(shoal_checkpoint_know_below(c));
  add_question(c, &sql);
  const shoal_job job = {.sql = shoal_checkpoint_keep(c, &sql), .inputs = c->in.list, .n_inputs = 3};
  if (!job.sql.ptr)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(shoal_engine_query(c->engine, &job, &rows, c->err));
  shoal_status status = take_answers(c, rows, files);
  shoal_rows_free(rows);
  return status;
}

static shoal_status read_tags(const sidecars *s, shoal_str sidecar, looked *out) {
  yyjson_doc *doc;
  SHOAL_TRY(shoal_json_parse_raw(sidecar, "a sidecar", &doc, s->c->err));
  yyjson_val *tags = yyjson_obj_get(yyjson_doc_get_root(doc), "tags");
  shoal_str first = shoal_json_str(tags, FIRST), last = shoal_json_str(tags, LAST);
  out->told = first.ptr && last.ptr && shoal_str_i64(shoal_json_str(tags, ROWS), &out->rows) &&
              shoal_str_i64(shoal_json_str(tags, ADDS), &out->adds);
  shoal_str form = shoal_json_str(tags, FORM), wanted = s->c->form.name;
  out->formed = form.ptr && wanted.ptr ? shoal_str_eq(form, wanted) : !form.ptr && !wanted.ptr;
  bool lacks = s->c->form.parsed && (!form.ptr || shoal_str_is(form, "none"));
  out->first = shoal_arena_str(&s->c->arena, first);
  out->last = shoal_arena_str(&s->c->arena, last);
  yyjson_doc_free(doc);
  if (lacks)
    return shoal_fail(s->c->err, SHOAL_EUNSUPPORTED, "statistics of its sidecars are text only");
  return out->told && (!out->first.ptr || !out->last.ptr) ? shoal_fail_nomem(s->c->err) : SHOAL_OK;
}

static int compare_paths(const void *a, const void *b) {
  return shoal_str_cmp(*(const shoal_str *)a, *(const shoal_str *)b);
}

/* Paths of files that have been spoken of, sorted. */
static shoal_status list_spoken(const sidecars *s, shoal_str **out, size_t *n) {
  const shoal_delta_snapshot *tip = s->c->s;
  *n = tip->n_files + tip->n_tombstones;
  *out = SHOAL_NEW_ARRAY(&s->c->arena, shoal_str, *n + 1);
  if (!*out)
    return shoal_fail_nomem(s->c->err);
  for (size_t i = 0; i < *n; i++)
    (*out)[i] = i < tip->n_files ? tip->files[i].path : tip->tombstones[i - tip->n_files].file.path;
  qsort(*out, *n, sizeof **out, compare_paths);
  return SHOAL_OK;
}

static bool lies_between(const shoal_str *paths, size_t n, const looked *l) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (shoal_str_cmp(paths[middle], l->first) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < n && shoal_str_cmp(paths[low], l->last) <= 0;
}

/* S2. */
static shoal_status look_below(sidecars *s, looked *files) {
  shoal_checkpoint *c = s->c;
  shoal_str *spoken;
  size_t n_spoken, n = 0;
  shoal_scan_file *list = SHOAL_NEW_ARRAY(&c->arena, shoal_scan_file, c->n_below);
  if (!list)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(list_spoken(s, &spoken, &n_spoken));
  for (size_t i = 0; i < c->n_below; i++) {
    if (c->s->below[i].sidecar.ptr)
      SHOAL_TRY(read_tags(s, c->s->below[i].sidecar, &files[i]));
    files[i].asked = !files[i].told || lies_between(spoken, n_spoken, &files[i]);
    if (files[i].asked)
      list[n++] = c->below[i];
  }
  return n ? look(c, list, n, files) : SHOAL_OK;
}

static int64_t rows_of_one(const sidecars *s) {
  int64_t all = s->rows + (int64_t)s->c->s->n_files + (int64_t)s->c->s->n_tombstones;
  return all / MOST_SIDECARS > LEAST_ROWS ? all / MOST_SIDECARS : LEAST_ROWS;
}

static shoal_status choose(sidecars *s) {
  shoal_checkpoint *c = s->c;
  size_t left = 0, n = c->n_below;
  bool known = true; /* the columns of what is left: of just what was looked into */
  looked *files = SHOAL_NEW_ARRAY(&c->arena, looked, n);
  if (!files)
    return shoal_fail_nomem(c->err);
  if (n)
    SHOAL_TRY(look_below(s, files));
  for (size_t i = 0; i < n; i++)
    s->rows += files[i].rows;
  for (size_t i = 0; i < n; i++) {
    shoal_str sidecar = c->s->below[i].sidecar;
    bool goes_over = !sidecar.ptr || !files[i].formed || files[i].spoken || files[i].rows < rows_of_one(s) / 4;
    known = known && goes_over == files[i].asked;
    if (goes_over) {
      c->below[left++] = c->below[i];
      s->left_rows += files[i].rows;
      continue;
    }
    s->reused_rows += files[i].rows;
    s->reused_adds += files[i].adds;
    shoal_buf_addz(&c->top, "{\"sidecar\":");
    shoal_delta_add_line(&c->top, sidecar);
    shoal_buf_addz(&c->top, "}\n");
  }
  shoal_checkpoint_take_below(c, left);
  return known ? SHOAL_OK : shoal_checkpoint_know_below(c);
}

/* ---- new ones ---- */

#define PATH "coalesce(\"add\".path, \"remove\".path)"

/* Paths at which one sidecar ends and the next begins: all are as long as one should be, or less than twice that. */
static shoal_status find_cuts(sidecars *s, shoal_str all, shoal_str **out, size_t *n) {
  shoal_checkpoint *c = s->c;
  SHOAL_VEC(shoal_str) cuts = {0};
  shoal_rows *rows = NULL;
  int64_t most = s->left_rows + (int64_t)c->s->n_files + (int64_t)c->s->n_tombstones, parts = most / rows_of_one(s);
  *out = NULL;
  *n = 0;
  if (parts < 2)
    return SHOAL_OK;
  char *sql =
      shoal_arena_printf(&c->arena,
                         "SELECT path FROM (SELECT path, row_number() OVER (ORDER BY path) AS i FROM (SELECT " PATH
                         " AS path FROM (%.*s))) WHERE i > 1 AND i %% %lld = 1 ORDER BY path",
                         SHOAL_FMT(all), (long long)((most + parts - 1) / parts));
  const shoal_job job = {.sql = shoal_str_z(sql), .inputs = c->in.list, .n_inputs = c->in.n};
  shoal_status status = sql ? shoal_engine_query(c->engine, &job, &rows, c->err) : shoal_fail_nomem(c->err);
  while (status == SHOAL_OK && (status = shoal_rows_next(rows, c->err)) == SHOAL_OK) {
    shoal_str *slot = shoal_vec_add(&cuts);
    if (!slot || !(*slot = shoal_arena_str(&c->arena, shoal_rows_text(rows, 0))).ptr)
      status = shoal_fail_nomem(c->err);
  }
  shoal_rows_free(rows);
  *n = cuts.len;
  *out = status == SHOAL_DONE ? SHOAL_NEW_ARRAY(&c->arena, shoal_str, cuts.len) : NULL;
  for (size_t i = 0; *out && i < cuts.len; i++)
    (*out)[i] = cuts.ptr[i];
  shoal_vec_dispose(&cuts);
  if (status == SHOAL_DONE)
    status = *out ? SHOAL_OK : shoal_fail_nomem(c->err);
  return status;
}

/* The number of a path's sidecar among cuts from … to, by halving. */
static void add_number(shoal_buf *sql, const shoal_str *cuts, size_t from, size_t to) {
  if (from == to) {
    shoal_buf_addf(sql, "%zu", from);
    return;
  }
  size_t middle = from + (to - from) / 2;
  shoal_buf_addz(sql, "CASE WHEN path < ");
  shoal_buf_sql_literal(sql, cuts[middle]);
  shoal_buf_addz(sql, " THEN ");
  add_number(sql, cuts, from, middle);
  shoal_buf_addz(sql, " ELSE ");
  add_number(sql, cuts, middle + 1, to);
  shoal_buf_addz(sql, " END");
}

/* The engine writes a file for each value of a column, which therefore stands in it; readers look for theirs by name.
 */
static shoal_status write_sidecars(sidecars *s, shoal_str all) {
  shoal_checkpoint *c = s->c;
  const shoal_str part = SHOAL_STR("part");
  shoal_str *cuts;
  size_t n;
  shoal_buf sql = {0};
  SHOAL_TRY(find_cuts(s, all, &cuts, &n));
  shoal_buf_addz(&sql, "SELECT \"add\", \"remove\"");
  if (n) {
    shoal_buf_addz(&sql, ", ");
    add_number(&sql, cuts, 0, n);
    shoal_buf_addz(&sql, " AS part");
  }
  shoal_buf_addf(&sql, " FROM (SELECT \"add\", \"remove\", " PATH " AS path FROM (%.*s))", SHOAL_FMT(all));
  s->folder = shoal_arena_printf(&c->arena, "%s/sidecars", c->staging);
  const shoal_job job = {.sql = shoal_checkpoint_keep(c, &sql),
                         .inputs = c->in.list,
                         .n_inputs = c->in.n,
                         .codec = shoal_delta_checkpoint_codec(&c->s->metadata),
                         .staging = s->folder,
                         .partition_by = &part,
                         .n_partition_by = n > 0,
                         .ordered = n == 0};
  if (!job.sql.ptr || !s->folder)
    return shoal_fail_nomem(c->err);
  SHOAL_TRY(shoal_os_mkdirs(s->folder, false, c->err));
  return shoal_engine_execute(c->engine, &job, &c->arena, &s->made, c->err);
}

static shoal_status staged_name(const sidecars *s, size_t i, shoal_str *out) {
  *out = shoal_str_z(shoal_arena_printf(&s->c->arena, "%s/%.*s", s->folder, SHOAL_FMT(s->made.files[i].name)));
  return out->ptr ? SHOAL_OK : shoal_fail_nomem(s->c->err);
}

/* What stands in the tags of each. */
static shoal_status describe(sidecars *s, const shoal_scan *made, looked *out) {
  static const shoal_scan_option name = {SHOAL_STR("filename"), SHOAL_STR("true")};
  shoal_checkpoint *c = s->c;
  shoal_scan scan = *made;
  const shoal_input input = {SHOAL_STR("log"), &scan};
  const shoal_job job = {.sql = SHOAL_STR("SELECT filename, count(*), count(\"add\".path), 0, min(" PATH "), max(" PATH
                                          ") FROM log GROUP BY filename"),
                         .inputs = &input,
                         .n_inputs = 1};
  shoal_rows *rows;
  shoal_status status;
  scan.options = &name;
  scan.n_options = 1;
  SHOAL_TRY(shoal_engine_query(c->engine, &job, &rows, c->err));
  while ((status = shoal_rows_next(rows, c->err)) == SHOAL_OK) {
    size_t i = 0;
    while (i < made->n_files && !shoal_str_eq(made->files[i].path, shoal_rows_text(rows, 0)))
      i++;
    if (i < made->n_files && read_row(rows, &out[i])) {
      out[i].first = shoal_arena_str(&c->arena, shoal_rows_text(rows, 4));
      out[i].last = shoal_arena_str(&c->arena, shoal_rows_text(rows, 5));
      out[i].told = out[i].first.ptr && out[i].last.ptr;
    }
  }
  shoal_rows_free(rows);
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

static shoal_status verify(sidecars *s, shoal_str all) {
  shoal_scan_file *files = SHOAL_NEW_ARRAY(&s->c->arena, shoal_scan_file, s->made.n_files);
  const shoal_scan scan = {.format = SHOAL_SCAN_PARQUET, .files = files, .n_files = s->made.n_files};
  if (!files)
    return shoal_fail_nomem(s->c->err);
  for (size_t i = 0; i < s->made.n_files; i++)
    SHOAL_TRY(staged_name(s, i, &files[i].path));
  s->c->actions = s->c->adds = SHOAL_STR("0");
  s->new = SHOAL_NEW_ARRAY(&s->c->arena, looked, s->made.n_files);
  if (!s->new)
    return shoal_fail_nomem(s->c->err);
  if (s->made.n_files == 0)
    return SHOAL_OK;
  SHOAL_TRY(describe(s, &scan, s->new));
  return shoal_checkpoint_verify(s->c, &scan, all);
}

static void add_sidecar(shoal_buf *text, const shoal_output_file *f, const looked *l, shoal_str form) {
  char rows[24], adds[24];
  shoal_jw w = {.out = text};
  snprintf(rows, sizeof rows, "%lld", (long long)l->rows);
  snprintf(adds, sizeof adds, "%lld", (long long)l->adds);
  shoal_jw_obj(&w);
  shoal_jw_key(&w, "sidecar");
  shoal_jw_obj(&w);
  shoal_jw_kstr(&w, "path", f->name);
  shoal_jw_ki64(&w, "sizeInBytes", (int64_t)f->bytes);
  shoal_jw_ki64(&w, "modificationTime", shoal_time_now() / 1000);
  shoal_jw_key(&w, "tags");
  shoal_jw_obj(&w);
  if (l->told) {
    shoal_jw_kz(&w, ROWS, rows);
    shoal_jw_kz(&w, ADDS, adds);
    shoal_jw_kstr(&w, FIRST, l->first);
    shoal_jw_kstr(&w, LAST, l->last);
    shoal_jw_kstr(&w, FORM, form);
  }
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_jw_end(&w);
  shoal_buf_addc(text, '\n');
}

/* S1. */
static shoal_status put_sidecars(sidecars *s) {
  shoal_checkpoint *c = s->c;
  shoal_put_file *files = SHOAL_NEW_ARRAY(&c->arena, shoal_put_file, s->made.n_files);
  if (!files)
    return shoal_fail_nomem(c->err);
  for (size_t i = 0; i < s->made.n_files; i++) {
    const shoal_output_file *f = &s->made.files[i];
    SHOAL_TRY(staged_name(s, i, &files[i].local_path));
    files[i].key = shoal_delta_key(c->table, &c->arena, "_delta_log/_sidecars/%.*s", SHOAL_FMT(f->name));
    if (!files[i].key.ptr)
      return shoal_fail_nomem(c->err);
    add_sidecar(&c->top, f, &s->new[i], c->form.name);
    s->bytes += f->bytes;
  }
  return s->made.n_files ? shoal_store_put_files(c->table->store, files, s->made.n_files, c->err) : SHOAL_OK;
}

/* ---- the checkpoint itself ---- */

static int64_t number(shoal_str s) {
  int64_t n;
  return shoal_str_i64(s, &n) ? n : 0;
}

static shoal_status publish(sidecars *s) {
  shoal_checkpoint *c = s->c;
  char uuid[SHOAL_UUID_TEXT];
  shoal_os_uuid(uuid);
  shoal_buf_addf(&c->top, "{\"checkpointMetadata\":{\"version\":%lld,\"tags\":{}}}\n", (long long)c->s->version);
  shoal_str key =
      shoal_delta_key(c->table, &c->arena, "_delta_log/%020lld.checkpoint.%s.json", (long long)c->s->version, uuid);
  SHOAL_TRY(key.ptr ? shoal_buf_check(&c->top, c->err) : shoal_fail_nomem(c->err));
  SHOAL_TRY(shoal_store_put_new(c->table->store, key, shoal_buf_str(&c->top), c->err));
  int64_t lines = 0;
  for (size_t i = 0; i < c->top.len; i++)
    lines += c->top.ptr[i] == '\n';
  c->actions =
      shoal_str_z(shoal_arena_printf(&c->arena, "%lld", (long long)(number(c->actions) + s->reused_rows + lines)));
  c->adds = shoal_str_z(shoal_arena_printf(&c->arena, "%lld", (long long)(number(c->adds) + s->reused_adds)));
  return c->actions.ptr && c->adds.ptr ? shoal_checkpoint_hint(c, s->bytes + c->top.len) : shoal_fail_nomem(c->err);
}

shoal_status shoal_checkpoint_v2(shoal_checkpoint *c) {
  sidecars s = {.c = c};
  shoal_buf sql = {0};
  SHOAL_TRY(choose(&s));
  shoal_checkpoint_query(c, &sql);
  shoal_str all = shoal_checkpoint_keep(c, &sql);
  if (!all.ptr)
    return shoal_fail_nomem(c->err);
  bool any = c->n_below || c->s->n_files || c->s->n_tombstones;
  if (any)
    SHOAL_TRY(write_sidecars(&s, all));
  SHOAL_TRY(verify(&s, all));
  SHOAL_TRY(put_sidecars(&s));
  return publish(&s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows against what the log says of them (verify.h). The engine sums each file up, many files a query; what the sums
 * contradict is found here, where the log's texts are compared as the numbers, times and texts they are. A query that
 * fails is asked again of each of its files alone, and then of each column, so that what can't be read has a name.
 *
 *  C1 Nothing is skipped, and nothing is answered from statistics: all columns are read, cast and hashed.
 *  C2 What the log says in a form that can't be compared is no contradiction: readers don't go by it either.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/time.h"
#include "delta/deletion_vector.h"
#include "delta/stats_columns.h"
#include "delta/verify.h"

#define FILES_AT_ONCE 200
#define SLACK_US 1000  /* bounds of times have milliseconds, rounded whichever way */
#define SHOWN_BYTES 60 /* of a value */

typedef struct leaf {
  const shoal_field *field;
  shoal_str name, sql; /* "s.x"; of a row of `log` */
  const struct leaf *in;
  bool wanted, bounded;
  size_t at; /* its columns in the answer: values, and if `bounded` the least and the greatest one */
} leaf;

typedef struct content {
  const shoal_delta_table *table;
  const shoal_delta_snapshot *s;
  shoal_engine *engine;
  shoal_arena *arena; /* of what is told */
  shoal_delta_verified *out;
  leaf *leaves; /* structs, too, before what is in them */
  size_t n_leaves;
  shoal_error *err;
} content;

/* A file of a batch. */
typedef struct counted {
  const shoal_delta_file *file;
  yyjson_doc *stats;
  int64_t said; /* numRecords, -1: it is not said */
  int64_t rows, alive;
} counted;

typedef struct batch {
  content *c;
  counted *files;
  size_t n;
  bool holes; /* all of them have deletion vectors, else none has */
  shoal_delta_vector **vectors;
  shoal_arena arena;
  shoal_scan scan;
} batch;

/* ---- telling ---- */

static shoal_status tell(content *c, const shoal_delta_file *f, shoal_str column, const char *fmt, ...)
    SHOAL_PRINTF(4, 5);
static shoal_status tell(content *c, const shoal_delta_file *f, shoal_str column, const char *fmt, ...) {
  shoal_buf text = {0};
  va_list ap;
  if (c->out->n_found++ >= SHOAL_DELTA_MOST_TOLD)
    return SHOAL_OK;
  shoal_delta_contradiction *told = &c->out->told[c->out->n_told];
  va_start(ap, fmt);
  shoal_buf_vaddf(&text, fmt, ap);
  va_end(ap);
  *told = (shoal_delta_contradiction){.file = shoal_arena_str(c->arena, f->path),
                                      .column = column.ptr ? shoal_arena_str(c->arena, column) : SHOAL_STR_NONE};
  SHOAL_TRY(shoal_buf_take(&text, c->arena, &told->what, c->err));
  c->out->n_told++;
  return told->file.ptr && (told->column.ptr || !column.ptr) ? SHOAL_OK : shoal_fail_nomem(c->err);
}

/* The beginning of a long text, at a character's end. */
static shoal_str shown(shoal_str s) {
  size_t n = s.len < SHOWN_BYTES ? s.len : SHOWN_BYTES;
  while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80)
    n--;
  return shoal_str_sub(s, 0, n);
}

/* ---- columns ---- */

static shoal_status add_leaves(content *c, const shoal_field *fields, size_t n, const leaf *in, shoal_arena *arena) {
  for (size_t i = 0; i < n; i++) {
    shoal_buf sql = {0};
    leaf *l = &c->leaves[c->n_leaves++];
    *l = (leaf){.field = &fields[i], .in = in, .name = fields[i].name};
    shoal_buf_add(&sql, in ? in->sql : SHOAL_STR("log"));
    shoal_buf_addc(&sql, '.');
    shoal_buf_sql_ident(&sql, fields[i].name);
    SHOAL_TRY(shoal_buf_take(&sql, arena, &l->sql, c->err));
    if (in)
      l->name = shoal_str_z(shoal_arena_printf(arena, "%.*s.%.*s", SHOAL_FMT(in->name), SHOAL_FMT(fields[i].name)));
    if (!l->name.ptr)
      return shoal_fail_nomem(c->err);
    if (fields[i].type.kind == SHOAL_TYPE_STRUCT)
      SHOAL_TRY(add_leaves(c, fields[i].type.fields, fields[i].type.n_fields, l, arena));
  }
  return SHOAL_OK;
}

static yyjson_val *find_stat(const leaf *l, yyjson_val *part) {
  yyjson_val *in = l->in ? find_stat(l->in, part) : part;
  return yyjson_obj_getn(in, l->field->physical.ptr, l->field->physical.len);
}

static yyjson_val *find_part(const counted *f, const char *name) {
  return yyjson_obj_get(yyjson_doc_get_root(f->stats), name);
}

/* What the statistics of one of the files speak of. */
static void choose_leaves(batch *b) {
  size_t at = 3;
  for (size_t i = 0; i < b->c->n_leaves; i++) {
    leaf *l = &b->c->leaves[i];
    bool is_struct = l->field->type.kind == SHOAL_TYPE_STRUCT;
    l->wanted = !l->in && !l->field->nullable && !is_struct;
    l->bounded = false;
    for (size_t k = 0; k < b->n && !is_struct; k++) {
      l->bounded = l->bounded || find_stat(l, find_part(&b->files[k], "minValues")) ||
                   find_stat(l, find_part(&b->files[k], "maxValues"));
      l->wanted = l->wanted || find_stat(l, find_part(&b->files[k], "nullCount"));
    }
    l->bounded = l->bounded && shoal_delta_bound_of(l->field->type.kind) != SHOAL_BOUND_NONE;
    l->wanted = l->wanted || l->bounded;
    l->at = at;
    at += l->wanted ? 1u + 2u * l->bounded : 0;
  }
}

static void add_question(const batch *b, shoal_buf *sql) {
  const char *separator = "";
  shoal_buf_addz(sql, "SELECT log.\"" SHOAL_POSITION_FILE "\", count(*), bit_xor(hash(");
  for (size_t i = 0; i < b->c->n_leaves; i++) {
    if (b->c->leaves[i].in)
      continue;
    shoal_buf_addz(sql, separator);
    shoal_buf_add(sql, b->c->leaves[i].sql);
    separator = ", ";
  }
  shoal_buf_addz(sql, *separator ? "))" : "1))");
  for (size_t i = 0; i < b->c->n_leaves; i++) {
    const leaf *l = &b->c->leaves[i];
    const char *no_nan = shoal_delta_bound_of(l->field->type.kind) == SHOAL_BOUND_FLOAT ? " FILTER (NOT isnan(" : NULL;
    if (!l->wanted)
      continue;
    shoal_buf_addf(sql, ", count(%.*s)", SHOAL_FMT(l->sql));
    for (int k = 0; k < 2 && l->bounded; k++) {
      shoal_buf_addf(sql, ", %s(%.*s)", k == 0 ? "min" : "max", SHOAL_FMT(l->sql));
      if (no_nan)
        shoal_buf_addf(sql, "%s%.*s))", no_nan, SHOAL_FMT(l->sql));
    }
  }
  shoal_buf_addz(sql, " FROM log GROUP BY 1");
}

/* ---- judging ---- */

/* Whether the value lies beyond the bound: below the least one, or above the greatest. */
static bool is_beyond(const shoal_type *type, shoal_str value, shoal_str bound, bool above) {
  bool single = type->kind == SHOAL_TYPE_FLOAT;
  int64_t v, b;
  double x, y;
  int c = 0;
  switch (shoal_delta_bound_of(type->kind)) {
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_DECIMAL:
    if (!shoal_delta_compare_numbers(value, bound, &c))
      return false;
    break;
  case SHOAL_BOUND_FLOAT:
    if (!shoal_delta_read_double(value, single, &x) || !shoal_delta_read_double(bound, single, &y))
      return false;
    c = x < y ? -1 : x > y;
    break;
  case SHOAL_BOUND_DATE:
  case SHOAL_BOUND_TIME:
    if (!shoal_time_parse(value, &v) || !shoal_time_parse(bound, &b))
      return false;
    c = v < b - SLACK_US ? -1 : v > b + SLACK_US;
    break;
  case SHOAL_BOUND_TEXT:
    c = shoal_str_cmp(value, bound);
    break;
  case SHOAL_BOUND_NONE:
    break;
  }
  return above ? c > 0 : c < 0;
}

static shoal_status judge_bound(content *c, const counted *f, const leaf *l, bool above, shoal_str value) {
  yyjson_val *said = find_stat(l, find_part(f, above ? "maxValues" : "minValues"));
  shoal_bound kind = shoal_delta_bound_of(l->field->type.kind);
  bool text = kind == SHOAL_BOUND_DATE || kind == SHOAL_BOUND_TIME || kind == SHOAL_BOUND_TEXT;
  shoal_str bound = text && yyjson_is_str(said)    ? shoal_str_n(yyjson_get_str(said), yyjson_get_len(said))
                    : !text && yyjson_is_raw(said) ? shoal_str_n(yyjson_get_raw(said), yyjson_get_len(said))
                                                   : SHOAL_STR_NONE;
  if (!value.ptr || !bound.ptr || !is_beyond(&l->field->type, value, bound, above))
    return SHOAL_OK;
  return tell(c, f->file, l->name, "the log says that its %s value is %.*s, and it has %.*s",
              above ? "greatest" : "least", SHOAL_FMT(shown(bound)), SHOAL_FMT(shown(value)));
}

/* Where rows were deleted, or bounds are loose, only 0 and all rows mean anything. */
static shoal_status judge_nulls(content *c, const counted *f, const leaf *l, int64_t values) {
  yyjson_val *v = find_stat(l, find_part(f, "nullCount")), *tight = find_part(f, "tightBounds");
  int64_t said, nulls = f->alive - values;
  bool loose = f->file->deletion_vector.ptr || (tight && !yyjson_is_true(tight)), wrong;
  if (nulls && !l->field->nullable && !l->in)
    SHOAL_TRY(tell(c, f->file, l->name, "it is NOT NULL, and %lld rows are", (long long)nulls));
  if (!yyjson_is_raw(v) || !shoal_str_i64(shoal_str_n(yyjson_get_raw(v), yyjson_get_len(v)), &said))
    return SHOAL_OK;
  if (loose)
    wrong = (said == 0 && nulls > 0) || (said == f->said && said > 0 && values > 0);
  else
    wrong = said != nulls;
  if (!wrong)
    return SHOAL_OK;
  return tell(c, f->file, l->name, "the log says that %lld of its rows are NULL, and %lld are", (long long)said,
              (long long)nulls);
}

static shoal_status judge_row(batch *b, const shoal_rows *rows) {
  content *c = b->c;
  int64_t i, values;
  if (!shoal_str_i64(shoal_rows_text(rows, 0), &i) || i < 0 || (size_t)i >= b->n ||
      !shoal_str_i64(shoal_rows_text(rows, 1), &b->files[i].alive))
    return shoal_fail(c->err, SHOAL_EENGINE, "the engine does not tell what is in a file");
  for (size_t k = 0; k < c->n_leaves; k++) {
    const leaf *l = &c->leaves[k];
    if (!l->wanted)
      continue;
    if (!shoal_str_i64(shoal_rows_text(rows, l->at), &values))
      return shoal_fail(c->err, SHOAL_EENGINE, "the engine does not tell how many values there are");
    SHOAL_TRY(judge_nulls(c, &b->files[i], l, values));
    for (size_t above = 0; above < 2 && l->bounded; above++)
      SHOAL_TRY(judge_bound(c, &b->files[i], l, above, shoal_rows_text(rows, l->at + 1 + above)));
  }
  return SHOAL_OK;
}

static shoal_status judge_file(batch *b, size_t i) {
  counted *f = &b->files[i];
  if (!b->holes)
    f->rows = f->alive;
  if (f->said >= 0 && f->said != f->rows)
    return tell(b->c, f->file, SHOAL_STR_NONE, "the log says that it has %lld rows, and it has %lld",
                (long long)f->said, (long long)f->rows);
  if (b->holes && f->said < 0)
    return tell(b->c, f->file, SHOAL_STR_NONE, "it has a deletion vector, and the log does not say how many rows");
  return SHOAL_OK;
}

static shoal_status judge_vector(batch *b, size_t i) {
  uint64_t end = shoal_delta_vector_end(b->vectors[i]);
  if (end <= (uint64_t)b->files[i].rows)
    return SHOAL_OK;
  return tell(b->c, b->files[i].file, SHOAL_STR_NONE, "its deletion vector names row %llu, and it has %lld",
              (unsigned long long)(end - 1), (long long)b->files[i].rows);
}

/* ---- asking ---- */

static void keep(void *arg, size_t file, const int64_t *rows, size_t n, bool *alive) {
  const batch *b = arg;
  shoal_delta_vector_keep(b->vectors[file], rows, n, alive);
}

/* Runs a query over the batch's files; `take` has each row. */
static shoal_status ask(batch *b, shoal_str sql, shoal_status (*take)(batch *b, const shoal_rows *rows)) {
  const shoal_input input = {SHOAL_STR("log"), &b->scan};
  const shoal_job job = {.sql = sql, .inputs = &input, .n_inputs = 1};
  shoal_rows *rows;
  shoal_status status;
  SHOAL_TRY(shoal_engine_query(b->c->engine, &job, &rows, b->c->err));
  while ((status = shoal_rows_next(rows, b->c->err)) == SHOAL_OK && (!take || (status = take(b, rows)) == SHOAL_OK))
    ;
  shoal_rows_free(rows);
  return status == SHOAL_DONE ? SHOAL_OK : status;
}

static shoal_status take_count(batch *b, const shoal_rows *rows) {
  int64_t i;
  if (!shoal_str_i64(shoal_rows_text(rows, 0), &i) || i < 0 || (size_t)i >= b->n ||
      !shoal_str_i64(shoal_rows_text(rows, 1), &b->files[i].rows))
    return shoal_fail(b->c->err, SHOAL_EENGINE, "the engine does not tell how many rows are in a file");
  return SHOAL_OK;
}

static shoal_status ask_all(batch *b) {
  content *c = b->c;
  shoal_buf sql = {0};
  if (b->holes) { /* how many there are, deleted or not, and then what the others have */
    SHOAL_TRY(ask(b, SHOAL_STR("SELECT log.\"" SHOAL_POSITION_FILE "\", count(*) FROM log GROUP BY 1"), take_count));
    b->scan.n_whole = 0;
    b->scan.keep = keep;
    b->scan.keep_arg = b;
  }
  choose_leaves(b);
  add_question(b, &sql);
  shoal_status status = shoal_buf_check(&sql, c->err);
  if (status == SHOAL_OK)
    status = ask(b, shoal_buf_str(&sql), judge_row);
  shoal_buf_dispose(&sql);
  for (size_t i = 0; i < b->n && status == SHOAL_OK; i++)
    status = judge_file(b, i);
  for (size_t i = 0; i < b->n && status == SHOAL_OK && b->holes; i++)
    status = judge_vector(b, i);
  return status;
}

static bool is_unreadable(shoal_status status) { return status == SHOAL_EENGINE || status == SHOAL_ECORRUPT; }

/* A file that can't be read: by which of its columns? */
static shoal_status name_columns(batch *b) {
  content *c = b->c;
  shoal_error first = *c->err;
  size_t n = c->out->n_found;
  shoal_status status = ask(b, SHOAL_STR("SELECT count(*) FROM log"), NULL);
  for (size_t i = 0; i < c->n_leaves && status == SHOAL_OK; i++) {
    const leaf *l = &c->leaves[i];
    if (l->in)
      continue;
    char *sql = shoal_arena_printf(&b->arena, "SELECT bit_xor(hash(%.*s)) FROM log", SHOAL_FMT(l->sql));
    status = sql ? ask(b, shoal_str_z(sql), NULL) : shoal_fail_nomem(c->err);
    if (is_unreadable(status))
      status = tell(c, b->files[0].file, l->name, "it can't be read: %s", c->err->message);
  }
  if ((is_unreadable(status) || status == SHOAL_OK) && n == c->out->n_found)
    status = tell(c, b->files[0].file, SHOAL_STR_NONE, "it can't be read: %s", first.message);
  return status;
}

static shoal_status open_batch(batch *b, const shoal_delta_file *const *files) {
  content *c = b->c;
  b->files = SHOAL_NEW_ARRAY(&b->arena, counted, b->n);
  b->vectors = SHOAL_NEW_ARRAY(&b->arena, shoal_delta_vector *, b->n);
  if (!b->files || !b->vectors)
    return shoal_fail_nomem(c->err);
  for (size_t i = 0; i < b->n; i++) {
    counted *f = &b->files[i];
    *f = (counted){.file = files[i], .said = shoal_delta_file_rows(files[i])};
    if (files[i]->stats.ptr && shoal_json_parse_raw(files[i]->stats, "stats", &f->stats, NULL) == SHOAL_ENOMEM)
      return shoal_fail_nomem(c->err);
    if (b->holes)
      SHOAL_TRY(shoal_delta_scan_vector(c->table, files[i]->deletion_vector, &b->arena, &b->vectors[i], c->err));
  }
  SHOAL_TRY(shoal_delta_scan_listed(c->table, c->s, files, b->n, &b->arena, &b->scan, c->err));
  b->scan.positions = true;
  b->scan.rows = 0; /* which would be the log's word */
  return SHOAL_OK;
}

static shoal_status check_batch(content *c, const shoal_delta_file *const *files, size_t n) {
  batch b = {.c = c, .n = n, .holes = files[0]->deletion_vector.ptr != NULL};
  size_t n_found = c->out->n_found, n_told = c->out->n_told;
  shoal_status status = open_batch(&b, files);
  if (status == SHOAL_OK)
    status = ask_all(&b);
  bool alone = is_unreadable(status) && n > 1;
  if (is_unreadable(status)) {
    c->out->n_found = n_found;
    c->out->n_told = n_told;
  }
  if (is_unreadable(status) && n == 1)
    status = name_columns(&b);
  for (size_t i = 0; b.files && i < n; i++)
    yyjson_doc_free(b.files[i].stats);
  shoal_arena_dispose(&b.arena);
  if (!alone)
    return status;
  status = SHOAL_OK;
  for (size_t i = 0; i < n && status == SHOAL_OK; i++)
    status = check_batch(c, &files[i], 1);
  return status;
}

static shoal_status check_all(content *c, const shoal_delta_file *const *files, size_t n, shoal_arena *arena) {
  const shoal_delta_file **some = SHOAL_NEW_ARRAY(arena, const shoal_delta_file *, FILES_AT_ONCE);
  shoal_status status = some ? SHOAL_OK : shoal_fail_nomem(c->err);
  for (int holes = 0; holes < 2; holes++) {
    size_t at = 0;
    for (size_t i = 0; i < n && status == SHOAL_OK; i++) {
      if ((files[i]->deletion_vector.ptr != NULL) != holes)
        continue;
      some[at++] = files[i];
      if (at == FILES_AT_ONCE) {
        status = check_batch(c, some, at);
        at = 0;
      }
    }
    if (at && status == SHOAL_OK)
      status = check_batch(c, some, at);
  }
  return status;
}

shoal_status shoal_delta_verify_content(const shoal_delta_table *table, const shoal_delta_snapshot *s,
                                        const shoal_delta_file *const *files, size_t n, shoal_arena *arena,
                                        shoal_delta_verified *out, shoal_error *err) {
  const shoal_delta_metadata *m = &s->metadata;
  shoal_arena scratch = {0};
  shoal_error own;
  shoal_schema columns = {0};
  content c = {.table = table, .s = s, .arena = arena, .out = out, .err = err ? err : &own};
  out->told = SHOAL_NEW_ARRAY(arena, shoal_delta_contradiction, SHOAL_DELTA_MOST_TOLD);
  shoal_status status = out->told ? table->get_engine(table->engine_arg, &c.engine, c.err) : shoal_fail_nomem(c.err);
  if (status == SHOAL_OK)
    status =
        shoal_delta_file_columns(&m->schema, m->partition_columns, m->n_partition_columns, &scratch, &columns, c.err);
  c.leaves = SHOAL_NEW_ARRAY(&scratch, leaf, shoal_delta_count_fields(columns.fields, columns.n_fields));
  if (status == SHOAL_OK && !c.leaves)
    status = shoal_fail_nomem(c.err);
  if (status == SHOAL_OK)
    status = add_leaves(&c, columns.fields, columns.n_fields, NULL, &scratch);
  if (status == SHOAL_OK)
    status = check_all(&c, files, n, &scratch);
  shoal_arena_dispose(&scratch);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From files to units. What the index remembers of a file with the same content is taken as it is; the engine is opened
 * only when some text is new. The remembered analysis rests on the names of the macros, on the engine's version and on
 * Shoal's own.
 */
#include <stdlib.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/str.h"
#include "code/macro.h"
#include "code/sql.h"
#include "engine/lexer.h"
#include "session/session.h"

#define MACROS_KEY SHOAL_STR("macros")
#define MACROS "macros"
#define MODELS "models"

/* What the analyses rest on. */
static shoal_hash analysis_basis(const shoal_session *s) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/3/analysis");
  shoal_hasher_z(&h, SHOAL_VERSION);
  shoal_hasher_z(&h, SHOAL_DUCKDB_VERSION);
  shoal_hash names = shoal_macro_names_hash(s->macros, s->n_macros);
  shoal_hasher_hash(&h, &names);
  return shoal_hasher_end(&h);
}

typedef struct memory {
  shoal_unit *units;
  size_t n;
  shoal_map by_path;
} memory;

static shoal_status recall(shoal_session *s, memory *m, shoal_error *err) {
  shoal_str text =
      s->index ? shoal_arena_str(&s->arena, shoal_index_view(s->index, SHOAL_SESSION_UNITS_KEY)) : SHOAL_STR_NONE;
  if (s->index)
    shoal_index_release(s->index);
  *m = (memory){0};
  shoal_decoder d = {.rest = text};
  shoal_hash basis = analysis_basis(s), was = shoal_take_hash(&d);
  if (!text.ptr || !shoal_hash_eq(&basis, &was))
    return SHOAL_OK;
  uint32_t n = shoal_take_count(&d, 100);
  m->units = SHOAL_NEW_ARRAY(&s->arena, shoal_unit, n);
  if (!m->units)
    return shoal_fail_nomem(err);
  for (uint32_t i = 0; i < n; i++) {
    SHOAL_TRY(shoal_unit_decode(&d, &s->arena, &m->units[i], err));
    if (d.failed)
      return SHOAL_OK;
    m->n++;
    SHOAL_TRY(shoal_map_put(&m->by_path, m->units[i].path, i, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_session_encode_units(const shoal_session *s, shoal_buf *out, shoal_error *err) {
  shoal_hash basis = analysis_basis(s);
  shoal_put_hash(out, &basis);
  shoal_put_u32(out, (uint32_t)s->n_sql_units);
  for (size_t i = 0; i < s->n_sql_units; i++)
    shoal_unit_encode(&s->units[i], out);
  return shoal_buf_check(out, err);
}

static shoal_status copy_form(const shoal_model *m, const shoal_sql_form *form, shoal_arena *arena, shoal_unit *u,
                              shoal_error *err) {
  u->canon = form->canon;
  u->functions = form->functions;
  u->n_functions = form->n_functions;
  u->variables = form->variables;
  u->n_variables = form->n_variables;
  u->volatile_why = form->volatile_why;
  u->date_only = form->date_only;
  u->uses = (uint8_t)form->uses;
  u->refs = SHOAL_NEW_ARRAY(arena, shoal_unit_ref, form->n_refs);
  u->files = SHOAL_NEW_ARRAY(arena, shoal_str, form->n_files);
  if (!u->refs || !u->files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < form->n_refs; i++) {
    u->refs[i].name = form->refs[i].name;
    shoal_model_place(m, form->refs[i].position, &u->refs[i].line, &u->refs[i].column);
  }
  u->n_refs = form->n_refs;
  for (size_t i = 0; i < form->n_files; i++)
    u->files[i] = form->files[i].path;
  u->n_files = form->n_files;
  return SHOAL_OK;
}

/* A model follows what it reads; a fixed version of it would be neither keyed nor kept. */
static shoal_status refuse_at(shoal_str sql, const shoal_sql_form *form, shoal_error *err) {
  for (size_t i = 0; i < form->n_refs; i++)
    if (form->refs[i].at.ptr) {
      (void)shoal_fail(err, SHOAL_EINVAL, "a model can't read %.*s AT another time", SHOAL_FMT(form->refs[i].name));
      shoal_hint(err, "AT is for shoal sql; a dataset is held at a version by shoal rollback");
      if (form->refs[i].position >= 0)
        shoal_sql_point(err, sql, (size_t)form->refs[i].position);
      return SHOAL_EINVAL;
    }
  return SHOAL_OK;
}

static shoal_status analyse(shoal_session *s, const shoal_watch_entry *file, const shoal_str *macro_names,
                            shoal_unit *u, shoal_error *err) {
  shoal_str text;
  shoal_model m;
  shoal_engine *engine;
  shoal_buf json = {0};
  shoal_sql_form form;
  SHOAL_TRY(shoal_session_read(s, file->path, &file->hash, &s->arena, &text, err));
  SHOAL_TRY(shoal_model_parse(file->path, text, &s->arena, &m, err));
  SHOAL_TRY(shoal_session_engine(s, &engine, err));
  s->n_parsed++;
  shoal_status status = shoal_engine_parse(engine, m.sql, &json, err);
  if (status >= 0)
    status = shoal_sql_analyse(m.sql, shoal_buf_str(&json), macro_names, s->n_macros, &s->arena, &form, err);
  if (status >= 0)
    status = refuse_at(m.sql, &form, err);
  if (status < 0)
    shoal_model_place_error(&m, err);
  else {
    *u = (shoal_unit){.name = m.name,
                      .path = m.path,
                      .content = file->hash,
                      .layout = shoal_layout_hash(&m),
                      .expects = shoal_expects_hash(&m),
                      .tags = m.tags,
                      .n_tags = m.n_tags,
                      .was = m.was,
                      .line = 1};
    status = copy_form(&m, &form, &s->arena, u, err);
  }
  shoal_buf_dispose(&json);
  return status;
}

static int compare_macros(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_macro *)a)->name, ((const shoal_macro *)b)->name);
}

static shoal_status read_macros(shoal_session *s, shoal_macro_vec *found, shoal_error *err) {
  static const char *const suffixes[] = {".sql", NULL};
  size_t first, n;
  SHOAL_TRY(shoal_watch_add_tree(&s->watch, SHOAL_STR(MACROS), suffixes, &first, &n, err));
  for (size_t i = first; i < first + n; i++) {
    shoal_watch_entry e = s->watch.entries.ptr[i];
    shoal_str text;
    if (e.kind != SHOAL_WATCH_FILE)
      continue;
    SHOAL_TRY(shoal_session_read(s, e.path, &e.hash, &s->arena, &text, err));
    SHOAL_TRY(shoal_macros_split(e.path, text, &s->arena, found, err));
  }
  s->macros = SHOAL_NEW_ARRAY(&s->arena, shoal_macro, found->len);
  if (!s->macros)
    return shoal_fail_nomem(err);
  if (found->len) {
    qsort(found->ptr, found->len, sizeof *found->ptr, compare_macros);
    memcpy(s->macros, found->ptr, found->len * sizeof *found->ptr);
  }
  s->n_macros = found->len;
  return SHOAL_OK;
}

/* What the macros' analyses rest on: all their texts. */
static shoal_hash macros_basis(const shoal_session *s) {
  shoal_hasher h;
  shoal_hash basis = analysis_basis(s);
  shoal_hasher_init(&h, "shoal/1/macros");
  shoal_hasher_hash(&h, &basis);
  for (size_t i = 0; i < s->n_macros; i++)
    shoal_hasher_str(&h, s->macros[i].text);
  return shoal_hasher_end(&h);
}

/* True if the index knew all of them. */
static shoal_status recall_macros(shoal_session *s, bool *known, shoal_error *err) {
  shoal_str text = s->index ? shoal_arena_str(&s->arena, shoal_index_view(s->index, MACROS_KEY)) : SHOAL_STR_NONE;
  if (s->index)
    shoal_index_release(s->index);
  shoal_decoder d = {.rest = text};
  shoal_hash basis = macros_basis(s), was = shoal_take_hash(&d);
  *known = text.ptr && !d.failed && shoal_hash_eq(&basis, &was);
  for (size_t i = 0; *known && i < s->n_macros; i++)
    SHOAL_TRY(shoal_macro_decode(&d, &s->arena, &s->macros[i], err));
  *known = *known && !d.failed;
  return SHOAL_OK;
}

static void remember_macros(shoal_session *s) {
  shoal_buf b = {0};
  shoal_error ignored;
  shoal_hash basis = macros_basis(s);
  shoal_put_hash(&b, &basis);
  for (size_t i = 0; i < s->n_macros; i++)
    shoal_macro_encode(&s->macros[i], &b);
  if (s->index && b.status >= 0)
    shoal_ignore(shoal_index_put(s->index, &(shoal_index_item){MACROS_KEY, shoal_buf_str(&b)}, 1, &ignored));
  shoal_buf_dispose(&b);
}

/* Macros are few: one new text and all are analysed. */
static shoal_status analyse_macros(shoal_session *s, const shoal_str *names, shoal_error *err) {
  shoal_engine *engine;
  bool known;
  if (s->n_macros == 0)
    return SHOAL_OK;
  SHOAL_TRY(recall_macros(s, &known, err));
  for (size_t i = 0; !known && i < s->n_macros; i++) {
    shoal_macro fresh = {
        .name = s->macros[i].name, .path = s->macros[i].path, .text = s->macros[i].text, .line = s->macros[i].line};
    s->macros[i] = fresh; /* a broken cache may have filled in half */
    SHOAL_TRY(shoal_session_engine(s, &engine, err));
    SHOAL_TRY(shoal_macro_analyse(&s->macros[i], engine, names, s->n_macros, &s->arena, err));
  }
  if (!known)
    remember_macros(s);
  return SHOAL_OK;
}

static shoal_status read_models(shoal_session *s, const shoal_str *macro_names, shoal_error *err) {
  static const char *const suffixes[] = {".sql", ".py", NULL};
  size_t first, n;
  memory m;
  SHOAL_TRY(shoal_watch_add_tree(&s->watch, SHOAL_STR(MODELS), suffixes, &first, &n, err));
  shoal_status status = recall(s, &m, err);
  s->units = SHOAL_NEW_ARRAY(&s->arena, shoal_unit, n);
  if (status >= 0 && !s->units)
    status = shoal_fail_nomem(err);
  for (size_t i = first; i < first + n && status >= 0; i++) {
    shoal_watch_entry e = s->watch.entries.ptr[i];
    if (e.kind != SHOAL_WATCH_FILE || shoal_str_ends(e.path, SHOAL_STR(".py")))
      continue;
    uint32_t known = shoal_map_get(&m.by_path, e.path);
    shoal_unit *u = &s->units[s->n_units];
    if (known != SHOAL_MAP_NONE && shoal_hash_eq(&m.units[known].content, &e.hash))
      *u = m.units[known];
    else
      status = analyse(s, &e, macro_names, u, err);
    s->n_units += status >= 0;
  }
  shoal_map_dispose(&m.by_path);
  s->units_new = status >= 0 && (s->n_parsed || m.n != s->n_units);
  s->n_sql_units = s->n_units;
  return status < 0 ? status : shoal_session_python_units(s, first, n, err);
}

shoal_status shoal_session_units(shoal_session *s, shoal_error *err) {
  shoal_macro_vec found = {0};
  shoal_status status = read_macros(s, &found, err);
  shoal_vec_dispose(&found);
  shoal_str *names = SHOAL_NEW_ARRAY(&s->arena, shoal_str, s->n_macros);
  if (status >= 0 && !names)
    status = shoal_fail_nomem(err);
  for (size_t i = 0; status >= 0 && i < s->n_macros; i++)
    names[i] = s->macros[i].name;
  if (status >= 0)
    status = analyse_macros(s, names, err);
  return status < 0 ? status : read_models(s, names, err);
}

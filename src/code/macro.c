/* SPDX-License-Identifier: Apache-2.0 */
/* CREATE [OR REPLACE] [TEMP|TEMPORARY] (MACRO|FUNCTION) name (parameters) AS [TABLE] body [;] */
#include "code/macro.h"

#include "base/str.h"
#include "code/sql.h"
#include "engine/lexer.h"

static int line_at(shoal_str text, size_t offset) {
  int line = 1;
  for (size_t i = 0; i < offset && i < text.len; i++)
    line += text.ptr[i] == '\n';
  return line;
}

static shoal_status fail_at(shoal_str path, shoal_str text, size_t offset, const char *why, shoal_error *err) {
  int line = line_at(text, offset);
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s:%d: %s", SHOAL_FMT(path), line, why);
  shoal_hint(err, "a file in macros/ holds statements like CREATE MACRO add(a, b) AS a + b;");
  shoal_error_at(err, path.ptr, line, 1, 0);
  return SHOAL_EINVAL;
}

static shoal_str lower(shoal_arena *arena, shoal_str s) {
  char *p = shoal_arena_cstr(arena, s);
  for (size_t i = 0; p && i < s.len; i++)
    if (p[i] >= 'A' && p[i] <= 'Z')
      p[i] = (char)(p[i] + 32);
  return (shoal_str){p, p ? s.len : 0};
}

static shoal_str unquoted(shoal_arena *arena, const shoal_token *t) {
  return lower(arena, t->kind == SHOAL_TOKEN_QUOTED && t->text.len >= 2 ? shoal_str_sub(t->text, 1, t->text.len - 1)
                                                                        : t->text);
}

/* Reads the words up to the macro's name; false if it is no CREATE MACRO. */
static bool read_name(shoal_lexer *lx, shoal_token *t, shoal_arena *arena, shoal_str *name) {
  if (!shoal_token_is(t, "create"))
    return false;
  bool more = shoal_lexer_next(lx, t);
  while (more && (shoal_token_is(t, "or") || shoal_token_is(t, "replace") || shoal_token_is(t, "temp") ||
                  shoal_token_is(t, "temporary")))
    more = shoal_lexer_next(lx, t);
  if (!more || !(shoal_token_is(t, "macro") || shoal_token_is(t, "function")) || !shoal_lexer_next(lx, t))
    return false;
  if (t->kind != SHOAL_TOKEN_WORD && t->kind != SHOAL_TOKEN_QUOTED)
    return false;
  *name = unquoted(arena, t);
  return true;
}

/* An operator's macro would be one that no call names: what reads it could not be told. */
static bool is_callable(shoal_str name) {
  char c = name.len ? name.ptr[0] : '\0';
  return c == '_' || (c >= 'a' && c <= 'z') || (signed char)c < 0;
}

static bool is_symbol(const shoal_token *t, char c) {
  return t->kind == SHOAL_TOKEN_SYMBOL && t->text.len == 1 && t->text.ptr[0] == c;
}

/* Where the statement stops: at ';' or the end of the text. */
static size_t statement_end(shoal_lexer *lx, shoal_str text) {
  shoal_token t;
  while (shoal_lexer_next(lx, &t))
    if (is_symbol(&t, ';'))
      return t.offset;
  return text.len;
}

shoal_status shoal_macros_split(shoal_str path, shoal_str text, shoal_arena *arena, shoal_macro_vec *out,
                                shoal_error *err) {
  shoal_lexer lx = {.sql = text};
  shoal_token t;
  while (shoal_lexer_next(&lx, &t)) {
    if (is_symbol(&t, ';'))
      continue;
    size_t start = t.offset;
    shoal_macro m = {.path = path, .line = line_at(text, start)};
    if (!read_name(&lx, &t, arena, &m.name))
      return fail_at(path, text, start, "only CREATE MACRO may stand here", err);
    if (m.name.ptr && !is_callable(m.name))
      return fail_at(path, text, start,
                     "a macro's name begins with a letter or _, so that calls can be told from operators", err);
    size_t end = statement_end(&lx, text);
    m.text = shoal_str_sub(text, start, end);
    lx.at = end;
    for (size_t i = 0; i < out->len; i++)
      if (shoal_str_eq(out->ptr[i].name, m.name))
        return fail_at(path, text, start, "a macro of this name is defined already", err);
    shoal_macro *slot = shoal_vec_add(out);
    if (!slot || !m.name.ptr)
      return shoal_fail_nomem(err);
    *slot = m;
  }
  return SHOAL_OK;
}

/* Appends the items of a list that are not in the other yet. */
static shoal_status merge(shoal_str **to, size_t *n, const shoal_str *from, size_t more, shoal_arena *arena,
                          shoal_error *err) {
  shoal_str *all = SHOAL_NEW_ARRAY(arena, shoal_str, *n + more);
  if (!all)
    return shoal_fail_nomem(err);
  size_t count = *n;
  for (size_t i = 0; i < count; i++)
    all[i] = (*to)[i];
  for (size_t i = 0; i < more; i++) {
    size_t k = 0;
    while (k < count && !shoal_str_eq(all[k], from[i]))
      k++;
    if (k == count)
      all[count++] = from[i];
  }
  *to = all;
  *n = count;
  return SHOAL_OK;
}

static shoal_status add_form(const shoal_sql_form *form, shoal_macro *m, shoal_arena *arena, shoal_error *err) {
  SHOAL_TRY(merge(&m->functions, &m->n_functions, form->functions, form->n_functions, arena, err));
  SHOAL_TRY(merge(&m->variables, &m->n_variables, form->variables, form->n_variables, arena, err));
  m->uses |= (uint8_t)form->uses;
  if (form->volatile_ && !(m->volatile_why.ptr && form->date_only)) {
    m->volatile_why = form->volatile_why;
    m->date_only = form->date_only;
  }
  shoal_unit_ref *refs = SHOAL_NEW_ARRAY(arena, shoal_unit_ref, m->n_refs + form->n_refs);
  if (!refs)
    return shoal_fail_nomem(err);
  if (m->n_refs)
    memcpy(refs, m->refs, m->n_refs * sizeof *refs);
  for (size_t i = 0; i < form->n_refs; i++)
    refs[m->n_refs + i] = (shoal_unit_ref){.name = form->refs[i].name, .line = m->line, .column = 1};
  m->refs = refs;
  m->n_refs += form->n_refs;
  return SHOAL_OK;
}

static shoal_status analyse_body(shoal_macro *m, shoal_str sql, shoal_engine *engine, const shoal_str *names, size_t n,
                                 shoal_arena *arena, shoal_hasher *canon, shoal_error *err) {
  shoal_buf json = {0};
  shoal_sql_form form;
  shoal_status status = shoal_engine_parse(engine, sql, &json, err);
  if (status >= 0)
    status = shoal_sql_analyse(sql, shoal_buf_str(&json), names, n, arena, &form, err);
  shoal_buf_dispose(&json);
  SHOAL_TRY(status);
  shoal_hasher_hash(canon, &form.canon);
  if (form.n_files == 0)
    return add_form(&form, m, arena, err);
  (void)shoal_fail(err, SHOAL_EINVAL, "the macro reads files");
  shoal_hint(err, "declare them as a source in shoal.yaml and read that");
  return SHOAL_EINVAL;
}

shoal_status shoal_macro_analyse(shoal_macro *m, shoal_engine *engine, const shoal_str *names, size_t n,
                                 shoal_arena *arena, shoal_error *err) {
  shoal_sql_macro parts;
  shoal_hasher canon;
  shoal_status status = shoal_sql_split_macro(m->text, arena, &parts, err);
  shoal_hasher_init(&canon, "shoal/1/macro");
  if (status >= 0) {
    shoal_hasher_hash(&canon, &parts.head);
    shoal_hasher_list(&canon, parts.n);
  }
  for (size_t i = 0; status >= 0 && i < parts.n; i++)
    status = analyse_body(m, parts.bodies[i].select, engine, names, n, arena, &canon, err);
  m->canon = shoal_hasher_end(&canon);
  if (status < 0) {
    shoal_error_at(err, m->path.ptr, m->line, 1, 0);
    shoal_context(err, "macro %.*s", SHOAL_FMT(m->name));
  }
  return status;
}

shoal_hash shoal_macro_names_hash(const shoal_macro *macros, size_t n) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/macro-names");
  for (size_t i = 0; i < n; i++)
    shoal_hasher_str(&h, macros[i].name);
  return shoal_hasher_end(&h);
}

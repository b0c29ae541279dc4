/* SPDX-License-Identifier: Apache-2.0 */
/* SQL as text (lexer, macros, AT clauses) and as the engine's parse tree: what stands after a NUL is the tree. */
#include "code/macro.h"
#include "code/sql.h"
#include "engine/lexer.h"
#include "fuzz.h"
#include "session/at.h"

static void tokens(shoal_str sql) {
  shoal_lexer lexer = {.sql = sql};
  shoal_token token;
  size_t at = 0;
  while (shoal_lexer_next(&lexer, &token)) {
    MUST(token.offset >= at && token.text.len > 0 && token.offset + token.text.len <= sql.len);
    MUST(token.text.ptr == sql.ptr + token.offset);
    at = token.offset + token.text.len;
  }
  MUST(shoal_sql_body(sql).len <= sql.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  shoal_str text = input(data, size), sql = text, out;
  const char *nul = size ? memchr(data, 0, size) : NULL;
  shoal_str macro = SHOAL_STR("m");
  shoal_arena arena = {0};
  shoal_error err = {0};
  shoal_macro_vec macros = {0};
  shoal_sql_macro one;
  shoal_sql_form form;
  shoal_at *ats;
  size_t n;
  tokens(text);
  (void)OK(shoal_macros_split(SHOAL_STR("m.sql"), text, &arena, &macros, &err));
  for (size_t i = 0; i < macros.len; i++)
    (void)OK(shoal_sql_split_macro(macros.ptr[i].text, &arena, &one, &err));
  (void)OK(shoal_sql_split_macro(text, &arena, &one, &err));
  if (OK(shoal_at_rewrite(text, &arena, &out, &ats, &n, &err)))
    MUST(out.len == text.len);
  if (nul) {
    sql.len = (size_t)(nul - text.ptr);
    shoal_str tree = shoal_str_sub(text, sql.len + 1, text.len);
    (void)OK(shoal_sql_analyse(sql, tree, &macro, 1, &arena, &form, &err));
    (void)OK(shoal_sql_references(sql, tree, &arena, &form, &err));
  }
  shoal_vec_dispose(&macros);
  shoal_arena_dispose(&arena);
  return 0;
}

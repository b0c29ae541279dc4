/* SPDX-License-Identifier: Apache-2.0 */
/* A result as a box: names, types, rows; numbers to the right. Only as many rows as are shown are kept. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/vec.h"
#include "cli/cli.h"

#define MAX_CELL 60

typedef struct box {
  cli *c;
  size_t columns;
  int *width;
  bool *right;
  SHOAL_VEC(shoal_str) cells; /* rows after names and types */
  uint64_t total;
} box;

/* One line, no control characters, at most MAX_CELL columns. */
static shoal_str printable(box *b, shoal_str s) {
  if (!s.ptr)
    return SHOAL_STR("NULL");
  char *p = shoal_arena_cstr(&b->c->arena, s);
  if (!p)
    return SHOAL_STR("");
  size_t end = 0;
  int columns = 0;
  for (; end < s.len; end++) {
    unsigned char ch = (unsigned char)p[end];
    if ((ch & 0xc0) != 0x80 && ++columns > MAX_CELL)
      break;
    if (ch < 0x20 || ch == 0x7f)
      p[end] = ' ';
  }
  return shoal_str_n(p, end);
}

static bool is_number(shoal_str type) {
  static const char *const numbers[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT",
                                        "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",  "DOUBLE"};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (shoal_str_is(type, numbers[i]))
      return true;
  return shoal_str_starts(type, SHOAL_STR("DECIMAL"));
}

static bool add_cell(box *b, size_t column, shoal_str s) {
  shoal_str *slot = shoal_vec_add(&b->cells);
  if (!slot)
    return false;
  *slot = printable(b, s);
  int w = cli_text_width(*slot);
  if (w > b->width[column])
    b->width[column] = w;
  return true;
}

static shoal_status collect(box *b, shoal_rows *rows, size_t limit, shoal_error *err) {
  char lower[128];
  for (size_t i = 0; i < b->columns; i++)
    if (!add_cell(b, i, shoal_rows_name(rows, i)))
      return shoal_fail_nomem(err);
  for (size_t i = 0; i < b->columns; i++) {
    shoal_str type = shoal_rows_type(rows, i);
    size_t n = type.len < sizeof lower ? type.len : sizeof lower;
    for (size_t k = 0; k < n; k++)
      lower[k] = (char)(type.ptr[k] >= 'A' && type.ptr[k] <= 'Z' ? type.ptr[k] + 32 : type.ptr[k]);
    b->right[i] = is_number(type);
    if (!add_cell(b, i, shoal_str_n(lower, n)))
      return shoal_fail_nomem(err);
  }
  shoal_status status;
  while ((status = shoal_rows_next(rows, err)) == SHOAL_OK) {
    if (b->total++ >= limit)
      continue;
    for (size_t i = 0; i < b->columns; i++)
      if (!add_cell(b, i, shoal_rows_text(rows, i)))
        return shoal_fail_nomem(err);
  }
  return status;
}

static void rule(const box *b, const char *left, const char *mid, const char *right) {
  fputs(left, stdout);
  for (size_t i = 0; i < b->columns; i++) {
    for (int k = 0; k < b->width[i] + 2; k++)
      fputs("─", stdout);
    fputs(i + 1 < b->columns ? mid : right, stdout);
  }
  putchar('\n');
}

static void row(const box *b, size_t at, cli_style style) {
  for (size_t i = 0; i < b->columns; i++) {
    shoal_str s = b->cells.ptr[at + i];
    int pad = b->width[i] - cli_text_width(s);
    printf("│ %*s%s%.*s%s%*s ", b->right[i] ? pad : 0, "", cli_on(b->c, style), SHOAL_FMT(s), cli_off(b->c),
           b->right[i] ? 0 : pad, "");
  }
  puts("│");
}

int64_t cli_box(cli *c, shoal_rows *rows, size_t limit, shoal_error *err) {
  box b = {.c = c, .columns = shoal_rows_columns(rows)};
  b.width = SHOAL_NEW_ARRAY(&c->arena, int, b.columns);
  b.right = SHOAL_NEW_ARRAY(&c->arena, bool, b.columns);
  shoal_status status = b.width && b.right ? collect(&b, rows, limit, err) : shoal_fail_nomem(err);
  if (status >= 0) {
    rule(&b, "┌", "┬", "┐");
    row(&b, 0, STYLE_BOLD);
    row(&b, b.columns, STYLE_DIM);
    rule(&b, "├", "┼", "┤");
    for (size_t at = 2 * b.columns; at < b.cells.len; at += b.columns)
      row(&b, at, STYLE_PLAIN);
    rule(&b, "└", "┴", "┘");
    if (b.total > limit)
      printf("%s rows, %zu shown (-v shows all)\n", cli_count(c, b.total), limit);
    else
      printf("%s row%s\n", cli_count(c, b.total), b.total == 1 ? "" : "s");
  }
  shoal_vec_dispose(&b.cells);
  return status < 0 ? -1 : (int64_t)b.total;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How numbers, times, tables and errors look to people. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"

const char *cli_on(const cli *c, cli_style style) {
  static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[36m"};
  return c->color ? codes[style] : "";
}
const char *cli_off(const cli *c) { return c->color ? "\033[0m" : ""; }

static const char *text_or(const char *s) { return s ? s : "?"; }

const char *cli_text(cli *c, const char *fmt, ...) {
  char text[600];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  const char *p = shoal_arena_cstr(&c->arena, shoal_str_z(text));
  return p ? p : "";
}

const char *cli_count(cli *c, uint64_t n) {
  static const char *const units[] = {"", " k", " M", " G", " T"};
  double v = (double)n;
  int u = 0;
  if (n < 10000) { /* exact, with a comma */
    return text_or(n < 1000 ? shoal_arena_printf(&c->arena, "%llu", (unsigned long long)n)
                            : shoal_arena_printf(&c->arena, "%llu,%03llu", (unsigned long long)n / 1000,
                                                 (unsigned long long)n % 1000));
  }
  while (v >= 999.5 && u < 4) {
    v /= 1000;
    u++;
  }
  return text_or(shoal_arena_printf(&c->arena, v < 9.95 ? "%.1f%s" : "%.0f%s", v, units[u]));
}

const char *cli_rows(cli *c, uint64_t n) {
  return text_or(shoal_arena_printf(&c->arena, "%s row%s", cli_count(c, n), n == 1 ? "" : "s"));
}

const char *cli_extent(cli *c, const shoal_result *r) {
  if (!r->codec.ptr)
    return cli_rows(c, r->rows);
  return shoal_arena_cstr(&c->arena, r->type.ptr ? r->type : r->codec);
}

const char *cli_bytes(cli *c, uint64_t n) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double v = (double)n;
  int u = 0;
  while (v >= 999.5 && u < 5) {
    v /= 1000;
    u++;
  }
  return text_or(shoal_arena_printf(&c->arena, u && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]));
}

const char *cli_time(cli *c, int64_t us) {
  double s = (double)us / 1e6;
  if (us < 1000)
    return text_or(shoal_arena_printf(&c->arena, "%.1f ms", (double)us / 1e3));
  if (us < 1000000)
    return text_or(us < 100000 ? shoal_arena_printf(&c->arena, "%.0f ms", (double)us / 1e3)
                               : shoal_arena_printf(&c->arena, "%.1f s", s));
  if (s < 60)
    return text_or(shoal_arena_printf(&c->arena, "%.1f s", s));
  if (s < 3600)
    return text_or(shoal_arena_printf(&c->arena, "%d min %02d s", (int)s / 60, (int)s % 60));
  return text_or(shoal_arena_printf(&c->arena, "%d h %02d min", (int)s / 3600, (int)s % 3600 / 60));
}

const char *cli_ago(cli *c, int64_t us) {
  static const struct {
    int64_t s;
    const char *name;
  } units[] = {{86400 * 365, "year"}, {86400 * 30, "month"}, {86400, "day"},
               {3600, "hour"},        {60, "minute"},        {1, "second"}};
  int64_t s = (shoal_time_now() - us) / 1000000;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (s >= units[i].s) {
      int64_t n = s / units[i].s;
      return text_or(shoal_arena_printf(&c->arena, "%lld %s%s ago", (long long)n, units[i].name, n == 1 ? "" : "s"));
    }
  return "just now";
}

int cli_width(void) {
  struct winsize w;
  if (ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
    return w.ws_col;
  return 80;
}

int cli_text_width(shoal_str s) {
  int n = 0;
  for (size_t i = 0; i < s.len; i++)
    n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
  return n;
}

/* The text with its middle left out so that it takes at most `most` columns. */
static const char *shorten(cli *c, const char *text, int most) {
  shoal_str s = shoal_str_z(text);
  int width = cli_text_width(s), head = (most - 1) / 2, tail = most - 1 - head, column = 0;
  size_t cut = 0, resume = s.len;
  if (width <= most || most < 3)
    return text;
  for (size_t i = 0; i < s.len; i++) {
    if (((unsigned char)s.ptr[i] & 0xc0) == 0x80)
      continue;
    if (column == head)
      cut = i;
    if (column == width - tail)
      resume = i;
    column++;
  }
  return text_or(shoal_arena_printf(&c->arena, "%.*s…%s", (int)cut, text, text + resume));
}

static int column_width(const char *const *cells, size_t rows, size_t columns, size_t k) {
  int most = 0;
  for (size_t r = 0; r < rows; r++) {
    int w = cells[r * columns + k] ? cli_text_width(shoal_str_z(cells[r * columns + k])) : 0;
    most = w > most ? w : most;
  }
  return most;
}

void cli_fit(cli *c, const char **cells, size_t rows, size_t columns, size_t first, size_t second, int width) {
  enum { LEAST = 12 };
  int total = 0;
  for (size_t k = 0; k < columns; k++) {
    int w = column_width(cells, rows, columns, k);
    total += w + (k && w ? 2 : 0);
  }
  const size_t order[] = {first, second, 0};
  for (size_t i = 0; i < 3 && total > width; i++) {
    int had = column_width(cells, rows, columns, order[i]), most = had - (total - width);
    most = most < LEAST ? LEAST : most;
    if (most >= had)
      continue;
    for (size_t r = 0; r < rows; r++)
      if (cells[r * columns + order[i]])
        cells[r * columns + order[i]] = shorten(c, cells[r * columns + order[i]], most);
    total -= had - most;
  }
}

void cli_table(const char *const *cells, size_t rows, size_t columns, const bool *right) {
  int width[32] = {0};
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < columns && k < 32; k++) {
      int w = cells[r * columns + k] ? cli_text_width(shoal_str_z(cells[r * columns + k])) : 0;
      width[k] = w > width[k] ? w : width[k];
    }
  for (size_t r = 0; r < rows; r++) {
    size_t full = columns; /* behind the last text of a row no spaces follow */
    while (full > 1 && (!cells[r * columns + full - 1] || !*cells[r * columns + full - 1]))
      full--;
    for (size_t k = 0; k < full && k < 32; k++) {
      const char *t = cells[r * columns + k] ? cells[r * columns + k] : "";
      int pad = width[k] - cli_text_width(shoal_str_z(t));
      bool last = k + 1 == full;
      printf("%s%*s%s%*s", k && width[k] ? "  " : "", right && right[k] ? pad : 0, "", t,
             last || (right && right[k]) ? 0 : pad, "");
    }
    putchar('\n');
  }
}

/* Bytes to underline: what the error says, else the word that begins there. */
static size_t marked(shoal_str line, const shoal_error *err) {
  size_t from = (size_t)err->column - 1, to = from;
  if (err->length > 0)
    return (size_t)err->length;
  while (to < line.len && (line.ptr[to] == '_' || line.ptr[to] == '.' || (line.ptr[to] >= '0' && line.ptr[to] <= '9') ||
                           ((line.ptr[to] | 32) >= 'a' && (line.ptr[to] | 32) <= 'z')))
    to++;
  return to > from ? to - from : 1;
}

/* The line of the user's file the error points into, with carets below and the hint behind them. */
static bool show_line(const cli *c, const shoal_error *err, shoal_str text) {
  shoal_str line = SHOAL_STR_NONE;
  bool there = true;
  for (int i = 0; i < err->line && there; i++)
    there = shoal_str_split(&text, '\n', &line);
  if (!there || (size_t)err->column > line.len)
    return false;
  size_t from = (size_t)err->column - 1;
  int digits = snprintf(NULL, 0, "%d", err->line);
  fprintf(stderr, "  %d │ %.*s\n", err->line, SHOAL_FMT(line));
  fprintf(stderr, "  %*s │ %*s%s", digits, "", cli_text_width(shoal_str_sub(line, 0, from)), "", cli_on(c, STYLE_RED));
  int marks = cli_text_width(shoal_str_sub(line, from, from + marked(line, err)));
  for (int i = 0; i < (marks > 0 ? marks : 1); i++)
    fputc('^', stderr);
  fprintf(stderr, "%s%s%s\n", cli_off(c), err->hint[0] ? " " : "", err->hint);
  return true;
}

static void show_place(const cli *c, const shoal_error *err) {
  shoal_buf text = {0};
  shoal_error ignored;
  shoal_arena arena = {0};
  const char *root = c->s && c->s->root ? c->s->root : NULL;
  char *path = err->path[0] == '/' || !root ? shoal_arena_cstr(&arena, shoal_str_z(err->path))
                                            : shoal_arena_printf(&arena, "%s/%s", root, err->path);
  bool shown = path && err->line > 0 && err->column > 0 && shoal_os_read_file(path, 1 << 20, &text, &ignored) >= 0 &&
               show_line(c, err, shoal_buf_str(&text));
  if (!shown && err->hint[0])
    fprintf(stderr, "  %s\n", err->hint);
  shoal_buf_dispose(&text);
  shoal_arena_dispose(&arena);
}

static void error_json(const shoal_error *err, int code) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_jw_obj(&w);
  shoal_jw_ki64(&w, "schema_version", 1);
  shoal_jw_kz(&w, "event", "error");
  shoal_jw_kz(&w, "code", shoal_status_name(err->status));
  shoal_jw_kz(&w, "message", err->message);
  shoal_jw_kz(&w, "hint", err->hint[0] ? err->hint : NULL);
  shoal_jw_kz(&w, "context", err->context[0] ? err->context : NULL);
  if (err->path[0]) {
    shoal_jw_kz(&w, "path", err->path);
    shoal_jw_ki64(&w, "line", err->line);
    shoal_jw_ki64(&w, "column", err->column);
  }
  shoal_jw_ki64(&w, "exit", code);
  shoal_jw_end(&w);
  puts(shoal_buf_z(&b));
  shoal_buf_dispose(&b);
}

int cli_fail(const cli *c, const shoal_error *err) {
  int code = err->status == SHOAL_EHELD ? EXIT_HELD : err->status == SHOAL_ECONFLICT ? EXIT_CONFLICT : EXIT_ERROR;
  fflush(stdout);
  if (c->json) {
    error_json(err, code);
    return code;
  }
  const char *word = err->status == SHOAL_EHELD ? "held back" : err->status == SHOAL_ECANCELLED ? "cancelled" : "error";
  const char *message = err->message, *root = c->s && c->s->root ? c->s->root : "", *path = err->path;
  if (*root && !strncmp(path, root, strlen(root)) && path[strlen(root)] == '/')
    path += strlen(root) + 1;
  fprintf(stderr, "%s%s:%s ", cli_on(c, STYLE_RED), word, cli_off(c));
  if (path[0] && strncmp(message, path, strlen(path)))
    fprintf(stderr, err->line > 0 ? "%s:%d: " : "%s: ", path, err->line);
  if (err->context[0])
    fprintf(stderr, "%s: ", err->context);
  fprintf(stderr, "%s\n", message);
  show_place(c, err);
  return code;
}

shoal_status cli_output_path(cli *c, char **out, shoal_error *err) {
  const char *o = cli_value(c, "output");
  char *cwd;
  *out = NULL;
  if (!o || !strcmp(o, "-"))
    return SHOAL_OK;
  SHOAL_TRY(shoal_os_cwd(&c->arena, &cwd, err));
  *out = o[0] == '/' ? shoal_arena_cstr(&c->arena, shoal_str_z(o)) : shoal_arena_printf(&c->arena, "%s/%s", cwd, o);
  return *out ? SHOAL_OK : shoal_fail_nomem(err);
}

shoal_status cli_open_for_table(cli *c, shoal_str table, shoal_error *err) {
  shoal_status status = c->s ? SHOAL_OK : shoal_session_open(&c->session, &c->s, err);
  if (status != SHOAL_ENOTFOUND || c->session.lake)
    return status;
  if (shoal_str_chr(table, '/') < 0) {
    err->hint[0] = '\0';
    shoal_hint(err, "a table is told by its path, ./%.*s; sources are a project's: -C DIR points to one",
               SHOAL_FMT(table));
    return status;
  }
  *err = (shoal_error){0};
  return SHOAL_OK;
}

int cli_open_anywhere(cli *c) {
  c->session.anywhere = true;
  return cli_open(c);
}

int cli_open(cli *c) {
  shoal_error err = {0};
  if (shoal_session_open(&c->session, &c->s, &err) < 0)
    return cli_fail(c, &err);
  if (c->s->root && chdir(c->s->root)) { /* paths in SQL are relative to the project */
    perror(c->s->root);
    return EXIT_ERROR;
  }
  return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prompt of `shoal sql`: lines are edited by libedit, which is loaded when the prompt begins so that no other verb
 * pays for it; where it is not installed, lines are read as the terminal gives them. A statement ends with ';'. Ctrl-C
 * drops what is being typed or cancels what is running, and no error ends the prompt.
 */
#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/map.h"
#include "base/os.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/commands.h"
#include "engine/lexer.h"

#define HISTORY_SIZE 1000 /* statements */
#define MOST_LISTED 60    /* of what a word can become */

typedef struct editor {
  void *library;
  EditLine *(*init)(const char *, FILE *, FILE *, FILE *);
  void (*end)(EditLine *);
  int (*set)(EditLine *, int, ...);
  const char *(*gets)(EditLine *, int *);
  const LineInfo *(*line)(EditLine *);
  int (*insert)(EditLine *, const char *);
  History *(*history_init)(void);
  int (*history)(History *, HistEvent *, int, ...);
  void (*history_end)(History *);
} editor;

typedef SHOAL_VEC(shoal_str) words;

typedef struct prompt {
  cli *c;
  editor e;
  EditLine *el;
  History *history;
  char *history_path;
  shoal_buf statement; /* lines that have no ';' yet */
  bool dropped;        /* Ctrl-C came while a line was typed */
  shoal_state *state;  /* what names are completed from */
  shoal_map columns;   /* datasets whose columns are in `column_names` */
  words column_names;
} prompt;

static shoal_str line_of(const LineInfo *l) { return shoal_str_n(l->buffer, (size_t)(l->lastchar - l->buffer)); }

/* Ctrl-C arrives as a signal; it must end a read rather than be swallowed by it. */
static void on_interrupt(int sig) {
  (void)sig;
  atomic_store(&cli_cancel.requested, 1);
}

static void catch_interrupt(void) {
  struct sigaction sa = {.sa_handler = on_interrupt};
  sigemptyset(&sa.sa_mask);
  sigaction(SIGINT, &sa, NULL);
}

/* --- what a word can become --- */

static bool in_word(char ch) {
  return ch == '_' || ch == '.' || (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z');
}

static bool begins(shoal_str name, shoal_str word) {
  return name.len >= word.len && shoal_str_ieq(shoal_str_sub(name, 0, word.len), word);
}

static void add_word(words *out, shoal_str name, shoal_str typed) {
  if (!begins(name, typed))
    return;
  for (size_t i = 0; i < out->len; i++)
    if (shoal_str_eq(out->ptr[i], name))
      return;
  shoal_str *slot = shoal_vec_add(out);
  if (slot)
    *slot = name;
}

/* Remembers the columns of a dataset, once. Completion must not fail, so what can't be read gives none. */
static void learn_columns(prompt *p, const shoal_entry *e) {
  shoal_delta_snapshot *s = NULL;
  shoal_error ignored;
  if (shoal_map_get(&p->columns, e->name) != SHOAL_MAP_NONE || shoal_map_put(&p->columns, e->name, 1, &ignored) < 0 ||
      shoal_result_open(p->c->s->lake, &e->result, &s, &ignored) < 0)
    return;
  const shoal_schema *schema = &shoal_delta_snapshot_metadata(s)->schema;
  for (size_t i = 0; i < schema->n_fields; i++) {
    shoal_str name = shoal_arena_str(&p->c->arena, schema->fields[i].name), *slot = NULL;
    if (name.ptr && (slot = shoal_vec_add(&p->column_names)))
      *slot = name;
  }
  shoal_delta_snapshot_free(s);
}

/* Learns the columns of every dataset that a text names. */
static void learn_from(prompt *p, shoal_str text) {
  for (size_t i = 0; i < text.len;) {
    size_t from = i;
    while (i < text.len && in_word(text.ptr[i]))
      i++;
    const shoal_entry *e = i > from ? shoal_state_find(p->state, shoal_str_sub(text, from, i)) : NULL;
    if (e)
      learn_columns(p, e);
    i += i == from;
  }
}

static void find_words(prompt *p, shoal_str text, shoal_str typed, words *out) {
  static const char *const keywords[] = {"select", "from",   "where",   "group by", "order by", "limit",   "join",
                                         "using",  "having", "union",   "with",     "distinct", "between", "case",
                                         "when",   "then",   "qualify", "window",   ".help",    ".quit",   ".tables"};
  for (size_t i = 0; i < p->state->n_entries; i++)
    add_word(out, p->state->entries[i].name, typed);
  for (size_t i = 0; i < p->c->s->config.n_sources; i++)
    add_word(out, p->c->s->config.sources[i].name, typed);
  learn_from(p, text);
  learn_from(p, shoal_buf_str(&p->statement));
  for (size_t i = 0; i < p->column_names.len; i++)
    add_word(out, p->column_names.ptr[i], typed);
  for (size_t i = 0; typed.len && i < sizeof keywords / sizeof *keywords; i++)
    add_word(out, shoal_str_z(keywords[i]), typed);
}

static size_t common(const words *w) {
  size_t n = w->ptr[0].len;
  for (size_t i = 1; i < w->len; i++)
    while (n && !begins(w->ptr[i], shoal_str_sub(w->ptr[0], 0, n)))
      n--;
  return n;
}

static void list_words(const words *w) {
  int column = 0, width = cli_width();
  putchar('\n');
  for (size_t i = 0; i < w->len && i < MOST_LISTED; i++) {
    int n = cli_text_width(w->ptr[i]) + 2;
    if (column && column + n > width) {
      putchar('\n');
      column = 0;
    }
    printf("%.*s  ", SHOAL_FMT(w->ptr[i]));
    column += n;
  }
  puts(w->len > MOST_LISTED ? "…" : "");
  fflush(stdout);
}

static prompt *the_prompt; /* libedit's callbacks have no argument of ours; there is one prompt in a process */

/* Tab: makes the word before the cursor as long as it can only become, else shows what it can become. */
static unsigned char on_tab(EditLine *el, int ch) {
  prompt *p = the_prompt;
  const LineInfo *l = p->e.line(el);
  const char *from = l->cursor;
  words found = {0};
  (void)ch;
  while (from > l->buffer && in_word(from[-1]))
    from--;
  shoal_str typed = shoal_str_n(from, (size_t)(l->cursor - from));
  find_words(p, line_of(l), typed, &found);
  ptrdiff_t dot = shoal_str_rchr(typed, '.');
  if (found.len == 0 && dot >= 0) { /* alias.column */
    typed = shoal_str_sub(typed, (size_t)dot + 1, typed.len);
    for (size_t i = 0; i < p->column_names.len; i++)
      add_word(&found, p->column_names.ptr[i], typed);
  }
  unsigned char what = CC_ERROR;
  size_t n = found.len ? common(&found) : 0;
  if (n > typed.len || (found.len == 1 && n == typed.len)) {
    char *rest = shoal_arena_printf(&p->c->arena, "%.*s%s", (int)(n - typed.len), found.ptr[0].ptr + typed.len,
                                    found.len == 1 ? " " : "");
    what = rest && p->e.insert(el, rest) == 0 ? CC_REFRESH : CC_ERROR;
  } else if (found.len > 1) {
    list_words(&found);
    what = CC_REDISPLAY;
  }
  shoal_vec_dispose(&found);
  return what;
}

/* --- lines --- */

/* Ctrl-C while typing: the statement is dropped. */
static unsigned char on_drop(EditLine *el, int ch) {
  (void)el;
  (void)ch;
  the_prompt->dropped = true;
  fputs("^C", stdout);
  fflush(stdout);
  return CC_NEWLINE;
}

static const char *text_of_prompt(EditLine *el) {
  (void)el;
  return the_prompt->statement.len ? "   ...> " : "shoal> ";
}

/* One character of the terminal, in the encoding of its locale. The prompt is shown a moment before the terminal passes
   keys on as they are: a Ctrl-C of that moment has come as a signal already, and a Ctrl-D then reads as NUL. */
static int read_char(EditLine *el, wchar_t *out) {
  mbstate_t state = {0};
  for (;;) {
    char byte;
    if (atomic_exchange(&cli_cancel.requested, 0)) {
      *out = 3;
      return 1;
    }
    ssize_t n = read(0, &byte, 1);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return (int)n;
    if (byte == '\0' && line_of(the_prompt->e.line(el)).len == 0)
      return 0;
    size_t used = mbrtowc(out, &byte, 1, &state);
    if (used == (size_t)-1) { /* not of the encoding: taken as it is */
      *out = (wchar_t)(unsigned char)byte;
      return 1;
    }
    if (used != (size_t)-2)
      return 1;
  }
}

static bool load_editor(editor *e) {
  static const char *const names[] = {"libedit.so.2", "libedit.so.0", "libedit.so", "libedit.dylib"};
  for (size_t i = 0; !e->library && i < sizeof names / sizeof *names; i++)
    e->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!e->library)
    return false;
  const struct {
    const char *name;
    void *slot;
  } symbols[] = {{"el_init", &e->init},
                 {"el_end", &e->end},
                 {"el_set", &e->set},
                 {"el_gets", &e->gets},
                 {"el_line", &e->line},
                 {"el_insertstr", &e->insert},
                 {"history_init", &e->history_init},
                 {"history", &e->history},
                 {"history_end", &e->history_end}};
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    void *address = dlsym(e->library, symbols[i].name);
    if (!address)
      return false;
    memcpy(symbols[i].slot, &address, sizeof address);
  }
  return true;
}

/* ${XDG_STATE_HOME:-~/.local/state}/shoal/sql_history */
static char *history_path(cli *c) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  char *folder = state && *state ? shoal_arena_printf(&c->arena, "%s/shoal", state)
                 : home && *home ? shoal_arena_printf(&c->arena, "%s/.local/state/shoal", home)
                                 : NULL;
  if (!folder || shoal_os_mkdirs(folder, false, NULL) < 0)
    return NULL; /* the history then ends with the prompt */
  return shoal_arena_printf(&c->arena, "%s/sql_history", folder);
}

static void begin_editing(prompt *p) {
  HistEvent event;
  setlocale(LC_CTYPE, "");
  if (!load_editor(&p->e) || !(p->el = p->e.init("shoal", stdin, stdout, stderr)))
    return;
  p->e.set(p->el, EL_PROMPT, text_of_prompt);
  p->e.set(p->el, EL_EDITOR, "emacs");
  p->e.set(p->el, EL_GETCFN, read_char);
  p->e.set(p->el, EL_ADDFN, "shoal-complete", "complete a name", on_tab);
  p->e.set(p->el, EL_ADDFN, "shoal-drop", "drop the statement", on_drop);
  p->e.set(p->el, EL_BIND, "\t", "shoal-complete", NULL);
  p->e.set(p->el, EL_BIND, "^C", "shoal-drop", NULL);
  p->e.set(p->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  p->history = p->e.history_init();
  if (!p->history)
    return;
  p->e.history(p->history, &event, H_SETSIZE, HISTORY_SIZE);
  p->e.history(p->history, &event, H_SETUNIQUE, 1);
  p->e.set(p->el, EL_HIST, p->e.history, p->history);
  p->history_path = history_path(p->c);
  if (p->history_path)
    p->e.history(p->history, &event, H_LOAD, p->history_path);
}

static void end_editing(prompt *p) {
  HistEvent event;
  if (p->history && p->history_path)
    p->e.history(p->history, &event, H_SAVE, p->history_path);
  if (p->history)
    p->e.history_end(p->history);
  if (p->el)
    p->e.end(p->el);
  if (p->e.library)
    dlclose(p->e.library);
}

static void remember(prompt *p, shoal_str statement) {
  HistEvent event;
  char *line = shoal_arena_cstr(&p->c->arena, statement);
  if (!line || !p->history)
    return;
  for (char *ch = line; *ch; ch++)
    if (*ch == '\n')
      *ch = ' ';
  p->e.history(p->history, &event, H_ENTER, line);
}

/* The next line, without its end, in *line (of the arena); false at the end of the input. */
static bool read_line(prompt *p, shoal_str *line) {
  int n = 0;
  char *own = NULL;
  size_t cap = 0;
  const char *text;
  if (p->el) {
    text = p->e.gets(p->el, &n);
  } else {
    fputs(text_of_prompt(NULL), stdout);
    fflush(stdout);
    n = (int)getline(&own, &cap, stdin);
    text = n > 0 ? own : NULL;
    p->dropped = n < 0 && atomic_exchange(&cli_cancel.requested, 0);
    if (p->dropped) {
      clearerr(stdin);
      text = "";
      n = 0;
      putchar('\n');
    }
  }
  bool got = p->dropped || (text != NULL && n > 0);
  if (p->dropped) /* what was typed does not count */
    *line = SHOAL_STR("");
  else if (got)
    *line = shoal_arena_str(&p->c->arena, shoal_str_n(text, n > 0 && text[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n));
  free(own);
  return got && line->ptr;
}

/* --- statements --- */

static void refresh_state(prompt *p) {
  shoal_error err = {0};
  shoal_state *now = NULL;
  const char *at = cli_value(p->c, "at");
  if (shoal_session_revision(p->c->s, shoal_str_z(at ? at : ""), &now, &err) < 0)
    return; /* the query itself will tell */
  shoal_state_free(p->state);
  p->state = now;
}

static void run_statement(prompt *p, shoal_str sql) {
  shoal_error err = {0};
  if (shoal_str_trim(sql).len == 0)
    return;
  if (cli_sql(p->c, sql, NULL, &err) < 0)
    (void)cli_fail(p->c, &err);
  atomic_store(&cli_cancel.requested, 0); /* it was for this statement */
  fflush(stdout);
}

/* Runs what ends with ';' and keeps the rest. */
static void run_finished(prompt *p) {
  shoal_str all = shoal_arena_str(&p->c->arena, shoal_buf_str(&p->statement));
  shoal_lexer lexer = {.sql = all};
  shoal_token token;
  size_t from = 0;
  while (all.ptr && shoal_lexer_next(&lexer, &token))
    if (token.kind == SHOAL_TOKEN_SYMBOL && token.text.len == 1 && token.text.ptr[0] == ';') {
      shoal_str one = shoal_str_sub(all, from, token.offset);
      from = token.offset + 1;
      remember(p, shoal_str_trim(shoal_str_sub(all, from - 1 - one.len, from)));
      refresh_state(p);
      run_statement(p, one);
    }
  shoal_str rest = shoal_str_sub(all, from, all.len);
  shoal_buf_clear(&p->statement);
  if (shoal_str_trim(rest).len) {
    shoal_buf_add(&p->statement, rest);
    shoal_buf_addc(&p->statement, '\n');
  }
}

/* False for .quit. */
static bool run_command(prompt *p, shoal_str line) {
  remember(p, line);
  if (shoal_str_is(line, ".quit") || shoal_str_is(line, ".exit"))
    return false;
  if (shoal_str_is(line, ".tables")) {
    refresh_state(p);
    for (size_t i = 0; i < p->state->n_entries; i++)
      printf("%.*s\n", SHOAL_FMT(p->state->entries[i].name));
  } else if (shoal_str_is(line, ".help")) {
    puts("SQL over datasets by name; a statement ends with ';'. Tab completes datasets and columns.\n"
         "  from gold.delays at (version => 3);   a dataset as it was; shoal log shows the publications\n"
         "  .tables   the datasets\n"
         "  .quit     the end (or Ctrl-D)\n"
         "Ctrl-C drops what is typed, or cancels what runs.");
  } else {
    fprintf(stderr, "error: '%.*s' is no command: .help, .tables or .quit\n", SHOAL_FMT(line));
  }
  return true;
}

static void loop(prompt *p) {
  shoal_str line;
  while (read_line(p, &line)) {
    shoal_str text = shoal_str_trim(line);
    atomic_store(&cli_cancel.requested, 0);
    if (p->dropped) {
      p->dropped = false;
      shoal_buf_clear(&p->statement);
    } else if (p->statement.len == 0 && shoal_str_starts(text, SHOAL_STR("."))) {
      if (!run_command(p, text))
        return;
    } else if (p->statement.len || text.len) {
      shoal_buf_add(&p->statement, line);
      shoal_buf_addc(&p->statement, '\n');
      run_finished(p);
    }
  }
  putchar('\n');
}

int cli_prompt(cli *c) {
  prompt p = {.c = c};
  shoal_error err = {0};
  const char *at = cli_value(c, "at");
  if (shoal_session_revision(c->s, shoal_str_z(at ? at : ""), &p.state, &err) < 0)
    return cli_fail(c, &err);
  the_prompt = &p;
  catch_interrupt();
  begin_editing(&p);
  if (!c->quiet)
    printf("shoal " SHOAL_VERSION ", %zu datasets on %.*s; .help helps, .quit ends\n", p.state->n_entries,
           SHOAL_FMT(p.state->branch));
  fflush(stdout);
  loop(&p);
  end_editing(&p);
  the_prompt = NULL;
  shoal_map_dispose(&p.columns);
  shoal_vec_dispose(&p.column_names);
  shoal_buf_dispose(&p.statement);
  shoal_state_free(p.state);
  return EXIT_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Splits header and SQL, reads the header's keys, derives the dataset's name from the path. */
#include "code/model.h"

#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"
#include "base/yaml.h"
#include "code/project.h"

#define MODELS "models/"

typedef struct reader {
  const char *path;
  shoal_arena *arena;
  shoal_model *m;
} reader;

static int count_lines(shoal_str s) {
  int n = 0;
  for (size_t i = 0; i < s.len; i++)
    n += s.ptr[i] == '\n';
  return n;
}

/* Finds the header: the first comment of the file, if its first word is shoal. */
static shoal_status split_header(shoal_str path, shoal_str text, shoal_str *header, int *header_line, shoal_str *sql,
                                 int *sql_line, shoal_error *err) {
  *header = SHOAL_STR_NONE;
  *sql = text;
  *sql_line = 1;
  if (shoal_str_starts(text, SHOAL_STR("\xef\xbb\xbf")))
    *sql = text = shoal_str_sub(text, 3, text.len);
  shoal_str body = shoal_str_trim(text);
  if (!shoal_str_starts(body, SHOAL_STR("/*")))
    return SHOAL_OK;
  shoal_str inside = shoal_str_sub(body, 2, body.len), word = shoal_str_trim(inside);
  if (!shoal_str_starts(word, SHOAL_STR("shoal")) || (word.len > 5 && !memchr(" \t\r\n*:", word.ptr[5], 6)))
    return SHOAL_OK;
  ptrdiff_t end = shoal_str_find(inside, SHOAL_STR("*/"));
  int line = 1 + count_lines(shoal_str_n(text.ptr, (size_t)(word.ptr - text.ptr)));
  if (end < 0) {
    shoal_status status =
        shoal_fail(err, SHOAL_EINVAL, "%.*s:%d: the header is not closed by */", SHOAL_FMT(path), line);
    shoal_error_at(err, path.ptr, line, 1, 2);
    return status;
  }
  *header_line = line;
  *header = shoal_str_n(word.ptr + 5, (size_t)(inside.ptr + end - (word.ptr + 5)));
  const char *after = inside.ptr + end + 2;
  *sql = shoal_str_n(after, (size_t)(text.ptr + text.len - after));
  *sql_line = 1 + count_lines(shoal_str_n(text.ptr, (size_t)(after - text.ptr)));
  return SHOAL_OK;
}

/* One text or a list of texts. */
static shoal_status read_names(reader *r, const shoal_yaml *node, const char *what, shoal_str **out, size_t *n,
                               shoal_error *err) {
  bool list = node->kind == SHOAL_YAML_LIST;
  if (node->kind == SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "%s must be a name or a list of names", what);
  *n = list ? node->n : 1;
  *out = SHOAL_NEW_ARRAY(r->arena, shoal_str, *n);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++) {
    const shoal_yaml *item = list ? node->items[i] : node;
    if (item->kind != SHOAL_YAML_SCALAR || item->text.len == 0)
      return shoal_yaml_fail(item, r->path, err, "%s must be a list of names", what);
    (*out)[i] = item->text;
  }
  return SHOAL_OK;
}

static shoal_status read_text(reader *r, const shoal_yaml *node, const char *what, shoal_str *out, shoal_error *err) {
  if (node->kind != SHOAL_YAML_SCALAR)
    return shoal_yaml_fail(node, r->path, err, "%s must be one text", what);
  *out = node->text;
  return SHOAL_OK;
}

typedef SHOAL_VEC(shoal_expect) expect_vec;

static shoal_status add_expect(reader *r, shoal_expect_kind kind, const shoal_yaml *node, bool warn, expect_vec *out,
                               shoal_error *err) {
  shoal_str text = node->text;
  if (node->kind == SHOAL_YAML_LIST) { /* columns: joined by ',' */
    shoal_buf b = {0};
    for (size_t i = 0; i < node->n; i++) {
      if (node->items[i]->kind != SHOAL_YAML_SCALAR) {
        shoal_buf_dispose(&b);
        return shoal_yaml_fail(node->items[i], r->path, err, "a column's name must stand here");
      }
      shoal_buf_addf(&b, "%s%.*s", i ? "," : "", SHOAL_FMT(node->items[i]->text));
    }
    text = shoal_arena_str(r->arena, shoal_buf_str(&b));
    shoal_buf_dispose(&b);
    if (!text.ptr)
      return shoal_fail_nomem(err);
  } else if (node->kind != SHOAL_YAML_SCALAR) {
    return shoal_yaml_fail(node, r->path, err, "an expectation is a text or a list of columns");
  }
  if (shoal_str_trim(text).len == 0)
    return shoal_yaml_fail(node, r->path, err, "the expectation is empty");
  shoal_expect *e = shoal_vec_add(out);
  if (!e)
    return shoal_fail_nomem(err);
  *e = (shoal_expect){kind, text, warn, node->line};
  return SHOAL_OK;
}

/* One item of expect: a condition, or a map of one kind and perhaps a severity. */
static shoal_status read_expect(reader *r, const shoal_yaml *node, expect_vec *out, shoal_error *err) {
  static const char *const known[] = {"unique", "not_null", "rows", "check", "severity", NULL};
  static const struct {
    const char *key;
    shoal_expect_kind kind;
  } kinds[] = {{"unique", SHOAL_EXPECT_UNIQUE},
               {"not_null", SHOAL_EXPECT_NOT_NULL},
               {"rows", SHOAL_EXPECT_ROWS},
               {"check", SHOAL_EXPECT_TRUE}};
  if (node->kind == SHOAL_YAML_SCALAR)
    return add_expect(r, SHOAL_EXPECT_TRUE, node, false, out, err);
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "an expectation is a SQL condition, unique, not_null or rows");
  SHOAL_TRY(shoal_yaml_known(node, r->path, "expect", known, err));
  const shoal_yaml *severity = shoal_yaml_get(node, "severity");
  bool warn = severity && shoal_str_is(severity->text, "warn");
  if (severity && !warn && !shoal_str_is(severity->text, "hold"))
    return shoal_yaml_fail(severity, r->path, err, "severity is warn or hold");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const shoal_yaml *v = shoal_yaml_get(node, kinds[i].key);
    if (v)
      SHOAL_TRY(add_expect(r, kinds[i].kind, v, warn, out, err));
  }
  return SHOAL_OK;
}

static shoal_status read_expects(reader *r, const shoal_yaml *node, shoal_error *err) {
  expect_vec found = {0};
  shoal_status status = SHOAL_OK;
  if (node->kind == SHOAL_YAML_LIST)
    for (size_t i = 0; i < node->n && status >= 0; i++)
      status = read_expect(r, node->items[i], &found, err);
  else
    status = read_expect(r, node, &found, err);
  r->m->n_expects = found.len;
  r->m->expects = SHOAL_NEW_ARRAY(r->arena, shoal_expect, found.len);
  if (status >= 0 && !r->m->expects)
    status = shoal_fail_nomem(err);
  if (status >= 0 && found.len)
    memcpy(r->m->expects, found.ptr, found.len * sizeof *found.ptr);
  shoal_vec_dispose(&found);
  return status;
}

static shoal_status read_columns(reader *r, const shoal_yaml *node, shoal_error *err) {
  if (node->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(node, r->path, err, "columns must be a map of names and descriptions");
  r->m->columns = SHOAL_NEW_ARRAY(r->arena, shoal_column_doc, node->n);
  if (!r->m->columns)
    return shoal_fail_nomem(err);
  r->m->n_columns = node->n;
  for (size_t i = 0; i < node->n; i++) {
    r->m->columns[i].name = node->keys[i];
    SHOAL_TRY(read_text(r, node->items[i], "a column's description", &r->m->columns[i].description, err));
  }
  return SHOAL_OK;
}

static shoal_status read_lists(reader *r, const shoal_yaml *root, shoal_error *err) {
  shoal_model *m = r->m;
  const shoal_yaml *node;
  if ((node = shoal_yaml_get(root, "partition_by")))
    SHOAL_TRY(read_names(r, node, "partition_by", &m->partition_by, &m->n_partition_by, err));
  if ((node = shoal_yaml_get(root, "cluster_by")))
    SHOAL_TRY(read_names(r, node, "cluster_by", &m->cluster_by, &m->n_cluster_by, err));
  if ((node = shoal_yaml_get(root, "tags")))
    SHOAL_TRY(read_names(r, node, "tags", &m->tags, &m->n_tags, err));
  if ((node = shoal_yaml_get(root, "columns")))
    SHOAL_TRY(read_columns(r, node, err));
  if ((node = shoal_yaml_get(root, "expect")))
    SHOAL_TRY(read_expects(r, node, err));
  return SHOAL_OK;
}

static shoal_status read_header(reader *r, shoal_str header, int line, shoal_error *err) {
  static const char *const known[] = {"description", "columns", "partition_by", "cluster_by", "tags", "owner",
                                      "expect",      "keep",    "name",         "was",        NULL};
  shoal_yaml *root;
  shoal_model *m = r->m;
  SHOAL_TRY(shoal_yaml_parse(header, r->path, line, r->arena, &root, err));
  if (!root)
    return SHOAL_OK;
  if (root->kind != SHOAL_YAML_MAP)
    return shoal_yaml_fail(root, r->path, err, "the header must be a map of settings");
  if (shoal_yaml_get(root, "incremental"))
    return shoal_yaml_fail(shoal_yaml_get(root, "incremental"), r->path, err,
                           "incremental models are not available yet");
  SHOAL_TRY(shoal_yaml_known(root, r->path, "the header", known, err));
  const struct {
    const char *key;
    shoal_str *to;
  } texts[] = {
      {"description", &m->description}, {"owner", &m->owner}, {"was", &m->was}, {"keep", &m->keep}, {"name", &m->name}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const shoal_yaml *node = shoal_yaml_get(root, texts[i].key);
    if (node)
      SHOAL_TRY(read_text(r, node, texts[i].key, texts[i].to, err));
    if (node && texts[i].to == &m->name && !shoal_dataset_name_ok(m->name))
      return shoal_yaml_fail(node, r->path, err, "'%.*s' is no dataset name: write schema.name in lower case",
                             SHOAL_FMT(m->name));
  }
  return read_lists(r, root, err);
}

shoal_status shoal_model_decorate(shoal_str text, shoal_str path, int line, shoal_arena *arena, shoal_model *out,
                                  shoal_error *err) {
  static const char *const known[] = {"partition_by", "cluster_by", "expect", NULL};
  char *at = shoal_arena_cstr(arena, path);
  shoal_yaml *root;
  if (!at)
    return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_yaml_parse(text, at, line, arena, &root, err)); /* JSON is YAML */
  if (!root || root->kind != SHOAL_YAML_MAP)
    return shoal_fail(err, SHOAL_EINVAL, "%s:%d: what the decorator says must be a map", at, line);
  SHOAL_TRY(shoal_yaml_known(root, at, "data_function", known, err));
  reader r = {.path = at, .arena = arena, .m = out};
  return read_lists(&r, root, err);
}

shoal_status shoal_model_object(const shoal_model *m, shoal_str type, shoal_error *err) {
  const char *what = m->n_expects        ? "expect"
                     : m->n_partition_by ? "partition_by"
                     : m->n_cluster_by   ? "cluster_by"
                                         : NULL;
  if (!what)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EINVAL, "the result (%.*s) is no table, so %s means nothing", SHOAL_FMT(type), what);
  shoal_hint(err, "return a table, or take %s out of the decorator", what);
  return SHOAL_EINVAL;
}

static shoal_status bad_path(shoal_str path, shoal_error *err, const char *why, const char *hint) {
  shoal_status status = shoal_fail(err, SHOAL_EINVAL, "%.*s: %s", SHOAL_FMT(path), why);
  shoal_hint(err, "%s", hint);
  shoal_error_at(err, path.ptr, 1, 1, 0);
  return status;
}

static shoal_status name_from_path(shoal_str path, shoal_arena *arena, shoal_str *out, shoal_error *err) {
  shoal_str rest = shoal_str_sub(path, sizeof MODELS - 1, path.len - 4);
  shoal_str schema = SHOAL_STR("main");
  ptrdiff_t slash = shoal_str_chr(rest, '/');
  if (slash >= 0) {
    schema = shoal_str_sub(rest, 0, (size_t)slash);
    rest = shoal_str_sub(rest, (size_t)slash + 1, rest.len);
  }
  if (shoal_str_chr(rest, '/') >= 0)
    return bad_path(path, err, "lies deeper than models/<schema>/",
                    "give it a name in its header: /* shoal\\nname: schema.name */");
  char *name = shoal_arena_printf(arena, "%.*s.%.*s", SHOAL_FMT(schema), SHOAL_FMT(rest));
  if (!name)
    return shoal_fail_nomem(err);
  *out = shoal_str_z(name);
  if (!shoal_dataset_name_ok(*out))
    return bad_path(
        path, err, "makes no dataset name",
        "use lower case letters, digits and _ for the folder and the file, or give it a name: in its header");
  return SHOAL_OK;
}

shoal_status shoal_model_parse(shoal_str path, shoal_str text, shoal_arena *arena, shoal_model *out, shoal_error *err) {
  *out = (shoal_model){0};
  out->path = shoal_arena_str(arena, path);
  if (!out->path.ptr)
    return shoal_fail_nomem(err);
  if (text.len > SHOAL_MAX_SQL_BYTES)
    return bad_path(out->path, err, "larger than 1 MiB", "a model is one SELECT; put data into a source");
  if (!shoal_str_utf8(text))
    return bad_path(out->path, err, "not valid UTF-8", "save the file as UTF-8");
  reader r = {.path = out->path.ptr, .arena = arena, .m = out};
  shoal_str header;
  int header_line = 1;
  SHOAL_TRY(split_header(out->path, text, &header, &header_line, &out->sql, &out->first_line, err));
  if (header.ptr)
    SHOAL_TRY(read_header(&r, header, header_line, err));
  if (shoal_str_trim(out->sql).len == 0)
    return bad_path(out->path, err, "there is no SELECT in it", "write one SELECT statement behind the header");
  return out->name.ptr ? SHOAL_OK : name_from_path(out->path, arena, &out->name, err);
}

void shoal_model_place(const shoal_model *m, int64_t position, int *line, int *column) {
  *line = m->first_line;
  *column = 1;
  for (int64_t i = 0; i < position && i < (int64_t)m->sql.len; i++) {
    (*column)++;
    if (m->sql.ptr[i] == '\n') {
      ++*line;
      *column = 1;
    }
  }
}

void shoal_model_place_error(const shoal_model *m, shoal_error *err) {
  int line = 0, column = 0;
  if (!err || err->path[0])
    return;
  if (err->position > 0)
    shoal_model_place(m, err->position - 1, &line, &column);
  shoal_error_at(err, m->path.ptr, line, column, err->length);
}

shoal_hash shoal_layout_hash(const shoal_model *m) {
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/layout");
  shoal_hasher_list(&h, m->n_partition_by);
  for (size_t i = 0; i < m->n_partition_by; i++)
    shoal_hasher_str(&h, m->partition_by[i]);
  shoal_hasher_list(&h, m->n_cluster_by);
  for (size_t i = 0; i < m->n_cluster_by; i++)
    shoal_hasher_str(&h, m->cluster_by[i]);
  return shoal_hasher_end(&h);
}

shoal_hash shoal_expects_hash(const shoal_model *m) {
  if (m->n_expects == 0)
    return (shoal_hash){{0}};
  shoal_hasher h;
  shoal_hasher_init(&h, "shoal/1/expect");
  for (size_t i = 0; i < m->n_expects; i++) {
    shoal_hasher_u64(&h, m->expects[i].kind);
    shoal_hasher_str(&h, m->expects[i].text);
    shoal_hasher_u64(&h, m->expects[i].warn);
  }
  return shoal_hasher_end(&h);
}

static void add_columns(shoal_buf *out, shoal_str names, const char *between, const char *after) {
  shoal_str piece;
  for (int i = 0; shoal_str_split(&names, ',', &piece); i++) {
    shoal_buf_addz(out, i ? between : "");
    shoal_buf_sql_ident(out, shoal_str_trim(piece));
    shoal_buf_addz(out, after);
  }
}

void shoal_expect_sql(const shoal_model *m, size_t i, shoal_buf *out) {
  const shoal_expect *e = &m->expects[i];
  switch (e->kind) {
  case SHOAL_EXPECT_TRUE:
    shoal_buf_addf(out, "SELECT count(*) FROM result WHERE (%.*s\n) IS DISTINCT FROM TRUE", SHOAL_FMT(e->text));
    break;
  case SHOAL_EXPECT_NOT_NULL:
    shoal_buf_addz(out, "SELECT count(*) FROM result WHERE ");
    add_columns(out, e->text, " OR ", " IS NULL");
    break;
  case SHOAL_EXPECT_UNIQUE:
    shoal_buf_addz(out, "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n FROM result GROUP BY ");
    add_columns(out, e->text, ", ", "");
    shoal_buf_addz(out, " HAVING count(*) > 1)");
    break;
  case SHOAL_EXPECT_ROWS:
    shoal_buf_addf(out, "SELECT CASE WHEN count(*) %.*s THEN 0 ELSE 1 END FROM result", SHOAL_FMT(e->text));
    break;
  }
}

void shoal_expect_rows(const shoal_expect *e, shoal_str dataset, shoal_buf *out) {
  shoal_str names = e->text, name;
  switch (e->kind) {
  case SHOAL_EXPECT_TRUE:
    shoal_buf_addf(out, "from %.*s where (%.*s) is not true", SHOAL_FMT(dataset), SHOAL_FMT(e->text));
    break;
  case SHOAL_EXPECT_NOT_NULL:
    shoal_buf_addf(out, "from %.*s where", SHOAL_FMT(dataset));
    for (int i = 0; shoal_str_split(&names, ',', &name); i++)
      shoal_buf_addf(out, "%s %.*s is null", i ? " or" : "", SHOAL_FMT(shoal_str_trim(name)));
    break;
  case SHOAL_EXPECT_UNIQUE:
    shoal_buf_addf(out, "select %.*s, count(*) from %.*s group by all having count(*) > 1", SHOAL_FMT(e->text),
                   SHOAL_FMT(dataset));
    break;
  case SHOAL_EXPECT_ROWS:
    break;
  }
}

void shoal_expect_text(const shoal_expect *e, shoal_buf *out) {
  static const char *const kinds[] = {"", "unique: ", "not_null: ", "rows: "};
  shoal_buf_addf(out, "%s%.*s", kinds[e->kind], SHOAL_FMT(e->text));
}

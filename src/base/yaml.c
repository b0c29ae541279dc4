/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the tree from libyaml's events by recursive descent, bounded by SHOAL_MAX_YAML_DEPTH. */
#include "base/yaml.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/vec.h"

typedef struct reader {
  yaml_parser_t parser;
  const char *path;
  int first_line;
  shoal_arena *arena;
} reader;

typedef SHOAL_VEC(shoal_yaml *) node_vec;
typedef struct key_place {
  shoal_str key;
  int line, column;
} key_place;
typedef SHOAL_VEC(key_place) key_vec;

static int line_of(const reader *r, yaml_mark_t m) { return m.line > INT_MAX / 2 ? 0 : (int)m.line + r->first_line; }
static int column_of(yaml_mark_t m) { return m.column > INT_MAX / 2 ? 0 : (int)m.column + 1; }

static shoal_status fail_at(reader *r, yaml_mark_t m, shoal_error *err, const char *what) {
  shoal_status status = shoal_fail(err, SHOAL_EINVAL, "%s:%d: %s", r->path, line_of(r, m), what);
  shoal_error_at(err, r->path, line_of(r, m), column_of(m), 1);
  return status;
}

static shoal_status next_event(reader *r, yaml_event_t *e, shoal_error *err) {
  if (yaml_parser_parse(&r->parser, e))
    return SHOAL_OK;
  if (r->parser.error == YAML_MEMORY_ERROR)
    return shoal_fail_nomem(err);
  char text[200];
  snprintf(text, sizeof text, "not valid YAML: %s", r->parser.problem ? r->parser.problem : "unreadable");
  return fail_at(r, r->parser.problem_mark, err, text);
}

static shoal_status build(reader *r, yaml_event_t *e, int depth, shoal_yaml **out, shoal_error *err);

static shoal_status build_scalar(reader *r, yaml_event_t *e, shoal_yaml *node, shoal_error *err) {
  if (e->data.scalar.anchor || e->data.scalar.tag)
    return fail_at(r, e->start_mark, err, "anchors and tags are not used here");
  node->text = shoal_arena_str(r->arena, shoal_str_n((const char *)e->data.scalar.value, e->data.scalar.length));
  node->quoted = e->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                 e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ||
                 e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE || e->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
  return node->text.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* Reads one key of a map (its event is *e). */
static shoal_status read_key(reader *r, const yaml_event_t *e, key_vec *keys, shoal_error *err) {
  if (e->type != YAML_SCALAR_EVENT)
    return fail_at(r, e->start_mark, err, "a key must be plain text");
  shoal_str key = shoal_str_n((const char *)e->data.scalar.value, e->data.scalar.length);
  for (size_t i = 0; i < keys->len; i++)
    if (shoal_str_eq(keys->ptr[i].key, key)) {
      char text[200];
      snprintf(text, sizeof text, "'%.*s' stands here for the second time (first in line %d)", SHOAL_FMT(key),
               keys->ptr[i].line);
      return fail_at(r, e->start_mark, err, text);
    }
  key_place *k = shoal_vec_add(keys);
  if (k)
    *k = (key_place){shoal_arena_str(r->arena, key), line_of(r, e->start_mark), column_of(e->start_mark)};
  return k && k->key.ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* Reads the items of a list or map up to its end event. */
static shoal_status read_items(reader *r, bool map, int depth, node_vec *items, key_vec *keys, shoal_error *err) {
  for (;;) {
    yaml_event_t e;
    SHOAL_TRY(next_event(r, &e, err));
    bool end = e.type == (map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT);
    shoal_status status = SHOAL_OK;
    if (!end && map) {
      status = read_key(r, &e, keys, err);
      yaml_event_delete(&e);
      if (status >= 0)
        status = next_event(r, &e, err);
      if (status < 0)
        return status;
    }
    shoal_yaml *item = NULL;
    if (!end)
      status = build(r, &e, depth + 1, &item, err);
    yaml_event_delete(&e);
    if (status < 0 || end)
      return status;
    shoal_yaml **slot = shoal_vec_add(items);
    if (!slot)
      return shoal_fail_nomem(err);
    *slot = item;
  }
}

static shoal_status keep_items(reader *r, shoal_yaml *node, const node_vec *items, const key_vec *keys,
                               shoal_error *err) {
  node->n = items->len;
  node->items = SHOAL_NEW_ARRAY(r->arena, shoal_yaml *, items->len);
  node->keys = SHOAL_NEW_ARRAY(r->arena, shoal_str, keys->len);
  node->key_lines = SHOAL_NEW_ARRAY(r->arena, int, keys->len);
  node->key_columns = SHOAL_NEW_ARRAY(r->arena, int, keys->len);
  if (!node->items || !node->keys || !node->key_lines || !node->key_columns)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < items->len; i++)
    node->items[i] = items->ptr[i];
  for (size_t i = 0; i < keys->len; i++) {
    node->keys[i] = keys->ptr[i].key;
    node->key_lines[i] = keys->ptr[i].line;
    node->key_columns[i] = keys->ptr[i].column;
  }
  return SHOAL_OK;
}

static shoal_status build(reader *r, yaml_event_t *e, int depth, shoal_yaml **out, shoal_error *err) {
  if (depth > SHOAL_MAX_YAML_DEPTH)
    return fail_at(r, e->start_mark, err, "nested too deeply");
  if (e->type == YAML_ALIAS_EVENT)
    return fail_at(r, e->start_mark, err, "aliases (*name) are not used here");
  shoal_yaml *node = SHOAL_NEW(r->arena, shoal_yaml);
  if (!node)
    return shoal_fail_nomem(err);
  node->line = line_of(r, e->start_mark);
  node->column = column_of(e->start_mark);
  *out = node;
  if (e->type == YAML_SCALAR_EVENT)
    return build_scalar(r, e, node, err);
  bool map = e->type == YAML_MAPPING_START_EVENT;
  node->kind = map ? SHOAL_YAML_MAP : SHOAL_YAML_LIST;
  if (map ? e->data.mapping_start.anchor || e->data.mapping_start.tag
          : e->data.sequence_start.anchor || e->data.sequence_start.tag)
    return fail_at(r, e->start_mark, err, "anchors and tags are not used here");
  node_vec items = {0};
  key_vec keys = {0};
  shoal_status status = read_items(r, map, depth, &items, &keys, err);
  if (status >= 0)
    status = keep_items(r, node, &items, &keys, err);
  shoal_vec_dispose(&items);
  shoal_vec_dispose(&keys);
  return status;
}

static shoal_status read_document(reader *r, shoal_yaml **out, shoal_error *err) {
  int documents = 0;
  for (;;) {
    yaml_event_t e;
    SHOAL_TRY(next_event(r, &e, err));
    shoal_status status = SHOAL_OK;
    bool end = e.type == YAML_STREAM_END_EVENT;
    if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
      status = fail_at(r, e.start_mark, err, "only one document may stand here");
    else if (e.type == YAML_SCALAR_EVENT || e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT ||
             e.type == YAML_ALIAS_EVENT)
      status = build(r, &e, 0, out, err);
    yaml_event_delete(&e);
    if (status < 0 || end)
      return status;
  }
}

shoal_status shoal_yaml_parse(shoal_str text, const char *path, int first_line, shoal_arena *arena, shoal_yaml **out,
                              shoal_error *err) {
  *out = NULL;
  if (text.len > SHOAL_MAX_YAML_BYTES)
    return shoal_fail(err, SHOAL_ELIMIT, "%s: larger than %u bytes", path, SHOAL_MAX_YAML_BYTES);
  reader r = {.path = path, .first_line = first_line, .arena = arena};
  if (!yaml_parser_initialize(&r.parser))
    return shoal_fail_nomem(err);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
  shoal_status status = read_document(&r, out, err);
  yaml_parser_delete(&r.parser);
  if (status < 0)
    *out = NULL;
  return status;
}

const shoal_yaml *shoal_yaml_get(const shoal_yaml *map, const char *key) {
  if (!map || map->kind != SHOAL_YAML_MAP)
    return NULL;
  for (size_t i = 0; i < map->n; i++)
    if (shoal_str_is(map->keys[i], key))
      return map->items[i];
  return NULL;
}

#define MAX_KNOWN 64

shoal_status shoal_yaml_known(const shoal_yaml *map, const char *path, const char *what, const char *const *known,
                              shoal_error *err) {
  shoal_str names[MAX_KNOWN];
  size_t n = 0;
  for (; known[n] && n < MAX_KNOWN; n++)
    names[n] = shoal_str_z(known[n]);
  for (size_t i = 0; map && map->kind == SHOAL_YAML_MAP && i < map->n; i++) {
    size_t j = 0;
    while (j < n && !shoal_str_eq(names[j], map->keys[i]))
      j++;
    if (j < n)
      continue;
    ptrdiff_t near = shoal_str_nearest(map->keys[i], names, n);
    shoal_status status = shoal_fail(err, SHOAL_EINVAL, "%s:%d: unknown key '%.*s' in %s", path, map->key_lines[i],
                                     SHOAL_FMT(map->keys[i]), what);
    if (near >= 0)
      shoal_hint(err, "did you mean '%.*s'?", SHOAL_FMT(names[near]));
    shoal_error_at(err, path, map->key_lines[i], map->key_columns[i], (int)map->keys[i].len);
    return status;
  }
  return SHOAL_OK;
}

shoal_status shoal_yaml_fail(const shoal_yaml *node, const char *path, shoal_error *err, const char *fmt, ...) {
  char text[600];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  shoal_status status = shoal_fail(err, SHOAL_EINVAL, "%s:%d: %s", path, node->line, text);
  shoal_error_at(err, path, node->line, node->column,
                 node->kind == SHOAL_YAML_SCALAR ? (int)(node->text.len & 0xffff) : 1);
  return status;
}

int shoal_yaml_bool(const shoal_yaml *node) {
  static const char *const yes[] = {"true", "yes", "on", "True"}, *const no[] = {"false", "no", "off", "False"};
  if (!node || node->kind != SHOAL_YAML_SCALAR || node->quoted)
    return -1;
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
    if (shoal_str_is(node->text, yes[i]))
      return 1;
    if (shoal_str_is(node->text, no[i]))
      return 0;
  }
  return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree with line and column of every node, over libyaml's events. Anchors, aliases, tags and several
 * documents are refused: configuration does not need them and they are how small files become large.
 */
#ifndef SHOAL_BASE_YAML_H
#define SHOAL_BASE_YAML_H

#include <stdbool.h>

#include "base/arena.h"
#include "shoal/error.h"
#include "shoal/str.h"

typedef enum shoal_yaml_kind { SHOAL_YAML_SCALAR, SHOAL_YAML_LIST, SHOAL_YAML_MAP } shoal_yaml_kind;
typedef struct shoal_yaml shoal_yaml;
struct shoal_yaml {
  shoal_yaml_kind kind;
  shoal_str text;     /* of a scalar */
  bool quoted;        /* the scalar was written in quotes (so "true" is text) */
  shoal_yaml **items; /* of a list; the values of a map */
  shoal_str *keys;    /* of a map, in file order */
  int *key_lines, *key_columns;
  size_t n;
  int line, column; /* 1-based */
};

/* An empty text is *out = NULL. `path` and `first_line` (1 for a whole file) place errors and nodes. */
SHOAL_MUST_USE shoal_status shoal_yaml_parse(shoal_str text, const char *path, int first_line, shoal_arena *arena,
                                             shoal_yaml **out, shoal_error *err);
/* The value under a key of a map, or NULL. */
const shoal_yaml *shoal_yaml_get(const shoal_yaml *map, const char *key);
/* Refuses keys of a map that are not among `known` (NULL-terminated), naming line and nearest key. */
SHOAL_MUST_USE shoal_status shoal_yaml_known(const shoal_yaml *map, const char *path, const char *what,
                                             const char *const *known, shoal_error *err);
/* SHOAL_EINVAL at a node: message with file and line. */
shoal_status shoal_yaml_fail(const shoal_yaml *node, const char *path, shoal_error *err, const char *fmt, ...)
    SHOAL_PRINTF(4, 5);
/* true, false, yes, no, on, off of an unquoted scalar; 1, 0, or -1 if it is none. */
int shoal_yaml_bool(const shoal_yaml *node);

#endif

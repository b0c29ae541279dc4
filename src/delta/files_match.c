/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files of a set may hold a row that satisfies a predicate, by the rules B1 to B5 of skip.c. A predicate is
 * compiled against the set (literals become numbers, values of partition columns get their answers once each), then
 * runs over blocks of files, so that what is between its nodes stays in the cache.
 */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "delta/delta_internal.h"
#include "delta/files.h"

#define BLOCK 1024
enum { HOLDS = 1, FAILS = 2, EITHER = 3 };

typedef enum test_kind { UNKNOWN, AND, OR, NOT, IS_NULL, NUMBER, TEXT, PARTITION } test_kind;
typedef struct test {
  test_kind kind;
  struct test *children;
  size_t n_children;
  shoal_predicate_kind op;
  const shoal_leaf *leaf;
  int64_t low, high; /* NUMBER: the literal lies from low (its floor) to high (its ceiling) */
  shoal_str text;
  const uint8_t *of_part;
} test;

/* ---- compiling ---- */

typedef struct compiler {
  const shoal_files *f;
  shoal_arena *arena;
  shoal_error *err;
} compiler;

/* The k-th of the siblings from a node on. */
static size_t sibling(const shoal_files *f, size_t node, size_t k) {
  while (k-- > 0)
    node = f->leaves[node].end;
  return node;
}

/* The node of a predicate's column; NULL: it can't be told. */
static const shoal_leaf *find_leaf(const shoal_files *f, const shoal_predicate *p) {
  if (p->column >= f->schema->n_fields)
    return NULL;
  size_t node = sibling(f, 0, p->column);
  for (size_t i = 0; i < p->n_below; i++) {
    const shoal_type *type = &f->leaves[node].field->type;
    const shoal_schema below = {type->fields, type->n_fields};
    ptrdiff_t at = f->leaves[node].is_struct ? shoal_schema_find(&below, p->below[i]) : -1;
    if (at < 0 || f->leaves[node].end == node + 1)
      return NULL;
    node = sibling(f, node + 1, (size_t)at);
  }
  return &f->leaves[node];
}

static ptrdiff_t partition_index(const shoal_files *f, size_t column) {
  for (size_t i = 0; i < f->n_partition_columns; i++)
    if (f->partition_columns[i] == column)
      return (ptrdiff_t)i;
  return -1;
}

static shoal_status compile_partition(const compiler *c, const shoal_predicate *p, size_t index, test *out) {
  size_t n = shoal_texts_len(&c->f->parts);
  uint8_t *answers = SHOAL_NEW_ARRAY(c->arena, uint8_t, n);
  shoal_str *values = SHOAL_NEW_ARRAY(c->arena, shoal_str, c->f->n_partition_columns);
  if (!answers || !values)
    return shoal_fail_nomem(c->err);
  const shoal_type *type = &c->f->schema->fields[p->column].type;
  for (size_t i = 0; i < n; i++)
    answers[i] = shoal_files_values(c->f, (uint32_t)i, values)
                     ? (uint8_t)shoal_delta_judge_value(type, values[index], p)
                     : EITHER;
  out->kind = PARTITION;
  out->of_part = answers;
  return SHOAL_OK;
}

/* Whether a literal may be compared with a column; what else is written the engine has cast in ways not known here. */
static bool fits(shoal_type_kind type, shoal_literal_kind literal) {
  switch (shoal_delta_bound_of(type)) {
  case SHOAL_BOUND_TEXT:
    return literal == SHOAL_LITERAL_STRING;
  case SHOAL_BOUND_DATE:
    return literal == SHOAL_LITERAL_DATE || literal == SHOAL_LITERAL_TIMESTAMP;
  case SHOAL_BOUND_TIME:
    return literal == (type == SHOAL_TYPE_TIMESTAMP ? SHOAL_LITERAL_TIMESTAMP_TZ : SHOAL_LITERAL_TIMESTAMP);
  case SHOAL_BOUND_WHOLE:
  case SHOAL_BOUND_DECIMAL:
  case SHOAL_BOUND_FLOAT:
    return literal == SHOAL_LITERAL_NUMBER;
  case SHOAL_BOUND_NONE:
    break;
  }
  return false;
}

/* One that is out of the column's range stands at its end: no value lies beyond. */
static bool read_literal(const shoal_type *type, const shoal_literal *literal, int64_t *low, int64_t *high) {
  shoal_literal_kind kind = literal->kind;
  shoal_str text = literal->text;
  bool exact, whole = shoal_delta_bound_of(type->kind) != SHOAL_BOUND_FLOAT;
  int sign;
  const shoal_type timestamp = {.kind = SHOAL_TYPE_TIMESTAMP_NTZ};
  if (shoal_leaf_number(kind == SHOAL_LITERAL_TIMESTAMP ? &timestamp : type, text, low, &exact) &&
      (exact || *low < INT64_MAX)) {
    *high = *low + !exact;
    return true;
  }
  if (!whole || !shoal_delta_compare_numbers(text, SHOAL_STR("0"), &sign))
    return false;
  *low = *high = sign < 0 ? INT64_MIN : INT64_MAX;
  return true;
}

static void compile_comparison(const shoal_predicate *p, test *out) {
  const shoal_leaf *l = out->leaf;
  if (!fits(l->field->type.kind, p->literal.kind))
    return;
  if (l->kind == SHOAL_LEAF_NUMBER) {
    if (read_literal(&l->field->type, &p->literal, &out->low, &out->high))
      out->kind = NUMBER;
  } else if (l->kind == SHOAL_LEAF_TEXT || l->kind == SHOAL_LEAF_DECIMAL) {
    out->text = p->literal.text;
    out->kind = TEXT;
  }
}

static shoal_status compile(const compiler *c, const shoal_predicate *p, test *out);

static shoal_status compile_children(const compiler *c, const shoal_predicate *p, test_kind kind, test *out) {
  out->children = SHOAL_NEW_ARRAY(c->arena, test, p->n_children);
  if (!out->children)
    return shoal_fail_nomem(c->err);
  out->kind = kind;
  out->n_children = p->n_children;
  for (size_t i = 0; i < p->n_children; i++)
    SHOAL_TRY(compile(c, &p->children[i], &out->children[i]));
  return SHOAL_OK;
}

static shoal_status compile_leaf(const compiler *c, const shoal_predicate *p, test *out) {
  ptrdiff_t partition = p->n_below ? -1 : partition_index(c->f, p->column);
  out->leaf = find_leaf(c->f, p);
  out->op = p->kind;
  if (!out->leaf)
    return SHOAL_OK;
  if (partition >= 0)
    return compile_partition(c, p, (size_t)partition, out);
  if (p->kind != SHOAL_PREDICATE_IS_NULL)
    compile_comparison(p, out);
  else if (out->leaf->field->type.kind != SHOAL_TYPE_VARIANT) /* whose own nulls are none to statistics */
    out->kind = IS_NULL;
  return SHOAL_OK;
}

static shoal_status compile(const compiler *c, const shoal_predicate *p, test *out) {
  *out = (test){.kind = UNKNOWN};
  switch (p->kind) {
  case SHOAL_PREDICATE_UNKNOWN:
    return SHOAL_OK;
  case SHOAL_PREDICATE_NOT:
    return p->n_children == 1 ? compile_children(c, p, NOT, out) : SHOAL_OK;
  case SHOAL_PREDICATE_AND:
    return compile_children(c, p, AND, out);
  case SHOAL_PREDICATE_OR:
    return compile_children(c, p, OR, out);
  case SHOAL_PREDICATE_IS_NULL:
  case SHOAL_PREDICATE_EQ:
  case SHOAL_PREDICATE_NE:
  case SHOAL_PREDICATE_LT:
  case SHOAL_PREDICATE_LE:
  case SHOAL_PREDICATE_GT:
  case SHOAL_PREDICATE_GE:
    break;
  }
  return compile_leaf(c, p, out);
}

/* ---- running: answers of files from … from + n into `out` ---- */

/* All rows are null: then no comparison is true or false. Counts of fields of structs may leave their structs out. */
static bool all_null(const shoal_files *f, const shoal_leaf *l, size_t i) {
  uint32_t nulls = shoal_counts_get(&l->nulls, i);
  return l->depth == 0 && nulls != SHOAL_FILES_UNKNOWN && nulls == shoal_counts_get(&f->rows, i);
}

static void run_null(const shoal_files *f, const shoal_leaf *l, size_t from, size_t n, uint8_t *out) {
  for (size_t i = 0; i < n; i++) {
    bool none = l->depth == 0 && shoal_counts_get(&l->nulls, from + i) == 0;
    out[i] = (uint8_t)((none ? 0 : HOLDS) | (all_null(f, l, from + i) ? 0 : FAILS));
  }
}

static void drop_null(const shoal_files *f, const shoal_leaf *l, size_t from, size_t n, uint8_t *out) {
  bool never = l->depth || (l->nulls.is_same && f->rows.is_same && !all_null(f, l, from));
  for (size_t i = 0; !never && i < n; i++)
    out[i] = all_null(f, l, from + i) ? 0 : out[i];
}

/* min > low: all rows are above; max < high: all below; min >= high: none below; max <= low: none above. */
#define RUN(HOLD, FAIL)                                                                                                \
  for (size_t i = 0; i < n; i++)                                                                                       \
  out[i] = (uint8_t)((HOLD ? HOLDS : 0) | (FAIL ? FAILS : 0))

static void run_number(const test *t, size_t from, size_t n, uint8_t *out) {
  int64_t highest[BLOCK];
  const int64_t *min = (const int64_t *)t->leaf->min.ptr + from, *max = highest;
  if (t->leaf->max.ptr)
    max = (const int64_t *)t->leaf->max.ptr + from;
  else
    for (size_t i = 0; i < n; i++)
      highest[i] = INT64_MAX;
  const int64_t low = t->low, high = t->high;
  switch (t->op) {
  case SHOAL_PREDICATE_EQ:
    RUN((min[i] <= low && max[i] >= high), true);
    break;
  case SHOAL_PREDICATE_NE:
    RUN(true, (min[i] <= low && max[i] >= high));
    break;
  case SHOAL_PREDICATE_LT:
    RUN(min[i] < high, max[i] >= high);
    break;
  case SHOAL_PREDICATE_GE:
    RUN(max[i] >= high, min[i] < high);
    break;
  case SHOAL_PREDICATE_GT:
    RUN(max[i] > low, min[i] <= low);
    break;
  case SHOAL_PREDICATE_LE:
    RUN(min[i] <= low, max[i] > low);
    break;
  case SHOAL_PREDICATE_UNKNOWN:
  case SHOAL_PREDICATE_AND:
  case SHOAL_PREDICATE_OR:
  case SHOAL_PREDICATE_NOT:
  case SHOAL_PREDICATE_IS_NULL:
    memset(out, EITHER, n);
    break;
  }
}

/* -1, 0, 1 as the bound stands to the literal; `otherwise` where there is none. */
static int compare_text(const shoal_files *f, const test *t, uint32_t at, int otherwise) {
  shoal_str bound = shoal_files_bound(f, at);
  int c = otherwise;
  if (bound.ptr && t->leaf->kind == SHOAL_LEAF_TEXT)
    c = shoal_str_cmp(bound, t->text);
  else if (bound.ptr && !shoal_delta_compare_numbers(bound, t->text, &c))
    c = otherwise;
  return c;
}

/* The same by texts, as if the literal were 0. */
static void run_text(const shoal_files *f, const test *t, size_t from, size_t n, uint8_t *out) {
  const uint32_t *mins = (const uint32_t *)t->leaf->min.ptr + from, *maxs = (const uint32_t *)t->leaf->max.ptr + from;
  int64_t min[BLOCK], max[BLOCK];
  const shoal_leaf numbers = {.min = {.ptr = min}, .max = {.ptr = max}};
  const test zero = {.kind = NUMBER, .op = t->op, .leaf = &numbers};
  for (size_t i = 0; i < n; i++) {
    min[i] = compare_text(f, t, mins[i], -1);
    max[i] = compare_text(f, t, maxs[i], 1);
  }
  run_number(&zero, 0, n, out);
}

static void run(const shoal_files *f, const test *t, size_t from, size_t n, uint8_t *out);

static void run_children(const shoal_files *f, const test *t, size_t from, size_t n, uint8_t *out) {
  uint8_t child[BLOCK];
  memset(out, t->kind == AND ? HOLDS : FAILS, n);
  for (size_t k = 0; k < t->n_children; k++) {
    run(f, &t->children[k], from, n, child);
    if (t->kind == AND)
      for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)((out[i] & child[i] & HOLDS) | ((out[i] | child[i]) & FAILS));
    else
      for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(((out[i] | child[i]) & HOLDS) | (out[i] & child[i] & FAILS));
  }
}

static void run(const shoal_files *f, const test *t, size_t from, size_t n, uint8_t *out) {
  switch (t->kind) {
  case UNKNOWN:
    memset(out, EITHER, n);
    break;
  case AND:
  case OR:
    run_children(f, t, from, n, out);
    break;
  case NOT:
    run(f, &t->children[0], from, n, out);
    for (size_t i = 0; i < n; i++)
      out[i] = (uint8_t)((out[i] & HOLDS) << 1 | (out[i] & FAILS) >> 1);
    break;
  case IS_NULL:
    run_null(f, t->leaf, from, n, out);
    break;
  case PARTITION:
    for (size_t i = 0; i < n; i++)
      out[i] = t->of_part[shoal_counts_get(&f->part, from + i)];
    break;
  case NUMBER:
  case TEXT:
    if (!t->leaf->seen)
      memset(out, EITHER, n);
    else if (t->kind == NUMBER)
      run_number(t, from, n, out);
    else
      run_text(f, t, from, n, out);
    drop_null(f, t->leaf, from, n, out);
    break;
  }
}

shoal_status shoal_files_match(const shoal_files *f, const shoal_predicate *any, size_t n, bool *keep,
                               shoal_error *err) {
  shoal_arena arena = {0};
  const compiler c = {f, &arena, err};
  uint8_t answers[BLOCK];
  shoal_status status = SHOAL_OK;
  memset(keep, n == 0, f->n);
  for (size_t k = 0; k < n && f->n && status == SHOAL_OK; k++) {
    test t;
    status = compile(&c, &any[k], &t);
    for (size_t from = 0; from < f->n && status == SHOAL_OK; from += BLOCK) {
      size_t many = f->n - from < BLOCK ? f->n - from : BLOCK;
      run(f, &t, from, many, answers);
      for (size_t i = 0; i < many; i++)
        keep[from + i] |= answers[i] & HOLDS;
    }
  }
  shoal_arena_dispose(&arena);
  return status;
}

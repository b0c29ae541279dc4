/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a merge's source, where they are few beside the table's rows: the scan of the table then shows only rows
 * that may have one of them, and what is joined is about as small as the source. They are looked up by one query over
 * one column, which ends early where they turn out to be many.
 */
#include "base/mem.h"
#include "delta/change.h"
#include "engine/arrow.h"

#define MOST_KEYS ((size_t)1 << 20)
#define FEW_ROWS 100000 /* of the table: fewer are joined sooner than another query is made */
#define RARE 4          /* the table has so many rows for each key, or they are not worth it */

typedef struct collecting {
  int64_t *numbers; /* as they come: room for `most`, of which few pages may be touched */
  shoal_keys *keys;
  size_t n, most;
  bool of_numbers, too_many;
} collecting;

static bool is_whole(const shoal_type *t) {
  return t->kind == SHOAL_TYPE_BYTE || t->kind == SHOAL_TYPE_SHORT || t->kind == SHOAL_TYPE_INTEGER ||
         t->kind == SHOAL_TYPE_LONG;
}

/* A batch of one column without NULLs. */
static void take_batch(collecting *k, const struct ArrowArray *batch) {
  const struct ArrowArray *column = batch->children[0];
  size_t n = (size_t)batch->length, from = (size_t)(column->offset + batch->offset);
  const int64_t *numbers = (const int64_t *)column->buffers[1] + from;
  const int32_t *ends = (const int32_t *)column->buffers[1] + from;
  k->too_many = n > k->most - k->n;
  for (size_t i = 0; i < n && !k->too_many; i++)
    if (k->of_numbers)
      k->numbers[k->n + i] = numbers[i];
    else
      shoal_keys_add(k->keys, shoal_str_n((const char *)column->buffers[2] + ends[i], (size_t)(ends[i + 1] - ends[i])));
  k->n += k->too_many ? 0 : n;
}

static shoal_status take_all(collecting *k, struct ArrowArrayStream *stream, shoal_error *err) {
  while (!k->too_many) {
    struct ArrowArray batch = {0};
    if (stream->get_next(stream, &batch) != 0) {
      const char *why = stream->get_last_error(stream);
      return shoal_fail(err, SHOAL_EENGINE, "reading the source's keys: %s", why ? why : "it failed");
    }
    if (!batch.release)
      return SHOAL_OK;
    take_batch(k, &batch);
    batch.release(&batch);
  }
  return SHOAL_OK;
}

static shoal_status ask_keys(shoal_change *c, const shoal_scan *source, const shoal_field *key, collecting *k,
                             shoal_error *err) {
  const shoal_input input = {SHOAL_STR("source_rows"), source};
  struct ArrowArrayStream stream;
  shoal_buf sql = {0};
  shoal_buf_addz(&sql, "SELECT key FROM (SELECT TRY_CAST("); /* what is no long is equal to none */
  shoal_buf_sql_ident(&sql, key->name);
  shoal_buf_addf(&sql, " AS %s) AS key FROM source_rows) WHERE key IS NOT NULL", k->of_numbers ? "BIGINT" : "VARCHAR");
  const shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_engine_stream(c->engine, &job, &stream, err);
  if (status == SHOAL_OK) {
    status = take_all(k, &stream, err);
    stream.release(&stream);
  }
  shoal_buf_dispose(&sql);
  return status;
}

static size_t most_keys(const shoal_change *c) {
  uint64_t rows = c->brought ? c->target.rows : UINT64_MAX; /* tables whose files are not listed yet are large */
  return rows == 0 || rows < FEW_ROWS ? 0 : rows / RARE < MOST_KEYS ? (size_t)(rows / RARE) : MOST_KEYS;
}

static bool is_partition(const shoal_change *c, shoal_str column) {
  bool is = false;
  for (size_t i = 0; i < c->writing.n_partition_by; i++)
    is = is || shoal_str_ieq(c->writing.partition_by[i], column);
  return is;
}

/* Of several columns the one with the most keys is likely to leave out the most. */
static void take_better(shoal_change *c, const shoal_field *column, const shoal_keys *keys) {
  if (c->among && shoal_keys_distinct(&c->keys) >= shoal_keys_distinct(keys))
    return;
  c->among = column;
  c->keys = *keys;
}

shoal_status shoal_change_find_keys(shoal_change *c, const shoal_scan *source, const shoal_field *column,
                                    const shoal_field *key, shoal_error *err) {
  shoal_keys keys;
  collecting k = {.of_numbers = is_whole(&column->type), .most = most_keys(c), .keys = &keys};
  if (k.most == 0 || (!k.of_numbers && column->type.kind != SHOAL_TYPE_STRING) || is_partition(c, column->name))
    return SHOAL_OK;
  shoal_status status = SHOAL_OK;
  if (!k.of_numbers)
    status = shoal_keys_texts(&keys, k.most, &c->arena, err);
  else if (!(k.numbers = shoal_malloc(k.most * sizeof *k.numbers)))
    status = shoal_fail_nomem(err);
  if (status == SHOAL_OK)
    status = ask_keys(c, source, key, &k, err);
  if (status == SHOAL_OK && k.of_numbers && !k.too_many)
    status = shoal_keys_numbers(&keys, k.numbers, k.n, &c->arena, err);
  if (status == SHOAL_OK && !k.too_many)
    take_better(c, column, &keys);
  shoal_free(k.numbers);
  return status;
}

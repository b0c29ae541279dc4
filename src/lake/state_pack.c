/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state in a compact binary form, for local caches and copies: a branch of 10,000 datasets is read in a few
 * milliseconds, where its JSON takes fifty. It is no part of the lake's format: who finds a form it does not know takes
 * it for nothing and reads the lake.
 */
#include "base/codec.h"
#include "base/mem.h"
#include "base/str.h"
#include "lake/lake.h"

#define FORM 2
#define ENTRY_LEAST 210 /* bytes; a count is checked against what can follow */
#define PIN_LEAST 40

#define DELETED 1

enum { LOCAL = 1, PINNED = 2, FAILED_EXPECTATION = 4 };

static void put_i64(shoal_buf *b, int64_t v) { shoal_put_u64(b, (uint64_t)v); }
static int64_t take_i64(shoal_decoder *d) { return (int64_t)shoal_take_u64(d); }

/* Texts end with a NUL, as those from JSON do. */
static void put_text(shoal_buf *b, shoal_str s) {
  shoal_put_str(b, s);
  shoal_put_u8(b, 0);
}
static shoal_str take_text(shoal_decoder *d) {
  shoal_str s = shoal_take_str(d);
  if (shoal_take_u8(d) != 0)
    d->failed = true;
  return s;
}

static void put_result(shoal_buf *b, const shoal_result *r) {
  shoal_put_hash(b, &r->signature);
  shoal_put_u32(b, r->generation);
  put_text(b, r->attempt);
  put_text(b, r->home);
  put_text(b, r->dataset);
  put_text(b, r->codec);
  put_text(b, r->type);
  shoal_put_u64(b, r->rows);
  shoal_put_u64(b, r->bytes);
  shoal_put_u64(b, r->n_files);
  shoal_put_hash(b, &r->rows_hash);
  shoal_put_hash(b, &r->schema_hash);
  put_i64(b, r->made_us);
  put_i64(b, r->cpu_us);
  put_i64(b, r->wall_us);
  put_text(b, r->writer);
  put_text(b, r->run);
}

static void take_result(shoal_decoder *d, shoal_result *r) {
  r->signature = shoal_take_hash(d);
  r->generation = shoal_take_u32(d);
  r->attempt = take_text(d);
  r->home = take_text(d);
  r->dataset = take_text(d);
  r->codec = take_text(d);
  r->type = take_text(d);
  r->rows = shoal_take_u64(d);
  r->bytes = shoal_take_u64(d);
  r->n_files = shoal_take_u64(d);
  r->rows_hash = shoal_take_hash(d);
  r->schema_hash = shoal_take_hash(d);
  r->made_us = take_i64(d);
  r->cpu_us = take_i64(d);
  r->wall_us = take_i64(d);
  r->writer = take_text(d);
  r->run = take_text(d);
}

shoal_status shoal_state_pack(const shoal_state *s, shoal_buf *out, shoal_error *err) {
  shoal_put_u32(out, FORM);
  put_text(out, s->branch);
  put_text(out, s->branch_id);
  put_text(out, s->fork_branch);
  put_i64(out, s->fork_publication);
  put_i64(out, s->publication);
  put_i64(out, s->published_us);
  shoal_put_u8(out, s->deleted ? DELETED : 0);
  shoal_put_u32(out, (uint32_t)s->n_entries);
  for (size_t i = 0; i < s->n_entries; i++) {
    const shoal_entry *e = &s->entries[i];
    put_text(out, e->name);
    put_i64(out, e->publication);
    shoal_put_u8(out, (uint8_t)((e->local ? LOCAL : 0) | (e->pinned ? PINNED : 0) |
                                (e->result.failed_expectation ? FAILED_EXPECTATION : 0)));
    shoal_put_hash(out, &e->pinned_code);
    put_result(out, &e->result);
  }
  shoal_put_u32(out, (uint32_t)s->n_sources);
  for (size_t i = 0; i < s->n_sources; i++) {
    put_text(out, s->sources[i].name);
    put_text(out, s->sources[i].table_id);
    put_i64(out, s->sources[i].version);
    shoal_put_hash(out, &s->sources[i].hash);
  }
  return shoal_buf_check(out, err);
}

static void take_entry(shoal_decoder *d, shoal_entry *e) {
  e->name = take_text(d);
  e->publication = take_i64(d);
  uint8_t flags = shoal_take_u8(d);
  e->local = flags & LOCAL;
  e->pinned = flags & PINNED;
  e->pinned_code = shoal_take_hash(d);
  take_result(d, &e->result);
  e->result.failed_expectation = flags & FAILED_EXPECTATION;
}

static shoal_status take_lists(shoal_decoder *d, shoal_state *s, shoal_error *err) {
  uint32_t n = shoal_take_count(d, ENTRY_LEAST);
  if (!(s->entries = SHOAL_NEW_ARRAY(&s->arena, shoal_entry, n)))
    return shoal_fail_nomem(err);
  for (; s->n_entries < n && !d->failed; s->n_entries++) {
    take_entry(d, &s->entries[s->n_entries]);
    /* Look-ups rest on the order. */
    if (s->n_entries && shoal_str_cmp(s->entries[s->n_entries - 1].name, s->entries[s->n_entries].name) >= 0)
      d->failed = true;
  }
  n = shoal_take_count(d, PIN_LEAST);
  if (!(s->sources = SHOAL_NEW_ARRAY(&s->arena, shoal_source_pin, n)))
    return shoal_fail_nomem(err);
  for (; s->n_sources < n && !d->failed; s->n_sources++) {
    shoal_source_pin *p = &s->sources[s->n_sources];
    p->name = take_text(d);
    p->table_id = take_text(d);
    p->version = take_i64(d);
    p->hash = shoal_take_hash(d);
  }
  return SHOAL_OK;
}

shoal_status shoal_state_unpack(shoal_str bytes, shoal_state **out, shoal_error *err) {
  *out = NULL;
  shoal_state *s = shoal_calloc(1, sizeof *s);
  if (!s)
    return shoal_fail_nomem(err);
  shoal_decoder d = {.rest = shoal_arena_str(&s->arena, bytes)}; /* texts are views into this copy */
  shoal_status status = d.rest.ptr ? SHOAL_OK : shoal_fail_nomem(err);
  if (status >= 0 && shoal_take_u32(&d) != FORM)
    d.failed = true;
  s->branch = take_text(&d);
  s->branch_id = take_text(&d);
  s->fork_branch = take_text(&d);
  s->fork_publication = take_i64(&d);
  s->publication = take_i64(&d);
  s->published_us = take_i64(&d);
  s->deleted = shoal_take_u8(&d) == DELETED;
  if (status >= 0 && !d.failed)
    status = take_lists(&d, s, err);
  if (status >= 0 && (d.failed || d.rest.len))
    status = shoal_fail(err, SHOAL_ECORRUPT, "a cached state is broken, or of another form");
  if (status < 0)
    shoal_state_free(s);
  else
    *out = s;
  return status;
}

shoal_status shoal_state_copy(const shoal_state *s, shoal_state **out, shoal_error *err) {
  shoal_buf b = {0};
  *out = NULL;
  shoal_status status = shoal_state_pack(s, &b, err);
  if (status >= 0)
    status = shoal_state_unpack(shoal_buf_str(&b), out, err);
  shoal_buf_dispose(&b);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: which attempt *is* a signature's result (invariant 1). A signature's claims are a log of generations, each
 * put if absent: odd and even alike say either "claimed" or "condemned", and the newest one holds. A look-up reads
 * generation 1 of every signature in one batch, then generation 2 of those that had one, and so on: one small read for
 * a miss, two for a hit.
 */
#include "lake/claim.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"

#define CONDEMNED "_shoal/condemned/"

char *shoal_claim_key(shoal_arena *arena, const shoal_hash *signature, uint32_t generation) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_hash_hex(signature, hex);
  return shoal_arena_printf(arena, "_shoal/claims/%.2s/%s/%u.json", hex, hex, generation);
}

shoal_status shoal_claim_write(const shoal_result *r, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "kind", "claimed");
  shoal_jw_key(&w, "places");
  shoal_jw_arr(&w);
  shoal_jw_str(&w, r->home);
  shoal_jw_end(&w);
  shoal_jw_key(&w, "result");
  shoal_result_write(&w, r, SHOAL_STR_NONE);
  return shoal_object_end(&w, err);
}

/* Takes one generation's object into the look-up. */
static shoal_status read_generation(const char *key, yyjson_val *root, uint32_t generation, shoal_lookup *look,
                                    shoal_arena *arena, shoal_error *err) {
  shoal_str kind = shoal_json_str(root, "kind");
  look->generations = generation;
  look->found = shoal_str_is(kind, "claimed");
  if (shoal_str_is(kind, "condemned"))
    return SHOAL_OK;
  if (!look->found)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: 'kind' is neither claimed nor condemned", key);
  SHOAL_TRY(shoal_result_read(yyjson_obj_get(root, "result"), key, SHOAL_STR_NONE, arena, &look->result, err));
  if (!shoal_hash_eq(&look->result.signature, &look->signature) || look->result.generation != generation)
    return shoal_fail(err, SHOAL_ECORRUPT, "%s: it is the claim of something else", key);
  return SHOAL_OK;
}

static shoal_status take_answer(const shoal_get *get, uint32_t generation, shoal_lookup *look, bool *more,
                                shoal_arena *arena, shoal_error *err) {
  *more = false;
  if (get->status == SHOAL_ENOTFOUND)
    return SHOAL_OK;
  if (get->status != SHOAL_OK)
    return shoal_fail(err, get->status, "cannot read %s", get->key.ptr);
  yyjson_doc *doc = NULL;
  SHOAL_TRY(shoal_object_parse(get->bytes, get->key.ptr, &doc, err));
  shoal_status st = read_generation(get->key.ptr, yyjson_doc_get_root(doc), generation, look, arena, err);
  yyjson_doc_free(doc);
  *more = true;
  return st;
}

/* Asks for one generation of those in `open`, and keeps in it those that had it. */
static shoal_status ask_generation(shoal_lake *lake, shoal_lookup *lookups, uint32_t generation, size_t *open,
                                   size_t *n_open, shoal_arena *scratch, shoal_arena *arena, shoal_error *err) {
  shoal_get *gets = SHOAL_NEW_ARRAY(scratch, shoal_get, *n_open);
  if (!gets)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n_open; i++)
    if (!(gets[i].key = shoal_str_z(shoal_claim_key(scratch, &lookups[open[i]].signature, generation))).ptr)
      return shoal_fail_nomem(err);
  SHOAL_TRY(shoal_store_get_many(lake->store, gets, *n_open, scratch, err));
  size_t kept = 0;
  for (size_t i = 0; i < *n_open; i++) {
    bool more;
    SHOAL_TRY(take_answer(&gets[i], generation, &lookups[open[i]], &more, arena, err));
    if (more)
      open[kept++] = open[i];
  }
  *n_open = kept;
  return SHOAL_OK;
}

shoal_status shoal_claims_lookup(shoal_lake *lake, shoal_lookup *lookups, size_t n, shoal_arena *arena,
                                 shoal_error *err) {
  shoal_arena scratch = {0};
  size_t *open = SHOAL_NEW_ARRAY(&scratch, size_t, n), n_open = n;
  shoal_status st = open ? SHOAL_OK : shoal_fail_nomem(err);
  for (size_t i = 0; i < n && st == SHOAL_OK; i++) {
    lookups[i] = (shoal_lookup){.signature = lookups[i].signature};
    open[i] = i;
  }
  for (uint32_t g = 1; n_open > 0 && st == SHOAL_OK; g++)
    st = ask_generation(lake, lookups, g, open, &n_open, &scratch, arena, err);
  shoal_arena_dispose(&scratch);
  return st;
}

static shoal_status write_condemned(const shoal_result *r, const char *reason, shoal_buf *out, shoal_error *err) {
  char id[SHOAL_UUID_TEXT];
  shoal_jw w;
  shoal_os_uuid(id);
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "kind", "condemned");
  shoal_object_hash(&w, "signature", &r->signature);
  shoal_jw_ki64(&w, "generation", (int64_t)r->generation + 1);
  shoal_jw_kstr(&w, "attempt", r->attempt);
  shoal_jw_kz(&w, "reason", reason);
  shoal_jw_kz(&w, "id", id);
  shoal_jw_ki64(&w, "time_us", shoal_time_now());
  return shoal_object_end(&w, err);
}

/* The mark comes first: one without a condemnation behind it costs a look-up, the other way round is never noticed. */
static shoal_status put_mark(shoal_lake *lake, const shoal_result *r, shoal_arena *arena, shoal_error *err) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_buf text = {0};
  shoal_jw w;
  shoal_hash_hex(&r->signature, hex);
  char *key = shoal_arena_printf(arena, CONDEMNED "%s.%u.json", hex, (unsigned)r->generation);
  if (!key)
    return shoal_fail_nomem(err);
  shoal_object_begin(&w, &text);
  shoal_object_hash(&w, "signature", &r->signature);
  shoal_jw_ki64(&w, "generation", (int64_t)r->generation);
  shoal_status st = shoal_object_end(&w, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, key, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return st == SHOAL_EEXIST ? SHOAL_OK : st;
}

shoal_status shoal_condemned_list(shoal_store *store, shoal_arena *arena, shoal_condemned **out, size_t *n,
                                  shoal_error *err) {
  shoal_object *objects;
  size_t found;
  *out = NULL;
  *n = 0;
  SHOAL_TRY(shoal_store_list(store, SHOAL_STR(CONDEMNED), SHOAL_STR_NONE, true, 0, arena, &objects, &found, err));
  *out = SHOAL_NEW_ARRAY(arena, shoal_condemned, found);
  if (!*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < found; i++) {
    shoal_str name = shoal_str_sub(objects[i].key, strlen(CONDEMNED), objects[i].key.len), hex, generation;
    int64_t g;
    shoal_condemned c;
    if (shoal_str_split(&name, '.', &hex) && shoal_hash_unhex(hex, &c.signature) &&
        shoal_str_split(&name, '.', &generation) && shoal_str_i64(generation, &g) && g > 0 && g < UINT32_MAX) {
      c.generation = (uint32_t)g;
      (*out)[(*n)++] = c;
    }
  }
  return SHOAL_OK;
}

shoal_status shoal_result_condemn(shoal_lake *lake, const shoal_result *r, const char *reason, shoal_error *err) {
  shoal_buf text = {0};
  shoal_arena arena = {0};
  char *key = shoal_claim_key(&arena, &r->signature, r->generation + 1);
  shoal_status st = key ? write_condemned(r, reason, &text, err) : shoal_fail_nomem(err);
  if (st == SHOAL_OK)
    st = put_mark(lake, r, &arena, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, key, shoal_buf_str(&text), err);
  shoal_arena_dispose(&arena);
  shoal_buf_dispose(&text);
  return st;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results that are objects: any value of a program, as bytes that a codec reads. R1 … R3 of lake/result.c hold for
 * them, too: `payload` and `object.json` are put, durable, before the claim. The hash of the bytes stands in the claim,
 * and nobody gets bytes that don't have it: a codec may run what it reads.
 */
#include "lake/value.h"

#include "base/str.h"
#include "lake/object.h"

/* "<folder>/<name>", of a result's folder. */
static shoal_status key_in(const shoal_result *r, const char *name, shoal_buf *out, shoal_error *err) {
  shoal_result_folder(out, r);
  shoal_buf_addf(out, "/%s", name);
  return shoal_buf_check(out, err);
}

/* ---- putting ---- */

static shoal_status describe(const shoal_result_draft *d, const shoal_result *r, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kstr(&w, "codec", d->codec);
  shoal_jw_kstr(&w, "type", d->type);
  shoal_jw_ki64(&w, "bytes", (int64_t)d->payload.len);
  shoal_object_hash(&w, "bytes_hash", &r->rows_hash);
  shoal_jw_key(&w, "provenance");
  shoal_jw_raw(&w, d->provenance.ptr ? d->provenance : SHOAL_STR("{}"));
  return shoal_object_end(&w, err);
}

static shoal_status put_at(shoal_lake *lake, shoal_str folder, const char *name, shoal_str bytes, shoal_error *err) {
  shoal_buf key = {0};
  shoal_buf_addf(&key, "%.*s/%s", SHOAL_FMT(folder), name);
  shoal_status st = shoal_buf_check(&key, err);
  if (st == SHOAL_OK)
    st = shoal_store_put_new(lake->store, shoal_buf_str(&key), bytes, err);
  shoal_buf_dispose(&key);
  return st;
}

shoal_status shoal_value_put(shoal_lake *lake, shoal_str folder, const shoal_result_draft *draft, shoal_result *result,
                             shoal_error *err) {
  shoal_buf text = {0};
  result->rows = 0;
  result->bytes = draft->payload.len;
  result->n_files = 1;
  result->rows_hash = shoal_hash_bytes(draft->payload);
  shoal_status st = put_at(lake, folder, "payload", draft->payload, err);
  if (st == SHOAL_OK)
    st = describe(draft, result, &text, err);
  if (st == SHOAL_OK)
    st = put_at(lake, folder, "object.json", shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return st;
}

/* ---- reading ---- */

shoal_status shoal_value_refuse(const shoal_result *r, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "%.*s is an object (%.*s), not a table", SHOAL_FMT(r->dataset),
                   SHOAL_FMT(r->type.ptr ? r->type : r->codec));
  shoal_hint(err, "in Python: shoal.load(\"%.*s\")", SHOAL_FMT(r->dataset));
  return SHOAL_EINVAL;
}

shoal_status shoal_result_payload(shoal_lake *lake, const shoal_result *r, shoal_buf *out, shoal_error *err) {
  shoal_buf key = {0};
  size_t from = out->len;
  shoal_status st = key_in(r, "payload", &key, err);
  if (st == SHOAL_OK)
    st = shoal_result_incomplete(shoal_store_get(lake->store, shoal_buf_str(&key), out, err), r, err);
  if (st == SHOAL_OK) {
    shoal_hash hash = shoal_hash_bytes(shoal_str_sub(shoal_buf_str(out), from, out->len));
    if (!shoal_hash_eq(&hash, &r->rows_hash)) {
      st = shoal_fail(err, SHOAL_ECORRUPT, "the bytes of %.*s are not those that were put", SHOAL_FMT(r->dataset));
      shoal_hint(err, "shoal fsck --repair condemns it; then it is computed anew");
    }
  }
  shoal_buf_dispose(&key);
  return st;
}

shoal_status shoal_value_provenance(shoal_lake *lake, const shoal_result *r, shoal_buf *out, shoal_error *err) {
  shoal_buf key = {0};
  yyjson_doc *doc = NULL;
  shoal_status st = key_in(r, "object.json", &key, err);
  if (st == SHOAL_OK)
    st = shoal_result_incomplete(shoal_object_get(lake, shoal_buf_z(&key), &doc, err), r, err);
  if (st == SHOAL_OK) {
    yyjson_val *provenance = yyjson_obj_get(yyjson_doc_get_root(doc), "provenance");
    st = provenance ? shoal_json_write(provenance, out, err)
                    : shoal_fail(err, SHOAL_ECORRUPT, "%s holds no provenance", shoal_buf_z(&key));
  }
  yyjson_doc_free(doc);
  shoal_buf_dispose(&key);
  return st;
}

static shoal_status has(shoal_lake *lake, const shoal_result *r, const char *name, uint64_t size, bool *out,
                        shoal_error *err) {
  shoal_object o;
  shoal_buf key = {0};
  shoal_status st = key_in(r, name, &key, err);
  if (st == SHOAL_OK)
    st = shoal_store_head(lake->store, shoal_buf_str(&key), &o, err);
  *out = st == SHOAL_OK && (size == UINT64_MAX || o.size == size);
  shoal_buf_dispose(&key);
  return st == SHOAL_ENOTFOUND ? SHOAL_OK : st;
}

shoal_status shoal_value_complete(shoal_lake *lake, const shoal_result *r, bool *out, shoal_error *err) {
  SHOAL_TRY(has(lake, r, "payload", r->bytes, out, err));
  return *out ? has(lake, r, "object.json", UINT64_MAX, out, err) : SHOAL_OK;
}

/* ---- what is no dataset's ---- */

shoal_status shoal_cache_list(shoal_lake *lake, shoal_arena *arena, shoal_result **out, size_t *n, shoal_error *err) {
  static const shoal_str folder = {SHOAL_CACHE_HOME "/_shoal/", sizeof SHOAL_CACHE_HOME "/_shoal/" - 1};
  shoal_object *found;
  size_t count, asked = 0;
  *n = 0;
  SHOAL_TRY(shoal_store_list(lake->store, folder, SHOAL_STR_NONE, true, 0, arena, &found, &count, err));
  shoal_lookup *looks = SHOAL_NEW_ARRAY(arena, shoal_lookup, count);
  *out = SHOAL_NEW_ARRAY(arena, shoal_result, count);
  if (!looks || !*out)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < count; i++) {
    shoal_str hex = shoal_str_sub(found[i].key, folder.len, folder.len + SHOAL_HASH_HEX);
    if (found[i].folder && shoal_hash_unhex(hex, &looks[asked].signature))
      asked++;
  }
  SHOAL_TRY(shoal_claims_lookup(lake, looks, asked, arena, err));
  for (size_t i = 0; i < asked; i++)
    if (looks[i].found && shoal_str_is(looks[i].result.home, SHOAL_CACHE_HOME))
      (*out)[(*n)++] = looks[i].result;
  return SHOAL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: immutable files in a folder of their attempt, described by a Delta table of one commit.
 *
 *  R1 An attempt's folder is named by a new UUID and written once (invariant 3).
 *  R2 The claim is put last: when it can be read, files and table are durable (invariant 4).
 *  R3 Only the claim says which attempt counts (invariant 1). Whoever comes second returns the first one's result; its
 * own attempt is named by nobody and is garbage.
 */
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/claim.h"
#include "lake/object.h"
#include "lake/value.h"

#define MAX_CLAIM_TRIES 100 /* of a signature that is claimed and condemned while we look */

/* ---- putting ---- */

typedef struct attempt {
  const shoal_result_draft *draft;
  shoal_arena *arena; /* of the result's texts */
  shoal_arena scratch;
  shoal_str folder; /* key of the attempt's folder */
  shoal_result result;
} attempt;

static shoal_status hash_schema(const shoal_schema *schema, shoal_hash *out, shoal_error *err) {
  shoal_buf json = {0};
  shoal_hasher h;
  shoal_status st = shoal_delta_schema_json(schema, &json, err);
  if (st == SHOAL_OK) {
    shoal_hasher_init(&h, "shoal/1/schema");
    shoal_hasher_str(&h, shoal_buf_str(&json));
    *out = shoal_hasher_end(&h);
  }
  shoal_buf_dispose(&json);
  return st;
}

static shoal_status copy_text(attempt *a, shoal_str text, shoal_str *out, shoal_error *err) {
  *out = shoal_arena_str(a->arena, text);
  return text.ptr && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

static shoal_status name_attempt(attempt *a, shoal_error *err) {
  const shoal_result_draft *d = a->draft;
  char uuid[SHOAL_UUID_TEXT];
  shoal_buf text = {0};
  shoal_os_uuid(uuid);
  a->result = (shoal_result){.signature = d->signature,
                             .rows = d->outcome->rows,
                             .bytes = d->outcome->bytes,
                             .n_files = d->outcome->n_files,
                             .rows_hash = d->outcome->rows_hash,
                             .made_us = shoal_time_now(),
                             .cpu_us = d->outcome->cpu_us,
                             .wall_us = d->outcome->wall_us,
                             .failed_expectation = d->failed_expectation};
  shoal_status st = copy_text(a, shoal_str_z(uuid), &a->result.attempt, err);
  if (st == SHOAL_OK)
    st = copy_text(a, d->codec, &a->result.codec, err);
  if (st == SHOAL_OK)
    st = copy_text(a, d->type, &a->result.type, err);
  if (st == SHOAL_OK)
    st = copy_text(a, d->dataset, &a->result.dataset, err);
  if (st == SHOAL_OK)
    st = copy_text(a, d->writer, &a->result.writer, err);
  if (st == SHOAL_OK)
    st = copy_text(a, d->run, &a->result.run, err);
  if (st == SHOAL_OK && d->unnamed)
    shoal_buf_addz(&text, SHOAL_CACHE_HOME);
  else if (st == SHOAL_OK)
    st = shoal_dataset_home(d->dataset, &text, err);
  if (st == SHOAL_OK)
    st = copy_text(a, shoal_buf_str(&text), &a->result.home, err);
  if (st == SHOAL_OK) {
    shoal_buf_clear(&text);
    shoal_result_folder(&text, &a->result);
    st = shoal_buf_check(&text, err);
  }
  if (st == SHOAL_OK)
    st = copy_text(a, shoal_buf_str(&text), &a->folder, err);
  shoal_buf_dispose(&text);
  if (st == SHOAL_OK && !d->codec.ptr)
    st = hash_schema(&d->outcome->schema, &a->result.schema_hash, err);
  return st;
}

static shoal_status put_data(shoal_lake *lake, attempt *a, shoal_error *err) {
  const shoal_outcome *o = a->draft->outcome;
  shoal_put_file *files = SHOAL_NEW_ARRAY(&a->scratch, shoal_put_file, o->n_files);
  if (!files)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < o->n_files; i++) {
    char *local = shoal_arena_printf(&a->scratch, "%s/%.*s", a->draft->staging, SHOAL_FMT(o->files[i].name));
    char *key = shoal_arena_printf(&a->scratch, "%.*s/%.*s", SHOAL_FMT(a->folder), SHOAL_FMT(o->files[i].name));
    if (!local || !key)
      return shoal_fail_nomem(err);
    files[i] = (shoal_put_file){shoal_str_z(local), shoal_str_z(key)};
  }
  return shoal_store_put_files(lake->store, files, o->n_files, err);
}

static shoal_status add_action(attempt *a, const shoal_delta_measured *measured, const shoal_output_file *f,
                               shoal_delta_commit *commit, shoal_error *err) {
  const shoal_result_draft *d = a->draft;
  shoal_delta_file file;
  SHOAL_TRY(shoal_delta_file_of(f, measured, d->partition_by, d->n_partition_by, a->result.made_us / 1000, &a->scratch,
                                &file, err));
  shoal_delta_commit_add(commit, &file);
  return SHOAL_OK;
}

static shoal_status describe(attempt *a, shoal_delta_commit *commit, shoal_error *err) {
  const shoal_result_draft *d = a->draft;
  shoal_buf extra = {0}, schema = {0};
  shoal_delta_protocol protocol;
  shoal_status st = shoal_delta_protocol_for(&d->outcome->schema, &a->scratch, &protocol, err);
  if (st == SHOAL_OK)
    st = shoal_delta_schema_json(&d->outcome->schema, &schema, err);
  if (st == SHOAL_OK) {
    shoal_buf_addf(&extra, "{\"shoal\":%.*s}", SHOAL_FMT(d->provenance.ptr ? d->provenance : SHOAL_STR("{}")));
    st = shoal_buf_check(&extra, err);
  }
  if (st == SHOAL_OK) {
    shoal_delta_commit_info(commit, a->result.made_us, "WRITE", SHOAL_STR("{\"mode\":\"ErrorIfExists\"}"), true,
                            shoal_buf_str(&extra));
    shoal_delta_commit_protocol(commit, &protocol);
    shoal_delta_commit_metadata(commit, &(shoal_delta_metadata){.id = a->result.attempt,
                                                                .name = d->dataset,
                                                                .description = d->description,
                                                                .schema_json = shoal_buf_str(&schema),
                                                                .schema = d->outcome->schema,
                                                                .partition_columns = d->partition_by,
                                                                .n_partition_columns = d->n_partition_by,
                                                                .created_ms = a->result.made_us / 1000});
  }
  shoal_buf_dispose(&schema);
  shoal_buf_dispose(&extra);
  return st;
}

static shoal_status put_table(shoal_lake *lake, attempt *a, shoal_error *err) {
  shoal_delta_commit commit = {0};
  const shoal_result_draft *d = a->draft;
  shoal_delta_measured measured;
  shoal_delta_table table = shoal_lake_table(lake, a->folder);
  shoal_status st = shoal_delta_measured_columns(&d->outcome->schema, d->partition_by, d->n_partition_by, NULL,
                                                 &a->scratch, &measured, err);
  if (st == SHOAL_OK)
    st = describe(a, &commit, err);
  for (size_t i = 0; i < a->draft->outcome->n_files && st == SHOAL_OK; i++)
    st = add_action(a, &measured, &a->draft->outcome->files[i], &commit, err);
  if (st == SHOAL_OK)
    st = shoal_delta_commit_put(&table, &commit, 0, err);
  shoal_delta_commit_dispose(&commit);
  return st;
}

static shoal_status put_claim(shoal_lake *lake, attempt *a, uint32_t generation, shoal_error *err) {
  shoal_buf text = {0};
  a->result.generation = generation;
  char *key = shoal_claim_key(&a->scratch, &a->result.signature, generation);
  shoal_status st = key ? shoal_claim_write(&a->result, &text, err) : shoal_fail_nomem(err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, key, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  return st;
}

/* The claim, or the result of who was first. A condemned one in between only moves the number on. */
static shoal_status claim_or_yield(shoal_lake *lake, attempt *a, shoal_result *out, bool *won, shoal_error *err) {
  uint32_t generations = a->draft->generations;
  for (int i = 0; i < MAX_CLAIM_TRIES; i++) {
    shoal_status st = put_claim(lake, a, generations + 1, err);
    *won = st == SHOAL_OK;
    *out = a->result;
    if (st != SHOAL_EEXIST)
      return st;
    shoal_lookup look = {.signature = a->result.signature};
    SHOAL_TRY(shoal_claims_lookup(lake, &look, 1, a->arena, err));
    *out = look.result;
    *won = look.found && shoal_str_eq(look.result.attempt, a->result.attempt);
    if (look.found)
      return SHOAL_OK;
    generations = look.generations;
  }
  return shoal_fail(err, SHOAL_EBUSY, "the result of %.*s is condemned again and again while it is claimed",
                    SHOAL_FMT(a->draft->dataset));
}

shoal_status shoal_result_put(shoal_lake *lake, const shoal_result_draft *draft, shoal_arena *arena, shoal_result *out,
                              bool *won, shoal_error *err) {
  attempt a = {.draft = draft, .arena = arena};
  *won = false;
  shoal_status st = name_attempt(&a, err);
  if (st == SHOAL_OK && draft->codec.ptr) {
    st = shoal_value_put(lake, a.folder, draft, &a.result, err);
  } else if (st == SHOAL_OK) {
    st = put_data(lake, &a, err);
    if (st == SHOAL_OK)
      st = put_table(lake, &a, err);
  }
  if (st == SHOAL_OK)
    st = claim_or_yield(lake, &a, out, won, err);
  if (st < 0)
    shoal_context(err, "putting the result of %.*s", SHOAL_FMT(draft->dataset));
  shoal_arena_dispose(&a.scratch);
  return st;
}

/* ---- reading ---- */

/* A result without its table or one of its files is broken, whatever the store calls it. */
shoal_status shoal_result_incomplete(shoal_status st, const shoal_result *r, shoal_error *err) {
  if (st != SHOAL_ENOTFOUND)
    return st;
  (void)shoal_fail(err, SHOAL_ECORRUPT, "the result %.*s of %.*s is incomplete", SHOAL_FMT(r->attempt),
                   SHOAL_FMT(r->dataset));
  shoal_hint(err, "somebody removed files from the lake; the next run computes it anew");
  return SHOAL_ECORRUPT;
}

shoal_status shoal_result_open(shoal_lake *lake, const shoal_result *r, shoal_delta_snapshot **out, shoal_error *err) {
  shoal_buf folder = {0};
  *out = NULL;
  if (r->codec.ptr)
    return shoal_value_refuse(r, err);
  shoal_result_folder(&folder, r);
  shoal_delta_table table = shoal_lake_table(lake, shoal_buf_str(&folder));
  shoal_status st = shoal_buf_check(&folder, err);
  if (st == SHOAL_OK)
    st = shoal_result_incomplete(shoal_delta_snapshot_open(&table, 0, out, err), r, err);
  shoal_buf_dispose(&folder);
  return st;
}

/* The commitInfo's "shoal" in a commit's text. */
static shoal_status find_provenance(shoal_str text, const char *key, shoal_buf *out, shoal_error *err) {
  shoal_str line;
  while (shoal_str_split(&text, '\n', &line)) {
    if (shoal_str_find(line, SHOAL_STR("\"commitInfo\"")) < 0)
      continue;
    yyjson_doc *doc = NULL;
    SHOAL_TRY(shoal_json_parse(line, key, &doc, err));
    yyjson_val *info = yyjson_obj_get(yyjson_doc_get_root(doc), "commitInfo");
    yyjson_val *shoal = yyjson_obj_get(info, "shoal");
    shoal_status st = shoal ? shoal_json_write(shoal, out, err) : SHOAL_DONE;
    yyjson_doc_free(doc);
    if (st != SHOAL_DONE)
      return st;
  }
  return shoal_fail(err, SHOAL_ECORRUPT, "%s holds no provenance", key);
}

shoal_status shoal_result_provenance(shoal_lake *lake, const shoal_result *r, shoal_buf *out, shoal_error *err) {
  shoal_buf key = {0}, text = {0};
  if (r->codec.ptr)
    return shoal_value_provenance(lake, r, out, err);
  shoal_result_folder(&key, r);
  shoal_buf_addf(&key, "/_delta_log/%020d.json", 0);
  shoal_status st = shoal_buf_check(&key, err);
  if (st == SHOAL_OK)
    st = shoal_result_incomplete(shoal_store_get(lake->store, shoal_buf_str(&key), &text, err), r, err);
  if (st == SHOAL_OK)
    st = find_provenance(shoal_buf_str(&text), shoal_buf_z(&key), out, err);
  shoal_buf_dispose(&text);
  shoal_buf_dispose(&key);
  return st;
}

shoal_status shoal_result_scan(shoal_lake *lake, const shoal_result *r, const shoal_delta_snapshot *s,
                               shoal_arena *arena, shoal_scan *out, shoal_error *err) {
  shoal_buf folder = {0};
  shoal_result_folder(&folder, r);
  shoal_status st = shoal_buf_check(&folder, err);
  if (st == SHOAL_OK) {
    shoal_delta_table table = shoal_lake_table(lake, shoal_buf_str(&folder));
    st = shoal_delta_scan(&table, s, arena, out, err);
    out->uniform = true; /* one job wrote all of it */
    out->rows = r->rows;
  }
  shoal_buf_dispose(&folder);
  return st;
}

static shoal_status files_there(shoal_lake *lake, shoal_str folder, const shoal_delta_snapshot *s, bool *out,
                                shoal_error *err) {
  const shoal_delta_file *files = shoal_delta_snapshot_files(s);
  shoal_buf key = {0};
  shoal_status st = SHOAL_OK;
  *out = true;
  for (size_t i = 0; i < shoal_delta_snapshot_n_files(s) && *out && st == SHOAL_OK; i++) {
    shoal_object o;
    shoal_buf_clear(&key);
    shoal_buf_addf(&key, "%.*s/", SHOAL_FMT(folder));
    st = shoal_delta_path_decode(files[i].path, &key, err);
    if (st == SHOAL_OK)
      st = shoal_store_head(lake->store, shoal_buf_str(&key), &o, err);
    *out = st == SHOAL_OK && o.size == files[i].size;
    if (st == SHOAL_ENOTFOUND)
      st = SHOAL_OK;
  }
  shoal_buf_dispose(&key);
  return st;
}

shoal_status shoal_result_complete(shoal_lake *lake, const shoal_result *r, bool *out, shoal_error *err) {
  shoal_delta_snapshot *s = NULL;
  shoal_buf folder = {0};
  *out = false;
  if (r->codec.ptr)
    return shoal_value_complete(lake, r, out, err);
  shoal_status st = shoal_result_open(lake, r, &s, err);
  if (st == SHOAL_OK) {
    shoal_result_folder(&folder, r);
    st = shoal_buf_check(&folder, err);
  }
  if (st == SHOAL_OK)
    st = files_there(lake, shoal_buf_str(&folder), s, out, err);
  shoal_buf_dispose(&folder);
  shoal_delta_snapshot_free(s);
  return st == SHOAL_ECORRUPT ? SHOAL_OK : st;
}

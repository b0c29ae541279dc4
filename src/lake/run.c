/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of running runs: what they reuse and make must not be collected while they live. A record is two objects,
 * each rewritten by its run alone: <run>.json says what the run is and the signatures it needs, <run>.beat.json is
 * small and rewritten with every beat.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/time.h"
#include "lake/object.h"

struct shoal_run_record {
  shoal_lake *lake;
  shoal_arena arena;
  shoal_mutex lock; /* held across the rewrite: beats must not overtake each other */
  char id[SHOAL_UUID_TEXT], key[64], beat_key[64], process[SHOAL_PROCESS_TOKEN], host[256];
  shoal_str branch, who;
  int64_t started_us, beat;
};

/* UUID version 7: its text sorts by the time it was made. */
static void timed_uuid(char out[SHOAL_UUID_TEXT]) {
  uint64_t ms = (uint64_t)shoal_time_now() / 1000;
  uint8_t r[10];
  shoal_os_random(r, sizeof r);
  snprintf(out, SHOAL_UUID_TEXT, "%08llx-%04llx-7%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           (unsigned long long)(ms >> 16 & 0xffffffff), (unsigned long long)(ms & 0xffff), r[0] & 0x0f, r[1],
           (r[2] & 0x3f) | 0x80, r[3], r[4], r[5], r[6], r[7], r[8], r[9]);
}

static shoal_status write_record(const shoal_run_record *run, const shoal_hash *signatures, size_t n, shoal_buf *out,
                                 shoal_error *err) {
  char hex[SHOAL_HASH_HEX + 1];
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "run", run->id);
  shoal_jw_kstr(&w, "branch", run->branch);
  shoal_jw_kstr(&w, "who", run->who);
  shoal_jw_kz(&w, "host", run->host);
  shoal_jw_kz(&w, "process", run->process);
  shoal_jw_ki64(&w, "started_us", run->started_us);
  shoal_jw_key(&w, "signatures");
  shoal_jw_arr(&w);
  for (size_t i = 0; i < n; i++) {
    shoal_hash_hex(&signatures[i], hex);
    shoal_jw_z(&w, hex);
  }
  shoal_jw_end(&w);
  return shoal_object_end(&w, err);
}

static shoal_status write_beat(const shoal_run_record *run, shoal_buf *out, shoal_error *err) {
  shoal_jw w;
  shoal_object_begin(&w, out);
  shoal_jw_kz(&w, "run", run->id);
  shoal_jw_ki64(&w, "beat", run->beat);
  shoal_jw_ki64(&w, "beat_us", shoal_time_now());
  return shoal_object_end(&w, err);
}

static void free_record(shoal_run_record *run) {
  shoal_arena_dispose(&run->arena);
  shoal_mutex_dispose(&run->lock);
  shoal_free(run);
}

static shoal_status new_record(shoal_lake *lake, shoal_str branch, shoal_str who, shoal_run_record **out,
                               shoal_error *err) {
  shoal_run_record *run = shoal_calloc(1, sizeof *run);
  if (!run)
    return shoal_fail_nomem(err);
  run->lake = lake;
  run->started_us = shoal_time_now();
  shoal_mutex_init(&run->lock);
  timed_uuid(run->id);
  snprintf(run->key, sizeof run->key, "_shoal/runs/%s.json", run->id);
  snprintf(run->beat_key, sizeof run->beat_key, "_shoal/runs/%s.beat.json", run->id);
  shoal_lake_process(lake, run->process);
  shoal_os_hostname(run->host);
  run->branch = shoal_arena_str(&run->arena, branch);
  run->who = shoal_arena_str(&run->arena, who);
  if ((branch.ptr && !run->branch.ptr) || (who.ptr && !run->who.ptr)) {
    free_record(run);
    return shoal_fail_nomem(err);
  }
  *out = run;
  return SHOAL_OK;
}

shoal_status shoal_run_announce(shoal_lake *lake, shoal_str branch, shoal_str who, const shoal_hash *signatures,
                                size_t n, shoal_run_record **out, shoal_error *err) {
  shoal_buf text = {0};
  shoal_run_record *run = NULL;
  *out = NULL;
  SHOAL_TRY(new_record(lake, branch, who, &run, err));
  shoal_status st = write_record(run, signatures, n, &text, err);
  if (st == SHOAL_OK)
    st = shoal_object_put(lake, run->key, shoal_buf_str(&text), err);
  shoal_buf_dispose(&text);
  if (st < 0)
    free_record(run);
  else
    *out = run;
  return st;
}

shoal_str shoal_run_id(const shoal_run_record *run) { return shoal_str_z(run->id); }

shoal_status shoal_run_update(shoal_run_record *run, const shoal_hash *signatures, size_t n, shoal_error *err) {
  shoal_buf text = {0};
  shoal_mutex_lock(&run->lock);
  run->beat++;
  shoal_status st = signatures ? write_record(run, signatures, n, &text, err) : write_beat(run, &text, err);
  if (st == SHOAL_OK)
    st = shoal_store_rewrite(run->lake->store, shoal_str_z(signatures ? run->key : run->beat_key), shoal_buf_str(&text),
                             err);
  shoal_mutex_unlock(&run->lock);
  shoal_buf_dispose(&text);
  return st;
}

/* A record that stays behind is one of a dead run: it is told by its beat. */
void shoal_run_end(shoal_run_record *run) {
  if (!run)
    return;
  shoal_ignore(shoal_store_del(run->lake->store, shoal_str_z(run->beat_key), NULL));
  shoal_ignore(shoal_store_del(run->lake->store, shoal_str_z(run->key), NULL));
  free_record(run);
}

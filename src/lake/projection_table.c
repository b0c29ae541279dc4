/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings one Delta table up to a branch's state with one commit.
 *
 *  T1 Every commit of ours leaves the table holding exactly the result its tag names, and says so. So if the latest
 * commit is ours, that result's files are the table's files, and no log need be replayed; the next version's
 * put-if-absent makes sure that nothing came between. T2 If the latest commit is foreign, the whole snapshot is read,
 * and the commits since our last one are judged: without file actions they are tolerated; with rearrangements only
 * (dataChange=false) the table is replaced whole; with changes of data the table is left alone (SHOAL_ECONFLICT). T3
 * The txn action (appId: the branch's id, version: the publication) makes repetition harmless: a table that is at the
 *     publication, or beyond, is done.
 *  T4 A file that is in both the old and the new result is neither removed nor added.
 */
#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "lake/object.h"
#include "lake/projection.h"

#define MAX_RACES 100
#define CHECKPOINT_EVERY 10 /* versions */
#define RETENTION_KEY "delta.deletedFileRetentionDuration"
#define RETENTION_SLACK_DAYS 7 /* above the lake's: a reader of our oldest publication still finds its files */
#define DAY_US (24 * 3600 * 1000000LL)

/* One try at one table. */
typedef struct look {
  const shoal_table_job *job;
  shoal_arena arena;
  shoal_delta_table table;
  bool trunk;
  int64_t version;      /* the latest; -1: no table yet */
  shoal_commit_tag tag; /* of our last commit; no branch_id: there is none */
  bool fresh;           /* the latest commit is that one (T1) */
  bool rearranged;
  shoal_delta_snapshot *snapshot;   /* of the table; NULL as long as T1 spares it */
  shoal_delta_snapshot *old_result; /* of tag.result, where T1 needs it */
  shoal_delta_snapshot *new_result;
  shoal_str paths; /* before the new result's files */
  size_t n_adds, n_removes;
  shoal_delta_commit commit;
} look;

static void close_look(look *l) {
  shoal_delta_commit_dispose(&l->commit);
  shoal_delta_snapshot_free(l->snapshot);
  shoal_delta_snapshot_free(l->old_result);
  shoal_delta_snapshot_free(l->new_result);
  shoal_arena_dispose(&l->arena);
}

static shoal_status conflict(const look *l, int64_t version, const char *what, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the table %.*s: version %lld %s", SHOAL_FMT(l->table.prefix),
                   (long long)version, what);
  shoal_hint(err, "the dataset is published and shoal sql reads it; its table stays as the other writer left it");
  return SHOAL_ECONFLICT;
}

/* ---- looking ---- */

static shoal_status find_table(look *l, shoal_error *err) {
  const shoal_table_job *job = l->job;
  shoal_buf prefix = {0};
  shoal_status st = shoal_table_prefix(job->lake, job->state->branch, job->name, &prefix, err);
  if (st == SHOAL_OK) {
    l->table = shoal_lake_table(job->lake, shoal_arena_str(&l->arena, shoal_buf_str(&prefix)));
    st = l->table.prefix.ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&prefix);
  SHOAL_TRY(st);
  l->trunk = shoal_str_eq(job->state->branch, job->lake->trunk);
  st = shoal_delta_latest(&l->table, -1, &l->version, err);
  if (st == SHOAL_ENOTFOUND)
    l->version = -1;
  return st == SHOAL_ENOTFOUND ? SHOAL_OK : st;
}

/* SHOAL_ENOTFOUND: the log was cleaned up. */
static shoal_status view_commit(look *l, int64_t version, shoal_commit_view *out, shoal_error *err) {
  shoal_buf text = {0};
  char *key =
      shoal_arena_printf(&l->arena, "%.*s/_delta_log/%020lld.json", SHOAL_FMT(l->table.prefix), (long long)version);
  shoal_status st = key ? shoal_store_get(l->table.store, shoal_str_z(key), &text, err) : shoal_fail_nomem(err);
  if (st == SHOAL_OK)
    st = shoal_commit_view_read(shoal_buf_str(&text), key, &l->arena, out, err);
  if (st == SHOAL_OK && !shoal_str_eq(out->tag.branch_id, l->job->state->branch_id))
    out->tag = (shoal_commit_tag){0};
  shoal_buf_dispose(&text);
  return st;
}

/* Goes back to our last commit and judges what came after it (T2). SHOAL_ENOTFOUND: the log does not reach so far. */
static shoal_status judge_foreign(look *l, shoal_error *err) {
  for (int64_t v = l->version; v >= 0; v--) {
    shoal_commit_view view;
    SHOAL_TRY(view_commit(l, v, &view, err));
    if (view.tag.branch_id.ptr) {
      l->tag = view.tag;
      l->fresh = v == l->version;
      return SHOAL_OK;
    }
    if (view.data)
      return conflict(l, v, "changed its data from outside", err);
    l->rearranged |= view.files;
  }
  return SHOAL_OK;
}

/* The part of a path behind the table's or the lake's folder, the same for links and for "../" paths. */
static shoal_str core_of(shoal_str path) {
  ptrdiff_t at = shoal_str_find(path, SHOAL_STR("_shoal/"));
  return at < 0 ? path : shoal_str_sub(path, (size_t)at, path.len);
}

static shoal_status core_of_result(look *l, shoal_str *out, shoal_error *err) {
  shoal_buf folder = {0};
  shoal_result_folder(&folder, &l->tag.result);
  shoal_str whole = shoal_buf_str(&folder);
  char *core =
      shoal_arena_printf(&l->arena, "%.*s/", SHOAL_FMT(shoal_str_sub(whole, l->tag.result.home.len + 1, whole.len)));
  *out = shoal_str_z(core);
  shoal_status st = core ? shoal_buf_check(&folder, err) : shoal_fail_nomem(err);
  shoal_buf_dispose(&folder);
  return st;
}

static bool holds_file(const shoal_map *files, shoal_str core, shoal_str path, shoal_arena *arena) {
  char *whole = shoal_arena_printf(arena, "%.*s%.*s", SHOAL_FMT(core), SHOAL_FMT(path));
  return whole && shoal_map_get(files, shoal_str_z(whole)) != SHOAL_MAP_NONE;
}

/* Whether the snapshot's files are exactly those of the tag's result. */
static shoal_status holds_result(look *l, const shoal_delta_snapshot *result, bool *out, shoal_error *err) {
  const shoal_delta_file *have = shoal_delta_snapshot_files(l->snapshot);
  size_t n_have = shoal_delta_snapshot_n_files(l->snapshot), n = result ? shoal_delta_snapshot_n_files(result) : 0;
  shoal_map files = {0};
  shoal_str core = SHOAL_STR_NONE;
  shoal_status st = result ? core_of_result(l, &core, err) : SHOAL_OK;
  for (size_t i = 0; i < n_have && st == SHOAL_OK; i++)
    st = shoal_map_put(&files, core_of(have[i].path), (uint32_t)i, err);
  *out = n_have == n;
  for (size_t i = 0; i < n && *out && st == SHOAL_OK; i++)
    *out = holds_file(&files, core, shoal_delta_snapshot_files(result)[i].path, &l->arena);
  shoal_map_dispose(&files);
  return st;
}

/* Our last commit is gone from the log: the branch's own log says what the txn's publication projected. */
static shoal_status recall_tag(look *l, int64_t publication, shoal_error *err) {
  const shoal_table_job *job = l->job;
  shoal_state *then = NULL;
  SHOAL_TRY(shoal_branch_load(job->lake, job->state->branch, publication, &then, err));
  const shoal_entry *e = shoal_state_find(then, job->name);
  l->tag = (shoal_commit_tag){.branch_id = job->state->branch_id, .publication = publication, .removed = !e};
  shoal_status st = SHOAL_OK;
  if (e) {
    l->tag.result = e->result;
    l->tag.result.home = shoal_arena_str(&l->arena, e->result.home);
    l->tag.result.attempt = shoal_arena_str(&l->arena, e->result.attempt);
    l->tag.result.dataset = shoal_arena_str(&l->arena, e->result.dataset);
    l->tag.result.writer = l->tag.result.run = SHOAL_STR_NONE;
    if (!l->tag.result.home.ptr || !l->tag.result.attempt.ptr || !l->tag.result.dataset.ptr)
      st = shoal_fail_nomem(err);
  }
  shoal_state_free(then);
  return st;
}

/* The table must hold what was projected last, unless it was rearranged. Where that result itself is gone, the
   judgement of the commits has to do. */
static shoal_status check_content(look *l, shoal_error *err) {
  shoal_delta_snapshot *result = NULL;
  shoal_error ignored;
  bool holds = true;
  if (l->rearranged)
    return SHOAL_OK;
  bool has_result = l->tag.branch_id.ptr && !l->tag.removed;
  shoal_status st = has_result ? shoal_result_open(l->job->lake, &l->tag.result, &result, &ignored) : SHOAL_OK;
  if (st == SHOAL_OK)
    st = holds_result(l, result, &holds, err);
  else
    st = st == SHOAL_ECORRUPT ? SHOAL_OK : shoal_fail(err, st, "%s", ignored.message);
  shoal_delta_snapshot_free(result);
  if (st == SHOAL_OK && !holds)
    st = conflict(l, l->version, "does not hold what was projected last", err);
  return st;
}

/* Foreign settings under which our commits would be wrong. */
static shoal_status check_settings(look *l, shoal_error *err) {
  shoal_error cause;
  if (shoal_delta_check_write(shoal_delta_snapshot_protocol(l->snapshot), shoal_delta_snapshot_metadata(l->snapshot), 0,
                              &cause) == SHOAL_OK)
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_ECONFLICT, "the table %.*s: version %lld was given settings from outside: %s",
                   SHOAL_FMT(l->table.prefix), (long long)l->version, cause.message);
  shoal_hint(err, "the dataset is published and shoal sql reads it; its table stays as the other writer left it");
  return SHOAL_ECONFLICT;
}

/* T2: reads the whole table. */
static shoal_status read_whole(look *l, shoal_error *err) {
  SHOAL_TRY(shoal_delta_snapshot_open(&l->table, l->version, &l->snapshot, err));
  int64_t txn = shoal_delta_snapshot_txn(l->snapshot, l->job->state->branch_id);
  shoal_status st = judge_foreign(l, err);
  if (st == SHOAL_ENOTFOUND && txn >= 0)
    st = recall_tag(l, txn, err);
  else if (st == SHOAL_ENOTFOUND)
    st = conflict(l, l->version, "belongs to a table that Shoal did not make", err);
  SHOAL_TRY(st);
  if (!l->tag.branch_id.ptr && l->rearranged)
    return conflict(l, l->version, "belongs to a table that Shoal did not make", err);
  if (l->tag.branch_id.ptr && txn > l->tag.publication)
    l->tag.publication = txn;
  SHOAL_TRY(check_content(l, err));
  return check_settings(l, err);
}

/* Its checkpoints are read by the engine. */
static shoal_status read_table(look *l, shoal_error *err) {
  shoal_mutex_lock(l->job->engine_lock);
  shoal_status st = read_whole(l, err);
  shoal_mutex_unlock(l->job->engine_lock);
  return st;
}

/* True if the table is at the publication or beyond, or holds this very result (T3). */
static bool up_to_date(const look *l) {
  const shoal_entry *e = l->job->entry;
  if (l->version < 0)
    return !e;
  if (!l->tag.branch_id.ptr)
    return !e; /* an empty table of somebody else's */
  if (l->tag.publication >= l->job->publication)
    return true;
  if (!e || l->tag.removed || l->rearranged)
    return !e && l->tag.removed && !l->rearranged;
  return shoal_hash_eq(&e->result.signature, &l->tag.result.signature) &&
         shoal_str_eq(e->result.attempt, l->tag.result.attempt);
}

/* ---- the commit ---- */

static bool same_columns(const shoal_delta_metadata *a, const shoal_delta_metadata *b) {
  if (a->n_partition_columns != b->n_partition_columns)
    return false;
  for (size_t i = 0; i < a->n_partition_columns; i++)
    if (!shoal_str_eq(a->partition_columns[i], b->partition_columns[i]))
      return false;
  return true;
}

static bool same_metadata(const shoal_delta_snapshot *a, const shoal_delta_snapshot *b) {
  const shoal_delta_metadata *x = shoal_delta_snapshot_metadata(a), *y = shoal_delta_snapshot_metadata(b);
  return shoal_str_eq(x->schema_json, y->schema_json) && shoal_str_eq(x->description, y->description) &&
         same_columns(x, y);
}

/* The table's own settings, with the retention above the lake's. */
static shoal_status settings(look *l, const shoal_delta_metadata *there, shoal_delta_metadata *out, shoal_error *err) {
  size_t n = there ? there->n_configuration : 0;
  int64_t days = (l->job->lake->retention_us + DAY_US - 1) / DAY_US + RETENTION_SLACK_DAYS;
  shoal_delta_kv *kv = SHOAL_NEW_ARRAY(&l->arena, shoal_delta_kv, n + 1);
  char *interval = shoal_arena_printf(&l->arena, "interval %lld days", (long long)days);
  if (!kv || !interval)
    return shoal_fail_nomem(err);
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    if (!shoal_str_is(there->configuration[i].key, RETENTION_KEY))
      kv[count++] = there->configuration[i];
  kv[count++] = (shoal_delta_kv){SHOAL_STR(RETENTION_KEY), shoal_str_z(interval)};
  out->configuration = kv;
  out->n_configuration = count;
  return SHOAL_OK;
}

static bool has_name(const shoal_str *names, size_t n, shoal_str name) {
  for (size_t i = 0; i < n; i++)
    if (shoal_str_eq(names[i], name))
      return true;
  return false;
}

/* Both lists without repetitions. */
static shoal_status join_names(look *l, const shoal_str *a, size_t n_a, const shoal_str *b, size_t n_b,
                               const shoal_str **out, size_t *n, shoal_error *err) {
  shoal_str *names = SHOAL_NEW_ARRAY(&l->arena, shoal_str, n_a + n_b);
  if (!names)
    return shoal_fail_nomem(err);
  *n = 0;
  for (size_t i = 0; i < n_a + n_b; i++) {
    shoal_str name = i < n_a ? a[i] : b[i - n_a];
    if (!has_name(names, *n, name))
      names[(*n)++] = name;
  }
  *out = names;
  return SHOAL_OK;
}

/* The table's protocol raised to what the new schema needs; nothing when it suffices. */
static shoal_status raise_protocol(look *l, const shoal_delta_protocol *need, shoal_error *err) {
  static const shoal_str legacy[] = {{"appendOnly", 10}, {"invariants", 10}};
  const shoal_delta_protocol *have = shoal_delta_snapshot_protocol(l->snapshot);
  shoal_delta_protocol p = {.min_reader = 3, .min_writer = 7};
  bool features = have->min_writer == 7;
  if (need->min_writer < 7)
    return SHOAL_OK;
  SHOAL_TRY(join_names(l, have->reader_features, have->min_reader == 3 ? have->n_reader_features : 0,
                       need->reader_features, need->n_reader_features, &p.reader_features, &p.n_reader_features, err));
  SHOAL_TRY(join_names(l, features ? have->writer_features : legacy, features ? have->n_writer_features : 2,
                       need->writer_features, need->n_writer_features, &p.writer_features, &p.n_writer_features, err));
  if (features && have->min_reader == 3 && p.n_reader_features == have->n_reader_features &&
      p.n_writer_features == have->n_writer_features)
    return SHOAL_OK;
  shoal_delta_commit_protocol(&l->commit, &p);
  return SHOAL_OK;
}

/* Protocol and metaData where the table is new or its schema, partitioning or description changes. */
static shoal_status add_metadata(look *l, shoal_error *err) {
  const shoal_delta_metadata *new = shoal_delta_snapshot_metadata(l->new_result);
  const shoal_delta_metadata *there = l->snapshot ? shoal_delta_snapshot_metadata(l->snapshot) : NULL;
  const shoal_delta_protocol *need = shoal_delta_snapshot_protocol(l->new_result);
  shoal_delta_metadata m = *new;
  char *id = SHOAL_NEW_ARRAY(&l->arena, char, SHOAL_UUID_TEXT);
  if (!id)
    return shoal_fail_nomem(err);
  shoal_os_uuid(id);
  m.id = there ? there->id : shoal_str_z(id);
  m.name = there && there->name.ptr ? there->name : l->job->name;
  m.created_ms = there ? there->created_ms : shoal_time_now() / 1000;
  SHOAL_TRY(settings(l, there, &m, err));
  if (there)
    SHOAL_TRY(raise_protocol(l, need, err));
  else
    shoal_delta_commit_protocol(&l->commit, need);
  shoal_delta_commit_metadata(&l->commit, &m);
  return SHOAL_OK;
}

/* The files of a result under the paths by which the table names them. */
static shoal_status files_under(look *l, const shoal_delta_snapshot *s, shoal_str paths, shoal_delta_file **out,
                                size_t *n, shoal_error *err) {
  *n = s ? shoal_delta_snapshot_n_files(s) : 0;
  if (!(*out = SHOAL_NEW_ARRAY(&l->arena, shoal_delta_file, *n)))
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < *n; i++) {
    shoal_delta_file *f = &(*out)[i];
    *f = shoal_delta_snapshot_files(s)[i];
    f->path = shoal_str_z(shoal_arena_printf(&l->arena, "%.*s%.*s", SHOAL_FMT(paths), SHOAL_FMT(f->path)));
    f->raw = SHOAL_STR_NONE;
    f->data_change = true;
    if (!f->path.ptr)
      return shoal_fail_nomem(err);
  }
  return SHOAL_OK;
}

/* What the table holds now. */
static shoal_status old_files(look *l, shoal_delta_file **out, size_t *n, shoal_error *err) {
  if (l->snapshot)
    return files_under(l, l->snapshot, SHOAL_STR(""), out, n, err);
  return files_under(l, l->old_result, l->tag.paths, out, n, err);
}

/* The paths of whole files. */
static shoal_status index_paths(const shoal_delta_file *files, size_t n, shoal_map *out, shoal_error *err) {
  for (size_t i = 0; i < n; i++)
    if (!files[i].deletion_vector.ptr)
      SHOAL_TRY(shoal_map_put(out, files[i].path, (uint32_t)i, err));
  return SHOAL_OK;
}

/* T4. A file of which somebody deleted rows is not the file of the result. */
static shoal_status add_files(look *l, int64_t now, shoal_error *err) {
  shoal_delta_file *old, *new;
  size_t n_old, n_new;
  shoal_map in_old = {0}, in_new = {0};
  shoal_status st = old_files(l, &old, &n_old, err);
  if (st == SHOAL_OK)
    st = files_under(l, l->new_result, l->paths, &new, &n_new, err);
  if (st == SHOAL_OK)
    st = index_paths(old, n_old, &in_old, err);
  if (st == SHOAL_OK)
    st = index_paths(new, n_new, &in_new, err);
  for (size_t i = 0; st == SHOAL_OK && i < n_old; i++)
    if (old[i].deletion_vector.ptr || shoal_map_get(&in_new, old[i].path) == SHOAL_MAP_NONE) {
      shoal_delta_commit_remove(&l->commit, &old[i], now);
      l->n_removes++;
    }
  for (size_t i = 0; st == SHOAL_OK && i < n_new; i++)
    if (shoal_map_get(&in_old, new[i].path) == SHOAL_MAP_NONE) {
      shoal_delta_commit_add(&l->commit, &new[i]);
      l->n_adds++;
    }
  shoal_map_dispose(&in_old);
  shoal_map_dispose(&in_new);
  return st;
}

/* commitInfo comes first, but says whether files are removed: it is written into a commit of its own, and the actions
   are put behind it. */
static shoal_status add_info(look *l, int64_t now, shoal_error *err) {
  const shoal_table_job *job = l->job;
  shoal_commit_tag tag = {.branch_id = job->state->branch_id,
                          .publication = job->state->publication,
                          .paths = l->paths,
                          .removed = !job->entry};
  shoal_delta_commit whole = {0};
  shoal_buf extra = {0};
  if (job->entry)
    tag.result = job->entry->result;
  shoal_status st = shoal_buf_check(&l->commit.text, err);
  if (st == SHOAL_OK)
    st = shoal_commit_tag_write(&tag, &extra, err);
  if (st == SHOAL_OK) {
    bool append = l->n_removes == 0;
    shoal_delta_commit_info(&whole, now, "WRITE",
                            append ? SHOAL_STR("{\"mode\":\"Append\"}") : SHOAL_STR("{\"mode\":\"Overwrite\"}"), append,
                            shoal_buf_str(&extra));
    shoal_buf_add(&whole.text, shoal_buf_str(&l->commit.text));
    shoal_delta_commit_txn(&whole, job->state->branch_id, job->state->publication, now);
    st = shoal_buf_check(&whole.text, err);
  }
  shoal_buf_dispose(&extra);
  shoal_delta_commit_dispose(&l->commit);
  l->commit = whole;
  return st;
}

/* Opens what the commit is made of, as little as will do. */
static shoal_status open_results(look *l, shoal_error *err) {
  const shoal_table_job *job = l->job;
  shoal_error ignored;
  if (job->entry) {
    SHOAL_TRY(shoal_result_open(job->lake, &job->entry->result, &l->new_result, err));
    SHOAL_TRY(shoal_place_files(job->lake, &job->entry->result, l->new_result, l->table.prefix, l->trunk, &l->arena,
                                &l->paths, err));
  }
  if (l->version < 0 || l->snapshot)
    return SHOAL_OK;
  /* T1 spares the replay unless the table's metadata are needed or its old result can't be read any more. */
  if (!l->tag.removed && shoal_result_open(job->lake, &l->tag.result, &l->old_result, &ignored) == SHOAL_OK &&
      (!l->new_result || same_metadata(l->old_result, l->new_result)))
    return SHOAL_OK;
  return read_table(l, err);
}

static shoal_status make_commit(look *l, shoal_error *err) {
  int64_t now = shoal_time_now();
  SHOAL_TRY(open_results(l, err));
  bool describe = l->new_result && (l->version < 0 || (l->snapshot && !same_metadata(l->snapshot, l->new_result)));
  if (describe)
    SHOAL_TRY(add_metadata(l, err));
  SHOAL_TRY(add_files(l, now, err));
  return add_info(l, now, err);
}

/* Off the commit's path: without it readers only take longer. */
static void checkpoint(const look *l, int64_t version) {
  shoal_delta_checkpointed made;
  shoal_error err;
  if (version == 0 || version % CHECKPOINT_EVERY || !l->table.get_engine)
    return;
  shoal_mutex_lock(l->job->engine_lock);
  shoal_status st = shoal_delta_checkpoint_version(&l->table, version, &made, &err);
  shoal_mutex_unlock(l->job->engine_lock);
  if (st < 0)
    shoal_projection_warn(l->job->report, "the table %.*s has no checkpoint of version %lld: %s",
                          SHOAL_FMT(l->table.prefix), (long long)version, err.message);
}

/* ---- one try ---- */

static shoal_status look_closely(look *l, shoal_error *err) {
  SHOAL_TRY(find_table(l, err));
  if (l->version < 0)
    return SHOAL_OK;
  shoal_commit_view last;
  shoal_status st = view_commit(l, l->version, &last, err);
  l->fresh = st == SHOAL_OK && last.tag.branch_id.ptr;
  if (l->fresh)
    l->tag = last.tag;
  else if (st == SHOAL_OK || st == SHOAL_ENOTFOUND)
    st = read_table(l, err);
  return st;
}

static shoal_status try_table(look *l, shoal_error *err) {
  shoal_projection_report *report = l->job->report;
  SHOAL_TRY(look_closely(l, err));
  if (up_to_date(l)) {
    report->unchanged++;
    return SHOAL_OK;
  }
  SHOAL_TRY(make_commit(l, err));
  SHOAL_TRY(shoal_delta_commit_put(&l->table, &l->commit, l->version + 1, err));
  if (l->rearranged)
    shoal_projection_warn(report, "the table %.*s had been rearranged from outside; it is replaced whole",
                          SHOAL_FMT(l->table.prefix));
  report->tables++;
  checkpoint(l, l->version + 1);
  return SHOAL_OK;
}

shoal_status shoal_table_project(const shoal_table_job *job, shoal_error *err) {
  shoal_status st = SHOAL_EEXIST;
  for (int i = 0; i < MAX_RACES && st == SHOAL_EEXIST; i++) {
    look l = {.job = job};
    st = try_table(&l, err);
    close_look(&l);
  }
  return st == SHOAL_EEXIST ? shoal_fail(err, SHOAL_EBUSY, "the table of %.*s is committed to by others all the time",
                                         SHOAL_FMT(job->name))
                            : st;
}

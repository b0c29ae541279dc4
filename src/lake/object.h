/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share: the lake's small JSON objects. Each is one JSON object with "format" first; keys
 * are given by docs/lake-format.md. Private to src/lake.
 */
#ifndef SHOAL_LAKE_OBJECT_H
#define SHOAL_LAKE_OBJECT_H

#include "base/json.h"
#include "lake/lake.h"

#define SHOAL_LAKE_FORMAT 1
#define SHOAL_CHECKPOINT_EVERY 64 /* publications */
#define SHOAL_MAX_FORKS 100       /* branches of branches: the depth of a load's recursion */
#define SHOAL_NUMBER_DIGITS 20

/* Parses an object: SHOAL_ECORRUPT naming the key, SHOAL_EUNSUPPORTED for a higher format. */
SHOAL_MUST_USE shoal_status shoal_object_parse(shoal_str text, const char *key, yyjson_doc **out, shoal_error *err);
/* Gets and parses. SHOAL_ENOTFOUND. */
SHOAL_MUST_USE shoal_status shoal_object_get(shoal_lake *lake, const char *key, yyjson_doc **out, shoal_error *err);
/* Opens the object in a writer whose buffer is *out, and writes "format". */
void shoal_object_begin(shoal_jw *w, shoal_buf *out);
/* Closes it; the buffer's status. */
SHOAL_MUST_USE shoal_status shoal_object_end(shoal_jw *w, shoal_error *err);
/* Put if absent. After a failure with an unknown outcome the key is read: bytes equal to ours are a success, since
   every object that is put holds an id of its own. */
SHOAL_MUST_USE shoal_status shoal_object_put(shoal_lake *lake, const char *key, shoal_str bytes, shoal_error *err);
/* The same for what matters to running processes only: it need not outlive a power loss. */
SHOAL_MUST_USE shoal_status shoal_object_put_brief(shoal_lake *lake, const char *key, shoal_str bytes,
                                                   shoal_error *err);

/* A zero hash writes nothing. */
void shoal_object_hash(shoal_jw *w, const char *field, const shoal_hash *h);
/* Absent is zero; SHOAL_ECORRUPT if it is no hash. */
SHOAL_MUST_USE shoal_status shoal_object_read_hash(yyjson_val *obj, const char *field, const char *key, shoal_hash *out,
                                                   shoal_error *err);
/* Copied into the arena; absent is {NULL,0}. */
SHOAL_MUST_USE shoal_status shoal_object_read_str(yyjson_val *obj, const char *field, shoal_arena *arena,
                                                  shoal_str *out, shoal_error *err);

/* A result's members in an object of their own: claims, publications, states. What follows from `name` (the dataset
   where it is said beside the result, or {NULL,0}) is left out. */
void shoal_result_write(shoal_jw *w, const shoal_result *r, shoal_str name);
SHOAL_MUST_USE shoal_status shoal_result_read(yyjson_val *obj, const char *key, shoal_str name, shoal_arena *arena,
                                              shoal_result *out, shoal_error *err);
/* Sources' pins as an array. */
void shoal_pins_write(shoal_jw *w, const shoal_source_pin *pins, size_t n);
SHOAL_MUST_USE shoal_status shoal_pins_read(yyjson_val *array, const char *key, shoal_arena *arena,
                                            shoal_source_pin **out, size_t *n, shoal_error *err);

/* The folder "<home>/_shoal/<signature>/<attempt>" of a result. */
void shoal_result_folder(shoal_buf *out, const shoal_result *r);
/* This process's token. */
void shoal_lake_process(const shoal_lake *lake, char out[SHOAL_PROCESS_TOKEN]);
/* What delta/ needs to know of a table of this lake. `prefix` is borrowed. */
shoal_delta_table shoal_lake_table(const shoal_lake *lake, shoal_str prefix);

/* "_shoal/branches/<folder>/" */
SHOAL_MUST_USE shoal_status shoal_branch_prefix(shoal_str branch, shoal_buf *out, shoal_error *err);
/* What entry 0 of a branch says. */
typedef struct shoal_branch_head {
  shoal_str name, id, fork_branch, fork_id;
  int64_t fork_publication, time_us;
} shoal_branch_head;
SHOAL_MUST_USE shoal_status shoal_branch_head_read(shoal_lake *lake, shoal_str branch, shoal_arena *arena,
                                                   shoal_branch_head *out, shoal_error *err);
/* Lets the log of a deleted branch go on, from a publication of `fork`; the state is that of its head. SHOAL_EEXIST:
   somebody was faster. */
SHOAL_MUST_USE shoal_status shoal_branch_make_again(shoal_lake *lake, shoal_state *deleted,
                                                    const shoal_branch_head *fork, int64_t publication,
                                                    shoal_error *err);
/* The newest publication's number, and that of the newest checkpoint (-1: none). */
SHOAL_MUST_USE shoal_status shoal_branch_newest(shoal_lake *lake, shoal_str branch, int64_t *head, int64_t *checkpoint,
                                                shoal_error *err);

/* The head's state, also that of a deleted branch. */
SHOAL_MUST_USE shoal_status shoal_branch_load_deleted(shoal_lake *lake, shoal_str branch, shoal_state **out,
                                                      shoal_error *err);

/* A publication as text, and back. `id` is random: it tells our own entry from another's. */
SHOAL_MUST_USE shoal_status shoal_publication_encode(const shoal_publication_draft *draft, const shoal_state *state,
                                                     int64_t number, int64_t time_us, const char *id, shoal_buf *out,
                                                     shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_publication_decode(yyjson_val *obj, const char *key, shoal_arena *arena,
                                                     shoal_publication *out, shoal_error *err);

/* Applies publications, in order, to a state: shoal_apply_begin, _next for each, _end. Strings go into the state's
   arena; nothing else of the state moves before the end. */
typedef struct shoal_apply {
  shoal_state *state;
  int64_t publication, published_us;
  shoal_str fork_branch;
  int64_t fork_publication;
  bool deleted;
  shoal_source_pin *sources;
  size_t n_sources;
  SHOAL_VEC(shoal_entry) entries; /* a removed one has no name */
  shoal_map by_name;
} shoal_apply;
SHOAL_MUST_USE shoal_status shoal_apply_begin(shoal_apply *a, shoal_state *state, shoal_error *err);
SHOAL_MUST_USE shoal_status shoal_apply_next(shoal_apply *a, shoal_str text, const char *key, shoal_error *err);
/* Puts the entries into the state unless `status` is a failure, which it returns; frees in any case. */
SHOAL_MUST_USE shoal_status shoal_apply_end(shoal_apply *a, shoal_status status, shoal_error *err);

#endif

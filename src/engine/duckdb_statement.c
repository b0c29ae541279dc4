/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements and their errors. The engine is set to give errors as JSON, so that position and candidates need no
 * guessing from text; positions are then moved from the statement that ran into the user's own SQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/duckdb_internal.h"
#include "engine/lexer.h"

/* The engine's position counts from the statement's start. */
static void point(shoal_error *err, shoal_str position, shoal_duckdb_place place) {
  int64_t at;
  if (!place.sql.ptr || !shoal_str_i64(position, &at) || at < (int64_t)place.offset)
    return;
  if ((size_t)at - place.offset < place.sql.len)
    shoal_sql_point(err, place.sql, (size_t)at - place.offset);
}

static shoal_status status_of(shoal_str type, shoal_str message) {
  if (shoal_str_ieq(type, SHOAL_STR("interrupt")))
    return SHOAL_ECANCELLED;
  if (shoal_str_ieq(type, SHOAL_STR("out of memory")))
    return SHOAL_ELIMIT;
  if (shoal_str_ieq(type, SHOAL_STR("permission")))
    return SHOAL_EACCESS;
  if (shoal_str_ieq(type, SHOAL_STR("io")))
    return shoal_str_find(message, SHOAL_STR("No space left")) >= 0 ? SHOAL_ESPACE : SHOAL_EIO;
  return SHOAL_EENGINE;
}

/* "a\nb\n\nLINE 1: …" is "a": what follows is either in the hint or shown by who shows the error. */
static shoal_str first_line(shoal_str message) {
  ptrdiff_t end = shoal_str_chr(message, '\n');
  return end < 0 ? message : shoal_str_sub(message, 0, (size_t)end);
}

/* "Did you mean "floor"?" stands in the message, "candidates" beside it. */
static void hint_candidates(shoal_error *err, shoal_str message, shoal_str candidates) {
  shoal_str rest = message, line;
  if (candidates.len) {
    shoal_str first = candidates;
    (void)shoal_str_split(&candidates, ',', &first);
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(shoal_str_trim(first)));
    return;
  }
  while (shoal_str_split(&rest, '\n', &line)) {
    if (shoal_str_starts(line, SHOAL_STR("LINE ")))
      break;
    if (line.ptr != message.ptr && shoal_str_trim(line).len) {
      shoal_hint(err, "%.*s", SHOAL_FMT(shoal_str_trim(line)));
      break;
    }
  }
}

/* The value behind a label at the start of a line, up to the line's end; {NULL,0} if no line has it. */
static shoal_str labelled(shoal_str message, shoal_str label) {
  shoal_str line;
  while (shoal_str_split(&message, '\n', &line)) {
    line = shoal_str_trim(line);
    if (shoal_str_starts(line, label))
      return shoal_str_trim(shoal_str_sub(line, label.len, line.len));
  }
  return SHOAL_STR_NONE;
}

/* A CSV reader's message is a page: what went wrong, file and line of the data are all that is said of it. */
static bool explain_csv(shoal_str message, shoal_error *err) {
  shoal_str at = labelled(message, SHOAL_STR("CSV Error on Line:")), file = labelled(message, SHOAL_STR("file ="));
  shoal_str original = labelled(message, SHOAL_STR("Original Line:")), what = SHOAL_STR_NONE, line;
  int64_t number;
  char path[256];
  if (!file.len || file.len >= sizeof path || !shoal_str_i64(at, &number) || number <= 0 || number > INT32_MAX)
    return false;
  for (int i = 0; i < 3 && shoal_str_split(&message, '\n', &line); i++) /* the first that is no label */
    if (!shoal_str_starts(line, SHOAL_STR("CSV Error")) && !shoal_str_starts(line, SHOAL_STR("Original Line")))
      what = line;
  memcpy(path, file.ptr, file.len);
  path[file.len] = '\0';
  shoal_fail(err, SHOAL_EENGINE, "%.*s (the line is: %.*s)",
             SHOAL_FMT(what.len ? what : SHOAL_STR("the CSV does not parse")),
             SHOAL_FMT(shoal_str_sub(original, 0, 120)));
  shoal_hint(err, "mend the file, or say how to read it under options: of its source in shoal.yaml");
  shoal_error_at(err, path, (int)number, 0, 0);
  return true;
}

/* The name in the last pair of quotes of `f does not have a column named "x"`, or {NULL,0}. */
static shoal_str missing_column(yyjson_val *root, shoal_str message) {
  static const shoal_str says = {" does not have a column named \"", 31};
  shoal_str line = first_line(message);
  if (shoal_str_is(shoal_json_str(root, "error_subtype"), "COLUMN_NOT_FOUND"))
    return shoal_json_str(root, "name");
  ptrdiff_t at = shoal_str_find(line, says);
  if (at < 0 || !shoal_str_ends(line, SHOAL_STR("\"")))
    return SHOAL_STR_NONE;
  return shoal_str_sub(line, (size_t)at + says.len, line.len - 1);
}

/* The nearest column of the job's inputs. */
static void hint_columns(const shoal_job *job, shoal_str name, shoal_error *err) {
  shoal_str names[256];
  size_t n = 0;
  for (size_t i = 0; i < job->n_inputs; i++) {
    const shoal_schema *schema = job->inputs[i].scan ? job->inputs[i].scan->schema : NULL;
    for (size_t k = 0; schema && k < schema->n_fields && n < sizeof names / sizeof *names; k++)
      names[n++] = schema->fields[k].name;
  }
  ptrdiff_t near = shoal_str_nearest(name, names, n);
  if (near >= 0)
    shoal_hint(err, "did you mean %.*s?", SHOAL_FMT(names[near]));
}

/* A column that is not there is said in the words of the user's datasets. */
static void explain_column(shoal_duckdb *d, yyjson_val *root, shoal_str message, shoal_error *err) {
  shoal_str name = missing_column(root, message);
  if (!name.ptr || !d->job || !err)
    return;
  if (d->job->n_inputs == 1)
    shoal_fail(err, SHOAL_EENGINE, "no column \"%.*s\" in %.*s", SHOAL_FMT(name), SHOAL_FMT(d->job->inputs[0].name));
  else
    shoal_fail(err, SHOAL_EENGINE, "no column \"%.*s\" in what it reads", SHOAL_FMT(name));
  if (!shoal_json_str(root, "candidates").len)
    hint_columns(d->job, name, err);
}

static shoal_status fail_json(shoal_duckdb *d, yyjson_val *root, shoal_duckdb_place place, shoal_error *err) {
  shoal_str type = shoal_json_str(root, "exception_type");
  shoal_str message = shoal_json_str(root, "exception_message");
  shoal_status status = status_of(type, message);
  if (shoal_str_ieq(type, SHOAL_STR("fatal")) || shoal_str_ieq(type, SHOAL_STR("internal")))
    d->fatal = true;
  if (status == SHOAL_ECANCELLED)
    return shoal_fail(err, status, "cancelled");
  if (err && explain_csv(message, err))
    return SHOAL_EENGINE;
  shoal_fail(err, status, "%.*s", SHOAL_FMT(first_line(message)));
  explain_column(d, root, message, err);
  if (status == SHOAL_ELIMIT)
    shoal_hint(err, "give the engine more memory, fewer threads or a temp folder (shoal.yaml: engine)");
  if (status == SHOAL_EACCESS)
    shoal_hint(err, "a query reads only its datasets and the files it names by constant paths");
  hint_candidates(err, message, shoal_json_str(root, "candidates"));
  point(err, shoal_json_str(root, "position"), place);
  return status;
}

shoal_status shoal_duckdb_fail(shoal_duckdb *d, const char *message, shoal_duckdb_place place, shoal_error *err) {
  shoal_str text = shoal_str_z(message ? message : "the engine failed without a message");
  ptrdiff_t brace = shoal_str_chr(text, '{');
  yyjson_doc *doc = NULL;
  if (brace >= 0)
    (void)!shoal_json_parse(shoal_str_sub(text, (size_t)brace, text.len), "the engine's message", &doc, NULL);
  yyjson_val *root = yyjson_doc_get_root(doc);
  shoal_status status;
  d->damage = shoal_duckdb_is_damage(shoal_json_str(root, "exception_type"), text);
  if (root && yyjson_obj_get(root, "exception_message")) {
    status = fail_json(d, root, place, err);
  } else {
    status = shoal_str_find(text, SHOAL_STR("Interrupted")) >= 0 ? SHOAL_ECANCELLED : SHOAL_EENGINE;
    shoal_fail(err, status, "%.*s", SHOAL_FMT(first_line(text)));
  }
  yyjson_doc_free(doc);
  if (d->damage && status != SHOAL_ECANCELLED)
    shoal_duckdb_name_file(d, err);
  return status;
}

static shoal_status check_cancelled(shoal_duckdb *d, shoal_error *err) {
  return atomic_load(&d->cancelled) ? shoal_fail(err, SHOAL_ECANCELLED, "cancelled") : SHOAL_OK;
}

shoal_status shoal_duckdb_run(shoal_duckdb *d, const char *sql, shoal_error *err) {
  shoal_duckdb_record(d, sql);
  duckdb_result result = {0};
  shoal_status status = SHOAL_OK;
  if (d->api->query(d->con, sql, &result) != DuckDBSuccess)
    status = shoal_duckdb_fail(d, d->api->result_error(&result), (shoal_duckdb_place){0}, err);
  d->api->destroy_result(&result);
  return status;
}

shoal_status shoal_duckdb_prepare(shoal_duckdb *d, const char *sql, shoal_duckdb_place place,
                                  duckdb_prepared_statement *out, shoal_error *err) {
  *out = NULL;
  if (d->api->prepare(d->con, sql, out) == DuckDBSuccess)
    return SHOAL_OK;
  shoal_status status = shoal_duckdb_fail(d, d->api->prepare_error(*out), place, err);
  d->api->destroy_prepare(out);
  return status;
}

#define SHORT_PAUSE_US 200
#define LONG_PAUSE_US 2000

/* Other threads work on the query; this one has nothing to do right now, and looks again after a 16th of the time that
   the query has taken: each look costs 10 µs. */
static void pause_briefly(int64_t begun) {
  int64_t us = (shoal_time_monotonic() - begun) / 16;
  us = us < SHORT_PAUSE_US ? SHORT_PAUSE_US : us > LONG_PAUSE_US ? LONG_PAUSE_US : us;
  struct timespec t = {.tv_nsec = (long)us * 1000};
  nanosleep(&t, NULL);
}

static void report_progress(shoal_duckdb *d) {
  if (!d->job || !d->job->progress)
    return;
  duckdb_query_progress_type p = d->api->query_progress(d->con);
  if (p.percentage >= 0)
    d->job->progress(d->job->progress_arg, p.percentage);
}

#define PROGRESS_US 20000

/* Works in small tasks until the result is there, and sleeps while only other threads have one: left to itself the
   engine's calling thread spins as long as they work, which doubles the CPU seconds of whatever one thread does. */
static void work(shoal_duckdb *d, duckdb_pending_result pending) {
  int64_t begun = shoal_time_monotonic(), reported = begun;
  for (;;) {
    if (atomic_load(&d->cancelled))
      d->api->interrupt(d->con);
    duckdb_pending_state state = d->api->pending_execute_task(pending);
    if (state == DUCKDB_PENDING_RESULT_READY || state == DUCKDB_PENDING_ERROR)
      return;
    if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE)
      pause_briefly(begun);
    if (shoal_time_monotonic() - reported >= PROGRESS_US) {
      report_progress(d);
      reported = shoal_time_monotonic();
    }
  }
}

/* `begin` says whether the result is gathered, or streamed while it is fetched. */
static shoal_status execute(shoal_duckdb *d, __typeof__(&duckdb_pending_prepared) begin, duckdb_prepared_statement stmt,
                            shoal_duckdb_place place, duckdb_result *out, shoal_error *err) {
  duckdb_pending_result pending = NULL;
  shoal_status status = SHOAL_OK;
  SHOAL_TRY(check_cancelled(d, err));
  if (begin(stmt, &pending) != DuckDBSuccess) {
    status = shoal_duckdb_fail(d, d->api->pending_error(pending), place, err);
    goto out;
  }
  work(d, pending);
  if (d->api->execute_pending(pending, out) != DuckDBSuccess) {
    const char *message = d->api->result_error(out);
    status = shoal_duckdb_fail(d, message ? message : d->api->pending_error(pending), place, err);
    if (atomic_load(&d->cancelled))
      status = shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  }
out:
  d->api->destroy_pending(&pending);
  return status;
}

static shoal_status query_with(shoal_duckdb *d, __typeof__(&duckdb_pending_prepared) begin, const char *sql,
                               shoal_duckdb_place place, duckdb_result *out, shoal_error *err) {
  duckdb_prepared_statement stmt = NULL;
  *out = (duckdb_result){0};
  SHOAL_TRY(shoal_duckdb_prepare(d, sql, place, &stmt, err));
  shoal_status status = execute(d, begin, stmt, place, out, err);
  d->api->destroy_prepare(&stmt);
  return status;
}

shoal_status shoal_duckdb_query_watched(shoal_duckdb *d, const char *sql, shoal_duckdb_place place, duckdb_result *out,
                                        shoal_error *err) {
  return query_with(d, d->api->pending_prepared, sql, place, out, err);
}

shoal_status shoal_duckdb_query_streamed(shoal_duckdb *d, const char *sql, shoal_duckdb_place place, size_t n,
                                         duckdb_result *out, shoal_error *err) {
  SHOAL_TRY(shoal_duckdb_streamed(d, place.sql, n, err));
  return query_with(d, d->api->pending_prepared_streaming, sql, place, out, err);
}

/* The engine gives no chunk both at the end and after a failure; only the result tells them apart. */
shoal_status shoal_duckdb_fetch(shoal_duckdb *d, duckdb_result *result, duckdb_data_chunk *out, shoal_error *err) {
  *out = NULL;
  SHOAL_TRY(check_cancelled(d, err));
  if ((*out = d->api->fetch_chunk(*result)))
    return SHOAL_OK;
  SHOAL_TRY(check_cancelled(d, err));
  const char *message = d->api->result_error(result);
  if (!message || !*message)
    return SHOAL_DONE;
  shoal_status status = shoal_duckdb_fail(d, message, (shoal_duckdb_place){0}, err);
  return status == SHOAL_ECANCELLED && !atomic_load(&d->cancelled) ? shoal_duckdb_ask_again(d, err) : status;
}

/* In one go unless somebody wants to watch: in a transaction that has made views the engine binds and optimises a
   prepared statement once more when it is executed. */
shoal_status shoal_duckdb_query_text(shoal_duckdb *d, const char *sql, shoal_duckdb_place place, duckdb_result *out,
                                     shoal_error *err) {
  *out = (duckdb_result){0};
  if (d->job && d->job->progress)
    return shoal_duckdb_query_watched(d, sql, place, out, err);
  SHOAL_TRY(check_cancelled(d, err));
  if (d->api->query(d->con, sql, out) == DuckDBSuccess)
    return SHOAL_OK;
  if (atomic_load(&d->cancelled))
    return shoal_fail(err, SHOAL_ECANCELLED, "cancelled");
  return shoal_duckdb_fail(d, d->api->result_error(out), place, err);
}

shoal_status shoal_duckdb_set_variable(shoal_duckdb *d, shoal_str name, duckdb_value value, const char *type,
                                       shoal_error *err) {
  duckdb_prepared_statement stmt = NULL;
  duckdb_result result = {0};
  shoal_buf sql = {0};
  shoal_buf_addz(&sql, "SET VARIABLE ");
  shoal_buf_sql_ident(&sql, name);
  if (type)
    shoal_buf_addf(&sql, " = CAST($1 AS %s)", type);
  else
    shoal_buf_addz(&sql, " = $1");
  shoal_status status = shoal_buf_check(&sql, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_note_variable(d, name, err);
  if (status == SHOAL_OK)
    status = shoal_duckdb_prepare(d, shoal_buf_z(&sql), (shoal_duckdb_place){0}, &stmt, err);
  if (status == SHOAL_OK && d->api->bind_value(stmt, 1, value) != DuckDBSuccess)
    status = shoal_duckdb_fail(d, d->api->prepare_error(stmt), (shoal_duckdb_place){0}, err);
  if (status == SHOAL_OK && d->api->execute_prepared(stmt, &result) != DuckDBSuccess)
    status = shoal_duckdb_fail(d, d->api->result_error(&result), (shoal_duckdb_place){0}, err);
  d->api->destroy_result(&result);
  d->api->destroy_prepare(&stmt);
  d->api->destroy_value(&value);
  shoal_buf_dispose(&sql);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "run/python.h"

#include "base/limits.h"
#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/arrow_file.h"

typedef struct call {
  shoal_task *task;
  shoal_lake *lake;
  const shoal_task_context *ctx;
  shoal_engine *engine;
  const char *folder; /* of the files that cross */
  const char *output; /* takes what the model prints */
  shoal_worker *worker;
  int64_t until_us;
} call;

static shoal_status send(call *c, const shoal_buf *message, shoal_error *err) {
  SHOAL_TRY(shoal_buf_check(message, err));
  return shoal_worker_send(c->worker, shoal_buf_str(message), err);
}

static shoal_status ask(call *c, shoal_error *err) {
  char code[SHOAL_HASH_HEX + 1];
  bool trusted;
  SHOAL_TRY(shoal_lake_trusted(c->lake, &trusted, err));
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_hash_hex(&c->task->python.code, code);
  shoal_jw_obj(&w);
  shoal_jw_kz(&w, "do", "run");
  shoal_jw_kstr(&w, "file", c->task->model.path);
  shoal_jw_kstr(&w, "dataset", c->task->dataset);
  shoal_jw_kz(&w, "code", code);
  shoal_jw_kbool(&w, "trusted", trusted);
  shoal_jw_kbool(&w, "strict", c->task->python.strict);
  shoal_jw_kz(&w, "folder", c->folder);
  shoal_jw_kz(&w, "output", c->output);
  shoal_jw_end(&w);
  shoal_status status = send(c, &b, err);
  shoal_buf_dispose(&b);
  return status;
}

/* ---- what the function loads ---- */

static shoal_status write_table(call *c, const shoal_task_input *in, const char *path, shoal_error *err) {
  shoal_buf sql = {0};
  const shoal_input input = {in->name, &in->scan};
  ptrdiff_t dot = shoal_str_chr(in->name, '.');
  shoal_buf_addz(&sql, "FROM ");
  shoal_buf_sql_ident(&sql, shoal_str_sub(in->name, 0, (size_t)dot));
  shoal_buf_addc(&sql, '.');
  shoal_buf_sql_ident(&sql, shoal_str_sub(in->name, (size_t)dot + 1, in->name.len));
  shoal_status status = shoal_buf_check(&sql, err);
  shoal_job job = {.sql = shoal_buf_str(&sql), .inputs = &input, .n_inputs = 1};
  if (status >= 0)
    status = shoal_engine_copy(c->engine, &job, path, SHOAL_STR("arrow"), err);
  shoal_buf_dispose(&sql);
  return status;
}

/* What it was in the program that made it, which is what the function gets. */
static shoal_status add_type(call *c, const shoal_task_input *in, shoal_jw *w, shoal_error *err) {
  shoal_buf provenance = {0};
  if (!in->is_result || !in->result.type.ptr)
    return SHOAL_OK;
  shoal_status status = shoal_result_provenance(c->lake, &in->result, &provenance, err);
  if (status >= 0) {
    shoal_jw_kstr(w, "type", in->result.type);
    shoal_jw_key(w, "provenance");
    shoal_jw_raw(w, shoal_buf_str(&provenance));
  }
  shoal_buf_dispose(&provenance);
  return status;
}

static shoal_status write_object(call *c, const shoal_result *r, const char *path, shoal_error *err) {
  shoal_buf bytes = {0};
  shoal_status status = shoal_result_payload(c->lake, r, &bytes, err);
  if (status >= 0)
    status = shoal_os_replace_file(path, shoal_buf_str(&bytes), err);
  shoal_buf_dispose(&bytes);
  return status;
}

static shoal_status answer_with(call *c, const shoal_task_input *in, shoal_jw *w, shoal_error *err) {
  bool object = in->is_result && in->result.codec.ptr;
  char *path = shoal_arena_printf(&c->task->arena, "%s/%.*s.input", c->folder, SHOAL_FMT(in->name));
  if (!path)
    return shoal_fail_nomem(err);
  SHOAL_TRY(object ? write_object(c, &in->result, path, err) : write_table(c, in, path, err));
  shoal_jw_kz(w, object ? "object" : "table", path);
  if (object)
    shoal_jw_kstr(w, "codec", in->result.codec);
  return add_type(c, in, w, err);
}

static shoal_task_input *find_input(shoal_task *t, shoal_str name) {
  for (size_t i = 0; i < t->n_inputs; i++)
    if (shoal_str_eq(t->inputs[i].name, name))
      return &t->inputs[i];
  for (size_t i = 0; i < t->python.more.len; i++)
    if (shoal_str_eq(t->python.more.ptr[i]->name, name))
      return t->python.more.ptr[i];
  return NULL;
}

static shoal_status add_later(shoal_task *t, shoal_str name, shoal_error *err) {
  shoal_str *slot = shoal_vec_add(&t->python.later);
  if (!slot)
    return shoal_fail_nomem(err);
  *slot = shoal_arena_str(&t->arena, name);
  return slot->ptr ? SHOAL_OK : shoal_fail_nomem(err);
}

/* A dataset that its code does not name: it gets what the run has of it, if that is what it would be planned with. */
static shoal_status find_more(call *c, shoal_str name, shoal_task_input **out, shoal_standing *standing,
                              shoal_error *err) {
  shoal_task *t = c->task;
  shoal_task_input *in = SHOAL_NEW(&t->arena, shoal_task_input);
  if (!in)
    return shoal_fail_nomem(err);
  *standing = c->ctx->look(c->ctx->look_arg, name, in);
  if (*standing == SHOAL_STANDING_LATER)
    return add_later(t, name, err);
  if (*standing == SHOAL_STANDING_NONE)
    return SHOAL_OK;
  SHOAL_TRY(shoal_task_open_input(t, c->lake, in, err));
  shoal_task_input **slot = shoal_vec_add(&t->python.more);
  if (!slot)
    return shoal_fail_nomem(err);
  *out = *slot = in;
  return SHOAL_OK;
}

/* Answers with the very result that the plan has; {} for a name that it does not know. A call is told only what was
   planned for it: the function's code counts either way. */
static shoal_status answer(call *c, shoal_str name, bool is_call, shoal_error *err) {
  shoal_buf b = {0};
  shoal_jw w = {.out = &b};
  shoal_status status = SHOAL_OK;
  shoal_standing standing = SHOAL_STANDING_NONE;
  shoal_task_input *in = find_input(c->task, name);
  if (!in && !is_call)
    status = find_more(c, name, &in, &standing, err);
  shoal_jw_obj(&w);
  if (in && status >= 0) {
    in->asked |= !is_call;
    status = answer_with(c, in, &w, err);
  }
  if (standing == SHOAL_STANDING_LATER)
    shoal_jw_kbool(&w, "later", true);
  shoal_jw_end(&w);
  if (status >= 0)
    status = send(c, &b, err);
  shoal_buf_dispose(&b);
  return status;
}

/* ---- what it returns ---- */

static shoal_status stage(call *c, const char *path, const char *staging, shoal_outcome *out, shoal_error *err) {
  struct ArrowArrayStream stream = {0};
  SHOAL_TRY(shoal_arrow_read_file(path, &stream, err));
  shoal_scan scan = {.format = SHOAL_SCAN_ARROW, .stream = &stream};
  shoal_input input = {SHOAL_STR("result"), &scan};
  shoal_job job = {.sql = SHOAL_STR("FROM result"),
                   .inputs = &input,
                   .n_inputs = 1,
                   .staging = staging,
                   .partition_by = c->task->model.partition_by,
                   .n_partition_by = c->task->model.n_partition_by,
                   .cluster_by = c->task->model.cluster_by,
                   .n_cluster_by = c->task->model.n_cluster_by,
                   .rows_hash = !c->task->no_rows_hash,
                   .ordered = true};
  shoal_status status = shoal_engine_execute(c->engine, &job, &c->task->arena, out, err);
  stream.release(&stream);
  return status;
}

static shoal_status add_provenance(shoal_task *task, yyjson_val *more, shoal_error *err) {
  shoal_buf b = {0};
  shoal_status status = shoal_json_join(task->provenance, more, &b, err);
  if (status >= 0) {
    task->provenance = shoal_arena_str(&task->arena, shoal_buf_str(&b));
    status = task->provenance.ptr ? SHOAL_OK : shoal_fail_nomem(err);
  }
  shoal_buf_dispose(&b);
  return status;
}

static shoal_status keep_text(shoal_task *task, shoal_str text, shoal_str *out, shoal_error *err) {
  *out = shoal_arena_str(&task->arena, text);
  return text.ptr && !out->ptr ? shoal_fail_nomem(err) : SHOAL_OK;
}

static shoal_status take_object(call *c, yyjson_val *told, const char *path, shoal_error *err) {
  shoal_buf bytes = {0};
  shoal_task_python *p = &c->task->python;
  SHOAL_TRY(shoal_model_object(&c->task->model, shoal_json_str(told, "type"), err));
  SHOAL_TRY(keep_text(c->task, shoal_json_str(told, "codec"), &p->codec, err));
  shoal_status status = shoal_os_read_file(path, SHOAL_MAX_BUF, &bytes, err);
  if (status >= 0)
    status = keep_text(c->task, shoal_buf_str(&bytes), &p->payload, err);
  shoal_buf_dispose(&bytes);
  return status;
}

static shoal_status take_observed(shoal_task *task, yyjson_val *told, shoal_error *err) {
  size_t i, n;
  yyjson_val *v;
  task->python.observed = SHOAL_NEW_ARRAY(&task->arena, shoal_str, yyjson_arr_size(told));
  if (!task->python.observed)
    return shoal_fail_nomem(err);
  yyjson_arr_foreach(told, i, n, v) SHOAL_TRY(keep_text(task, shoal_str_n(yyjson_get_str(v), yyjson_get_len(v)),
                                                        &task->python.observed[task->python.n_observed++], err));
  return SHOAL_OK;
}

static shoal_status take_result(call *c, yyjson_val *told, const char *staging, shoal_outcome *out, shoal_error *err) {
  shoal_str object = shoal_json_str(told, "object");
  char *path = shoal_arena_cstr(&c->task->arena, object.ptr ? object : shoal_json_str(told, "table"));
  if (!path || !*path)
    return shoal_fail(err, SHOAL_EENGINE, "the worker told no result");
  SHOAL_TRY(object.ptr ? take_object(c, told, path, err) : stage(c, path, staging, out, err));
  if (object.ptr)
    out->rows_hash = shoal_hash_bytes(c->task->python.payload);
  out->cpu_us += shoal_json_i64(told, "cpu_us", 0);
  SHOAL_TRY(keep_text(c->task, shoal_json_str(told, "type"), &c->task->python.type, err));
  yyjson_val *reached = yyjson_obj_get(told, "reached");
  SHOAL_TRY(take_observed(c->task, yyjson_obj_get(reached, "observed"), err));
  return add_provenance(c->task, reached, err);
}

/* Answers the function's questions until it has returned. SHOAL_DONE: the worker is no longer as it began. */
static shoal_status talk(call *c, const char *staging, shoal_outcome *out, shoal_error *err) {
  for (;;) {
    yyjson_doc *doc = NULL;
    SHOAL_TRY(shoal_worker_receive(c->worker, c->until_us, &doc, err));
    yyjson_val *told = yyjson_doc_get_root(doc), *error = yyjson_obj_get(told, "error");
    shoal_str load = shoal_json_str(told, "load"), called = shoal_json_str(told, "call");
    bool asks = load.ptr || called.ptr;
    shoal_status status;
    if (asks)
      status = answer(c, load.ptr ? load : called, called.ptr != NULL, err);
    else if (c->task->python.later.len) /* however it ended, that is not what came of it */
      status = SHOAL_OK;
    else if (error)
      status = shoal_worker_error(error, err);
    else if (shoal_json_bool(told, "stale", false))
      status = SHOAL_DONE;
    else
      status = take_result(c, told, staging, out, err);
    yyjson_doc_free(doc);
    if (!asks || status < 0)
      return status;
  }
}

/* A model that ran before in this process may have changed what this one reads: then a new process runs it. */
static shoal_status call_function(call *c, const shoal_worker_source *workers, const char *staging, shoal_outcome *out,
                                  shoal_error *err) {
  for (int i = 0; i < 2; i++) {
    SHOAL_TRY(workers->get(workers->arg, i > 0, &c->worker, err));
    c->until_us = c->task->python.timeout_us ? shoal_time_monotonic() + c->task->python.timeout_us : 0;
    SHOAL_TRY(ask(c, err));
    shoal_status status = talk(c, staging, out, err);
    if (status != SHOAL_DONE)
      return status;
  }
  (void)shoal_fail(err, SHOAL_EINVAL, "its code is another each time it is imported, so its result can't be kept");
  shoal_hint(err, "shoal why %.*s tells what differs; compute it inside the function", SHOAL_FMT(c->task->dataset));
  return SHOAL_EINVAL;
}

static void explain(const call *c, shoal_error *err) {
  shoal_stat st;
  const shoal_task *t = c->task;
  if (err->status == SHOAL_ECANCELLED)
    return;
  if (err->status == SHOAL_ELIMIT && t->python.timeout_us && shoal_time_monotonic() >= c->until_us) {
    (void)shoal_fail(err, SHOAL_ELIMIT, "it took longer than %.3g s and was stopped",
                     (double)t->python.timeout_us / 1e6);
    shoal_hint(err, "python: {timeout: …} in shoal.yaml");
  }
  if (!*err->path)
    shoal_error_at(err, t->model.path.ptr, t->model.first_line, 1, 0);
  shoal_context(err, "%.*s", SHOAL_FMT(t->dataset));
  if (shoal_os_stat_at(-100, c->output, &st) == 0 && st.size > 0)
    shoal_hint(err, "what it printed: %s", c->output);
}

shoal_status shoal_python_execute(shoal_task *task, const shoal_task_context *ctx, shoal_engine *engine,
                                  const shoal_worker_source *workers, const char *staging, shoal_outcome *out,
                                  shoal_error *err) {
  char uuid[SHOAL_UUID_TEXT];
  shoal_error ignored;
  int64_t start = shoal_time_monotonic();
  shoal_os_uuid(uuid);
  char *logs = shoal_arena_printf(&task->arena, "%s/output/%.*s", task->python.own, SHOAL_FMT(ctx->run));
  char *output = shoal_arena_printf(&task->arena, "%s/output/%.*s/%.*s.log", task->python.own, SHOAL_FMT(ctx->run),
                                    SHOAL_FMT(task->dataset));
  char *folder = shoal_arena_printf(&task->arena, "%s/tmp/python-%s", task->python.own, uuid);
  if (!logs || !output || !folder)
    return shoal_fail_nomem(err);
  call c = {.task = task, .lake = ctx->lake, .ctx = ctx, .engine = engine, .folder = folder, .output = output};
  task->python.output = output;
  shoal_status status = shoal_os_mkdirs(logs, false, err);
  if (status >= 0)
    status = shoal_os_mkdirs(folder, false, err);
  if (status >= 0)
    status = call_function(&c, workers, staging, out, err);
  shoal_ignore(shoal_os_remove_tree(folder, &ignored)); /* copies */
  if (status < 0)
    explain(&c, err);
  out->wall_us = shoal_time_monotonic() - start;
  return status;
}

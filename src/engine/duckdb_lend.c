/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Arrow stream as the engine is given it: lent. DuckDB 1.5.5 asks for the schema once and again, and releases none
 * of those that it gets. So it is asked of the stream's owner once, and belongs to the job; the engine gets copies of
 * which nothing is to be released.
 */
#include "engine/arrow.h"
#include "engine/duckdb_internal.h"

typedef struct lent {
  struct ArrowArrayStream stream; /* the engine's */
  struct ArrowArrayStream *of;
  struct ArrowSchema schema;
} lent;

static void keep_schema(struct ArrowSchema *schema) { schema->release = NULL; }

static int lend_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  *out = ((const lent *)stream->private_data)->schema;
  out->release = keep_schema;
  return 0;
}

static int lend_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct ArrowArrayStream *of = ((const lent *)stream->private_data)->of;
  return of->get_next(of, out);
}

static const char *lend_error(struct ArrowArrayStream *stream) {
  struct ArrowArrayStream *of = ((const lent *)stream->private_data)->of;
  return of->get_last_error(of);
}

static void keep_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }

static void free_schema(void *item) {
  struct ArrowSchema *schema = &((lent *)item)->schema;
  if (schema->release)
    schema->release(schema);
}

shoal_status shoal_duckdb_lend(shoal_duckdb *d, struct ArrowArrayStream *of, struct ArrowArrayStream **out,
                               shoal_error *err) {
  lent *l = SHOAL_NEW(&d->job_arena, lent);
  if (!l)
    return shoal_fail_nomem(err);
  int code = of->get_schema(of, &l->schema);
  if (code) {
    const char *message = of->get_last_error(of);
    return shoal_fail(err, SHOAL_EENGINE, "the stream does not tell its columns: %s",
                      message ? message : "it says not why");
  }
  if (!shoal_arena_own(&d->job_arena, free_schema, l))
    return shoal_fail_nomem(err);
  l->of = of;
  l->stream = (struct ArrowArrayStream){lend_schema, lend_next, lend_error, keep_stream, l};
  *out = &l->stream;
  return SHOAL_OK;
}

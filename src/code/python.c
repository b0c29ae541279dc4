/* SPDX-License-Identifier: Apache-2.0 */
#include "code/python.h"

#include <stdlib.h>

#include "base/str.h"
#include "code/project.h"

static int by_name(const void *a, const void *b) {
  return shoal_str_cmp(((const shoal_python_load *)a)->name, ((const shoal_python_load *)b)->name);
}

static size_t sort_loads(const shoal_python_call *call) {
  size_t kept = 0;
  if (call->n_loads)
    qsort(call->loads, call->n_loads, sizeof *call->loads, by_name);
  for (size_t i = 0; i < call->n_loads; i++)
    if (kept == 0 || !shoal_str_eq(call->loads[kept - 1].name, call->loads[i].name))
      call->loads[kept++] = call->loads[i];
  return kept;
}

shoal_hash shoal_python_signature(const shoal_python_call *call) {
  shoal_hasher h;
  size_t n = sort_loads(call);
  shoal_hasher_init(&h, "shoal/1/python/call");
  shoal_hasher_hash(&h, &call->code);
  shoal_hasher_hash(&h, &call->arguments);
  shoal_hasher_str(&h, call->python);
  shoal_hasher_list(&h, n);
  for (size_t i = 0; i < n; i++) {
    shoal_hasher_str(&h, call->loads[i].name);
    shoal_hasher_hash(&h, &call->loads[i].key);
  }
  return shoal_hasher_end(&h);
}

static shoal_status refuse(shoal_str path, const char *hint, shoal_error *err) {
  (void)shoal_fail(err, SHOAL_EINVAL, "'%.*s' names no dataset", SHOAL_FMT(path));
  shoal_hint(err, "%s", hint);
  return SHOAL_EINVAL;
}

shoal_status shoal_python_dataset(shoal_str path, shoal_buf *out, shoal_error *err) {
  shoal_str schema = SHOAL_STR("main");
  size_t from = out->len;
  if (!shoal_str_starts(path, SHOAL_STR("/"))) {
    shoal_buf_add(out, path);
  } else {
    shoal_str rest = shoal_str_sub(path, 1, path.len);
    ptrdiff_t slash = shoal_str_chr(rest, '/');
    if (slash >= 0) {
      schema = shoal_str_sub(rest, 0, (size_t)slash);
      rest = shoal_str_sub(rest, (size_t)slash + 1, rest.len);
    }
    if (shoal_str_chr(rest, '/') >= 0)
      return refuse(path, "a path has one or two parts: /schema/name; write /a_b/c for /a/b/c", err);
    shoal_buf_addf(out, "%.*s.%.*s", SHOAL_FMT(schema), SHOAL_FMT(rest));
  }
  SHOAL_TRY(shoal_buf_check(out, err));
  if (!shoal_dataset_name_ok(shoal_str_sub(shoal_buf_str(out), from, out->len)))
    return refuse(path, "it is /name or /schema/name, each of a-z, 0-9 and _, not starting with a digit", err);
  return SHOAL_OK;
}

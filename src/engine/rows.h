/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine implements behind shoal_rows. The object's first member is a shoal_rows; nobody but engine.c touches
   the table. */
#ifndef SHOAL_ENGINE_ROWS_H
#define SHOAL_ENGINE_ROWS_H

#include "engine/engine.h"

typedef struct shoal_rows_ops {
  shoal_status (*next)(shoal_rows *rows, shoal_error *err);
  shoal_str (*text)(const shoal_rows *rows, size_t column);
  void (*free)(shoal_rows *rows);
} shoal_rows_ops;

struct shoal_rows {
  const shoal_rows_ops *ops;
  const shoal_str *names; /* owned by the implementation */
  const shoal_str *types;
  size_t n;
};

#endif

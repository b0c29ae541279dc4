/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in files of Arrow's IPC stream format: how they cross to and from worker processes and to people. */
#ifndef SHOAL_ENGINE_ARROW_FILE_H
#define SHOAL_ENGINE_ARROW_FILE_H

#include "engine/arrow.h"
#include "shoal/error.h"

/* Writes all batches; the stream stays the caller's. A file left by a failure is the caller's to remove. SHOAL_EIO also
   where the stream itself fails. */
SHOAL_MUST_USE shoal_status shoal_arrow_write_file(struct ArrowArrayStream *stream, const char *path, shoal_error *err);
/* *out reads the file as it is pulled, and closes it when it is released. */
SHOAL_MUST_USE shoal_status shoal_arrow_read_file(const char *path, struct ArrowArrayStream *out, shoal_error *err);

#endif

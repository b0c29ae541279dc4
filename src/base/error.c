/* SPDX-License-Identifier: Apache-2.0 */
/* How an error is filled in. Texts are cut to their fields; nothing here allocates, so it works when memory is gone. */
#include "shoal/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void SHOAL_PRINTF(3, 0) set_message(shoal_error *err, shoal_status status, const char *fmt, va_list ap) {
  /* Arguments may point into err itself, so the text is made aside. */
  char text[sizeof err->message];
  vsnprintf(text, sizeof text, fmt, ap);
  memset(err, 0, sizeof *err);
  err->status = status;
  memcpy(err->message, text, sizeof text);
}

shoal_status shoal_fail(shoal_error *err, shoal_status status, const char *fmt, ...) {
  if (!err)
    return status;
  va_list ap;
  va_start(ap, fmt);
  set_message(err, status, fmt, ap);
  va_end(ap);
  return status;
}

static shoal_status status_of_errno(int errnum) {
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
    return SHOAL_ENOTFOUND;
  case EEXIST:
  case ENOTEMPTY:
    return SHOAL_EEXIST;
  case EACCES:
  case EPERM:
  case EROFS:
    return SHOAL_EACCESS;
  case ENOSPC:
  case EDQUOT:
    return SHOAL_ESPACE;
  case ENOMEM:
    return SHOAL_ENOMEM;
  default:
    return SHOAL_EIO;
  }
}

shoal_status shoal_fail_errno(shoal_error *err, int errnum, const char *fmt, ...) {
  shoal_status status = status_of_errno(errnum);
  if (!err)
    return status;
  va_list ap;
  va_start(ap, fmt);
  set_message(err, status, fmt, ap);
  va_end(ap);
  size_t used = strlen(err->message);
  snprintf(err->message + used, sizeof err->message - used, ": %s",
           strerrordesc_np(errnum) ? strerrordesc_np(errnum) : "unknown error");
  return status;
}

shoal_status shoal_fail_nomem(shoal_error *err) { return shoal_fail(err, SHOAL_ENOMEM, "out of memory"); }

void shoal_hint(shoal_error *err, const char *fmt, ...) {
  if (!err || err->hint[0])
    return;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(err->hint, sizeof err->hint, fmt, ap);
  va_end(ap);
}

void shoal_context(shoal_error *err, const char *fmt, ...) {
  if (!err)
    return;
  /* Arguments may point into err itself, so the text is made aside; what does not fit is cut. */
  char joined[2 * sizeof err->context + 2];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(joined, sizeof err->context, fmt, ap);
  va_end(ap);
  size_t n = strlen(joined);
  if (err->context[0])
    snprintf(joined + n, sizeof joined - n, ": %s", err->context);
  joined[sizeof err->context - 1] = '\0';
  memcpy(err->context, joined, strlen(joined) + 1);
}

void shoal_error_at(shoal_error *err, const char *path, int line, int column, int length) {
  if (!err)
    return;
  snprintf(err->path, sizeof err->path, "%s", path ? path : "");
  err->line = line;
  err->column = column;
  err->length = length;
}

const char *shoal_status_name(shoal_status status) {
  switch (status) {
  case SHOAL_OK:
    return "ok";
  case SHOAL_DONE:
    return "done";
  case SHOAL_ENOMEM:
    return "out_of_memory";
  case SHOAL_EINVAL:
    return "invalid";
  case SHOAL_EIO:
    return "io";
  case SHOAL_ENOTFOUND:
    return "not_found";
  case SHOAL_EEXIST:
    return "exists";
  case SHOAL_ECORRUPT:
    return "corrupt";
  case SHOAL_ECONFLICT:
    return "conflict";
  case SHOAL_ECANCELLED:
    return "cancelled";
  case SHOAL_EUNSUPPORTED:
    return "unsupported";
  case SHOAL_ELIMIT:
    return "limit";
  case SHOAL_EENGINE:
    return "engine";
  case SHOAL_EACCESS:
    return "access";
  case SHOAL_EBUSY:
    return "busy";
  case SHOAL_EHELD:
    return "held";
  case SHOAL_ESPACE:
    return "no_space";
  }
  return "unknown";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values. A function that can fail returns a shoal_status and takes a shoal_error last, which the
 * caller owns and may pass as NULL. Programs branch on the status; people read `message` (what failed), `hint`
 * (what to do) and `context` (where, added by outer frames). The message is written once, at the root.
 *
 * Any thread may use any shoal_error that it owns; none is shared.
 */
#ifndef SHOAL_ERROR_H
#define SHOAL_ERROR_H

#include <stddef.h>
#include <stdint.h>

typedef enum shoal_status {
  SHOAL_OK = 0,
  SHOAL_DONE = 1,          /* an iteration is over */
  SHOAL_ENOMEM = -1,       /* out of memory */
  SHOAL_EINVAL = -2,       /* what the user wrote or passed is wrong */
  SHOAL_EIO = -3,          /* the operating system or the store failed */
  SHOAL_ENOTFOUND = -4,    /* no such object, file, dataset, revision */
  SHOAL_EEXIST = -5,       /* put-if-absent: somebody was first */
  SHOAL_ECORRUPT = -6,     /* stored bytes are not what they must be */
  SHOAL_ECONFLICT = -7,    /* the world has moved; exit code 4 */
  SHOAL_ECANCELLED = -8,   /* cancelled by the user */
  SHOAL_EUNSUPPORTED = -9, /* a feature, version or type that this build does not know */
  SHOAL_ELIMIT = -10,      /* a named limit (base/limits.h) is exceeded */
  SHOAL_EENGINE = -11,     /* the engine refused or failed a query */
  SHOAL_EACCESS = -12,     /* no permission */
  SHOAL_EBUSY = -13,       /* somebody holds it (a lease) */
  SHOAL_EHELD = -14,       /* an expectation holds the publication back; exit code 3 */
  SHOAL_ESPACE = -15       /* no space left */
} shoal_status;

#define SHOAL_MUST_USE __attribute__((warn_unused_result))
#define SHOAL_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define SHOAL_API __attribute__((visibility("default")))

/* The zero value is "no error". Texts are cut, never overrun. */
typedef struct shoal_error {
  shoal_status status;
  char message[768];
  char hint[320];
  char context[320];
  char path[256];   /* the user's file the error points into, or "" */
  int line, column; /* 1-based, in bytes; 0 is unknown */
  int length;       /* of the text to underline; 0 is unknown */
  int64_t position; /* byte offset into the text that was given to the engine plus one; 0 is unknown */
} shoal_error;

/* Writes status and message (a fresh error: hint, context and place are cleared). Returns status. err may be NULL. */
SHOAL_API shoal_status shoal_fail(shoal_error *err, shoal_status status, const char *fmt, ...) SHOAL_PRINTF(3, 4);

/* As shoal_fail, for a failed system call: maps errno to a status and appends its text. */
SHOAL_API shoal_status shoal_fail_errno(shoal_error *err, int errnum, const char *fmt, ...) SHOAL_PRINTF(3, 4);

/* Out of memory. */
SHOAL_API shoal_status shoal_fail_nomem(shoal_error *err);

/* Says what to do next. Keeps a hint that is already there. */
SHOAL_API void shoal_hint(shoal_error *err, const char *fmt, ...) SHOAL_PRINTF(2, 3);

/* An outer frame says where: "while publishing: " is put before what stands there. */
SHOAL_API void shoal_context(shoal_error *err, const char *fmt, ...) SHOAL_PRINTF(2, 3);

/* Points into a file of the user's. */
SHOAL_API void shoal_error_at(shoal_error *err, const char *path, int line, int column, int length);

/* A constant lower-case word for a status: "not_found". For --json. */
SHOAL_API const char *shoal_status_name(shoal_status status);

/* Says that a failure does not matter here; the caller writes why. */
static inline void shoal_ignore(shoal_status status) { (void)status; }

/* Only where nothing is to be released. */
#define SHOAL_TRY(expr)                                                                                                \
  do {                                                                                                                 \
    shoal_status shoal_try_status_ = (expr);                                                                           \
    if (shoal_try_status_ < 0)                                                                                         \
      return shoal_try_status_;                                                                                        \
  } while (0)

#endif

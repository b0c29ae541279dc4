/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/arrow_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <nanoarrow/nanoarrow_ipc.h>

static shoal_status check(const char *what, const char *path, ArrowErrorCode code, const struct ArrowError *cause,
                          shoal_error *err) {
  if (code == NANOARROW_OK)
    return SHOAL_OK;
  if (code == ENOMEM)
    return shoal_fail_nomem(err);
  shoal_status kind = code == ECANCELED ? SHOAL_ECANCELLED : code == ENOTSUP ? SHOAL_EUNSUPPORTED : SHOAL_EIO;
  return shoal_fail(err, kind, "%s %s: %s", what, path, *cause->message ? cause->message : strerror(code));
}

static shoal_status write_to(FILE *file, struct ArrowArrayStream *stream, const char *path, shoal_error *err) {
  struct ArrowIpcOutputStream out = {0};
  struct ArrowIpcWriter writer = {0};
  struct ArrowError cause = {0};
  ArrowErrorCode code = ArrowIpcOutputStreamInitFile(&out, file, 0);
  if (code == NANOARROW_OK && (code = ArrowIpcWriterInit(&writer, &out)) != NANOARROW_OK)
    out.release(&out);
  if (code == NANOARROW_OK) {
    code = ArrowIpcWriterWriteArrayStream(&writer, stream, &cause);
    ArrowIpcWriterReset(&writer);
  }
  return check("writing", path, code, &cause, err);
}

shoal_status shoal_arrow_write_file(struct ArrowArrayStream *stream, const char *path, shoal_error *err) {
  FILE *file = fopen(path, "wbe");
  if (!file)
    return shoal_fail_errno(err, errno, "cannot write %s", path);
  shoal_status status = write_to(file, stream, path, err);
  if (fclose(file) != 0 && status == SHOAL_OK)
    status = shoal_fail_errno(err, errno, "cannot write %s", path);
  return status;
}

shoal_status shoal_arrow_read_file(const char *path, struct ArrowArrayStream *out, shoal_error *err) {
  struct ArrowIpcInputStream in = {0};
  struct ArrowError none = {0};
  FILE *file = fopen(path, "rbe");
  if (!file)
    return shoal_fail_errno(err, errno, "cannot read %s", path);
  ArrowErrorCode code = ArrowIpcInputStreamInitFile(&in, file, 1);
  if (code != NANOARROW_OK)
    fclose(file);
  else if ((code = ArrowIpcArrayStreamReaderInit(out, &in, NULL)) != NANOARROW_OK)
    in.release(&in);
  return check("reading", path, code, &none, err);
}

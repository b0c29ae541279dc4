/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h: values of properties, and what they come to. */
#include "delta/layout.h"

#define MOST_BYTES ((int64_t)1 << 50)

/* Names are compared without case; "none" is the other word for no compression. */
static bool find_codec(shoal_str value, shoal_parquet_codec *out) {
  *out = SHOAL_PARQUET_UNCOMPRESSED;
  if (shoal_str_ieq(value, SHOAL_STR("none")))
    return true;
  for (shoal_parquet_codec c = SHOAL_PARQUET_ZSTD; c < SHOAL_PARQUET_CODECS; c++) {
    *out = c;
    if (shoal_str_ieq(value, shoal_str_z(shoal_parquet_codec_name(c))))
      return true;
  }
  *out = SHOAL_PARQUET_ZSTD;
  return false;
}

shoal_status shoal_delta_codec(shoal_str value, shoal_parquet_codec *out, shoal_error *err) {
  if (find_codec(value, out))
    return SHOAL_OK;
  (void)shoal_fail(err, SHOAL_EUNSUPPORTED, "this build does not write " SHOAL_DELTA_CODEC_KEY " '%.*s'",
                   SHOAL_FMT(value));
  shoal_hint(err, "it writes uncompressed (or none), snappy, gzip, lz4_raw and zstd, and reads what there is; "
                  "shoal table alter --set " SHOAL_DELTA_CODEC_KEY "=zstd changes what a table says");
  return SHOAL_EUNSUPPORTED;
}

shoal_parquet_codec shoal_delta_checkpoint_codec(const shoal_delta_metadata *m) {
  shoal_str value = shoal_delta_config(m, SHOAL_DELTA_CODEC_KEY);
  shoal_parquet_codec codec = SHOAL_PARQUET_ZSTD;
  return value.ptr && find_codec(value, &codec) ? codec : SHOAL_PARQUET_ZSTD;
}

/* 2.MINOR.PATCH */
static bool is_second(shoal_str value) {
  shoal_str rest = value, piece;
  int64_t number;
  size_t n = 0;
  bool ok = shoal_str_starts(value, SHOAL_STR("2."));
  while (ok && shoal_str_split(&rest, '.', &piece)) {
    ok = piece.len > 0 && piece.ptr[0] >= '0' && piece.ptr[0] <= '9' && shoal_str_i64(piece, &number);
    n++;
  }
  return ok && n == 3;
}

/* The engine's own "version 2" is other encodings in pages of version 1. */
shoal_status shoal_delta_format(shoal_str value, bool theirs, shoal_error *err) {
  bool second = is_second(value);
  if (shoal_str_is(value, "1.0.0") || (theirs && second))
    return SHOAL_OK;
  if (second) {
    (void)shoal_fail(err, SHOAL_EUNSUPPORTED,
                     "this build writes data pages of version 1, not " SHOAL_DELTA_FORMAT_KEY " '%.*s'",
                     SHOAL_FMT(value));
    shoal_hint(err, "without the property, or with 1.0.0, the table is one that every reader reads");
    return SHOAL_EUNSUPPORTED;
  }
  (void)shoal_fail(err, SHOAL_EINVAL, SHOAL_DELTA_FORMAT_KEY " is 1.0.0 or 2.MINOR.PATCH, not '%.*s'",
                   SHOAL_FMT(value));
  shoal_hint(err, "shoal table alter --set " SHOAL_DELTA_FORMAT_KEY "=1.0.0 changes what a table says");
  return SHOAL_EINVAL;
}

bool shoal_delta_size(shoal_str value, uint64_t *bytes) {
  static const struct {
    const char *unit;
    int shift;
  } units[] = {{"", 0},    {"b", 0},  {"k", 10},  {"kb", 10}, {"m", 20},
               {"mb", 20}, {"g", 30}, {"gb", 30}, {"t", 40},  {"tb", 40}};
  shoal_str text = shoal_str_trim(value);
  int64_t number;
  size_t digits = 0;
  while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
    digits++;
  shoal_str unit = shoal_str_trim(shoal_str_sub(text, digits, text.len));
  if (!shoal_str_i64(shoal_str_sub(text, 0, digits), &number) || number < 1)
    return false;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (!shoal_str_ieq(unit, shoal_str_z(units[i].unit)) || number > MOST_BYTES >> units[i].shift)
      continue;
    *bytes = (uint64_t)number << units[i].shift;
    return true;
  }
  return false;
}

shoal_status shoal_delta_layout_of(const shoal_delta_metadata *m, shoal_delta_layout *out, shoal_error *err) {
  shoal_str codec = shoal_delta_config(m, SHOAL_DELTA_CODEC_KEY),
            format = shoal_delta_config(m, SHOAL_DELTA_FORMAT_KEY);
  *out = (shoal_delta_layout){.metadata = m};
  if (codec.ptr)
    SHOAL_TRY(shoal_delta_codec(codec, &out->codec, err));
  if (format.ptr)
    SHOAL_TRY(shoal_delta_format(format, true, err));
  if (!shoal_delta_size(shoal_delta_config(m, SHOAL_DELTA_SIZE_KEY), &out->file_bytes))
    out->file_bytes = 0;
  return SHOAL_OK;
}

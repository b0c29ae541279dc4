/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables this build reads. A feature it does not know may change what the rows are, so such a table is refused by
 * the feature's name rather than read wrongly. Features that concern writers only do not stand in the reader's list.
 */
#include "delta/delta_internal.h"

/* What opens a snapshot. Whether its rows can be read too is asked in scan.c. */
static const char *const known[] = {
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "v2Checkpoint",
    "typeWidening",
    "typeWidening-preview",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
    "variantShredding",
    "variantShredding-preview",
};

static bool is_known(shoal_str feature) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (shoal_str_is(feature, known[i]))
      return true;
  }
  return false;
}

shoal_status shoal_delta_protocol_check(const shoal_delta_protocol *p, shoal_error *err) {
  if (p->min_reader < 1 || p->min_writer < 1)
    return shoal_fail(err, SHOAL_ECORRUPT, "the table's protocol (%d,%d) is none", p->min_reader, p->min_writer);
  if (p->min_reader > 3 || p->min_writer > 7)
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table's protocol is (%d,%d); this build knows those up to (3,7)",
                      p->min_reader, p->min_writer);
  for (size_t i = 0; p->min_reader == 3 && i < p->n_reader_features; i++) {
    if (!is_known(p->reader_features[i]))
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has the feature '%.*s', which this build does not read",
                        SHOAL_FMT(p->reader_features[i]));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_protocol_for(const shoal_schema *schema, shoal_arena *arena, shoal_delta_protocol *out,
                                      shoal_error *err) {
  *out = (shoal_delta_protocol){.min_reader = 1, .min_writer = 2};
  static const struct {
    shoal_type_kind kind;
    const char *feature;
  } types[] = {{SHOAL_TYPE_TIMESTAMP_NTZ, "timestampNtz"}, {SHOAL_TYPE_VARIANT, "variantType"}};
  enum { N_TYPES = sizeof types / sizeof *types };
  size_t n = 0;
  if (shoal_schema_has(schema, SHOAL_TYPE_VOID))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "this build does not write columns of type void");
  shoal_str *features = SHOAL_NEW_ARRAY(arena, shoal_str, N_TYPES);
  if (!features)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < N_TYPES; i++)
    if (shoal_schema_has(schema, types[i].kind))
      features[n++] = shoal_str_z(types[i].feature);
  if (n)
    *out = (shoal_delta_protocol){.min_reader = 3,
                                  .min_writer = 7,
                                  .reader_features = features,
                                  .writer_features = features,
                                  .n_reader_features = n,
                                  .n_writer_features = n};
  return SHOAL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table asks of those who write it (protocol, "Writer Version Requirements" and the sections of the features). A
 * feature that is merely supported costs nothing as long as no column or setting uses it, so those are what is looked
 * at; features that bind every commit, and unknown ones, are refused by name.
 */
#include "delta/rules.h"

/* Supported, they ask nothing of our commits beyond what is checked below. */
static const char *const harmless[] = {
    "allowColumnDefaults", /* every column is written, if need be by its default */
    "appendOnly",
    "changeDataFeed", /* whole files added or removed need no cdc action */
    "checkConstraints",
    "checkpointProtection", /* concerns log clean-up */
    "clustering",
    "columnMapping",
    "deletionVectors",
    "domainMetadata",
    "generatedColumns",
    "identityColumns",
    "inCommitTimestamp",
    "invariants",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "variantType",
    "variantType-preview",
    "variantShredding",
    "variantShredding-preview", /* who may shred need not */
};

static shoal_status refuse(const char *what, shoal_error *err) {
  return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table %s, which this build does not write", what);
}

static shoal_status check_features(const shoal_delta_protocol *p, unsigned able, shoal_error *err) {
  for (size_t i = 0; p->min_writer == 7 && i < p->n_writer_features; i++) {
    bool known = (able & SHOAL_DELTA_STAMPS) && shoal_str_is(p->writer_features[i], "rowTracking");
    for (size_t k = 0; k < sizeof harmless / sizeof *harmless; k++)
      known = known || shoal_str_is(p->writer_features[i], harmless[k]);
    if (!known)
      return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table has the feature '%.*s', which this build does not write",
                        SHOAL_FMT(p->writer_features[i]));
  }
  return SHOAL_OK;
}

static shoal_status check_settings(const shoal_delta_metadata *m, unsigned able, shoal_error *err) {
  static const struct {
    const char *key, *says;
    unsigned unless;
  } switches[] = {{"delta.enableInCommitTimestamps", "has in-commit timestamps", SHOAL_DELTA_STAMPS},
                  {"delta.enableRowTracking", "tracks its rows", SHOAL_DELTA_STAMPS},
                  {"delta.enableIcebergCompatV1", "is kept readable as Iceberg", 0},
                  {"delta.enableIcebergCompatV2", "is kept readable as Iceberg", 0}};
  if (shoal_delta_is_mapped(m) && !(able & SHOAL_DELTA_MAPS))
    return refuse("has column mapping", err);
  if (!(able & SHOAL_DELTA_APPENDS) && shoal_delta_is_on(m, "delta.appendOnly"))
    return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table is append-only (delta.appendOnly)");
  for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
    if (!(able & switches[i].unless) && shoal_delta_is_on(m, switches[i].key))
      return refuse(switches[i].says, err);
  shoal_str name;
  for (size_t i = 0; i < m->n_configuration && !(able & (SHOAL_DELTA_COPIES | SHOAL_DELTA_CHECKS)); i++)
    if (shoal_delta_is_constraint(m->configuration[i].key, &name))
      return refuse("has CHECK constraints", err);
  return SHOAL_OK;
}

/* What a column's metadata asks for: only its text is looked at. Inside structs invariants are checked, inside arrays
   and maps nothing is. */
enum { WHOLE_COLUMNS = 1 << 16 }; /* beside SHOAL_DELTA_CHECKS: these are columns, not members of structs */

static shoal_status check_columns(const shoal_field *fields, size_t n, unsigned able, shoal_error *err) {
  static const struct {
    const char *key, *says;
    unsigned unless;
  } uses[] = {{"\"delta.invariants\"", "an invariant", SHOAL_DELTA_CHECKS},
              {"\"delta.generationExpression\"", "a generation expression", WHOLE_COLUMNS},
              {"\"delta.identity.", "an identity, whose numbers the writer gives out", WHOLE_COLUMNS}};
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < sizeof uses / sizeof *uses; k++)
      if (!(able & uses[k].unless) && shoal_str_find(fields[i].metadata, shoal_str_z(uses[k].key)) >= 0)
        return shoal_fail(err, SHOAL_EUNSUPPORTED, "the table's column '%.*s' has %s: this build does not write it",
                          SHOAL_FMT(fields[i].name), uses[k].says);
    bool structs = fields[i].type.kind == SHOAL_TYPE_STRUCT;
    unsigned inside = able & ~(unsigned)(structs ? WHOLE_COLUMNS : WHOLE_COLUMNS | SHOAL_DELTA_CHECKS);
    SHOAL_TRY(check_columns(fields[i].type.fields, fields[i].type.n_fields, inside, err));
  }
  return SHOAL_OK;
}

shoal_status shoal_delta_check_write(const shoal_delta_protocol *protocol, const shoal_delta_metadata *metadata,
                                     unsigned able, shoal_error *err) {
  SHOAL_TRY(check_features(protocol, able, err));
  SHOAL_TRY(check_settings(metadata, able, err));
  if (able & SHOAL_DELTA_COPIES)
    return SHOAL_OK;
  able |= able & SHOAL_DELTA_CHECKS ? (unsigned)WHOLE_COLUMNS : 0;
  return check_columns(metadata->schema.fields, metadata->schema.n_fields, able, err);
}

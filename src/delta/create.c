/* SPDX-License-Identifier: Apache-2.0 */
/* create.h: the properties that this build keeps, and the features they need. */
#include "delta/create.h"

#include <string.h>

#include "base/os.h"
#include "base/str.h"
#include "base/time.h"
#include "delta/cluster.h"
#include "delta/identity.h"
#include "delta/property.h"
#include "delta/row_tracking.h"
#include "delta/rules.h"
#include "delta/stats_columns.h"
#include "delta/transaction.h"

#define MOST_FEATURES 20

static shoal_str value_of(const shoal_delta_create *c, const char *key) {
  shoal_str value = SHOAL_STR_NONE; /* the last one counts */
  for (size_t i = 0; i < c->n_properties; i++)
    if (shoal_str_is(c->properties[i].key, key))
      value = c->properties[i].value;
  return value;
}

static bool needs(const shoal_delta_create *c, const shoal_delta_property *p) {
  return shoal_delta_property_needs(shoal_str_z(p->key), value_of(c, p->key)) != NULL;
}

bool shoal_delta_create_maps(const shoal_delta_create *c) {
  return shoal_delta_property_needs(SHOAL_STR(SHOAL_DELTA_MAPPING), value_of(c, SHOAL_DELTA_MAPPING)) != NULL;
}

static bool has_identity(const shoal_schema *s) {
  bool has = false;
  for (size_t i = 0; i < s->n_fields && !has; i++)
    has = shoal_delta_is_identity(s->fields[i].metadata);
  return has;
}

/* What the schema asks for, and what the properties do. */
static shoal_status choose_protocol(const shoal_delta_create *c, shoal_arena *arena, shoal_delta_protocol *out,
                                    shoal_error *err) {
  SHOAL_TRY(shoal_delta_protocol_for(c->schema, arena, out, err));
  shoal_str *readers = SHOAL_NEW_ARRAY(arena, shoal_str, MOST_FEATURES);
  shoal_str *writers = SHOAL_NEW_ARRAY(arena, shoal_str, MOST_FEATURES);
  size_t n_readers = 0, n_writers = 0, n_kept;
  const shoal_delta_property *kept = shoal_delta_properties(&n_kept);
  bool named = out->n_writer_features > 0, domains = c->n_cluster_by > 0;
  if (!readers || !writers)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < out->n_writer_features; i++)
    readers[n_readers++] = writers[n_writers++] = out->writer_features[i]; /* those of types are the reader's, too */
  for (size_t i = 0; i < n_kept; i++)
    named = named || (!kept[i].legacy && needs(c, &kept[i]));
  if (c->n_constraints) {
    named = true;
    writers[n_writers++] = SHOAL_STR("checkConstraints");
  }
  if (c->n_cluster_by) {
    named = true;
    writers[n_writers++] = SHOAL_STR("clustering");
  }
  if (has_identity(c->schema)) {
    named = true;
    writers[n_writers++] = SHOAL_STR("identityColumns");
  }
  for (size_t i = 0; i < n_kept && named; i++) {
    if (!needs(c, &kept[i]))
      continue;
    writers[n_writers++] = shoal_str_z(kept[i].feature);
    domains = domains || !strcmp(kept[i].feature, "rowTracking"); /* where the highest id stands */
    if (kept[i].reader)
      readers[n_readers++] = shoal_str_z(kept[i].feature);
  }
  if (domains)
    writers[n_writers++] = SHOAL_STR("domainMetadata");
  if (named)
    *out = (shoal_delta_protocol){n_readers ? 3 : 1, 7, readers, writers, n_readers, n_writers};
  return SHOAL_OK;
}

static shoal_status check_partitions(const shoal_delta_create *c, shoal_error *err) {
  for (size_t i = 0; i < c->n_partition_by; i++) {
    ptrdiff_t at = shoal_schema_find(c->schema, c->partition_by[i]);
    if (at < 0)
      return shoal_fail(err, SHOAL_EINVAL, "there is no column '%.*s' to partition by", SHOAL_FMT(c->partition_by[i]));
    if (shoal_delta_is_identity(c->schema->fields[at].metadata))
      return shoal_fail(err, SHOAL_EINVAL, "a table can't be partitioned by the identity column '%.*s'",
                        SHOAL_FMT(c->partition_by[i]));
    shoal_type_kind kind = c->schema->fields[at].type.kind;
    if (kind == SHOAL_TYPE_STRUCT || kind == SHOAL_TYPE_ARRAY || kind == SHOAL_TYPE_MAP || kind == SHOAL_TYPE_BINARY ||
        kind == SHOAL_TYPE_VARIANT)
      return shoal_fail(err, SHOAL_EINVAL, "the type of '%.*s' can't be partitioned by", SHOAL_FMT(c->partition_by[i]));
  }
  if (c->n_partition_by && c->n_partition_by == c->schema->n_fields)
    return shoal_fail(err, SHOAL_EINVAL, "a table can't be partitioned by all its columns");
  return SHOAL_OK;
}

/* The properties, and the constraints among them. */
static shoal_status configure(const shoal_delta_create *c, shoal_arena *arena, shoal_delta_metadata *m,
                              shoal_error *err) {
  size_t n = c->n_properties + c->n_constraints;
  shoal_delta_kv *all = SHOAL_NEW_ARRAY(arena, shoal_delta_kv, n);
  if (!all)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < c->n_properties; i++)
    all[i] = c->properties[i];
  for (size_t i = 0; i < c->n_constraints; i++) {
    all[c->n_properties + i].value = c->constraints[i].value;
    SHOAL_TRY(shoal_delta_constraint_key(c->constraints[i].key, arena, &all[c->n_properties + i].key, err));
    for (size_t k = 0; k < i; k++)
      if (shoal_str_ieq(c->constraints[k].key, c->constraints[i].key))
        return shoal_fail(err, SHOAL_EINVAL, "there are two constraints '%.*s'", SHOAL_FMT(c->constraints[i].key));
  }
  m->configuration = all;
  m->n_configuration = n;
  return SHOAL_OK;
}

/* Ids and names in files for all columns. */
static shoal_status map_columns(shoal_arena *arena, shoal_delta_metadata *m, shoal_error *err) {
  int64_t last = 0;
  shoal_schema copy;
  SHOAL_TRY(shoal_schema_copy(&m->schema, arena, &copy, err));
  SHOAL_TRY(shoal_delta_map_fields(copy.fields, copy.n_fields, false, &last, arena, err));
  m->schema = copy;
  char *most = shoal_arena_printf(arena, "%lld", (long long)last);
  return most ? shoal_delta_config_set(m, SHOAL_STR(SHOAL_DELTA_LAST_ID), shoal_str_z(most), arena, err)
              : shoal_fail_nomem(err);
}

shoal_status shoal_delta_describe_table(const shoal_delta_create *create, shoal_arena *arena,
                                        shoal_delta_metadata *metadata, shoal_delta_protocol *protocol,
                                        shoal_error *err) {
  char *id = SHOAL_NEW_ARRAY(arena, char, SHOAL_UUID_TEXT);
  shoal_str *partitions = SHOAL_NEW_ARRAY(arena, shoal_str, create->n_partition_by);
  if (!id || !partitions)
    return shoal_fail_nomem(err);
  for (size_t i = 0; i < create->n_properties; i++)
    SHOAL_TRY(shoal_delta_property_check(&create->properties[i], err));
  SHOAL_TRY(check_partitions(create, err));
  if (create->n_cluster_by && create->n_partition_by)
    return shoal_fail(err, SHOAL_EINVAL, "a table is either partitioned or clustered");
  for (size_t i = 0; i < create->n_partition_by; i++) /* as the schema spells it */
    partitions[i] = create->schema->fields[shoal_schema_find(create->schema, create->partition_by[i])].name;
  shoal_os_uuid(id);
  *metadata = (shoal_delta_metadata){.id = shoal_str_z(id),
                                     .schema = *create->schema,
                                     .partition_columns = partitions,
                                     .n_partition_columns = create->n_partition_by,
                                     .created_ms = shoal_time_now() / 1000};
  SHOAL_TRY(configure(create, arena, metadata, err));
  SHOAL_TRY(shoal_delta_stats_columns_check(metadata, err));
  if (shoal_delta_create_maps(create))
    SHOAL_TRY(map_columns(arena, metadata, err));
  if (create->n_cluster_by)
    SHOAL_TRY(shoal_delta_cluster_by(metadata, create->cluster_by, create->n_cluster_by, arena,
                                     &(shoal_delta_clustering){0}, err));
  if (shoal_delta_is_on(metadata, "delta.enableRowTracking"))
    SHOAL_TRY(shoal_delta_tracking_name(arena, metadata, err));
  return choose_protocol(create, arena, protocol, err);
}

shoal_status shoal_delta_create_clusters(const shoal_delta_create *create, const shoal_delta_metadata *metadata,
                                         shoal_arena *arena, shoal_delta_transaction *t, shoal_error *err) {
  shoal_delta_clustering by;
  shoal_str domain;
  if (create->n_cluster_by == 0)
    return SHOAL_OK;
  SHOAL_TRY(shoal_delta_cluster_by(metadata, create->cluster_by, create->n_cluster_by, arena, &by, err));
  SHOAL_TRY(shoal_delta_cluster_domain(&by, arena, &domain, err));
  return shoal_delta_transaction_domain(t, SHOAL_STR(SHOAL_DELTA_CLUSTERING), domain, err);
}

shoal_status shoal_delta_create_table(const shoal_delta_table *table, shoal_engine *engine,
                                      const shoal_delta_create *create, shoal_error *err) {
  shoal_arena arena = {0};
  shoal_delta_metadata metadata;
  shoal_delta_protocol protocol;
  shoal_delta_transaction *t = NULL;
  const shoal_delta_rules *rules;
  int64_t version;
  shoal_status status = shoal_delta_describe_table(create, &arena, &metadata, &protocol, err);
  if (status == SHOAL_OK)
    status = shoal_delta_rules_of(&metadata, engine, &arena, &rules, err);
  if (status == SHOAL_OK)
    status = shoal_delta_transaction_open(table, NULL, SHOAL_DELTA_CHECKS | SHOAL_DELTA_MAPS, "CREATE TABLE",
                                          SHOAL_STR_NONE, &t, err);
  if (status == SHOAL_OK) {
    shoal_delta_transaction_metadata(t, &metadata);
    shoal_delta_transaction_protocol(t, &protocol);
    status = shoal_delta_create_clusters(create, &metadata, &arena, t, err);
  }
  if (status == SHOAL_OK)
    status = shoal_delta_transaction_commit(t, &version, err);
  shoal_delta_transaction_free(t);
  shoal_arena_dispose(&arena);
  return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every setting of DuckDB, reviewed. What affects results is pinned: set explicitly on each connection and part of
 * every key. A test fails when the engine has a setting that is not in this table, so raising the version means
 * reviewing what is new.
 */
#ifndef SHOAL_ENGINE_DUCKDB_SETTINGS_H
#define SHOAL_ENGINE_DUCKDB_SETTINGS_H

#include <stddef.h>

typedef enum shoal_setting_class {
  SHOAL_SETTING_PINNED,   /* affects results: set to `value` at open, part of the key */
  SHOAL_SETTING_SECURITY, /* what the engine may reach or load: set at open where `value` is given, no part of the key
                           */
  SHOAL_SETTING_HARMLESS, /* speed, memory, storage of databases we don't make, logging */
  SHOAL_SETTING_DEBUG     /* for the engine's own tests; some would affect results, none can be set by a query */
} shoal_setting_class;

typedef struct shoal_duckdb_setting {
  const char *name;
  shoal_setting_class class_;
  const char *value; /* SQL literal; NULL: left alone */
} shoal_duckdb_setting;

extern const shoal_duckdb_setting shoal_duckdb_settings[];
extern const size_t shoal_duckdb_n_settings;

#endif

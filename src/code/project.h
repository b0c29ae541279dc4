/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal.yaml and shoal.local.yaml: what a project is called, where its lake is, its sources, variables and engine
 * settings, each with the place it came from. Pure: texts in, values out; reading files is the session's business.
 */
#ifndef SHOAL_CODE_PROJECT_H
#define SHOAL_CODE_PROJECT_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/yaml.h"

typedef enum shoal_source_kind { SHOAL_SOURCE_FILES, SHOAL_SOURCE_DELTA } shoal_source_kind;
typedef struct shoal_option {
  shoal_str name, value;
  bool quoted;
} shoal_option;
typedef struct shoal_source {
  shoal_str name; /* bronze.flights */
  shoal_source_kind kind;
  shoal_str where;    /* glob or path, relative to the project or absolute */
  shoal_str clone_of; /* of a Delta table: another folder, likewise, that its files may lie in; or {NULL,0} */
  shoal_str format;   /* of files: csv, json, parquet */
  const shoal_option *options;
  size_t n_options;
  int line;
} shoal_source;
/* A setting and the place it was written: shown by `shoal config`. */
typedef struct shoal_setting {
  shoal_str name, value, origin; /* "engine.memory", "4GB", "shoal.yaml:12" */
} shoal_setting;
typedef struct shoal_config {
  shoal_str name, lake;
  shoal_source *sources; /* sorted by name */
  size_t n_sources;
  shoal_option *vars; /* sorted by name */
  size_t n_vars;
  uint64_t engine_memory; /* bytes; 0: not set */
  unsigned engine_threads;
  shoal_str engine_temp;
  uint64_t engine_temp_max;
  shoal_str python_interpreter; /* {NULL,0}: of the active environment, or python3 */
  uint64_t python_memory;       /* bytes; 0: no limit */
  int64_t python_timeout_us;    /* of one model; 0: no limit */
  int python_strict;            /* 1, 0; -1: on protected branches */
  shoal_option *python_env;     /* how packages' versions count: "*" or a package; exact, minor or ignore */
  size_t n_python_env;
  shoal_setting *settings;
  size_t n_settings;
} shoal_config;

/* The main text and the local one ({NULL,0}: no such file), which overrides lake, engine and vars. Errors name file,
   line and the nearest key. Texts are copied into the arena. */
SHOAL_MUST_USE shoal_status shoal_config_parse(shoal_str text, shoal_str local_text, shoal_arena *arena,
                                               shoal_config *out, shoal_error *err);
/* Sets or replaces a variable (--var, environment); the value's type follows its text unless quoted. */
SHOAL_MUST_USE shoal_status shoal_config_set_var(shoal_config *p, shoal_str name, shoal_str value, const char *origin,
                                                 shoal_arena *arena, shoal_error *err);
/* True for `schema.name` with each part [a-z_][a-z0-9_]* and within SHOAL_MAX_NAME_BYTES. */
bool shoal_dataset_name_ok(shoal_str name);
/* "4GB", "512MiB", "1000000" */
bool shoal_bytes_parse(shoal_str s, uint64_t *out);

#endif

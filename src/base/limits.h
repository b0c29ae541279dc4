/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit has a name here and its reason beside it. Hostile or broken input meets one of these instead of the
 * machine's memory. */
#ifndef SHOAL_BASE_LIMITS_H
#define SHOAL_BASE_LIMITS_H

#define SHOAL_MAX_SQL_BYTES (1u << 20)  /* a model's text: DuckDB's parse tree of it is ~50 times larger */
#define SHOAL_MAX_YAML_BYTES (8u << 20) /* shoal.yaml of 10,000 sources is 1 MB */
#define SHOAL_MAX_YAML_DEPTH 32         /* deeper is an accident or an attack */
#define SHOAL_MAX_JSON_BYTES (1u << 30) /* a Delta commit of 1M adds is 0.5 GB */
#define SHOAL_MAX_JSON_DEPTH 256        /* parse trees nest; the recursion of our walkers is bounded by it */
#define SHOAL_MAX_TREE_DEPTH                                                                                           \
  3000 /* of a SQL parse tree: the engine\'s own limit of 1,000 operators in a chain is 2,000 */
#define SHOAL_MAX_KEY_BYTES 1024 /* S3's limit on an object's key */
#define SHOAL_MAX_CACHED_FILES                                                                                         \
  ((uint64_t)1 << 30)                       /* bytes of remembered tables in a folder: ten of a million files          \
                                             */
#define SHOAL_MAX_NAME_BYTES 120            /* a schema's or dataset's name: stays below NAME_MAX with suffixes */
#define SHOAL_MAX_COLUMNS 10000             /* Spark's practical limit is lower */
#define SHOAL_MAX_TYPE_DEPTH 64             /* nesting of a column's type */
#define SHOAL_MAX_VARIANT_DEPTH 1000        /* values in a variant; Spark's parser of JSON ends there */
#define SHOAL_MAX_VARIANT_BYTES (16u << 20) /* of one that is written: Spark 4.0 reads no larger ones */
#define SHOAL_MAX_MODELS 1000000            /* ids are 32 bit; a project of that size is 20 MB of index */
#define SHOAL_MAX_FORM_NODES 1000000        /* code that a function reaches; pandas whole is 20,000 */
#define SHOAL_MAX_BUF ((size_t)2 << 30)     /* default cap of a growing buffer */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of datasets: models, the sources they read, and datasets of the lake that other projects make. Pure: built
 * from units, sources and a list of names; no I/O, no threads. Nodes are numbered; `order` is topological.
 */
#ifndef SHOAL_PLAN_GRAPH_H
#define SHOAL_PLAN_GRAPH_H

#include "base/arena.h"
#include "base/map.h"
#include "code/project.h"
#include "code/unit.h"

typedef enum shoal_node_kind { SHOAL_NODE_MODEL, SHOAL_NODE_SOURCE, SHOAL_NODE_LAKE } shoal_node_kind;

typedef struct shoal_edge {
  shoal_str role;  /* the name as the SQL writes it */
  uint32_t parent; /* node number */
  int line;        /* of the model's file; 0: through a macro */
  bool called;     /* Python: see shoal_unit_ref */
  bool learned;    /* likewise */
} shoal_edge;

typedef struct shoal_node {
  shoal_node_kind kind;
  shoal_str name;
  const shoal_unit *unit;     /* of a model */
  const shoal_source *source; /* of a source */
  shoal_edge *inputs;         /* sorted by role */
  uint32_t n_inputs;
  uint32_t *children; /* models that read it */
  uint32_t n_children;
  uint32_t *macros; /* indices of the macros it reaches, sorted by name */
  uint32_t n_macros;
  shoal_str volatile_why; /* its own or a reached macro's; {NULL,0}: none */
  bool date_only;         /* volatile only by today's date */
  uint8_t uses;           /* SHOAL_USES_… of what is volatile in it and in the macros it reaches */
  uint32_t
      file_key; /* of a model that reads files by constant paths: index into keys given to signing; UINT32_MAX none */
  /* set by shoal_graph_sign */
  bool moving;           /* volatile, and nothing fixes it: it has another key in every session */
  shoal_hash code;       /* C */
  shoal_hash parameters; /* P */
  shoal_hash key;        /* S of a model, X of a source, the signature of a lake dataset; what children are keyed on */
} shoal_node;

typedef struct shoal_graph {
  shoal_arena arena;
  shoal_node *nodes; /* models first, in the order of their units */
  uint32_t n_nodes, n_models;
  uint32_t *order; /* models in topological order, parents first; ties by name */
  const shoal_macro *macros;
  size_t n_macros;
  shoal_map by_name;
} shoal_graph;

typedef struct shoal_graph_input {
  const shoal_unit *units;
  size_t n_units;
  const shoal_macro *macros;
  size_t n_macros;
  const shoal_source *sources;
  size_t n_sources;
  const shoal_str
      *lake_names; /* datasets of the branch, sorted; used only for names that are neither model nor source */
  size_t n_lake_names;
} shoal_graph_input;

/* Borrows units, macros and sources. SHOAL_EINVAL, pointing into the file: two models of one name, names that differ
   only in case, a model named like a source, a name that resolves to nothing (with the nearest names), a cycle (with
   its path). *out is freed by shoal_graph_free. */
SHOAL_MUST_USE shoal_status shoal_graph_build(const shoal_graph_input *in, shoal_graph **out, shoal_error *err);
void shoal_graph_free(shoal_graph *g);
uint32_t shoal_graph_find(const shoal_graph *g, shoal_str name); /* UINT32_MAX if unknown */

/* What signing needs beside the graph. */
typedef struct shoal_pin_key {
  shoal_str name;
  shoal_hash code; /* C when it was pinned */
  shoal_hash key;  /* the pinned result's signature */
} shoal_pin_key;
typedef struct shoal_sign_input {
  shoal_hash environment;   /* E */
  const shoal_option *vars; /* sorted by name */
  size_t n_vars;
  const shoal_hash *source_keys;    /* X, one per graph source in the order of shoal_graph_input.sources */
  const shoal_hash *unit_file_keys; /* one per unit: X of the files its SQL names, zero if none */
  const shoal_hash *lake_keys;      /* one per lake_names */
  const shoal_pin_key *pins;        /* sorted by name */
  size_t n_pins;
  shoal_hash nonce; /* for volatile models: unique to this run */
  int64_t now_us;   /* models that read only the date are keyed by its day */
  bool now_fixed;   /* by --now: then models that read the clock are keyed by now_us */
  bool seed_fixed;  /* by --seed: then models that take chances are keyed by the seed */
  uint32_t seed;
} shoal_sign_input;
/* Computes C, P and S of every node in topological order. A pinned model whose code is as it was when pinned gets the
   pinned key; `pinned` (n_nodes flags) tells which. SHOAL_EINVAL: a variable that is read and not set. */
SHOAL_MUST_USE shoal_status shoal_graph_sign(shoal_graph *g, const shoal_sign_input *in, bool *pinned,
                                             shoal_error *err);

/* Marks the nodes a list of selectors names: `gold.delays`, `silver.*`, `+x` (with all above), `x+` (with all below),
   `tag:x`, `path:models/x*`, `state:stale` (by `stale`, n_nodes flags, may be NULL). An empty list selects all models.
   SHOAL_EINVAL if one matches nothing, with the nearest name. */
SHOAL_MUST_USE shoal_status shoal_graph_select(const shoal_graph *g, const shoal_str *selectors, size_t n,
                                               const bool *stale, bool *selected, shoal_error *err);
/* Adds every model above the selected ones. */
void shoal_graph_add_parents(const shoal_graph *g, bool *selected);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical forms of code, in any language: a graph whose nodes are pieces of code and values, each with the hash of
 * its own body, and whose edges say which other node a name in the body stands for. The key of a node covers all that
 * it reaches. Who reads a language feeds this; nothing here knows one.
 *
 *  F1 The key is a function of bodies, edge kinds, symbols and what they lead to: not of the order in which nodes and
 *     edges came, nor of identities, labels or places.
 *  F2 A change in any body or edge below a node changes its key.
 *  F3 A cycle is one unit: the key of each of its nodes covers the whole cycle.
 *
 * One thread at a time; a finished form may be read from any.
 */
#ifndef SHOAL_CODE_FORM_H
#define SHOAL_CODE_FORM_H

#include "base/arena.h"
#include "base/hash.h"

typedef struct shoal_form shoal_form;

/* Where a piece of code stands, for people. */
typedef struct shoal_form_place {
  shoal_str label; /* "flights.helpers.clean" */
  shoal_str path;  /* of the file, {NULL,0}: none */
  int line;
} shoal_form_place;

typedef struct shoal_form_edge {
  shoal_str kind;   /* "global", "closure", "base" … */
  shoal_str symbol; /* as the body has it */
  uint32_t target;
} shoal_form_edge;

SHOAL_MUST_USE shoal_status shoal_form_new(shoal_form **out, shoal_error *err);
void shoal_form_free(shoal_form *f);

/* The node of this identity (any bytes, which only this form knows), made if there is none: *fresh says that its body
   and edges are to be given now. Texts are copied. SHOAL_ELIMIT beyond SHOAL_MAX_FORM_NODES. */
SHOAL_MUST_USE shoal_status shoal_form_node(shoal_form *f, shoal_str identity, const shoal_form_place *place,
                                            uint32_t *id, bool *fresh, shoal_error *err);
/* Once for each node. */
void shoal_form_body(shoal_form *f, uint32_t node, const shoal_hash *body);
/* Any number, in any order; the same edge twice is one. Two edges of one kind and symbol to different targets both
   count. */
SHOAL_MUST_USE shoal_status shoal_form_edge_add(shoal_form *f, uint32_t node, shoal_str kind, shoal_str symbol,
                                                uint32_t target, shoal_error *err);
/* Computes the keys. Nothing may be added afterwards. SHOAL_EINVAL: a node has no body. */
SHOAL_MUST_USE shoal_status shoal_form_finish(shoal_form *f, shoal_error *err);

size_t shoal_form_size(const shoal_form *f);
/* Of a finished form. */
const shoal_hash *shoal_form_key(const shoal_form *f, uint32_t node);
const shoal_hash *shoal_form_body_of(const shoal_form *f, uint32_t node);
const shoal_form_place *shoal_form_place_of(const shoal_form *f, uint32_t node);
/* Sorted by kind, symbol and the target's key, each once. */
const shoal_form_edge *shoal_form_edges(const shoal_form *f, uint32_t node, size_t *n);

#endif

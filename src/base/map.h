/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map from byte strings to 32-bit numbers (usually indices into an array beside it). Keys are borrowed: they must
 * outlive the map. Open addressing over XXH3. The zero value is an empty map. One thread at a time; look-ups of a
 * map nobody changes may run at once.
 */
#ifndef SHOAL_BASE_MAP_H
#define SHOAL_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "shoal/error.h"
#include "shoal/str.h"

typedef struct shoal_map_slot {
  shoal_str key;
  uint64_t hash;
  uint32_t value;
  bool used;
} shoal_map_slot;
typedef struct shoal_map {
  shoal_map_slot *slots;
  size_t cap, len;
} shoal_map;

#define SHOAL_MAP_NONE UINT32_MAX

uint32_t shoal_map_get(const shoal_map *map, shoal_str key); /* SHOAL_MAP_NONE if absent */
/* Sets or replaces. */
SHOAL_MUST_USE shoal_status shoal_map_put(shoal_map *map, shoal_str key, uint32_t value, shoal_error *err);
void shoal_map_dispose(shoal_map *map);

#endif

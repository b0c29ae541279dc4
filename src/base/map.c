/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing at a load of at most one half; slots keep the hash so that growing rehashes nothing. */
#include "base/map.h"

#include <xxhash.h>

#include "base/mem.h"
#include "base/str.h"

static shoal_map_slot *find(const shoal_map *map, shoal_str key, uint64_t hash) {
  for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
    shoal_map_slot *s = &map->slots[i];
    if (!s->used || (s->hash == hash && shoal_str_eq(s->key, key)))
      return s;
  }
}

static uint64_t hash_of(shoal_str key) { return XXH3_64bits(key.ptr ? key.ptr : "", key.len); }

uint32_t shoal_map_get(const shoal_map *map, shoal_str key) {
  if (map->len == 0)
    return SHOAL_MAP_NONE;
  const shoal_map_slot *s = find(map, key, hash_of(key));
  return s->used ? s->value : SHOAL_MAP_NONE;
}

static bool grow(shoal_map *map) {
  shoal_map bigger = {.cap = map->cap ? map->cap * 2 : 16, .len = map->len};
  bigger.slots = shoal_calloc(bigger.cap, sizeof *bigger.slots);
  if (!bigger.slots)
    return false;
  for (size_t i = 0; i < map->cap; i++)
    if (map->slots[i].used)
      *find(&bigger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
  shoal_free(map->slots);
  *map = bigger;
  return true;
}

shoal_status shoal_map_put(shoal_map *map, shoal_str key, uint32_t value, shoal_error *err) {
  if (map->len * 2 >= map->cap && !grow(map))
    return shoal_fail_nomem(err);
  uint64_t hash = hash_of(key);
  shoal_map_slot *s = find(map, key, hash);
  if (!s->used) {
    *s = (shoal_map_slot){.key = key, .hash = hash, .used = true};
    map->len++;
  }
  s->value = value;
  return SHOAL_OK;
}

void shoal_map_dispose(shoal_map *map) {
  if (!map)
    return;
  shoal_free(map->slots);
  *map = (shoal_map){0};
}

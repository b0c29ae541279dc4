/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MOST_BITS ((uint64_t)64 << 20) /* 8 MB: more miss the processor's caches */
#define BITS_PER_KEY 16

/* Well mixed (the finaliser of SplitMix64). */
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* Four bits of a word: by other parts of the hash than chose the word. */
static uint64_t bits_of(uint64_t hash) {
  return UINT64_C(1) << (hash >> 58) | UINT64_C(1) << (hash >> 52 & 63) | UINT64_C(1) << (hash >> 46 & 63) |
         UINT64_C(1) << (hash >> 40 & 63);
}

static void add_hash(shoal_keys *k, uint64_t hash) { k->words[hash & k->mask] |= bits_of(hash); }

static bool has_hash(const shoal_keys *k, uint64_t hash) {
  uint64_t bits = bits_of(hash);
  return (k->words[hash & k->mask] & bits) == bits;
}

static shoal_status make_words(shoal_keys *k, size_t n, shoal_arena *arena, shoal_error *err) {
  k->words = SHOAL_NEW_ARRAY(arena, uint64_t, n);
  return k->words ? SHOAL_OK : shoal_fail_nomem(err);
}

static shoal_status make_filter(shoal_keys *k, size_t keys, shoal_arena *arena, shoal_error *err) {
  size_t words = 1;
  while (words * 64 < keys * BITS_PER_KEY)
    words *= 2;
  k->mask = words - 1;
  return make_words(k, words, arena, err);
}

shoal_status shoal_keys_numbers(shoal_keys *out, const int64_t *keys, size_t n, shoal_arena *arena, shoal_error *err) {
  *out = (shoal_keys){.numbers = true, .n = n};
  for (size_t i = 0; i < n; i++) {
    out->least = i == 0 || keys[i] < out->least ? keys[i] : out->least;
    out->most = i == 0 || keys[i] > out->most ? keys[i] : out->most;
  }
  uint64_t span = n ? (uint64_t)out->most - (uint64_t)out->least : 0;
  out->exact = span < MOST_BITS;
  out->first = out->least;
  out->span = n ? span + 1 : 0;
  SHOAL_TRY(out->exact ? make_words(out, (size_t)(span / 64 + 1), arena, err) : make_filter(out, n, arena, err));
  for (size_t i = 0; i < n; i++) {
    uint64_t at = (uint64_t)keys[i] - (uint64_t)out->first;
    if (out->exact)
      out->words[at / 64] |= UINT64_C(1) << (at % 64);
    else
      add_hash(out, mix((uint64_t)keys[i]));
  }
  return SHOAL_OK;
}

void shoal_keys_among(const shoal_keys *k, const int64_t *values, size_t n, bool *out) {
  if (!k->exact) {
    for (size_t i = 0; i < n; i++)
      out[i] = has_hash(k, mix((uint64_t)values[i]));
    return;
  }
  for (size_t i = 0; i < n; i++) {
    uint64_t at = (uint64_t)values[i] - (uint64_t)k->first;
    out[i] = at < k->span && (k->words[at / 64] >> (at % 64) & 1);
  }
}

shoal_status shoal_keys_texts(shoal_keys *out, size_t most, shoal_arena *arena, shoal_error *err) {
  *out = (shoal_keys){0};
  return make_filter(out, most, arena, err);
}

void shoal_keys_add(shoal_keys *k, shoal_str text) {
  add_hash(k, XXH3_64bits(text.ptr, text.len));
  k->n++;
}

bool shoal_keys_has(const shoal_keys *k, shoal_str text) { return has_hash(k, XXH3_64bits(text.ptr, text.len)); }

size_t shoal_keys_distinct(const shoal_keys *k) {
  size_t words = k->exact ? (size_t)(k->span / 64 + 1) : k->mask + 1, bits = 0;
  for (size_t i = 0; i < words; i++)
    bits += (size_t)__builtin_popcountll(k->words[i]);
  return k->exact ? bits : bits / 4;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment is a whole subtree of BLAKE3's tree: 2^k chunks at a multiple of 2^k. A hasher that is told where the
 * segment begins and is given just its bytes has the chaining values of its two halves on its stack, which is what the
 * one hasher would have pushed there. Merging waits, as in the library, until more comes, since the root is compressed
 * otherwise.
 */
#include "base/hash_wide.h"

#include <blake3_impl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/thread.h"

#define SEGMENT ((size_t)1 << 20)
#define CHUNKS (SEGMENT / BLAKE3_CHUNK_LEN)
#define PAIR ((size_t)2 * BLAKE3_OUT_LEN)
#define MOST_THREADS 8

typedef struct segments {
  const blake3_hasher *like;
  const uint8_t *bytes;
  uint64_t first; /* the chunk with which they begin */
  size_t n;
  uint8_t *pairs;
  atomic_size_t next;
} segments;

static void hash_some(void *arg) {
  segments *s = arg;
  for (size_t i = atomic_fetch_add(&s->next, 1); i < s->n; i = atomic_fetch_add(&s->next, 1)) {
    blake3_hasher h = *s->like;
    h.cv_stack_len = 0;
    h.chunk.chunk_counter = s->first + i * CHUNKS;
    blake3_hasher_update(&h, s->bytes + i * SEGMENT, SEGMENT);
    memcpy(s->pairs + i * PAIR, h.cv_stack, PAIR);
  }
}

static void hash_all(segments *s) {
  shoal_thread threads[MOST_THREADS - 1] = {0};
  unsigned n = shoal_os_cpus();
  n = n > MOST_THREADS ? MOST_THREADS : n;
  for (unsigned i = 0; i + 1 < n; i++)
    shoal_ignore(shoal_thread_start(&threads[i], hash_some, s, NULL)); /* the others do its part */
  hash_some(s);
  for (unsigned i = 0; i + 1 < n; i++)
    shoal_thread_join(&threads[i]);
}

/* What stands on the stack after `before` chunks, one for each bit of their number; then the next one. */
static void push(blake3_hasher *h, const uint8_t *cv, uint64_t before) {
  while (h->cv_stack_len > (unsigned)__builtin_popcountll(before)) {
    uint8_t *block = h->cv_stack + (size_t)(h->cv_stack_len - 2) * BLAKE3_OUT_LEN;
    uint32_t parent[8];
    memcpy(parent, h->key, sizeof parent);
    blake3_compress_in_place(parent, block, BLAKE3_BLOCK_LEN, 0, h->chunk.flags | PARENT);
    store_cv_words(block, parent);
    h->cv_stack_len--;
  }
  memcpy(h->cv_stack + (size_t)h->cv_stack_len * BLAKE3_OUT_LEN, cv, BLAKE3_OUT_LEN);
  h->cv_stack_len++;
}

/* The chunk that is full, which the library would end when the next byte comes. */
static void end_chunk(blake3_hasher *h) {
  blake3_chunk_state *c = &h->chunk;
  uint8_t cv[BLAKE3_OUT_LEN];
  blake3_compress_in_place(c->cv, c->buf, c->buf_len, c->chunk_counter, c->flags | CHUNK_END);
  store_cv_words(cv, c->cv);
  push(h, cv, c->chunk_counter);
  *c = (blake3_chunk_state){.chunk_counter = c->chunk_counter + 1, .flags = c->flags};
  memcpy(c->cv, h->key, sizeof c->cv);
}

void shoal_hash_wide(blake3_hasher *h, const uint8_t *bytes, size_t n) {
  uint64_t at = h->chunk.chunk_counter * BLAKE3_CHUNK_LEN + (uint64_t)h->chunk.blocks_compressed * BLAKE3_BLOCK_LEN +
                h->chunk.buf_len;
  size_t lead = (size_t)(-at & (SEGMENT - 1));
  segments s = {.like = h, .n = n > lead ? (n - lead) / SEGMENT : 0};
  s.pairs = s.n > 1 ? shoal_malloc(s.n * PAIR) : NULL;
  if (!s.pairs) {
    blake3_hasher_update(h, bytes, n);
    return;
  }
  if (lead)
    blake3_hasher_update(h, bytes, lead);
  if (h->chunk.buf_len)
    end_chunk(h);
  s.bytes = bytes + lead;
  s.first = h->chunk.chunk_counter;
  hash_all(&s);
  for (size_t i = 0; i < s.n; i++) {
    push(h, s.pairs + i * PAIR, s.first + i * CHUNKS);
    push(h, s.pairs + i * PAIR + BLAKE3_OUT_LEN, s.first + i * CHUNKS + CHUNKS / 2);
  }
  h->chunk.chunk_counter += s.n * CHUNKS;
  shoal_free(s.pairs);
  blake3_hasher_update(h, bytes + lead + s.n * SEGMENT, n - lead - s.n * SEGMENT);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks grow from 4 KiB to 1 MiB; a larger item gets a block of its own. Under AddressSanitizer each item is a block,
 * so that an overrun or a use after dispose is seen.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ITEM_PER_BLOCK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ITEM_PER_BLOCK 1
#endif
#endif
#ifndef ITEM_PER_BLOCK
#define ITEM_PER_BLOCK 0
#endif

#define FIRST_BLOCK 4096u
#define LARGEST_BLOCK (1u << 20)
#define ALIGNMENT 16u

struct shoal_arena_block {
  _Alignas(ALIGNMENT) shoal_arena_block *older;
  size_t size;
};

struct shoal_arena_cleanup {
  void (*free_item)(void *item);
  void *item;
  const shoal_arena_cleanup *older;
};

static void *new_block(shoal_arena *arena, size_t payload) {
  size_t size;
  if (__builtin_add_overflow(payload, sizeof(shoal_arena_block), &size))
    return NULL;
  shoal_arena_block *b = shoal_malloc(size);
  if (!b)
    return NULL;
  b->size = size;
  b->older = arena->blocks;
  arena->blocks = b;
  arena->total += size;
  return b + 1;
}

void *shoal_arena_alloc(shoal_arena *arena, size_t size) {
  if (size > SIZE_MAX - ALIGNMENT)
    return NULL;
  if (ITEM_PER_BLOCK)
    return new_block(arena, size ? size : 1);
  size = size ? size : 1; /* an empty item has an address, too: NULL is out of memory */
  size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (size <= (size_t)(arena->end - arena->next)) {
    void *p = arena->next;
    arena->next += size;
    return p;
  }
  size_t block = arena->total < FIRST_BLOCK ? FIRST_BLOCK : arena->total;
  if (block > LARGEST_BLOCK)
    block = LARGEST_BLOCK;
  if (size >= block / 4)
    return new_block(arena, size); /* the open block stays open */
  char *p = new_block(arena, block);
  if (!p)
    return NULL;
  arena->next = p + size;
  arena->end = p + block;
  return p;
}

void *shoal_arena_array(shoal_arena *arena, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total))
    return NULL;
  void *p = shoal_arena_alloc(arena, total);
  if (p)
    memset(p, 0, total);
  return p;
}

char *shoal_arena_cstr(shoal_arena *arena, shoal_str s) {
  char *p = s.len < SIZE_MAX ? shoal_arena_alloc(arena, s.len + 1) : NULL;
  if (!p)
    return NULL;
  if (s.len)
    memcpy(p, s.ptr, s.len);
  p[s.len] = '\0';
  return p;
}

shoal_str shoal_arena_str(shoal_arena *arena, shoal_str s) {
  if (!s.ptr)
    return s;
  char *p = shoal_arena_cstr(arena, s);
  return (shoal_str){p, p ? s.len : 0};
}

char *shoal_arena_printf(shoal_arena *arena, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  char *p = n < 0 ? NULL : shoal_arena_alloc(arena, (size_t)n + 1);
  if (p)
    vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(again);
  return p;
}

bool shoal_arena_own(shoal_arena *arena, void (*free_item)(void *item), void *item) {
  shoal_arena_cleanup *c = SHOAL_NEW(arena, shoal_arena_cleanup);
  if (!c) {
    free_item(item);
    return false;
  }
  *c = (shoal_arena_cleanup){free_item, item, arena->cleanups};
  arena->cleanups = c;
  return true;
}

void shoal_arena_dispose(shoal_arena *arena) {
  if (!arena)
    return;
  for (const shoal_arena_cleanup *c = arena->cleanups; c; c = c->older)
    c->free_item(c->item);
  shoal_arena_block *b = arena->blocks;
  while (b) {
    shoal_arena_block *older = b->older;
    shoal_free(b);
    b = older;
  }
  *arena = (shoal_arena){0};
}

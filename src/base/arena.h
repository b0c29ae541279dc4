/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena per lifetime (a commit's parse, a snapshot, a plan, a task), passed explicitly. Everything in it is
 * freed at once. One thread at a time. The zero value is a valid empty arena.
 */
#ifndef SHOAL_BASE_ARENA_H
#define SHOAL_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "shoal/error.h"
#include "shoal/str.h"

typedef struct shoal_arena_block shoal_arena_block;
typedef struct shoal_arena_cleanup shoal_arena_cleanup;
typedef struct shoal_arena {
  shoal_arena_block *blocks;     /* newest first */
  shoal_arena_cleanup *cleanups; /* newest first */
  char *next, *end;
  size_t total; /* bytes asked of the system */
} shoal_arena;

/* 16-byte aligned; NULL when out of memory. The bytes are not zeroed. */
void *shoal_arena_alloc(shoal_arena *arena, size_t size);
/* Zeroed array; NULL on overflow or out of memory. */
void *shoal_arena_array(shoal_arena *arena, size_t count, size_t size);
#define SHOAL_NEW(arena, T) ((T *)shoal_arena_array((arena), 1, sizeof(T)))
#define SHOAL_NEW_ARRAY(arena, T, n) ((T *)shoal_arena_array((arena), (n), sizeof(T)))

/* Copies, with a NUL behind the last byte (so .ptr is also a C string where the text has no NUL).
   {NULL, 0} stays {NULL, 0}. On out of memory .ptr is NULL though s.ptr is not: check with shoal_str_lost. */
shoal_str shoal_arena_str(shoal_arena *arena, shoal_str s);
/* NUL-terminated copy as a C string; NULL when out of memory. */
char *shoal_arena_cstr(shoal_arena *arena, shoal_str s);
char *shoal_arena_printf(shoal_arena *arena, const char *fmt, ...) SHOAL_PRINTF(2, 3);

/* Calls free_item(item) when the arena is disposed of, newest first, before its memory goes. Out of memory: calls it at
   once and says false. */
bool shoal_arena_own(shoal_arena *arena, void (*free_item)(void *item), void *item);

void shoal_arena_dispose(shoal_arena *arena);

#endif

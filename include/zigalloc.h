/* zigalloc: Zig's allocators for C.
 *
 * An allocator is a value of two words, `zigalloc_allocator`: somebody's state, and a table of four functions.
 * Code that takes one works with every allocator, whether it is written in C, Rust or Zig, and never has to
 * know which one it got.
 *
 *     zigalloc_arena *arena = zigalloc_arena_create(zigalloc_page_allocator());
 *     if (arena == NULL) return OUT_OF_MEMORY;
 *     zigalloc_allocator a = zigalloc_arena_allocator(arena);
 *     uint32_t *numbers = zigalloc_alloc(a, 100 * sizeof *numbers, zigalloc_log2(sizeof *numbers));
 *     ...
 *     zigalloc_arena_destroy(arena);         // frees everything that came from it
 *
 * CONVENTIONS
 *   Lengths are bytes. Alignments are the base-2 logarithm of bytes, and called alignment_log2: 3 means 8 bytes.
 *   NULL from a function that allocates or creates means out of memory, and false from one that resizes means
 *   no; nothing has changed then. Sizes near SIZE_MAX are out of memory, never undefined.
 *   A block is freed with the length and the alignment that it has: those of its allocation, or the new length
 *   of its last resize, remap or realloc.
 *   Mistakes that the library's functions see end the program with a message that names the function: a NULL
 *   pointer, an allocator whose table or one of whose functions is NULL, a mode that does not exist. The tables'
 *   functions and the helpers at the end of this file check nothing of that but by assert(): unlike free(), they
 *   must not get NULL for a block that has a length. An alignment_log2 above that of the largest power of two in
 *   a size_t is NULL where a table's alloc gets it; the others may answer anything. No C++
 *   exception or Rust panic leaves a function of the library, and none may leave yours.
 *
 * OWNERSHIP
 *   X_create(child) makes an allocator in a block of `child`, which must outlive it: a reset of `child` ends it
 *   too. X_destroy gives that block back and accepts NULL. In between, the pointer must not be copied to another address: it is the state.
 *   X_allocator(x) makes a handle. Handles are copied freely and never freed. One is valid until x is destroyed,
 *   resets included; its blocks are valid until they are freed or x is reset or destroyed.
 *   Blocks from thread_safe, counting and logging are the child's, and outlive them.
 *   A function that takes a zigalloc_allocator does not own it, except as said at thread_safe.
 *
 * ALIASING
 *   A block overlaps nothing else. A buffer that you pass to a create function is the allocator's until that is
 *   destroyed: only what it hands out may be touched.
 *   X_reset and X_destroy need x alone: no other call with x, or with a handle to it, may be in progress.
 *
 * THREADS
 *   Any number may use page, c, raw_c, smp, rust and failing; thread_safe and shared_arena; what fixed_buffer's
 *   thread_safe_allocator returns; and debug, counting and logging, if their child is one of these. Everything
 *   else is for one thread at a time. A block may be freed by another thread than it was allocated by.
 */
#ifndef ZIGALLOC_H
#define ZIGALLOC_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ZIGALLOC_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the interface ---- */

/* What an allocator does. Write your own by filling in a table that lives as long as it is used (`static const`).
 *
 * `ctx` is the word beside the table. `ret_addr` is an address in the code that asked, for humans, or 0.
 * Callers pass lengths above 0, and blocks that are live, with matching length and alignment.
 * No function calls an allocator that is calling it, directly or through others. The `write` function of a logging
 * allocator is a part of that allocator here: it may call that one itself (see zigalloc_logging_create), and must not
 * call one that is above it. Arenas and pools above have no memory then; a lock above waits for ever. */
typedef struct zigalloc_vtable {
    /* Returns `len` bytes, aligned, or NULL. Their content is unspecified. */
    void *(*alloc)(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr);
    /* Makes the block `new_len` bytes long where it is and returns true, or changes nothing and returns false. It
     * may refuse anything, even to shrink. */
    bool (*resize)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                   uintptr_t ret_addr);
    /* Returns the address of `new_len` bytes with the old content, the same address or another, and the old block
     * is gone. Or changes nothing and returns NULL: then the caller may allocate, copy and free by itself. */
    void *(*remap)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                   uintptr_t ret_addr);
    void (*free)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, uintptr_t ret_addr);
} zigalloc_vtable;

typedef struct zigalloc_allocator {
    void *ctx; /* may mean nothing; do not compare it */
    const zigalloc_vtable *vtable;
} zigalloc_allocator;

#if defined(__cplusplus)
static_assert(sizeof(zigalloc_allocator) == 2 * sizeof(void *), "two words");
static_assert(sizeof(zigalloc_vtable) == 4 * sizeof(void (*)(void)), "four functions");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(zigalloc_allocator) == 2 * sizeof(void *), "two words");
_Static_assert(offsetof(zigalloc_allocator, vtable) == sizeof(void *), "the context comes first");
_Static_assert(sizeof(zigalloc_vtable) == 4 * sizeof(void (*)(void)), "four functions");
#endif

/* The library's version, to be compared with ZIGALLOC_VERSION. */
const char *zigalloc_version(void);

/* ---- allocators without state; nothing to create or destroy ---- */

zigalloc_allocator zigalloc_page_allocator(void);    /* whole pages of the operating system */
zigalloc_allocator zigalloc_c_allocator(void);       /* malloc's memory, any alignment; free() may free it on Unix */
zigalloc_allocator zigalloc_raw_c_allocator(void);   /* malloc, realloc and free; NULL above malloc's alignment */
zigalloc_allocator zigalloc_smp_allocator(void);     /* fast, for many threads */
zigalloc_allocator zigalloc_rust_allocator(void);    /* the global allocator of Rust */
zigalloc_allocator zigalloc_failing_allocator(void); /* always out of memory */

/* ---- arena: frees everything at once ---- */

typedef struct zigalloc_arena zigalloc_arena;

/* What a reset does with the memory. */
enum {
    ZIGALLOC_FREE_ALL = 0,         /* gives it back to the child */
    ZIGALLOC_RETAIN_CAPACITY = 1,  /* keeps as much as there was, in one piece */
    ZIGALLOC_RETAIN_WITH_LIMIT = 2 /* the same, but at most `limit` bytes */
};

zigalloc_arena *zigalloc_arena_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_arena_allocator(zigalloc_arena *arena);
/* How many bytes there are for blocks, used or not. */
size_t zigalloc_arena_query_capacity(const zigalloc_arena *arena);
/* Ends all blocks. False: the child had no memory for the one piece that is to be kept; the arena is empty and
 * usable all the same. `limit` is looked at in ZIGALLOC_RETAIN_WITH_LIMIT only. */
bool zigalloc_arena_reset(zigalloc_arena *arena, int mode, size_t limit);
void zigalloc_arena_destroy(zigalloc_arena *arena);

/* ---- shared_arena: the same for many threads at once, without a lock. Its child must be for many threads. ---- */

typedef struct zigalloc_shared_arena zigalloc_shared_arena;

zigalloc_shared_arena *zigalloc_shared_arena_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_shared_arena_allocator(zigalloc_shared_arena *arena);
/* While no thread uses the arena. */
size_t zigalloc_shared_arena_query_capacity(zigalloc_shared_arena *arena);
bool zigalloc_shared_arena_reset(zigalloc_shared_arena *arena, int mode, size_t limit);
void zigalloc_shared_arena_destroy(zigalloc_shared_arena *arena);

/* ---- fixed_buffer: memory of yours, handed out from its begin to its end ---- */

typedef struct zigalloc_fixed_buffer zigalloc_fixed_buffer;

/* `state` gives the few words that the allocator itself takes. `buffer` may be NULL if `len` is 0. */
zigalloc_fixed_buffer *zigalloc_fixed_buffer_create(zigalloc_allocator state, void *buffer, size_t len);
/* For one thread, or for any number. Do not mix the two: all handles in use, and all blocks, are of one kind. */
zigalloc_allocator zigalloc_fixed_buffer_allocator(zigalloc_fixed_buffer *fixed_buffer);
zigalloc_allocator zigalloc_fixed_buffer_thread_safe_allocator(zigalloc_fixed_buffer *fixed_buffer);
/* How many bytes are in use. Not while other threads allocate. */
size_t zigalloc_fixed_buffer_end_index(const zigalloc_fixed_buffer *fixed_buffer);
void zigalloc_fixed_buffer_reset(zigalloc_fixed_buffer *fixed_buffer);
void zigalloc_fixed_buffer_destroy(zigalloc_fixed_buffer *fixed_buffer);

/* ---- buffer_first: memory of yours, and that of `child` when it is used up ---- */

typedef struct zigalloc_buffer_first zigalloc_buffer_first;

zigalloc_buffer_first *zigalloc_buffer_first_create(zigalloc_allocator state, void *buffer, size_t len,
                                                    zigalloc_allocator child);
zigalloc_allocator zigalloc_buffer_first_allocator(zigalloc_buffer_first *buffer_first);
/* How many bytes of the buffer are in use. */
size_t zigalloc_buffer_first_end_index(const zigalloc_buffer_first *buffer_first);
/* Both end the blocks in the buffer. Those that are the child's remain until they are freed, before the end. */
void zigalloc_buffer_first_reset(zigalloc_buffer_first *buffer_first);
void zigalloc_buffer_first_destroy(zigalloc_buffer_first *buffer_first);

/* ---- thread_safe: a lock around an allocator ---- */

typedef struct zigalloc_thread_safe zigalloc_thread_safe;

/* Until it is destroyed, the child is used through it alone: another handle would be a way around the lock. */
zigalloc_thread_safe *zigalloc_thread_safe_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_thread_safe_allocator(zigalloc_thread_safe *thread_safe);
void zigalloc_thread_safe_destroy(zigalloc_thread_safe *thread_safe);

/* ---- debug: finds double frees, wrong lengths and alignments, foreign pointers, writes behind a block, leaks ----
 *
 * A mistake is a report on the standard error stream, with the functions and lines of this call, the allocation and
 * the first free if your program has debug information (-g). The call then does nothing, or what it can;
 * where something has been written over its own records, the program ends. */

typedef struct zigalloc_debug zigalloc_debug;

zigalloc_debug *zigalloc_debug_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_debug_allocator(zigalloc_debug *debug);
/* Reports all blocks that are live, and returns how many. */
size_t zigalloc_debug_detect_leaks(const zigalloc_debug *debug);
/* The same, and then ends them and gives all memory back. */
size_t zigalloc_debug_destroy(zigalloc_debug *debug);

/* ---- pool: items of one size, each of which can be freed and is used again ---- */

typedef struct zigalloc_pool zigalloc_pool;

/* NULL also if there is no such alignment; in a library with debug assertions, that ends the program. */
zigalloc_pool *zigalloc_pool_create(zigalloc_allocator child, size_t item_size, uint8_t alignment_log2);
/* Makes `count` items in advance. False: there is memory for fewer, and those that were made are kept. From 1 GiB of
 * items on, the child is first asked for a third of that in one piece; if it refuses, none are made. */
bool zigalloc_pool_preheat(zigalloc_pool *pool, size_t count);
void *zigalloc_pool_alloc(zigalloc_pool *pool);
void zigalloc_pool_free(zigalloc_pool *pool, void *item);
/* Ends all items; see zigalloc_arena_reset. */
bool zigalloc_pool_reset(zigalloc_pool *pool, int mode, size_t limit);
void zigalloc_pool_destroy(zigalloc_pool *pool);

/* ---- counting: passes calls on to its child and counts them ---- */

typedef struct zigalloc_counting zigalloc_counting;

typedef struct zigalloc_counts {
    /* Calls, and those of them that were answered with NULL or false. */
    uint64_t alloc_calls, alloc_refused;
    uint64_t resize_calls, resize_refused;
    uint64_t remap_calls, remap_refused;
    uint64_t free_calls;
    uint64_t total_bytes; /* given out in all, by new blocks and by growth */
    uint64_t live_blocks;
    uint64_t live_bytes;
    uint64_t peak_live_bytes; /* the most that were live at once */
    /* Calls of alloc by length: [n] is of those up to 2^n bytes that are not in the one before. */
    uint64_t alloc_sizes[8 * sizeof(size_t) + 1];
} zigalloc_counts;

zigalloc_counting *zigalloc_counting_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_counting_allocator(zigalloc_counting *counting);
/* Fills in `counts`. May be called while other threads allocate. */
void zigalloc_counting_snapshot(const zigalloc_counting *counting, zigalloc_counts *counts);
/* The blocks are the child's and remain. */
void zigalloc_counting_destroy(zigalloc_counting *counting);

/* ---- logging: passes calls on to its child and describes each in a line of text ---- */

typedef struct zigalloc_logging zigalloc_logging;

/* `write` gets `ctx` and one line for each call, `len` bytes without a line break or a zero at the end. It is
 * called by one thread at a time, and for as long as the allocator is used. It may use this allocator itself, and its
 * child: such a call is passed on and has no line, which zigalloc_logging_lost_lines counts. A line is cut after 1024
 * bytes. */
zigalloc_logging *zigalloc_logging_create(zigalloc_allocator child,
                                          void (*write)(void *ctx, const char *line, size_t len), void *ctx);
zigalloc_allocator zigalloc_logging_allocator(zigalloc_logging *logging);
/* How many lines are missing or were cut. */
size_t zigalloc_logging_lost_lines(const zigalloc_logging *logging);
/* The blocks are the child's and remain. */
void zigalloc_logging_destroy(zigalloc_logging *logging);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ---- calling an allocator ----
 *
 * The table's functions, with what one wants around them. A length of 0 reaches no allocator: a block of 0 bytes
 * is an address that is not NULL and belongs to nobody. They pass the address of your call on, so that reports
 * name your line. Unless NDEBUG is defined, an alignment_log2 that does not exist fails an assertion; with NDEBUG
 * there is no memory for it. */

#if defined(__GNUC__)
#define ZIGALLOC_CALL_SITE ((uintptr_t)__builtin_return_address(0))
#define ZIGALLOC_HELPER static __attribute__((noinline, unused)) /* so that the address is one of the caller */
#else
#define ZIGALLOC_CALL_SITE ((uintptr_t)0)
#define ZIGALLOC_HELPER static inline
#endif

/* The logarithm of an alignment in bytes, which is a power of two: zigalloc_log2(64) is 6. */
static inline uint8_t zigalloc_log2(size_t bytes)
{
    uint8_t log2 = 0;
    assert(bytes != 0 && (bytes & (bytes - 1)) == 0 && "zigalloc_log2: the alignment in bytes is no power of two");
    while (bytes > 1) {
        bytes >>= 1;
        log2++;
    }
    return log2;
}

static inline bool zigalloc_is_alignment(uint8_t alignment_log2)
{
    assert(alignment_log2 < 8 * sizeof(size_t) && "zigalloc: alignment_log2 is not below the bits of a size_t");
    return alignment_log2 < 8 * sizeof(size_t);
}

/* `len` bytes, or NULL. */
ZIGALLOC_HELPER void *zigalloc_alloc(zigalloc_allocator a, size_t len, uint8_t alignment_log2)
{
    if (!zigalloc_is_alignment(alignment_log2)) return NULL;
    if (len == 0) return (void *)(uintptr_t)(SIZE_MAX << alignment_log2);
    assert(a.vtable != NULL && "zigalloc_alloc: an allocator without a table");
    return a.vtable->alloc(a.ctx, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

ZIGALLOC_HELPER void zigalloc_free(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2)
{
    assert((memory != NULL || len == 0) && "zigalloc_free: NULL is no block of this length");
    if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

/* Changes the length without moving the block. To 0 bytes, it frees it. */
ZIGALLOC_HELPER bool zigalloc_resize(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2,
                                     size_t new_len)
{
    if (!zigalloc_is_alignment(alignment_log2)) return false;
    assert((memory != NULL || len == 0) && "zigalloc_resize: NULL is no block of this length");
    if (len == 0 || new_len == 0) {
        if (new_len == 0 && len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ZIGALLOC_CALL_SITE);
        return new_len == 0;
    }
    return a.vtable->resize(a.ctx, memory, len, alignment_log2, new_len, ZIGALLOC_CALL_SITE);
}

/* Changes the length and may move the block. NULL: out of memory, and the block is as it was. To 0 bytes, it frees
 * it and cannot fail. */
ZIGALLOC_HELPER void *zigalloc_realloc(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2,
                                       size_t new_len)
{
    uintptr_t ret_addr = ZIGALLOC_CALL_SITE;
    void *moved = NULL;
    if (!zigalloc_is_alignment(alignment_log2)) return NULL;
    assert((memory != NULL || len == 0) && "zigalloc_realloc: NULL is no block of this length");
    if (new_len == 0) {
        if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ret_addr);
        return (void *)(uintptr_t)(SIZE_MAX << alignment_log2);
    }
    if (len != 0) moved = a.vtable->remap(a.ctx, memory, len, alignment_log2, new_len, ret_addr);
    if (moved != NULL) return moved;
    moved = a.vtable->alloc(a.ctx, new_len, alignment_log2, ret_addr);
    if (moved != NULL && len != 0) {
        memcpy(moved, memory, len < new_len ? len : new_len);
        a.vtable->free(a.ctx, memory, len, alignment_log2, ret_addr);
    }
    return moved;
}

#endif /* ZIGALLOC_H */

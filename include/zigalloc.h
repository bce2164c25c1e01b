/* zigalloc: Zig's allocators for C.
 *
 * An allocator is a value of two words, `zigalloc_allocator`: a pointer to its state, and a pointer to a table of four
 * functions. Code that takes one works with every allocator, whether it is written in C, Rust or Zig.
 *
 *     zigalloc_arena *arena = zigalloc_arena_create(zigalloc_page_allocator());
 *     if (arena == NULL) return OUT_OF_MEMORY;
 *     zigalloc_allocator a = zigalloc_arena_allocator(arena);
 *     uint32_t *numbers = zigalloc_alloc(a, 100 * sizeof *numbers, zigalloc_log2(sizeof *numbers));
 *     ...
 *     zigalloc_arena_destroy(arena);         // frees everything that came from it
 *
 * CONVENTIONS
 *   Lengths are in bytes. Alignments are base-2 logarithms of bytes, called alignment_log2: 3 means 8 bytes.
 *   A function that allocates or creates returns NULL when it is out of memory; a function that resizes returns false
 *   when it refuses. Nothing has changed then. Sizes near SIZE_MAX are out of memory, never undefined behaviour.
 *   Free a block with its current length and alignment: those of its allocation, or the new length of its last
 *   successful resize, remap or realloc.
 *   The library's functions abort with a message that names the function if they get a NULL pointer, an allocator
 *   whose table or one of its functions is NULL, or an invalid mode. The functions of the tables do not check for
 *   these, and the helpers at the end of this file only by assert(): unlike free(), they must not get NULL for a block
 *   whose length is not 0. A table's `alloc` returns NULL for an alignment_log2 that is not below the number of bits of
 *   a size_t. Passing one to the other functions is undefined behaviour: no block has such an alignment. No C++
 *   exception or Rust panic leaves a function of the library, and none may leave yours.
 *
 * OWNERSHIP
 *   X_create(child) allocates the state of an allocator from `child`, which must outlive it; a reset of `child`
 *   invalidates it. X_destroy frees the state, and accepts NULL. Do not copy the state itself to another address.
 *   X_allocator(x) returns a handle. Handles may be copied freely and are never freed. A handle is valid until x is
 *   destroyed, also after a reset; its blocks are valid until they are freed or x is reset or destroyed.
 *   Blocks from thread_safe, counting, logging and failing_at belong to the child and outlive the allocator.
 *   A function that takes a zigalloc_allocator does not take ownership of it, except for thread_safe (see there).
 *
 * ALIASING
 *   A block overlaps nothing else. A buffer that you pass to a create function belongs to the allocator until that is
 *   destroyed: access only the blocks that the allocator returns.
 *   During X_reset and X_destroy, no other call with x, or with a handle to it, may be in progress.
 *
 * THREADS
 *   Any number of threads may use page, c, raw_c, smp, rust and failing; thread_safe and shared_arena; the handle from
 *   zigalloc_fixed_buffer_thread_safe_allocator; and a debug (without the option single_threaded), counting or logging
 *   whose child is one of these. All other allocators are for one thread at a time. A block may be freed by a different
 *   thread than the one that allocated it.
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

/* The functions of an allocator. To write your own, fill in a table that lives as long as it is used (`static const`).
 *
 * `ctx` is the word next to the table in zigalloc_allocator. `ret_addr` is the address of the calling code, for
 * reports, or 0. Callers pass lengths above 0, and live blocks with matching length and alignment.
 * A function must not call an allocator that is calling it, directly or through others. This includes the `write`
 * function of a logging allocator: it may call its own allocator (see zigalloc_logging_create), but not an allocator
 * above that. Otherwise an arena or pool above returns NULL, and a lock above deadlocks. */
typedef struct zigalloc_vtable {
    /* Returns `len` bytes with the given alignment, or NULL. Their content is unspecified. */
    void *(*alloc)(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr);
    /* Changes the length of the block to `new_len` in place and returns true, or changes nothing and returns false. It
     * may refuse any request, even to shrink. */
    bool (*resize)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                   uintptr_t ret_addr);
    /* Changes the length of the block to `new_len`, possibly moving its content, and returns the new address; the old
     * block is then freed. Or changes nothing and returns NULL; the caller may then allocate, copy and free. */
    void *(*remap)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                   uintptr_t ret_addr);
    void (*free)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, uintptr_t ret_addr);
} zigalloc_vtable;

typedef struct zigalloc_allocator {
    void *ctx; /* may have no meaning; do not compare it */
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

/* The library's version. Compare it with ZIGALLOC_VERSION, the header's. */
const char *zigalloc_version(void);

/* ---- allocators without state: nothing to create or destroy ---- */

/* Whole pages from the operating system. At the system's limit of mappings (Linux: vm.max_map_count), freed pages
 * release their memory at once and their addresses later. */
zigalloc_allocator zigalloc_page_allocator(void);
zigalloc_allocator zigalloc_c_allocator(void);       /* malloc, any alignment; on Unix, free() may free its blocks */
zigalloc_allocator zigalloc_raw_c_allocator(void);   /* malloc, realloc and free; NULL above malloc's alignment */
zigalloc_allocator zigalloc_smp_allocator(void);     /* fast, for many threads */
zigalloc_allocator zigalloc_rust_allocator(void);    /* Rust's global allocator */
zigalloc_allocator zigalloc_failing_allocator(void); /* always out of memory; see also failing_at */

/* The bytes of slabs that smp has mapped for blocks of up to 32 KiB, in use or not. Larger blocks are apart. */
size_t zigalloc_smp_slab_bytes(void);

/* Free blocks of more than 32 KiB keep their memory for about a second, up to a limit (128 MiB, or 32 MiB on 32-bit
 * systems): how many bytes are kept; sets the limit; returns all of them to the system, and how many they were. */
size_t zigalloc_smp_kept_bytes(void);
void zigalloc_smp_set_kept_limit(size_t bytes);
size_t zigalloc_smp_trim(void);

/* ---- arena: frees everything at once ---- */

typedef struct zigalloc_arena zigalloc_arena;

/* What a reset does with the memory. */
enum {
    ZIGALLOC_FREE_ALL = 0,         /* frees it to the child */
    ZIGALLOC_RETAIN_CAPACITY = 1,  /* keeps the same capacity, in one piece */
    ZIGALLOC_RETAIN_WITH_LIMIT = 2 /* the same, but at most `limit` bytes */
};

zigalloc_arena *zigalloc_arena_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_arena_allocator(zigalloc_arena *arena);
/* The capacity for blocks in bytes, used or not. */
size_t zigalloc_arena_query_capacity(const zigalloc_arena *arena);
/* Frees all blocks. Returns false if the child had no memory for the piece to keep; the arena is then empty but still
 * usable. `limit` matters only with ZIGALLOC_RETAIN_WITH_LIMIT. */
bool zigalloc_arena_reset(zigalloc_arena *arena, int mode, size_t limit);
void zigalloc_arena_destroy(zigalloc_arena *arena);

/* ---- shared_arena: a lock-free arena for any number of threads. Its child must be thread-safe too. ---- */

typedef struct zigalloc_shared_arena zigalloc_shared_arena;

zigalloc_shared_arena *zigalloc_shared_arena_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_shared_arena_allocator(zigalloc_shared_arena *arena);
/* Call these while no other thread uses the arena. */
size_t zigalloc_shared_arena_query_capacity(zigalloc_shared_arena *arena);
bool zigalloc_shared_arena_reset(zigalloc_shared_arena *arena, int mode, size_t limit);
void zigalloc_shared_arena_destroy(zigalloc_shared_arena *arena);

/* ---- fixed_buffer: allocates from your buffer, from start to end ---- */

typedef struct zigalloc_fixed_buffer zigalloc_fixed_buffer;

/* Allocates the few words of its state from `state`. `buffer` may be NULL if `len` is 0. */
zigalloc_fixed_buffer *zigalloc_fixed_buffer_create(zigalloc_allocator state, void *buffer, size_t len);
/* The first is for one thread, the second for any number. Do not mix them: all handles in use, and all live blocks,
 * must be of one kind. */
zigalloc_allocator zigalloc_fixed_buffer_allocator(zigalloc_fixed_buffer *fixed_buffer);
zigalloc_allocator zigalloc_fixed_buffer_thread_safe_allocator(zigalloc_fixed_buffer *fixed_buffer);
/* The number of bytes in use. Do not call it while other threads allocate. */
size_t zigalloc_fixed_buffer_end_index(const zigalloc_fixed_buffer *fixed_buffer);
void zigalloc_fixed_buffer_reset(zigalloc_fixed_buffer *fixed_buffer);
void zigalloc_fixed_buffer_destroy(zigalloc_fixed_buffer *fixed_buffer);

/* ---- buffer_first: allocates from your buffer, and from `child` when that is full ---- */

typedef struct zigalloc_buffer_first zigalloc_buffer_first;

/* The address of a block tells whether it came from the buffer or from `child`. `child` may have a block that begins in
 * the buffer, because it got its own memory from there: such a block is freed to `child` at once, and the request is
 * refused. If its `remap` moves a block into the buffer, the process aborts. `buffer` may itself be a block of `child`,
 * as long as it is not freed before the destroy. */
zigalloc_buffer_first *zigalloc_buffer_first_create(zigalloc_allocator state, void *buffer, size_t len,
                                                    zigalloc_allocator child);
zigalloc_allocator zigalloc_buffer_first_allocator(zigalloc_buffer_first *buffer_first);
/* The number of bytes of the buffer in use. */
size_t zigalloc_buffer_first_end_index(const zigalloc_buffer_first *buffer_first);
/* Both invalidate the blocks in the buffer. The child's blocks remain valid; free them before the destroy. */
void zigalloc_buffer_first_reset(zigalloc_buffer_first *buffer_first);
void zigalloc_buffer_first_destroy(zigalloc_buffer_first *buffer_first);

/* ---- thread_safe: a lock around an allocator ---- */

typedef struct zigalloc_thread_safe zigalloc_thread_safe;

/* Until it is destroyed, use the child only through it: any other handle would bypass the lock. */
zigalloc_thread_safe *zigalloc_thread_safe_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_thread_safe_allocator(zigalloc_thread_safe *thread_safe);
void zigalloc_thread_safe_destroy(zigalloc_thread_safe *thread_safe);

/* ---- debug: finds double frees, wrong lengths and alignments, foreign pointers, writes past a small block, leaks ----
 *
 * Each mistake is reported to standard error. If your program has debug information (-g), the report names the
 * functions and lines of this call, of the allocation and of the first free. A call with an address that is not a live
 * block's does nothing; one with a wrong length or alignment uses the block's own. If the allocator's own records have
 * been overwritten, the program aborts. */

typedef struct zigalloc_debug zigalloc_debug;

/* The kind of mistake. */
enum {
    ZIGALLOC_DOUBLE_FREE = 0,     /* a freed block was freed or resized again */
    ZIGALLOC_INVALID_FREE = 1,    /* the address is not that of a block */
    ZIGALLOC_WRONG_LENGTH = 2,    /* the length is not the block's */
    ZIGALLOC_WRONG_ALIGNMENT = 3, /* the alignment is not the block's */
    ZIGALLOC_OVERRUN = 4,         /* bytes after a small block were overwritten */
    ZIGALLOC_CORRUPTION = 5,      /* the allocator's own records were overwritten; the program aborts */
    ZIGALLOC_LEAK = 6,            /* blocks allocated in one place were never freed */
    ZIGALLOC_MORE_LEAKS = 7,      /* the leaks that leak_limit left out, in total */
    ZIGALLOC_WRITE_AFTER_FREE = 8 /* reserved for an allocator that checks freed memory */
};

/* The call that found the mistake. */
enum {
    ZIGALLOC_OPERATION_ALLOC = 0,
    ZIGALLOC_OPERATION_RESIZE = 1,
    ZIGALLOC_OPERATION_REMAP = 2,
    ZIGALLOC_OPERATION_FREE = 3,
    ZIGALLOC_OPERATION_DETECT_LEAKS = 4 /* zigalloc_debug_detect_leaks or zigalloc_debug_destroy */
};

/* Code addresses: the first is in the function that called the allocator, the next in its caller, and so on. `count` is
 * 0 if none are known. */
typedef struct zigalloc_trace {
    const uintptr_t *addresses;
    size_t count;
} zigalloc_trace;

/* The argument of a report function. It and its traces are valid only until the function returns. Later versions may
 * add fields at the end; `size` is the size of the struct in the library. */
typedef struct zigalloc_debug_report {
    size_t size;
    int kind;                    /* ZIGALLOC_DOUBLE_FREE and so on */
    int operation;               /* ZIGALLOC_OPERATION_FREE and so on */
    uintptr_t address;           /* the address passed to the call; the leaked block's */
    size_t len;                  /* the length passed to the call, in bytes; 0 for a leak */
    size_t recorded_len;         /* the block's length, in bytes; SIZE_MAX if unknown */
    uintptr_t inside;            /* invalid free: the block that contains the address, or 0 */
    size_t overrun;              /* overrun: the index of the first byte that was overwritten; otherwise SIZE_MAX */
    size_t count;                /* the number of blocks reported: 1, or more if several leak from one place */
    size_t total_len;            /* the total length of those blocks in bytes; SIZE_MAX if unknown */
    size_t left_out;             /* more leaks: the number of reports that were left out; otherwise 0 */
    zigalloc_trace site;         /* this call; unknown for leaks */
    zigalloc_trace allocation;   /* the block's allocation, or its last resize if resize_stack_traces is set */
    zigalloc_trace first_free;   /* double free: the first, valid free */
    const void *source;          /* for zigalloc_debug_report_text */
    uint8_t alignment_log2;          /* the alignment passed to the call */
    uint8_t recorded_alignment_log2; /* the block's alignment; 255 if unknown */
} zigalloc_debug_report;

/* For stack_trace_frames: 0 frames, since 0 means the default. */
#define ZIGALLOC_NO_FRAMES SIZE_MAX
/* For leak_limit: 0 reports, since 0 means the default. */
#define ZIGALLOC_NO_LEAK_REPORTS (SIZE_MAX - 1)

/* The options of a debug allocator. Set `size`, and the options that are not to have their default. In every field, 0,
 * false or NULL means the default.
 *
 *     zigalloc_debug_options options = {0};              // in C++: {}
 *     options.size = sizeof options;
 *     options.stack_trace_frames = ZIGALLOC_NO_FRAMES;
 *
 * Later versions may add fields at the end, whose defaults are the behaviour of this version. If a program compiled
 * with a newer header sets an option that the library does not know, the library aborts with a message. */
typedef struct zigalloc_debug_options {
    size_t size; /* sizeof(zigalloc_debug_options) */
    /* Called with `user_data` and each report, in the thread that made the mistake; several threads may call it at
     * once. It may use the allocator, and must return. Default: prints the report's text to standard error. */
    void (*report)(void *user_data, const zigalloc_debug_report *report);
    void *user_data;
    /* How many functions of the stack of an allocation or a free a report shows; at most 32. With 1, and without
     * skip_frames, that is the caller; otherwise every call walks the stack, which is slow. Default: 6, or 1 if the
     * library was built without backtraces. */
    size_t stack_trace_frames;
    /* The limit on the total length of the live blocks in bytes; more is out of memory. Default: no limit. */
    size_t requested_memory_limit;
    /* How many bytes of freed memory to keep before they are freed to the child, so that a second free is reported as
     * one and a late read does not fault. It is kept in whole blocks of the child, at most the last 16, and none longer
     * than this. Default: none. */
    size_t quarantine;
    /* The length of the child's blocks that hold small blocks, in bytes: a power of two, at most 4 MiB. Blocks of up to
     * a quarter of this are small. Default: 128 KiB on most systems. */
    size_t page_size;
    /* The word that guards the records of each page. Default: Zig's. */
    size_t canary;
    bool enable_memory_limit; /* counts the requested bytes even without a limit */
    bool no_safety;           /* checks no lengths and alignments of small blocks, nor the bytes after a block */
    bool single_threaded;     /* for one thread: a call during another call aborts the program */
    bool never_unmap;         /* frees no block to the child, so that all double frees of small blocks are found */
    bool retain_metadata;     /* remembers freed large blocks; with never_unmap, the destroy frees all memory */
    bool resize_stack_traces; /* a successful resize becomes the allocation that reports name */
    bool verbose_log;         /* prints a line to standard error for each call */
    bool ungrouped_leaks;     /* a report for each block that leaks; by default, one for all blocks of one place */
    /* The most reports that a search for leaks makes: those with the most bytes. One more report, ZIGALLOC_MORE_LEAKS,
     * says how many were left out; with ZIGALLOC_NO_LEAK_REPORTS it is the only one, and with SIZE_MAX there is no
     * limit. All leaks are counted. Default: 100. */
    size_t leak_limit;
    /* The functions that reports skip, so that a trace begins in your program: `skip_frames_count` names, at most 1024,
     * of functions ("xmalloc"), of namespaces or crates, or of libraries by the directory of their sources ("lua" is
     * every function of a file in lua/src or lua-5.4.6/src). Skipped functions do not count as stack_trace_frames. If
     * nothing is left of a trace, all of it is shown. This affects the text, and which leaks are of one place; the
     * addresses in a report are those of all functions. Default: no names. This library's functions are always
     * skipped. */
    const char *const *skip_frames;
    size_t skip_frames_count;
    /* Frees each empty page of small blocks to the child at once. By default, one page of each size class is kept for
     * the next blocks: at most 2 MiB with the default page_size, which are freed when the child refuses a request, by
     * zigalloc_debug_flush_retained_metadata, and at the end. A late read of a kept page does not fault. */
    bool free_empty_pages;
    bool reserved[sizeof(size_t) - 1]; /* for options of later versions; must be false */
} zigalloc_debug_options;

/* Creates a debug allocator with the default options. */
zigalloc_debug *zigalloc_debug_create(zigalloc_allocator child);
/* Creates one with the given options, which are copied, and what they point to, except for `user_data`; NULL means the
 * defaults. Aborts if an option is out of range. */
zigalloc_debug *zigalloc_debug_create_with(zigalloc_allocator child, const zigalloc_debug_options *options);
zigalloc_allocator zigalloc_debug_allocator(zigalloc_debug *debug);
/* The number of mistakes of this kind, and of all kinds, that were reported. For leaks it is the number of blocks; each
 * search for leaks counts them again. */
size_t zigalloc_debug_count(const zigalloc_debug *debug, int kind);
size_t zigalloc_debug_total_count(const zigalloc_debug *debug);
/* Formats a report as it is printed to standard error: several lines, without a line break after the last. Like
 * snprintf, writes at most `len` bytes including a terminating zero, and returns the length of the whole text without
 * it. */
size_t zigalloc_debug_report_text(const zigalloc_debug_report *report, char *buffer, size_t len);
/* The total length of the live blocks in bytes, if a limit or enable_memory_limit was set; otherwise 0. */
size_t zigalloc_debug_total_requested_bytes(const zigalloc_debug *debug);
/* Changes that limit. Live blocks that already exceed it remain valid. */
void zigalloc_debug_set_requested_memory_limit(const zigalloc_debug *debug, size_t bytes);
/* Frees the empty pages that are kept to the child. With retain_metadata, it also forgets the freed blocks that are
 * remembered, and with never_unmap, it frees their memory to the child. */
void zigalloc_debug_flush_retained_metadata(const zigalloc_debug *debug);
/* Reports all live blocks, and returns their number. */
size_t zigalloc_debug_detect_leaks(const zigalloc_debug *debug);
/* Does the same, and then frees all blocks and the allocator. */
size_t zigalloc_debug_destroy(zigalloc_debug *debug);

/* ---- failing_at: forwards calls to its child and fails from a chosen allocation on ----
 *
 * To test how a program handles running out of memory, fail at allocation 0, then at 1, and so on, until a run in which
 * no failure is induced. */

typedef struct zigalloc_failing_at zigalloc_failing_at;

typedef struct zigalloc_failing_at_counts {
    size_t alloc_index;         /* successful allocations, so the index of the next one */
    size_t resize_index;        /* successful calls of resize and remap, so the index of the next one */
    size_t allocated_bytes;     /* including growth */
    size_t freed_bytes;         /* including shrinking */
    size_t allocations;         /* blocks allocated */
    size_t deallocations;       /* blocks freed */
    uintptr_t stack_addresses[16]; /* of the first induced failure; the rest are 0 */
} zigalloc_failing_at_counts;

/* The first `fail_index` allocations succeed and all later ones fail. Likewise, the first `resize_fail_index` calls of
 * resize and remap, counted together, succeed. SIZE_MAX means never fail. Calls that the child refuses do not count. */
zigalloc_failing_at *zigalloc_failing_at_create(zigalloc_allocator child, size_t fail_index,
                                                size_t resize_fail_index);
zigalloc_allocator zigalloc_failing_at_allocator(zigalloc_failing_at *failing_at);
/* Whether an allocation was made to fail. Induced failures of resize and remap do not count. */
bool zigalloc_failing_at_has_induced_failure(const zigalloc_failing_at *failing_at);
void zigalloc_failing_at_snapshot(const zigalloc_failing_at *failing_at, zigalloc_failing_at_counts *counts);
/* Change the indexes. An index that has already been passed causes no failure. */
void zigalloc_failing_at_set_fail_index(const zigalloc_failing_at *failing_at, size_t fail_index);
void zigalloc_failing_at_set_resize_fail_index(const zigalloc_failing_at *failing_at, size_t resize_fail_index);
/* The blocks belong to the child and remain valid. */
void zigalloc_failing_at_destroy(zigalloc_failing_at *failing_at);

/* ---- pool: items of one size, reused after they are freed ---- */

typedef struct zigalloc_pool zigalloc_pool;

/* Also returns NULL for an invalid alignment; a library with debug assertions aborts. */
zigalloc_pool *zigalloc_pool_create(zigalloc_allocator child, size_t item_size, uint8_t alignment_log2);
/* Allocates `count` items in advance. Returns false if memory runs out; the items allocated so far are kept. From 1 GiB
 * on, first checks that the child can allocate a third of that in one piece; if it cannot, no items are allocated. */
bool zigalloc_pool_preheat(zigalloc_pool *pool, size_t count);
void *zigalloc_pool_alloc(zigalloc_pool *pool);
void zigalloc_pool_free(zigalloc_pool *pool, void *item);
/* Frees all items; see zigalloc_arena_reset. */
bool zigalloc_pool_reset(zigalloc_pool *pool, int mode, size_t limit);
void zigalloc_pool_destroy(zigalloc_pool *pool);

/* ---- malloc: blocks that know their size, from any allocator ----
 *
 * The family of C's malloc over an allocator, for libraries whose hooks pass no length when they free a block. The
 * 16 bytes in front of a block, or as many as its alignment if that is more, have its size and alignment. Free such a
 * block with these functions and the same allocator, not with zigalloc_free. The results are those of C and POSIX:
 *
 *   a size of 0             a block without bytes, not NULL, to be freed like any other
 *   out of memory           NULL and ENOMEM in errno; after a realloc, the old block is unchanged
 *   a product that overflows  the same
 *   a bad alignment         NULL and EINVAL in errno. Alignments are in bytes here, not logarithms: powers of two
 *   posix_memalign          returns the error number, leaves errno and, after an error, *result; its alignment is at
 *                           least sizeof(void *)
 *   realloc(NULL, size)     malloc(size)
 *   realloc(memory, 0)      frees the block and returns NULL, which is no error
 *   free(NULL)              nothing. The functions that free leave errno as it is
 *   malloc_usable_size      the size that was requested, never more; 0 for NULL
 *
 * All blocks are aligned to at least 16 bytes. zigalloc_malloc_realloc and zigalloc_malloc_free have longer names,
 * since zigalloc_realloc and zigalloc_free are the helpers below, which take a length. A pointer that is not a block of
 * this family, and a size or alignment that is not the block's, abort with a message, if the word in front shows it.
 *
 * With `static zigalloc_allocator a;` set before the library is, its hooks are functions of one line:
 *
 *   library   set by                        its hooks call
 *   zlib      z_stream.zalloc, zfree        zigalloc_calloc(*(zigalloc_allocator *)opaque, items, size) and
 *                                           zigalloc_malloc_free; opaque points to the allocator
 *   SQLite    sqlite3_config(               zigalloc_malloc, _malloc_realloc, _malloc_free, _malloc_usable_size;
 *             SQLITE_CONFIG_MALLOC, …)      see examples/c/sqlite.c
 *   cJSON     cJSON_InitHooks               zigalloc_malloc, _malloc_free
 *   expat     XML_ParserCreate_MM           zigalloc_malloc, _malloc_realloc, _malloc_free
 *   libpng    png_create_read_struct_2      zigalloc_malloc, _malloc_free; png_get_mem_ptr(png) may be the allocator
 *   libuv     uv_replace_allocator          zigalloc_malloc, _malloc_realloc, _calloc, _malloc_free
 *   libxml2   xmlMemSetup                   zigalloc_malloc_free, _malloc, _malloc_realloc; its strdup is a malloc and
 *                                           a memcpy
 *   Lua       lua_newstate                  none of these: it passes lengths; see examples/c/lua.c
 */

void *zigalloc_malloc(zigalloc_allocator a, size_t size);
/* `count` elements of `size` zeroed bytes. */
void *zigalloc_calloc(zigalloc_allocator a, size_t count, size_t size);
void *zigalloc_malloc_realloc(zigalloc_allocator a, void *memory, size_t size);
void *zigalloc_reallocarray(zigalloc_allocator a, void *memory, size_t count, size_t size);
/* `size` need not be a multiple of the alignment. A realloc keeps the alignment. */
void *zigalloc_aligned_alloc(zigalloc_allocator a, size_t alignment, size_t size);
void *zigalloc_memalign(zigalloc_allocator a, size_t alignment, size_t size);
/* Aligned to a page. */
void *zigalloc_valloc(zigalloc_allocator a, size_t size);
int zigalloc_posix_memalign(zigalloc_allocator a, void **result, size_t alignment, size_t size);
void zigalloc_malloc_free(zigalloc_allocator a, void *memory);
/* With the size, and the alignment, that were requested. */
void zigalloc_free_sized(zigalloc_allocator a, void *memory, size_t size);
void zigalloc_free_aligned_sized(zigalloc_allocator a, void *memory, size_t alignment, size_t size);
size_t zigalloc_malloc_usable_size(zigalloc_allocator a, const void *memory);

/* ---- counting: forwards calls to its child and counts them ---- */

typedef struct zigalloc_counting zigalloc_counting;

typedef struct zigalloc_counts {
    /* Calls, and how many of them returned NULL or false. */
    uint64_t alloc_calls, alloc_refused;
    uint64_t resize_calls, resize_refused;
    uint64_t remap_calls, remap_refused;
    uint64_t free_calls;
    uint64_t total_bytes; /* allocated in total, by new blocks and by growth */
    uint64_t live_blocks;
    uint64_t live_bytes;
    uint64_t peak_live_bytes; /* the maximum of live_bytes */
    /* Calls of alloc by length: [n] counts lengths up to 2^n bytes that exceed 2^(n-1). */
    uint64_t alloc_sizes[8 * sizeof(size_t) + 1];
} zigalloc_counts;

zigalloc_counting *zigalloc_counting_create(zigalloc_allocator child);
zigalloc_allocator zigalloc_counting_allocator(zigalloc_counting *counting);
/* Fills in `counts`. May be called while other threads allocate. */
void zigalloc_counting_snapshot(const zigalloc_counting *counting, zigalloc_counts *counts);
/* The blocks belong to the child and remain valid. */
void zigalloc_counting_destroy(zigalloc_counting *counting);

/* ---- logging: forwards calls to its child and logs a line for each ---- */

typedef struct zigalloc_logging zigalloc_logging;

/* `write` gets `ctx` and one line for each call: `len` bytes without a line break or terminating zero. It is called by
 * one thread at a time, as long as the allocator exists. It may use this allocator and its child: such a call is
 * forwarded without being logged, which zigalloc_logging_lost_lines counts. A line is truncated to 1024 bytes.
 *
 * The line of a free is written before the memory is freed. That of a successful resize or remap is written by the next
 * call, by zigalloc_logging_flush or by zigalloc_logging_destroy; all others at the end of their calls. So if `write`
 * exits the process, every block that its callers know of is still live. */
zigalloc_logging *zigalloc_logging_create(zigalloc_allocator child,
                                          void (*write)(void *ctx, const char *line, size_t len), void *ctx);
zigalloc_allocator zigalloc_logging_allocator(zigalloc_logging *logging);
/* Writes the line of the last call, if it still waits for the next one. */
void zigalloc_logging_flush(zigalloc_logging *logging);
/* The number of lines that are missing or truncated. */
size_t zigalloc_logging_lost_lines(const zigalloc_logging *logging);
/* The blocks belong to the child and remain valid. */
void zigalloc_logging_destroy(zigalloc_logging *logging);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ---- calling an allocator ----
 *
 * Helpers that call the table's functions. They never pass a length of 0 to an allocator: a block of 0 bytes is a
 * non-NULL address that must not be accessed. They pass the address of your call, so that reports name your line. An
 * invalid alignment_log2 fails an assertion; with NDEBUG, the request fails. zigalloc_free does not check it. */

/* The casts of this file, for C and for C++. */
#if defined(__cplusplus)
#define ZIGALLOC_NULL nullptr
#define ZIGALLOC_AS_ADDRESS(pointer) reinterpret_cast<uintptr_t>(pointer)
#define ZIGALLOC_AS_POINTER(address) reinterpret_cast<void *>(address)
#else
#define ZIGALLOC_NULL NULL
#define ZIGALLOC_AS_ADDRESS(pointer) ((uintptr_t)(pointer))
#define ZIGALLOC_AS_POINTER(address) ((void *)(address))
#endif

#if defined(__GNUC__)
#define ZIGALLOC_CALL_SITE ZIGALLOC_AS_ADDRESS(__builtin_return_address(0))
#define ZIGALLOC_HELPER static __attribute__((noinline, unused)) /* so that the return address is in the caller */
#else
#define ZIGALLOC_CALL_SITE 0
#define ZIGALLOC_HELPER static inline
#endif

/* The base-2 logarithm of an alignment in bytes, which must be a power of two: zigalloc_log2(64) is 6. */
static inline uint8_t zigalloc_log2(size_t bytes)
{
    uint8_t log2 = 0;
    assert(bytes != 0 && (bytes & (bytes - 1)) == 0 && "zigalloc_log2: the alignment in bytes is not a power of two");
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

/* The address of blocks of 0 bytes: the highest aligned address. */
static inline void *zigalloc_no_bytes(uint8_t alignment_log2)
{
    uintptr_t address = UINTPTR_MAX;
    address <<= alignment_log2;
    return ZIGALLOC_AS_POINTER(address);
}

/* Allocates `len` bytes. Returns NULL when out of memory. */
ZIGALLOC_HELPER void *zigalloc_alloc(zigalloc_allocator a, size_t len, uint8_t alignment_log2)
{
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    if (len == 0) return zigalloc_no_bytes(alignment_log2);
    assert(a.vtable != ZIGALLOC_NULL && "zigalloc_alloc: the allocator's vtable is NULL");
    return a.vtable->alloc(a.ctx, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

/* Allocates `len` zeroed bytes. Returns NULL when out of memory. */
ZIGALLOC_HELPER void *zigalloc_alloc_zeroed(zigalloc_allocator a, size_t len, uint8_t alignment_log2)
{
    void *memory;
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    if (len == 0) return zigalloc_no_bytes(alignment_log2);
    assert(a.vtable != ZIGALLOC_NULL && "zigalloc_alloc_zeroed: the allocator's vtable is NULL");
    memory = a.vtable->alloc(a.ctx, len, alignment_log2, ZIGALLOC_CALL_SITE);
    if (memory != ZIGALLOC_NULL) memset(memory, 0, len);
    return memory;
}

/* Frees a block of `len` bytes. */
ZIGALLOC_HELPER void zigalloc_free(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2)
{
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_free: NULL with a length that is not 0");
    if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

/* Changes the length without moving the block. Resizing to 0 bytes frees it. */
ZIGALLOC_HELPER bool zigalloc_resize(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2,
                                     size_t new_len)
{
    if (!zigalloc_is_alignment(alignment_log2)) return false;
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_resize: NULL with a length that is not 0");
    if (len == 0 || new_len == 0) {
        if (new_len == 0 && len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ZIGALLOC_CALL_SITE);
        return new_len == 0;
    }
    return a.vtable->resize(a.ctx, memory, len, alignment_log2, new_len, ZIGALLOC_CALL_SITE);
}

/* Changes the length and may move the block. Returns NULL when out of memory; the block is then unchanged. Reallocating
 * to 0 bytes frees the block and cannot fail. */
ZIGALLOC_HELPER void *zigalloc_realloc(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2,
                                       size_t new_len)
{
    const uintptr_t ret_addr = ZIGALLOC_CALL_SITE;
    void *moved = ZIGALLOC_NULL;
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_realloc: NULL with a length that is not 0");
    if (new_len == 0) {
        if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ret_addr);
        return zigalloc_no_bytes(alignment_log2);
    }
    if (len != 0) moved = a.vtable->remap(a.ctx, memory, len, alignment_log2, new_len, ret_addr);
    if (moved != ZIGALLOC_NULL) return moved;
    moved = a.vtable->alloc(a.ctx, new_len, alignment_log2, ret_addr);
    if (moved != ZIGALLOC_NULL && len != 0) {
        memcpy(moved, memory, len < new_len ? len : new_len);
        a.vtable->free(a.ctx, memory, len, alignment_log2, ret_addr);
    }
    return moved;
}

#endif /* ZIGALLOC_H */

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
 *   Blocks from thread_safe, counting, logging and failing_at are the child's, and outlive them.
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

/* Whole pages of the operating system. At its limit of mappings (Linux: vm.max_map_count), freed pages give their
 * memory back at once and their addresses later. */
zigalloc_allocator zigalloc_page_allocator(void);
zigalloc_allocator zigalloc_c_allocator(void);       /* malloc's memory, any alignment; free() may free it on Unix */
zigalloc_allocator zigalloc_raw_c_allocator(void);   /* malloc, realloc and free; NULL above malloc's alignment */
zigalloc_allocator zigalloc_smp_allocator(void);     /* fast, for many threads */
zigalloc_allocator zigalloc_rust_allocator(void);    /* the global allocator of Rust */
zigalloc_allocator zigalloc_failing_allocator(void); /* always out of memory; see also failing_at */

/* How many bytes of slabs smp has mapped, in use or not, for blocks of up to 32 KiB. Larger ones are mapped alone. */
size_t zigalloc_smp_slab_bytes(void);

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

/* Whose a block is, is told by its address. `child` may have its own memory from this allocator: a block of it that
 * begins in the buffer goes back to it at once, and the request is refused. If its `remap` moves a block into the
 * buffer, the process aborts. `buffer` may be a block of `child`, as long as it is not freed before the destroy. */
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

/* What was found. */
enum {
    ZIGALLOC_DOUBLE_FREE = 0,     /* a block was freed, or resized, after it had been freed */
    ZIGALLOC_INVALID_FREE = 1,    /* the address is not that of a block */
    ZIGALLOC_WRONG_LENGTH = 2,    /* the length is not the block's */
    ZIGALLOC_WRONG_ALIGNMENT = 3, /* the alignment is not the block's */
    ZIGALLOC_OVERRUN = 4,         /* bytes after the block have been written to */
    ZIGALLOC_CORRUPTION = 5,      /* the allocator's own records have been written to; the program aborts */
    ZIGALLOC_LEAK = 6,            /* blocks that were allocated in one place were never freed */
    ZIGALLOC_MORE_LEAKS = 7       /* the leaks that leak_limit left out, in total */
};

/* The call in which it was found. */
enum {
    ZIGALLOC_OPERATION_ALLOC = 0,
    ZIGALLOC_OPERATION_RESIZE = 1,
    ZIGALLOC_OPERATION_REMAP = 2,
    ZIGALLOC_OPERATION_FREE = 3,
    ZIGALLOC_OPERATION_DETECT_LEAKS = 4 /* zigalloc_debug_detect_leaks or zigalloc_debug_destroy */
};

/* Code addresses: the first is in the function that called the allocator, the next in that function's caller, and
 * so on. `count` is 0 where none is known. */
typedef struct zigalloc_trace {
    const uintptr_t *addresses;
    size_t count;
} zigalloc_trace;

/* What a report function gets. Do not keep it: it and its traces are valid until the function returns. Later
 * versions may add fields at the end; `size` says how many bytes of fields there are. */
typedef struct zigalloc_debug_report {
    size_t size;
    int kind;                    /* ZIGALLOC_DOUBLE_FREE and so on */
    int operation;               /* ZIGALLOC_OPERATION_FREE and so on */
    uintptr_t address;           /* what was passed, or the leaked block's; of several, the first one's */
    size_t len;                  /* bytes that were passed; 0 for a leak */
    size_t recorded_len;         /* the block's own length, in bytes, or the first one's; SIZE_MAX if it is not known */
    uintptr_t inside;            /* invalid free: the block that the address is inside of, or 0 */
    size_t overrun;              /* overrun: the index of the first byte that was written to; otherwise SIZE_MAX */
    size_t count;                /* how many blocks the report is about: 1, or more if it is about leaks */
    size_t total_len;            /* how many bytes these have together; SIZE_MAX if it is not known */
    size_t left_out;             /* more leaks: how many reports were left out; otherwise 0 */
    zigalloc_trace site;         /* this call; unknown for leaks */
    zigalloc_trace allocation;   /* the block's allocation, or its last resize if resize_stack_traces is set */
    zigalloc_trace first_free;   /* double free: the free that was in order */
    const void *source;          /* for zigalloc_debug_report_text */
    uint8_t alignment_log2;          /* what was passed */
    uint8_t recorded_alignment_log2; /* the block's own; 255 if it is not known */
} zigalloc_debug_report;

/* For stack_trace_frames, where 0 is the default. */
#define ZIGALLOC_NO_FRAMES SIZE_MAX
/* For leak_limit, where 0 is the default. */
#define ZIGALLOC_NO_LEAK_REPORTS (SIZE_MAX - 1)

/* The options of a debug allocator. Set `size`, and what you want to be other than the default: 0, false or NULL
 * is the default of every field.
 *
 *     zigalloc_debug_options options = {0};              // in C++: {}
 *     options.size = sizeof options;
 *     options.stack_trace_frames = ZIGALLOC_NO_FRAMES;
 *
 * Later versions may add fields at the end, whose defaults are what this version does. If your program was
 * compiled with a newer header than the library's, and sets an option that the library lacks, the program ends. */
typedef struct zigalloc_debug_options {
    size_t size; /* sizeof(zigalloc_debug_options) */
    /* Gets the reports and `user_data`, in the thread that made the mistake; several threads may call it at once.
     * It may use the allocator, and must return. Default: the report's text goes to the standard error stream. */
    void (*report)(void *user_data, const zigalloc_debug_report *report);
    void *user_data;
    /* How many functions a report shows of the stack of each allocation and each free; at most 32. With 1 and without
     * skip_frames, that is the one that called; all else costs a walk of the stack in every call. Default: 6, or 1 if
     * the library was built without backtraces. */
    size_t stack_trace_frames;
    /* How many bytes the live blocks may have together; more is out of memory. Default: no limit. */
    size_t requested_memory_limit;
    /* How many bytes of freed memory to keep for a while before the child gets it back, so that a second free is
     * reported as one and a late read does not fault. Default: none. */
    size_t quarantine;
    /* The size of the blocks that small blocks are in, in bytes: a power of two, at most 4 MiB. Default: 128 KiB on
     * most systems. */
    size_t page_size;
    /* The word that guards the records of each page. */
    size_t canary;
    bool enable_memory_limit; /* counts the requested bytes even without a limit */
    bool no_safety;           /* stores and compares no lengths and alignments, and watches no bytes after a block */
    bool single_threaded;     /* no lock: a call that finds another one in progress ends the program */
    bool never_unmap;         /* gives nothing back to the child when it is freed: every double free is known as one */
    bool retain_metadata;     /* remembers freed large blocks; with never_unmap, all memory goes back at the end */
    bool resize_stack_traces; /* a successful resize becomes the allocation that reports name */
    bool verbose_log;         /* a line on the standard error stream for each call */
    bool ungrouped_leaks;     /* a report for each block that leaks; by default, one for those of one place */
    /* How many leaks a search reports at most: those with the most bytes. One more report, ZIGALLOC_MORE_LEAKS, says how
     * many it left out; with ZIGALLOC_NO_LEAK_REPORTS it is the only one, and with SIZE_MAX there is no limit. All are
     * counted. Default: 100. */
    size_t leak_limit;
    /* What reports leave out, so that a trace begins in your program: `skip_frames_count` names, at most 1024, of
     * functions ("xmalloc"), of namespaces or crates, or of libraries by the directory of their sources ("lua" is
     * every function of a file in lua/src or lua-5.4.6/src). What is left out does not count as one of the
     * stack_trace_frames. If nothing is left of a trace, it is shown as it is. It is about the text, and about which leaks
     * are of one place: a report's addresses are those of all functions. Default: this library alone. */
    const char *const *skip_frames;
    size_t skip_frames_count;
} zigalloc_debug_options;

/* With the default options. */
zigalloc_debug *zigalloc_debug_create(zigalloc_allocator child);
/* With your options, which need not live on, nor what they point to but `user_data`; NULL is the default ones. An
 * option that is out of range ends the program. */
zigalloc_debug *zigalloc_debug_create_with(zigalloc_allocator child, const zigalloc_debug_options *options);
zigalloc_allocator zigalloc_debug_allocator(zigalloc_debug *debug);
/* How often something of this kind has been reported, and how often anything has. Of leaks it is the number of blocks,
 * each time that they are looked for. */
size_t zigalloc_debug_count(const zigalloc_debug *debug, int kind);
size_t zigalloc_debug_total_count(const zigalloc_debug *debug);
/* The text of a report, as it goes to the standard error stream: several lines, the last without a line break. Writes
 * at most `len` bytes, the last of which is zero, and returns the length of the whole text without it, as snprintf
 * does. */
size_t zigalloc_debug_report_text(const zigalloc_debug_report *report, char *buffer, size_t len);
/* How many bytes the live blocks have together, if a limit or enable_memory_limit was set; otherwise 0. */
size_t zigalloc_debug_total_requested_bytes(const zigalloc_debug *debug);
/* Changes that limit. Blocks that exceed it already remain. */
void zigalloc_debug_set_requested_memory_limit(const zigalloc_debug *debug, size_t bytes);
/* Forgets the freed blocks that retain_metadata remembers. With never_unmap, the child gets their memory back. */
void zigalloc_debug_flush_retained_metadata(const zigalloc_debug *debug);
/* Reports all blocks that are live, and returns how many. */
size_t zigalloc_debug_detect_leaks(const zigalloc_debug *debug);
/* The same, and then ends them and gives all memory back. */
size_t zigalloc_debug_destroy(zigalloc_debug *debug);

/* ---- failing_at: passes calls on to its child until one is to fail ----
 *
 * For a test of what a program does when it is out of memory: let it fail at allocation 0, then at 1, and so on, until
 * none has been made to fail. */

typedef struct zigalloc_failing_at zigalloc_failing_at;

typedef struct zigalloc_failing_at_counts {
    size_t alloc_index;         /* allocations that succeeded: the index of the next one */
    size_t resize_index;        /* calls of resize and remap that succeeded, likewise */
    size_t allocated_bytes;     /* by growth too */
    size_t freed_bytes;         /* by shrinking too */
    size_t allocations;         /* blocks that were allocated */
    size_t deallocations;       /* blocks that were freed */
    uintptr_t stack_addresses[16]; /* of the first allocation that was made to fail; the rest is 0 */
} zigalloc_failing_at_counts;

/* `fail_index` allocations succeed, and all later ones fail; so do the calls of resize and remap together after
 * `resize_fail_index` of them. SIZE_MAX is never. Calls that the child refuses do not count. */
zigalloc_failing_at *zigalloc_failing_at_create(zigalloc_allocator child, size_t fail_index,
                                                size_t resize_fail_index);
zigalloc_allocator zigalloc_failing_at_allocator(zigalloc_failing_at *failing_at);
/* Whether an allocation has been made to fail. Refused resizes do not count. */
bool zigalloc_failing_at_has_induced_failure(const zigalloc_failing_at *failing_at);
void zigalloc_failing_at_snapshot(const zigalloc_failing_at *failing_at, zigalloc_failing_at_counts *counts);
/* An index that has been passed fails nothing. */
void zigalloc_failing_at_set_fail_index(const zigalloc_failing_at *failing_at, size_t fail_index);
void zigalloc_failing_at_set_resize_fail_index(const zigalloc_failing_at *failing_at, size_t resize_fail_index);
/* The blocks are the child's and remain. */
void zigalloc_failing_at_destroy(zigalloc_failing_at *failing_at);

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

/* The casts of this file, in the words of either language. */
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
#define ZIGALLOC_HELPER static __attribute__((noinline, unused)) /* so that the address is one of the caller */
#else
#define ZIGALLOC_CALL_SITE 0
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

/* The address of blocks of 0 bytes: the highest one that is aligned. */
static inline void *zigalloc_no_bytes(uint8_t alignment_log2)
{
    uintptr_t address = UINTPTR_MAX;
    address <<= alignment_log2;
    return ZIGALLOC_AS_POINTER(address);
}

/* `len` bytes, or NULL. */
ZIGALLOC_HELPER void *zigalloc_alloc(zigalloc_allocator a, size_t len, uint8_t alignment_log2)
{
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    if (len == 0) return zigalloc_no_bytes(alignment_log2);
    assert(a.vtable != ZIGALLOC_NULL && "zigalloc_alloc: an allocator without a table");
    return a.vtable->alloc(a.ctx, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

/* `len` bytes that are zero, or NULL. */
ZIGALLOC_HELPER void *zigalloc_alloc_zeroed(zigalloc_allocator a, size_t len, uint8_t alignment_log2)
{
    void *memory;
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    if (len == 0) return zigalloc_no_bytes(alignment_log2);
    assert(a.vtable != ZIGALLOC_NULL && "zigalloc_alloc_zeroed: an allocator without a table");
    memory = a.vtable->alloc(a.ctx, len, alignment_log2, ZIGALLOC_CALL_SITE);
    if (memory != ZIGALLOC_NULL) memset(memory, 0, len);
    return memory;
}

ZIGALLOC_HELPER void zigalloc_free(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2)
{
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_free: NULL is no block of this length");
    if (len != 0) a.vtable->free(a.ctx, memory, len, alignment_log2, ZIGALLOC_CALL_SITE);
}

/* Changes the length without moving the block. To 0 bytes, it frees it. */
ZIGALLOC_HELPER bool zigalloc_resize(zigalloc_allocator a, void *memory, size_t len, uint8_t alignment_log2,
                                     size_t new_len)
{
    if (!zigalloc_is_alignment(alignment_log2)) return false;
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_resize: NULL is no block of this length");
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
    const uintptr_t ret_addr = ZIGALLOC_CALL_SITE;
    void *moved = ZIGALLOC_NULL;
    if (!zigalloc_is_alignment(alignment_log2)) return ZIGALLOC_NULL;
    assert((memory != ZIGALLOC_NULL || len == 0) && "zigalloc_realloc: NULL is no block of this length");
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

/* An allocator written in C and used by Rust: it is the child of one of the library's arenas.
 *
 *     cc own_allocator.c $(pkg-config --cflags --libs zigalloc) -o own_allocator && ./own_allocator
 */
#include <stdio.h>
#include <stdlib.h>

#include "zigalloc.h"

/* Allocates with malloc, and counts live blocks and bytes. */
typedef struct counter {
    size_t live_blocks;
    size_t live_bytes;
} counter;

/* malloc aligns to two words; this allocator refuses stricter alignments. */
#define MAX_ALIGNMENT_LOG2 (sizeof(void *) == 8 ? 4 : 3)

static void *counter_alloc(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr)
{
    counter *self = (counter *)ctx;
    void *memory = alignment_log2 <= MAX_ALIGNMENT_LOG2 ? malloc(len) : NULL;
    (void)ret_addr;
    if (memory != NULL) {
        self->live_blocks += 1;
        self->live_bytes += len;
    }
    return memory;
}

/* Refusing is always allowed. */
static bool counter_resize(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                           uintptr_t ret_addr)
{
    (void)ctx, (void)memory, (void)memory_len, (void)alignment_log2, (void)new_len, (void)ret_addr;
    return false;
}

static void *counter_remap(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len,
                           uintptr_t ret_addr)
{
    counter *self = (counter *)ctx;
    void *moved = realloc(memory, new_len);
    (void)alignment_log2, (void)ret_addr;
    if (moved != NULL) self->live_bytes += new_len - memory_len; /* correct even if it wraps around */
    return moved;
}

static void counter_free(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, uintptr_t ret_addr)
{
    counter *self = (counter *)ctx;
    (void)alignment_log2, (void)ret_addr;
    self->live_blocks -= 1;
    self->live_bytes -= memory_len;
    free(memory);
}

static const zigalloc_vtable counter_vtable = {counter_alloc, counter_resize, counter_remap, counter_free};

/* Prints what went wrong, and returns the exit code. */
static int failed(const char *what)
{
    fprintf(stderr, "own_allocator: %s\n", what);
    return 1;
}

int main(void)
{
    counter counted = {0, 0};
    zigalloc_allocator child = {&counted, &counter_vtable};
    zigalloc_arena *arena = zigalloc_arena_create(child);
    zigalloc_allocator a;
    int i;
    if (arena == NULL) return failed("out of memory creating the arena");
    a = zigalloc_arena_allocator(arena);
    for (i = 1; i <= 1000; i++) {
        char *text = (char *)zigalloc_alloc(a, (size_t)i, 0);
        if (text == NULL) return failed("out of memory for a string");
        memset(text, 'x', (size_t)i);
    }
    printf("1000 strings from %zu blocks of %zu bytes\n", counted.live_blocks, counted.live_bytes);
    if (counted.live_blocks < 2 || counted.live_bytes < 500500) return failed("some memory was not counted");

    zigalloc_arena_destroy(arena);
    printf("after destroying the arena: %zu blocks, %zu bytes\n", counted.live_blocks, counted.live_bytes);
    if (counted.live_blocks != 0 || counted.live_bytes != 0) return failed("the arena leaked memory");
    return 0;
}

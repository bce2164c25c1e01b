/* Mistakes that end the program. Without an argument, prints them; with one, makes that mistake. */
#include <stdio.h>
#include <string.h>

#include "zigalloc.h"

#define CASE(call)                                  \
    do {                                            \
        if (argc < 2) puts(#call);                  \
        else if (strcmp(argv[1], #call) == 0) call; \
    } while (0)

static void write_nothing(void *ctx, const char *line, size_t len)
{
    (void)ctx, (void)line, (void)len;
}

int main(int argc, char **argv)
{
    zigalloc_allocator page = zigalloc_page_allocator();
    zigalloc_vtable without_free = *page.vtable;
    zigalloc_allocator no_table = {NULL, NULL};
    zigalloc_allocator no_free = {NULL, &without_free};
    zigalloc_arena *arena = zigalloc_arena_create(page);
    zigalloc_shared_arena *shared_arena = zigalloc_shared_arena_create(page);
    zigalloc_counting *counting = zigalloc_counting_create(page);
    zigalloc_pool *pool;
    without_free.free = NULL;
    pool = zigalloc_pool_create(page, 8, 3);
    if (arena == NULL || shared_arena == NULL || pool == NULL || counting == NULL) return 1;

    CASE(zigalloc_arena_create(no_table));
    CASE(zigalloc_arena_create(no_free));
    CASE(zigalloc_arena_allocator(NULL));
    CASE(zigalloc_arena_query_capacity(NULL));
    CASE(zigalloc_arena_reset(NULL, ZIGALLOC_FREE_ALL, 0));
    CASE(zigalloc_arena_reset(arena, 3, 0));
    CASE(zigalloc_arena_reset(arena, -1, 0));

    CASE(zigalloc_shared_arena_create(no_table));
    CASE(zigalloc_shared_arena_create(no_free));
    CASE(zigalloc_shared_arena_allocator(NULL));
    CASE(zigalloc_shared_arena_query_capacity(NULL));
    CASE(zigalloc_shared_arena_reset(NULL, ZIGALLOC_FREE_ALL, 0));
    CASE(zigalloc_shared_arena_reset(shared_arena, 3, 0));

    CASE(zigalloc_fixed_buffer_create(no_table, NULL, 0));
    CASE(zigalloc_fixed_buffer_create(no_free, NULL, 0));
    CASE(zigalloc_fixed_buffer_create(page, NULL, 1));
    CASE(zigalloc_fixed_buffer_allocator(NULL));
    CASE(zigalloc_fixed_buffer_thread_safe_allocator(NULL));
    CASE(zigalloc_fixed_buffer_end_index(NULL));
    CASE(zigalloc_fixed_buffer_reset(NULL));

    CASE(zigalloc_buffer_first_create(no_table, NULL, 0, page));
    CASE(zigalloc_buffer_first_create(page, NULL, 0, no_table));
    CASE(zigalloc_buffer_first_create(page, NULL, 0, no_free));
    CASE(zigalloc_buffer_first_create(page, NULL, 1, page));
    CASE(zigalloc_buffer_first_allocator(NULL));
    CASE(zigalloc_buffer_first_end_index(NULL));
    CASE(zigalloc_buffer_first_reset(NULL));

    CASE(zigalloc_thread_safe_create(no_table));
    CASE(zigalloc_thread_safe_create(no_free));
    CASE(zigalloc_thread_safe_allocator(NULL));

    CASE(zigalloc_debug_create(no_table));
    CASE(zigalloc_debug_create(no_free));
    CASE(zigalloc_debug_allocator(NULL));
    CASE(zigalloc_debug_detect_leaks(NULL));

    CASE(zigalloc_pool_create(no_table, 8, 3));
    CASE(zigalloc_pool_create(no_free, 8, 3));
    CASE(zigalloc_pool_preheat(NULL, 1));
    CASE(zigalloc_pool_alloc(NULL));
    CASE(zigalloc_pool_free(NULL, page.ctx));
    CASE(zigalloc_pool_free(pool, NULL));
    CASE(zigalloc_pool_reset(NULL, ZIGALLOC_FREE_ALL, 0));
    CASE(zigalloc_pool_reset(pool, 3, 0));
    /* With debug assertions only. */
    CASE(zigalloc_pool_create(page, 8, 8 * sizeof(size_t)));
    CASE(zigalloc_pool_create(page, 8, 255));

    CASE(zigalloc_counting_create(no_table));
    CASE(zigalloc_counting_create(no_free));
    CASE(zigalloc_counting_allocator(NULL));
    CASE(zigalloc_counting_snapshot(NULL, NULL));
    CASE(zigalloc_counting_snapshot(counting, NULL));

    CASE(zigalloc_logging_create(no_table, write_nothing, NULL));
    CASE(zigalloc_logging_create(no_free, write_nothing, NULL));
    CASE(zigalloc_logging_create(page, NULL, NULL));
    CASE(zigalloc_logging_allocator(NULL));
    CASE(zigalloc_logging_lost_lines(NULL));
    return 0;
}

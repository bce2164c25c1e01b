/* Misuse that aborts. Without an argument, lists the cases; with one, runs that case. */
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

/* As from the header of a later version, with more fields. */
static struct {
    zigalloc_debug_options options;
    size_t later[2];
} newer;

static zigalloc_debug_options *with_size(size_t size)
{
    newer.options.size = size;
    return &newer.options;
}

static zigalloc_debug_options *with_an_unknown_option(void)
{
    newer.later[1] = 1;
    return with_size(sizeof newer);
}

static zigalloc_debug_options *with_frames(size_t frames)
{
    newer.options.stack_trace_frames = frames;
    return with_size(sizeof newer.options);
}

static zigalloc_debug_options *with_page_size(size_t page_size)
{
    newer.options.page_size = page_size;
    return with_size(sizeof newer.options);
}

static zigalloc_debug_options *with_skipped(const char *const *names, size_t count)
{
    newer.options.skip_frames = names;
    newer.options.skip_frames_count = count;
    return with_size(sizeof newer.options);
}

static const char *const no_name[] = {"a", NULL}, *const empty_name[] = {"", "a"}, *const not_utf8[] = {"a\xFF"};

static const zigalloc_debug_report *a_report(void)
{
    static zigalloc_debug_report report;
    report.source = &report; /* not read: there is no buffer */
    return &report;
}

/* Not from the malloc family. */
static void *no_block(void)
{
    static uint64_t words[4];
    return &words[2];
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
    zigalloc_debug *debug = zigalloc_debug_create(page);
    zigalloc_failing_at *failing_at = zigalloc_failing_at_create(page, 0, 0);
    zigalloc_pool *pool;
    without_free.free = NULL;
    pool = zigalloc_pool_create(page, 8, 3);
    if (arena == NULL || shared_arena == NULL || pool == NULL || counting == NULL) return 1;
    if (debug == NULL || failing_at == NULL) return 1;

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
    CASE(zigalloc_debug_create_with(no_table, NULL));
    CASE(zigalloc_debug_create_with(no_free, NULL));
    CASE(zigalloc_debug_create_with(page, with_size(0)));
    CASE(zigalloc_debug_create_with(page, with_size(sizeof(zigalloc_debug_options) + 1)));
    CASE(zigalloc_debug_create_with(page, with_size(SIZE_MAX - SIZE_MAX % sizeof(size_t))));
    CASE(zigalloc_debug_create_with(page, with_an_unknown_option()));
    CASE(zigalloc_debug_create_with(page, with_frames(33)));
    CASE(zigalloc_debug_create_with(page, with_page_size(3)));
    CASE(zigalloc_debug_create_with(page, with_page_size((size_t)8 << 20)));
    CASE(zigalloc_debug_create_with(page, with_page_size(32)));
    CASE(zigalloc_debug_create_with(page, with_skipped(NULL, 2)));
    CASE(zigalloc_debug_create_with(page, with_skipped(no_name, 1025)));
    CASE(zigalloc_debug_create_with(page, with_skipped(no_name, 2)));
    CASE(zigalloc_debug_create_with(page, with_skipped(empty_name, 2)));
    CASE(zigalloc_debug_create_with(page, with_skipped(not_utf8, 1)));
    CASE(zigalloc_debug_allocator(NULL));
    CASE(zigalloc_debug_count(NULL, ZIGALLOC_LEAK));
    CASE(zigalloc_debug_count(debug, ZIGALLOC_WRITE_AFTER_FREE + 1));
    CASE(zigalloc_debug_count(debug, -1));
    CASE(zigalloc_debug_total_count(NULL));
    CASE(zigalloc_debug_report_text(NULL, NULL, 0));
    CASE(zigalloc_debug_report_text(a_report(), NULL, 1));
    CASE(zigalloc_debug_total_requested_bytes(NULL));
    CASE(zigalloc_debug_set_requested_memory_limit(NULL, 1));
    CASE(zigalloc_debug_set_requested_memory_limit(debug, 1));
    CASE(zigalloc_debug_flush_retained_metadata(NULL));
    CASE(zigalloc_debug_detect_leaks(NULL));

    CASE(zigalloc_failing_at_create(no_table, 0, 0));
    CASE(zigalloc_failing_at_create(no_free, 0, 0));
    CASE(zigalloc_failing_at_allocator(NULL));
    CASE(zigalloc_failing_at_has_induced_failure(NULL));
    CASE(zigalloc_failing_at_snapshot(NULL, NULL));
    CASE(zigalloc_failing_at_snapshot(failing_at, NULL));
    CASE(zigalloc_failing_at_set_fail_index(NULL, 0));
    CASE(zigalloc_failing_at_set_resize_fail_index(NULL, 0));

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

    CASE(zigalloc_malloc(no_table, 1));
    CASE(zigalloc_malloc(no_free, 1));
    CASE(zigalloc_calloc(no_table, 1, 1));
    CASE(zigalloc_malloc_realloc(no_table, NULL, 1));
    CASE(zigalloc_malloc_realloc(page, no_block(), 1));
    CASE(zigalloc_reallocarray(no_table, NULL, 1, 1));
    CASE(zigalloc_reallocarray(page, no_block(), 1, 1));
    CASE(zigalloc_aligned_alloc(no_table, 16, 1));
    CASE(zigalloc_memalign(no_table, 16, 1));
    CASE(zigalloc_valloc(no_table, 1));
    CASE(zigalloc_posix_memalign(no_table, NULL, 16, 1));
    CASE(zigalloc_posix_memalign(page, NULL, 16, 1));
    CASE(zigalloc_malloc_free(no_table, NULL));
    CASE(zigalloc_malloc_free(page, no_block()));
    CASE(zigalloc_free_sized(no_table, NULL, 1));
    CASE(zigalloc_free_sized(page, no_block(), 1));
    CASE(zigalloc_free_sized(page, zigalloc_malloc(page, 10), 11));
    CASE(zigalloc_free_aligned_sized(no_table, NULL, 16, 1));
    CASE(zigalloc_free_aligned_sized(page, zigalloc_aligned_alloc(page, 64, 10), 32, 10));
    CASE(zigalloc_free_aligned_sized(page, zigalloc_aligned_alloc(page, 64, 10), 0, 10));
    CASE(zigalloc_malloc_usable_size(no_table, NULL));
    CASE(zigalloc_malloc_usable_size(page, no_block()));

    CASE(zigalloc_counting_create(no_table));
    CASE(zigalloc_counting_create(no_free));
    CASE(zigalloc_counting_allocator(NULL));
    CASE(zigalloc_counting_snapshot(NULL, NULL));
    CASE(zigalloc_counting_snapshot(counting, NULL));

    CASE(zigalloc_logging_create(no_table, write_nothing, NULL));
    CASE(zigalloc_logging_create(no_free, write_nothing, NULL));
    CASE(zigalloc_logging_create(page, NULL, NULL));
    CASE(zigalloc_logging_allocator(NULL));
    CASE(zigalloc_logging_flush(NULL));
    CASE(zigalloc_logging_lost_lines(NULL));
    return 0;
}

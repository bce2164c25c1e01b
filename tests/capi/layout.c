/* The layout of the header's types in C: a name and a number on each line. */
#include <stdio.h>

#include "zigalloc.h"

#define SIZE(type) printf("size " #type " %zu\n", sizeof(type))
#define OFFSET(type, field) printf("offset " #type "." #field " %zu\n", offsetof(type, field))
#define VALUE(name) printf("value " #name " %d\n", (int)(name))

int main(void)
{
    SIZE(bool);
    SIZE(int);
    SIZE(zigalloc_allocator);
    OFFSET(zigalloc_allocator, ctx);
    OFFSET(zigalloc_allocator, vtable);
    SIZE(zigalloc_vtable);
    OFFSET(zigalloc_vtable, alloc);
    OFFSET(zigalloc_vtable, resize);
    OFFSET(zigalloc_vtable, remap);
    OFFSET(zigalloc_vtable, free);
    VALUE(ZIGALLOC_FREE_ALL);
    VALUE(ZIGALLOC_RETAIN_CAPACITY);
    VALUE(ZIGALLOC_RETAIN_WITH_LIMIT);
    SIZE(zigalloc_counts);
    OFFSET(zigalloc_counts, alloc_calls);
    OFFSET(zigalloc_counts, alloc_refused);
    OFFSET(zigalloc_counts, resize_calls);
    OFFSET(zigalloc_counts, resize_refused);
    OFFSET(zigalloc_counts, remap_calls);
    OFFSET(zigalloc_counts, remap_refused);
    OFFSET(zigalloc_counts, free_calls);
    OFFSET(zigalloc_counts, total_bytes);
    OFFSET(zigalloc_counts, live_blocks);
    OFFSET(zigalloc_counts, live_bytes);
    OFFSET(zigalloc_counts, peak_live_bytes);
    OFFSET(zigalloc_counts, alloc_sizes);
    SIZE(zigalloc_debug_options);
    OFFSET(zigalloc_debug_options, size);
    OFFSET(zigalloc_debug_options, report);
    OFFSET(zigalloc_debug_options, user_data);
    OFFSET(zigalloc_debug_options, stack_trace_frames);
    OFFSET(zigalloc_debug_options, requested_memory_limit);
    OFFSET(zigalloc_debug_options, quarantine);
    OFFSET(zigalloc_debug_options, page_size);
    OFFSET(zigalloc_debug_options, canary);
    OFFSET(zigalloc_debug_options, enable_memory_limit);
    OFFSET(zigalloc_debug_options, no_safety);
    OFFSET(zigalloc_debug_options, single_threaded);
    OFFSET(zigalloc_debug_options, never_unmap);
    OFFSET(zigalloc_debug_options, retain_metadata);
    OFFSET(zigalloc_debug_options, resize_stack_traces);
    OFFSET(zigalloc_debug_options, verbose_log);
    OFFSET(zigalloc_debug_options, ungrouped_leaks);
    OFFSET(zigalloc_debug_options, leak_limit);
    OFFSET(zigalloc_debug_options, skip_frames);
    OFFSET(zigalloc_debug_options, skip_frames_count);
    OFFSET(zigalloc_debug_options, free_empty_pages);
    OFFSET(zigalloc_debug_options, reserved);
    SIZE(zigalloc_trace);
    OFFSET(zigalloc_trace, addresses);
    OFFSET(zigalloc_trace, count);
    SIZE(zigalloc_debug_report);
    OFFSET(zigalloc_debug_report, size);
    OFFSET(zigalloc_debug_report, kind);
    OFFSET(zigalloc_debug_report, operation);
    OFFSET(zigalloc_debug_report, address);
    OFFSET(zigalloc_debug_report, len);
    OFFSET(zigalloc_debug_report, recorded_len);
    OFFSET(zigalloc_debug_report, inside);
    OFFSET(zigalloc_debug_report, overrun);
    OFFSET(zigalloc_debug_report, count);
    OFFSET(zigalloc_debug_report, total_len);
    OFFSET(zigalloc_debug_report, left_out);
    OFFSET(zigalloc_debug_report, site);
    OFFSET(zigalloc_debug_report, allocation);
    OFFSET(zigalloc_debug_report, first_free);
    OFFSET(zigalloc_debug_report, source);
    OFFSET(zigalloc_debug_report, alignment_log2);
    OFFSET(zigalloc_debug_report, recorded_alignment_log2);
    SIZE(zigalloc_failing_at_counts);
    OFFSET(zigalloc_failing_at_counts, alloc_index);
    OFFSET(zigalloc_failing_at_counts, resize_index);
    OFFSET(zigalloc_failing_at_counts, allocated_bytes);
    OFFSET(zigalloc_failing_at_counts, freed_bytes);
    OFFSET(zigalloc_failing_at_counts, allocations);
    OFFSET(zigalloc_failing_at_counts, deallocations);
    OFFSET(zigalloc_failing_at_counts, stack_addresses);
    VALUE(ZIGALLOC_DOUBLE_FREE);
    VALUE(ZIGALLOC_INVALID_FREE);
    VALUE(ZIGALLOC_WRONG_LENGTH);
    VALUE(ZIGALLOC_WRONG_ALIGNMENT);
    VALUE(ZIGALLOC_OVERRUN);
    VALUE(ZIGALLOC_CORRUPTION);
    VALUE(ZIGALLOC_LEAK);
    VALUE(ZIGALLOC_MORE_LEAKS);
    VALUE(ZIGALLOC_WRITE_AFTER_FREE);
    VALUE(ZIGALLOC_OPERATION_ALLOC);
    VALUE(ZIGALLOC_OPERATION_RESIZE);
    VALUE(ZIGALLOC_OPERATION_REMAP);
    VALUE(ZIGALLOC_OPERATION_FREE);
    VALUE(ZIGALLOC_OPERATION_DETECT_LEAKS);
    printf("value ZIGALLOC_NO_FRAMES %zu\n", ZIGALLOC_NO_FRAMES);
    printf("value ZIGALLOC_NO_LEAK_REPORTS %zu\n", ZIGALLOC_NO_LEAK_REPORTS);
    return 0;
}

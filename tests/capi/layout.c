/* What C sees of the header's types: a name and a number in each line. */
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
    return 0;
}

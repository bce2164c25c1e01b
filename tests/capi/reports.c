/* Errors that the debug allocator reports. The test refers to the marked lines. */
#include <stdio.h>

#include "zigalloc.h"

static char *allocate_the_leak(zigalloc_allocator a)
{
    char *leak = (char *)zigalloc_alloc(a, 100, 0); /* leak */
    return leak;
}

int main(void)
{
    zigalloc_debug *debug = zigalloc_debug_create(zigalloc_page_allocator());
    zigalloc_allocator a;
    char *twice, *longer, *leak;
    size_t leaks;
    if (debug == NULL) return 1;
    a = zigalloc_debug_allocator(debug);

    leak = allocate_the_leak(a);
    twice = (char *)zigalloc_alloc(a, 10, 0); /* allocated */
    longer = (char *)zigalloc_alloc(a, 10, 0);
    zigalloc_free(a, twice, 10, 0); /* freed */
    zigalloc_free(a, twice, 10, 0); /* freed again */
    zigalloc_free(a, longer, 9, 0); /* too short */
    zigalloc_free(a, leak + 1, 99, 0); /* inside */

    leaks = zigalloc_debug_destroy(debug);
    printf("%zu\n", leaks);
    return leaks == 1 ? 0 : 1;
}

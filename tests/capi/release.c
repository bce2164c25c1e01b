/* Without debug assertions in the library, an invalid alignment is out of memory. */
#include "zigalloc.h"

int main(void)
{
    zigalloc_allocator page = zigalloc_page_allocator();
    zigalloc_pool *pool = zigalloc_pool_create(page, 8, 8 * sizeof(size_t) - 1);
    if (zigalloc_pool_create(page, 8, 8 * sizeof(size_t)) != NULL) return 1;
    if (zigalloc_pool_create(page, 8, 255) != NULL) return 1;
    if (pool == NULL || zigalloc_pool_alloc(pool) != NULL) return 1;
    zigalloc_pool_destroy(pool);
    return 0;
}

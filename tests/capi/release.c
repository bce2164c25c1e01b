/* Where the library has no debug assertions, there is no memory for an alignment that does not exist. */
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

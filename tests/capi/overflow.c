/* Writes past a block on purpose, to check that the checkers find it. */
#include "zigalloc.h"

int main(void)
{
    volatile char *text = (volatile char *)zigalloc_alloc(zigalloc_c_allocator(), 10, 0);
    if (text == NULL) return 0;
    text[10] = 'x';
    zigalloc_free(zigalloc_c_allocator(), (char *)text, 10, 0);
    return 0;
}

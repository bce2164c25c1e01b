/* A mistake on purpose: it writes behind a block. What is to find such things has to find this. */
#include "zigalloc.h"

int main(void)
{
    volatile char *text = (volatile char *)zigalloc_alloc(zigalloc_c_allocator(), 10, 0);
    if (text == NULL) return 0;
    text[10] = 'x';
    zigalloc_free(zigalloc_c_allocator(), (char *)text, 10, 0);
    return 0;
}

/* A program with a malloc of its own, which it must keep. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static _Alignas(16) char memory[1 << 20];
static size_t used, calls;

void *malloc(size_t size)
{
    char *block = memory + used;
    calls++;
    used += (size + 31) / 16 * 16;
    if (used > sizeof memory) return NULL;
    memcpy(block, &size, sizeof size);
    return block + 16;
}

void free(void *block)
{
    (void)block;
}

void *calloc(size_t count, size_t size)
{
    void *block = malloc(count * size);
    return block == NULL ? NULL : memset(block, 0, count * size);
}

void *realloc(void *block, size_t size)
{
    size_t old = 0;
    void *moved = malloc(size);
    if (block == NULL || moved == NULL) return moved;
    memcpy(&old, (char *)block - 16, sizeof old);
    return memcpy(moved, block, old < size ? old : size);
}

int main(void)
{
    char *text = strdup("mine");
    printf("%s %d\n", text, text >= memory && text < memory + sizeof memory && calls > 0);
    free(text);
    return 0;
}

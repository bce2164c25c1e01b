/* What C, POSIX and glibc say about the family. Also prints nothing, so that any allocator's run is the same. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

#define FAILS(call, error)       \
    do {                         \
        errno = 0;               \
        CHECK((call) == NULL);   \
        CHECK(errno == (error)); \
    } while (0)

void *reallocarray(void *memory, size_t count, size_t size);

static volatile size_t huge = SIZE_MAX;

static void blocks(void)
{
    enum { COUNT = 200 };
    unsigned char *memory[COUNT];
    size_t i, j;
    for (i = 0; i < COUNT; i++) {
        memory[i] = malloc(37 * i);
        CHECK(memory[i] != NULL && (uintptr_t)memory[i] % 16 == 0);
        CHECK(malloc_usable_size(memory[i]) >= 37 * i);
        memset(memory[i], (int)i, 37 * i);
    }
    for (i = 1; i < COUNT; i += 2) {
        memory[i] = realloc(memory[i], 50 * i);
        CHECK(memory[i] != NULL);
        memset(memory[i] + 37 * i, (int)i, 13 * i);
    }
    for (i = 0; i < COUNT; i++) {
        for (j = 0; j < (i % 2 == 0 ? 37 : 50) * i; j++) CHECK(memory[i][j] == i);
        free(memory[i]);
    }
}

int main(void)
{
    size_t alignment;
    void *memory, *other = &memory;
    char *text;
    int i;
    blocks();
    for (alignment = 1; alignment <= 1 << 16; alignment *= 2) {
        memory = aligned_alloc(alignment, 100);
        CHECK(memory != NULL && (uintptr_t)memory % alignment == 0);
        memset(memory, 0x3C, 100);
        memory = realloc(memory, 100000);
        CHECK(memory != NULL && ((unsigned char *)memory)[99] == 0x3C);
        free(memory);
        if (alignment >= sizeof(void *)) {
            CHECK(posix_memalign(&memory, alignment, 1) == 0 && (uintptr_t)memory % alignment == 0);
            free(memory);
        }
    }
    memory = memalign(4096, 10);
    CHECK(memory != NULL && (uintptr_t)memory % 4096 == 0);
    free(memory);
    memory = valloc(10);
    CHECK(memory != NULL && (uintptr_t)memory % 4096 == 0);
    free(memory);
    memory = pvalloc(10);
    CHECK(memory != NULL && (uintptr_t)memory % 4096 == 0 && malloc_usable_size(memory) >= 4096);
    free(memory);
    memory = calloc(100, 30);
    CHECK(memory != NULL);
    for (i = 0; i < 3000; i++) CHECK(((char *)memory)[i] == 0);
    memory = reallocarray(memory, 3, 7);
    CHECK(memory != NULL);
    errno = EDOM;
    free(memory);
    free(NULL);
    CHECK(realloc(malloc(1), 0) == NULL);
    CHECK(errno == EDOM);
    memory = malloc(0);
    CHECK(memory != NULL && malloc_usable_size(NULL) == 0);
    free(memory);

    FAILS(malloc(huge - 8), ENOMEM);
    FAILS(malloc(huge / 2), ENOMEM);
    FAILS(calloc(huge / 2, 3), ENOMEM);
    FAILS(realloc(NULL, huge - 100), ENOMEM);
    FAILS(reallocarray(NULL, huge, 2), ENOMEM);
    FAILS(pvalloc(huge - 1), ENOMEM);
    CHECK(posix_memalign(&other, 24, 1) == EINVAL && posix_memalign(&other, 1, 1) == EINVAL && other == &memory);
    CHECK(posix_memalign(&other, 64, huge - 100) == ENOMEM && other == &memory);
    text = strdup("from the C library");
    CHECK(text != NULL && strcmp(text, "from the C library") == 0);
    free(text);
    return 0;
}

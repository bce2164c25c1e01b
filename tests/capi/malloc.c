/* The malloc family over each allocator: what the header, C and POSIX say. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "zigalloc.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* NULL, and this error. */
#define FAILS(call, error)          \
    do {                            \
        errno = 0;                  \
        CHECK((call) == NULL);      \
        CHECK(errno == (error));    \
    } while (0)

static bool is_aligned(const void *memory, size_t alignment)
{
    return ((uintptr_t)memory & (alignment - 1)) == 0;
}

/* Blocks of many sizes, all live at once. */
static void blocks(zigalloc_allocator a)
{
    enum { COUNT = 60 };
    unsigned char *memory[COUNT];
    size_t i, j;
    for (i = 0; i < COUNT; i++) {
        memory[i] = (unsigned char *)zigalloc_malloc(a, 7 * i);
        CHECK(memory[i] != NULL && is_aligned(memory[i], 16));
        CHECK(zigalloc_malloc_usable_size(a, memory[i]) == 7 * i);
        memset(memory[i], (int)i, 7 * i);
    }
    for (i = 0; i < COUNT; i += 2) {
        memory[i] = (unsigned char *)zigalloc_malloc_realloc(a, memory[i], 9 * i + 1);
        CHECK(memory[i] != NULL && is_aligned(memory[i], 16));
        CHECK(zigalloc_malloc_usable_size(a, memory[i]) == 9 * i + 1);
        memset(memory[i] + 7 * i, (int)i, 2 * i + 1);
    }
    for (i = 0; i < COUNT; i++) {
        size_t size = i % 2 == 0 ? 9 * i + 1 : 7 * i;
        for (j = 0; j < size; j++) CHECK(memory[i][j] == i);
    }
    for (i = 0; i < COUNT; i++) {
        if (i % 3 == 0) zigalloc_free_sized(a, memory[i], i % 2 == 0 ? 9 * i + 1 : 7 * i);
        else zigalloc_malloc_free(a, memory[i]);
    }
}

/* C: the size may be 0, and the result is then NULL or a block of its own. Here it is a block. */
static void no_bytes(zigalloc_allocator a)
{
    void *first = zigalloc_malloc(a, 0), *second = zigalloc_calloc(a, 0, SIZE_MAX), *third = zigalloc_calloc(a, 8, 0);
    CHECK(first != NULL && second != NULL && third != NULL && first != second && second != third);
    CHECK(zigalloc_malloc_usable_size(a, first) == 0);
    first = zigalloc_malloc_realloc(a, first, 10);
    CHECK(first != NULL);
    memset(first, 1, 10);
    errno = EDOM;
    CHECK(zigalloc_malloc_realloc(a, first, 0) == NULL);
    CHECK(zigalloc_reallocarray(a, second, 0, 8) == NULL);
    CHECK(zigalloc_malloc_realloc(a, NULL, 0) == NULL);
    zigalloc_malloc_free(a, third);
    zigalloc_malloc_free(a, NULL);
    zigalloc_free_sized(a, NULL, 3);
    zigalloc_free_aligned_sized(a, NULL, 64, 3);
    CHECK(zigalloc_malloc_usable_size(a, NULL) == 0);
    CHECK(errno == EDOM); /* none of these is an error */
}

static void zeros(zigalloc_allocator a)
{
    size_t round, i;
    for (round = 0; round < 3; round++) {
        unsigned char *memory = (unsigned char *)zigalloc_calloc(a, 37, 11);
        CHECK(memory != NULL);
        for (i = 0; i < 37 * 11; i++) CHECK(memory[i] == 0);
        memset(memory, 0xFF, 37 * 11);
        zigalloc_malloc_free(a, memory);
    }
}

static void alignments(zigalloc_allocator a)
{
    size_t alignment;
    for (alignment = 1; alignment <= 4096; alignment *= 2) {
        void *memory = zigalloc_aligned_alloc(a, alignment, 100), *other = zigalloc_memalign(a, alignment, 0), *third;
        CHECK(memory != NULL && is_aligned(memory, alignment) && is_aligned(memory, 16));
        CHECK(other != NULL && is_aligned(other, alignment));
        memset(memory, 0x3C, 100);
        memory = zigalloc_malloc_realloc(a, memory, 5000);
        CHECK(memory != NULL && is_aligned(memory, alignment) && ((unsigned char *)memory)[99] == 0x3C);
        zigalloc_free_aligned_sized(a, memory, alignment, 5000);
        zigalloc_malloc_free(a, other);

        errno = EDOM;
        third = &third;
        if (alignment < sizeof(void *)) {
            CHECK(zigalloc_posix_memalign(a, &third, alignment, 1) == EINVAL && third == &third);
        } else {
            CHECK(zigalloc_posix_memalign(a, &third, alignment, 1) == 0 && is_aligned(third, alignment));
            zigalloc_malloc_free(a, third);
        }
        CHECK(errno == EDOM);
    }
    {
        void *page = zigalloc_valloc(a, 1);
        CHECK(page != NULL && is_aligned(page, 4096));
        zigalloc_malloc_free(a, page);
    }
}

/* C and POSIX: what cannot be served is NULL, and errno says why. */
static void errors(zigalloc_allocator a)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 4096, SIZE_MAX / 2 + 1};
    static const size_t bad[] = {0, 3, 24, 48, SIZE_MAX, SIZE_MAX - 1};
    unsigned char *memory = (unsigned char *)zigalloc_malloc(a, 16);
    void *result = &result;
    size_t i;
    CHECK(memory != NULL);
    memset(memory, 0x77, 16);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        FAILS(zigalloc_malloc(a, sizes[i]), ENOMEM);
        FAILS(zigalloc_calloc(a, 1, sizes[i]), ENOMEM);
        FAILS(zigalloc_calloc(a, sizes[i], 2), ENOMEM);
        FAILS(zigalloc_calloc(a, SIZE_MAX / 8 + 1, 8), ENOMEM);
        FAILS(zigalloc_malloc_realloc(a, memory, sizes[i]), ENOMEM);
        FAILS(zigalloc_malloc_realloc(a, NULL, sizes[i]), ENOMEM);
        FAILS(zigalloc_reallocarray(a, memory, 2, sizes[i]), ENOMEM);
        FAILS(zigalloc_reallocarray(a, memory, SIZE_MAX / 4 + 1, 4), ENOMEM);
        FAILS(zigalloc_aligned_alloc(a, 64, sizes[i]), ENOMEM);
        FAILS(zigalloc_memalign(a, 64, sizes[i]), ENOMEM);
        FAILS(zigalloc_valloc(a, sizes[i]), ENOMEM);
        errno = EDOM;
        CHECK(zigalloc_posix_memalign(a, &result, 64, sizes[i]) == ENOMEM && result == &result && errno == EDOM);
    }
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        FAILS(zigalloc_aligned_alloc(a, bad[i], 64), EINVAL);
        FAILS(zigalloc_memalign(a, bad[i], 64), EINVAL);
        errno = EDOM;
        CHECK(zigalloc_posix_memalign(a, &result, bad[i], 64) == EINVAL && result == &result && errno == EDOM);
    }
    CHECK(zigalloc_malloc_usable_size(a, memory) == 16);
    for (i = 0; i < 16; i++) CHECK(memory[i] == 0x77);
    errno = EDOM;
    zigalloc_malloc_free(a, memory);
    CHECK(errno == EDOM);
}

static void all_of_it(zigalloc_allocator a)
{
    blocks(a);
    no_bytes(a);
    zeros(a);
    alignments(a);
    errors(a);
}

/* One thread frees what another has allocated. */
static void *make(void *a)
{
    return zigalloc_calloc(*(zigalloc_allocator *)a, 10, 10);
}

static void threads(zigalloc_allocator a)
{
    pthread_t running[4];
    void *memory;
    int i;
    for (i = 0; i < 4; i++) CHECK(pthread_create(&running[i], NULL, make, &a) == 0);
    for (i = 0; i < 4; i++) {
        CHECK(pthread_join(running[i], &memory) == 0 && memory != NULL);
        CHECK(zigalloc_malloc_usable_size(a, memory) == 100);
        zigalloc_malloc_free(a, memory);
    }
}

static void nothing_left(void)
{
    zigalloc_allocator failing = zigalloc_failing_allocator();
    FAILS(zigalloc_malloc(failing, 0), ENOMEM); /* it needs its header */
    FAILS(zigalloc_calloc(failing, 1, 1), ENOMEM);
    FAILS(zigalloc_malloc_realloc(failing, NULL, 1), ENOMEM);
}

/* An allocator of C over the family: what it gets back is what it gave, and errno survives a free that changes it. */
static size_t live, freed_bytes;

static void *noted_alloc(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr)
{
    (void)ctx;
    live += len;
    return zigalloc_smp_allocator().vtable->alloc(zigalloc_smp_allocator().ctx, len, alignment_log2, ret_addr);
}

static void noted_free(void *ctx, void *memory, size_t len, uint8_t alignment_log2, uintptr_t ret_addr)
{
    (void)ctx;
    live -= len;
    freed_bytes += len;
    errno = ERANGE;
    zigalloc_smp_allocator().vtable->free(zigalloc_smp_allocator().ctx, memory, len, alignment_log2, ret_addr);
}

static void lengths(void)
{
    zigalloc_vtable vtable = *zigalloc_failing_allocator().vtable;
    zigalloc_allocator a = {NULL, NULL};
    void *memory;
    vtable.alloc = noted_alloc;
    vtable.free = noted_free;
    a.vtable = &vtable;
    memory = zigalloc_malloc(a, 100);
    CHECK(memory != NULL && live == 116);
    errno = EDOM;
    zigalloc_malloc_free(a, memory);
    CHECK(live == 0 && freed_bytes == 116 && errno == EDOM);
    memory = zigalloc_aligned_alloc(a, 256, 100);
    CHECK(memory != NULL && live == 356);
    CHECK(zigalloc_malloc_realloc(a, memory, 0) == NULL && live == 0 && errno == EDOM);
}

int main(void)
{
    zigalloc_debug *debug = zigalloc_debug_create(zigalloc_page_allocator());
    zigalloc_arena *arena = zigalloc_arena_create(zigalloc_page_allocator());
    zigalloc_counting *counting = zigalloc_counting_create(zigalloc_smp_allocator());
    zigalloc_counts counts;
    CHECK(debug != NULL && arena != NULL && counting != NULL);
    all_of_it(zigalloc_page_allocator());
    all_of_it(zigalloc_c_allocator());
    all_of_it(zigalloc_smp_allocator());
    all_of_it(zigalloc_rust_allocator());
    all_of_it(zigalloc_arena_allocator(arena));
    all_of_it(zigalloc_debug_allocator(debug));
    all_of_it(zigalloc_counting_allocator(counting));
    threads(zigalloc_smp_allocator());
    threads(zigalloc_debug_allocator(debug));
    nothing_left();
    lengths();
    zigalloc_counting_snapshot(counting, &counts);
    CHECK(counts.live_blocks == 0 && counts.live_bytes == 0);
    CHECK(zigalloc_debug_total_count(debug) == 0);
    CHECK(zigalloc_debug_destroy(debug) == 0);
    zigalloc_counting_destroy(counting);
    zigalloc_arena_destroy(arena);
    return 0;
}

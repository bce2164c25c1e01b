/* Uses the library's allocators from C, all with the same function.
 *
 *     cc use_zigalloc.c $(pkg-config --cflags --libs zigalloc) -o use_zigalloc && ./use_zigalloc
 */
#include <stdio.h>

#include "zigalloc.h"

/* Returns all squares below `limit`, in an array that grows as needed, or NULL when out of memory. */
static uint32_t *squares(zigalloc_allocator a, uint32_t limit, size_t *count, size_t *capacity)
{
    const uint8_t alignment_log2 = zigalloc_log2(sizeof(uint32_t));
    uint32_t *numbers = NULL;
    uint32_t i;
    *count = *capacity = 0;
    for (i = 0; i * i < limit; i++) {
        if (*count == *capacity) {
            size_t wanted = *capacity == 0 ? 4 : 2 * *capacity;
            uint32_t *grown = (uint32_t *)zigalloc_realloc(a, numbers, *capacity * sizeof *numbers,
                                                           alignment_log2, wanted * sizeof *numbers);
            if (grown == NULL) {
                zigalloc_free(a, numbers, *capacity * sizeof *numbers, alignment_log2);
                return NULL;
            }
            numbers = grown;
            *capacity = wanted;
        }
        numbers[(*count)++] = i * i;
    }
    return numbers;
}

static int try_it(const char *name, zigalloc_allocator a)
{
    size_t count, capacity;
    uint32_t *numbers = squares(a, 1000000, &count, &capacity);
    if (numbers == NULL) {
        printf("%-12s out of memory\n", name);
        return 0;
    }
    printf("%-12s %zu squares, the last is %u\n", name, count, (unsigned)numbers[count - 1]);
    zigalloc_free(a, numbers, capacity * sizeof *numbers, zigalloc_log2(sizeof *numbers));
    return count == 1000 && numbers != NULL;
}

/* Prints what went wrong, and returns the exit code. */
static int failed(const char *what)
{
    fprintf(stderr, "use_zigalloc: %s\n", what);
    return 1;
}

int main(void)
{
    static uint64_t buffer[2000];
    zigalloc_arena *arena = zigalloc_arena_create(zigalloc_page_allocator());
    zigalloc_fixed_buffer *fixed_buffer =
        zigalloc_fixed_buffer_create(zigalloc_c_allocator(), buffer, sizeof buffer);
    zigalloc_thread_safe *thread_safe;
    int worked = 0;
    if (arena == NULL || fixed_buffer == NULL) return failed("out of memory creating the allocators");

    worked += try_it("page", zigalloc_page_allocator());
    worked += try_it("c", zigalloc_c_allocator());
    worked += try_it("raw_c", zigalloc_raw_c_allocator());
    worked += try_it("smp", zigalloc_smp_allocator());
    worked += try_it("rust", zigalloc_rust_allocator());
    worked += try_it("fixed buffer", zigalloc_fixed_buffer_allocator(fixed_buffer));
    worked += try_it("arena", zigalloc_arena_allocator(arena));

    /* From here on, use the arena only through the lock. */
    thread_safe = zigalloc_thread_safe_create(zigalloc_arena_allocator(arena));
    if (thread_safe == NULL) return failed("out of memory creating the lock");
    worked += try_it("thread safe", zigalloc_thread_safe_allocator(thread_safe));
    zigalloc_thread_safe_destroy(thread_safe);

    printf("the arena had %zu bytes\n", zigalloc_arena_query_capacity(arena));
    zigalloc_arena_destroy(arena);
    zigalloc_fixed_buffer_destroy(fixed_buffer);

    /* Running out of memory is reported. */
    if (try_it("failing", zigalloc_failing_allocator()) != 0) return failed("the failing allocator did not fail");
    return worked == 8 ? 0 : failed("not all of the eight allocators worked");
}

/* Assertions for the behaviour that the header documents, for each kind of allocator and for the helpers. */
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

static bool is_aligned(const void *memory, uint8_t alignment_log2)
{
    return ((uintptr_t)memory & (((uintptr_t)1 << alignment_log2) - 1)) == 0;
}

/* Blocks of many sizes, all live at once, none of which overlaps another. */
static void blocks(zigalloc_allocator a, uint8_t max_alignment_log2)
{
    enum { COUNT = 60 };
    unsigned char *memory[COUNT];
    size_t i, j;
    for (i = 0; i < COUNT; i++) {
        uint8_t alignment_log2 = (uint8_t)(i % (max_alignment_log2 + 1u));
        memory[i] = (unsigned char *)zigalloc_alloc(a, 7 * i + 1, alignment_log2);
        CHECK(memory[i] != NULL && is_aligned(memory[i], alignment_log2));
        memset(memory[i], (int)i, 7 * i + 1);
    }
    for (i = 0; i < COUNT; i++) {
        for (j = 0; j < 7 * i + 1; j++) CHECK(memory[i][j] == i);
    }
    for (i = 0; i < COUNT; i++) zigalloc_free(a, memory[i], 7 * i + 1, (uint8_t)(i % (max_alignment_log2 + 1u)));
}

/* Growing and shrinking keeps the contents. */
static void lengths(zigalloc_allocator a)
{
    size_t i, len = 1;
    unsigned char *memory = (unsigned char *)zigalloc_alloc(a, len, 3);
    CHECK(memory != NULL);
    memory[0] = 0xA5;
    while (len < 4000) {
        size_t wanted = 3 * len;
        unsigned char *moved;
        if (!zigalloc_resize(a, memory, len, 3, wanted)) {
            moved = (unsigned char *)zigalloc_realloc(a, memory, len, 3, wanted);
            CHECK(moved != NULL && is_aligned(moved, 3));
            memory = moved;
        }
        CHECK(memory[0] == 0xA5);
        for (i = 1; i < len; i++) CHECK(memory[i] == 0x3C);
        memset(memory + 1, 0x3C, wanted - 1);
        len = wanted;
    }
    memory = (unsigned char *)zigalloc_realloc(a, memory, len, 3, 10);
    CHECK(memory != NULL && memory[0] == 0xA5 && memory[9] == 0x3C);
    CHECK(zigalloc_realloc(a, memory, 10, 3, 0) != NULL); /* frees it */
}

/* Requests that cannot be satisfied return NULL or false and change nothing. */
static void impossible(zigalloc_allocator a)
{
    static const size_t lens[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 8, SIZE_MAX - 15,   SIZE_MAX - 16,
                                  SIZE_MAX - 4095, SIZE_MAX - 4096, SIZE_MAX / 2 + 2, SIZE_MAX / 2 + 1};
    unsigned char *memory = (unsigned char *)zigalloc_alloc(a, 16, 3);
    size_t i;
    unsigned alignment_log2;
    CHECK(memory != NULL);
    memset(memory, 0x77, 16);
    for (i = 0; i < sizeof lens / sizeof *lens; i++) {
        CHECK(zigalloc_alloc(a, lens[i], 0) == NULL);
        CHECK(zigalloc_alloc(a, lens[i], 3) == NULL);
        CHECK(zigalloc_alloc(a, lens[i], 12) == NULL);
        CHECK(!zigalloc_resize(a, memory, 16, 3, lens[i]));
        CHECK(zigalloc_realloc(a, memory, 16, 3, lens[i]) == NULL);
    }
    /* Through the table, since the helpers do not pass them on. */
    for (alignment_log2 = 8 * sizeof(size_t); alignment_log2 <= UINT8_MAX; alignment_log2++) {
        CHECK(a.vtable->alloc(a.ctx, 16, (uint8_t)alignment_log2, 0) == NULL);
    }
    CHECK(a.vtable->alloc(a.ctx, 16, 8 * sizeof(size_t) - 1, 0) == NULL);
    for (i = 0; i < 16; i++) CHECK(memory[i] == 0x77);
    zigalloc_free(a, memory, 16, 3);
}

static void all_of_it(zigalloc_allocator a, uint8_t max_alignment_log2)
{
    blocks(a, max_alignment_log2);
    lengths(a);
    impossible(a);
}

/* A length of 0 reaches no allocator: the failing one would refuse it or abort. */
static void zero_lengths(void)
{
    zigalloc_allocator a = zigalloc_failing_allocator();
    void *empty = zigalloc_alloc(a, 0, 4);
    CHECK((uintptr_t)empty == UINTPTR_MAX - 15);
    zigalloc_free(a, empty, 0, 4);
    CHECK(zigalloc_resize(a, empty, 0, 4, 0));
    CHECK(!zigalloc_resize(a, empty, 0, 4, 1));
    CHECK(zigalloc_realloc(a, empty, 0, 4, 0) == empty);
    CHECK(zigalloc_realloc(a, empty, 0, 4, 1) == NULL);
    CHECK(zigalloc_alloc(a, 1, 0) == NULL);
}

static void logarithms(void)
{
    uint8_t log2;
    for (log2 = 0; log2 < 8 * sizeof(size_t); log2++) CHECK(zigalloc_log2((size_t)1 << log2) == log2);
#ifdef NDEBUG
    /* Without assertions, an invalid alignment is out of memory. */
    CHECK(zigalloc_alloc(zigalloc_c_allocator(), 1, 8 * sizeof(size_t)) == NULL);
    CHECK(zigalloc_alloc(zigalloc_c_allocator(), 0, 255) == NULL);
    CHECK(zigalloc_realloc(zigalloc_c_allocator(), NULL, 0, 255, 1) == NULL);
    CHECK(!zigalloc_resize(zigalloc_c_allocator(), NULL, 0, 255, 0));
#endif
}

/* An allocator written in C that records where it was called from. */
static uintptr_t noted;

static void *note_alloc(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr)
{
    (void)ctx, (void)len, (void)alignment_log2;
    noted = ret_addr;
    return NULL;
}

static void call_sites(void)
{
#ifdef __GNUC__
    zigalloc_vtable vtable = *zigalloc_failing_allocator().vtable;
    zigalloc_allocator a = {NULL, &vtable};
    uintptr_t first;
    vtable.alloc = note_alloc;
    CHECK(zigalloc_alloc(a, 1, 0) == NULL);
    first = noted;
    CHECK(zigalloc_alloc(a, 1, 0) == NULL);
    /* Two nearby addresses in this function, the second after the first. */
    CHECK(first < noted && noted - first < 1000);
#endif
}

enum { THREADS = 4, ROUNDS = 300 };

static void *thread(void *argument)
{
    zigalloc_allocator a = *(zigalloc_allocator *)argument;
    size_t i;
    for (i = 1; i <= ROUNDS; i++) {
        unsigned char *memory = (unsigned char *)zigalloc_alloc(a, i, 3);
        CHECK(memory != NULL);
        memset(memory, (int)(i & 0xFF), i);
        CHECK(memory[0] == (i & 0xFF) && memory[i - 1] == (i & 0xFF));
        if (i % 2 == 0) zigalloc_free(a, memory, i, 3);
        else memory[0] = 0; /* leaked: the arena frees it; leaks of others are checked elsewhere */
    }
    return NULL;
}

static void threads(zigalloc_allocator a)
{
    pthread_t running[THREADS];
    int i;
    for (i = 0; i < THREADS; i++) CHECK(pthread_create(&running[i], NULL, thread, &a) == 0);
    for (i = 0; i < THREADS; i++) CHECK(pthread_join(running[i], NULL) == 0);
}

static void arenas(void)
{
    zigalloc_arena *arena = zigalloc_arena_create(zigalloc_page_allocator());
    zigalloc_shared_arena *shared_arena = zigalloc_shared_arena_create(zigalloc_c_allocator());
    zigalloc_thread_safe *thread_safe;
    zigalloc_allocator a, shared;
    CHECK(arena != NULL && shared_arena != NULL);

    a = zigalloc_arena_allocator(arena);
    CHECK(zigalloc_arena_query_capacity(arena) == 0);
    all_of_it(a, 12);
    CHECK(zigalloc_arena_query_capacity(arena) > 0);
    CHECK(zigalloc_arena_reset(arena, ZIGALLOC_RETAIN_WITH_LIMIT, 500));
    CHECK(zigalloc_arena_query_capacity(arena) == 500);
    all_of_it(a, 12);
    CHECK(zigalloc_arena_reset(arena, ZIGALLOC_RETAIN_CAPACITY, 0));
    CHECK(zigalloc_arena_reset(arena, ZIGALLOC_FREE_ALL, 0));
    CHECK(zigalloc_arena_query_capacity(arena) == 0);

    thread_safe = zigalloc_thread_safe_create(a);
    CHECK(thread_safe != NULL);
    all_of_it(zigalloc_thread_safe_allocator(thread_safe), 12);
    threads(zigalloc_thread_safe_allocator(thread_safe));
    zigalloc_thread_safe_destroy(thread_safe);
    zigalloc_arena_destroy(arena);

    shared = zigalloc_shared_arena_allocator(shared_arena);
    all_of_it(shared, 12);
    threads(shared);
    CHECK(zigalloc_shared_arena_query_capacity(shared_arena) > 0);
    CHECK(zigalloc_shared_arena_reset(shared_arena, ZIGALLOC_RETAIN_CAPACITY, 0));
    threads(shared);
    CHECK(zigalloc_shared_arena_reset(shared_arena, ZIGALLOC_FREE_ALL, 0));
    CHECK(zigalloc_shared_arena_query_capacity(shared_arena) == 0);
    zigalloc_shared_arena_destroy(shared_arena);
}

static void fixed_buffers(void)
{
    static uint64_t buffer[100000];
    zigalloc_fixed_buffer *fixed_buffer =
        zigalloc_fixed_buffer_create(zigalloc_smp_allocator(), buffer, sizeof buffer);
    zigalloc_allocator a;
    CHECK(fixed_buffer != NULL);
    a = zigalloc_fixed_buffer_allocator(fixed_buffer);
    CHECK(zigalloc_alloc(a, 8, 3) == buffer && zigalloc_fixed_buffer_end_index(fixed_buffer) == 8);
    all_of_it(a, 9);
    CHECK(zigalloc_alloc(a, sizeof buffer, 0) == NULL);
    zigalloc_fixed_buffer_reset(fixed_buffer);
    CHECK(zigalloc_fixed_buffer_end_index(fixed_buffer) == 0);

    a = zigalloc_fixed_buffer_thread_safe_allocator(fixed_buffer);
    CHECK(zigalloc_alloc(a, 8, 3) == buffer);
    all_of_it(a, 9);
    threads(a);
    zigalloc_fixed_buffer_destroy(fixed_buffer);

    CHECK(zigalloc_fixed_buffer_create(zigalloc_smp_allocator(), buffer, SIZE_MAX) == NULL);
    fixed_buffer = zigalloc_fixed_buffer_create(zigalloc_smp_allocator(), NULL, 0);
    CHECK(fixed_buffer != NULL);
    CHECK(zigalloc_alloc(zigalloc_fixed_buffer_allocator(fixed_buffer), 1, 0) == NULL);
    zigalloc_fixed_buffer_destroy(fixed_buffer);
}

static void debug_allocators(void)
{
    zigalloc_debug *debug = zigalloc_debug_create(zigalloc_smp_allocator());
    zigalloc_allocator a;
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    all_of_it(a, 12);
    CHECK(zigalloc_debug_detect_leaks(debug) == 0);
    CHECK(zigalloc_debug_destroy(debug) == 0);
}

static void buffers_first(void)
{
    static uint64_t buffer[1000];
    zigalloc_buffer_first *buffer_first =
        zigalloc_buffer_first_create(zigalloc_smp_allocator(), buffer, sizeof buffer, zigalloc_page_allocator());
    zigalloc_allocator a;
    void *large;
    CHECK(buffer_first != NULL);
    a = zigalloc_buffer_first_allocator(buffer_first);
    CHECK(zigalloc_alloc(a, 8, 3) == buffer && zigalloc_buffer_first_end_index(buffer_first) == 8);
    all_of_it(a, 12);
    large = zigalloc_alloc(a, 2 * sizeof buffer, 3);
    CHECK(large != NULL);
    zigalloc_free(a, large, 2 * sizeof buffer, 3);
    zigalloc_buffer_first_reset(buffer_first);
    CHECK(zigalloc_buffer_first_end_index(buffer_first) == 0);
    zigalloc_buffer_first_destroy(buffer_first);
    CHECK(zigalloc_buffer_first_create(zigalloc_smp_allocator(), buffer, SIZE_MAX, a) == NULL);
}

static void pools(void)
{
    enum { ITEMS = 100 };
    zigalloc_pool *pool = zigalloc_pool_create(zigalloc_page_allocator(), 24, 5);
    uint64_t *items[ITEMS];
    size_t i;
    CHECK(pool != NULL && zigalloc_pool_preheat(pool, 10));
    for (i = 0; i < ITEMS; i++) {
        items[i] = (uint64_t *)zigalloc_pool_alloc(pool);
        CHECK(items[i] != NULL && is_aligned(items[i], 5));
        items[i][0] = items[i][1] = items[i][2] = i;
    }
    for (i = 0; i < ITEMS; i++) CHECK(items[i][0] == i && items[i][1] == i && items[i][2] == i);
    for (i = 0; i < ITEMS; i++) zigalloc_pool_free(pool, items[i]);
    for (i = ITEMS; i > 0; i--) CHECK(zigalloc_pool_alloc(pool) == items[i - 1]);
    CHECK(zigalloc_pool_reset(pool, ZIGALLOC_RETAIN_WITH_LIMIT, 1000));
    CHECK(zigalloc_pool_alloc(pool) != NULL);
    zigalloc_pool_destroy(pool);

    pool = zigalloc_pool_create(zigalloc_page_allocator(), SIZE_MAX, 0);
    CHECK(pool != NULL && zigalloc_pool_alloc(pool) == NULL && !zigalloc_pool_preheat(pool, 1));
    zigalloc_pool_destroy(pool);
}

static void counters(void)
{
    zigalloc_counting *counting = zigalloc_counting_create(zigalloc_smp_allocator());
    zigalloc_counts counts;
    zigalloc_allocator a;
    void *memory, *moved;
    CHECK(counting != NULL);
    a = zigalloc_counting_allocator(counting);
    memory = zigalloc_alloc(a, 100, 3);
    CHECK(memory != NULL && zigalloc_alloc(a, SIZE_MAX, 3) == NULL);
    moved = zigalloc_realloc(a, memory, 100, 3, 50000);
    CHECK(moved != NULL);
    zigalloc_free(a, moved, 50000, 3);
    zigalloc_counting_snapshot(counting, &counts);
    CHECK(counts.alloc_calls == counts.free_calls + counts.alloc_refused && counts.alloc_refused == 1);
    CHECK(counts.remap_calls == 1 && counts.resize_calls == 0);
    CHECK(counts.live_blocks == 0 && counts.live_bytes == 0);
    CHECK(counts.peak_live_bytes >= 50000 && counts.total_bytes >= 50000);
    CHECK(counts.alloc_sizes[7] == 1 && counts.alloc_sizes[8 * sizeof(size_t)] == 1);
    all_of_it(a, 12);
    threads(a);
    zigalloc_counting_snapshot(counting, &counts);
    CHECK(counts.live_blocks == THREADS * (ROUNDS - ROUNDS / 2)); /* the blocks that the threads leak */
    zigalloc_counting_destroy(counting);
}

typedef struct log_text {
    char text[4000];
    size_t len;
    zigalloc_allocator a;
} log_text;

static void log_line(void *ctx, const char *line, size_t len)
{
    log_text *log = (log_text *)ctx;
    CHECK(len < 1000 && log->len + len + 1 < sizeof log->text);
    CHECK(memchr(line, '\n', len) == NULL && memchr(line, '\0', len) == NULL);
    memcpy(log->text + log->len, line, len);
    log->text[log->len + len] = '\n';
    log->len += len + 1;
    /* Allocations made here are not logged. */
    zigalloc_free(log->a, zigalloc_alloc(log->a, 8, 3), 8, 3);
}

static void logs(void)
{
    static log_text log;
    zigalloc_logging *logging = zigalloc_logging_create(zigalloc_smp_allocator(), log_line, &log);
    void *memory;
    CHECK(logging != NULL);
    log.a = zigalloc_logging_allocator(logging);
    memory = zigalloc_alloc(log.a, 100, 3);
    CHECK(memory != NULL);
    zigalloc_free(log.a, memory, 100, 3);
    CHECK(strncmp(log.text, "alloc 100 bytes, aligned to 8: 0x", 33) == 0);
    CHECK(strstr(log.text, "\nfree 0x") != NULL);
#ifdef __GNUC__
    /* The caller, if the program has debug information. */
    CHECK(strstr(log.text, "called by ") != NULL && strstr(log.text, "an unknown place") == NULL);
#endif
    CHECK(zigalloc_logging_lost_lines(logging) == 4);
    zigalloc_logging_destroy(logging);
}

/* The arena above the logging allocator, and the block that `write` gets from it. */
typedef struct above {
    zigalloc_allocator arena;
    bool is_set;
    int calls;
    void *memory;
} above;

static void asks_above(void *ctx, const char *line, size_t len)
{
    above *a = (above *)ctx;
    (void)line;
    (void)len;
    if (!a->is_set) return;
    a->calls++;
    a->memory = zigalloc_alloc(a->arena, 8, 3);
}

/* A `write` function that breaks the rule gets no memory from the arena above it. */
static void writes_to_what_is_above(void)
{
    static above state;
    zigalloc_logging *logging = zigalloc_logging_create(zigalloc_smp_allocator(), asks_above, &state);
    zigalloc_arena *arena;
    CHECK(logging != NULL);
    arena = zigalloc_arena_create(zigalloc_logging_allocator(logging));
    CHECK(arena != NULL);
    state.arena = zigalloc_arena_allocator(arena);
    state.is_set = true;
    CHECK(zigalloc_alloc(state.arena, 100, 3) != NULL);
    state.is_set = false;
    CHECK(state.calls == 1 && state.memory == NULL);
    CHECK(zigalloc_alloc(state.arena, 8, 3) != NULL);
    zigalloc_arena_destroy(arena);
    zigalloc_logging_destroy(logging);
}

static void preheats(void)
{
    const size_t counts[] = {SIZE_MAX, SIZE_MAX / 64 + 1, SIZE_MAX / 64, SIZE_MAX / 2 / 64};
    const zigalloc_allocator children[] = {zigalloc_page_allocator(), zigalloc_c_allocator(), zigalloc_smp_allocator()};
    size_t child, count;
    for (child = 0; child < sizeof children / sizeof *children; child++) {
        zigalloc_pool *pool = zigalloc_pool_create(children[child], 64, 3);
        CHECK(pool != NULL);
        for (count = 0; count < sizeof counts / sizeof *counts; count++) {
            CHECK(!zigalloc_pool_preheat(pool, counts[count]));
        }
        CHECK(zigalloc_pool_preheat(pool, 10) && zigalloc_pool_alloc(pool) != NULL);
        zigalloc_pool_destroy(pool);
    }
}

static void out_of_memory(void)
{
    zigalloc_allocator nothing = zigalloc_failing_allocator();
    CHECK(zigalloc_arena_create(nothing) == NULL);
    CHECK(zigalloc_shared_arena_create(nothing) == NULL);
    CHECK(zigalloc_fixed_buffer_create(nothing, NULL, 0) == NULL);
    CHECK(zigalloc_thread_safe_create(nothing) == NULL);
    CHECK(zigalloc_debug_create(nothing) == NULL);
    CHECK(zigalloc_pool_create(nothing, 8, 3) == NULL);
    CHECK(zigalloc_counting_create(nothing) == NULL);
    CHECK(zigalloc_logging_create(nothing, log_line, NULL) == NULL);
    CHECK(zigalloc_buffer_first_create(nothing, NULL, 0, zigalloc_page_allocator()) == NULL);
    zigalloc_arena_destroy(NULL);
    zigalloc_shared_arena_destroy(NULL);
    zigalloc_fixed_buffer_destroy(NULL);
    zigalloc_thread_safe_destroy(NULL);
    CHECK(zigalloc_debug_destroy(NULL) == 0);
    zigalloc_pool_destroy(NULL);
    zigalloc_counting_destroy(NULL);
    zigalloc_logging_destroy(NULL);
    zigalloc_buffer_first_destroy(NULL);
}

int main(void)
{
    CHECK(strcmp(zigalloc_version(), ZIGALLOC_VERSION) == 0);
    all_of_it(zigalloc_page_allocator(), 12);
    all_of_it(zigalloc_c_allocator(), 12);
    all_of_it(zigalloc_raw_c_allocator(), zigalloc_log2(2 * sizeof(void *)));
    all_of_it(zigalloc_smp_allocator(), 12);
    all_of_it(zigalloc_rust_allocator(), 12);
    zero_lengths();
    logarithms();
    call_sites();
    arenas();
    fixed_buffers();
    debug_allocators();
    buffers_first();
    pools();
    counters();
    logs();
    writes_to_what_is_above();
    preheats();
    out_of_memory();
    return 0;
}

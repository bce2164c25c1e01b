/* The debug allocator with options, its counts and its reports, and the allocator that fails at an index. */
#include "told.h"

static uintptr_t address_of(const void *memory)
{
    return (uintptr_t)memory;
}

/* A C test can fail on each kind of mistake: each is counted, and told with what it is about. */
static void each_kind_is_counted_and_told(void)
{
    told heard, deaf;
    zigalloc_debug_options options = listened(&heard);
    zigalloc_debug *debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    zigalloc_debug *other;
    zigalloc_allocator a;
    unsigned char *block, *leak;
    int kind;
    CHECK(debug != NULL);
    /* Who is told depends on the allocator. */
    options = listened(&deaf);
    other = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(other != NULL);
    a = zigalloc_debug_allocator(debug);
    heard.a = a;
    leak = (unsigned char *)zigalloc_alloc(a, 100, 4);
    block = (unsigned char *)zigalloc_alloc(a, 10, 0);
    CHECK(leak != NULL && block != NULL && zigalloc_debug_total_count(debug) == 0 && heard.reports == 0);
    zigalloc_free(a, block, 10, 0);

    zigalloc_free(a, block, 10, 0);
    CHECK(heard.reports == 1 && heard.kind == ZIGALLOC_DOUBLE_FREE && heard.operation == ZIGALLOC_OPERATION_FREE);
    CHECK(heard.address == address_of(block) && heard.len == 10 && heard.count == 1 && heard.first_free_frames > 0);
    CHECK(heard.left_out == 0);
    CHECK(zigalloc_debug_count(debug, ZIGALLOC_DOUBLE_FREE) == 1 && zigalloc_debug_total_count(debug) == 1);
    CHECK(strncmp(heard.text, "DebugAllocator: double free: ", 29) == 0);
#ifdef __GNUC__
    CHECK(heard.site != 0 && heard.frames > 0);
#endif

    CHECK(!zigalloc_resize(a, leak + 1, 99, 0, 50));
    CHECK(heard.reports == 2 && heard.kind == ZIGALLOC_INVALID_FREE && heard.operation == ZIGALLOC_OPERATION_RESIZE);
    CHECK(heard.address == address_of(leak + 1) && heard.inside == address_of(leak));

    block = (unsigned char *)zigalloc_alloc(a, 10, 2);
    zigalloc_free(a, block, 9, 2);
    CHECK(heard.reports == 3 && heard.kind == ZIGALLOC_WRONG_LENGTH && heard.inside == 0);
    CHECK(heard.len == 9 && heard.recorded_len == 10 && heard.total_len == 10 && heard.overrun == SIZE_MAX);

    block = (unsigned char *)zigalloc_alloc(a, 10, 2);
    zigalloc_free(a, block, 10, 1);
    CHECK(heard.reports == 4 && heard.kind == ZIGALLOC_WRONG_ALIGNMENT);
    CHECK(heard.alignment_log2 == 1 && heard.recorded_alignment_log2 == 2);

    block = (unsigned char *)zigalloc_alloc(a, 10, 0);
    block[12] = 'x';
    zigalloc_free(a, block, 10, 0);
    CHECK(heard.reports == 5 && heard.kind == ZIGALLOC_OVERRUN && heard.overrun == 12);

    CHECK(zigalloc_debug_detect_leaks(debug) == 1);
    CHECK(heard.reports == 6 && heard.kind == ZIGALLOC_LEAK && heard.operation == ZIGALLOC_OPERATION_DETECT_LEAKS);
    CHECK(heard.address == address_of(leak) && heard.count == 1 && heard.total_len == 100);
    CHECK(heard.recorded_alignment_log2 == 4 && heard.site == 0);

    for (kind = ZIGALLOC_DOUBLE_FREE; kind <= ZIGALLOC_LEAK; kind++) {
        CHECK(zigalloc_debug_count(debug, kind) == (kind != ZIGALLOC_CORRUPTION));
        CHECK(zigalloc_debug_count(other, kind) == 0);
    }
    CHECK(zigalloc_debug_total_count(debug) == 6 && zigalloc_debug_total_count(other) == 0);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.reports == 7);
    CHECK(zigalloc_debug_destroy(other) == 0 && deaf.reports == 0);
}

/* The number of addresses of an allocation's trace. */
static size_t frames_of(size_t stack_trace_frames)
{
    told heard;
    zigalloc_debug_options options = listened(&heard);
    zigalloc_debug *debug;
    options.stack_trace_frames = stack_trace_frames;
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(debug != NULL && zigalloc_alloc(zigalloc_debug_allocator(debug), 100, 0) != NULL);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.reports == 1);
    return heard.frames;
}

static void frames(void)
{
    CHECK(frames_of(ZIGALLOC_NO_FRAMES) == 0);
#ifdef __GNUC__
    CHECK(frames_of(1) == 1);
    /* This function, its caller and main, at least; the library's functions are not among them. */
    CHECK(frames_of(0) >= 3 && frames_of(2) == 2 && frames_of(32) >= frames_of(0));
#endif
}

static void limits(void)
{
    told heard;
    zigalloc_debug_options options = listened(&heard);
    zigalloc_debug *debug;
    zigalloc_allocator a;
    void *memory;
    options.requested_memory_limit = 1000;
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    memory = zigalloc_alloc(a, 600, 0);
    CHECK(memory != NULL && zigalloc_debug_total_requested_bytes(debug) == 600);
    CHECK(zigalloc_alloc(a, 401, 0) == NULL);
    zigalloc_debug_set_requested_memory_limit(debug, 1001);
    zigalloc_free(a, zigalloc_alloc(a, 401, 0), 401, 0);
    zigalloc_free(a, memory, 600, 0);
    CHECK(zigalloc_debug_total_requested_bytes(debug) == 0);
    CHECK(zigalloc_debug_destroy(debug) == 0 && heard.reports == 0);

    options.requested_memory_limit = 0;
    options.enable_memory_limit = true;
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    memory = zigalloc_alloc(a, 5000, 0);
    CHECK(memory != NULL && zigalloc_debug_total_requested_bytes(debug) == 5000);
    zigalloc_free(a, memory, 5000, 0);
    CHECK(zigalloc_debug_destroy(debug) == 0);
}

/* Each of the other options does what it says. */
static void other_options(void)
{
    told heard;
    zigalloc_counting *counting = zigalloc_counting_create(zigalloc_page_allocator());
    zigalloc_debug_options options = listened(&heard);
    zigalloc_debug *debug;
    zigalloc_allocator a;
    unsigned char *large, *small;
    size_t blocks;
    CHECK(counting != NULL);

    /* Nothing goes back to the child until the retained metadata is flushed. */
    options.never_unmap = options.retain_metadata = true;
    debug = zigalloc_debug_create_with(zigalloc_counting_allocator(counting), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    large = (unsigned char *)zigalloc_alloc(a, 100000, 0);
    CHECK(large != NULL);
    large[0] = 'x';
    blocks = child_blocks(counting);
    zigalloc_free(a, large, 100000, 0);
    CHECK(child_blocks(counting) == blocks && large[0] == 'x');
    zigalloc_free(a, large, 100000, 0);
    CHECK(heard.kind == ZIGALLOC_DOUBLE_FREE && heard.first_free_frames > 0);
    zigalloc_debug_flush_retained_metadata(debug);
    CHECK(child_blocks(counting) < blocks);
    CHECK(zigalloc_debug_destroy(debug) == 0 && child_blocks(counting) == 0);

    /* A quarantine keeps a large block for a while. */
    options = listened(&heard);
    options.quarantine = 1 << 20;
    debug = zigalloc_debug_create_with(zigalloc_counting_allocator(counting), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    large = (unsigned char *)zigalloc_alloc(a, 100000, 0);
    CHECK(large != NULL);
    blocks = child_blocks(counting);
    zigalloc_free(a, large, 100000, 0);
    CHECK(child_blocks(counting) == blocks);
    CHECK(zigalloc_debug_destroy(debug) == 0 && child_blocks(counting) == 0);

    /* Without safety a wrong length is not compared. A page of 4 KiB has small blocks of up to 1 KiB. */
    options = listened(&heard);
    options.no_safety = options.single_threaded = options.verbose_log = true;
    options.page_size = 4096;
    options.canary = 0x1234;
    options.stack_trace_frames = ZIGALLOC_NO_FRAMES;
    debug = zigalloc_debug_create_with(zigalloc_counting_allocator(counting), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    small = (unsigned char *)zigalloc_alloc(a, 1024, 0);
    blocks = child_blocks(counting);
    CHECK(small != NULL && zigalloc_alloc(a, 1024, 0) != NULL && child_blocks(counting) == blocks);
    zigalloc_free(a, small, 1023, 0);
    CHECK(heard.reports == 0);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.frames == 0 && child_blocks(counting) == 0);

    /* A resize becomes the allocation. */
    options = listened(&heard);
    options.resize_stack_traces = true;
    debug = zigalloc_debug_create_with(zigalloc_counting_allocator(counting), &options);
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    small = (unsigned char *)zigalloc_alloc(a, 100, 0);
    CHECK(small != NULL && zigalloc_resize(a, small, 100, 0, 110));
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.total_len == 110);
    zigalloc_counting_destroy(counting);
}

/* Without options, and with the struct of a program that knows only the first of them. */
static void sizes_of_the_options(void)
{
    told heard;
    zigalloc_debug_options options = listened(&heard);
    struct {
        zigalloc_debug_options options;
        size_t later[4]; /* fields of a version to come, with their defaults */
    } newer;
    zigalloc_debug *debug = zigalloc_debug_create_with(zigalloc_page_allocator(), NULL);
    CHECK(debug != NULL);
    CHECK(zigalloc_debug_total_requested_bytes(debug) == 0 && zigalloc_debug_destroy(debug) == 0);

    options.size = offsetof(zigalloc_debug_options, stack_trace_frames);
    options.page_size = 3; /* beyond the size, so not looked at */
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(debug != NULL && zigalloc_alloc(zigalloc_debug_allocator(debug), 100, 0) != NULL);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.reports == 1);

    options = listened(&heard);
    options.size = offsetof(zigalloc_debug_options, leak_limit);
    options.leak_limit = ZIGALLOC_NO_LEAK_REPORTS;
    options.skip_frames_count = 1; /* of a list that is NULL */
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
    CHECK(debug != NULL && zigalloc_alloc(zigalloc_debug_allocator(debug), 100, 0) != NULL);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.reports == 1 && heard.kind == ZIGALLOC_LEAK);

    memset(&newer, 0, sizeof newer);
    newer.options = listened(&heard);
    newer.options.size = sizeof newer;
    debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &newer.options);
    CHECK(debug != NULL && zigalloc_alloc(zigalloc_debug_allocator(debug), 100, 0) != NULL);
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard.reports == 1);
}

/* The counters are those of Zig's FailingAllocator. */
static void failing_at_an_index(void)
{
    zigalloc_failing_at *failing_at = zigalloc_failing_at_create(zigalloc_c_allocator(), 2, 1);
    zigalloc_failing_at_counts counts;
    zigalloc_allocator a;
    void *one, *two;
    CHECK(failing_at != NULL);
    a = zigalloc_failing_at_allocator(failing_at);
    one = zigalloc_alloc(a, 100, 0);
    two = zigalloc_alloc(a, 200, 3);
    CHECK(one != NULL && two != NULL && !zigalloc_failing_at_has_induced_failure(failing_at));
    CHECK(zigalloc_resize(a, one, 100, 0, 60));
    CHECK(!zigalloc_resize(a, one, 60, 0, 50));
    CHECK(!zigalloc_failing_at_has_induced_failure(failing_at)); /* refused resizes do not count */
    CHECK(zigalloc_alloc(a, 1, 0) == NULL && zigalloc_failing_at_has_induced_failure(failing_at));
    CHECK(zigalloc_alloc(a, 1, 0) == NULL);
    zigalloc_failing_at_snapshot(failing_at, &counts);
    CHECK(counts.alloc_index == 2 && counts.resize_index == 1);
    CHECK(counts.allocated_bytes == 300 && counts.freed_bytes == 40);
    CHECK(counts.allocations == 2 && counts.deallocations == 0);
#ifdef __GNUC__
    CHECK(counts.stack_addresses[0] != 0);
#endif

    zigalloc_failing_at_set_fail_index(failing_at, SIZE_MAX);
    zigalloc_failing_at_set_resize_fail_index(failing_at, SIZE_MAX);
    two = zigalloc_realloc(a, two, 200, 3, 20);
    CHECK(two != NULL);
    zigalloc_free(a, zigalloc_alloc(a, 1, 0), 1, 0);
    zigalloc_free(a, one, 60, 0);
    zigalloc_free(a, two, 20, 3);
    zigalloc_failing_at_snapshot(failing_at, &counts);
    CHECK(counts.allocated_bytes == counts.freed_bytes && counts.allocations == counts.deallocations);
    zigalloc_failing_at_destroy(failing_at);
}

/* Dirty memory comes back as zeros. */
static void zeroed(void)
{
    static unsigned char buffer[100];
    zigalloc_fixed_buffer *fixed_buffer =
        zigalloc_fixed_buffer_create(zigalloc_c_allocator(), memset(buffer, 0xAA, sizeof buffer), sizeof buffer);
    zigalloc_allocator a;
    unsigned char *memory;
    size_t i;
    CHECK(fixed_buffer != NULL);
    a = zigalloc_fixed_buffer_allocator(fixed_buffer);
    memory = (unsigned char *)zigalloc_alloc_zeroed(a, 40, 0);
    CHECK(memory == buffer);
    for (i = 0; i < 40; i++) CHECK(memory[i] == 0);
    CHECK(memory[40] == 0xAA);
    CHECK(zigalloc_alloc_zeroed(a, 100, 0) == NULL && zigalloc_alloc_zeroed(a, SIZE_MAX, 0) == NULL);
    CHECK(zigalloc_alloc_zeroed(a, 0, 3) == zigalloc_alloc(a, 0, 3));
    zigalloc_fixed_buffer_destroy(fixed_buffer);
}

static void slabs_of_smp(void)
{
    zigalloc_allocator smp = zigalloc_smp_allocator();
    void *memory = zigalloc_alloc(smp, 1000, 3);
    CHECK(memory != NULL && zigalloc_smp_slab_bytes() >= 1000);
    zigalloc_smp_set_kept_limit((size_t)1 << 20);
    (void)zigalloc_smp_trim();
    CHECK(zigalloc_smp_kept_bytes() <= (size_t)1 << 20);
    zigalloc_free(smp, memory, 1000, 3);
}

int main(void)
{
    each_kind_is_counted_and_told();
    frames();
    limits();
    other_options();
    sizes_of_the_options();
    failing_at_an_index();
    zeroed();
    slabs_of_smp();
    CHECK(zigalloc_failing_at_create(zigalloc_failing_allocator(), 0, 0) == NULL);
    CHECK(zigalloc_debug_create_with(zigalloc_failing_allocator(), NULL) == NULL);
    zigalloc_failing_at_destroy(NULL);
    return 0;
}

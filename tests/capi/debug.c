/* The debug allocator with options, its counts and its reports, and the allocator that fails at an index. */
#include <stdio.h>
#include <stdlib.h>

#include "zigalloc.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);  \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* What the report function has been told. */
typedef struct told {
    size_t reports;
    int kind, operation;
    uintptr_t address, inside, site;
    size_t len, recorded_len, overrun, count, total_len, left_out, frames, first_free_frames;
    size_t leaks, leaked_blocks, leaked_bytes; /* reports of this kind, and what they were about */
    uint8_t alignment_log2, recorded_alignment_log2;
    char text[4000];
    size_t text_len;
    zigalloc_allocator a; /* used by the report function, if it has a table */
} told;

static void listen(void *user_data, const zigalloc_debug_report *report)
{
    told *self = (told *)user_data;
    char small[10];
    CHECK(report->size >= offsetof(zigalloc_debug_report, recorded_alignment_log2) + 1);
    self->reports++;
    self->kind = report->kind;
    self->operation = report->operation;
    self->address = report->address;
    self->inside = report->inside;
    self->len = report->len;
    self->recorded_len = report->recorded_len;
    self->overrun = report->overrun;
    self->count = report->count;
    self->total_len = report->total_len;
    self->left_out = report->left_out;
    if (report->kind == ZIGALLOC_LEAK) {
        self->leaks++;
        self->leaked_blocks += report->count;
        self->leaked_bytes += report->total_len;
    }
    self->alignment_log2 = report->alignment_log2;
    self->recorded_alignment_log2 = report->recorded_alignment_log2;
    self->site = report->site.count > 0 ? report->site.addresses[0] : 0;
    self->frames = report->allocation.count;
    self->first_free_frames = report->first_free.count;

    self->text_len = zigalloc_debug_report_text(report, self->text, sizeof self->text);
    CHECK(self->text_len < sizeof self->text && strlen(self->text) == self->text_len);
    CHECK(zigalloc_debug_report_text(report, small, sizeof small) == self->text_len);
    CHECK(strlen(small) == sizeof small - 1 && strncmp(self->text, small, sizeof small - 1) == 0);
    CHECK(zigalloc_debug_report_text(report, NULL, 0) == self->text_len);
    if (self->a.vtable != NULL) zigalloc_free(self->a, zigalloc_alloc(self->a, 40, 3), 40, 3);
}

static zigalloc_debug_options listened(told *self)
{
    zigalloc_debug_options options;
    memset(&options, 0, sizeof options);
    memset(self, 0, sizeof *self);
    options.size = sizeof options;
    options.report = listen;
    options.user_data = self;
    return options;
}

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

/* What a call of the child was. */
static size_t child_blocks(const zigalloc_counting *counting)
{
    zigalloc_counts counts;
    zigalloc_counting_snapshot(counting, &counts);
    return (size_t)counts.live_blocks;
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

/* What is told of leaks with these options: `blocks` blocks of 10 bytes from one place, then 2 of 3,000 bytes from
 * another. */
static size_t leak_with(zigalloc_debug_options *options, size_t blocks)
{
    zigalloc_debug *debug = zigalloc_debug_create_with(zigalloc_page_allocator(), options);
    told *heard = (told *)options->user_data;
    zigalloc_allocator a;
    /* That a compiler does not unroll the loop, which makes two places of it. */
    volatile size_t two = 2;
    size_t i, more_leaks;
    CHECK(debug != NULL);
    a = zigalloc_debug_allocator(debug);
    for (i = 0; i < blocks; i++) CHECK(zigalloc_alloc(a, 10, 0) != NULL);
    for (i = 0; i < two; i++) CHECK(zigalloc_alloc(a, 3000, 0) != NULL);
    CHECK(zigalloc_debug_detect_leaks(debug) == blocks + 2);
    /* Those that are left out are counted, too, and not as anything else. */
    more_leaks = heard->kind == ZIGALLOC_MORE_LEAKS ? heard->count : 0;
    CHECK(zigalloc_debug_count(debug, ZIGALLOC_LEAK) == blocks + 2);
    CHECK(zigalloc_debug_count(debug, ZIGALLOC_MORE_LEAKS) == more_leaks);
    CHECK(zigalloc_debug_total_count(debug) == blocks + 2);
    CHECK(heard->leaked_blocks + more_leaks == blocks + 2);
    CHECK(heard->leaked_bytes + (more_leaks > 0 ? heard->total_len : 0) == blocks * 10 + 6000);
    i = heard->reports;
    zigalloc_debug_destroy(debug);
    CHECK(heard->reports == 2 * i);
    return i;
}

/* The leaks of one place are one report, and there is a limit of reports. */
static void leaks_are_grouped_and_limited(void)
{
    told heard;
    zigalloc_debug_options options = listened(&heard);

    /* The small ones are told first. */
    CHECK(leak_with(&options, 100) == 2 && heard.kind == ZIGALLOC_LEAK && heard.left_out == 0);
    CHECK(heard.count == 2 && heard.total_len == 6000 && heard.recorded_len == 3000);

    options = listened(&heard);
    options.leak_limit = 1; /* those with the most bytes stay */
    CHECK(leak_with(&options, 100) == 2 && heard.kind == ZIGALLOC_MORE_LEAKS && heard.left_out == 1);
    CHECK(heard.count == 100 && heard.total_len == 1000 && heard.address == 0);

    options = listened(&heard);
    options.ungrouped_leaks = true;
    CHECK(leak_with(&options, 98) == 100 && heard.kind == ZIGALLOC_LEAK && heard.count == 1);

    options = listened(&heard);
    options.ungrouped_leaks = true; /* 100 is the default limit */
    CHECK(leak_with(&options, 103) == 101 && heard.kind == ZIGALLOC_MORE_LEAKS && heard.left_out == 5);
    CHECK(heard.count == 5 && heard.total_len == 50 && strstr(heard.text, "5 more leaks") != NULL);

    options = listened(&heard);
    options.ungrouped_leaks = true;
    options.leak_limit = 3;
    CHECK(leak_with(&options, 100) == 4 && heard.kind == ZIGALLOC_MORE_LEAKS && heard.left_out == 99);

    options = listened(&heard);
    options.ungrouped_leaks = true;
    options.leak_limit = SIZE_MAX;
    CHECK(leak_with(&options, 500) == 502 && heard.kind == ZIGALLOC_LEAK);

    options = listened(&heard);
    options.leak_limit = ZIGALLOC_NO_LEAK_REPORTS;
    CHECK(leak_with(&options, 100) == 1 && heard.kind == ZIGALLOC_MORE_LEAKS && heard.left_out == 2);
    CHECK(heard.count == 102 && heard.total_len == 7000);
}

/* A hundred blocks from one place are one report, and without groups a hundred. */
static void a_hundred_leaks_of_one_place_are_one_report(void)
{
    bool grouped;
    for (grouped = true;; grouped = false) {
        told heard;
        zigalloc_debug_options options = listened(&heard);
        zigalloc_debug *debug;
        size_t i;
        options.ungrouped_leaks = !grouped;
        debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
        CHECK(debug != NULL);
        for (i = 0; i < 100; i++) CHECK(zigalloc_alloc(zigalloc_debug_allocator(debug), 64, 0) != NULL);
        CHECK(zigalloc_debug_destroy(debug) == 100);
        CHECK(heard.reports == (grouped ? 1 : 100) && heard.leaked_blocks == 100 && heard.leaked_bytes == 6400);
        CHECK(heard.count == (grouped ? 100 : 1) && heard.total_len == (grouped ? 6400 : 64));
        CHECK((strstr(heard.text, "100 blocks, 6,400 bytes") != NULL) == grouped);
        if (!grouped) break;
    }
}

/* A library of C, by the name of its file, and a function that programs have. */
#ifdef __GNUC__
#define OUT_OF_LINE __attribute__((noinline, noclone))
#else
#define OUT_OF_LINE
#endif
static void *in_the_library(zigalloc_allocator a);
OUT_OF_LINE static void *xmalloc(zigalloc_allocator a)
{
    void *memory = in_the_library(a);
    CHECK(memory != NULL);
    return memory;
}

/* The text of a leak that a function of a library made, which the program's `xmalloc` called. */
static void leak_by_way_of_a_library(told *heard, const char *const *names, size_t count)
{
    /* They need not live on. */
    char texts[2][20];
    const char *copies[2] = {texts[0], texts[1]};
    zigalloc_debug_options options = listened(heard);
    zigalloc_counting *counting = zigalloc_counting_create(zigalloc_page_allocator());
    zigalloc_debug *debug;
    size_t i;
    CHECK(counting != NULL && count <= 2);
    for (i = 0; i < count; i++) strcpy(texts[i], names[i]);
    options.skip_frames = names == NULL ? NULL : copies;
    options.skip_frames_count = count;
    options.stack_trace_frames = 1;
    debug = zigalloc_debug_create_with(zigalloc_counting_allocator(counting), &options);
    CHECK(debug != NULL);
    memset(texts, 'x', sizeof texts);
    memset(copies, 0, sizeof copies);
    memset(&options, 0, sizeof options);
    xmalloc(zigalloc_debug_allocator(debug)); /* the program */
    CHECK(zigalloc_debug_destroy(debug) == 1 && heard->reports == 1 && heard->frames == 1);
    CHECK(child_blocks(counting) == 0);
    zigalloc_counting_destroy(counting);
}

static void skipped_frames(void)
{
    const char *const names[] = {"slab", "xmalloc"};
    told heard;
    /* The default is not Rust's, which has that name. */
    leak_by_way_of_a_library(&heard, NULL, 0);
    CHECK(strstr(heard.text, "slab/src/slab.c:") != NULL && strstr(heard.text, "debug.c:") == NULL);
    leak_by_way_of_a_library(&heard, names, 0);
    CHECK(strstr(heard.text, "slab/src/slab.c:") != NULL && strstr(heard.text, "debug.c:") == NULL);
    leak_by_way_of_a_library(&heard, names, 1);
    CHECK(strstr(heard.text, "slab.c:") == NULL && strstr(heard.text, "xmalloc") != NULL);
    leak_by_way_of_a_library(&heard, names, 2);
    CHECK(strstr(heard.text, "slab.c:") == NULL && strstr(heard.text, "xmalloc") == NULL);
    CHECK(strstr(heard.text, "leak_by_way_of_a_library") != NULL);
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
    zigalloc_free(smp, memory, 1000, 3);
}

int main(void)
{
    each_kind_is_counted_and_told();
    frames();
    limits();
    other_options();
    leaks_are_grouped_and_limited();
    a_hundred_leaks_of_one_place_are_one_report();
    skipped_frames();
    sizes_of_the_options();
    failing_at_an_index();
    zeroed();
    slabs_of_smp();
    CHECK(zigalloc_failing_at_create(zigalloc_failing_allocator(), 0, 0) == NULL);
    CHECK(zigalloc_debug_create_with(zigalloc_failing_allocator(), NULL) == NULL);
    zigalloc_failing_at_destroy(NULL);
    return 0;
}

/* The debug information says that this is in a file of a library. It has to be the last of this file. */
#line 1 "/libraries/slab/src/slab.c"
OUT_OF_LINE static void *in_the_library(zigalloc_allocator a)
{
    void *memory = zigalloc_alloc(a, 24, 0);
    CHECK(memory != NULL);
    return memory;
}

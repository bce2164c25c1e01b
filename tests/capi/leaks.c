/* The reports of leaks: groups, their limit, and what traces leave out. */
#include "told.h"

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
    CHECK(strstr(heard.text, "slab/src/slab.c:") != NULL && strstr(heard.text, "leaks.c:") == NULL);
    leak_by_way_of_a_library(&heard, names, 0);
    CHECK(strstr(heard.text, "slab/src/slab.c:") != NULL && strstr(heard.text, "leaks.c:") == NULL);
    leak_by_way_of_a_library(&heard, names, 1);
    CHECK(strstr(heard.text, "slab.c:") == NULL && strstr(heard.text, "xmalloc") != NULL);
    leak_by_way_of_a_library(&heard, names, 2);
    CHECK(strstr(heard.text, "slab.c:") == NULL && strstr(heard.text, "xmalloc") == NULL);
    CHECK(strstr(heard.text, "leak_by_way_of_a_library") != NULL);
}

int main(void)
{
    leaks_are_grouped_and_limited();
    a_hundred_leaks_of_one_place_are_one_report();
    skipped_frames();
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

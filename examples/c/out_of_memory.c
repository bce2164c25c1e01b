/* Tests how a function handles running out of memory: each of its allocations fails once, and nothing may leak.
 *
 *     cc -g out_of_memory.c $(pkg-config --cflags --libs zigalloc) -o out_of_memory && ./out_of_memory
 */
#include <stdio.h>

#include "zigalloc.h"

typedef struct list {
    struct list *next;
    char *name;
    size_t name_len;
} list;

static void list_free(zigalloc_allocator a, list *first)
{
    while (first != NULL) {
        list *next = first->next;
        zigalloc_free(a, first->name, first->name_len, 0);
        zigalloc_free(a, first, sizeof *first, zigalloc_log2(sizeof(void *)));
        first = next;
    }
}

/* The function under test: returns a list of `count` names, or NULL when out of memory. */
static list *list_of(zigalloc_allocator a, int count)
{
    list *first = NULL;
    int i;
    for (i = 0; i < count; i++) {
        list *item = (list *)zigalloc_alloc_zeroed(a, sizeof *item, zigalloc_log2(sizeof(void *)));
        if (item == NULL) break;
        item->next = first;
        first = item;
        item->name_len = 20;
        item->name = (char *)zigalloc_alloc(a, item->name_len, 0);
        if (item->name == NULL) {
            item->name_len = 0;
            break;
        }
        snprintf(item->name, item->name_len, "number %d", i);
    }
    if (i == count) return first;
    list_free(a, first);
    return NULL;
}

/* Prints and counts a mistake. */
static void report(void *user_data, const zigalloc_debug_report *mistake)
{
    char text[4096];
    zigalloc_debug_report_text(mistake, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    ++*(int *)user_data;
}

int main(void)
{
    int mistakes = 0;
    size_t n;
    bool has_failed;
    zigalloc_debug_options options = {0};
    options.size = sizeof options;
    options.report = report;
    options.user_data = &mistakes;

    n = 0;
    do {
        /* Allocation n and all later ones fail. The debug allocator below finds leaks and double frees. */
        zigalloc_debug *debug = zigalloc_debug_create_with(zigalloc_page_allocator(), &options);
        zigalloc_failing_at *failing_at =
            debug == NULL ? NULL : zigalloc_failing_at_create(zigalloc_debug_allocator(debug), n, SIZE_MAX);
        zigalloc_allocator a;
        list *names;
        if (failing_at == NULL) {
            fprintf(stderr, "out_of_memory: out of memory in the test itself\n");
            zigalloc_debug_destroy(debug);
            return 1;
        }
        a = zigalloc_failing_at_allocator(failing_at);
        names = list_of(a, 3);
        has_failed = zigalloc_failing_at_has_induced_failure(failing_at);
        if ((names == NULL) != has_failed) {
            fprintf(stderr, "out_of_memory: the function's result does not match whether allocation %zu failed\n", n);
            mistakes++;
        }
        list_free(a, names);
        zigalloc_failing_at_destroy(failing_at);
        zigalloc_debug_destroy(debug);
        n++;
    } while (has_failed);

    printf("each of %zu allocations failed once; %d mistakes\n", n - 1, mistakes);
    return mistakes == 0 ? 0 : 1;
}

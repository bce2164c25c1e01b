/* Runs SQLite on an allocator of the library.
 *
 *     cc -O2 -g sqlite.c $(pkg-config --cflags --libs zigalloc sqlite3) -o sqlite
 *     ./sqlite                the debug allocator: mistakes and leaks of SQLite, or of the code that uses it
 *     ./sqlite smp            without the debug allocator
 *     ./sqlite oom            each allocation fails once; SQLite must report it, and lose nothing
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "zigalloc.h"

/* SQLite's functions take no context, so the allocator is a variable. It is set before SQLite starts. */
static zigalloc_allocator a;

static void *mem_malloc(int size)
{
    return zigalloc_malloc(a, (size_t)size);
}

static void mem_free(void *memory)
{
    zigalloc_malloc_free(a, memory);
}

static void *mem_realloc(void *memory, int size)
{
    return zigalloc_malloc_realloc(a, memory, (size_t)size);
}

/* The size of a block. SQLite passes no NULL. */
static int mem_size(void *memory)
{
    return (int)zigalloc_malloc_usable_size(a, memory);
}

/* SQLite wants multiples of 8. */
static int mem_roundup(int size)
{
    return (size + 7) & ~7;
}

static int mem_init(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void mem_shutdown(void *data)
{
    (void)data;
}

static const sqlite3_mem_methods methods = {mem_malloc, mem_free,     mem_realloc, mem_size,
                                            mem_roundup, mem_init, mem_shutdown, NULL};

static const char script[] =
    "CREATE TABLE words (word TEXT PRIMARY KEY, count INTEGER);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
    " INSERT INTO words SELECT 'word' || (i % 100), 1 FROM n WHERE true"
    " ON CONFLICT (word) DO UPDATE SET count = count + 1;";

/* Whether the script ran and its result is right; *error is SQLite's result. */
static int run(int *error)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int right = 0;
    *error = sqlite3_initialize();
    if (*error == SQLITE_OK) *error = sqlite3_open(":memory:", &database);
    if (*error == SQLITE_OK) *error = sqlite3_exec(database, script, NULL, NULL, NULL);
    if (*error == SQLITE_OK) {
        *error = sqlite3_prepare_v2(database, "SELECT count(*), sum(count) FROM words", -1, &statement, NULL);
    }
    if (*error == SQLITE_OK) {
        *error = sqlite3_step(statement);
        if (*error == SQLITE_ROW) {
            right = sqlite3_column_int(statement, 0) == 100 && sqlite3_column_int(statement, 1) == 2000;
            *error = SQLITE_OK;
        }
    }
    sqlite3_finalize(statement);
    sqlite3_close(database);
    sqlite3_shutdown();
    return right;
}

/* SQLite must survive each failure: report no memory, or do without. */
static int out_of_memory(void)
{
    size_t fail_index, failures = 0;
    for (fail_index = 0;; fail_index += 1 + fail_index / 20) {
        zigalloc_failing_at *failing = zigalloc_failing_at_create(zigalloc_smp_allocator(), fail_index, SIZE_MAX);
        zigalloc_failing_at_counts counts;
        int error, right, failed;
        if (failing == NULL) return 1;
        a = zigalloc_failing_at_allocator(failing);
        right = run(&error);
        failed = zigalloc_failing_at_has_induced_failure(failing);
        zigalloc_failing_at_snapshot(failing, &counts);
        zigalloc_failing_at_destroy(failing);
        if (counts.allocated_bytes != counts.freed_bytes) {
            fprintf(stderr, "sqlite: %zu bytes are lost when allocation %zu fails\n",
                    counts.allocated_bytes - counts.freed_bytes, fail_index);
            return 1;
        }
        if (!right && (error != SQLITE_NOMEM || !failed)) {
            fprintf(stderr, "sqlite: error %d when allocation %zu fails\n", error, fail_index);
            return 1;
        }
        if (!failed) break;
        failures++;
    }
    printf("%zu failures, none lost a byte\n", failures);
    return failures < 10;
}

int main(int argc, char **argv)
{
    zigalloc_debug *debug = NULL;
    zigalloc_counting *counting;
    zigalloc_counts counts;
    int error, failed;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) return 1;
    if (argc > 1 && strcmp(argv[1], "oom") == 0) return out_of_memory();
    if (argc > 1 && strcmp(argv[1], "smp") == 0) a = zigalloc_smp_allocator();
    else {
        debug = zigalloc_debug_create(zigalloc_page_allocator());
        if (debug == NULL) return 1;
        a = zigalloc_debug_allocator(debug);
    }
    counting = zigalloc_counting_create(a);
    if (counting == NULL) return 1;
    a = zigalloc_counting_allocator(counting);
    failed = !run(&error);
    if (failed) fprintf(stderr, "sqlite: error %d\n", error);
    zigalloc_counting_snapshot(counting, &counts);
    printf("%llu blocks, at most %llu bytes at once, %llu left\n", (unsigned long long)counts.alloc_calls,
           (unsigned long long)counts.peak_live_bytes, (unsigned long long)counts.live_blocks);
    if (counts.alloc_calls == 0 || counts.live_blocks != 0) failed = 1;
    zigalloc_counting_destroy(counting);
    /* The reports have already been printed. */
    if (debug != NULL) {
        if (zigalloc_debug_total_count(debug) != 0) failed = 1;
        if (zigalloc_debug_destroy(debug) != 0) failed = 1;
    }
    return failed;
}

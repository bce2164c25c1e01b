/* What the programs that test the debug allocator share: what its report function has been told. */
#ifndef TOLD_H
#define TOLD_H

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

/* How many blocks of the child there are. */
static size_t child_blocks(const zigalloc_counting *counting)
{
    zigalloc_counts counts;
    zigalloc_counting_snapshot(counting, &counts);
    return (size_t)counts.live_blocks;
}

#endif

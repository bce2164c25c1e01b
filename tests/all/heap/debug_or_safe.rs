//! The table of `docs/debug_or_safe.md`: what the two allocators report of twelve mistakes.
#![cfg(all(feature = "std", not(target_family = "wasm")))]

use std::ptr::NonNull;

use zigalloc::heap::debug::ReportKind;
use zigalloc::heap::{DebugAllocator, DebugConfig, SafeAllocator, SafeOptions};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::Bump;

/// A mistake, with the name that it has in the table.
type Mistake = (&'static str, fn(Allocator<'_>));

fn alloc(a: Allocator<'_>, len: usize) -> NonNull<[u8]> {
    // SAFETY: the length is not zero.
    let memory = unsafe { a.raw_alloc(len, Alignment::_8, 0) }.expect("memory");
    // SAFETY: a new block.
    unsafe { memory.write_bytes(0xEE, len) };
    NonNull::slice_from_raw_parts(memory, len)
}

fn free(a: Allocator<'_>, memory: NonNull<[u8]>) {
    free_as(a, memory, Alignment::_8);
}

fn free_as(a: Allocator<'_>, memory: NonNull<[u8]>, alignment: Alignment) {
    // SAFETY: a live block, or a mistake that both allocators find.
    unsafe { a.raw_free(memory, alignment, 0) };
}

fn part(memory: NonNull<[u8]>, from: usize, len: usize) -> NonNull<[u8]> {
    let start = memory.as_ptr().cast::<u8>().wrapping_add(from);
    NonNull::slice_from_raw_parts(NonNull::new(start).expect("an address"), len)
}

/// Writes `count` bytes from this offset on, which are in memory of the allocator.
fn write(memory: NonNull<[u8]>, from: usize, count: usize) {
    // SAFETY: a mistake, but the pointer may access the child's block, which has these bytes.
    unsafe { memory.cast::<u8>().add(from).write_bytes(1, count) };
}

/// A block before the one that the mistake is about, and one after it, keep its page or bucket alive.
fn between(a: Allocator<'_>, len: usize, mistake: impl FnOnce(NonNull<[u8]>)) {
    let (before, memory, after) = (alloc(a, len), alloc(a, len), alloc(a, len));
    mistake(memory);
    free(a, before);
    free(a, after);
}

const MISTAKES: [Mistake; 12] = [
    ("a small block is freed twice", |a| between(a, 64, |b| (0..2).for_each(|_| free(a, b)))),
    ("a large block is freed twice", |a| between(a, 50_000, |b| (0..2).for_each(|_| free(a, b)))),
    ("a block is resized after its free", |a| {
        between(a, 64, |b| {
            free(a, b);
            // SAFETY: a mistake that both allocators find.
            assert!(!unsafe { a.raw_resize(b, Alignment::_8, 70, 0) });
        });
    }),
    ("an address inside a block is freed", |a| {
        between(a, 64, |b| {
            free(a, part(b, 8, 56));
            free(a, b);
        });
    }),
    ("a variable on the stack is freed", |a| free(a, NonNull::from(&mut [0_u8; 64]))),
    ("a block is freed with a shorter length", |a| between(a, 64, |b| free(a, part(b, 0, 60)))),
    ("a block is freed with another alignment", |a| between(a, 64, |b| free_as(a, b, Alignment::_4))),
    ("a byte is written after a block of 21 bytes", |a| {
        between(a, 21, |b| {
            write(b, 21, 1);
            free(a, b);
        });
    }),
    ("a word is written after a block of 64 bytes", |a| {
        between(a, 64, |b| {
            write(b, 64, 8);
            free(a, b);
        });
    }),
    ("a word is written after a large block", |a| {
        between(a, 50_000, |b| {
            write(b, 50_000, 8);
            free(a, b);
        });
    }),
    ("a freed block is written to", |a| {
        between(a, 64, |b| {
            free(a, b);
            write(b, 10, 1);
        });
    }),
    ("a block is never freed", |a| between(a, 64, |_| ())),
];

const KINDS: [ReportKind; 8] = [
    ReportKind::DoubleFree,
    ReportKind::InvalidFree,
    ReportKind::WrongLength,
    ReportKind::WrongAlignment,
    ReportKind::Overrun,
    ReportKind::Corruption,
    ReportKind::WriteAfterFree,
    ReportKind::Leak,
];

/// The first kind that is reported, as the table has it.
fn found(count: impl Fn(ReportKind) -> usize) -> String {
    let first = KINDS.iter().find(|&&kind| count(kind) > 0);
    first.map_or("–".to_owned(), |kind| format!("`{kind:?}`"))
}

/// SA-20, SA-21, SA-22, SA-24, SA-25, SA-27, SA-29, SA-30, DA-30, DA-33, DA-35, DA-38: each row of the table is what
/// both allocators report, and there are no others.
#[test]
fn table_of_mistakes_is_true() {
    let document = include_str!("../../../docs/debug_or_safe.md");
    for (name, mistake) in MISTAKES {
        // The child keeps memory, so that a write after a large block does no harm.
        let bump = Bump::new(0, 1 << 20);
        let config = DebugConfig { safety: true, report: |_| (), ..DebugConfig::DEFAULT };
        let config = DebugConfig { page_size: 64 << 10, stack_trace_frames: 0, ..config };
        let debug = DebugAllocator::with_config(bump.allocator(), config);
        mistake(debug.allocator());
        debug.detect_leaks();
        let in_debug = found(|kind| debug.count(kind));
        debug.deinit_without_leak_checks();

        let bump = Bump::new(0, 1 << 20);
        let options = SafeOptions { check_write_after_free: true, abort: false, ..SafeOptions::DEFAULT };
        let options = SafeOptions { report: |_| (), stack_trace_frames: 0, ..options };
        let mut safe = SafeAllocator::init(bump.allocator(), options);
        mistake(safe.allocator());
        safe.reset();
        let in_safe = found(|kind| safe.count(kind));

        let row = format!("| {name} | {in_debug} | {in_safe} |");
        assert!(document.lines().any(|line| line == row), "missing: {row}");
    }
    let rows = document.lines().filter(|line| line.starts_with("| a")).count();
    assert_eq!(rows, MISTAKES.len());
}

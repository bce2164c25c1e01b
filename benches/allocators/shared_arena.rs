//! The lock-free arena compared with a lock around the single-threaded arena, with 1, 2 and 4 threads.
//!
//! Both keep their memory across resets, so that after the first samples no row measures the child.

use std::hint::black_box;
use std::ptr::NonNull;

use criterion::Criterion;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
use zigalloc::{Alignment, SyncAllocator, ThreadSafeAllocator};

use crate::pairs::{Pairs, time_threads};

const BLOCK: usize = 64;

/// Allocates and never frees.
fn only_alloc(handle: SyncAllocator<'_>) -> impl FnMut() {
    move || {
        // SAFETY: the length is not zero.
        black_box(unsafe { handle.raw_alloc(black_box(BLOCK), Alignment::_8, 0) }.expect("enough room"));
    }
}

/// Allocates 8 to 256 bytes, and frees seven of eight blocks immediately.
fn alloc_and_free(handle: SyncAllocator<'_>) -> impl FnMut() {
    let mut n = 0usize;
    move || {
        n += 1;
        let len = black_box(8 + n * 31 % 249);
        // SAFETY: the length is not zero; the freed block was allocated in the line above.
        unsafe {
            let memory = black_box(handle.raw_alloc(len, Alignment::_8, 0).expect("enough room"));
            if n % 8 != 0 {
                handle.raw_free(NonNull::slice_from_raw_parts(memory, len), Alignment::_8, 0);
            }
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    row(criterion, pairs, "64 B, no free", only_alloc);
    row(criterion, pairs, "8-256 B, 7 of 8 freed", alloc_and_free);
}

fn row<W: FnMut()>(
    criterion: &mut Criterion,
    pairs: &mut Pairs,
    name: &str,
    worker: fn(SyncAllocator<'static>) -> W,
) {
    for threads in [1, 2, 4] {
        let mut shared = SharedArenaAllocator::init(PAGE_ALLOCATOR);
        let ours = |n| {
            let time = {
                let handle = black_box(shared.allocator());
                // SAFETY: the workers and their copies of the handle end before `time_threads` returns.
                let handle = unsafe { SyncAllocator::from_raw_parts(handle.ptr(), handle.vtable()) };
                time_threads(threads, n, || worker(handle))
            };
            _ = shared.reset(ResetMode::RetainCapacity);
            time
        };
        let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let theirs = |n| {
            let time = {
                let locked = ThreadSafeAllocator::new(&mut arena);
                let handle = black_box(locked.allocator());
                // SAFETY: as above.
                let handle = unsafe { SyncAllocator::from_raw_parts(handle.ptr(), handle.vtable()) };
                time_threads(threads, n, || worker(handle))
            };
            _ = arena.reset(ResetMode::RetainCapacity);
            time
        };
        let name = format!("{name}, {threads} threads: shared arena / lock + arena");
        pairs.row(criterion, &name, ours, theirs);
    }
}

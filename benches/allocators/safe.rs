//! The safe allocator compared with the debug allocator, with the checks of a debug build, and without the fill of freed
//! blocks.

use std::cell::RefCell;
use std::hint::black_box;
use std::ptr::NonNull;

use criterion::Criterion;
use zigalloc::heap::{C_ALLOCATOR, DebugAllocator, DebugConfig, SafeAllocator, SafeOptions};
use zigalloc::{Alignment, SyncAllocator};
use zigalloc_support::Random;

use crate::pairs::{Pairs, time, time_threads};

/// Frees the oldest of `LIVE` blocks and allocates another, per call.
struct Ring<'a, const LIVE: usize> {
    handle: SyncAllocator<'a>,
    blocks: Vec<NonNull<[u8]>>,
    next: usize,
    random: Random,
    is_random: bool,
}

impl<'a, const LIVE: usize> Ring<'a, LIVE> {
    fn new(handle: SyncAllocator<'a>, is_random: bool) -> Self {
        let mut ring =
            Ring { handle, blocks: Vec::with_capacity(LIVE), next: 0, random: Random::new(1), is_random };
        for _ in 0..LIVE {
            let memory = ring.alloc();
            ring.blocks.push(memory);
        }
        ring
    }

    #[inline(always)]
    fn alloc(&mut self) -> NonNull<[u8]> {
        let len = if self.is_random { self.random.within(16..=4096) } else { 64 };
        // SAFETY: the length is not zero.
        let memory = unsafe { self.handle.raw_alloc(black_box(len), Alignment::_8, 1) };
        NonNull::slice_from_raw_parts(memory.expect("enough memory"), len)
    }

    #[inline(always)]
    fn step(&mut self) {
        let index = if self.is_random { self.random.below(LIVE) } else { self.next };
        self.next = (self.next + 1) % LIVE;
        // SAFETY: a live block, which is replaced.
        unsafe { self.handle.raw_free(self.blocks[index], Alignment::_8, 1) };
        self.blocks[index] = self.alloc();
    }
}

impl<const LIVE: usize> Drop for Ring<'_, LIVE> {
    fn drop(&mut self) {
        for memory in self.blocks.drain(..) {
            // SAFETY: a live block.
            unsafe { self.handle.raw_free(memory, Alignment::_8, 1) };
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion, pairs: &mut Pairs) {
    for (check_write_after_free, checks) in [(true, "all checks"), (false, "no fill")] {
        let options = SafeOptions { stack_trace_frames: 0, check_write_after_free, ..SafeOptions::DEFAULT };
        let safe = SafeAllocator::init(C_ALLOCATOR, options);
        let config = DebugConfig { safety: true, stack_trace_frames: 0, ..DebugConfig::DEFAULT };
        let debug = DebugAllocator::with_config(C_ALLOCATOR, config);
        let (ours, theirs) = (black_box(safe.allocator()), black_box(debug.allocator()));
        {
            let (ours, theirs) =
                (RefCell::new(Ring::<256>::new(ours, false)), RefCell::new(Ring::<256>::new(theirs, false)));
            let name = format!("64 B, 256 live: safe, {checks} / debug");
            pairs.row(
                criterion,
                &name,
                |n| time(n, || ours.borrow_mut().step()),
                |n| time(n, || theirs.borrow_mut().step()),
            );
        }
        for threads in [1, 2] {
            pairs.row(
                criterion,
                &format!("16 to 4,096 B, 1,000 live, {threads} threads: safe, {checks} / debug"),
                |n| run(threads, n, ours),
                |n| run(threads, n, theirs),
            );
        }
    }
}

/// The rings are made before the time is taken, and dropped after.
fn run(threads: usize, iterations: u64, handle: SyncAllocator<'_>) -> std::time::Duration {
    time_threads(threads, iterations, || {
        let mut ring = Ring::<1000>::new(handle, true);
        move || ring.step()
    })
}

//! A program on a counting allocator.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::SyncAllocator;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::SMP_ALLOCATOR;
use zigalloc::trace::CountingAllocator;

mod programs;

static COUNTING: CountingAllocator<SyncAllocator<'static>> = CountingAllocator::init(SMP_ALLOCATOR);

// SAFETY: the counters are atomic, and the child uses the operating system.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(COUNTING.allocator()) };

const SCALE: usize = 1000;

/// Checks the count, since addresses do not tell.
fn is_ours<T>(_memory: *const T) -> bool {
    let before = COUNTING.snapshot().alloc.calls;
    drop(std::hint::black_box(Box::new(1)));
    COUNTING.snapshot().alloc.calls > before
}

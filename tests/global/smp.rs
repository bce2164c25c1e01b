//! A program on `GlobalAllocator::SMP`.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::SmpAllocator;

mod programs;

#[global_allocator]
static GLOBAL: GlobalAllocator = GlobalAllocator::SMP;

const SCALE: usize = 1000;

/// Nothing else in this program maps slabs.
fn is_ours<T>(_memory: *const T) -> bool {
    SmpAllocator::slab_bytes() > 0
}

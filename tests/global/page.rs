//! A program on `GlobalAllocator::PAGE`. It is slow, and there are not enough mappings for many blocks at once.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::page_size;

mod programs;

#[global_allocator]
static GLOBAL: GlobalAllocator = GlobalAllocator::PAGE;

const SCALE: usize = 40;

/// Every block starts at a page boundary.
fn is_ours<T>(memory: *const T) -> bool {
    memory.addr() % page_size() == 0
}

//! A program on `PageAllocator`, whose functions are those of `GlobalAllocator::PAGE`. It is slow, and there are not enough mappings for many blocks at once.
#![cfg(not(any(miri, target_family = "wasm")))]

use zigalloc::heap::{PageAllocator, page_size};

mod programs;

#[global_allocator]
static GLOBAL: PageAllocator = PageAllocator;

const SCALE: usize = 40;

/// Every block starts at a page boundary.
fn is_ours<T>(memory: *const T) -> bool {
    memory.addr() % page_size() == 0
}

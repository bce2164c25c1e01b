//! A program on `GlobalAllocator::C`.
#![cfg(all(not(miri), any(unix, windows, target_os = "wasi")))]

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::C_ALLOCATOR;

mod programs;

#[global_allocator]
static GLOBAL: GlobalAllocator = GlobalAllocator::C;

const SCALE: usize = 1000;

/// The C library does not tell which blocks are its own; the handle tells whose functions it has.
fn is_ours<T>(_memory: *const T) -> bool {
    std::ptr::eq(GLOBAL.allocator().vtable(), C_ALLOCATOR.vtable())
        || std::ptr::fn_addr_eq(GLOBAL.allocator().vtable().alloc, C_ALLOCATOR.vtable().alloc)
}

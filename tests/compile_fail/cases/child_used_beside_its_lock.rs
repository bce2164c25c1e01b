//! error[E0502]: access to a child that bypasses its lock.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let thread_safe = ThreadSafeAllocator::new(&mut arena);
    let _ = arena.allocator().alloc::<u8>(1);
    let _ = thread_safe.allocator().alloc::<u8>(1);
}

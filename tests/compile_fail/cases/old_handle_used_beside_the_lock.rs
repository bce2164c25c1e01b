//! error[E0502]: a lock around a child that already has a handle.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    let thread_safe = ThreadSafeAllocator::new(&mut arena);
    let _ = allocator.alloc::<u8>(1);
    let _ = thread_safe.allocator().alloc::<u8>(1);
}

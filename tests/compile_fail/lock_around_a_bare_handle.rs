//! error[E0277]: a lock around a handle, of which there may be copies.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut allocator = arena.allocator();
    let _thread_safe = ThreadSafeAllocator::new(&mut allocator);
}

//! error[E0277]: a lock around a handle that may have been copied.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut allocator = arena.allocator();
    let _thread_safe = ThreadSafeAllocator::new(&mut allocator);
}

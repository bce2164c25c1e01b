//! error[E0308]: a handle for one thread where a thread-safe one belongs.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SharedArenaAllocator};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _shared = SharedArenaAllocator::init(arena.allocator());
}

//! error[E0308]: an arena's handle used as a thread-safe one.

use zigalloc::SyncAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _allocator: SyncAllocator<'_> = arena.allocator();
}

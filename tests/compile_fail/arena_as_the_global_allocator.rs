//! error[E0308]: an arena's handle is for one thread, whatever its maker promises of it.

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _ = unsafe { GlobalAllocator::new(arena.allocator()) };
}

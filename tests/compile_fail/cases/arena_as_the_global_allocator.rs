//! error[E0308]: a global allocator needs a thread-safe handle, and an arena's is not, even with `unsafe`.

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _ = unsafe { GlobalAllocator::new(arena.allocator()) };
}

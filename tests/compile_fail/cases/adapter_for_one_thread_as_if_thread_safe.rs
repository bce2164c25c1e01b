//! error[E0277]: an arena's handle is for one thread, and so is an adapter around it.

use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let adapter = FromAllocator::new(arena.allocator());
    let _ = adapter.thread_safe_allocator();
}

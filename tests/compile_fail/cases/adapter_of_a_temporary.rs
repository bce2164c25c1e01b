//! error[E0716]: the handle refers to an adapter that is dropped at the end of the statement.

use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = FromAllocator::new(arena.allocator()).allocator();
    let _ = allocator.alloc::<u8>(100);
}

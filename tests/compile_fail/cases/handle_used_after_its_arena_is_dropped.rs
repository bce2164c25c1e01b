//! error[E0505]: an arena that is dropped while its handle is in use.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    drop(arena);
    let _ = allocator.alloc::<u8>(1);
}

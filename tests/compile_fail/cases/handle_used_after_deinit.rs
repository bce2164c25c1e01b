//! error[E0505]: an arena whose memory is freed while a handle to it is in use.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    arena.deinit();
    let _ = allocator.alloc::<u8>(1);
}

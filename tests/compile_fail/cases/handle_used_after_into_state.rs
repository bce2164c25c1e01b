//! error[E0505]: an arena that is converted to its state while a handle to it is in use.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    let _state = arena.into_state();
    let _ = allocator.alloc::<u8>(1);
}

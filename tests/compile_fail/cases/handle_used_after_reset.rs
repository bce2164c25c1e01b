//! error[E0502]: an arena that is reset while a handle to it is in use.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    _ = arena.reset(ResetMode::FreeAll);
    let _ = allocator.alloc::<u8>(1);
}

//! error[E0515]: ziglang/zig#12986: a function that returns a handle to its own arena.

use zigalloc::Allocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn arena_allocator<'a>() -> Allocator<'a> {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    arena.allocator()
}

fn main() {
    let _ = arena_allocator().alloc::<u8>(1);
}

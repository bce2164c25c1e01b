//! error[E0277]: a handle that should own its allocator, made of a reference to it.

use zigalloc::OwningHandle;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _handle = OwningHandle::new(&arena);
}

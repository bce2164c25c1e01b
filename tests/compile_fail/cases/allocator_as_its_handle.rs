//! error[E0277]: an allocator, or a reference to a handle, where a handle belongs.

use zigalloc::heap::{ArenaAllocator, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::trace::CountingAllocator;

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _inner = ArenaAllocator::init(&arena);
    let _debug = DebugAllocator::init(&PAGE_ALLOCATOR);
    let _counting = CountingAllocator::init(arena);
}

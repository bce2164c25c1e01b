//! error[E0277]: an allocator, or its type, where a handle to it belongs.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, PageAllocator};

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _inner = ArenaAllocator::init(&arena);
    let _over_pages = ArenaAllocator::init(PageAllocator);
}

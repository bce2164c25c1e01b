//! error[E0308]: a type without state where a handle belongs.

use zigalloc::heap::{PageAllocator, SharedArenaAllocator, SmpAllocator};
use zigalloc::testing::test_allocator;

fn main() {
    let _shared = SharedArenaAllocator::init(PageAllocator);
    test_allocator(SmpAllocator);
}

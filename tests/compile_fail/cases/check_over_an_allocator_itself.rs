//! error[E0277]: a failure sweep over an allocator, where a handle to it belongs.

use zigalloc::Error;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::check_all_allocation_failures;

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let _ = check_all_allocation_failures(&arena, |_| Ok::<(), Error>(()));
}

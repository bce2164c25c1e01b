//! error[E0277]: a failure sweep over an allocator, where a handle to it belongs.

use zigalloc::Error;
use zigalloc::heap::PageAllocator;
use zigalloc::testing::check_all_allocation_failures;

fn main() {
    let _ = check_all_allocation_failures(PageAllocator, |_| Ok::<(), Error>(()));
}

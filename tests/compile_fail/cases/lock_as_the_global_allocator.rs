//! error[E0133]: a mutex may allocate; no safe constructor takes a lock's handle.

use std::sync::LazyLock;
use zigalloc::ThreadSafeAllocator;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::PAGE_ALLOCATOR;

static LOCK: LazyLock<ThreadSafeAllocator<'static>> =
    LazyLock::new(|| unsafe { ThreadSafeAllocator::from_child(*PAGE_ALLOCATOR) });

fn main() {
    let _ = GlobalAllocator::new(LOCK.allocator());
}

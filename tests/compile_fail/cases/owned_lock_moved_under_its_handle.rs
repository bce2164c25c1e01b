//! error[E0505]: a lock that owns its child, moved while a handle to it exists.

use zigalloc::OwnedThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    let allocator = lock.allocator();
    let _arena = lock.into_inner();
    let _ = allocator.alloc::<u8>(1);
}

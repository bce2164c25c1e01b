//! error[E0502]: the child of a lock that owns it, reset while a handle to the lock exists.

use zigalloc::OwnedThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};

fn main() {
    let mut lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    let allocator = lock.allocator();
    let _ = lock.get_mut().reset(ResetMode::FreeAll);
    let _ = allocator.alloc::<u8>(1);
}

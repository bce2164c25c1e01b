//! error[E0505]: a thread-safe handle that outlives its lock.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let thread_safe = ThreadSafeAllocator::new(&mut arena);
    let allocator = thread_safe.allocator();
    drop(thread_safe);
    let _ = allocator.alloc::<u8>(1);
}

//! error[E0597]: a thread that may allocate after the lock and the arena are dropped.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let thread_safe = ThreadSafeAllocator::new(&mut arena);
    let allocator = thread_safe.allocator();
    std::thread::spawn(move || {
        let _ = allocator.alloc::<u8>(1);
    });
}

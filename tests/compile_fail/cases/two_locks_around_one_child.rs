//! error[E0499]: two locks around one child, which do not exclude each other.

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let first = ThreadSafeAllocator::new(&mut arena);
    let second = ThreadSafeAllocator::new(&mut arena);
    let _ = first.allocator().alloc::<u8>(1);
    let _ = second.allocator().alloc::<u8>(1);
}

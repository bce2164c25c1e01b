//! error[E0515]: a handle points to its allocator, so a function cannot take one by value and return a handle.

use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::{Allocator, SyncAllocator};

fn adapted<'a>(allocator: SyncAllocator<'a>) -> Allocator<'a> {
    FromAllocator::new(allocator).allocator()
}

fn main() {
    let allocator = adapted(zigalloc::heap::SMP_ALLOCATOR);
    let _ = allocator.alloc::<u8>(100);
}

//! error[E0505]: the adapter contains the allocator, and the handle points to the adapter.

use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let adapter = FromAllocator::new(PAGE_ALLOCATOR);
    let allocator = adapter.allocator();
    let moved = Box::new(adapter);
    let _ = allocator.alloc::<u8>(100);
    drop(moved);
}

//! error[E0631]: a function that takes one kind of handle, checked with the other.

use zigalloc::heap::PAGE_ALLOCATOR;
use zigalloc::testing::{check_all_allocation_failures, with_allocator};
use zigalloc::{Allocator, Error, SyncAllocator};

fn plain(allocator: Allocator<'_>) -> Result<(), Error> {
    allocator.alloc::<u8>(0).map(|_| ())
}

fn sync(allocator: SyncAllocator<'_>) -> Result<(), Error> {
    allocator.alloc::<u8>(0).map(|_| ())
}

fn main() {
    let _ = check_all_allocation_failures(PAGE_ALLOCATOR, plain);
    let _ = check_all_allocation_failures(*PAGE_ALLOCATOR, sync);
    let _ = with_allocator(plain);
}

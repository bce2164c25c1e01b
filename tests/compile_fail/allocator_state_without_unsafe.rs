//! error[E0200]: `ThreadSafeAllocator` trusts this trait, so implementing it is unsafe.

use zigalloc::{Allocator, AllocatorState};

struct Mine;

impl AllocatorState for Mine {
    fn allocator(&self) -> Allocator<'_> {
        Allocator::FAILING
    }
}

fn main() {}

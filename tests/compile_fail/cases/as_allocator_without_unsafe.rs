//! error[E0200]: `ThreadSafeAllocator` trusts this trait, so implementing it is unsafe.

use zigalloc::{Allocator, AsAllocator};

struct Mine;

impl AsAllocator for Mine {
    fn allocator(&self) -> Allocator<'_> {
        Allocator::FAILING
    }
}

fn main() {}

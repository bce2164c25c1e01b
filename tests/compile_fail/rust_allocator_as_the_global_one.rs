//! error[E0133]: it would call itself; whether a handle may be the global allocator is for its maker to promise.

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::RUST_ALLOCATOR;

#[global_allocator]
static GLOBAL: GlobalAllocator = GlobalAllocator::new(RUST_ALLOCATOR);

fn main() {}

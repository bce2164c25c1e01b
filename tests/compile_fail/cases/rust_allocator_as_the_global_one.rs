//! error[E0133]: it would call itself, so making a handle the global allocator is unsafe.

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::RUST_ALLOCATOR;

#[global_allocator]
static GLOBAL: GlobalAllocator = GlobalAllocator::new(RUST_ALLOCATOR);

fn main() {}

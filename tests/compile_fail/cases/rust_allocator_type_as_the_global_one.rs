//! error[E0277]: it would call itself, so the type is no `GlobalAlloc`.

use zigalloc::heap::RustAllocator;

#[global_allocator]
static GLOBAL: RustAllocator = RustAllocator;

fn main() {}

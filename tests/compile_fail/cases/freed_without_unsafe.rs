//! error[E0133]: freeing is unsafe, since nothing checks that the block is live.

use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let memory = PAGE_ALLOCATOR.alloc::<u8>(1).unwrap();
    PAGE_ALLOCATOR.free(memory);
}

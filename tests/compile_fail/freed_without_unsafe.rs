//! error[E0133]: giving memory back is a promise that nobody can check, so it is unsafe.

use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let memory = PAGE_ALLOCATOR.alloc::<u8>(1).unwrap();
    PAGE_ALLOCATOR.free(memory);
}

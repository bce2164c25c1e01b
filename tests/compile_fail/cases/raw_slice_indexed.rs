//! error[E0608]: `alloc` returns a pointer to uninitialised memory, not a slice.

use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let memory = PAGE_ALLOCATOR.alloc::<u8>(10).unwrap();
    memory[0] = 1;
}

//! error[E0282]: nothing says what is allocated.

use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let _memory = PAGE_ALLOCATOR.alloc(10).unwrap();
}

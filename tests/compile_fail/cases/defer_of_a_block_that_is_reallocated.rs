//! error[E0506]: `defer!` borrows what it names until the scope ends.

use scopeguard::defer;
use zigalloc::heap::PAGE_ALLOCATOR;

fn main() {
    let mut memory = PAGE_ALLOCATOR.alloc::<u8>(10).unwrap();
    defer! { unsafe { PAGE_ALLOCATOR.free(memory) } }
    memory = unsafe { PAGE_ALLOCATOR.realloc(memory, 20) }.unwrap();
}

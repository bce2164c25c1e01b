//! error[E0505]: a stack fallback allocator that is moved, and the buffer with it, while a handle to it is in
//! use.

use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};

fn main() {
    let stack_allocator = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    let allocator = stack_allocator.get();
    let _moved = Box::new(stack_allocator);
    let _ = allocator.alloc::<u8>(1);
}

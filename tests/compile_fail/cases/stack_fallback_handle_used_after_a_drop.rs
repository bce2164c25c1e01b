//! error[E0597]: a handle to a stack fallback allocator that has gone out of scope, so that the
//! buffer is no longer there.

use zigalloc::Allocator;
use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};

fn main() {
    let allocator: Allocator<'_>;
    {
        let stack_allocator = stack_fallback::<64, _>(PAGE_ALLOCATOR);
        allocator = stack_allocator.get();
    }
    let _ = allocator.alloc::<u8>(1);
}

//! error[E0277]: a buffer-first allocator, which is for one thread, called by two.

use std::mem::MaybeUninit;

use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};

fn main() {
    let mut buffer = [const { MaybeUninit::uninit() }; 64];
    let state = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
    std::thread::scope(|scope| {
        scope.spawn(|| state.allocator().alloc::<u8>(1).is_ok());
    });
}

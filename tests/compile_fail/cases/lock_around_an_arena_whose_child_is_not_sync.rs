//! error[E0277]: a lock around an arena whose own child is for one thread only.

use std::mem::MaybeUninit;
use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator};

fn main() {
    let mut buffer = [const { MaybeUninit::uninit() }; 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let mut arena = ArenaAllocator::init(fixed_buffer.allocator());
    let _thread_safe = ThreadSafeAllocator::new(&mut arena);
}

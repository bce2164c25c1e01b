//! error[E0499]: a fixed buffer that is reset while its thread-safe handle is in use.

use std::mem::MaybeUninit;
use zigalloc::heap::FixedBufferAllocator;

fn main() {
    let mut buffer = [const { MaybeUninit::uninit() }; 1000];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.thread_safe_allocator();
    fixed_buffer.reset();
    let _ = allocator.alloc::<u8>(1);
}

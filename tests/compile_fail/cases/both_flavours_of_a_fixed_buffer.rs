//! error[E0502]: the plain handle of a fixed buffer beside the thread-safe one.

use std::mem::MaybeUninit;
use zigalloc::heap::FixedBufferAllocator;

fn main() {
    let mut buffer = [const { MaybeUninit::uninit() }; 1000];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let plain = fixed_buffer.allocator();
    let thread_safe = fixed_buffer.thread_safe_allocator();
    let _ = plain.alloc::<u8>(1);
    let _ = thread_safe.alloc::<u8>(1);
}

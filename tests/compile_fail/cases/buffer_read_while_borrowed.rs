//! error[E0503]: a buffer that is read while blocks are made from it.

use std::mem::MaybeUninit;
use zigalloc::heap::FixedBufferAllocator;

fn main() {
    let mut buffer = [MaybeUninit::new(0u8); 1000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let _byte = buffer[0];
    let _ = fixed_buffer.allocator().alloc::<u8>(1);
}

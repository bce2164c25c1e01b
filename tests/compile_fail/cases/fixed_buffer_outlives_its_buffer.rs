//! error[E0597]: an allocator that outlives its buffer.

use std::mem::MaybeUninit;
use zigalloc::heap::FixedBufferAllocator;

fn main() {
    let fixed_buffer = {
        let mut buffer = [const { MaybeUninit::uninit() }; 1000];
        FixedBufferAllocator::init(&mut buffer)
    };
    let _ = fixed_buffer.allocator().alloc::<u8>(1);
}

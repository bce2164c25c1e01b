//! error[E0597]: an arena that frees its nodes after its child is dropped.

use std::mem::MaybeUninit;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator};

fn main() {
    let _arena = {
        let mut buffer = [const { MaybeUninit::uninit() }; 1000];
        let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
        ArenaAllocator::init(fixed_buffer.allocator())
    };
}

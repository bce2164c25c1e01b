//! A program on an sbrk allocator over a buffer. Freed blocks are reused in their size class.
#![cfg(not(any(miri, target_family = "wasm")))]
#![allow(clippy::deref_addrof, reason = "that it proposes would be a reference to a mutable static")]

use std::mem::MaybeUninit;

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::{FixedBufferAllocator, SbrkAllocator};

mod programs;

const LEN: usize = 256 << 20;

static mut BUFFER: [MaybeUninit<u8>; LEN] = [MaybeUninit::uninit(); LEN];

// SAFETY: nothing else uses the buffer.
static SBRK: SbrkAllocator<FixedBufferAllocator<'static>> =
    SbrkAllocator::init(FixedBufferAllocator::init(unsafe { &mut *(&raw mut BUFFER) }));

// SAFETY: its lock spins and yields and does not allocate; the memory is a static's.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(SBRK.allocator()) };

const SCALE: usize = 1000;

fn is_ours<T>(memory: *const T) -> bool {
    memory.addr().wrapping_sub((&raw const BUFFER).addr()) < LEN
}

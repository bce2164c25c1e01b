//! A program on a single-threaded fixed buffer under a spin lock, in which nothing allocates. Only the last block is
//! reused, so the buffer is large.
#![cfg(not(any(miri, target_family = "wasm")))]
#![allow(clippy::deref_addrof, reason = "that it proposes would be a reference to a mutable static")]

use std::mem::MaybeUninit;

use zigalloc::LockedAllocator;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::FixedBufferAllocator;

mod programs;

const LEN: usize = 256 << 20;

static mut BUFFER: [MaybeUninit<u8>; LEN] = [MaybeUninit::uninit(); LEN];

// SAFETY: nothing else uses the buffer.
static mut FIXED_BUFFER: FixedBufferAllocator<'static> =
    FixedBufferAllocator::init(unsafe { &mut *(&raw mut BUFFER) });

// SAFETY: nothing else uses the fixed buffer.
static LOCKED: LockedAllocator<'static, spin::Mutex<()>> =
    unsafe { LockedAllocator::from_child((*(&raw const FIXED_BUFFER)).allocator()) };

// SAFETY: the lock spins and does not allocate, and the memory is a static's.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(LOCKED.allocator()) };

const SCALE: usize = 100;

fn is_ours<T>(memory: *const T) -> bool {
    memory.addr().wrapping_sub((&raw const BUFFER).addr()) < LEN
}

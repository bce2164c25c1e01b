//! Blocks for calls that come too early: before the C library has the environment, and while the chosen allocator is
//! being made.
//!
//! They are cut from a static buffer and never reused. There are few: glibc makes none in an ordinary program.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

const LEN: usize = 256 << 10;

#[repr(C, align(4096))]
struct Buffer(UnsafeCell<[u8; LEN]>);

// SAFETY: each byte is in at most one block, since `USED` only grows.
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new([0; LEN]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// The word in front of a block: its size.
const FRONT: usize = 16;

fn start() -> NonNull<u8> {
    NonNull::from(&BUFFER).cast()
}

/// A block of zeros, or `None` if the buffer is full. `alignment` is a power of two up to a page.
pub(crate) fn alloc(alignment: usize, size: usize) -> Option<NonNull<u8>> {
    if alignment > 4096 {
        return None;
    }
    let alignment = alignment.max(FRONT);
    let mut used = USED.load(Ordering::Relaxed);
    loop {
        let at = used.checked_add(FRONT)?.checked_next_multiple_of(alignment)?;
        let end = at.checked_add(size)?;
        if end > LEN {
            return None;
        }
        match USED.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                // SAFETY: inside the buffer.
                let memory = unsafe { start().add(at) };
                // SAFETY: 16 bytes before the block are between the last block's end and this one.
                let front = unsafe { memory.cast::<usize>().sub(1) };
                // SAFETY: inside the buffer, aligned, and of no other block.
                unsafe { front.write(size) };
                return Some(memory);
            }
            Err(now) => used = now,
        }
    }
}

/// Whether the address is in the buffer.
pub(crate) fn owns(memory: NonNull<u8>) -> bool {
    memory.addr().get().wrapping_sub(start().addr().get()) < LEN
}

/// # Safety
/// `memory` is a block of `alloc`.
pub(crate) unsafe fn size(memory: NonNull<u8>) -> usize {
    // SAFETY: the word in front of a block, by our caller.
    let front = unsafe { memory.cast::<usize>().sub(1) };
    // SAFETY: `alloc` wrote it.
    unsafe { front.read() }
}

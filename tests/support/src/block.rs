//! Blocks and alignments that cross a boundary, to another language or another thread.

use std::ptr::NonNull;

use zigalloc::Alignment;

/// A block from a function's arguments. Unlike [`zigalloc::block`], it rejects null.
///
/// # Panics
/// If `memory` is null.
#[track_caller]
#[must_use]
pub fn block(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(memory).expect("a block is never null"), len)
}

/// An invalid alignment, as a C program could pass it.
#[must_use]
pub fn alignment_from_c(log2: u8) -> Alignment {
    // SAFETY: `Alignment` is a transparent byte for which every value is allowed.
    unsafe { std::mem::transmute(log2) }
}

/// A block on its way to another thread.
#[derive(Debug)]
pub struct Sent(pub NonNull<[u8]>);

// SAFETY: it is an address; whoever uses the memory there says why this thread may.
unsafe impl Send for Sent {}

impl Sent {
    /// The block. (A closure that names the field would capture the field alone, which is not `Send`.)
    #[must_use]
    pub fn received(self) -> NonNull<[u8]> {
        self.0
    }
}

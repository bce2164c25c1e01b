//! Aligned blocks over a C library that has only `malloc`.
//!
//! Each block lies inside one from `malloc` that has room for a word and for the alignment:
//!
//! ```text
//!   raw            raw + padding
//!    ▼              ▼
//!    ┌───────┬──────┬────────────────┬──────┐
//!    │       │ raw  │     block      │      │
//!    └───────┴──────┴────────────────┴──────┘
//!     0 or more  word      len
//! ```

use core::hint::black_box;
use core::ptr::NonNull;

use super::as_void;
use crate::alignment::Alignment;

/// The header of a block: the address that `malloc` returned.
type Header = NonNull<u8>;
const HEADER_SIZE: usize = size_of::<Header>();

/// Allocates `len` aligned bytes. `alignment` is at least a word; the sum of both fits into an `isize`.
#[inline]
pub(super) fn aligned_alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let raw_len = len.checked_add(alignment.mask())?.checked_add(HEADER_SIZE)?;
    // SAFETY: `malloc` has no preconditions.
    let raw = NonNull::new(unsafe { libc::malloc(raw_len) })?.cast::<u8>();
    // The compiler knows `malloc` and the length of its blocks. It must not conclude that the bytes past `len` are
    // unused, because `usable_size` allows the caller to use them.
    let raw: NonNull<u8> = black_box(raw);
    let padding =
        HEADER_SIZE + (raw.addr().get().wrapping_add(HEADER_SIZE).wrapping_neg() & alignment.mask());
    // SAFETY: the padding is at most the mask plus the header, which is inside the raw block.
    let memory = unsafe { raw.add(padding) };
    // SAFETY: the padding has room for the header before `memory`.
    let header = unsafe { memory.cast::<Header>().sub(1) };
    // SAFETY: a word of the raw block, aligned because `memory` is.
    unsafe { header.write(raw) };
    Some(memory)
}

/// # Safety
/// `memory` is a live block of [`aligned_alloc`].
#[inline]
unsafe fn raw(memory: NonNull<u8>) -> NonNull<u8> {
    // SAFETY: the word before the block is inside the raw block.
    let header = unsafe { memory.cast::<Header>().sub(1) };
    // SAFETY: `aligned_alloc` wrote it, and blocks do not overlap.
    unsafe { header.read() }
}

/// # Safety
/// `memory` is a live block of [`aligned_alloc`].
#[inline]
pub(super) unsafe fn aligned_free(memory: NonNull<u8>) {
    // SAFETY: a live block, by our caller.
    let raw = unsafe { raw(memory) };
    // SAFETY: the address is from `malloc`, and is freed once, with its block.
    unsafe { libc::free(as_void(raw)) };
}

/// Returns how many bytes of the block may be used, or 0 if the C library does not report it.
///
/// # Safety
/// `memory` is a live block of [`aligned_alloc`].
#[inline]
pub(super) unsafe fn usable_size(memory: NonNull<u8>) -> usize {
    // SAFETY: a live block, by our caller.
    let raw = unsafe { raw(memory) };
    let padding = memory.addr().get() - raw.addr().get();
    // SAFETY: `raw` is a live block from `malloc`.
    unsafe { raw_size(raw) }.saturating_sub(padding)
}

/// # Safety
/// `raw` is a live block from `malloc`.
#[cfg(windows)]
unsafe fn raw_size(raw: NonNull<u8>) -> usize {
    // SAFETY: a live block from `malloc`, by our caller.
    unsafe { libc::_msize(as_void(raw)) }
}

#[cfg(not(windows))]
use super::posix::usable_size as raw_size;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_keep_their_bytes() {
        for log2 in Alignment::of::<usize>().log2()..=16 {
            let alignment = Alignment::from_log2(log2).unwrap();
            for len in [1, 7, 8, 100, 5000] {
                let memory = aligned_alloc(len, alignment).unwrap();
                assert!(alignment.check_ptr(memory.as_ptr()));
                // SAFETY: a live block of `len` bytes.
                unsafe { memory.write_bytes(0xA5, len) };
                // SAFETY: a live block of `malloc`, whose header is before it.
                let size = unsafe { usable_size(memory) };
                assert!(size >= len || cfg!(miri), "{size} of {len}");
                // Writing all of it must not damage the C library's own data.
                // SAFETY: the C library reports that the block has `size` bytes.
                unsafe { memory.write_bytes(0x5A, size) };
                // SAFETY: the block is not used afterwards.
                unsafe { aligned_free(memory) };
            }
        }
    }

    #[test]
    fn overflowing_sizes_are_null() {
        assert!(aligned_alloc(usize::MAX, Alignment::_16).is_none());
        assert!(aligned_alloc(isize::MAX as usize, Alignment::MAX).is_none());
    }
}

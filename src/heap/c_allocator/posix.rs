//! Aligned blocks of a C library that has `posix_memalign`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use super::as_void;
use crate::alignment::Alignment;

// The usable size of a block, under whatever name. The glob provides the fallback for C libraries that do not report
// it; an import by name takes precedence over a glob.
#[allow(unused_imports)]
use unknown::*;

#[cfg(all(
    any(
        all(target_os = "linux", any(target_env = "gnu", target_env = "musl")),
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "haiku",
        target_os = "hurd",
        target_os = "wasi",
    ),
    not(miri)
))]
use libc::malloc_usable_size;

#[cfg(all(target_vendor = "apple", not(miri)))]
use libc::malloc_size as malloc_usable_size;

mod unknown {
    /// Reports no usable bytes beyond those requested.
    ///
    /// # Safety
    /// Safe for any argument; `unsafe` because the C library's function is.
    #[allow(dead_code)]
    pub(super) unsafe fn malloc_usable_size(_memory: *mut super::c_void) -> usize {
        0
    }
}

/// Allocates `len` aligned bytes. `alignment` is at least a word; the sum of both fits into an `isize`.
#[inline]
pub(super) fn aligned_alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    // Apple's function returns misaligned blocks for larger alignments.
    if cfg!(target_vendor = "apple") && alignment.log2() > 31 {
        return None;
    }
    let mut memory: *mut c_void = ptr::null_mut();
    // SAFETY: `memory` is valid for a write, and the alignment is a power of two and a multiple of a word.
    let error = unsafe { libc::posix_memalign(&mut memory, alignment.to_byte_units(), len) };
    if error == 0 { NonNull::new(memory.cast()) } else { None }
}

/// # Safety
/// `memory` is a live block of [`aligned_alloc`].
#[inline]
pub(super) unsafe fn aligned_free(memory: NonNull<u8>) {
    // SAFETY: a live block of `posix_memalign`, by our caller; C frees it with `free`.
    unsafe { libc::free(as_void(memory)) };
}

/// Returns how many bytes of the block may be used, or 0 if the C library does not report it.
///
/// # Safety
/// `memory` is a live block of [`aligned_alloc`], or of `malloc`.
#[inline]
pub(super) unsafe fn usable_size(memory: NonNull<u8>) -> usize {
    // SAFETY: a live block, by our caller.
    unsafe { malloc_usable_size(as_void(memory)) }
}

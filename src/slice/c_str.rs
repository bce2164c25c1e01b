//! C's strings as slices with a sentinel, and back.

use core::ffi::CStr;
use core::ptr::NonNull;

use super::SentinelSlice;

/// The bytes of a C string, whose zero is the sentinel: a literal, for instance, where Zig writes `"zig"`.
///
/// The result may be read as long as the string is there. It may not be written, and not be freed.
///
/// Not in Zig, whose literals are `*const [3:0]u8`.
///
/// ```
/// use zigalloc::SentinelSlice;
///
/// let text = SentinelSlice::from(c"zig");
/// assert_eq!(text.len(), 3);
/// // SAFETY: a literal, which is there for ever.
/// assert_eq!(unsafe { text.as_slice() }, b"zig");
/// ```
///
/// With [`absorb_sentinel`](crate::mem::absorb_sentinel), it is a slice that ends with the zero:
///
/// ```
/// use std::ffi::CString;
/// use zigalloc::{SentinelSlice, SlicePtr, mem::absorb_sentinel};
///
/// let owned = CString::new("lib").unwrap();
/// let text: SentinelSlice<u8> = owned.as_c_str().into();
/// // SAFETY: the string lives.
/// assert_eq!(unsafe { absorb_sentinel(text).as_slice() }, b"lib\0");
/// ```
impl From<&CStr> for SentinelSlice<u8> {
    #[inline]
    fn from(text: &CStr) -> SentinelSlice<u8> {
        let bytes = text.to_bytes_with_nul();
        SentinelSlice::from_raw_parts(NonNull::from(bytes).cast(), bytes.len() - 1)
    }
}

impl<const ALIGN: usize> SentinelSlice<u8, ALIGN> {
    /// The bytes and their sentinel as a C string. Zig: `slice.ptr`, which coerces to `[*:0]const u8`.
    ///
    /// # Panics
    /// If the sentinel is not 0, or there is a 0 before it.
    ///
    /// # Safety
    /// As [`as_slice`](Self::as_slice), for the sentinel too.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    ///
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// // SAFETY: `dupe_z` has written three bytes and a zero; the block is freed after the last use.
    /// assert_eq!(unsafe { text.as_c_str() }, c"zig");
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A zero inside would end the string earlier than the slice:
    ///
    #[cfg_attr(feature = "std", doc = "```should_panic")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let text = SMP_ALLOCATOR.dupe_z(b"z\0g").unwrap();
    /// // SAFETY: initialised, and never freed.
    /// unsafe { text.as_c_str() };
    /// ```
    #[must_use]
    #[track_caller]
    pub unsafe fn as_c_str<'s>(self) -> &'s CStr {
        // SAFETY: the caller's fact: `len + 1` initialised bytes, not written during `'s`.
        let bytes = unsafe { core::slice::from_raw_parts(self.as_ptr(), self.len() + 1) };
        match CStr::from_bytes_with_nul(bytes) {
            Ok(text) => text,
            Err(_) => panic!(
                "SentinelSlice::as_c_str: the first 0 of {} bytes is not the sentinel at index {}",
                bytes.len(),
                self.len()
            ),
        }
    }
}

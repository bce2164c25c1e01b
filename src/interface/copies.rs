//! Copies of slices.

use core::ptr::NonNull;

use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{Sentinel, SentinelSlice};

impl Allocator<'_> {
    /// Copies a slice into new memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupe` of Zig 0.15.2, which passes the vtable an address inside std; this one passes the caller's.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe(&[1, 2, 3])?;
    /// assert_eq!(unsafe { copy.as_ref() }, [1, 2, 3]);
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn dupe<T: Copy>(self, m: &[T]) -> Result<NonNull<[T]>, Error> {
        let copy = self.alloc_advanced_with_ret_addr::<T, 0>(m.len(), return_address())?.as_non_null();
        // SAFETY: new memory of the same length.
        unsafe { copy.cast::<T>().as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        Ok(copy)
    }

    /// Copies a string into new memory. Not in Zig, whose strings are slices of bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe_str("zig")?;
    /// assert_eq!(unsafe { copy.as_ref() }, "zig");
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn dupe_str(self, m: &str) -> Result<NonNull<str>, Error> {
        let copy = self.alloc_advanced_with_ret_addr::<u8, 0>(m.len(), return_address())?.as_non_null();
        // SAFETY: new memory of the same length.
        unsafe { copy.cast::<u8>().as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        // SAFETY: the pointer is not null. A `str` has the layout of a byte slice, and these bytes are UTF-8.
        Ok(unsafe { NonNull::new_unchecked(copy.as_ptr() as *mut str) })
    }

    /// Copies a slice and appends `T::default()` as a sentinel. For integers that is 0, so a copy of bytes is a C
    /// string. For another sentinel use [`dupe_sentinel`](Self::dupe_sentinel).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupeZ` of Zig 0.15.2, which accepts only element types that have a 0; later releases have only
    /// `dupeSentinel`.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// assert_eq!((text.len(), unsafe { text.sentinel_ptr().read() }), (3, 0));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "dupeZ")]
    #[inline(always)]
    pub fn dupe_z<T: Copy + Default>(self, m: &[T]) -> Result<SentinelSlice<T>, Error> {
        self.dupe_sentinel_with_ret_addr(m, T::default(), return_address())
    }

    /// Copies a slice and appends a sentinel.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupeSentinel` of Zig 0.17.1.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe_sentinel(&[1, 2, 3], -1)?;
    /// assert_eq!((copy.len(), unsafe { copy.sentinel_ptr().read() }), (3, -1));
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "dupeSentinel")]
    #[inline(always)]
    pub fn dupe_sentinel<T: Copy>(self, m: &[T], sentinel: T) -> Result<SentinelSlice<T>, Error> {
        self.dupe_sentinel_with_ret_addr(m, sentinel, return_address())
    }

    #[inline(always)]
    fn dupe_sentinel_with_ret_addr<T: Copy>(
        self,
        m: &[T],
        sentinel: T,
        return_address: usize,
    ) -> Result<SentinelSlice<T>, Error> {
        let copy =
            self.alloc_with_options_ret_addr::<T, 0, _>(m.len(), Sentinel(sentinel), return_address)?;
        // SAFETY: new memory for `m.len()` elements and the sentinel.
        unsafe { copy.as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        Ok(copy)
    }
}

//! Allocating and freeing slices.

use core::ptr::NonNull;

use super::{highest, set_undefined};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{AlignedSlice, OptionalSentinel, Sentinel, SentinelSlice, SlicePtr};

impl Allocator<'_> {
    /// Allocates memory for `n` elements and leaves it uninitialised. [`free`](Self::free) frees it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if the size of `n` elements in bytes overflows `usize`.
    ///
    /// Ports `alloc` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc::<u32>(100)?;
    /// assert_eq!(memory.len(), 100);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn alloc<T>(self, n: usize) -> Result<NonNull<[T]>, Error> {
        let slice = self.alloc_advanced_with_ret_addr::<T, 0>(n, return_address())?;
        Ok(slice.as_non_null())
    }

    /// Allocates memory for `n` elements with an alignment in bytes, which may be above or below `T`'s own.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// Ports `alignedAlloc` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.aligned_alloc::<u8, 4096>(10)?;
    /// assert_eq!(memory.as_ptr().addr() % 4096, 0);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "alignedAlloc")]
    #[inline(always)]
    pub fn aligned_alloc<T, const ALIGN: usize>(self, n: usize) -> Result<AlignedSlice<T, ALIGN>, Error> {
        self.alloc_advanced_with_ret_addr(n, return_address())
    }

    /// Allocates memory for `n` elements followed by a sentinel, which is set to `sentinel`.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc), also if `n + 1` overflows, where Zig 0.15.2 panics.
    ///
    /// Ports `allocSentinel` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc_sentinel(10, 0u8)?;
    /// assert_eq!((memory.len(), unsafe { memory.sentinel_ptr().read() }), (10, 0));
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocSentinel")]
    #[inline(always)]
    pub fn alloc_sentinel<T>(self, n: usize, sentinel: T) -> Result<SentinelSlice<T>, Error> {
        self.alloc_with_options_ret_addr(n, Sentinel(sentinel), return_address())
    }

    /// Allocates memory for `n` elements with an alignment in bytes (0: `T`'s own) and an optional sentinel. Both
    /// determine the type of the result.
    ///
    /// # Errors
    /// As [`alloc_sentinel`](Self::alloc_sentinel).
    ///
    /// Ports `allocWithOptions` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, NoSentinel, Sentinel, SentinelSlice};
    /// let line: SentinelSlice<u8, 64> = PAGE_ALLOCATOR.alloc_with_options(10, Sentinel(0))?;
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// let plain = PAGE_ALLOCATOR.alloc_with_options::<u8, 0, _>(10, NoSentinel)?;
    /// unsafe { PAGE_ALLOCATOR.free(plain) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocWithOptions")]
    #[inline(always)]
    pub fn alloc_with_options<T, const ALIGN: usize, S: OptionalSentinel<T, ALIGN>>(
        self,
        n: usize,
        sentinel: S,
    ) -> Result<S::Slice, Error> {
        self.alloc_with_options_ret_addr(n, sentinel, return_address())
    }

    /// [`alloc_with_options`](Self::alloc_with_options) with a given return address.
    ///
    /// # Errors
    /// As [`alloc_sentinel`](Self::alloc_sentinel).
    ///
    /// Ports `allocWithOptionsRetAddr` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, Allocator, Error, Sentinel, SentinelSlice};
    /// /// Allocates a line on behalf of the caller, whose address a leak report then names.
    /// fn line(allocator: Allocator<'_>, return_address: usize) -> Result<SentinelSlice<u8, 64>, Error> {
    ///     allocator.alloc_with_options_ret_addr(80, Sentinel(0), return_address)
    /// }
    ///
    /// let line = line(*PAGE_ALLOCATOR, zigalloc::return_address())?;
    /// assert_eq!((line.len(), line.as_ptr().addr() % 64), (80, 0));
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "allocWithOptionsRetAddr")]
    #[inline(always)]
    pub fn alloc_with_options_ret_addr<T, const ALIGN: usize, S: OptionalSentinel<T, ALIGN>>(
        self,
        n: usize,
        sentinel: S,
        return_address: usize,
    ) -> Result<S::Slice, Error> {
        let count = n.checked_add(S::COUNT).ok_or(Error::OutOfMemory)?;
        let slice = self.alloc_advanced_with_ret_addr::<T, ALIGN>(count, return_address)?;
        // SAFETY: the slice has room for `n + COUNT` elements.
        Ok(unsafe { sentinel.finish(slice.as_non_null_ptr(), n) })
    }

    /// [`aligned_alloc`](Self::aligned_alloc) with a given return address.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// Ports `allocAdvancedWithRetAddr` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address};
    /// let memory = PAGE_ALLOCATOR.alloc_advanced_with_ret_addr::<u32, 64>(100, return_address())?;
    /// assert_eq!((memory.len(), memory.as_ptr().addr() % 64), (100, 0));
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocAdvancedWithRetAddr")]
    #[inline(always)]
    pub fn alloc_advanced_with_ret_addr<T, const ALIGN: usize>(
        self,
        n: usize,
        return_address: usize,
    ) -> Result<AlignedSlice<T, ALIGN>, Error> {
        let byte_count = size_of::<T>().checked_mul(n).ok_or(Error::OutOfMemory)?;
        let memory =
            self.alloc_bytes_aligned(AlignedSlice::<T, ALIGN>::ALIGNMENT, byte_count, return_address)?;
        Ok(AlignedSlice::from_raw_parts(memory.cast(), n))
    }

    /// Allocates `byte_count` bytes with an alignment known only at run time.
    ///
    /// Every typed function that allocates ends up here. [`raw_free`](Self::raw_free) frees the memory, unless
    /// `byte_count` was 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also for an alignment that is not [valid](Alignment::is_valid).
    ///
    /// Ports `allocBytesAligned`, which is public since Zig 0.17.1 and takes a comptime alignment there.
    ///
    /// ```
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Alignment};
    /// # use std::ptr::NonNull;
    /// let memory = PAGE_ALLOCATOR.alloc_bytes_aligned(Alignment::_64, 100, return_address())?;
    /// let memory = NonNull::slice_from_raw_parts(memory, 100);
    /// unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_64, return_address()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocBytesAligned")]
    #[inline(always)]
    pub fn alloc_bytes_aligned(
        self,
        alignment: Alignment,
        byte_count: usize,
        return_address: usize,
    ) -> Result<NonNull<u8>, Error> {
        if !alignment.is_valid() {
            return Err(Error::OutOfMemory);
        }
        if byte_count == 0 {
            return Ok(highest(alignment));
        }
        // SAFETY: the length is not zero. `Allocator` is not `Send`, so one thread uses this handle, or it is
        // thread-safe.
        let memory =
            unsafe { self.raw_alloc(byte_count, alignment, return_address) }.ok_or(Error::OutOfMemory)?;
        // SAFETY: new memory of this length.
        unsafe { set_undefined(NonNull::slice_from_raw_parts(memory, byte_count)) };
        Ok(memory)
    }

    /// Allocates memory for `n` elements and fills it with zero bytes. Not in Zig.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc_zeroed::<u32>(3)?;
    /// assert_eq!(unsafe { memory.as_ref() }, [0, 0, 0]);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn alloc_zeroed<T>(self, n: usize) -> Result<NonNull<[T]>, Error> {
        let slice = self.alloc_advanced_with_ret_addr::<T, 0>(n, return_address())?.as_non_null();
        // SAFETY: new memory for `n` elements, or no bytes at all.
        unsafe { slice.cast::<T>().write_bytes(0, n) };
        Ok(slice)
    }

    /// Frees a slice without dropping its elements. Freeing an empty slice without a sentinel does nothing.
    ///
    /// # Safety
    /// - `memory` is a [live block](crate::VTable#live-block) of this allocator, or has no bytes.
    /// - Its type, alignment and sentinel included, is that of the last successful call that returned it (after a
    ///   `resize`, that of [`with_len`](SlicePtr::with_len)), and its length is the one requested in that call.
    /// - It is not used afterwards.
    ///
    /// Ports `free` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_str("zig")?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free<A: SlicePtr>(self, memory: A) {
        // SAFETY: `memory` is a live allocation of this allocator, not used afterwards, by our caller.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// # Safety
    /// As [`free`](Self::free).
    #[inline(always)]
    pub(super) unsafe fn free_with_ret_addr<A: SlicePtr>(self, memory: A, return_address: usize) {
        let bytes = memory.bytes();
        if bytes.is_empty() {
            return;
        }
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { set_undefined(bytes) };
        // SAFETY: the same block, with matching length and alignment. `Allocator` is not `Send`, so one thread uses
        // this handle, or it is thread-safe.
        unsafe { self.raw_free(bytes, A::ALIGNMENT, return_address) };
    }
}

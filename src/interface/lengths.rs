//! Changing the length of a slice.

use super::{highest, set_undefined};
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::SlicePtr;

impl Allocator<'_> {
    /// Changes the number of elements without moving them, or returns false and changes nothing.
    ///
    /// `new_len` is in elements; 0 frees the memory. New elements are uninitialised. Your pointer keeps its old length:
    /// call [`with_len`](SlicePtr::with_len) afterwards. `new_len` does not include a sentinel and none is written,
    /// but the old length passed to the allocator includes the old sentinel (as in Zig since 0.16).
    ///
    /// # Safety
    /// - `allocation` is a [live block](crate::VTable#live-block) of this allocator, or has no bytes.
    /// - Its type, alignment and sentinel included, is that of the last successful call that returned it, and its
    ///   length is the one requested in that call.
    /// - After true, nothing past `new_len` elements is used, and the block no longer has a sentinel.
    ///
    /// Ports `resize` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, SlicePtr};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let memory = arena.allocator().alloc::<u8>(10)?;
    /// assert!(unsafe { arena.allocator().resize(memory, 20) }, "the last block of an arena can grow");
    /// let memory = memory.with_len(20);
    /// # let _ = memory;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A buffer that grows in place where it can, and otherwise says so:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{SlicePtr, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.allocator();
    /// let (first, last) = (allocator.alloc::<u32>(5)?, allocator.alloc::<u32>(5)?);
    /// // SAFETY: live blocks; where the result is false, they have their old lengths.
    /// unsafe {
    ///     assert!(!allocator.resize(first, 6), "the other block is in the way");
    ///     assert!(!allocator.resize(last, 1000), "the buffer ends before that");
    ///     assert!(!allocator.resize(last, usize::MAX), "the number of bytes overflows");
    ///     assert!(allocator.resize(last, 10));
    ///     assert!(allocator.resize(last.with_len(10), 0), "frees the block");
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the block has its old length"]
    #[inline(always)]
    pub unsafe fn resize<A: SlicePtr>(self, allocation: A, new_len: usize) -> bool {
        if new_len == 0 {
            // SAFETY: a live allocation, by our caller, who uses none of it afterwards, since no elements are left.
            unsafe { self.free_with_ret_addr(allocation, return_address()) };
            return true;
        }
        if allocation.item_count() == 0 {
            return false;
        }
        if size_of::<A::Item>() == 0 {
            return true;
        }
        let Some(new_len_bytes) = size_of::<A::Item>().checked_mul(new_len) else {
            return false;
        };
        // SAFETY: a live block with matching length and alignment, by our caller; neither length is zero. `Allocator`
        // is not `Send`, so one thread uses this handle, or it is thread-safe.
        unsafe { self.raw_resize(allocation.bytes(), A::ALIGNMENT, new_len_bytes, return_address()) }
    }

    /// Changes the number of elements and may move them, or returns `None` and changes nothing.
    ///
    /// `None` means that the allocator has no better way than to allocate, copy and free. Do that yourself if you
    /// need not copy every element; otherwise use [`realloc`](Self::realloc). `new_len` is in elements; 0 frees
    /// the memory. The result has no sentinel.
    ///
    /// # Safety
    /// As [`resize`](Self::resize). After `Some`, the old slice is not used.
    ///
    /// Ports `remap` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let mut memory = PAGE_ALLOCATOR.alloc::<u8>(10)?;
    /// // A page has room for 2000 bytes, so the page allocator changes nothing.
    /// memory = unsafe { PAGE_ALLOCATOR.remap(memory, 2000) }.unwrap();
    /// assert_eq!(memory.len(), 2000);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A ring with a gap is copied in two parts. So it tries `remap`, and otherwise copies by itself:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::{Allocator, Error, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    ///
    /// /// Makes room after a gap: the first `head` bytes stay at the start, the others move to the end.
    /// ///
    /// /// # Safety
    /// /// `ring` is a live block of `gpa`, initialised, and not used afterwards; `head` is at most its length.
    /// unsafe fn widen(
    ///     gpa: Allocator<'_>, ring: NonNull<[u8]>, head: usize, len: usize,
    /// ) -> Result<NonNull<[u8]>, Error> {
    ///     let tail = ring.len() - head;
    ///     // SAFETY: what this function requires; all ranges are inside the two blocks.
    ///     unsafe {
    ///         if let Some(wide) = gpa.remap(ring, len) {
    ///             let start = wide.cast::<u8>();
    ///             start.add(head).copy_to(start.add(len - tail), tail);
    ///             return Ok(wide);
    ///         }
    ///         let wide = gpa.alloc::<u8>(len)?;
    ///         let (from, to) = (ring.cast::<u8>(), wide.cast::<u8>());
    ///         from.copy_to(to, head);
    ///         from.add(head).copy_to(to.add(len - tail), tail);
    ///         gpa.free(ring);
    ///         Ok(wide)
    ///     }
    /// }
    ///
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let ring = arena.allocator().dupe(b"cdeab")?;
    /// arena.allocator().create_with(0)?; // so that the ring is not the last block
    /// // SAFETY: a live block, not used afterwards.
    /// let ring = unsafe { widen(arena.allocator(), ring, 3, 8) }?;
    /// let start = ring.cast::<u8>();
    /// let (head, tail) = unsafe { (start.cast::<[u8; 3]>().read(), start.add(6).cast::<[u8; 2]>().read()) };
    /// assert_eq!((&head, &tail), (b"cde", b"ab"));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use = "if the result is `Some`, the block may have moved and the old pointer is dead"]
    #[inline(always)]
    pub unsafe fn remap<A: SlicePtr>(self, allocation: A, new_len: usize) -> Option<A::Resized> {
        if new_len == 0 {
            // SAFETY: a live allocation, by our caller, who uses none of it afterwards, since no elements are left.
            unsafe { self.free_with_ret_addr(allocation, return_address()) };
            return Some(allocation.with_len(0));
        }
        if allocation.item_count() == 0 {
            return None;
        }
        if size_of::<A::Item>() == 0 {
            return Some(allocation.with_len(new_len));
        }
        let new_len_bytes = size_of::<A::Item>().checked_mul(new_len)?;
        // SAFETY: a live block with matching length and alignment, by our caller; neither length is zero. `Allocator`
        // is not `Send`, so one thread uses this handle, or it is thread-safe.
        let memory =
            unsafe { self.raw_remap(allocation.bytes(), A::ALIGNMENT, new_len_bytes, return_address()) }?;
        Some(A::resized(memory.cast(), new_len))
    }

    /// Changes the number of elements: tries `remap`, and otherwise allocates, copies and frees.
    ///
    /// `new_n` is in elements; 0 frees the memory. An empty slice becomes a new allocation. New elements are
    /// uninitialised. Shrinking can fail too. The result has no sentinel.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the old slice is unchanged and still live.
    ///
    /// # Safety
    /// As [`resize`](Self::resize). After `Ok`, the old slice is not used.
    ///
    /// Ports `realloc` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let mut memory = PAGE_ALLOCATOR.dupe(&[1, 2, 3])?;
    /// memory = unsafe { PAGE_ALLOCATOR.realloc(memory, 10_000) }?;
    /// assert_eq!(unsafe { &memory.as_ref()[..3] }, [1, 2, 3]);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// What is in memory stays when it fails, and a length of 0 frees:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Error, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 64];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.allocator();
    /// let text = allocator.dupe(b"kept")?;
    /// // SAFETY: a live block, which stays as it is.
    /// assert_eq!(unsafe { allocator.realloc(text, 65) }, Err(Error::OutOfMemory));
    /// assert_eq!(unsafe { text.as_ref() }, b"kept");
    /// // SAFETY: the same block; the old slice is not used afterwards.
    /// let none = unsafe { allocator.realloc(text, 0) }?;
    /// assert_eq!((none.len(), fixed_buffer.end_index()), (0, 0));
    /// // SAFETY: an empty slice becomes a new block.
    /// let some = unsafe { allocator.realloc(none, 10) }?;
    /// assert_eq!((some.len(), fixed_buffer.end_index()), (10, 10));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn realloc<A: SlicePtr>(self, old_mem: A, new_n: usize) -> Result<A::Resized, Error> {
        // SAFETY: `old_mem` is a live allocation of this allocator, not used after a success, by our caller.
        unsafe { self.realloc_advanced(old_mem, new_n, return_address()) }
    }

    /// [`realloc`](Self::realloc) with a given return address.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the old slice is unchanged and still live.
    ///
    /// # Safety
    /// As [`realloc`](Self::realloc).
    ///
    /// Ports `reallocAdvanced` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Allocator, Error};
    /// /// Doubles a slice on behalf of the caller.
    /// ///
    /// /// # Safety
    /// /// As for `realloc`.
    /// unsafe fn double(allocator: Allocator<'_>, old: NonNull<[u8]>, ra: usize) -> Result<NonNull<[u8]>, Error> {
    ///     // SAFETY: this function's own requirements.
    ///     unsafe { allocator.realloc_advanced(old, 2 * old.len(), ra) }
    /// }
    ///
    /// let memory = PAGE_ALLOCATOR.dupe(b"zig")?;
    /// // SAFETY: a live block; the old slice is not used afterwards.
    /// let memory = unsafe { double(*PAGE_ALLOCATOR, memory, return_address()) }?;
    /// assert_eq!((memory.len(), unsafe { &memory.as_ref()[..3] }), (6, &b"zig"[..]));
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "reallocAdvanced")]
    #[inline]
    pub unsafe fn realloc_advanced<A: SlicePtr>(
        self,
        old_mem: A,
        new_n: usize,
        return_address: usize,
    ) -> Result<A::Resized, Error> {
        if size_of::<A::Item>() == 0 {
            return Ok(old_mem.with_len(new_n));
        }
        let old_bytes = old_mem.bytes();
        let byte_count = size_of::<A::Item>().checked_mul(new_n).ok_or(Error::OutOfMemory)?;
        if old_bytes.is_empty() {
            let memory = self.alloc_bytes_aligned(A::ALIGNMENT, byte_count, return_address)?;
            return Ok(A::resized(memory.cast(), new_n));
        }
        if new_n == 0 {
            // SAFETY: a live allocation, by our caller, who uses none of it afterwards, since no elements are left.
            unsafe { self.free_with_ret_addr(old_mem, return_address) };
            return Ok(A::resized(highest(A::ALIGNMENT), 0));
        }
        // SAFETY: a live block with matching length and alignment, by our caller; neither length is zero. `Allocator`
        // is not `Send`, so one thread uses this handle, or it is thread-safe.
        if let Some(memory) = unsafe { self.raw_remap(old_bytes, A::ALIGNMENT, byte_count, return_address) } {
            return Ok(A::resized(memory.cast(), new_n));
        }
        // SAFETY: the length is not zero; threads as for `raw_remap` above.
        let memory =
            unsafe { self.raw_alloc(byte_count, A::ALIGNMENT, return_address) }.ok_or(Error::OutOfMemory)?;
        let copy_len = byte_count.min(old_bytes.len());
        // SAFETY: both blocks have at least `copy_len` bytes, and a new block does not overlap a live one.
        unsafe { memory.copy_from_nonoverlapping(old_bytes.cast(), copy_len) };
        // SAFETY: the old block is live, since `remap` changed nothing, and its content is not read again.
        unsafe { set_undefined(old_bytes) };
        // SAFETY: a live block with matching length and alignment, not used afterwards; threads as for `raw_remap`
        // above.
        unsafe { self.raw_free(old_bytes, A::ALIGNMENT, return_address) };
        Ok(A::resized(memory.cast(), new_n))
    }
}

//! The typed interface: what a program calls on an [`Allocator`].
//!
//! The vtable knows bytes; these functions know elements. They multiply, check for overflow, keep
//! zero lengths away from the vtable, pass the element's alignment, take the caller's address, and
//! turn null into [`Error::OutOfMemory`]. They are the same for every allocator.
//!
//! # Which one changes a length?
//!
//! | | moves the block? | fails? | use it |
//! |---|---|---|---|
//! | [`resize`](Allocator::resize) | never | returns false; nothing changed | when pointers into the block must stay |
//! | [`remap`](Allocator::remap) | perhaps | returns `None`; nothing changed | when you copy better than the allocator would: only what is live, or with a gap |
//! | [`realloc`](Allocator::realloc) | perhaps | only when out of memory; nothing changed | otherwise: it is `remap`, else allocate, copy and free |
//!
//! # Every empty and zero case
//!
//! None of these reaches the vtable, except the `free` of rows 5, 6 and 7, which end a block, and the
//! `alloc` of rows 10 and 13, which make one. Where
//! there is no block, a pointer is the highest address that is aligned, as in Zig, so that a wrong
//! use of it faults.
//!
//! | | call | result |
//! |---|---|---|
//! | 1 | `create` of a type without size | the highest aligned address |
//! | 2 | `alloc` of 0 elements, or of elements without size | a slice of that length at the highest aligned address |
//! | 3 | `dupe` of an empty slice | as 2 |
//! | 4 | `free`, `destroy` of what 1 to 3 gave | nothing |
//! | 5 | `resize` of a block to 0 | frees it; true |
//! | 6 | `remap` of a block to 0 | frees it; an empty slice at the old address |
//! | 7 | `realloc` of a block to 0 | frees it; an empty slice at the highest aligned address |
//! | 8 | `resize` of an empty slice to n > 0 | false |
//! | 9 | `remap` of an empty slice to n > 0 | `None` |
//! | 10 | `realloc` of an empty slice to n > 0 | a new allocation |
//! | 11 | `resize`, `remap`, `realloc` of an empty slice to 0 | true, an empty slice, an empty slice |
//! | 12 | `resize`, `remap`, `realloc` of n > 0 elements without size | true, `Some`, `Ok`, with the new length |
//! | 13 | `alloc_sentinel` of 0 elements | one element, the sentinel, is allocated; `free` frees it |
//! | 14 | a byte count above `usize::MAX` | `OutOfMemory`, false or `None` |
//!
//! Each row as a program; where no block is needed, on an allocator that refuses all memory and aborts if
//! anything else is asked of it:
//!
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 1
//! assert_eq!(a.create::<()>()?.addr().get(), usize::MAX);
//! assert_eq!(a.create::<[u64; 0]>()?.addr().get(), usize::MAX - 7);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 2
//! assert_eq!(a.alloc::<u32>(0)?.addr().get(), usize::MAX - 3);
//! assert_eq!(a.alloc::<()>(usize::MAX)?.len(), usize::MAX);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 3
//! assert_eq!(a.dupe::<u8>(b"")?.addr().get(), usize::MAX);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 4
//! unsafe { a.free(a.alloc::<u32>(0)?) };
//! unsafe { a.destroy(a.create::<()>()?) };
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::heap::ArenaAllocator;
//! # let arena = ArenaAllocator::init(zigalloc::heap::PAGE_ALLOCATOR);
//! # let a = arena.allocator();
//! let memory = a.alloc::<u32>(10)?; // row 5
//! assert!(unsafe { a.resize(memory, 0) });
//! assert_eq!(a.alloc::<u32>(10)?, memory, "it was freed, and is handed out again");
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::heap::ArenaAllocator;
//! # let arena = ArenaAllocator::init(zigalloc::heap::PAGE_ALLOCATOR);
//! # let a = arena.allocator();
//! let memory = a.alloc::<u32>(10)?; // row 6
//! let empty = unsafe { a.remap(memory, 0) }.unwrap();
//! assert_eq!((empty.len(), empty.addr()), (0, memory.addr()));
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::heap::ArenaAllocator;
//! # let arena = ArenaAllocator::init(zigalloc::heap::PAGE_ALLOCATOR);
//! # let a = arena.allocator();
//! let memory = a.alloc::<u32>(10)?; // row 7
//! let empty = unsafe { a.realloc(memory, 0) }?;
//! assert_eq!((empty.len(), empty.addr().get()), (0, usize::MAX - 3));
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 8
//! assert!(!unsafe { a.resize(a.alloc::<u32>(0)?, 1) });
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 9
//! assert!(unsafe { a.remap(a.alloc::<u32>(0)?, 1) }.is_none());
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::heap::ArenaAllocator;
//! # let arena = ArenaAllocator::init(zigalloc::heap::PAGE_ALLOCATOR);
//! # let a = arena.allocator();
//! let memory = unsafe { a.realloc(a.alloc::<u32>(0)?, 5) }?; // row 10
//! assert_eq!(memory.len(), 5);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 11
//! let empty = a.alloc::<u32>(0)?;
//! assert!(unsafe { a.resize(empty, 0) });
//! assert_eq!(unsafe { a.remap(empty, 0) }.unwrap().len(), 0);
//! assert_eq!(unsafe { a.realloc(empty, 0) }?.len(), 0);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::Allocator;
//! let a = Allocator::FAILING; // row 12
//! let units = a.alloc::<()>(10)?;
//! assert!(unsafe { a.resize(units, 200) });
//! assert_eq!(unsafe { a.remap(units, 200) }.unwrap().len(), 200);
//! assert_eq!(unsafe { a.realloc(units, 200) }?.len(), 200);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::{heap::FixedBufferAllocator, Allocator};
//! # let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 8];
//! let fixed_buffer = FixedBufferAllocator::init(&mut buffer); // row 13
//! let a = fixed_buffer.allocator();
//! let empty = a.alloc_sentinel(0, b'!')?;
//! assert_eq!((empty.len(), fixed_buffer.end_index()), (0, 1));
//! unsafe { a.free(empty) };
//! assert_eq!(fixed_buffer.end_index(), 0);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//! ```
//! # use zigalloc::{heap::PAGE_ALLOCATOR, Error};
//! let a = PAGE_ALLOCATOR; // row 14
//! assert_eq!(a.alloc::<u32>(usize::MAX).unwrap_err(), Error::OutOfMemory);
//! let memory = a.alloc::<u32>(1)?;
//! assert!(!unsafe { a.resize(memory, usize::MAX) });
//! assert!(unsafe { a.remap(memory, usize::MAX) }.is_none());
//! assert_eq!(unsafe { a.realloc(memory, usize::MAX) }.unwrap_err(), Error::OutOfMemory);
//! unsafe { a.free(memory) };
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! # Undefined memory
//!
//! Zig's safe modes fill memory with the byte 0xAA where its content becomes undefined. Builds with
//! `debug_assertions` do the same at the same places: new memory of `create` and `alloc`, all
//! memory that `free` frees (also by way of a length of 0), and the old block when `realloc` had to
//! copy. `destroy`, the tail that a `resize`, `remap` or `realloc` adds or drops, and the `raw_*`
//! functions fill nothing. Under Miri nothing is filled, because Miri tracks undefined memory itself.
//!
//! # Return addresses
//!
//! Every function passes the vtable the address of the code that called it (see
//! [`return_address`]). The `…_advanced` and `…_ret_addr` forms take it as an argument, for
//! functions that allocate on behalf of their own caller.
//!
//! Ports `std.mem.Allocator` of Zig 0.15.2, with `alignedCreate`, `dupeSentinel`, `print` and
//! `printSentinel` of 0.17.1; `docs/differences.md` names each difference.

use core::fmt;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{
    AlignedPtr, AlignedSlice, Allocation, OptionalSentinel, Sentinel, SentinelSlice, SingleItem,
};
use crate::writer::AllocatingWriter;

/// Fills memory whose content has become undefined, in the builds that do so.
///
/// # Safety
/// `memory` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn set_undefined(memory: NonNull<[u8]>) {
    if cfg!(all(debug_assertions, not(miri))) {
        // SAFETY: the caller's promise.
        unsafe { memory.cast::<u8>().write_bytes(0xAA, memory.len()) };
    }
}

/// The pointer where there is no block: the highest address with this alignment.
#[inline(always)]
pub(crate) fn highest<T>(alignment: Alignment) -> NonNull<T> {
    let ptr = ptr::without_provenance_mut(alignment.backward(usize::MAX));
    // SAFETY: the highest address has at least its highest bit set, whatever the alignment.
    unsafe { NonNull::new_unchecked(ptr) }
}

impl<'a> Allocator<'a> {
    // ---- one item ----

    /// Memory for one `T`, uninitialised. Give it back with [`destroy`](Self::destroy).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. A type without size never fails.
    ///
    /// Ports `create` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create::<u64>()?;
    /// unsafe { number.write(42) };
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn create<T>(self) -> Result<NonNull<T>, Error> {
        let ptr = self.create_advanced_with_ret_addr::<T, 0>(return_address())?;
        Ok(ptr.as_non_null())
    }

    /// Memory for one `T` with an alignment in bytes that may be above or below the natural one.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `alignedCreate` of Zig 0.17.1.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let line = PAGE_ALLOCATOR.aligned_create::<[u8; 10], 64>()?;
    /// assert_eq!(line.as_ptr().addr() % 64, 0);
    /// unsafe { PAGE_ALLOCATOR.destroy(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "alignedCreate")]
    #[inline(always)]
    pub fn aligned_create<T, const ALIGN: usize>(self) -> Result<AlignedPtr<T, ALIGN>, Error> {
        self.create_advanced_with_ret_addr(return_address())
    }

    /// [`aligned_create`](Self::aligned_create) on behalf of a caller.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `createAdvancedWithRetAddr` of Zig 0.17.1.
    #[doc(alias = "createAdvancedWithRetAddr")]
    #[inline(always)]
    pub fn create_advanced_with_ret_addr<T, const ALIGN: usize>(
        self,
        return_address: usize,
    ) -> Result<AlignedPtr<T, ALIGN>, Error> {
        let alignment = AlignedPtr::<T, ALIGN>::ALIGNMENT;
        if size_of::<T>() == 0 {
            return Ok(AlignedPtr::new(highest(alignment.max(Alignment::of::<T>()))));
        }
        let memory = self.alloc_bytes_aligned(alignment, size_of::<T>(), return_address)?;
        Ok(AlignedPtr::new(memory.cast()))
    }

    /// Memory for one value, initialised with it. Not in Zig.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the value is dropped then.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn create_with<T>(self, value: T) -> Result<NonNull<T>, Error> {
        let ptr = self.create_advanced_with_ret_addr::<T, 0>(return_address())?.as_non_null();
        // SAFETY: new memory for a `T`, or a well-aligned address for a type without size.
        unsafe { ptr.write(value) };
        Ok(ptr)
    }

    /// Gives back what [`create`](Self::create) or [`aligned_create`](Self::aligned_create) gave.
    /// Does not drop the value and does not fill the memory.
    ///
    /// # Safety
    /// `ptr` is a live block of this allocator (clause 3 of the
    /// [contract](crate::VTable#the-contract-of-an-allocator)), or one of a type without size. It has the
    /// type that it was created with, alignment included, and is not used afterwards.
    ///
    /// Ports `destroy` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.create_with(42)?;
    /// // SAFETY: a live block, which nothing uses afterwards.
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn destroy<P: SingleItem>(self, ptr: P) {
        let memory = NonNull::slice_from_raw_parts(ptr.as_non_null_ptr().cast(), size_of::<P::Item>());
        if memory.is_empty() {
            return;
        }
        // SAFETY: a block of `create` with matching length and alignment, by the caller's promise.
        unsafe { self.raw_free(memory, P::ALIGNMENT, return_address()) };
    }

    // ---- slices ----

    /// Memory for `n` elements, uninitialised. Give it back with [`free`](Self::free).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if `n` elements are more bytes than a `usize` counts.
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

    /// Memory for `n` elements with an alignment in bytes that may be above or below the natural one.
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

    /// Memory for `n` elements and one more, which is set to `sentinel`.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc); `n + 1` that overflows is `OutOfMemory`, where Zig 0.15.2 panics.
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

    /// Memory for `n` elements with an alignment in bytes (0: the natural one) and perhaps a
    /// sentinel; the type of the result follows from both.
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

    /// [`alloc_with_options`](Self::alloc_with_options) on behalf of a caller.
    ///
    /// # Errors
    /// As [`alloc_sentinel`](Self::alloc_sentinel).
    ///
    /// Ports `allocWithOptionsRetAddr` of Zig 0.15.2.
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
        // SAFETY: there is room for `n + COUNT` elements.
        Ok(unsafe { sentinel.finish(slice.as_non_null_ptr(), n) })
    }

    /// [`aligned_alloc`](Self::aligned_alloc) on behalf of a caller.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// Ports `allocAdvancedWithRetAddr` of Zig 0.15.2.
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

    /// `byte_count` bytes with an alignment that is known at run time only.
    ///
    /// The other functions end here. Free it with [`raw_free`](Self::raw_free), unless `byte_count`
    /// was 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also for an alignment that is not [valid](Alignment::is_valid).
    ///
    /// Ports `allocBytesAligned`, which is public since Zig 0.17.1; there the alignment is comptime.
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
        // SAFETY: the length is not zero, and a handle that is not `SyncAllocator` is not `Send`.
        let memory =
            unsafe { self.raw_alloc(byte_count, alignment, return_address) }.ok_or(Error::OutOfMemory)?;
        // SAFETY: new memory of this length.
        unsafe { set_undefined(NonNull::slice_from_raw_parts(memory, byte_count)) };
        Ok(memory)
    }

    /// Memory for `n` elements with every byte 0. Not in Zig.
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
        // SAFETY: new memory of this length, or no bytes at all.
        unsafe { slice.cast::<T>().write_bytes(0, n) };
        Ok(slice)
    }

    /// Changes the number of elements without moving them, or returns false and changes nothing.
    ///
    /// The slice that you hold keeps its length; see [`Allocation::with_len`]. `new_len` counts
    /// elements; with 0 the memory is freed. New elements are uninitialised. A sentinel is counted in
    /// what is passed to the allocator (in Zig since 0.16), but not in `new_len`, and is not written.
    ///
    /// # Safety
    /// `allocation` is a live block of this allocator (clause 3 of the
    /// [contract](crate::VTable#the-contract-of-an-allocator)), or has no bytes. Its type, alignment and
    /// sentinel included, is that of the last successful call that returned it, and its length the one
    /// that the last successful call asked for. After true, nothing beyond `new_len` is used, and the block
    /// has no sentinel any more.
    ///
    /// Ports `resize` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, Allocation};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let memory = arena.allocator().alloc::<u8>(10)?;
    /// assert!(unsafe { arena.allocator().resize(memory, 20) }, "the last block of an arena can grow");
    /// let memory = memory.with_len(20);
    /// # let _ = memory;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the allocation has its old length"]
    #[inline(always)]
    pub unsafe fn resize<A: Allocation>(self, allocation: A, new_len: usize) -> bool {
        if new_len == 0 {
            // SAFETY: the caller's promise is that of `free`.
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
        // SAFETY: a live block with matching length and alignment, and neither length is zero.
        unsafe { self.raw_resize(allocation.bytes(), A::ALIGNMENT, new_len_bytes, return_address()) }
    }

    /// Changes the number of elements and may move them, or returns `None` and changes nothing.
    ///
    /// `None` means that the allocator has no better way than to allocate, copy and free. A caller who
    /// need not copy everything does that itself; [`realloc`](Self::realloc) does it for the others.
    /// `new_len` counts elements; with 0 the memory is freed. A sentinel is dropped.
    ///
    /// # Safety
    /// As [`resize`](Self::resize). After `Some`, the old slice is not used.
    ///
    /// Ports `remap` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let mut memory = PAGE_ALLOCATOR.alloc::<u8>(10)?;
    /// // Within a page, the page allocator has nothing to do.
    /// memory = unsafe { PAGE_ALLOCATOR.remap(memory, 2000) }.unwrap();
    /// assert_eq!(memory.len(), 2000);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is `Some`, the allocation is there and the old pointer is dead"]
    #[inline(always)]
    pub unsafe fn remap<A: Allocation>(self, allocation: A, new_len: usize) -> Option<A::Resized> {
        if new_len == 0 {
            // SAFETY: the caller's promise is that of `free`.
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
        // SAFETY: a live block with matching length and alignment, and neither length is zero.
        let memory =
            unsafe { self.raw_remap(allocation.bytes(), A::ALIGNMENT, new_len_bytes, return_address()) }?;
        Some(A::resized(memory.cast(), new_len))
    }

    /// Changes the number of elements and fails only when out of memory: `remap`, or else allocate,
    /// copy and free.
    ///
    /// `new_n` counts elements; with 0 the memory is freed. An empty slice becomes a new allocation.
    /// New elements are uninitialised. Even to shrink can fail. A sentinel is dropped.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the old slice is unchanged and still yours.
    ///
    /// # Safety
    /// As [`resize`](Self::resize). After `Ok`, the old slice is not used.
    ///
    /// Ports `realloc` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let mut memory = PAGE_ALLOCATOR.dupe(&[1, 2, 3])?;
    /// memory = unsafe { PAGE_ALLOCATOR.realloc(memory, 10_000) }?;
    /// assert_eq!(unsafe { &memory.as_ref()[..3] }, [1, 2, 3]);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn realloc<A: Allocation>(self, old_mem: A, new_n: usize) -> Result<A::Resized, Error> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.realloc_advanced(old_mem, new_n, return_address()) }
    }

    /// [`realloc`](Self::realloc) on behalf of a caller.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the old slice is unchanged and still yours.
    ///
    /// # Safety
    /// As [`realloc`](Self::realloc).
    ///
    /// Ports `reallocAdvanced` of Zig 0.15.2.
    #[doc(alias = "reallocAdvanced")]
    #[inline]
    pub unsafe fn realloc_advanced<A: Allocation>(
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
            // SAFETY: the caller's promise is that of `free`.
            unsafe { self.free_with_ret_addr(old_mem, return_address) };
            return Ok(A::resized(highest(A::ALIGNMENT), 0));
        }
        // SAFETY: a live block with matching length and alignment, and neither length is zero.
        if let Some(memory) = unsafe { self.raw_remap(old_bytes, A::ALIGNMENT, byte_count, return_address) } {
            return Ok(A::resized(memory.cast(), new_n));
        }
        // SAFETY: the length is not zero.
        let memory =
            unsafe { self.raw_alloc(byte_count, A::ALIGNMENT, return_address) }.ok_or(Error::OutOfMemory)?;
        let copy_len = byte_count.min(old_bytes.len());
        // SAFETY: both blocks have at least `copy_len` bytes, and live blocks do not overlap
        // (clause 7).
        unsafe { memory.copy_from_nonoverlapping(old_bytes.cast(), copy_len) };
        // SAFETY: the old block is live; `remap` has changed nothing.
        unsafe { set_undefined(old_bytes) };
        // SAFETY: a live block with matching length and alignment, given up by the caller.
        unsafe { self.raw_free(old_bytes, A::ALIGNMENT, return_address) };
        Ok(A::resized(memory.cast(), new_n))
    }

    /// Gives memory back. Does not drop the elements. An empty slice without sentinel is nothing.
    ///
    /// # Safety
    /// `memory` is a live block of this allocator (clause 3 of the
    /// [contract](crate::VTable#the-contract-of-an-allocator)), or has no bytes. Its type, alignment and
    /// sentinel included, is that of the last successful call that returned it (after a `resize`, that of
    /// [`with_len`](Allocation::with_len)), and its length the one that the last successful call asked
    /// for. It is not used afterwards.
    ///
    /// Ports `free` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_str("zig")?;
    /// // SAFETY: a live block, which nothing uses afterwards.
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free<A: Allocation>(self, memory: A) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// # Safety
    /// As [`free`](Self::free).
    #[inline(always)]
    unsafe fn free_with_ret_addr<A: Allocation>(self, memory: A, return_address: usize) {
        let bytes = memory.bytes();
        if bytes.is_empty() {
            return;
        }
        // SAFETY: the block is live and was given up by the caller.
        unsafe { set_undefined(bytes) };
        // SAFETY: a live block with matching length and alignment, given up by the caller.
        unsafe { self.raw_free(bytes, A::ALIGNMENT, return_address) };
    }

    // ---- copies ----

    /// A copy of a slice.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupe` of Zig 0.15.2, which passes an address of its own to the vtable; this one passes
    /// the caller's.
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

    /// A copy of a string. Not in Zig, whose strings are slices of bytes.
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
        // SAFETY: the pointer is not null, and a `str` is a slice of bytes; these are UTF-8.
        Ok(unsafe { NonNull::new_unchecked(copy.as_ptr() as *mut str) })
    }

    /// A copy of a slice with `T::default()` behind it, which is 0 for integers. So a copy of bytes is
    /// what C calls a string. For another sentinel there is [`dupe_sentinel`](Self::dupe_sentinel).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupeZ` of Zig 0.15.2, which writes a 0 and takes no element for which there is none; later
    /// releases have only `dupeSentinel`.
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

    /// A copy of a slice with a sentinel behind it.
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
        // SAFETY: new memory of this length and one more.
        unsafe { copy.as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        Ok(copy)
    }

    // ---- text ----

    /// Formats into new memory. Give it back with [`free`](Self::free).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// As `format!` does, if a `Display` implementation returns an error of its own.
    ///
    /// Ports `print` of Zig 0.17.1 (`std.fmt.allocPrint` before).
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print(format_args!("{}={}", -1, "hi"))?;
    /// assert_eq!(unsafe { text.as_ref() }, b"-1=hi");
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocPrint")]
    #[inline(always)]
    #[track_caller]
    pub fn print(self, args: fmt::Arguments<'_>) -> Result<NonNull<[u8]>, Error> {
        AllocatingWriter::format(self, args, return_address(), "Allocator::print")?.into_owned_slice()
    }

    /// Formats into new memory, with a sentinel behind the text.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// As [`print`](Self::print).
    ///
    /// Ports `printSentinel` of Zig 0.17.1 (`std.fmt.allocPrintSentinel` before).
    ///
    /// ```
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.print_sentinel(format_args!("{}={}", -1, "hi"), 0)?;
    /// assert_eq!((text.len(), unsafe { text.sentinel_ptr().read() }), (5, 0));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "printSentinel")]
    #[doc(alias = "allocPrintSentinel")]
    #[inline(always)]
    #[track_caller]
    pub fn print_sentinel(self, args: fmt::Arguments<'_>, sentinel: u8) -> Result<SentinelSlice<u8>, Error> {
        AllocatingWriter::format(self, args, return_address(), "Allocator::print_sentinel")?
            .into_owned_slice_sentinel(sentinel)
    }
}

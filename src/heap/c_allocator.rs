//! Two allocators over the C library's `malloc`: one with every alignment, one that only forwards calls.
//!
//! Where `posix_memalign` exists, it returns the blocks of the first. Elsewhere (Windows), each block lies inside a
//! larger one from `malloc`, and the word before it holds the address to free. The module `header` draws this.
//!
//! Ports `c_allocator` and `raw_c_allocator` of `lib/std/heap.zig` of Zig 0.15.2. (Zig 0.16 merged the latter into the
//! former.) See their [differences](crate::guide::differences#the-c-library), and
//! [threads and forks](super#threads-and-forks).

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use super::whole_block;
use crate::alignment::{Alignment, MAX_LEN};
use crate::allocator::SyncAllocator;
use crate::allocator::stateless::{Sealed, Stateless};
use crate::vtable::{VTable, block, no_resize};

#[cfg(any(windows, test))]
mod header;
#[cfg(not(windows))]
mod posix;

#[cfg(windows)]
use header as os;
#[cfg(not(windows))]
use posix as os;

/// The C library's allocator, with support for every alignment.
///
/// Blocks never move. `resize` and `remap` succeed for every shorter length, and for longer ones up to the usable
/// size that the C library reports. With glibc, a block of 10 bytes has room for 24:
///
/// ```text
///            10            24
///   ┌─────────┬─────────────┐
///   │ request │    room     │ next block …
///   └─────────┴─────────────┘
/// ```
///
/// On Unix, C code may pass a block to `free`. Any number of threads may call it, as C requires of `malloc`.
///
/// Ports `std.heap.c_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::{Alignment, heap::C_ALLOCATOR};
///
/// let memory = C_ALLOCATOR.aligned_alloc::<u8, 64>(100)?;
/// assert!(Alignment::_64.check_ptr(memory.as_ptr()));
/// // SAFETY: nothing uses the block afterwards.
/// unsafe { C_ALLOCATOR.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A C function takes over a block and frees it:
///
/// ```
/// # #[cfg(unix)] {
/// use std::ffi::{CStr, c_char, c_void};
/// use zigalloc::heap::C_ALLOCATOR;
///
/// unsafe extern "C" {
///     fn free(memory: *mut c_void);
/// }
///
/// /// As C code would: uses the text, and frees it.
/// unsafe extern "C" fn consume(text: *mut c_char) -> usize {
///     // SAFETY: a string of `malloc`, which is not used afterwards, by the caller.
///     unsafe {
///         let len = CStr::from_ptr(text).count_bytes();
///         free(text.cast());
///         len
///     }
/// }
///
/// let text = C_ALLOCATOR.print_sentinel(format_args!("{}!", "from Rust"), 0)?;
/// // SAFETY: the block is given away.
/// assert_eq!(unsafe { consume(text.as_ptr().cast()) }, 10);
/// # }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A block shrinks in place, and grows as far as `malloc` has rounded it up:
///
/// ```
/// # use zigalloc::{SlicePtr, heap::C_ALLOCATOR};
/// let memory = C_ALLOCATOR.alloc::<u8>(100)?;
/// // SAFETY: a live block, used with its new length only.
/// unsafe {
///     assert!(!C_ALLOCATOR.resize(memory, 100_000));
///     assert!(C_ALLOCATOR.resize(memory, 1));
///     C_ALLOCATOR.free(memory.with_len(1));
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.c_allocator")]
pub const C_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract from any thread, because C's functions do. There is no state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &CAllocator::VTABLE) }
};

/// Plain `malloc`, `realloc` and `free`: the cheaper child for an arena.
///
/// It supports alignments up to that of C's `max_align_t` (two words) and is out of memory for larger ones. `resize`
/// always returns false; `remap` is `realloc`. C code may pass a block to `free`. Any number of threads may call it.
///
/// Ports `std.heap.raw_c_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, RAW_C_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(RAW_C_ALLOCATOR);
/// assert_eq!(arena.allocator().alloc::<u64>(100)?.len(), 100);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The limit on alignments, which the other allocator does not have:
///
/// ```
/// # use zigalloc::{Error, heap::{C_ALLOCATOR, RAW_C_ALLOCATOR}};
/// let two_words = RAW_C_ALLOCATOR.create::<[usize; 2]>()?;
/// unsafe { RAW_C_ALLOCATOR.destroy(two_words) };
/// assert!(RAW_C_ALLOCATOR.aligned_create::<u8, 64>().is_err());
/// let line = C_ALLOCATOR.aligned_create::<u8, 64>()?;
/// unsafe { C_ALLOCATOR.destroy(line) };
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.heap.raw_c_allocator")]
pub const RAW_C_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract from any thread, because C's functions do. There is no state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &RawCAllocator::VTABLE) }
};

/// [`C_ALLOCATOR`] as a type without size: see [`Stateless`].
///
/// On Unix, a C program may free what a container has allocated:
///
#[cfg_attr(all(unix, feature = "allocator-api2-02"), doc = "```")]
#[cfg_attr(not(all(unix, feature = "allocator-api2-02")), doc = "```ignore")]
/// use std::ffi::c_void;
/// use allocator_api2_02::boxed::Box;
/// use zigalloc::heap::CAllocator;
///
/// unsafe extern "C" {
///     fn free(memory: *mut c_void);
/// }
///
/// let number = Box::new_in(42, CAllocator);
/// # if cfg!(miri) { return } // Miri's `free` takes no pointer that a `Box` has held
/// // SAFETY: a block of the C library, not used afterwards.
/// unsafe { free(Box::into_raw(number).cast()) };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CAllocator;

impl Sealed for CAllocator {}

impl Stateless for CAllocator {
    const ALLOCATOR: SyncAllocator<'static> = C_ALLOCATOR;

    /// By `calloc`, if its alignment suffices and its blocks are freed as those of `alloc` are.
    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        if cfg!(not(windows)) && alignment <= MAX_ALIGN {
            return calloc(len, alignment);
        }
        // SAFETY: the length is not zero, by our caller; the function ignores the context.
        let memory = unsafe { Self::alloc(ptr::null_mut(), len, alignment, ret_addr) }?;
        // SAFETY: a new block of this length.
        unsafe { memory.write_bytes(0, len) };
        Some(memory)
    }
}

impl CAllocator {
    /// Returns [`C_ALLOCATOR`].
    ///
    /// ```
    /// use zigalloc::heap::CAllocator;
    ///
    /// let memory = CAllocator.allocator().dupe(b"a block")?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { CAllocator.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn allocator(self) -> SyncAllocator<'static> {
        C_ALLOCATOR
    }

    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Returns whether the block can become `new_len` bytes long in place.
    ///
    /// # Safety
    /// `memory` is a live block of this allocator.
    #[inline]
    unsafe fn has_room(memory: NonNull<[u8]>, new_len: usize) -> bool {
        new_len <= memory.len()
            // SAFETY: a live block, by our caller.
            || new_len <= unsafe { os::usable_size(memory.cast()) }
    }

    #[inline]
    unsafe extern "C" fn alloc(
        _ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if !alignment.is_valid() {
            return None;
        }
        // `posix_memalign` accepts no alignment below a word.
        let alignment = alignment.max(Alignment::of::<usize>());
        // Refuse what no C library can satisfy: some compute the sum of both incorrectly.
        if len > MAX_LEN || alignment.to_byte_units() > MAX_LEN - len {
            return None;
        }
        os::aligned_alloc(len, alignment)
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller.
        unsafe { Self::has_room(memory, new_len) }
    }

    #[inline]
    unsafe extern "C" fn remap(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller.
        let has_room = unsafe { Self::has_room(memory, new_len) };
        // The C library holds the address, so the memory counts as exposed.
        has_room.then(|| whole_block(memory.cast()))
    }

    #[inline]
    unsafe extern "C" fn free(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { os::aligned_free(memory.cast()) };
    }
}

/// [`RAW_C_ALLOCATOR`] as a type without size: see [`Stateless`].
///
/// It does not implement `GlobalAlloc`: as the global allocator it would fail for every alignment above two words,
/// which aborts most programs. (For those that it suits, there is
/// [`GlobalAllocator::new`](crate::adapters::GlobalAllocator::new).)
///
#[cfg_attr(feature = "allocator-api2-02", doc = "```")]
#[cfg_attr(not(feature = "allocator-api2-02"), doc = "```ignore")]
/// use allocator_api2_02::vec::Vec;
/// use zigalloc::heap::RawCAllocator;
///
/// let mut numbers = Vec::new_in(RawCAllocator);
/// numbers.extend(0..100);
/// assert_eq!(numbers[12], 12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RawCAllocator;

impl Sealed for RawCAllocator {}

impl Stateless for RawCAllocator {
    const ALLOCATOR: SyncAllocator<'static> = RAW_C_ALLOCATOR;

    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, _ret_addr: usize) -> Option<NonNull<u8>> {
        if alignment > MAX_ALIGN { None } else { calloc(len, alignment) }
    }
}

/// The alignment of C's `max_align_t`, which `malloc` guarantees: two words. (On some 32-bit targets `max_align_t` is
/// stricter than `malloc`.)
const MAX_ALIGN: Alignment = Alignment::from_byte_units(2 * size_of::<usize>());

impl RawCAllocator {
    /// Returns [`RAW_C_ALLOCATOR`].
    ///
    /// ```
    /// use zigalloc::heap::{ArenaAllocator, RawCAllocator};
    ///
    /// let arena = ArenaAllocator::init(RawCAllocator.allocator());
    /// assert!(arena.allocator().alloc::<u8>(100).is_ok());
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn allocator(self) -> SyncAllocator<'static> {
        RAW_C_ALLOCATOR
    }

    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: no_resize, remap: Self::remap, free: Self::free };

    #[inline]
    unsafe extern "C" fn alloc(
        _ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if alignment > MAX_ALIGN || len > MAX_LEN {
            return None;
        }
        // SAFETY: `malloc` has no preconditions.
        NonNull::new(unsafe { libc::malloc(at_least(len, alignment)) }.cast())
    }

    #[inline]
    unsafe extern "C" fn remap(
        _ctx: *mut (),
        memory: *mut u8,
        _memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if new_len > MAX_LEN {
            return None;
        }
        // SAFETY: a live block from `malloc` or `realloc`, by our caller; the length is not zero.
        NonNull::new(unsafe { libc::realloc(memory.cast(), at_least(new_len, alignment)) }.cast())
    }

    #[inline]
    unsafe extern "C" fn free(
        _ctx: *mut (),
        memory: *mut u8,
        _memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: a live block from `malloc` or `realloc`, not used afterwards, by our caller.
        unsafe { libc::free(memory.cast()) };
    }
}

/// Returns the length to request from `malloc`, which aligns a block for every object that fits into it. An object
/// with this alignment is at least this long.
#[inline]
fn at_least(len: usize, alignment: Alignment) -> usize {
    len.max(alignment.to_byte_units())
}

/// A block of zero bytes. The alignment is at most [`MAX_ALIGN`].
#[inline]
fn calloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    if len > MAX_LEN {
        return None;
    }
    // SAFETY: `calloc` has no preconditions.
    NonNull::new(unsafe { libc::calloc(1, at_least(len, alignment)) }.cast())
}

#[inline]
fn as_void(memory: NonNull<u8>) -> *mut c_void {
    memory.as_ptr().cast()
}

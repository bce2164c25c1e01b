//! The pointer types that allocation returns, and what `free` reads from each.
//!
//! In Zig, `free(memory: anytype)` reads from the *type* of `memory` how much was allocated: the element's size, an
//! alignment that may differ from the natural one (`[]align(64) u8`), and whether a sentinel follows the last element
//! (`[:0]u8`). Rust's slice types state only the first, so this module adds types for the other two:
//!
//! | Zig | here | made by |
//! |---|---|---|
//! | `*T` | `NonNull<T>` | `create` |
//! | `*align(a) T` | [`AlignedPtr<T, a>`](AlignedPtr) | `aligned_create` |
//! | `[]T` | `NonNull<[T]>` | `alloc`, `dupe` |
//! | `[]align(a) T` | [`AlignedSlice<T, a>`](AlignedSlice) | `aligned_alloc` |
//! | `[:s]T` | [`SentinelSlice<T>`](SentinelSlice) | `alloc_sentinel`, `dupe_sentinel` |
//! | `[:s]align(a) T` | [`SentinelSlice<T, a>`](SentinelSlice) | `alloc_with_options` |
//! | `*[N]T` | `NonNull<[T; N]>` | a cast |
//! | (none) | `NonNull<str>` | `dupe_str` |
//!
//! All are raw pointers: `Copy`, without a lifetime, to memory that may be uninitialised. References would be unsound:
//! a reference passed to a function must stay valid until the function returns, and `free` ends the memory before that.
//!
//! The types can be named, in a struct for example:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::{AlignedSlice, Allocator, Error, SentinelSlice, heap};
//!
//! /// Zig: `name: [:0]u8`, `line: []align(64) u8`.
//! struct Entry {
//!     name: SentinelSlice<u8>,
//!     line: AlignedSlice<u8, 64>,
//! }
//!
//! fn entry(gpa: Allocator<'_>, name: &[u8]) -> Result<Entry, Error> {
//!     let name = gpa.dupe_z(name)?;
//!     let line = gpa.aligned_alloc(100).inspect_err(|_| unsafe { gpa.free(name) })?;
//!     Ok(Entry { name, line })
//! }
//!
//! let Entry { name, line } = entry(*heap::PAGE_ALLOCATOR, b"zig")?;
//! assert_eq!((name.len(), line.len(), line.as_ptr().addr() % 64), (3, 100, 0));
//! unsafe { heap::PAGE_ALLOCATOR.free(name) };
//! unsafe { heap::PAGE_ALLOCATOR.free(line) };
//! # Ok::<(), Error>(())
//! ```
//!
//! An alignment parameter is in bytes, as in Zig's `align(64)`. 0 stands for Zig's `null`, the
//! element's natural alignment. An alignment below the natural one is allowed; read and write the elements
//! with `read_unaligned` and `write_unaligned` then.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::alignment::Alignment;

mod c_str;

/// The alignment that `align(ALIGN)` means for elements of type `T`; 0 is the natural one. Any other number that is
/// not a power of two fails to compile.
const fn alignment<T, const ALIGN: usize>() -> Alignment {
    assert!(ALIGN == 0 || ALIGN.is_power_of_two(), "ALIGN, in bytes, must be a power of two, or 0");
    if ALIGN == 0 { Alignment::of::<T>() } else { Alignment::from_byte_units(ALIGN) }
}

/// A slice of memory whose alignment is part of its type: Zig's `[]align(ALIGN) T`.
///
/// `ALIGN` is in bytes; 0 means the natural alignment of `T`. [`aligned_alloc`](crate::Allocator::aligned_alloc) makes
/// one, and [`free`](crate::Allocator::free) passes its alignment to the allocator.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, AlignedSlice};
///
/// let line: AlignedSlice<u8, 64> = PAGE_ALLOCATOR.aligned_alloc(100)?;
/// assert_eq!((line.len(), line.as_ptr().addr() % 64), (100, 0));
/// unsafe { PAGE_ALLOCATOR.free(line) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// An `ALIGN` that is not a power of two does not compile:
///
/// ```compile_fail,E0080
/// # use zigalloc::Allocator;
/// let odd = Allocator::FAILING.aligned_alloc::<u8, 3>(100);
/// ```
///
/// A struct that frees its slice with the alignment that its type states:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{AlignedSlice, Allocator, Error, heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
///
/// /// A frame of pixels that a device reads, aligned as the device requires.
/// struct Frame<'a> {
///     pixels: AlignedSlice<u8, 256>,
///     allocator: Allocator<'a>,
/// }
///
/// impl<'a> Frame<'a> {
///     fn init(allocator: Allocator<'a>, width: usize, height: usize) -> Result<Frame<'a>, Error> {
///         let len = width.checked_mul(height).ok_or(Error::OutOfMemory)?;
///         Ok(Frame { pixels: allocator.aligned_alloc(len)?, allocator })
///     }
/// }
///
/// impl Drop for Frame<'_> {
///     fn drop(&mut self) {
///         // SAFETY: a live block of this allocator, not used afterwards.
///         unsafe { self.allocator.free(self.pixels) };
///     }
/// }
///
/// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
/// let frame = Frame::init(ledger.allocator(), 64, 48)?;
/// assert_eq!((frame.pixels.len(), frame.pixels.as_ptr().addr() % 256), (3072, 0));
/// drop(frame);
/// ledger.assert_no_leaks(); // which aborts if the alignment of a free is another one
/// assert!(Frame::init(ledger.allocator(), usize::MAX, 2).is_err());
/// # Ok::<(), Error>(())
/// ```
pub struct AlignedSlice<T, const ALIGN: usize> {
    slice: NonNull<[T]>,
}

/// A slice that is followed by a sentinel: Zig's `[:s]T`, or `[:s]align(ALIGN) T`.
///
/// Free it as this type: the block includes the sentinel but `len` does not, so freeing the plain slice would pass the
/// wrong length. In Zig the sentinel's value is part of the type; here it is only in memory.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
/// assert_eq!(text.len(), 3);
/// // SAFETY: `dupe_z` wrote three bytes and a zero.
/// unsafe { assert_eq!(std::ffi::CStr::from_ptr(text.as_ptr().cast()), c"zig") };
/// unsafe { PAGE_ALLOCATOR.free(text) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A change of length loses the sentinel, which the type shows. A copy has one again:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{AlignedSlice, Sentinel, SentinelSlice, SlicePtr, heap::SMP_ALLOCATOR};
///
/// let name: SentinelSlice<u8> = SMP_ALLOCATOR.dupe_z(b"zig")?;
/// // SAFETY: a live block, whose old pointer is not used afterwards.
/// let longer: AlignedSlice<u8, 0> = unsafe { SMP_ALLOCATOR.realloc(name, 4) }?;
/// // SAFETY: four elements, of which the first three are initialised.
/// unsafe { longer.as_ptr().add(3).write(b'!') };
/// let name: SentinelSlice<u8> = SMP_ALLOCATOR.dupe_z(unsafe { longer.as_slice() })?;
/// assert_eq!(unsafe { name.as_c_str() }, c"zig!");
/// assert_eq!((name.len(), name.bytes().len()), (4, 5));
/// unsafe { SMP_ALLOCATOR.free(longer) };
/// unsafe { SMP_ALLOCATOR.free(name) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct SentinelSlice<T, const ALIGN: usize = 0> {
    slice: NonNull<[T]>,
}

/// A pointer to one item whose alignment is part of its type: Zig's `*align(ALIGN) T`.
///
/// `ALIGN` is in bytes; 0 means the natural alignment of `T`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, AlignedPtr};
///
/// let line: AlignedPtr<[u8; 10], 64> = PAGE_ALLOCATOR.aligned_create()?;
/// assert_eq!(line.as_ptr().addr() % 64, 0);
/// unsafe { PAGE_ALLOCATOR.destroy(line) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Counters of two threads on cache lines of their own:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use zigalloc::{AlignedPtr, Allocator, Error, heap::SMP_ALLOCATOR};
///
/// type Counter = AlignedPtr<AtomicU32, 64>;
///
/// fn counter(allocator: Allocator<'_>) -> Result<Counter, Error> {
///     let counter = allocator.aligned_create()?;
///     // SAFETY: new memory for a counter.
///     unsafe { counter.as_non_null().write(AtomicU32::new(0)) };
///     Ok(counter)
/// }
///
/// let counters: [Counter; 2] = [counter(*SMP_ALLOCATOR)?, counter(*SMP_ALLOCATOR)?];
/// // SAFETY: initialised, and live until they are destroyed below.
/// let [first, second] = counters.map(|counter| unsafe { counter.as_non_null().as_ref() });
/// std::thread::scope(|scope| {
///     scope.spawn(|| first.fetch_add(1, Ordering::Relaxed));
///     scope.spawn(|| second.fetch_add(2, Ordering::Relaxed));
/// });
/// assert_eq!(first.load(Ordering::Relaxed) + second.load(Ordering::Relaxed), 3);
/// assert!(counters[0].as_ptr().addr().abs_diff(counters[1].as_ptr().addr()) >= 64);
/// // SAFETY: live items, not used afterwards.
/// counters.map(|counter| unsafe { SMP_ALLOCATOR.destroy(counter) });
/// # Ok::<(), Error>(())
/// ```
pub struct AlignedPtr<T, const ALIGN: usize> {
    ptr: NonNull<T>,
}

impl<T, const ALIGN: usize> AlignedSlice<T, ALIGN> {
    /// The alignment of the block, which `free` passes to the allocator.
    ///
    /// ```
    /// # use zigalloc::{AlignedSlice, Alignment};
    /// assert_eq!(AlignedSlice::<u8, 64>::ALIGNMENT, Alignment::_64);
    /// assert_eq!(AlignedSlice::<u16, 0>::ALIGNMENT, Alignment::of::<u16>());
    /// ```
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Makes a slice from a pointer to its first element and its number of elements. This is safe; freeing or
    /// dereferencing the slice is not.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, AlignedSlice, SlicePtr};
    /// /// A slice as C programs pass it.
    /// #[repr(C)]
    /// struct Words {
    ///     ptr: NonNull<u16>,
    ///     len: usize,
    /// }
    ///
    /// let line = PAGE_ALLOCATOR.aligned_alloc::<u16, 64>(100)?;
    /// let words = Words { ptr: line.as_non_null_ptr(), len: line.len() };
    /// let line: AlignedSlice<u16, 64> = AlignedSlice::from_raw_parts(words.ptr, words.len);
    /// assert_eq!(line.bytes().len(), 200);
    /// // SAFETY: a live block with the type and the length of `aligned_alloc`.
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn from_raw_parts(ptr: NonNull<T>, len: usize) -> Self {
        AlignedSlice { slice: NonNull::slice_from_raw_parts(ptr, len) }
    }

    /// The number of elements.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, SlicePtr};
    /// let line = PAGE_ALLOCATOR.aligned_alloc::<u32, 64>(100)?;
    /// assert_eq!((line.len(), line.bytes().len()), (100, 400));
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// After a `resize`, the pointer has its old length until it is replaced:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, AlignedSlice, SlicePtr};
    /// let line = PAGE_ALLOCATOR.aligned_alloc::<u32, 64>(100)?;
    /// // SAFETY: a live block; only the shorter slice is used afterwards.
    /// assert!(unsafe { PAGE_ALLOCATOR.resize(line, 16) });
    /// let shorter: AlignedSlice<u32, 64> = line.with_len(16);
    /// assert_eq!((line.len(), shorter.len()), (100, 16));
    /// unsafe { PAGE_ALLOCATOR.free(shorter) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn len(self) -> usize {
        self.slice.len()
    }

    /// Whether the slice has no elements.
    ///
    /// ```
    /// # use zigalloc::Allocator;
    /// // No elements: no block is allocated, so this succeeds, and there is nothing to free.
    /// let none = Allocator::FAILING.aligned_alloc::<u8, 64>(0)?;
    /// assert!(none.is_empty());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.slice.is_empty()
    }

    /// The first element's address.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let line = PAGE_ALLOCATOR.aligned_alloc::<u32, 64>(16)?;
    /// assert_eq!(line.as_ptr().addr() % 64, 0);
    /// // SAFETY: within the 16 elements.
    /// unsafe { line.as_ptr().add(15).write(7) };
    /// assert_eq!(unsafe { line.as_ptr().add(15).read() }, 7);
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.slice.as_ptr().cast()
    }

    /// The same memory without the alignment. Do not free the block through it: the alignment would be wrong.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let line = PAGE_ALLOCATOR.aligned_alloc::<u8, 64>(3)?;
    /// // SAFETY: memory for three elements.
    /// unsafe { line.as_ptr().write_bytes(7, 3) };
    /// // SAFETY: the elements are initialised, and nothing else uses them.
    /// assert_eq!(unsafe { line.as_non_null().as_ref() }, [7, 7, 7]);
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_non_null(self) -> NonNull<[T]> {
        self.slice
    }

    /// The elements as a slice.
    ///
    /// # Safety
    /// For all of `'s`: the elements are initialised, and the memory is valid (the block is neither freed nor
    /// shortened), aligned for `T` (an `ALIGN` below the natural alignment may not be), and not written.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let table = SMP_ALLOCATOR.aligned_alloc::<u16, 64>(256)?;
    /// for n in 0..256u16 {
    ///     // SAFETY: within the 256 elements.
    ///     unsafe { table.as_ptr().add(n.into()).write(n * n % 256) };
    /// }
    /// // SAFETY: all are initialised, and nothing writes them while the slice is used.
    /// let squares = unsafe { table.as_slice() };
    /// assert_eq!((squares[3], squares[16], squares.len()), (9, 0, 256));
    /// unsafe { SMP_ALLOCATOR.free(table) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn as_slice<'s>(self) -> &'s [T] {
        // SAFETY: initialised, valid, aligned and not written during `'s`, by our caller.
        unsafe { self.slice.as_ref() }
    }

    /// The elements as a mutable slice.
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice), and nothing else reads the memory during `'s`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let line = SMP_ALLOCATOR.aligned_alloc::<u8, 64>(64)?;
    /// // SAFETY: memory for 64 elements; a `u8` may have any value, but has to be initialised before there is a slice.
    /// unsafe { line.as_ptr().write_bytes(b'.', 64) };
    /// // SAFETY: initialised, and nothing else uses the block.
    /// let cells = unsafe { line.as_mut_slice() };
    /// cells[10..13].copy_from_slice(b"zig");
    /// cells.reverse();
    /// assert_eq!(&cells[51..54], b"giz");
    /// unsafe { SMP_ALLOCATOR.free(line) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn as_mut_slice<'s>(self) -> &'s mut [T] {
        let mut slice = self.slice;
        // SAFETY: initialised, valid, aligned and not used by anything else during `'s`, by our caller.
        unsafe { slice.as_mut() }
    }
}

impl<T, const ALIGN: usize> SentinelSlice<T, ALIGN> {
    /// The alignment of the block, which `free` passes to the allocator.
    ///
    /// ```
    /// # use zigalloc::{Alignment, SentinelSlice};
    /// assert_eq!(SentinelSlice::<u8, 64>::ALIGNMENT, Alignment::_64);
    /// assert_eq!(SentinelSlice::<u8, 0>::ALIGNMENT, Alignment::_1);
    /// ```
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Makes a slice from a pointer to its first element and the number of elements before the sentinel. This is safe;
    /// freeing or dereferencing the slice is not.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::{ffi::CStr, ptr::NonNull};
    /// use zigalloc::{heap::PAGE_ALLOCATOR, SentinelSlice};
    ///
    /// // A C function returned this string, which it allocated with our allocator.
    /// let from_c: NonNull<u8> = NonNull::new(PAGE_ALLOCATOR.dupe_z(b"zig")?.as_ptr()).unwrap();
    /// // SAFETY: a string that ends with a zero.
    /// let len = unsafe { CStr::from_ptr(from_c.as_ptr().cast()) }.count_bytes();
    /// let text: SentinelSlice<u8> = SentinelSlice::from_raw_parts(from_c, len);
    /// assert_eq!(text.len(), 3);
    /// // SAFETY: a live block of three bytes and a zero.
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn from_raw_parts(ptr: NonNull<T>, len: usize) -> Self {
        SentinelSlice { slice: NonNull::slice_from_raw_parts(ptr, len) }
    }

    /// The number of elements, without the sentinel.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, SlicePtr};
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// assert_eq!((text.len(), text.bytes().len()), (3, 4));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The length is the one that was allocated: a zero in the middle does not end it.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let text = SMP_ALLOCATOR.dupe_z(b"a\0b")?;
    /// // SAFETY: initialised, and ends with a zero.
    /// let until_zero = unsafe { std::ffi::CStr::from_ptr(text.as_ptr().cast()) };
    /// assert_eq!((text.len(), until_zero.count_bytes()), (3, 1));
    /// unsafe { SMP_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn len(self) -> usize {
        self.slice.len()
    }

    /// Whether the sentinel is the only element.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_z(b"")?;
    /// assert!(text.is_empty());
    /// // There is a block of one byte, the zero.
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.slice.is_empty()
    }

    /// The first element's address, which C functions take as a string.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ffi::c_char;
    /// use zigalloc::heap::PAGE_ALLOCATOR;
    ///
    /// unsafe extern "C" {
    ///     fn strlen(text: *const c_char) -> usize;
    /// }
    ///
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// // SAFETY: three bytes and a zero.
    /// assert_eq!(unsafe { strlen(text.as_ptr().cast()) }, 3);
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.slice.as_ptr().cast()
    }

    /// The sentinel's address: one element past the last.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let numbers = PAGE_ALLOCATOR.dupe_sentinel(&[1u16, 2, 3], 0xFFFF)?;
    /// assert_eq!(numbers.sentinel_ptr().addr() - numbers.as_ptr().addr(), 6);
    /// // SAFETY: `dupe_sentinel` has written it.
    /// assert_eq!(unsafe { numbers.sentinel_ptr().read() }, 0xFFFF);
    /// unsafe { PAGE_ALLOCATOR.free(numbers) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A program may change the sentinel, as long as it is there when code that looks for it runs:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let text = SMP_ALLOCATOR.dupe_sentinel(b"one line", b'\n')?;
    /// // SAFETY: the sentinel is part of the block.
    /// unsafe { text.sentinel_ptr().write(0) };
    /// assert_eq!(unsafe { text.as_c_str() }, c"one line");
    /// unsafe { SMP_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn sentinel_ptr(self) -> *mut T {
        self.as_ptr().wrapping_add(self.len())
    }

    /// The elements before the sentinel. Do not free the block through it: the length would be one element short.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// // SAFETY: three initialised bytes that nothing else uses.
    /// assert_eq!(unsafe { text.as_non_null().as_ref() }, b"zig");
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_non_null(self) -> NonNull<[T]> {
        self.slice
    }

    /// The elements as a slice.
    ///
    /// # Safety
    /// For all of `'s`: the elements are initialised, and the memory is valid (the block is neither freed nor
    /// shortened), aligned for `T` (an `ALIGN` below the natural alignment may not be), and not written.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let path = SMP_ALLOCATOR.dupe_z(b"usr/lib")?;
    /// // SAFETY: `dupe_z` initialised it, and it is freed after the last use.
    /// let directories = unsafe { path.as_slice() }.split(|byte| *byte == b'/');
    /// assert_eq!(directories.map(<[u8]>::len).collect::<Vec<_>>(), [3, 3], "the zero is not part of it");
    /// unsafe { SMP_ALLOCATOR.free(path) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn as_slice<'s>(self) -> &'s [T] {
        // SAFETY: initialised, valid, aligned and not written during `'s`, by our caller.
        unsafe { self.slice.as_ref() }
    }

    /// The elements as a mutable slice.
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice), and nothing else reads the memory during `'s`.
    ///
    /// What is written stays in front of the sentinel, so it remains a C string:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let name = SMP_ALLOCATOR.dupe_z(b"Zig")?;
    /// // SAFETY: initialised, and nothing else uses the block.
    /// unsafe { name.as_mut_slice() }.make_ascii_uppercase();
    /// // SAFETY: no zero was written.
    /// assert_eq!(unsafe { name.as_c_str() }, c"ZIG");
    /// unsafe { SMP_ALLOCATOR.free(name) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn as_mut_slice<'s>(self) -> &'s mut [T] {
        let mut slice = self.slice;
        // SAFETY: initialised, valid, aligned and not used by anything else during `'s`, by our caller.
        unsafe { slice.as_mut() }
    }
}

impl<T, const ALIGN: usize> AlignedPtr<T, ALIGN> {
    /// The alignment of the block, which `destroy` passes to the allocator.
    ///
    /// ```
    /// # use zigalloc::{AlignedPtr, Alignment};
    /// assert_eq!(AlignedPtr::<u8, 64>::ALIGNMENT, Alignment::_64);
    /// assert_eq!(AlignedPtr::<u64, 1>::ALIGNMENT, Alignment::_1);
    /// ```
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Wraps a pointer. This is safe; destroying or dereferencing the item is not.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, AlignedPtr};
    /// // What a C program keeps and gives back.
    /// let from_c: NonNull<u32> = PAGE_ALLOCATOR.aligned_create::<u32, 64>()?.as_non_null();
    /// let number: AlignedPtr<u32, 64> = AlignedPtr::new(from_c);
    /// assert_eq!(number.as_ptr(), from_c.as_ptr());
    /// // SAFETY: a live block with the type of `aligned_create`.
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn new(ptr: NonNull<T>) -> Self {
        AlignedPtr { ptr }
    }

    /// The item's address.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let number = PAGE_ALLOCATOR.aligned_create::<u32, 64>()?;
    /// // SAFETY: memory for a `u32`.
    /// unsafe { number.as_ptr().write(42) };
    /// // SAFETY: initialised above.
    /// assert_eq!(unsafe { number.as_ptr().read() }, 42);
    /// unsafe { PAGE_ALLOCATOR.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.ptr.as_ptr()
    }

    /// The same memory without the alignment. Do not destroy the item through it: the alignment would be wrong.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let counter = PAGE_ALLOCATOR.aligned_create::<u32, 64>()?;
    /// unsafe { counter.as_ptr().write(42) };
    /// // SAFETY: initialised, and nothing else uses it.
    /// *unsafe { counter.as_non_null().as_mut() } += 1;
    /// assert_eq!(unsafe { counter.as_ptr().read() }, 43);
    /// unsafe { PAGE_ALLOCATOR.destroy(counter) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_non_null(self) -> NonNull<T> {
        self.ptr
    }
}

/// A slice that `free`, `resize`, `remap` and `realloc` accept: Zig's `anytype` for slices.
///
/// Implemented by `NonNull<[T]>`, `NonNull<[T; N]>`, `NonNull<str>`, [`AlignedSlice`] and [`SentinelSlice`]. Sealed,
/// because the typed functions rely on its methods.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, SlicePtr, heap::PAGE_ALLOCATOR};
///
/// /// Frees a slice of any kind and returns how many bytes that gave back.
/// ///
/// /// # Safety
/// /// As for `free`.
/// unsafe fn give_back<A: SlicePtr>(allocator: Allocator<'_>, slice: A) -> usize {
///     let len = slice.bytes().len();
///     // SAFETY: a live block of `allocator`, not used afterwards, by our caller.
///     unsafe { allocator.free(slice) };
///     len
/// }
///
/// let gpa = *PAGE_ALLOCATOR;
/// // SAFETY: each is a live block, not used afterwards.
/// unsafe {
///     assert_eq!(give_back(gpa, gpa.alloc::<u32>(10)?), 40);
///     assert_eq!(give_back(gpa, gpa.aligned_alloc::<u8, 64>(10)?), 10);
///     assert_eq!(give_back(gpa, gpa.dupe_z(b"zig")?), 4);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A length that is known to the compiler, for memory that is used as an array:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::ptr::NonNull;
/// use zigalloc::{Allocator, Error, SlicePtr, heap::SMP_ALLOCATOR};
///
/// fn key(allocator: Allocator<'_>) -> Result<NonNull<[u8; 32]>, Error> {
///     let key: NonNull<[u8; 32]> = allocator.alloc::<u8>(32)?.cast();
///     // SAFETY: new memory of this length.
///     unsafe { key.write([7; 32]) };
///     Ok(key)
/// }
///
/// let key = key(*SMP_ALLOCATOR)?;
/// assert_eq!((key.item_count(), key.bytes().len()), (32, 32));
/// // SAFETY: a live block of 32 bytes: the array's type has its length.
/// unsafe { SMP_ALLOCATOR.free(key) };
/// # Ok::<(), Error>(())
/// ```
pub trait SlicePtr: Copy + sealed::Sealed {
    /// The element type.
    type Item;
    /// The slice type after a change of length: the same alignment, and no sentinel.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, AlignedSlice};
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// // Nothing writes a sentinel after the new elements, so the type changes.
    /// let text: AlignedSlice<u8, 0> = unsafe { PAGE_ALLOCATOR.realloc(text, 10) }?;
    /// assert_eq!(text.len(), 10);
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    type Resized: SlicePtr<Item = Self::Item>;
    /// The alignment that the block was allocated with.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{AlignedSlice, Alignment, SlicePtr};
    /// assert_eq!(<AlignedSlice<u8, 64> as SlicePtr>::ALIGNMENT, Alignment::_64);
    /// assert_eq!(<NonNull<[u16]> as SlicePtr>::ALIGNMENT, Alignment::of::<u16>());
    /// ```
    const ALIGNMENT: Alignment;
    /// How many elements follow the first `len`: 1 with a sentinel, otherwise 0.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{SentinelSlice, SlicePtr};
    /// assert_eq!((<SentinelSlice<u8>>::SENTINEL, <NonNull<[u8]>>::SENTINEL), (1, 0));
    /// ```
    const SENTINEL: usize;

    /// The first element's address.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::SlicePtr;
    /// let mut numbers = [1u16, 2, 3];
    /// let first: NonNull<u16> = NonNull::from(&mut numbers[..]).as_non_null_ptr();
    /// // SAFETY: the first element, which nothing else uses.
    /// assert_eq!(unsafe { first.read() }, 1);
    /// ```
    fn as_non_null_ptr(self) -> NonNull<Self::Item>;
    /// The number of elements, without the sentinel.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::SlicePtr;
    /// let mut numbers = [1u16, 2, 3];
    /// assert_eq!(NonNull::from(&mut numbers).item_count(), 3);
    /// // The elements of a `str` are its bytes.
    /// assert_eq!(NonNull::from("größe").item_count(), 7);
    /// ```
    fn item_count(self) -> usize;
    /// A slice at `ptr`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{AlignedSlice, SentinelSlice, SlicePtr};
    /// let mut numbers = [1u16, 2, 3];
    /// let two: AlignedSlice<u16, 0> = <SentinelSlice<u16>>::resized(NonNull::from(&mut numbers).cast(), 2);
    /// assert_eq!(two.len(), 2);
    /// ```
    fn resized(ptr: NonNull<Self::Item>, len: usize) -> Self::Resized;

    /// The same address with another length, for use after a `resize` that returned true: Zig's `slice[0..n]`, or
    /// `slice.len = n`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{heap::ArenaAllocator, heap::PAGE_ALLOCATOR, SlicePtr};
    ///
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let mut memory = arena.allocator().alloc::<u16>(100)?;
    /// if unsafe { arena.allocator().resize(memory, 50) } {
    ///     memory = memory.with_len(50);
    /// }
    /// assert_eq!(memory.len(), 50);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The length must be the one that the allocator has agreed to. A ledger checks that:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{SlicePtr, heap::FixedBufferAllocator, testing::LedgerAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let ledger = LedgerAllocator::init(fixed_buffer.allocator());
    /// let mut numbers = ledger.allocator().alloc::<u16>(10)?;
    /// for len in [20, 40, 80] {
    ///     // SAFETY: a live block, with the length of the last `resize` that was true.
    ///     if unsafe { ledger.allocator().resize(numbers, len) } {
    ///         numbers = numbers.with_len(len);
    ///     }
    /// }
    /// assert_eq!((numbers.len(), ledger.live_bytes()), (40, 80), "the buffer has no room for 160 bytes");
    /// unsafe { ledger.allocator().free(numbers) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    #[must_use = "this returns a slice and does not change `self`"]
    fn with_len(self, len: usize) -> Self::Resized {
        Self::resized(self.as_non_null_ptr(), len)
    }

    /// The elements as a slice, without the sentinel: what `as_ref` of a `NonNull<[T]>` is.
    ///
    /// Not in Zig, where slices are used as they are.
    ///
    /// # Safety
    /// For all of `'s`: the elements are initialised, and the memory is valid (the block is neither freed nor
    /// shortened), aligned for the element type (a block with an alignment below the natural one may not be), and not
    /// written.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{heap::PAGE_ALLOCATOR, SlicePtr};
    ///
    /// let numbers = PAGE_ALLOCATOR.dupe(&[1, 2, 3])?;
    /// // SAFETY: `dupe` initialised the elements, and they are freed after the last use.
    /// unsafe {
    ///     numbers.as_mut_slice()[0] = 10;
    ///     assert_eq!(numbers.as_slice(), [10, 2, 3]);
    ///     PAGE_ALLOCATOR.free(numbers);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    unsafe fn as_slice<'s>(self) -> &'s [Self::Item]
    where
        Self::Item: 's,
    {
        // SAFETY: initialised, valid, aligned and not written during `'s`, by our caller.
        unsafe { core::slice::from_raw_parts(self.as_non_null_ptr().as_ptr(), self.item_count()) }
    }

    /// The elements as a mutable slice.
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice), and nothing else reads the memory during `'s`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR};
    /// let numbers = SMP_ALLOCATOR.dupe(&[3, 1, 2])?;
    /// // SAFETY: initialised by `dupe`, and nothing else uses the block while the slice is used.
    /// let slice = unsafe { numbers.as_mut_slice() };
    /// slice.sort_unstable();
    /// assert_eq!(slice.binary_search(&3), Ok(2));
    /// unsafe { SMP_ALLOCATOR.free(numbers) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    unsafe fn as_mut_slice<'s>(self) -> &'s mut [Self::Item]
    where
        Self::Item: 's,
    {
        // SAFETY: initialised, valid, aligned and not used by anything else during `'s`, by our caller.
        unsafe { core::slice::from_raw_parts_mut(self.as_non_null_ptr().as_ptr(), self.item_count()) }
    }

    /// The elements as a mutable slice that may be uninitialised, as those of a new block are.
    ///
    /// # Safety
    /// As for [`as_mut_slice`](Self::as_mut_slice), but the elements need not be initialised. Do not write an
    /// uninitialised value over an element that other code takes to be initialised.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{heap::PAGE_ALLOCATOR, SlicePtr};
    ///
    /// let numbers = PAGE_ALLOCATOR.alloc::<u32>(3)?;
    /// // SAFETY: a new block, which nothing else uses.
    /// for (n, number) in unsafe { numbers.as_maybe_uninit() }.iter_mut().enumerate() {
    ///     number.write(n as u32);
    /// }
    /// // SAFETY: the loop wrote all three.
    /// assert_eq!(unsafe { numbers.as_slice() }, [0, 1, 2]);
    /// unsafe { PAGE_ALLOCATOR.free(numbers) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Elements that need `drop` are initialised one by one, and a failure drops those that are there:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR};
    /// let texts = SMP_ALLOCATOR.alloc::<String>(3)?;
    /// let mut ready = 0;
    /// // SAFETY: a new block, which nothing else uses.
    /// let slots = unsafe { texts.as_maybe_uninit() };
    /// for (slot, text) in slots.iter_mut().zip(["1", "2", "x"]) {
    ///     match text.parse::<u32>() {
    ///         Ok(number) => slot.write(format!("<{number}>")),
    ///         Err(_) => break,
    ///     };
    ///     ready += 1;
    /// }
    /// assert_eq!(ready, 2);
    /// // SAFETY: the first two are initialised, and not used afterwards.
    /// slots[..ready].iter_mut().for_each(|text| unsafe { text.assume_init_drop() });
    /// unsafe { SMP_ALLOCATOR.free(texts) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    unsafe fn as_maybe_uninit<'s>(self) -> &'s mut [MaybeUninit<Self::Item>]
    where
        Self::Item: 's,
    {
        // SAFETY: valid, aligned and not used by anything else during `'s`, by our caller; `MaybeUninit` has the
        // layout of its type.
        unsafe { core::slice::from_raw_parts_mut(self.as_non_null_ptr().as_ptr().cast(), self.item_count()) }
    }

    /// The bytes of the block, sentinel included, as the vtable's functions take them. The length never overflows for a
    /// live block; zero-sized elements have no bytes.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Alignment, SlicePtr};
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// assert_eq!(text.bytes().len(), 4);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { PAGE_ALLOCATOR.raw_free(text.bytes(), Alignment::_1, return_address()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Elements without a size have no bytes, whatever their number:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::SlicePtr;
    /// let mut numbers = [1u32, 2];
    /// assert_eq!(NonNull::from(&mut numbers).bytes().len(), 8);
    /// let mut units = [(); 1000];
    /// assert_eq!(NonNull::from(&mut units[..]).bytes().len(), 0);
    /// ```
    #[inline(always)]
    fn bytes(self) -> NonNull<[u8]> {
        let len = (self.item_count().wrapping_add(Self::SENTINEL)).wrapping_mul(size_of::<Self::Item>());
        NonNull::slice_from_raw_parts(self.as_non_null_ptr().cast(), len)
    }
}

impl<T> SlicePtr for NonNull<[T]> {
    type Item = T;
    type Resized = NonNull<[T]>;
    const ALIGNMENT: Alignment = Alignment::of::<T>();
    const SENTINEL: usize = 0;

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self.cast()
    }
    #[inline(always)]
    fn item_count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn resized(ptr: NonNull<T>, len: usize) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(ptr, len)
    }
}

impl SlicePtr for NonNull<str> {
    type Item = u8;
    type Resized = NonNull<[u8]>;
    const ALIGNMENT: Alignment = Alignment::_1;
    const SENTINEL: usize = 0;

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<u8> {
        self.cast()
    }
    #[inline(always)]
    fn item_count(self) -> usize {
        (self.as_ptr() as *mut [u8]).len()
    }
    #[inline(always)]
    fn resized(ptr: NonNull<u8>, len: usize) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(ptr, len)
    }
}

impl<T, const N: usize> SlicePtr for NonNull<[T; N]> {
    type Item = T;
    type Resized = NonNull<[T]>;
    const ALIGNMENT: Alignment = Alignment::of::<T>();
    const SENTINEL: usize = 0;

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self.cast()
    }
    #[inline(always)]
    fn item_count(self) -> usize {
        N
    }
    #[inline(always)]
    fn resized(ptr: NonNull<T>, len: usize) -> NonNull<[T]> {
        NonNull::slice_from_raw_parts(ptr, len)
    }
}

impl<T, const ALIGN: usize> SlicePtr for AlignedSlice<T, ALIGN> {
    type Item = T;
    type Resized = AlignedSlice<T, ALIGN>;
    const ALIGNMENT: Alignment = alignment::<T, ALIGN>();
    const SENTINEL: usize = 0;

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self.slice.cast()
    }
    #[inline(always)]
    fn item_count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn resized(ptr: NonNull<T>, len: usize) -> AlignedSlice<T, ALIGN> {
        AlignedSlice::from_raw_parts(ptr, len)
    }
}

impl<T, const ALIGN: usize> SlicePtr for SentinelSlice<T, ALIGN> {
    type Item = T;
    type Resized = AlignedSlice<T, ALIGN>;
    const ALIGNMENT: Alignment = alignment::<T, ALIGN>();
    const SENTINEL: usize = 1;

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self.slice.cast()
    }
    #[inline(always)]
    fn item_count(self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn resized(ptr: NonNull<T>, len: usize) -> AlignedSlice<T, ALIGN> {
        AlignedSlice::from_raw_parts(ptr, len)
    }
}

/// A pointer that `destroy` accepts: Zig's `anytype` for pointers to one item.
///
/// Implemented by `NonNull<T>` and [`AlignedPtr`]. Sealed, because `destroy` relies on it.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, ItemPtr, heap::PAGE_ALLOCATOR};
///
/// /// Drops a value and frees its memory, which `destroy` alone does not do.
/// ///
/// /// # Safety
/// /// As for `destroy`, and the value is initialised.
/// unsafe fn drop_and_destroy<P: ItemPtr>(allocator: Allocator<'_>, ptr: P) {
///     // SAFETY: the value is initialised and not used afterwards, by our caller.
///     unsafe { ptr.as_non_null_ptr().drop_in_place() };
///     // SAFETY: a live item of `allocator`, not used afterwards, by our caller.
///     unsafe { allocator.destroy(ptr) };
/// }
///
/// let shared = std::rc::Rc::new(());
/// let copy = PAGE_ALLOCATOR.create_with(shared.clone())?;
/// // SAFETY: a live block with a value, not used afterwards.
/// unsafe { drop_and_destroy(*PAGE_ALLOCATOR, copy) };
/// assert_eq!(std::rc::Rc::strong_count(&shared), 1);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A field of either kind, for a struct whose user chooses the alignment:
///
/// ```
/// use std::ptr::NonNull;
/// use zigalloc::{AlignedPtr, Alignment, ItemPtr};
///
/// struct Slot<P: ItemPtr> {
///     item: P,
///     is_used: bool,
/// }
///
/// fn alignment<P: ItemPtr>(_: &Slot<P>) -> Alignment {
///     P::ALIGNMENT
/// }
///
/// let mut number = 7u32;
/// let plain = Slot { item: NonNull::from(&mut number), is_used: true };
/// let padded: Slot<AlignedPtr<u32, 64>> = Slot { item: AlignedPtr::new(plain.item), is_used: plain.is_used };
/// assert_eq!((alignment(&plain), alignment(&padded)), (Alignment::_4, Alignment::_64));
/// assert_eq!(padded.item.as_non_null_ptr(), plain.item);
/// assert!(padded.is_used);
/// ```
pub trait ItemPtr: Copy + sealed::Sealed {
    /// The item's type.
    type Item;
    /// The alignment that the item was created with.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{AlignedPtr, Alignment, ItemPtr};
    /// assert_eq!(<AlignedPtr<u8, 64> as ItemPtr>::ALIGNMENT, Alignment::_64);
    /// assert_eq!(<NonNull<u16> as ItemPtr>::ALIGNMENT, Alignment::of::<u16>());
    /// ```
    const ALIGNMENT: Alignment;
    /// The item's address. The example of [`ItemPtr`] uses it to drop the item.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, ItemPtr};
    /// let item = PAGE_ALLOCATOR.aligned_create::<u32, 64>()?;
    /// // SAFETY: memory for a `u32`.
    /// unsafe { item.as_non_null_ptr().write(42) };
    /// assert_eq!(item.as_non_null_ptr().addr().get() % 64, 0);
    /// # unsafe { PAGE_ALLOCATOR.destroy(item) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    fn as_non_null_ptr(self) -> NonNull<Self::Item>;
}

impl<T> ItemPtr for NonNull<T> {
    type Item = T;
    const ALIGNMENT: Alignment = Alignment::of::<T>();

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self
    }
}

impl<T, const ALIGN: usize> ItemPtr for AlignedPtr<T, ALIGN> {
    type Item = T;
    const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    #[inline(always)]
    fn as_non_null_ptr(self) -> NonNull<T> {
        self.ptr
    }
}

/// The last argument of [`alloc_with_options`](crate::Allocator::alloc_with_options), which is [`NoSentinel`]
/// or [`Sentinel`]: Zig's `comptime optional_sentinel: ?Elem`. Sealed.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::slice::{NoSentinel, OptionalSentinel, Sentinel};
/// use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR};
///
/// /// Allocates a line of text, with or without a sentinel.
/// fn line<S: OptionalSentinel<u8, 64>>(allocator: Allocator<'_>, sentinel: S) -> Result<S::Slice, Error> {
///     allocator.alloc_with_options(80, sentinel)
/// }
///
/// let (zig, c) = (line(*PAGE_ALLOCATOR, NoSentinel)?, line(*PAGE_ALLOCATOR, Sentinel(0))?);
/// assert_eq!((zig.len(), c.len(), unsafe { c.sentinel_ptr().read() }), (80, 80, 0));
/// unsafe { PAGE_ALLOCATOR.free(zig) };
/// unsafe { PAGE_ALLOCATOR.free(c) };
/// # Ok::<(), Error>(())
/// ```
pub trait OptionalSentinel<T, const ALIGN: usize>: sealed::Sealed {
    /// The type of the resulting slice.
    type Slice;
    /// How many elements the block has after the requested ones: 0 or 1.
    ///
    /// ```
    /// # use zigalloc::{slice::OptionalSentinel, NoSentinel, Sentinel};
    /// assert_eq!(<Sentinel<u8> as OptionalSentinel<u8, 0>>::COUNT, 1);
    /// assert_eq!(<NoSentinel as OptionalSentinel<u8, 0>>::COUNT, 0);
    /// ```
    const COUNT: usize;
    /// Makes the slice, and writes the sentinel if there is one.
    ///
    /// # Safety
    /// `ptr` has room for `len + COUNT` elements.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{slice::OptionalSentinel, Sentinel, SentinelSlice};
    /// let mut buffer = *b"zig?";
    /// // SAFETY: room for three elements and a sentinel.
    /// let text: SentinelSlice<u8> = unsafe { Sentinel(0).finish(NonNull::from(&mut buffer).cast(), 3) };
    /// assert_eq!(text.len(), 3);
    /// assert_eq!(buffer, *b"zig\0");
    /// ```
    unsafe fn finish(self, ptr: NonNull<T>, len: usize) -> Self::Slice;
}

/// Requests no sentinel, so the slice is an [`AlignedSlice`]. Zig's `null`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{AlignedSlice, NoSentinel, heap::PAGE_ALLOCATOR};
///
/// let line: AlignedSlice<u8, 64> = PAGE_ALLOCATOR.alloc_with_options(80, NoSentinel)?;
/// assert_eq!(line.len(), 80);
/// unsafe { PAGE_ALLOCATOR.free(line) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSentinel;

/// Requests a sentinel with this value after the last element, so the slice is a [`SentinelSlice`].
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, Sentinel};
///
/// let numbers = PAGE_ALLOCATOR.alloc_with_options::<i32, 0, _>(3, Sentinel(-1))?;
/// assert_eq!((numbers.len(), unsafe { numbers.sentinel_ptr().read() }), (3, -1));
/// unsafe { PAGE_ALLOCATOR.free(numbers) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentinel<T>(pub T);

impl<T, const ALIGN: usize> OptionalSentinel<T, ALIGN> for NoSentinel {
    type Slice = AlignedSlice<T, ALIGN>;
    const COUNT: usize = 0;

    #[inline(always)]
    unsafe fn finish(self, ptr: NonNull<T>, len: usize) -> AlignedSlice<T, ALIGN> {
        AlignedSlice::from_raw_parts(ptr, len)
    }
}

impl<T, const ALIGN: usize> OptionalSentinel<T, ALIGN> for Sentinel<T> {
    type Slice = SentinelSlice<T, ALIGN>;
    const COUNT: usize = 1;

    #[inline(always)]
    unsafe fn finish(self, ptr: NonNull<T>, len: usize) -> SentinelSlice<T, ALIGN> {
        let slice = SentinelSlice::from_raw_parts(ptr, len);
        // SAFETY: `ptr` has room for `len + 1` elements, by our caller. Unaligned, since `ALIGN` may be below natural.
        unsafe { slice.sentinel_ptr().write_unaligned(self.0) };
        slice
    }
}

mod sealed {
    use core::ptr::NonNull;

    pub trait Sealed {}
    impl<T: ?Sized> Sealed for NonNull<T> {}
    impl<T, const ALIGN: usize> Sealed for super::AlignedSlice<T, ALIGN> {}
    impl<T, const ALIGN: usize> Sealed for super::SentinelSlice<T, ALIGN> {}
    impl<T, const ALIGN: usize> Sealed for super::AlignedPtr<T, ALIGN> {}
    impl Sealed for super::NoSentinel {}
    impl<T> Sealed for super::Sentinel<T> {}
}

// Written by hand: derives would require `T: Copy` and `T: Debug` of types that only hold a pointer.
impl<T, const ALIGN: usize> Clone for AlignedSlice<T, ALIGN> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const ALIGN: usize> Copy for AlignedSlice<T, ALIGN> {}
impl<T, const ALIGN: usize> fmt::Debug for AlignedSlice<T, ALIGN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedSlice({:p}, len {}, align {})", self.as_ptr(), self.len(), Self::ALIGNMENT)
    }
}

impl<T, const ALIGN: usize> Clone for SentinelSlice<T, ALIGN> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const ALIGN: usize> Copy for SentinelSlice<T, ALIGN> {}
impl<T, const ALIGN: usize> fmt::Debug for SentinelSlice<T, ALIGN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentinelSlice({:p}, len {} + 1, align {})", self.as_ptr(), self.len(), Self::ALIGNMENT)
    }
}

impl<T, const ALIGN: usize> Clone for AlignedPtr<T, ALIGN> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, const ALIGN: usize> Copy for AlignedPtr<T, ALIGN> {}
impl<T, const ALIGN: usize> fmt::Debug for AlignedPtr<T, ALIGN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedPtr({:p}, align {})", self.as_ptr(), Self::ALIGNMENT)
    }
}

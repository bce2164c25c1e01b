//! The pointer types that allocation returns, and what `free` reads from each.
//!
//! In Zig, `free(memory: anytype)` reads from the *type* of `memory` how much was allocated: the
//! element's size, an alignment that may differ from the natural one (`[]align(64) u8`), and
//! whether a sentinel follows the last element (`[:0]u8`). Rust's slice types state only the
//! first, so this module adds types for the other two:
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
//! All are raw pointers: `Copy`, without a lifetime, to memory that may be uninitialised. References
//! would be unsound: a reference passed to a function must stay valid until the function returns, and `free`
//! ends the memory before that.
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
/// ```
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
pub struct AlignedSlice<T, const ALIGN: usize> {
    slice: NonNull<[T]>,
}

/// A slice that is followed by a sentinel: Zig's `[:s]T`, or `[:s]align(ALIGN) T`.
///
/// Free it as this type: the block includes the sentinel but `len` does not, so freeing the plain slice would pass the
/// wrong length. In Zig the sentinel's value is part of the type; here it is only in memory.
///
/// ```
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
/// assert_eq!(text.len(), 3);
/// // SAFETY: `dupe_z` wrote three bytes and a zero.
/// unsafe { assert_eq!(std::ffi::CStr::from_ptr(text.as_ptr().cast()), c"zig") };
/// unsafe { PAGE_ALLOCATOR.free(text) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct SentinelSlice<T, const ALIGN: usize = 0> {
    slice: NonNull<[T]>,
}

/// A pointer to one item whose alignment is part of its type: Zig's `*align(ALIGN) T`.
///
/// `ALIGN` is in bytes; 0 means the natural alignment of `T`.
///
/// ```
/// use zigalloc::{heap::PAGE_ALLOCATOR, AlignedPtr};
///
/// let line: AlignedPtr<[u8; 10], 64> = PAGE_ALLOCATOR.aligned_create()?;
/// assert_eq!(line.as_ptr().addr() % 64, 0);
/// unsafe { PAGE_ALLOCATOR.destroy(line) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct AlignedPtr<T, const ALIGN: usize> {
    ptr: NonNull<T>,
}

impl<T, const ALIGN: usize> AlignedSlice<T, ALIGN> {
    /// The alignment of the block, which `free` passes to the allocator.
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Makes a slice from a pointer to its first element and its number of elements. This is safe; freeing or
    /// dereferencing the slice is not.
    #[must_use]
    #[inline(always)]
    pub const fn from_raw_parts(ptr: NonNull<T>, len: usize) -> Self {
        AlignedSlice { slice: NonNull::slice_from_raw_parts(ptr, len) }
    }

    /// The number of elements.
    #[must_use]
    #[inline(always)]
    pub const fn len(self) -> usize {
        self.slice.len()
    }

    /// Whether the slice has no elements.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.slice.is_empty()
    }

    /// The first element's address.
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.slice.as_ptr().cast()
    }

    /// The same memory without the alignment. Do not free the block through it: the alignment would be wrong.
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
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Makes a slice from a pointer to its first element and the number of elements before the sentinel. This is safe;
    /// freeing or dereferencing the slice is not.
    #[must_use]
    #[inline(always)]
    pub const fn from_raw_parts(ptr: NonNull<T>, len: usize) -> Self {
        SentinelSlice { slice: NonNull::slice_from_raw_parts(ptr, len) }
    }

    /// The number of elements, without the sentinel.
    #[must_use]
    #[inline(always)]
    pub const fn len(self) -> usize {
        self.slice.len()
    }

    /// Whether the sentinel is the only element.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.slice.is_empty()
    }

    /// The first element's address, which C functions take as a string.
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.slice.as_ptr().cast()
    }

    /// The sentinel's address: one element past the last.
    #[must_use]
    #[inline(always)]
    pub const fn sentinel_ptr(self) -> *mut T {
        self.as_ptr().wrapping_add(self.len())
    }

    /// The elements before the sentinel. Do not free the block through it: the length would be one element short.
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
    pub const ALIGNMENT: Alignment = alignment::<T, ALIGN>();

    /// Wraps a pointer. This is safe; destroying or dereferencing the item is not.
    #[must_use]
    #[inline(always)]
    pub const fn new(ptr: NonNull<T>) -> Self {
        AlignedPtr { ptr }
    }

    /// The item's address.
    #[must_use]
    #[inline(always)]
    pub const fn as_ptr(self) -> *mut T {
        self.ptr.as_ptr()
    }

    /// The same memory without the alignment. Do not destroy the item through it: the alignment would be wrong.
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
pub trait SlicePtr: Copy + sealed::Sealed {
    /// The element type.
    type Item;
    /// The slice type after a change of length: the same alignment, and no sentinel.
    type Resized: SlicePtr<Item = Self::Item>;
    /// The alignment that the block was allocated with.
    const ALIGNMENT: Alignment;
    /// How many elements follow the first `len`: 1 with a sentinel, otherwise 0.
    const SENTINEL: usize;

    /// The first element's address.
    fn as_non_null_ptr(self) -> NonNull<Self::Item>;
    /// The number of elements, without the sentinel.
    fn item_count(self) -> usize;
    /// A slice at `ptr`.
    fn resized(ptr: NonNull<Self::Item>, len: usize) -> Self::Resized;

    /// The same address with another length, for use after a `resize` that returned true: Zig's `slice[0..n]`, or
    /// `slice.len = n`.
    ///
    /// ```
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
    /// ```
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
    /// ```
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
pub trait ItemPtr: Copy + sealed::Sealed {
    /// The item's type.
    type Item;
    /// The alignment that the item was created with.
    const ALIGNMENT: Alignment;
    /// The item's address.
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
pub trait OptionalSentinel<T, const ALIGN: usize>: sealed::Sealed {
    /// The type of the resulting slice.
    type Slice;
    /// How many elements the block has after the requested ones: 0 or 1.
    const COUNT: usize;
    /// Makes the slice, and writes the sentinel if there is one.
    ///
    /// # Safety
    /// `ptr` has room for `len + COUNT` elements.
    unsafe fn finish(self, ptr: NonNull<T>, len: usize) -> Self::Slice;
}

/// Requests no sentinel, so the slice is an [`AlignedSlice`]. Zig's `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSentinel;

/// Requests a sentinel with this value after the last element, so the slice is a [`SentinelSlice`].
///
/// ```
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

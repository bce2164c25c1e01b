//! The functions of `std.mem` that return new memory: `join`, `concat`, `replace_owned`.

use core::ptr::NonNull;

use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{AlignedSlice, SentinelSlice};

use super::search::replacement_size_in;
use super::search::write_replaced;

/// Joins slices with a separator in a new block, which the caller frees. Without slices nothing is allocated.
///
/// With the feature `collections`, `Allocator::join_owned` returns a block that frees itself.
///
/// # Errors
/// [`Error::OutOfMemory`], also if the length overflows, where Zig panics.
///
/// Ports `join`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, mem};
///
/// let path = mem::join(PAGE_ALLOCATOR, b"/", &[b"usr", b"lib", b"zig"])?;
/// // SAFETY: initialised, and freed after the last use.
/// unsafe {
///     assert_eq!(path.as_ref(), b"usr/lib/zig");
///     PAGE_ALLOCATOR.free(path);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// One slice needs no separator; no slices need no memory:
///
/// ```
/// # use zigalloc::{Allocator, Error, mem};
/// assert_eq!(mem::join(Allocator::FAILING, b", ", &[])?.len(), 0);
/// assert_eq!(mem::join(Allocator::FAILING, b", ", &[b"a"]), Err(Error::OutOfMemory));
/// # use std::mem::MaybeUninit;
/// # use zigalloc::heap::FixedBufferAllocator;
/// let mut buffer = [MaybeUninit::uninit(); 16];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let list = mem::join(fixed_buffer.allocator(), b", ", &[b"a", b"", b"b"])?;
/// assert_eq!(unsafe { list.as_ref() }, b"a, , b");
/// assert_eq!(fixed_buffer.end_index(), 6, "one block, of exactly this length");
/// # Ok::<(), Error>(())
/// ```
#[inline(always)]
pub fn join<'a>(
    allocator: impl Into<Allocator<'a>>,
    separator: &[u8],
    slices: &[&[u8]],
) -> Result<NonNull<[u8]>, Error> {
    joined(allocator.into(), separator, slices, None, return_address())
}

/// [`join`] with a 0 after the last slice. Without slices the block has just the 0.
///
/// # Errors
/// As [`join`].
///
/// Ports `joinZ`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let path = mem::join_z(PAGE_ALLOCATOR, b"/", &[b"usr", b"lib"])?;
/// // SAFETY: initialised, and freed after the last use.
/// unsafe {
///     assert_eq!(path.as_c_str(), c"usr/lib");
///     PAGE_ALLOCATOR.free(path);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::SMP_ALLOCATOR, mem};
/// let none = mem::join_z(SMP_ALLOCATOR, b"/", &[])?;
/// // SAFETY: a block of one byte, the zero.
/// assert_eq!(unsafe { none.as_c_str() }, c"");
/// unsafe { SMP_ALLOCATOR.free(none) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "joinZ")]
#[inline(always)]
pub fn join_z<'a>(
    allocator: impl Into<Allocator<'a>>,
    separator: &[u8],
    slices: &[&[u8]],
) -> Result<SentinelSlice<u8>, Error> {
    let with_zero = joined(allocator.into(), separator, slices, Some(0), return_address())?;
    Ok(SentinelSlice::from_raw_parts(with_zero.cast(), with_zero.len() - 1))
}

/// Concatenates slices in a new block, which the caller frees. Without elements nothing is allocated.
///
/// With the feature `collections`, `Allocator::concat_owned` returns a block that frees itself.
///
/// # Errors
/// As [`join`].
///
/// Ports `concat`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, mem};
///
/// let numbers = mem::concat(PAGE_ALLOCATOR, &[&[1, 2], &[3]])?;
/// // SAFETY: initialised, and freed after the last use.
/// unsafe {
///     assert_eq!(numbers.as_ref(), [1, 2, 3]);
///     PAGE_ALLOCATOR.free(numbers);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Pieces of any `Copy` type, such as the vertices of several meshes:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{Allocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}, mem};
/// type Vertex = [f32; 2];
/// let (square, line): ([Vertex; 4], [Vertex; 2]) = ([[0.0; 2]; 4], [[1.0; 2]; 2]);
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let all = mem::concat(arena.allocator(), &[&square[..], &line])?;
/// // SAFETY: initialised by `concat`, and freed with the arena.
/// let all = unsafe { all.as_ref() };
/// assert_eq!((all.len(), all[3], all[4]), (6, [0.0; 2], [1.0; 2]));
/// assert!(mem::concat::<Vertex>(Allocator::FAILING, &[&[], &[]]).is_ok(), "no elements, no block");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[inline(always)]
pub fn concat<'a, T: Copy>(
    allocator: impl Into<Allocator<'a>>,
    slices: &[&[T]],
) -> Result<NonNull<[T]>, Error> {
    joined(allocator.into(), &[], slices, None, return_address())
}

/// [`concat`] with a sentinel after the last slice, which the length does not include.
///
/// # Errors
/// As [`join`].
///
/// Ports `concatWithSentinel`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let numbers = mem::concat_with_sentinel(PAGE_ALLOCATOR, &[&[1, 2], &[3]], 0)?;
/// assert_eq!(numbers.len(), 3);
/// // SAFETY: a live block, not used afterwards.
/// unsafe { PAGE_ALLOCATOR.free(numbers) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A command line in one C string:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::SMP_ALLOCATOR, mem};
/// let command = mem::concat_with_sentinel(SMP_ALLOCATOR, &[b"zig ", b"build ", b"test"], 0)?;
/// // SAFETY: no zero but the sentinel.
/// assert_eq!(unsafe { command.as_c_str() }, c"zig build test");
/// unsafe { SMP_ALLOCATOR.free(command) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "concatWithSentinel")]
#[inline(always)]
pub fn concat_with_sentinel<'a, T: Copy>(
    allocator: impl Into<Allocator<'a>>,
    slices: &[&[T]],
    sentinel: T,
) -> Result<SentinelSlice<T>, Error> {
    let with_sentinel = joined(allocator.into(), &[], slices, Some(sentinel), return_address())?;
    Ok(SentinelSlice::from_raw_parts(with_sentinel.cast(), with_sentinel.len() - 1))
}

/// [`concat`] with or without a sentinel, which the length includes.
///
/// # Errors
/// As [`join`].
///
/// Ports `concatMaybeSentinel`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let numbers = mem::concat_maybe_sentinel(PAGE_ALLOCATOR, &[&[1, 2], &[3]], Some(0))?;
/// assert_eq!(numbers.len(), 4);
/// // SAFETY: a live block, not used afterwards.
/// unsafe { PAGE_ALLOCATOR.free(numbers) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The sentinel is optional at run time, so the result is a plain slice:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{Allocator, Error, heap::{ArenaAllocator, PAGE_ALLOCATOR}, mem};
/// fn line(allocator: Allocator<'_>, parts: &[&[u8]], is_last: bool) -> Result<usize, Error> {
///     let line = mem::concat_maybe_sentinel(allocator, parts, (!is_last).then_some(b'\n'))?;
///     Ok(line.len())
/// }
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// assert_eq!(line(arena.allocator(), &[b"a", b"b"], false)?, 3);
/// assert_eq!(line(arena.allocator(), &[b"a", b"b"], true)?, 2);
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "concatMaybeSentinel")]
#[inline(always)]
pub fn concat_maybe_sentinel<'a, T: Copy>(
    allocator: impl Into<Allocator<'a>>,
    slices: &[&[T]],
    sentinel: Option<T>,
) -> Result<NonNull<[T]>, Error> {
    joined(allocator.into(), &[], slices, sentinel, return_address())
}

/// Copies `input` with each `needle` replaced to a new block of exactly that length, which the caller frees.
///
/// With the feature `collections`, `Allocator::replace_owned` returns a block that frees itself.
///
/// # Errors
/// [`Error::OutOfMemory`].
///
/// # Panics
/// If the needle is empty.
///
/// Ports `replaceOwned`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap::PAGE_ALLOCATOR, mem};
///
/// let text = mem::replace_owned(PAGE_ALLOCATOR, b"base is base", b"base", b"Zig")?;
/// // SAFETY: initialised, and freed after the last use.
/// unsafe {
///     assert_eq!(text.as_ref(), b"Zig is Zig");
///     PAGE_ALLOCATOR.free(text);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A replacement may be empty, and what it makes is not searched again:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{Allocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}, mem};
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let replaced = |input: &[u8], needle: &[u8], replacement: &[u8]| {
///     let text = mem::replace_owned(arena.allocator(), input, needle, replacement).unwrap();
///     // SAFETY: initialised, and freed with the arena.
///     String::from_utf8_lossy(unsafe { text.as_ref() }).into_owned()
/// };
/// assert_eq!(replaced(b"a\r\nb\r\n", b"\r\n", b"\n"), "a\nb\n");
/// assert_eq!(replaced(b"aaa", b"aa", b"a"), "aa");
/// assert_eq!(replaced(b"- a -", b"-", b""), " a ");
/// assert!(mem::replace_owned(Allocator::FAILING, b"--", b"-", b"").is_ok(), "nothing is left to allocate");
/// ```
#[doc(alias = "replaceOwned")]
#[inline(always)]
#[track_caller]
pub fn replace_owned<'a, T: Copy + PartialEq>(
    allocator: impl Into<Allocator<'a>>,
    input: &[T],
    needle: &[T],
    replacement: &[T],
) -> Result<NonNull<[T]>, Error> {
    replaced(allocator.into(), input, needle, replacement, return_address())
}

/// Copies slices to new memory, one after the other.
struct Filler<T> {
    memory: NonNull<[T]>,
    len: usize,
}

impl<T: Copy> Filler<T> {
    #[inline]
    fn push(&mut self, items: &[T]) {
        assert!(items.len() <= self.memory.len() - self.len);
        // SAFETY: `len` is not above the block's length, by the line above.
        let end = unsafe { self.memory.cast::<T>().add(self.len) };
        // SAFETY: there is room, by the line above; what is borrowed is not in a new block.
        unsafe { end.as_ptr().copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        self.len += items.len();
    }
}

pub(crate) fn joined<T: Copy>(
    allocator: Allocator<'_>,
    separator: &[T],
    slices: &[&[T]],
    sentinel: Option<T>,
    return_address: usize,
) -> Result<NonNull<[T]>, Error> {
    let separators = separator.len().checked_mul(slices.len().saturating_sub(1));
    let len = slices
        .iter()
        .try_fold(separators.ok_or(Error::OutOfMemory)?, |sum, slice| sum.checked_add(slice.len()))
        .and_then(|sum| sum.checked_add(usize::from(sentinel.is_some())))
        .ok_or(Error::OutOfMemory)?;
    let memory: AlignedSlice<T, 0> = allocator.alloc_advanced_with_ret_addr(len, return_address)?;
    let mut filler = Filler { memory: memory.as_non_null(), len: 0 };
    for (n, slice) in slices.iter().enumerate() {
        if n > 0 {
            filler.push(separator);
        }
        filler.push(slice);
    }
    filler.push(sentinel.as_slice());
    debug_assert_eq!(filler.len, len);
    Ok(filler.memory)
}

#[track_caller]
pub(crate) fn replaced<T: Copy + PartialEq>(
    allocator: Allocator<'_>,
    input: &[T],
    needle: &[T],
    replacement: &[T],
    return_address: usize,
) -> Result<NonNull<[T]>, Error> {
    let len = replacement_size_in("replace_owned", input, needle, replacement).ok_or(Error::OutOfMemory)?;
    let memory: AlignedSlice<T, 0> = allocator.alloc_advanced_with_ret_addr(len, return_address)?;
    let mut filler = Filler { memory: memory.as_non_null(), len: 0 };
    write_replaced(input, needle, replacement, |items| filler.push(items));
    assert_eq!(filler.len, len, "replace_owned: `==` of the elements is not always the same");
    Ok(filler.memory)
}

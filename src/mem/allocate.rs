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
/// ```
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
/// ```
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let path = mem::join_z(PAGE_ALLOCATOR, b"/", &[b"usr", b"lib"])?;
/// // SAFETY: initialised, and freed after the last use.
/// unsafe {
///     assert_eq!(path.as_c_str(), c"usr/lib");
///     PAGE_ALLOCATOR.free(path);
/// }
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
/// ```
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
#[inline(always)]
pub fn concat<'a, T: Copy>(
    allocator: impl Into<Allocator<'a>>,
    slices: &[&[T]],
) -> Result<NonNull<[T]>, Error> {
    joined(allocator.into(), &[], slices, None, return_address())
}

/// [`concat()`] with a sentinel after the last slice, which the length does not include.
///
/// # Errors
/// As [`join`].
///
/// Ports `concatWithSentinel`.
///
/// ```
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let numbers = mem::concat_with_sentinel(PAGE_ALLOCATOR, &[&[1, 2], &[3]], 0)?;
/// assert_eq!(numbers.len(), 3);
/// // SAFETY: a live block, not used afterwards.
/// unsafe { PAGE_ALLOCATOR.free(numbers) };
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

/// [`concat()`] with or without a sentinel, which the length includes.
///
/// # Errors
/// As [`join`].
///
/// Ports `concatMaybeSentinel`.
///
/// ```
/// # use zigalloc::{heap::PAGE_ALLOCATOR, mem};
/// let numbers = mem::concat_maybe_sentinel(PAGE_ALLOCATOR, &[&[1, 2], &[3]], Some(0))?;
/// assert_eq!(numbers.len(), 4);
/// // SAFETY: a live block, not used afterwards.
/// unsafe { PAGE_ALLOCATOR.free(numbers) };
/// # Ok::<(), zigalloc::Error>(())
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
/// ```
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

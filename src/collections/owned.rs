//! Blocks that free themselves: `create_owned`, `alloc_with`, `dupe_owned` and so on.
//!
//! Dropping a `Box` replaces Zig's `defer` and `errdefer`. These functions return allocator-api2's `Box` over the
//! handle; `Box::into_non_null` and `Box::from_raw_in` convert to a raw block and back.

use core::fmt;
use core::mem::MaybeUninit;
use core::str::Utf8Error;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;

use crate::allocator::{Allocator, SyncAllocator};
use crate::error::Error;
use crate::interface::Zeroable;
use crate::interface::writer::AllocatingWriter;
use crate::mem::allocate;
use crate::return_address::return_address;

/// An owned block: allocator-api2 0.2's `Box` over a handle of this crate.
///
/// Dropping it drops the content and frees the block, which replaces Zig's `defer allocator.destroy(item)` and
/// `errdefer allocator.destroy(item)`.
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::collections::OwnedBox;
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let number: OwnedBox<'_, u64> = arena.allocator().create_owned(42)?;
///
/// // To a raw block, which must be freed, and back:
/// let (raw, allocator) = OwnedBox::into_non_null(number);
/// // SAFETY: the block and the allocator of the box above.
/// let number = unsafe { OwnedBox::from_raw_in(raw.as_ptr(), allocator) };
/// assert_eq!(*number, 42);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// `from_raw_in` takes a block whose length and alignment are those of the content: one of `create` as a `Box<T>`, one
/// of `alloc` as a `Box<[T]>`. An [`AlignedSlice`](crate::AlignedSlice) or [`SentinelSlice`](crate::SentinelSlice) does
/// not qualify as a `Box<[T]>`: its alignment or its length differs.
pub type OwnedBox<'a, T, A = Allocator<'a>> = Box<T, A>;

#[inline(always)]
fn uninit_slice<T, A: api::Allocator>(allocator: A, n: usize) -> Result<Box<[MaybeUninit<T>], A>, Error> {
    Ok(Box::try_new_uninit_slice_in(n, allocator)?)
}

fn filled_with<T, A: api::Allocator, E: From<Error>>(
    allocator: A,
    n: usize,
    mut item: impl FnMut(usize) -> Result<T, E>,
) -> Result<Box<[T], A>, E> {
    /// Drops the elements that are there, if the closure fails or panics.
    struct Filled<'s, T> {
        memory: &'s mut [MaybeUninit<T>],
        len: usize,
    }
    impl<T> Drop for Filled<'_, T> {
        fn drop(&mut self) {
            let filled = core::ptr::from_mut(&mut self.memory[..self.len]) as *mut [T];
            // SAFETY: the first `len` elements have been written, and nothing uses them any more.
            unsafe { filled.drop_in_place() };
        }
    }

    let mut memory = uninit_slice(allocator, n)?;
    let mut filled = Filled { memory: &mut memory, len: 0 };
    while filled.len < n {
        let value = item(filled.len)?;
        filled.memory[filled.len].write(value);
        filled.len += 1;
    }
    core::mem::forget(filled);
    // SAFETY: every element has been written.
    Ok(unsafe { memory.assume_init() })
}

#[inline(always)]
fn dupe<T: Copy, A: api::Allocator>(allocator: A, m: &[T]) -> Result<Box<[T], A>, Error> {
    let mut copy = uninit_slice(allocator, m.len())?;
    // SAFETY: as many elements; a new block overlaps nothing.
    unsafe { copy.as_mut_ptr().cast::<T>().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
    // SAFETY: the copy above has written all elements.
    Ok(unsafe { copy.assume_init() })
}

/// Converts bytes to text.
///
/// # Safety
/// They are UTF-8.
#[inline(always)]
unsafe fn text<A: api::Allocator>(bytes: Box<[u8], A>) -> Box<str, A> {
    let (bytes, allocator) = Box::into_raw_with_allocator(bytes);
    // SAFETY: the box's own block; a `str` is a slice of bytes, and these are UTF-8.
    unsafe { Box::from_raw_in(bytes as *mut str, allocator) }
}

/// Turns an owned block of bytes into an owned string, without copying it: `String::from_utf8`, for a box.
///
/// What a list of bytes has collected becomes a string that can be printed, searched and used as a key.
///
/// # Errors
/// If the bytes are not UTF-8. They are freed then.
///
/// Not in Zig, where text is bytes.
///
/// ```
/// use zigalloc::collections::{ArrayList, str_from_utf8};
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut text = ArrayList::init(PAGE_ALLOCATOR);
/// text.append_slice("füu".as_bytes())?;
/// text.append(b'!')?;
/// assert_eq!(&*str_from_utf8(text.to_owned_slice()?).unwrap(), "füu!");
/// assert!(str_from_utf8(PAGE_ALLOCATOR.dupe_owned(b"\xff")?).is_err());
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub fn str_from_utf8<A: api::Allocator>(bytes: Box<[u8], A>) -> Result<Box<str, A>, Utf8Error> {
    core::str::from_utf8(&bytes)?;
    // SAFETY: the bytes are UTF-8, as checked above.
    Ok(unsafe { text(bytes) })
}

/// The functions for one kind of handle. They are methods and not a trait, so that no import is needed, and the box
/// has the handle that it came from: one of a [`SyncAllocator`] can be sent to another thread.
macro_rules! owned {
    ($handle:ident) => {
        impl<'a> $handle<'a> {
            /// A value in a block of its own, which frees itself.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`]; the value is dropped then.
            ///
            /// Ports the pattern of `create` with `errdefer destroy`.
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let mut number = PAGE_ALLOCATOR.create_owned(41)?;
            /// *number += 1;
            /// assert_eq!(*number, 42);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn create_owned<T>(self, value: T) -> Result<OwnedBox<'a, T, Self>, Error> {
                Ok(Box::try_new_in(value, self)?)
            }

            /// Memory for `n` elements, uninitialised, which frees itself.
            ///
            /// # Errors
            /// As [`alloc`](Allocator::alloc).
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let mut memory = PAGE_ALLOCATOR.alloc_owned::<u32>(100)?;
            /// memory[0].write(1);
            /// assert_eq!(memory.len(), 100);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn alloc_owned<T>(self, n: usize) -> Result<OwnedBox<'a, [MaybeUninit<T>], Self>, Error> {
                uninit_slice(self, n)
            }

            /// Allocates `n` clones of `value`: Zig's `alloc` and `@memset`.
            ///
            /// # Errors
            /// As [`alloc`](Allocator::alloc).
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let board = PAGE_ALLOCATOR.alloc_filled(9, b'.')?;
            /// assert_eq!(*board, *b".........");
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn alloc_filled<T: Clone>(
                self,
                n: usize,
                value: T,
            ) -> Result<OwnedBox<'a, [T], Self>, Error> {
                filled_with(self, n, |_| Ok(value.clone()))
            }

            /// Allocates `n` elements that a closure makes from their indices.
            ///
            /// # Errors
            /// As [`alloc`](Allocator::alloc).
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let squares = PAGE_ALLOCATOR.alloc_with(5, |i| i * i)?;
            /// assert_eq!(*squares, [0, 1, 4, 9, 16]);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn alloc_with<T>(
                self,
                n: usize,
                mut item: impl FnMut(usize) -> T,
            ) -> Result<OwnedBox<'a, [T], Self>, Error> {
                filled_with(self, n, |i| Ok(item(i)))
            }

            /// Allocates `n` elements that a closure makes. If the closure fails, the elements made so far are dropped
            /// and the block is freed: Zig's loop with `errdefer`.
            ///
            /// # Errors
            /// What the closure returns, and as [`alloc`](Allocator::alloc).
            ///
            /// ```
            /// # use zigalloc::{Error, heap::PAGE_ALLOCATOR};
            /// let rows = PAGE_ALLOCATOR.try_alloc_with(3, |_| PAGE_ALLOCATOR.alloc_filled(4, 0u8))?;
            /// assert_eq!(rows[2].len(), 4);
            /// # Ok::<(), Error>(())
            /// ```
            #[inline(always)]
            pub fn try_alloc_with<T, E: From<Error>>(
                self,
                n: usize,
                item: impl FnMut(usize) -> Result<T, E>,
            ) -> Result<OwnedBox<'a, [T], Self>, E> {
                filled_with(self, n, item)
            }

            /// Allocates `n` elements of zero bytes.
            ///
            /// # Errors
            /// As [`alloc`](Allocator::alloc).
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let counts = PAGE_ALLOCATOR.alloc_zeroed_owned::<usize>(256)?;
            /// assert_eq!(counts.iter().sum::<usize>(), 0);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn alloc_zeroed_owned<T: Zeroable>(self, n: usize) -> Result<OwnedBox<'a, [T], Self>, Error> {
                let memory = Box::try_new_zeroed_slice_in(n, self)?;
                // SAFETY: zero bytes are a `T`.
                Ok(unsafe { memory.assume_init() })
            }

            /// Copies a slice to a box.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// assert_eq!(*PAGE_ALLOCATOR.dupe_owned(&[1, 2, 3])?, [1, 2, 3]);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn dupe_owned<T: Copy>(self, m: &[T]) -> Result<OwnedBox<'a, [T], Self>, Error> {
                dupe(self, m)
            }

            /// Copies a string to a box.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// assert_eq!(&*PAGE_ALLOCATOR.dupe_str_owned("zig")?, "zig");
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn dupe_str_owned(self, m: &str) -> Result<OwnedBox<'a, str, Self>, Error> {
                let copy = dupe(self, m.as_bytes())?;
                // SAFETY: a copy of a string.
                Ok(unsafe { text(copy) })
            }

            /// Joins slices with a separator in a box: [`mem::join`](crate::mem::join).
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// assert_eq!(*PAGE_ALLOCATOR.join_owned(b", ", &[b"a", b"b"])?, *b"a, b");
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn join_owned<T: Copy>(
                self,
                separator: &[T],
                slices: &[&[T]],
            ) -> Result<OwnedBox<'a, [T], Self>, Error> {
                let block = allocate::joined(self.into(), separator, slices, None, return_address())?;
                // SAFETY: an initialised block of this allocator that has no other owner; an empty one is no block.
                Ok(unsafe { Box::from_raw_in(block.as_ptr(), self) })
            }

            /// Concatenates slices in a box: [`mem::concat`](crate::mem::concat).
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// assert_eq!(*PAGE_ALLOCATOR.concat_owned(&[&[1, 2], &[3]])?, [1, 2, 3]);
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            pub fn concat_owned<T: Copy>(self, slices: &[&[T]]) -> Result<OwnedBox<'a, [T], Self>, Error> {
                let block = allocate::joined(self.into(), &[], slices, None, return_address())?;
                // SAFETY: a new block of this allocator with the layout of the slice, as in `join_owned`.
                Ok(unsafe { Box::from_raw_in(block.as_ptr(), self) })
            }

            /// Copies `input` to a box, with each `needle` replaced:
            /// [`mem::replace_owned`](crate::mem::replace_owned).
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// # Panics
            /// If the needle is empty.
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// assert_eq!(*PAGE_ALLOCATOR.replace_owned(b"a-b", b"-", b" - ")?, *b"a - b");
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            #[track_caller]
            pub fn replace_owned<T: Copy + PartialEq>(
                self,
                input: &[T],
                needle: &[T],
                replacement: &[T],
            ) -> Result<OwnedBox<'a, [T], Self>, Error> {
                let block = allocate::replaced(self.into(), input, needle, replacement, return_address())?;
                // SAFETY: a new block of this allocator with the layout of the slice, as in `join_owned`.
                Ok(unsafe { Box::from_raw_in(block.as_ptr(), self) })
            }

            /// Formats to a box. The result is a `str`, since formatting writes UTF-8 only.
            ///
            /// # Errors
            /// [`Error::OutOfMemory`].
            ///
            /// # Panics
            /// As `format!` does, if a `Display` implementation returns an error of its own.
            ///
            /// ```
            /// # use zigalloc::heap::PAGE_ALLOCATOR;
            /// let line = PAGE_ALLOCATOR.print_owned(format_args!("{}={}", -1, "hi"))?;
            /// assert_eq!(&*line, "-1=hi");
            /// # Ok::<(), zigalloc::Error>(())
            /// ```
            #[inline(always)]
            #[track_caller]
            pub fn print_owned(self, args: fmt::Arguments<'_>) -> Result<OwnedBox<'a, str, Self>, Error> {
                let function = concat!(stringify!($handle), "::print_owned");
                let handle: Allocator<'a> = self.into();
                let block =
                    AllocatingWriter::format(handle, args, return_address(), function)?.into_owned_slice()?;
                // SAFETY: a block of this allocator that has no other owner, freed as the bytes that it was allocated
                // as; an empty one is no block.
                let bytes = unsafe { Box::from_raw_in(block.as_ptr(), self) };
                // SAFETY: formatting writes strings one after the other, so the bytes are UTF-8.
                Ok(unsafe { text(bytes) })
            }
        }
    };
}

owned!(Allocator);
owned!(SyncAllocator);

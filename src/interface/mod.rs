//! The typed interface: what programs call on an [`Allocator`].
//!
//! The vtable counts bytes; these functions count elements. They compute sizes, check for overflow, handle zero
//! lengths, pass on the element's alignment and the caller's address, and turn null into
//! [`Error::OutOfMemory`](crate::Error::OutOfMemory). They are the same for every allocator.
//!
//! | | |
//! |---|---|
//! | one item | [`create`](Allocator::create), [`create_with`](Allocator::create_with), [`aligned_create`](Allocator::aligned_create), [`destroy`](Allocator::destroy) |
//! | slices | [`alloc`](Allocator::alloc), [`aligned_alloc`](Allocator::aligned_alloc), [`alloc_sentinel`](Allocator::alloc_sentinel), [`alloc_with_options`](Allocator::alloc_with_options), [`alloc_zeroed`](Allocator::alloc_zeroed), [`free`](Allocator::free) |
//! | lengths | [`resize`](Allocator::resize), [`remap`](Allocator::remap), [`realloc`](Allocator::realloc) |
//! | copies | [`dupe`](Allocator::dupe), [`dupe_z`](Allocator::dupe_z), [`dupe_sentinel`](Allocator::dupe_sentinel), [`dupe_str`](Allocator::dupe_str) |
//! | text | [`print`](Allocator::print), [`print_sentinel`](Allocator::print_sentinel) |
//!
//! # An arena per request
//!
//! Functions take an [`Allocator`] and do not know which one. The caller decides that nothing is freed until the
//! request is done:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
//! use zigalloc::{Allocator, Error};
//!
//! fn respond(allocator: Allocator<'_>, path: &str) -> Result<usize, Error> {
//!     let file = allocator.print(format_args!("/static{path}"))?;
//!     let header = allocator.print(format_args!("Content-Location: {path}\r\n"))?;
//!     Ok(file.len() + header.len())
//! }
//!
//! let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! for path in ["/a", "/bc"] {
//!     assert_eq!(respond(arena.allocator(), path)?, 27 + 2 * path.len());
//!     arena.reset(ResetMode::RetainCapacity); // frees both texts and keeps the memory for the next request
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! A list that grows has a length and a capacity, and doubles by `realloc`:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::ptr::NonNull;
//! use zigalloc::{Allocator, Error, heap::SMP_ALLOCATOR};
//!
//! struct List<'a, T> {
//!     items: NonNull<[T]>, // its length is the capacity
//!     len: usize,
//!     allocator: Allocator<'a>,
//! }
//!
//! impl<'a, T: Copy> List<'a, T> {
//!     fn init(allocator: Allocator<'a>) -> Result<List<'a, T>, Error> {
//!         Ok(List { items: allocator.alloc(0)?, len: 0, allocator }) // allocates nothing
//!     }
//!
//!     fn append(&mut self, item: T) -> Result<(), Error> {
//!         if self.len == self.items.len() {
//!             // SAFETY: a live block, or an empty slice, which is replaced. An error changes nothing.
//!             self.items = unsafe { self.allocator.realloc(self.items, 4.max(2 * self.len)) }?;
//!         }
//!         // SAFETY: below the capacity.
//!         unsafe { self.items.cast::<T>().add(self.len).write(item) };
//!         self.len += 1;
//!         Ok(())
//!     }
//!
//!     fn items(&self) -> &[T] {
//!         // SAFETY: the first `len` are initialised.
//!         unsafe { std::slice::from_raw_parts(self.items.as_ptr().cast(), self.len) }
//!     }
//! }
//!
//! impl<T> Drop for List<'_, T> {
//!     fn drop(&mut self) {
//!         // SAFETY: a live block with this length, or an empty slice.
//!         unsafe { self.allocator.free(self.items) };
//!     }
//! }
//!
//! let mut list = List::init(*SMP_ALLOCATOR)?;
//! for n in 0..10 {
//!     list.append(n * n)?;
//! }
//! assert_eq!(list.items()[9], 81);
//! assert_eq!((list.items().len(), list.items.len()), (10, 16));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Choosing between resize, remap and realloc
//!
//! | | moves the block? | fails? | use it |
//! |---|---|---|---|
//! | [`resize`](Allocator::resize) | never | returns false; nothing changed | when pointers into the block must stay valid |
//! | [`remap`](Allocator::remap) | perhaps | returns `None`; nothing changed | when you need not copy every byte |
//! | [`realloc`](Allocator::realloc) | perhaps | only when out of memory; nothing changed | otherwise: it tries `remap`, then allocates, copies and frees |
//!
//! # Every empty and zero case
//!
//! None of these reaches the vtable, except the `free` of rows 5, 6, 7 and 13, which frees a block, and the
//! `alloc` of rows 10 and 13, which makes one. Where no block exists, the pointer is the highest aligned address, as in
//! Zig, so that using it faults.
//!
//! | | call | result |
//! |---|---|---|
//! | 1 | `create` of a zero-sized type | the highest aligned address |
//! | 2 | `alloc` of 0 elements, or of zero-sized elements | a slice of that length at the highest aligned address |
//! | 3 | `dupe` of an empty slice | as 2 |
//! | 4 | `free`, `destroy` of what 1 to 3 returned | does nothing |
//! | 5 | `resize` of a block to 0 | frees it; true |
//! | 6 | `remap` of a block to 0 | frees it; an empty slice at the old address |
//! | 7 | `realloc` of a block to 0 | frees it; an empty slice at the highest aligned address |
//! | 8 | `resize` of an empty slice to n > 0 | false |
//! | 9 | `remap` of an empty slice to n > 0 | `None` |
//! | 10 | `realloc` of an empty slice to n > 0 | a new allocation |
//! | 11 | `resize`, `remap`, `realloc` of an empty slice to 0 | true, an empty slice, an empty slice |
//! | 12 | `resize`, `remap`, `realloc` of zero-sized elements to n > 0 | true, `Some`, `Ok`, with the new length |
//! | 13 | `alloc_sentinel` of 0 elements | one element, the sentinel, is allocated; `free` frees it |
//! | 14 | a byte count above `usize::MAX` | `OutOfMemory`, false or `None` |
//!
//! Each row has a test: `tests/all/interface/zero_cases.rs`.
//!
//! # Undefined memory
//!
//! Zig's safe modes fill memory with the byte 0xAA where its content becomes undefined. Builds with
//! `debug_assertions` do the same in the same places: new memory of `create` and `alloc`, all
//! memory that `free` frees (also through a length of 0), and the old block when `realloc` had to
//! copy. `destroy`, the tail that a `resize`, `remap` or `realloc` adds or drops, and the `raw_*`
//! functions fill nothing. Under Miri nothing is filled, because Miri tracks undefined memory itself.
//!
//! # Return addresses
//!
//! Every function passes the vtable the address of the code that called it (see [`return_address`]). The `…_advanced`
//! and `…_ret_addr` forms take that address as an argument, for functions that allocate on behalf of their own caller.
//!
//! Ports `std.mem.Allocator` of Zig 0.15.2, with `alignedCreate`, `dupeSentinel`, `print` and
//! `printSentinel` of 0.17.1; `docs/differences.md` lists each difference.

mod copies;
mod items;
mod lengths;
mod slices;
mod text;
pub(crate) mod writer;
mod zeroable;

use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
#[cfg(doc)]
use crate::{allocator::Allocator, return_address, slice::SlicePtr};

pub use zeroable::Zeroable;

/// Fills memory whose content has become undefined, in builds with `debug_assertions`.
///
/// # Safety
/// `memory` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn set_undefined(memory: NonNull<[u8]>) {
    if cfg!(all(debug_assertions, not(miri))) {
        // SAFETY: `memory` is valid for writes, by our caller.
        unsafe { memory.cast::<u8>().write_bytes(0xAA, memory.len()) };
    }
}

/// The pointer to use where no block exists: the highest address with this alignment.
#[inline(always)]
pub(crate) fn highest<T>(alignment: Alignment) -> NonNull<T> {
    let ptr = ptr::without_provenance_mut(alignment.backward(usize::MAX));
    // SAFETY: every alignment leaves the highest bit of the address set, so it is not zero.
    unsafe { NonNull::new_unchecked(ptr) }
}

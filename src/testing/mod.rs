//! Tools for testing programs that allocate, and for testing allocators.
//!
//! | | finds |
//! |---|---|
//! | [`FailingAllocator`] | what a program does when the n-th allocation fails |
//! | [`check_all_allocation_failures`] | the same for every n in turn |
//! | [`UnreliableAllocator`] | what it does when calls are refused, and blocks move, now and then |
//! | [`ValidationAllocator`] | zero lengths and misaligned results |
//! | [`with_allocator()`], [`with_safe_allocator`] | leaks, double frees and other misuse in one test, with the line |
//! | [`LedgerAllocator`] | wrong lengths and alignments, foreign pointers, double frees, leaks |
//! | [`test_allocator`] and its three companions | an allocator that fails Zig's own tests |
//! | [`test_allocator_strict`] | an allocator that breaks its [contract](crate::VTable#the-contract-of-an-allocator) |
//!
//! # Testing a container
//!
//! A container is tested over two of them: a ledger, which aborts at a wrong call, and the sweep of failures, which
//! finds what an error path forgets. Here is a stack of texts, and what the sweep says about a mistake in it:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::ptr::NonNull;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//! use zigalloc::testing::{CheckError, LedgerAllocator, check_all_allocation_failures};
//! use zigalloc::{Allocator, Error};
//!
//! struct Texts<'a> {
//!     items: NonNull<[NonNull<str>]>,
//!     len: usize,
//!     allocator: Allocator<'a>,
//! }
//!
//! impl<'a> Texts<'a> {
//!     fn init(allocator: Allocator<'a>) -> Result<Texts<'a>, Error> {
//!         Ok(Texts { items: allocator.alloc(0)?, len: 0, allocator })
//!     }
//!
//!     fn push(&mut self, text: &str) -> Result<(), Error> {
//!         let copy = self.allocator.dupe_str(text)?;
//!         self.push_copy(copy).inspect_err(|_| {
//!             // SAFETY: a live block that is not in the list.
//!             unsafe { self.allocator.free(copy) }
//!         })
//!     }
//!
//!     /// The same, but it forgets the copy if the list cannot grow.
//!     fn push_wrong(&mut self, text: &str) -> Result<(), Error> {
//!         let copy = self.allocator.dupe_str(text)?;
//!         self.push_copy(copy)
//!     }
//!
//!     fn push_copy(&mut self, copy: NonNull<str>) -> Result<(), Error> {
//!         if self.len == self.items.len() {
//!             // SAFETY: a live block, or an empty slice, which is replaced.
//!             self.items = unsafe { self.allocator.realloc(self.items, 2 * self.len + 1) }?;
//!         }
//!         // SAFETY: below the length.
//!         unsafe { self.items.cast::<NonNull<str>>().add(self.len).write(copy) };
//!         self.len += 1;
//!         Ok(())
//!     }
//! }
//!
//! impl Drop for Texts<'_> {
//!     fn drop(&mut self) {
//!         for i in 0..self.len {
//!             // SAFETY: the first `len` are live blocks, each freed once.
//!             unsafe { self.allocator.free(self.items.cast::<NonNull<str>>().add(i).read()) };
//!         }
//!         // SAFETY: a live block, or an empty slice.
//!         unsafe { self.allocator.free(self.items) };
//!     }
//! }
//!
//! fn with(push: fn(&mut Texts<'_>, &str) -> Result<(), Error>) -> impl Fn(Allocator<'_>) -> Result<(), Error> {
//!     move |allocator| {
//!         let mut texts = Texts::init(allocator)?;
//!         ["one", "two", "three"].iter().try_for_each(|text| push(&mut texts, text))
//!     }
//! }
//!
//! let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
//! check_all_allocation_failures(ledger.allocator(), with(|texts, text| texts.push(text)))?;
//! ledger.assert_no_leaks();
//!
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR); // frees what is leaked here
//! let wrong = with(|texts, text| texts.push_wrong(text));
//! let error = check_all_allocation_failures(arena.allocator(), wrong).unwrap_err();
//! let CheckError::MemoryLeakDetected { point, allocated_bytes, freed_bytes, .. } = error else { panic!("{error}") };
//! // The second allocation, the list's first block, fails: "one" is leaked.
//! assert_eq!((point.fail_index, allocated_bytes - freed_bytes), (1, 3));
//! # Ok::<(), CheckError<Error>>(())
//! ```
//!
//! # Testing an allocator
//!
//! If you write an allocator, run all five conformance functions over it:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! # #[cfg(not(miri))] {
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//! use zigalloc::testing;
//!
//! let mine = ArenaAllocator::init(PAGE_ALLOCATOR);
//! testing::test_allocator(mine.allocator());
//! testing::test_allocator_aligned(mine.allocator());
//! testing::test_allocator_large_alignment(mine.allocator());
//! testing::test_allocator_aligned_shrink(mine.allocator());
//! testing::test_allocator_strict(mine.allocator());
//! # }
//! ```
//!
//! The ledger and the strict kit keep their records on the global heap and need the feature `alloc`.
//!
//! Ports the allocators of `lib/std/testing.zig` and `lib/std/testing/FailingAllocator.zig`,
//! `ValidationAllocator` of `lib/std/mem.zig` and the shared tests of `lib/std/heap.zig` of Zig 0.15.2.

mod check_failures;
mod check_handle;
mod conformance;
mod container_errors;
mod failing_allocator;
#[cfg(feature = "alloc")]
mod ledger_allocator;
mod unreliable_allocator;
mod validation_allocator;
#[cfg(feature = "std")]
mod with_allocator;

pub use check_failures::{AsOutOfMemory, CheckError, FailurePoint, check_all_allocation_failures};
pub use check_handle::CheckHandle;
#[cfg(feature = "alloc")]
pub use conformance::strict::{
    StrictConfig, test_allocator_strict, test_allocator_strict_with, test_handles_strict,
};
pub use conformance::{
    test_allocator, test_allocator_aligned, test_allocator_aligned_shrink, test_allocator_large_alignment,
};
#[doc(alias = "std.testing.FailingAllocator")]
pub use failing_allocator::FailingAllocator;
pub use failing_allocator::FailingConfig;
#[cfg(feature = "alloc")]
pub use ledger_allocator::LedgerAllocator;
pub use unreliable_allocator::{UnreliableAllocator, UnreliableConfig};
#[doc(alias = "std.mem.ValidationAllocator")]
pub use validation_allocator::ValidationAllocator;
pub use validation_allocator::{Reset, validation_wrap};
// Stable rustdoc drops the aliases of an item in a private module, but not those of its re-export.
#[cfg(feature = "std")]
#[doc(alias = "std.testing.allocator")]
#[doc(alias = "allocator_instance")]
pub use with_allocator::{with_allocator, with_safe_allocator};

use crate::allocator::SyncAllocator;

/// An allocator that always fails, for tests of code that must not allocate.
///
/// Requests for zero bytes succeed, as everywhere, because they do not reach the allocator.
///
/// Ports `std.testing.failing_allocator` of Zig 0.15.2. That one is a [`FailingAllocator`] over an
/// empty buffer, with counters that every test can read; this one has no state.
///
/// ```
/// use zigalloc::{Error, testing::FAILING_ALLOCATOR};
///
/// assert_eq!(FAILING_ALLOCATOR.create::<u8>().unwrap_err(), Error::OutOfMemory);
/// ```
#[doc(alias = "failing_allocator")]
pub const FAILING_ALLOCATOR: SyncAllocator<'static> = SyncAllocator::FAILING;

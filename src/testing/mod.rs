//! Tools for testing programs that allocate, and for testing allocators.
//!
//! | | finds |
//! |---|---|
//! | [`FailingAllocator`] | what a program does when the n-th allocation fails |
//! | [`check_all_allocation_failures`] | the same for every n in turn |
//! | [`ValidationAllocator`] | zero lengths and misaligned results |
//! | [`with_allocator()`] | leaks, double frees and other misuse in one test, with the line |
//! | [`LedgerAllocator`] | wrong lengths and alignments, foreign pointers, double frees, leaks |
//! | [`test_allocator`] and its three companions | an allocator that fails Zig's own tests |
//! | [`test_allocator_strict`] | an allocator that breaks its [contract](crate::VTable#the-contract-of-an-allocator) |
//!
//! If you write an allocator, run all five conformance functions over it:
//!
//! ```
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
#[doc(alias = "std.mem.ValidationAllocator")]
pub use validation_allocator::ValidationAllocator;
pub use validation_allocator::{Reset, validation_wrap};
// Stable rustdoc drops the aliases of an item in a private module, but not those of its re-export.
#[cfg(feature = "std")]
#[doc(alias = "std.testing.allocator")]
#[doc(alias = "allocator_instance")]
pub use with_allocator::with_allocator;

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

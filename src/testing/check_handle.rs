//! The kinds of handle that a failure sweep passes to the function under test.

use crate::allocator::{Allocator, Handle};
#[cfg(feature = "std")]
use crate::allocator::{SyncAllocator, SyncHandle};
use crate::testing::FailingAllocator;
#[cfg(feature = "std")]
use crate::thread_safe::ThreadSafeAllocator;

/// A backing allocator of [`check_all_allocation_failures`](crate::testing::check_all_allocation_failures): a function
/// that takes an [`Allocator`] is checked over an `Allocator`, and one that takes a
/// [`SyncAllocator`] over a `SyncAllocator` or a type such as `PageAllocator`.
///
/// The trait is sealed. For a `SyncAllocator` it needs the feature `std`, since the counters are then under a lock.
///
/// Not in Zig.
///
/// ```
/// # #[cfg(feature = "std")] {
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::{CheckError, CheckHandle, check_all_allocation_failures};
/// use zigalloc::{Error, Handle};
///
/// /// Checks a function with each kind of handle.
/// fn create_and_destroy<C: CheckHandle>(backing: C) -> Result<(), CheckError<Error>> {
///     check_all_allocation_failures(backing, |allocator| {
///         let allocator = allocator.as_allocator();
///         let number = allocator.create_with(42)?;
///         // SAFETY: a live block, not used afterwards.
///         unsafe { allocator.destroy(number) };
///         Ok(())
///     })
/// }
/// assert_eq!(create_and_destroy(PAGE_ALLOCATOR), Ok(()));
/// assert_eq!(create_and_destroy(*PAGE_ALLOCATOR), Ok(()));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handle to a backing allocator",
    label = "not an `Allocator`, a `SyncAllocator` or a type without state",
    note = "write `.allocator()`; the function takes the kind of handle that this returns",
    note = "for a function that takes an `Allocator`, dereference a `SyncAllocator`: `*PAGE_ALLOCATOR`"
)]
pub trait CheckHandle: Handle {
    /// The handle that the function takes.
    type Failing<'a>: Handle;

    /// Calls the function with a handle to `failing`.
    #[doc(hidden)]
    fn call<R>(failing: &mut FailingAllocator<Self>, test_fn: impl FnOnce(Self::Failing<'_>) -> R) -> R;
}

impl CheckHandle for Allocator<'_> {
    type Failing<'a> = Allocator<'a>;

    fn call<R>(failing: &mut FailingAllocator<Self>, test_fn: impl FnOnce(Allocator<'_>) -> R) -> R {
        test_fn(failing.allocator())
    }
}

#[cfg(feature = "std")]
#[diagnostic::do_not_recommend]
impl<C: SyncHandle> CheckHandle for C {
    type Failing<'a> = SyncAllocator<'a>;

    fn call<R>(failing: &mut FailingAllocator<Self>, test_fn: impl FnOnce(SyncAllocator<'_>) -> R) -> R {
        test_fn(ThreadSafeAllocator::new(failing).allocator())
    }
}

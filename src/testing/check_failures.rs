//! A check that makes every allocation of a function fail in turn.

use core::fmt;

use crate::error::Error;
use crate::symbol::{self, Symbol};
use crate::testing::check_handle::CheckHandle;
use crate::testing::failing_allocator::{FailingAllocator, FailingConfig};

/// Runs `test_fn` once for each allocation that it makes, makes that allocation fail, and checks
/// that the function returns the error and leaks nothing.
///
/// First `test_fn` runs without failures, to count its allocations: N. Then it runs N times; in run i the allocation
/// with index i (and every later one) fails. Each run must return an error that [is out of memory](AsOutOfMemory), and
/// must have freed as many bytes as it allocated. `test_fn` must do the same each time.
///
/// `resize` and `remap` fail in all runs, so N does not depend on whether a block happened to have
/// room after it, and every `realloc` is an allocation. This is the rule of Zig 0.17.1; 0.15.2 passes
/// them on to `backing_allocator`.
///
/// Zig passes extra arguments to the function; here a closure captures them.
///
/// The backing allocator's kind decides what the function takes: an [`Allocator`](crate::Allocator) for an `Allocator`,
/// a [`SyncAllocator`](crate::SyncAllocator) for a `SyncAllocator` such as
/// [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR) (write `*PAGE_ALLOCATOR` for the other kind). If the function
/// allocates in several threads at once, allocation i may be another thread's in each run; their number must be the
/// same.
///
/// # Errors
/// The first problem found; see [`CheckError`]. With the feature `backtrace` it names the
/// line that requested the memory.
///
/// Ports `std.testing.checkAllAllocationFailures` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::testing::{CheckError, check_all_allocation_failures};
/// use zigalloc::{Allocator, Error};
///
/// fn two_blocks(allocator: Allocator<'_>) -> Result<(), Error> {
///     let first = allocator.create_with(1)?;
///     let second = allocator.create_with(2)?; // if this fails, the first is leaked
///     unsafe { allocator.destroy(first) };
///     unsafe { allocator.destroy(second) };
///     Ok(())
/// }
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR); // frees what is leaked here
/// let error = check_all_allocation_failures(arena.allocator(), two_blocks).unwrap_err();
/// assert!(matches!(error, CheckError::MemoryLeakDetected { allocated_bytes: 4, freed_bytes: 0, .. }));
/// ```
///
/// A function that needs a thread-safe allocator:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::check_all_allocation_failures;
/// use zigalloc::{Error, SyncAllocator};
///
/// fn in_a_thread(allocator: SyncAllocator<'_>) -> Result<(), Error> {
///     std::thread::scope(|scope| {
///         let thread = scope.spawn(move || {
///             let number = allocator.create_with(42)?;
///             // SAFETY: a live block, not used afterwards.
///             unsafe { allocator.destroy(number) };
///             Ok(())
///         });
///         thread.join().unwrap()
///     })
/// }
///
/// check_all_allocation_failures(PAGE_ALLOCATOR, in_a_thread)?;
/// # Ok::<(), zigalloc::testing::CheckError<Error>>(())
/// ```
///
/// A container of Rust's that takes the handle is tested in the same way, through its fallible methods:
///
/// ```
/// # #[cfg(all(feature = "std", feature = "allocator-api2-02"))] {
/// use allocator_api2_02::vec::Vec;
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::check_all_allocation_failures;
/// use zigalloc::{Allocator, Error};
///
/// fn squares(allocator: Allocator<'_>) -> Result<(), Error> {
///     let mut squares = Vec::new_in(allocator);
///     for n in 0..100 {
///         squares.try_reserve(1)?; // `push` alone would abort
///         squares.push(n * n);
///     }
///     Ok(())
/// }
///
/// assert!(check_all_allocation_failures(*PAGE_ALLOCATOR, squares).is_ok());
/// # }
/// ```
#[doc(alias = "checkAllAllocationFailures")]
pub fn check_all_allocation_failures<C, F, E>(
    backing_allocator: C,
    mut test_fn: F,
) -> Result<(), CheckError<E>>
where
    C: CheckHandle,
    F: FnMut(C::Failing<'_>) -> Result<(), E>,
    E: AsOutOfMemory,
{
    let config = FailingConfig { resize_fail_index: 0, ..FailingConfig::default() };
    let mut failing = FailingAllocator::init(backing_allocator, config);
    C::call(&mut failing, &mut test_fn).map_err(CheckError::Test)?;
    let needed_alloc_count = failing.alloc_index();

    for fail_index in 0..needed_alloc_count {
        let mut failing = FailingAllocator::init(backing_allocator, FailingConfig { fail_index, ..config });
        let result = C::call(&mut failing, &mut test_fn);
        let point = || FailurePoint {
            fail_index,
            needed_alloc_count,
            return_address: failing.return_address().unwrap_or(0),
            frames: symbol::program_frames(&failing.stack()),
        };
        match result {
            Ok(()) if failing.has_induced_failure() => {
                return Err(CheckError::SwallowedOutOfMemory(point()));
            }
            Ok(()) => {
                return Err(CheckError::NondeterministicMemoryUsage { fail_index, needed_alloc_count });
            }
            Err(error) if !error.is_out_of_memory() => return Err(CheckError::Test(error)),
            Err(_) if failing.allocated_bytes() != failing.freed_bytes() => {
                return Err(CheckError::MemoryLeakDetected {
                    point: point(),
                    allocated_bytes: failing.allocated_bytes(),
                    freed_bytes: failing.freed_bytes(),
                    allocations: failing.allocations(),
                    deallocations: failing.deallocations(),
                });
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// The problem that [`check_all_allocation_failures`] found.
///
/// A function that returns `Ok` although it had no memory:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::{CheckError, check_all_allocation_failures};
/// use zigalloc::{Allocator, Error};
///
/// fn swallows(allocator: Allocator<'_>) -> Result<(), Error> {
///     if let Ok(memory) = allocator.create::<u64>() {
///         // SAFETY: a live block, not used afterwards.
///         unsafe { allocator.destroy(memory) };
///     }
///     Ok(())
/// }
///
/// let error = check_all_allocation_failures(*PAGE_ALLOCATOR, swallows).unwrap_err();
/// assert!(matches!(error, CheckError::SwallowedOutOfMemory(_)));
/// assert!(error.to_string().starts_with("the function returned Ok although allocation #0 of 1 failed"));
/// ```
///
/// An error of another kind, and a function that behaves differently in each run:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use std::cell::Cell;
/// # use zigalloc::heap::PAGE_ALLOCATOR;
/// # use zigalloc::testing::{AsOutOfMemory, CheckError, check_all_allocation_failures};
/// # use zigalloc::{Allocator, Error};
/// let runs = Cell::new(0);
/// let changing = |allocator: Allocator<'_>| {
///     runs.set(runs.get() + 1);
///     if runs.get() == 1 {
///         let memory = allocator.create::<u32>()?;
///         // SAFETY: a live block, not used afterwards.
///         unsafe { allocator.destroy(memory) };
///     }
///     Ok::<(), Error>(())
/// };
/// let error = check_all_allocation_failures(*PAGE_ALLOCATOR, changing).unwrap_err();
/// assert!(!matches!(error, CheckError::MemoryLeakDetected { .. } | CheckError::Test(_)), "{error}");
/// assert_eq!(runs.get(), 2, "the second run made no allocation that could fail");
///
/// #[derive(Debug)]
/// struct Unrelated;
/// impl AsOutOfMemory for Unrelated {
///     fn is_out_of_memory(&self) -> bool {
///         false
///     }
/// }
/// let error = check_all_allocation_failures(*PAGE_ALLOCATOR, |_: Allocator<'_>| Err(Unrelated)).unwrap_err();
/// assert!(matches!(error, CheckError::Test(Unrelated)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError<E> {
    /// An allocation failed but the function returned `Ok`, so it swallowed the error.
    #[doc(alias = "SwallowedOutOfMemoryError")]
    #[error("the function returned Ok although {0}")]
    SwallowedOutOfMemory(FailurePoint),

    /// The function made fewer allocations than in its first run, so none failed.
    #[error(
        "the function made {needed_alloc_count} allocations in its first run, but at most {fail_index} in a later one"
    )]
    NondeterministicMemoryUsage {
        /// How many allocations the later run made, at most. The one with this index should have failed.
        fail_index: usize,
        /// How many allocations the first run made.
        needed_alloc_count: usize,
    },

    /// The function returned the error without freeing everything that it had allocated.
    #[error(
        "the function leaked {} bytes when {point}: allocated {allocated_bytes} bytes in {allocations} \
         allocations, freed {freed_bytes} bytes in {deallocations}",
        allocated_bytes.wrapping_sub(*freed_bytes)
    )]
    MemoryLeakDetected {
        /// The allocation that failed.
        point: FailurePoint,
        /// How many bytes the function allocated in that run.
        allocated_bytes: usize,
        /// How many bytes it freed.
        freed_bytes: usize,
        /// How many blocks it allocated.
        allocations: usize,
        /// How many blocks it freed.
        deallocations: usize,
    },

    /// The function failed although no allocation did, or with an error other than out of memory.
    #[error("the function failed: {0}")]
    Test(E),
}

/// The allocation that [`check_all_allocation_failures`] made fail.
///
/// `Display` shows where it was requested: with the feature `backtrace`, the function, file and line in the program's
/// own code, even if a container made the request; otherwise the address.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::testing::{CheckError, check_all_allocation_failures};
/// use zigalloc::{Allocator, Error};
///
/// fn leaks_the_first(allocator: Allocator<'_>) -> Result<(), Error> {
///     let (first, second) = (allocator.create::<u8>()?, allocator.create::<u8>()?);
///     // SAFETY: live blocks, not used afterwards.
///     unsafe { allocator.destroy(first) };
///     unsafe { allocator.destroy(second) };
///     Ok(())
/// }
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR); // frees what is leaked here
/// let error = check_all_allocation_failures(arena.allocator(), leaks_the_first).unwrap_err();
/// let CheckError::MemoryLeakDetected { point, .. } = error else { panic!("{error}") };
/// assert_eq!((point.fail_index, point.needed_alloc_count), (1, 2));
/// assert!(point.to_string().starts_with("allocation #1 of 2 failed (requested at "));
/// ```
///
/// It is printed as part of the error, which the test's output then shows:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::PAGE_ALLOCATOR;
/// # use zigalloc::testing::{CheckError, check_all_allocation_failures};
/// # use zigalloc::{Allocator, Error};
/// let ignores_the_second = |allocator: Allocator<'_>| {
///     let first = allocator.create::<u8>()?;
///     let second = allocator.create::<u8>();
///     // SAFETY: live blocks, not used afterwards.
///     unsafe { allocator.destroy(first) };
///     second.map_or((), |second| unsafe { allocator.destroy(second) });
///     Ok::<(), Error>(())
/// };
/// let error = check_all_allocation_failures(*PAGE_ALLOCATOR, ignores_the_second).unwrap_err();
/// let CheckError::SwallowedOutOfMemory(point) = error else { panic!("{error}") };
/// assert_eq!((point.fail_index, point.needed_alloc_count), (1, 2));
/// assert!(error.to_string().contains(&point.to_string()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailurePoint {
    /// The allocation's index, starting at 0.
    pub fail_index: usize,
    /// How many allocations the function makes when none fails.
    pub needed_alloc_count: usize,
    /// An address in the function that requested it, which may be a library's. It is 0 if unknown, or
    /// if the backing allocator ran out of memory first.
    pub return_address: usize,
    /// Addresses in the program's own functions on the call stack, the innermost first. Unused elements
    /// are 0.
    ///
    /// Functions of the standard library, of this crate and of container crates are left out: those that
    /// [`DebugConfig::skip_frames`](crate::heap::DebugConfig::skip_frames) names by default. If the stack has no
    /// other functions, these are the first of it. Without the feature `backtrace` only the return
    /// address is here. Not in Zig.
    pub frames: [usize; 6],
}

/// Addresses, shown in hexadecimal.
struct Addresses([usize; 6]);

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|address| core::ptr::without_provenance::<()>(*address)))
            .finish()
    }
}

/// Shows addresses in hexadecimal.
impl fmt::Debug for FailurePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailurePoint { fail_index, needed_alloc_count, return_address, frames } = *self;
        f.debug_struct("FailurePoint")
            .field("fail_index", &fail_index)
            .field("needed_alloc_count", &needed_alloc_count)
            .field("return_address", &format_args!("{return_address:#x}"))
            .field("frames", &Addresses(frames))
            .finish()
    }
}

impl fmt::Display for FailurePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FailurePoint { fail_index, needed_alloc_count, frames: [first, ..], .. } = *self;
        let place = Symbol(first);
        write!(f, "allocation #{fail_index} of {needed_alloc_count} failed (requested at {place})")
    }
}

/// An error that can tell whether it is [`Error::OutOfMemory`]: Zig's test that an error set has
/// that member.
///
/// Implement it for your own error type.
///
/// ```
/// use zigalloc::{Error, testing::AsOutOfMemory};
///
/// enum ParseError {
///     OutOfMemory(Error),
///     Syntax,
/// }
///
/// impl AsOutOfMemory for ParseError {
///     fn is_out_of_memory(&self) -> bool {
///         matches!(self, ParseError::OutOfMemory(_))
///     }
/// }
/// # assert!(!ParseError::Syntax.is_out_of_memory() && ParseError::OutOfMemory(Error::OutOfMemory).is_out_of_memory());
/// ```
///
/// The sweep then tells an expected error from another. With `?`, both kinds occur in one function:
///
/// ```
/// # #[cfg(feature = "std")] {
/// use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::testing::{AsOutOfMemory, CheckError, check_all_allocation_failures};
/// use zigalloc::{Allocator, Error};
///
/// #[derive(Debug)]
/// enum LoadError {
///     OutOfMemory,
///     Empty,
/// }
///
/// impl From<Error> for LoadError {
///     fn from(_: Error) -> LoadError {
///         LoadError::OutOfMemory
///     }
/// }
///
/// impl AsOutOfMemory for LoadError {
///     fn is_out_of_memory(&self) -> bool {
///         matches!(self, LoadError::OutOfMemory)
///     }
/// }
///
/// fn load(allocator: Allocator<'_>, text: &str) -> Result<(), LoadError> {
///     let copy = allocator.dupe_str(text)?;
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(copy) };
///     if text.is_empty() { Err(LoadError::Empty) } else { Ok(()) }
/// }
///
/// assert!(check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| load(allocator, "text")).is_ok());
/// let error = check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| load(allocator, "")).unwrap_err();
/// assert!(matches!(error, CheckError::Test(LoadError::Empty)));
/// # }
/// ```
pub trait AsOutOfMemory {
    /// Whether the error means that an allocation failed, and nothing else.
    ///
    /// Of a boxed error, the one in the box decides:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Error, testing::AsOutOfMemory};
    /// # use std::error::Error as StdError;
    /// let no_block: Box<dyn StdError> = Error::OutOfMemory.into();
    /// let no_capacity: Box<dyn StdError> = Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err().into();
    /// let syntax: Box<dyn StdError> = "a comma is missing".into();
    /// assert!(no_block.is_out_of_memory() && no_capacity.is_out_of_memory());
    /// assert!(!syntax.is_out_of_memory());
    /// ```
    fn is_out_of_memory(&self) -> bool;
}

impl AsOutOfMemory for Error {
    fn is_out_of_memory(&self) -> bool {
        matches!(self, Error::OutOfMemory)
    }
}

/// True if the error is [`Error`] or that of a container, or if one of its sources is.
#[cfg(feature = "alloc")]
impl AsOutOfMemory for alloc::boxed::Box<dyn core::error::Error> {
    fn is_out_of_memory(&self) -> bool {
        chain_is_out_of_memory(&**self)
    }
}

/// True if the error is [`Error`] or that of a container, or if one of its sources is.
#[cfg(feature = "alloc")]
impl AsOutOfMemory for alloc::boxed::Box<dyn core::error::Error + Send> {
    fn is_out_of_memory(&self) -> bool {
        chain_is_out_of_memory(&**self)
    }
}

/// True if the error is [`Error`] or that of a container, or if one of its sources is.
#[cfg(feature = "alloc")]
impl AsOutOfMemory for alloc::boxed::Box<dyn core::error::Error + Send + Sync> {
    fn is_out_of_memory(&self) -> bool {
        chain_is_out_of_memory(&**self)
    }
}

/// True if its kind is `OutOfMemory`, or if the error inside it or one of that error's sources is [`Error`] or that of a
/// container.
///
/// What a list's `writer` returns, for example.
#[cfg(feature = "std")]
impl AsOutOfMemory for std::io::Error {
    fn is_out_of_memory(&self) -> bool {
        self.kind() == std::io::ErrorKind::OutOfMemory
            || self.get_ref().is_some_and(|inside| chain_is_out_of_memory(inside))
    }
}

#[cfg(feature = "std")]
fn is_io_error_out_of_memory(error: &(dyn core::error::Error + 'static)) -> bool {
    // Its `source` skips the error inside it.
    error.downcast_ref::<std::io::Error>().is_some_and(AsOutOfMemory::is_out_of_memory)
}

#[cfg(all(feature = "alloc", not(feature = "std")))]
fn is_io_error_out_of_memory(_: &(dyn core::error::Error + 'static)) -> bool {
    false
}

#[cfg(feature = "alloc")]
fn chain_is_out_of_memory(error: &(dyn core::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let is_one = error.is::<Error>() || crate::testing::container_errors::is_one(error);
        if is_one || is_io_error_out_of_memory(error) {
            return true;
        }
        next = error.source();
    }
    false
}

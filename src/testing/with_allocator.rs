//! A debug allocator for one test.

use std::string::String;

use crate::allocator::SyncAllocator;
use crate::heap::debug::{DebugAllocator, DebugConfig, Report, ReportKind};
use crate::heap::{PAGE_ALLOCATOR, SafeAllocator, SafeOptions};

/// Runs a test with its own debug allocator, and fails the test if it leaks or misuses the allocator.
///
/// The allocator is a [`DebugAllocator`] over [`PAGE_ALLOCATOR`] with all checks on, and any thread may
/// use it. It prints each mistake to the standard error stream as it is found. The function returns the result
/// of `test`, so `?` works in a test that returns a `Result`. (If the test returns an error and leaks, the leak
/// fails it.)
///
/// Each call makes a new allocator, so tests can run in parallel.
///
/// # Panics
/// After `test` has returned, if there were mistakes. The message contains their number, counting each leaked block,
/// and the first report: with the feature `backtrace`, the function, file and line of the mistake, or of the allocation
/// that was not freed. A panic of `test` itself is passed on, without a check for leaks.
///
/// [`with_safe_allocator`] is the same with a [`SafeAllocator`].
///
/// Ports `std.testing.allocator` of Zig 0.15.2, a variable that the test runner resets
/// for each test.
///
/// ```
/// use zigalloc::{Error, testing::with_allocator};
///
/// # fn main() -> Result<(), Error> {
/// let sum = with_allocator(|allocator| {
///     let numbers = allocator.dupe(&[1, 2, 3])?;
///     let sum: i32 = unsafe { numbers.as_ref() }.iter().sum();
///     unsafe { allocator.free(numbers) };
///     Ok::<i32, Error>(sum)
/// })?;
/// assert_eq!(sum, 6);
/// # Ok(())
/// # }
/// ```
///
/// `test` may be a function that takes a [`SyncAllocator`]. One that takes an [`Allocator`](crate::Allocator) is called
/// in a closure:
///
/// ```
/// use zigalloc::testing::{check_all_allocation_failures, with_allocator};
/// use zigalloc::{Allocator, Error, SyncAllocator};
///
/// fn numbers(allocator: SyncAllocator<'_>) -> Result<(), Error> {
///     let numbers = allocator.dupe(&[1, 2, 3])?;
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(numbers) };
///     Ok(())
/// }
///
/// fn text(allocator: Allocator<'_>) -> Result<(), Error> {
///     let text = allocator.print(format_args!("{}", 42))?;
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(text) };
///     Ok(())
/// }
///
/// with_allocator(numbers)?;
/// with_allocator(|allocator| text(*allocator))?;
/// // Each allocation fails once, over an allocator that reports what is leaked.
/// with_allocator(|allocator| check_all_allocation_failures(allocator, numbers)).unwrap();
/// with_allocator(|allocator| check_all_allocation_failures(*allocator, text)).unwrap();
/// # Ok::<(), Error>(())
/// ```
///
/// A test that leaks fails:
///
/// ```should_panic
/// zigalloc::testing::with_allocator(|allocator| {
///     allocator.alloc::<u8>(100).unwrap();
/// });
/// ```
///
/// The message has the mistake:
///
/// ```
/// use std::panic::catch_unwind;
/// use zigalloc::testing::with_allocator;
///
/// let panic = catch_unwind(|| {
///     with_allocator(|allocator| {
///         let memory = allocator.alloc::<u8>(100).unwrap();
///         // SAFETY: the second is a double free, which is found.
///         unsafe { allocator.free(memory) };
///         unsafe { allocator.free(memory) };
///     });
/// });
/// let message = panic.unwrap_err().downcast::<String>().unwrap();
/// assert!(message.starts_with("with_allocator: 1 mistake: "), "{message}");
/// ```
#[track_caller]
pub fn with_allocator<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> T {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let result = test(debug.allocator());
    debug.detect_leaks();
    let mistakes: usize = KINDS.iter().map(|&kind| debug.count(kind)).sum();
    let first = debug.first_report();
    debug.deinit_without_leak_checks();
    if let Some(first) = first {
        fail("with_allocator", mistakes, &first);
    }
    result
}

/// Runs a test with its own [`SafeAllocator`], and fails the test if it leaks or misuses the allocator.
///
/// As [`with_allocator`], with the allocator that Zig's tests have since 0.17. It also finds writes to freed blocks, and
/// threads do not wait for each other; it does not notice a write of a few bytes past a block. As there, mistakes are
/// printed as they are found, and the test goes on.
///
/// # Panics
/// As [`with_allocator`].
///
/// Ports `std.testing.allocator` of Zig 0.17.1.
///
/// ```
/// use zigalloc::testing::with_safe_allocator;
///
/// let sum: i32 = with_safe_allocator(|allocator| {
///     let numbers = allocator.dupe(&[1, 2, 3])?;
///     let sum = unsafe { numbers.as_ref() }.iter().sum();
///     unsafe { allocator.free(numbers) };
///     Ok::<i32, zigalloc::Error>(sum)
/// })?;
/// assert_eq!(sum, 6);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A write to a freed block fails the test:
///
/// ```should_panic
/// zigalloc::testing::with_safe_allocator(|allocator| {
///     let number = allocator.create_with(1).unwrap();
///     unsafe { allocator.destroy(number) };
///     // SAFETY: a mistake, in memory that still belongs to the allocator.
///     unsafe { number.write(2) };
/// });
/// ```
#[track_caller]
pub fn with_safe_allocator<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> T {
    let mut safe = SafeAllocator::init(PAGE_ALLOCATOR, SAFE_OPTIONS);
    let result = test(safe.allocator());
    safe.reset();
    let mistakes: usize = KINDS.iter().map(|&kind| safe.count(kind)).sum();
    if let Some(first) = safe.first_report() {
        fail("with_safe_allocator", mistakes, &first);
    }
    result
}

#[cold]
#[track_caller]
fn fail(function: &str, mistakes: usize, first: &Report) -> ! {
    let mistakes = if mistakes == 1 {
        String::from("1 mistake")
    } else {
        std::format!("{mistakes} mistakes; the first")
    };
    panic!("{function}: {mistakes}: {first}");
}

const KINDS: [ReportKind; 8] = [
    ReportKind::DoubleFree,
    ReportKind::InvalidFree,
    ReportKind::WrongLength,
    ReportKind::WrongAlignment,
    ReportKind::Overrun,
    ReportKind::Corruption,
    ReportKind::WriteAfterFree,
    ReportKind::Leak,
];

/// Zig's options for tests. Without the feature `backtrace` only one address per block can be stored.
const CONFIG: DebugConfig = DebugConfig {
    stack_trace_frames: if cfg!(feature = "backtrace") { 10 } else { 1 },
    safety: true,
    resize_stack_traces: true,
    // The quarantine keeps freed pages mapped, so a double free is reported instead of faulting when `free` fills it.
    quarantine: 16 << 20,
    canary: 0x2731_e675_c3a7_01ba_u64 as usize,
    ..DebugConfig::DEFAULT
};

/// Zig's options for tests since 0.17. All checks are on, and mistakes do not abort.
const SAFE_OPTIONS: SafeOptions = SafeOptions {
    stack_trace_frames: if cfg!(feature = "backtrace") { 7 } else { 1 },
    check_write_after_free: true,
    canary: 0xc3a7_01ba,
    abort: false,
    ..SafeOptions::DEFAULT
};

//! An allocator for one test.

use std::string::String;

use crate::allocator::SyncAllocator;
use crate::heap::PAGE_ALLOCATOR;
use crate::heap::debug::{DebugAllocator, DebugConfig, Report, ReportKind};

/// Runs a test with an allocator of its own, and fails it if it leaks or makes another mistake.
///
/// The allocator is a [`DebugAllocator`] over [`PAGE_ALLOCATOR`], with all checks on, and any thread may
/// use it. What it finds is printed to the standard error stream, as it is found. The result is
/// that of `test`; so `?` works in a test that returns a `Result`. (If it leaks on its way out, the leak
/// is what fails.)
///
/// Each test has an allocator of its own, so tests can run at the same time.
///
/// # Panics
/// After `test` has returned, if there is something to report. The message begins with the number of
/// mistakes, where each leaked block is one, and has the first report: with the feature `backtrace`, the function, file and line of
/// the mistake, or of the allocation that was not freed. A panic of `test` itself is passed on, and
/// then leaks are not looked for.
///
/// Ports `std.testing.allocator` of Zig 0.15.2, which is a variable that the test runner makes anew
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
/// A test that forgets something fails:
///
/// ```should_panic
/// zigalloc::testing::with_allocator(|allocator| {
///     allocator.alloc::<u8>(100).unwrap();
/// });
/// ```
#[doc(alias = "std.testing.allocator")]
#[doc(alias = "allocator_instance")]
#[track_caller]
pub fn with_allocator<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> T {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let result = test(debug.allocator());
    debug.detect_leaks();
    let mistakes: usize = KINDS.iter().map(|&kind| debug.count(kind)).sum();
    let first = debug.first_report();
    debug.deinit_without_leak_checks();
    if let Some(first) = first {
        fail(mistakes, &first);
    }
    result
}

#[cold]
#[track_caller]
fn fail(mistakes: usize, first: &Report) -> ! {
    let mistakes = if mistakes == 1 {
        String::from("1 mistake")
    } else {
        std::format!("{mistakes} mistakes; the first")
    };
    panic!("with_allocator: {mistakes}: {first}");
}

const KINDS: [ReportKind; 6] = [
    ReportKind::DoubleFree,
    ReportKind::InvalidFree,
    ReportKind::WrongLength,
    ReportKind::WrongAlignment,
    ReportKind::Overrun,
    ReportKind::Leak,
];

/// Zig's options for tests. Without the feature `backtrace` there is only one address to store.
const CONFIG: DebugConfig = DebugConfig {
    stack_trace_frames: if cfg!(feature = "backtrace") { 10 } else { 1 },
    safety: true,
    resize_stack_traces: true,
    // A test that frees a slice twice should be told, and not be killed when `free` fills it.
    quarantine: 16 << 20,
    canary: 0x2731_e675_c3a7_01ba_u64 as usize,
    ..DebugConfig::DEFAULT
};

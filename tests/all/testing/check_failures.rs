//! `check_all_allocation_failures`.
#![cfg(feature = "std")]

use std::cell::Cell;
use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{AsOutOfMemory, CheckError, LedgerAllocator, check_all_allocation_failures};
use zigalloc::{Allocator, Error};
use zigalloc_support::{Call, Recorder};

type Boxed = Box<dyn std::error::Error>;

/// A list that grows in place if it can: a minimal version of Zig's `ArrayList`.
struct List<'a> {
    allocator: Allocator<'a>,
    items: NonNull<[u8]>,
    len: usize,
}

impl<'a> List<'a> {
    fn new(allocator: Allocator<'a>) -> Result<List<'a>, Error> {
        Ok(List { allocator, items: allocator.alloc(0)?, len: 0 })
    }

    fn append(&mut self, item: u8) -> Result<(), Error> {
        if self.len == self.items.len() {
            // SAFETY: the items are live with this length.
            self.items = unsafe { self.allocator.realloc(self.items, self.len + self.len / 2 + 8) }?;
        }
        // SAFETY: there is room for one more item.
        unsafe { self.items.cast::<u8>().add(self.len).write(item) };
        self.len += 1;
        Ok(())
    }
}

impl Drop for List<'_> {
    fn drop(&mut self) {
        // SAFETY: the items are live with this length.
        unsafe { self.allocator.free(self.items) };
    }
}

const APPENDS: usize = if cfg!(miri) { 100 } else { 2000 };

fn two_lists(allocator: Allocator<'_>) -> Result<(), Error> {
    let mut a = List::new(allocator)?;
    let mut b = List::new(allocator)?;
    for i in 0..APPENDS {
        a.append(i as u8)?;
        b.append(i as u8)?;
    }
    Ok(())
}

/// TE-05: every resize fails in every run, so the allocator below never gets one.
#[test]
fn check_all_allocation_failures_does_not_depend_on_in_place_resizes() {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    check_all_allocation_failures(ledger.allocator(), two_lists).unwrap();
    ledger.assert_no_leaks();

    // This child could grow one of the lists in place if it were asked.
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(arena.allocator());
    check_all_allocation_failures(recorder.allocator(), two_lists).unwrap();
    let calls = recorder.take();
    assert!(calls.iter().all(|call| matches!(call, Call::Alloc { .. } | Call::Free { .. })));
    assert!(calls.len() > 100);
}

/// TR-64, TE-05: there is one more run than allocations; in run i, allocation i and all later ones fail.
#[test]
fn each_allocation_fails_once() {
    let runs = Cell::new(0);
    let result = check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| {
        let mut live = Vec::new();
        let served = (0..5).map_while(|n| allocator.create_with(n).map(|item| live.push(item)).ok()).count();
        let more = allocator.create::<u8>();
        // SAFETY: each is live.
        live.into_iter().for_each(|item| unsafe { allocator.destroy(item) });
        let run = runs.replace(runs.get() + 1);
        assert_eq!(served, if run == 0 { 5 } else { (run - 1).min(5) });
        assert_eq!(more.is_ok(), run == 0, "allocations fail from the first that is made to on");
        // SAFETY: it is live.
        more.map(|item| unsafe { allocator.destroy(item) })
    });
    assert_eq!((result, runs.get()), (Ok(()), 7));
}

/// TE-05: a function that allocates nothing runs once.
#[test]
fn function_without_allocations_runs_once() {
    let mut runs = 0;
    let result: Result<(), CheckError<Error>> = check_all_allocation_failures(Allocator::FAILING, |_| {
        runs += 1;
        Ok(())
    });
    assert_eq!((result, runs), (Ok(()), 1));
}

/// TE-05: an error of the first run is returned unchanged, out of memory or not.
#[test]
fn error_of_the_first_run_is_returned() {
    let result = check_all_allocation_failures(Allocator::FAILING, two_lists);
    assert_eq!(result, Err(CheckError::Test(Error::OutOfMemory)));
    let result = check_all_allocation_failures(*PAGE_ALLOCATOR, |_| Err::<(), Boxed>("other".into()));
    assert_eq!(result.unwrap_err().to_string(), "the function failed: other");
}

fn swallows(allocator: Allocator<'_>) -> Result<(), Error> {
    let first = allocator.create::<u16>()?;
    if let Ok(second) = allocator.create::<u16>() {
        // SAFETY: it is live.
        unsafe { allocator.destroy(second) };
    }
    // SAFETY: it is live.
    unsafe { allocator.destroy(first) };
    Ok(())
}

/// TE-05: success despite a failed allocation is detected and identified.
#[test]
fn swallowed_out_of_memory_is_detected() {
    let error = check_all_allocation_failures(*PAGE_ALLOCATOR, swallows).unwrap_err();
    let CheckError::SwallowedOutOfMemory(point) = &error else { panic!("{error}") };
    assert_eq!((point.fail_index, point.needed_alloc_count), (1, 2));
    let text = error.to_string();
    let start = "the function returned Ok although allocation #1 of 2 failed (requested at ";
    assert!(text.starts_with(start) && text.ends_with(')'), "{text}");
}

/// TE-05: success without a failed allocation is detected: the function behaved differently in this run.
#[test]
fn nondeterministic_memory_usage_is_detected() {
    let mut first = true;
    let result: Result<(), CheckError<Error>> = check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| {
        if std::mem::take(&mut first) {
            // SAFETY: it is live.
            unsafe { allocator.destroy(allocator.create::<u16>()?) };
        }
        Ok(())
    });
    let error = result.unwrap_err();
    assert_eq!(error, CheckError::NondeterministicMemoryUsage { fail_index: 0, needed_alloc_count: 1 });
    let text = "the function made 1 allocations in its first run, but at most 0 in a later one";
    assert_eq!(error.to_string(), text);
}

fn leaks(allocator: Allocator<'_>) -> Result<(), Error> {
    let first = allocator.create::<u16>()?;
    let second = allocator.alloc::<u64>(3)?; // LEAKS
    // SAFETY: both are live.
    unsafe {
        allocator.free(second);
        allocator.destroy(first);
    }
    Ok(())
}

/// TE-05: a leak is detected, with the counters of that run.
#[test]
fn memory_leak_is_detected() {
    // The arena frees what is leaked.
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ledger = LedgerAllocator::init(arena.allocator());
    let error = check_all_allocation_failures(ledger.allocator(), leaks).unwrap_err();
    let CheckError::MemoryLeakDetected { point, allocated_bytes, freed_bytes, allocations, deallocations } =
        &error
    else {
        panic!("{error}")
    };
    assert_eq!((point.fail_index, point.needed_alloc_count), (1, 2));
    assert_eq!((allocated_bytes, freed_bytes, allocations, deallocations), (&2, &0, &1, &0));
    assert_eq!(ledger.live(), 1, "it does leak");
    let text = error.to_string();
    assert!(text.contains("leaked 2 bytes when allocation #1 of 2 failed"), "{text}");
    assert!(text.ends_with(": allocated 2 bytes in 1 allocations, freed 0 bytes in 0"), "{text}");
}

/// TE-05: the failed allocation is reported by function, file and line.
#[test]
fn failed_call_site_is_reported() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let error = check_all_allocation_failures(arena.allocator(), leaks).unwrap_err();
    let CheckError::MemoryLeakDetected { point, .. } = &error else { panic!("{error}") };
    let text = error.to_string();
    if point.frames[0] == 0 {
        assert!(text.contains("(requested at an unknown place)"), "{text}");
    } else if cfg!(feature = "backtrace") {
        let source = include_str!("check_failures.rs");
        let line = source.lines().position(|line| line.ends_with("// LEAKS")).unwrap() + 1;
        let place = format!("check_failures.rs:{line})");
        assert!(text.contains("leaks at ") && text.contains(&place), "{text}");
    } else {
        assert!(text.contains(&format!("(requested at {:#x})", point.return_address)), "{text}");
    }
}

/// TE-05: an error other than out of memory is returned unchanged.
#[test]
fn other_errors_are_returned() {
    let result = check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| -> Result<(), Boxed> {
        let item = allocator.create::<u8>().map_err(|_| "lost its kind")?;
        // SAFETY: it is live.
        unsafe { allocator.destroy(item) };
        Ok(())
    });
    assert!(matches!(result, Err(CheckError::Test(error)) if error.to_string() == "lost its kind"));
}

/// TE-05: out of memory counts as handled if as many bytes were freed as allocated; then the next allocation is made
/// to fail.
#[test]
fn backing_allocator_may_run_out_itself() {
    let mut buffer = [const { MaybeUninit::uninit() }; 8];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let mut runs = 0;
    let result = check_all_allocation_failures(fixed_buffer.allocator(), |allocator| {
        runs += 1;
        // The first run keeps 4 bytes permanently; the others find too little.
        let memory = allocator.alloc::<u8>(if runs == 1 { 4 } else { 100 })?;
        let _ = memory;
        Ok::<(), Error>(())
    });
    assert_eq!((result, runs), (Ok(()), 2));
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Error);

/// TR-64, TE-05: which errors count as out of memory, among errors of any type.
#[test]
fn out_of_memory_is_recognised_in_any_error() {
    fn out_of_memory(error: impl Into<Boxed>) -> bool {
        error.into().is_out_of_memory()
    }
    let reserve: TryReserveError = Vec::<u64>::new().try_reserve(usize::MAX).unwrap_err();
    assert!(Error::OutOfMemory.is_out_of_memory() && reserve.is_out_of_memory());
    assert!(out_of_memory(Error::OutOfMemory) && out_of_memory(reserve));
    assert!(out_of_memory(Outer(Error::OutOfMemory)), "a source counts");
    assert!(!out_of_memory("out of memory"), "a text does not");
    let sync: Box<dyn std::error::Error + Send + Sync> = Error::OutOfMemory.into();
    let send: Box<dyn std::error::Error + Send> = Box::new(Error::OutOfMemory);
    assert!(sync.is_out_of_memory() && send.is_out_of_memory());
}

/// The check takes and returns boxed errors, so it works with `?`.
#[test]
fn check_works_with_question_mark() {
    fn check() -> Result<(), Boxed> {
        check_all_allocation_failures(*PAGE_ALLOCATOR, |allocator| -> Result<(), Boxed> {
            Ok(two_lists(allocator)?)
        })?;
        Ok(())
    }
    check().unwrap();
}

/// In hexadecimal, as in a backtrace, for comparison.
#[test]
fn debug_shows_the_address_in_hexadecimal() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let error = check_all_allocation_failures(arena.allocator(), |allocator| {
        _ = allocator.create::<u8>();
        Ok::<_, Error>(())
    });
    let error = error.unwrap_err();
    let CheckError::SwallowedOutOfMemory(point) = error else { panic!("{error}") };
    let frames = point.frames.map(|address| format!("{address:#x}")).join(", ");
    assert_eq!(
        format!("{point:?}"),
        format!(
            "FailurePoint {{ fail_index: 0, needed_alloc_count: 1, return_address: {:#x}, frames: [{frames}] }}",
            point.return_address
        )
    );
}

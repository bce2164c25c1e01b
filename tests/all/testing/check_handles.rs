//! `check_all_allocation_failures` and `with_allocator` for functions of each kind of handle.
#![cfg(feature = "std")]

use std::cell::Cell;

use scopeguard::defer;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SharedArenaAllocator};
use zigalloc::testing::{CheckError, CheckHandle, check_all_allocation_failures, with_allocator};
use zigalloc::{Allocator, Error, Handle, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::Sent;

/// Allocates in two threads, one after the other, and frees in this one.
fn in_threads(allocator: SyncAllocator<'_>) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let text = || allocator.dupe(b"of a thread").map(Sent);
        let first = scope.spawn(text).join().unwrap()?.received();
        // SAFETY: a live block, not used afterwards.
        defer! { unsafe { allocator.free(first) } }
        let second = scope.spawn(text).join().unwrap()?.received();
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.free(second) };
        Ok(())
    })
}

fn in_one_thread(allocator: Allocator<'_>) -> Result<(), Error> {
    let memory = allocator.dupe(b"text")?;
    // SAFETY: a live block, not used afterwards.
    unsafe { allocator.free(memory) };
    Ok(())
}

/// TE-05: over a thread-safe allocator, the function gets thread-safe handles; all else is the same.
#[test]
fn functions_of_both_handles_are_checked() {
    assert_eq!(check_all_allocation_failures(PAGE_ALLOCATOR, in_threads), Ok(()));
    assert_eq!(check_all_allocation_failures(*PAGE_ALLOCATOR, in_one_thread), Ok(()));
    let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    assert_eq!(check_all_allocation_failures(arena.allocator(), in_threads), Ok(()));
}

/// TE-05: closures need no types, and each allocation fails once.
#[test]
fn each_allocation_of_a_sync_allocator_fails_once() {
    fn check(backing: impl CheckHandle) {
        let runs = Cell::new(0);
        let result = check_all_allocation_failures(backing, |allocator| {
            let allocator = allocator.as_allocator();
            let memory = [allocator.create::<u8>(), allocator.create(), allocator.create()];
            assert_eq!(memory.iter().flatten().count(), if runs.get() == 0 { 3 } else { runs.get() - 1 });
            runs.set(runs.get() + 1);
            let result = memory[2].map(|_| ());
            // SAFETY: live blocks, not used afterwards.
            memory.into_iter().flatten().for_each(|memory| unsafe { allocator.destroy(memory) });
            result
        });
        assert_eq!((result, runs.get()), (Ok(()), 4));
    }
    check(PAGE_ALLOCATOR);
    check(*PAGE_ALLOCATOR);
    let result = check_all_allocation_failures(PAGE_ALLOCATOR, |allocator| {
        std::thread::scope(|scope| scope.spawn(move || in_one_thread(*allocator)).join().unwrap())
    });
    assert_eq!(result, Ok(()));
}

/// TE-05: a leak is found, with the counters of the run, and the caller's address passes through the lock.
#[test]
fn leak_of_a_sync_allocator_is_detected() {
    fn leaks(allocator: SyncAllocator<'_>) -> Result<(), Error> {
        allocator.create::<u16>()?;
        allocator.create::<u32>().map(|_| ())
    }
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR); // frees what is leaked
    let lock = ThreadSafeAllocator::new(&mut arena);
    let error = check_all_allocation_failures(lock.allocator(), leaks).unwrap_err();
    let CheckError::MemoryLeakDetected { point, allocated_bytes: 2, freed_bytes: 0, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((point.fail_index, point.needed_alloc_count), (1, 2));
    let plain = check_all_allocation_failures(*lock.allocator(), |allocator| {
        allocator.create::<u16>()?;
        allocator.create::<u32>().map(|_| ())
    });
    let Err(CheckError::MemoryLeakDetected { point: plain, .. }) = plain else { panic!("{plain:?}") };
    assert_eq!(point.return_address == 0, plain.return_address == 0);
}

/// A function of either kind can be the whole test, and be swept in one.
#[test]
fn with_allocator_takes_functions_of_both_handles() {
    assert_eq!(with_allocator(in_threads), Ok(()));
    assert_eq!(with_allocator(|allocator| in_one_thread(*allocator)), Ok(()));
    assert_eq!(with_allocator(|allocator| check_all_allocation_failures(allocator, in_threads)), Ok(()));
    assert_eq!(with_allocator(|allocator| check_all_allocation_failures(*allocator, in_one_thread)), Ok(()));
}

//! The types of the allocators without state. They are not in Zig, so they have no entries in the surface.

#![cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, C_ALLOCATOR, CAllocator, Check, DebugAllocator, MemoryPool,
    PAGE_ALLOCATOR, PageAllocator, RAW_C_ALLOCATOR, RUST_ALLOCATOR, RawCAllocator, RustAllocator,
    SMP_ALLOCATOR, SmpAllocator, stack_fallback,
};
use zigalloc::testing::{
    CheckError, FailingAllocator, FailingConfig, LedgerAllocator, check_all_allocation_failures,
    test_allocator,
};
use zigalloc::trace::{CountingAllocator, FmtSink, LoggingAllocator};
use zigalloc::{Alignment, Allocator, AsAllocator, Error, Stateless, SyncAllocator, ThreadSafeAllocator};

/// Every way from the type to a handle leads to the constant.
fn names<A: Stateless>(value: A, constant: SyncAllocator<'static>) {
    let (sync, plain): (SyncAllocator<'static>, Allocator<'static>) = (value.into(), value.into());
    for handle in [*A::ALLOCATOR, *sync, plain, AsAllocator::allocator(&A::default())] {
        assert!(ptr::fn_addr_eq(handle.vtable().alloc, constant.vtable().alloc), "{value:?}");
    }
    assert_eq!((value, HashSet::from([value, A::default()]).len()), (A::default(), 1));
}

#[test]
fn stateless_types_name_the_constants() {
    names(SmpAllocator, SMP_ALLOCATOR);
    names(PageAllocator, PAGE_ALLOCATOR);
    names(CAllocator, C_ALLOCATOR);
    names(RawCAllocator, RAW_C_ALLOCATOR);
    names(RustAllocator, RUST_ALLOCATOR);
}

/// TR-08: the context of an allocator without state is never compared and never followed.
#[test]
fn contexts_of_stateless_allocators_are_ignored() {
    for constant in [SMP_ALLOCATOR, PAGE_ALLOCATOR, C_ALLOCATOR, RAW_C_ALLOCATOR, RUST_ALLOCATOR] {
        // SAFETY: the functions of this table use no context.
        let same =
            unsafe { Allocator::from_raw_parts(ptr::without_provenance_mut(0xDEAD), constant.vtable()) };
        let block = same.dupe(b"from either").unwrap();
        // SAFETY: a live block of this allocator, freed once.
        unsafe {
            assert_eq!(block.as_ref(), b"from either");
            constant.free(block);
        }
        let block = constant.alloc::<u64>(4).unwrap();
        // SAFETY: a live block of this allocator, freed once.
        unsafe { same.free(block) };
    }
}

/// The type is what `AsAllocator` takes, also from another thread.
#[test]
fn stateless_types_can_be_wrapped() {
    let mut child = PageAllocator;
    let lock = ThreadSafeAllocator::new(&mut child);
    use_allocator(*lock.allocator());
    std::thread::scope(|scope| {
        scope.spawn(|| use_allocator(*RustAllocator.allocator()));
    });
}

/// Tests a wrapper over the type. In Miri, one block is enough to see whether the wrapper finds its child.
fn use_allocator(allocator: Allocator<'_>) {
    if cfg!(miri) {
        let block = allocator.dupe(&[1_u8; 1000]).expect("memory");
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.free(block) };
    } else {
        test_allocator(allocator);
    }
}

/// Calls a wrapper over the type from two threads.
fn in_threads(allocator: SyncAllocator<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(|| use_allocator(*allocator));
        scope.spawn(|| use_allocator(*allocator));
    });
}

/// Every wrapper takes the type as its child. It then stores no handle, and is `Send`.
#[test]
fn stateless_types_can_be_children() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let arena = sent(ArenaAllocator::init(PageAllocator));
    use_allocator(arena.allocator());
    assert!(arena.query_capacity() > 0);
    let handle_len = size_of::<SyncAllocator<'_>>();
    assert_eq!(
        size_of_val(&arena) + handle_len,
        size_of::<ArenaAllocator<SyncAllocator<'_>>>(),
        "the type takes no room"
    );

    let debug = sent(DebugAllocator::init(SmpAllocator));
    in_threads(debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);

    let counting = sent(CountingAllocator::init(CAllocator));
    in_threads(counting.allocator());
    assert!(counting.snapshot().alloc.calls > 0);
    assert_eq!(counting.snapshot().live_blocks, 0);

    let logging = sent(LoggingAllocator::init(RustAllocator, FmtSink(String::new())));
    in_threads(logging.allocator());
    assert!(logging.into_sink().0.lines().count() > 0);

    let pool = sent(MemoryPool::<u64, _>::init(PageAllocator));
    assert_eq!(*pool.create_box(42).unwrap(), 42);

    let mut buffer = [MaybeUninit::uninit(); 64];
    use_allocator(sent(BufferFirstAllocator::init(&mut buffer, RawCAllocator)).allocator());
    use_allocator(stack_fallback::<64, _>(PageAllocator).get());

    let ledger = LedgerAllocator::init(PageAllocator);
    use_allocator(ledger.allocator());
    ledger.assert_no_leaks();

    let failing =
        FailingAllocator::init(RustAllocator, FailingConfig { fail_index: 0, ..FailingConfig::default() });
    assert!(failing.allocator().alloc::<u8>(1).is_err());
}

/// A failure sweep over the type is for functions that take a `SyncAllocator`.
#[test]
fn failures_are_swept_over_a_stateless_type() {
    fn create(allocator: SyncAllocator<'_>) -> Result<(), Error> {
        let number = allocator.create_with(42)?;
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.destroy(number) };
        Ok(())
    }
    fn leak_on_failure(allocator: SyncAllocator<'_>) -> Result<(), Error> {
        let first = allocator.create_with(1)?;
        let second = allocator.create_with(2)?;
        // SAFETY: live blocks, not used afterwards.
        unsafe { allocator.destroy(first) };
        // SAFETY: the same.
        unsafe { allocator.destroy(second) };
        Ok(())
    }
    assert_eq!(check_all_allocation_failures(PageAllocator, create), Ok(()));
    // Of pages, whose leaks Miri does not report.
    let leak = check_all_allocation_failures(PageAllocator, leak_on_failure);
    assert!(matches!(leak, Err(CheckError::MemoryLeakDetected { .. })), "{leak:?}");
}

/// A block of zeros is a block of the handle, wherever its memory has been, at every length and alignment.
fn zeroed_blocks_are_zero<A: Stateless>() {
    let lens: &[usize] =
        if cfg!(miri) { &[1, 40_000] } else { &[1, 100, 5000, 40_000, 300_000, 3_000_000, 40_000_000] };
    // Miri compares slices fast, and bytes slowly.
    let zeros = vec![0; lens[lens.len() - 1]];
    for &len in lens {
        for alignment in [1, 16, 4096, 1 << 17].map(Alignment::from_byte_units) {
            for _ in 0..2 {
                // SAFETY: the length is not zero.
                let zeroed = unsafe { A::raw_alloc_zeroed(len, alignment, 0) };
                let Some(memory) = zeroed else {
                    assert!(alignment > Alignment::of::<[usize; 2]>(), "{len} bytes aligned to {alignment}");
                    continue;
                };
                assert!(alignment.check_ptr(memory.as_ptr()));
                let block = NonNull::slice_from_raw_parts(memory, len);
                // SAFETY: a live block of this allocator, initialised, not used after it is freed.
                unsafe {
                    assert!(block.as_ref() == &zeros[..len], "{len} bytes, {alignment}");
                    memory.write_bytes(0xaa, len);
                    A::ALLOCATOR.raw_free(block, alignment, 0);
                }
            }
        }
    }
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { A::raw_alloc_zeroed(usize::MAX, Alignment::_1, 0) }, None);
}

#[test]
fn zeroed_blocks_of_stateless_types_are_zero() {
    zeroed_blocks_are_zero::<SmpAllocator>();
    zeroed_blocks_are_zero::<PageAllocator>();
    zeroed_blocks_are_zero::<CAllocator>();
    zeroed_blocks_are_zero::<RawCAllocator>();
    zeroed_blocks_are_zero::<RustAllocator>();
}

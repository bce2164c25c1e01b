//! `FailingAllocator`.
#![cfg(feature = "std")]

use std::mem::MaybeUninit;

use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{FAILING_ALLOCATOR, FailingAllocator, FailingConfig};
use zigalloc::{Alignment, Error, SlicePtr};
use zigalloc_support::{Call, Recorder};

fn fail_at(fail_index: usize) -> FailingConfig {
    FailingConfig { fail_index, ..FailingConfig::default() }
}

fn fail_resize_at(resize_fail_index: usize) -> FailingConfig {
    FailingConfig { resize_fail_index, ..FailingConfig::default() }
}

/// Returns all seven counters: alloc_index, resize_index, allocated_bytes, freed_bytes, allocations, deallocations,
/// has_induced_failure.
fn counters<C: zigalloc::Handle>(
    f: &FailingAllocator<C>,
) -> (usize, usize, usize, usize, usize, usize, bool) {
    (
        f.alloc_index(),
        f.resize_index(),
        f.allocated_bytes(),
        f.freed_bytes(),
        f.allocations(),
        f.deallocations(),
        f.has_induced_failure(),
    )
}

/// TE-04, FA-01, FA-02: the third item fails; the second resize fails.
#[test]
fn failing_allocator() -> Result<(), Error> {
    {
        let state = FailingAllocator::init(PAGE_ALLOCATOR, fail_at(2));
        let allocator = state.allocator();
        let a = allocator.create::<i32>()?;
        let b = allocator.create::<i32>()?;
        assert_eq!(allocator.create::<i32>().unwrap_err(), Error::OutOfMemory);
        // SAFETY: both are live.
        unsafe {
            allocator.destroy(b);
            allocator.destroy(a);
        }
    }
    {
        // The arena shrinks its last block, as `std.testing.allocator` does with any block.
        let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let state = FailingAllocator::init(arena.allocator(), fail_resize_at(1));
        let allocator = state.allocator();
        let slice = allocator.alloc::<u8>(8)?;
        // SAFETY: the slice is live and has this length.
        unsafe {
            let slice = allocator.remap(slice, 6).expect("the first remap is passed on");
            assert!(allocator.remap(slice, 4).is_none());
            assert!(!allocator.resize(slice, 4));
            allocator.free(slice);
        }
    }
    Ok(())
}

/// FA-01: once the index is reached, every later allocation fails too.
#[test]
fn every_later_allocation_fails_too() {
    let state = FailingAllocator::init(PAGE_ALLOCATOR, fail_at(0));
    for _ in 0..3 {
        assert_eq!(state.allocator().alloc::<u8>(10).unwrap_err(), Error::OutOfMemory);
        assert_eq!(counters(&state), (0, 0, 0, 0, 0, 0, true));
    }
    state.set_fail_index(usize::MAX);
    let memory = state.allocator().alloc::<u8>(10).unwrap();
    assert_eq!(counters(&state), (1, 0, 10, 0, 1, 0, true));
    // SAFETY: it is live.
    unsafe { state.allocator().free(memory) };
}

/// FA-01: an allocation that the child refuses changes no counter and is not an induced failure.
#[test]
fn refusals_of_the_child_are_not_counted() {
    let mut buffer = [const { MaybeUninit::uninit() }; 10];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let state = FailingAllocator::init(fixed_buffer.allocator(), FailingConfig::default());
    assert_eq!(state.allocator().alloc::<u8>(11).unwrap_err(), Error::OutOfMemory);
    assert_eq!(counters(&state), (0, 0, 0, 0, 0, 0, false));
    assert_eq!(state.return_address(), None);
}

/// FA-02: growth counts as allocated, shrinking as freed, the same length as neither; a refusal as nothing.
#[test]
fn resizes_are_counted() -> Result<(), Error> {
    let mut buffer = [const { MaybeUninit::uninit() }; 100];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let state = FailingAllocator::init(fixed_buffer.allocator(), fail_resize_at(5));
    let allocator = state.allocator();
    let slice = allocator.alloc::<u8>(10)?;
    // SAFETY: the slice is live and has this length.
    unsafe {
        assert!(allocator.resize(slice, 30));
        assert_eq!(counters(&state), (1, 1, 30, 0, 1, 0, false));
        let slice = allocator.remap(slice.with_len(30), 25).unwrap();
        assert_eq!(counters(&state), (1, 2, 30, 5, 1, 0, false));
        assert!(allocator.resize(slice, 25));
        assert_eq!(counters(&state), (1, 3, 30, 5, 1, 0, false));
        assert!(!allocator.resize(slice, 101), "the child refuses");
        assert!(allocator.remap(slice, 101).is_none(), "the child refuses");
        assert_eq!(counters(&state), (1, 3, 30, 5, 1, 0, false));
        let slice = allocator.remap(slice, 26).unwrap();
        assert!(allocator.resize(slice, 20));
        let slice = slice.with_len(20);
        assert_eq!(counters(&state), (1, 5, 31, 11, 1, 0, false));
        assert!(!allocator.resize(slice, 1), "a shrink fails too");
        assert!(allocator.remap(slice, 1).is_none());
        assert_eq!(counters(&state), (1, 5, 31, 11, 1, 0, false), "no induced failure is recorded");
        state.set_resize_fail_index(6);
        assert!(allocator.resize(slice, 1));
        allocator.free(slice.with_len(1));
    }
    assert_eq!(counters(&state), (1, 6, 31, 31, 1, 1, false));
    Ok(())
}

/// FA-03: `free` never fails, and is counted.
#[test]
fn free_is_counted_and_never_fails() -> Result<(), Error> {
    let state = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    let a = state.allocator().alloc::<u8>(10)?;
    let b = state.allocator().alloc::<u32>(10)?;
    state.set_fail_index(2);
    state.set_resize_fail_index(0);
    assert_eq!((state.fail_index(), state.resize_fail_index()), (2, 0));
    assert!(state.allocator().alloc::<u8>(1).is_err());
    // SAFETY: both are live.
    unsafe {
        state.allocator().free(a);
        state.allocator().free(b);
    }
    assert_eq!(counters(&state), (2, 0, 50, 50, 2, 2, true));
    Ok(())
}

/// FA-04: `realloc` copies when it cannot resize.
#[test]
fn realloc_survives_failing_resizes() -> Result<(), Error> {
    let state = FailingAllocator::init(PAGE_ALLOCATOR, fail_resize_at(0));
    let slice = state.allocator().dupe(&[1u8, 2, 3])?;
    // SAFETY: the slice is live and has this length.
    unsafe {
        let slice = state.allocator().realloc(slice, 5)?;
        assert_eq!(&slice.cast::<[u8; 3]>().read(), &[1, 2, 3]);
        state.allocator().free(slice);
    }
    assert_eq!(counters(&state), (2, 0, 8, 8, 2, 2, false));
    Ok(())
}

/// FA-01, FA-02, FA-03: arguments and return address reach the child unchanged.
#[test]
fn arguments_are_passed_on() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(arena.allocator());
    let state = FailingAllocator::init(recorder.allocator(), FailingConfig::default());
    let (allocator, alignment) = (state.allocator(), Alignment::_32);
    // SAFETY: each call passes the live block with its current length.
    let address = unsafe {
        let memory = allocator.raw_alloc(10, alignment, 11).unwrap();
        let slice = |len| std::ptr::NonNull::slice_from_raw_parts(memory, len);
        assert!(allocator.raw_resize(slice(10), alignment, 20, 12));
        assert_eq!(allocator.raw_remap(slice(20), alignment, 30, 13), Some(memory));
        allocator.raw_free(slice(30), alignment, 14);
        memory.addr().get()
    };
    assert_eq!(
        recorder.take(),
        [
            Call::Alloc { len: 10, alignment, ret_addr: 11, result: Some(address) },
            Call::Resize { address, len: 10, alignment, new_len: 20, ret_addr: 12, result: true },
            Call::Remap { address, len: 20, alignment, new_len: 30, ret_addr: 13, result: Some(address) },
            Call::Free { address, len: 30, alignment, ret_addr: 14 },
        ]
    );
    state.set_fail_index(1);
    state.set_resize_fail_index(2);
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { allocator.raw_alloc(10, alignment, 15) }, None);
    assert_eq!(recorder.take(), [], "a failure is induced without asking the child");
}

/// FA-01: the stack of the first induced failure is kept.
#[test]
fn first_failure_keeps_its_stack() {
    let state = FailingAllocator::init(PAGE_ALLOCATOR, fail_at(0));
    assert_eq!((state.return_address(), state.stack_addresses()), (None, [0; 16]));
    // SAFETY: the lengths are not zero.
    unsafe {
        assert_eq!(state.allocator().raw_alloc(1, Alignment::_1, 0x1234), None);
        assert_eq!(state.allocator().raw_alloc(1, Alignment::_1, 0x5678), None);
    }
    assert_eq!(state.return_address(), Some(0x1234));
    assert_eq!(state.stack_addresses()[0], 0x1234);
    let callers = state.stack_addresses()[1..].iter().filter(|&&address| address != 0).count();
    match cfg!(feature = "backtrace") {
        true => assert!(callers > 0, "the callers are captured too"),
        false => assert_eq!(callers, 0),
    }
}

/// FA-01: the first address is in the requesting function, the second in its caller.
#[cfg(all(feature = "backtrace", not(miri), target_os = "linux"))]
#[cfg_attr(
    any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))),
    ignore = "calls have no return address in Miri and on some processors"
)]
#[test]
fn stack_starts_at_the_caller() {
    fn name(address: usize) -> String {
        let mut names = Vec::new();
        backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
            names.extend(symbol.name().map(|name| name.to_string()));
        });
        names.join(", ")
    }
    #[inline(never)]
    fn asks(allocator: zigalloc::Allocator<'_>) {
        assert!(std::hint::black_box(allocator).alloc::<u8>(1).is_err());
    }
    #[inline(never)]
    fn calls_the_one_that_asks(allocator: zigalloc::Allocator<'_>) {
        asks(allocator);
        std::hint::black_box(());
    }
    let state = FailingAllocator::init(PAGE_ALLOCATOR, fail_at(0));
    calls_the_one_that_asks(state.allocator());
    let [first, second, ..] = state.stack_addresses().map(name);
    assert!(first.contains("asks") && !first.contains("calls_the_one"), "{first}");
    assert!(second.contains("calls_the_one_that_asks"), "{second}");
}

/// TE-03: only zero bytes can be allocated.
#[test]
fn failing_allocator_serves_zero_bytes_only() -> Result<(), Error> {
    assert_eq!(FAILING_ALLOCATOR.alloc::<u8>(1).unwrap_err(), Error::OutOfMemory);
    assert_eq!(FAILING_ALLOCATOR.create::<u64>().unwrap_err(), Error::OutOfMemory);
    let empty = FAILING_ALLOCATOR.alloc::<u8>(0)?;
    // SAFETY: an empty slice.
    unsafe { FAILING_ALLOCATOR.free(empty) };
    Ok(())
}

#[test]
fn is_send_if_its_child_is() {
    static_assertions::assert_impl_all!(FailingAllocator<zigalloc::SyncAllocator<'static>>: Send);
    static_assertions::assert_not_impl_any!(FailingAllocator<zigalloc::Allocator<'static>>: Send, Sync);
    static_assertions::assert_not_impl_any!(FailingAllocator<zigalloc::SyncAllocator<'static>>: Sync);
}

/// `usize::MAX` is never reached, and shown as `never`.
#[test]
fn debug_shows_never_for_the_maximum() {
    assert_eq!(format!("{:?}", fail_at(3)), "FailingConfig { fail_index: 3, resize_fail_index: never }");
    let failing = FailingAllocator::init(PAGE_ALLOCATOR, fail_resize_at(2));
    let text = format!("{failing:?}");
    assert!(text.contains(" fail_index: never,") && text.contains("resize_fail_index: 2,"), "{text}");
}

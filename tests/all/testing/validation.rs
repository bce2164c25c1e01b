//! The wrappers that check their callers: `ValidationAllocator` and `LedgerAllocator`.
//!
//! A failed check aborts, so those tests run this binary again and inspect how it exits.
#![cfg(feature = "std")]

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{LedgerAllocator, Reset, ValidationAllocator, validation_wrap};
use zigalloc::{Alignment, Allocator, AsAllocator, Error, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::{Call, Recorder, has_aborted, this_program};

/// The variable that tells the second process which case to run.
const CASE: &str = "ZIGALLOC_TEST_ABORTS";

/// Runs the calling test again in a process that must abort in `case`, and returns its output. In that process, runs
/// `body` instead, which must not return.
fn aborts(case: &str, body: impl FnOnce()) -> String {
    if std::env::var(CASE).is_ok_and(|wanted| wanted == case) {
        body();
        eprintln!("nothing aborted");
        std::process::exit(0);
    }
    let test = std::thread::current().name().expect("libtest names the threads of its tests").to_owned();
    let output = this_program().args([&*test, "--exact", "--nocapture"]).env(CASE, case).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(has_aborted(output.status), "{case}: it did not abort, {}: {text}", output.status);
    text
}

fn bytes(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

/// An allocator that always returns the address 64 + 1.
fn odd_allocator() -> Allocator<'static> {
    unsafe extern "C" fn odd(_: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
        NonNull::new(std::ptr::without_provenance_mut(65))
    }
    const VTABLE: zigalloc::VTable = zigalloc::VTable {
        alloc: odd,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: zigalloc::no_free,
    };
    // SAFETY: it breaks clause new-block, and is used only where its memory is not accessed.
    unsafe { Allocator::from_raw_parts(std::ptr::null_mut(), &VTABLE) }
}

/// VA-01, VA-02: calls and results pass through unchanged, including null; new lengths are not checked.
#[test]
fn validation_passes_everything_on() {
    let mut buffer = [const { MaybeUninit::uninit() }; 100];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let recorder = Recorder::new(fixed_buffer.allocator());
    let validation = validation_wrap(recorder.allocator());
    let (allocator, alignment) = (validation.allocator(), Alignment::_1);
    // SAFETY: each call passes the live block with its current length.
    let address = unsafe {
        assert_eq!(allocator.raw_alloc(101, alignment, 1), None);
        let memory = allocator.raw_alloc(10, alignment, 2).unwrap();
        assert!(allocator.raw_resize(bytes(memory, 10), alignment, 20, 3));
        assert!(!allocator.raw_resize(bytes(memory, 20), alignment, 101, 4));
        assert_eq!(allocator.raw_remap(bytes(memory, 20), alignment, 30, 5), Some(memory));
        assert_eq!(allocator.raw_remap(bytes(memory, 30), alignment, 101, 6), None);
        allocator.raw_free(bytes(memory, 30), alignment, 7);
        memory.addr().get()
    };
    let expected = [
        Call::Alloc { len: 101, alignment, ret_addr: 1, result: None },
        Call::Alloc { len: 10, alignment, ret_addr: 2, result: Some(address) },
        Call::Resize { address, len: 10, alignment, new_len: 20, ret_addr: 3, result: true },
        Call::Resize { address, len: 20, alignment, new_len: 101, ret_addr: 4, result: false },
        Call::Remap { address, len: 20, alignment, new_len: 30, ret_addr: 5, result: Some(address) },
        Call::Remap { address, len: 30, alignment, new_len: 101, ret_addr: 6, result: None },
        Call::Free { address, len: 30, alignment, ret_addr: 7 },
    ];
    assert_eq!(recorder.take(), expected);
}

/// A breach of the contract on which the allocator aborts.
#[derive(Clone, Copy, Debug)]
enum Misuse {
    AllocNothing,
    ResizeNothing,
    RemapNothing,
    FreeNothing,
    ResizeToNothing,
    RemapToNothing,
    FreeShorter,
    ResizeLonger,
    RemapWithOldLength,
    FreeWeakerAligned,
    RemapStrongerAligned,
    FreeForeign,
    FreeInside,
    FreeBehind,
    FreeTwice,
    ResizeFreed,
}

/// Commits `misuse` with a block of 16 bytes, aligned to 8. The return address is 0x1234.
fn commit(misuse: Misuse, allocator: Allocator<'_>) {
    const RA: usize = 0x1234;
    let alignment = Alignment::_8;
    // SAFETY: the first call is valid. The others deliberately are not: the allocator checks them, and aborts before
    // any undefined behaviour.
    unsafe {
        let memory = allocator.raw_alloc(16, alignment, RA).unwrap();
        let block = bytes(memory, 16);
        match misuse {
            Misuse::AllocNothing => _ = allocator.raw_alloc(0, alignment, RA),
            Misuse::ResizeNothing => _ = allocator.raw_resize(bytes(memory, 0), alignment, 8, RA),
            Misuse::RemapNothing => _ = allocator.raw_remap(bytes(memory, 0), alignment, 8, RA),
            Misuse::FreeNothing => allocator.raw_free(bytes(memory, 0), alignment, RA),
            Misuse::ResizeToNothing => _ = allocator.raw_resize(block, alignment, 0, RA),
            Misuse::RemapToNothing => _ = allocator.raw_remap(block, alignment, 0, RA),
            Misuse::FreeShorter => allocator.raw_free(bytes(memory, 15), alignment, RA),
            Misuse::ResizeLonger => _ = allocator.raw_resize(bytes(memory, 17), alignment, 20, RA),
            Misuse::RemapWithOldLength => {
                assert!(allocator.raw_resize(block, alignment, 12, RA));
                let _ = allocator.raw_remap(block, alignment, 20, RA);
            }
            Misuse::FreeWeakerAligned => allocator.raw_free(block, Alignment::_1, RA),
            Misuse::RemapStrongerAligned => _ = allocator.raw_remap(block, Alignment::_16, 20, RA),
            Misuse::FreeForeign => {
                allocator.raw_free(bytes(NonNull::<u64>::dangling().cast(), 16), alignment, RA);
            }
            Misuse::FreeInside => allocator.raw_free(bytes(memory.add(8), 8), alignment, RA),
            Misuse::FreeBehind => allocator.raw_free(bytes(memory.add(16), 16), alignment, RA),
            Misuse::FreeTwice => {
                allocator.raw_free(block, alignment, RA);
                allocator.raw_free(block, alignment, RA);
            }
            Misuse::ResizeFreed => {
                allocator.raw_free(block, alignment, RA);
                let _ = allocator.raw_resize(block, alignment, 8, RA);
            }
        }
    }
}

/// VA-01, VA-02, VA-03: a length of zero aborts; Zig panics in its safe modes.
#[rstest]
#[case::alloc(Misuse::AllocNothing, "alloc of 0 bytes; the minimum is 1")]
#[case::resize(Misuse::ResizeNothing, "resize of a block of 0 bytes")]
#[case::remap(Misuse::RemapNothing, "remap of a block of 0 bytes")]
#[case::free(Misuse::FreeNothing, "free of a block of 0 bytes")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn validation_aborts_on_zero_length(#[case] misuse: Misuse, #[case] message: &str) {
    let text = aborts(message, || commit(misuse, validation_wrap(PAGE_ALLOCATOR).allocator()));
    assert!(text.contains(&format!("ValidationAllocator: {message}")), "{text}");
}

/// VA-01, VA-03: a misaligned result aborts; Zig panics in its safe modes.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn validation_aborts_on_a_misaligned_result() {
    let text = aborts("misaligned", || {
        // SAFETY: the length is not zero; the memory is not touched.
        let _ = unsafe { validation_wrap(odd_allocator()).allocator().raw_alloc(7, Alignment::_4, 0) };
    });
    let message = "ValidationAllocator: alloc of 7 bytes returned 0x41, which is not aligned to 4 bytes";
    assert!(text.contains(message), "{text}");
}

/// VA-01: only the requested alignment is checked, not the stricter one that the address happens to have.
#[test]
fn validation_checks_the_requested_alignment() {
    let validation = validation_wrap(odd_allocator());
    // SAFETY: the length is not zero; the memory is not touched.
    let memory = unsafe { validation.allocator().raw_alloc(7, Alignment::_1, 0) };
    assert_eq!(memory.map(|memory| memory.addr().get()), Some(65));
}

/// VA-01, VA-02: any `AsAllocator` can be wrapped, and accessed and reset through the wrapper.
#[test]
fn validation_wraps_handles_and_allocators() -> Result<(), Error> {
    fn use_it(wrapped: &impl AsAllocator) -> Result<(), Error> {
        let memory = wrapped.allocator().dupe(b"zig")?;
        // SAFETY: live and written by `dupe`; freed once.
        unsafe {
            assert_eq!(memory.as_ref(), b"zig");
            wrapped.allocator().free(memory);
        }
        Ok(())
    }
    use_it(&validation_wrap(*PAGE_ALLOCATOR))?;
    use_it(&validation_wrap(PAGE_ALLOCATOR))?;
    use_it(&ValidationAllocator::init(validation_wrap(ArenaAllocator::init(PAGE_ALLOCATOR))))?;

    let mut buffer = [const { MaybeUninit::uninit() }; 100];
    let mut twice = validation_wrap(validation_wrap(FixedBufferAllocator::init(&mut buffer)));
    twice.allocator().alloc::<u8>(60)?;
    assert_eq!(twice.allocator().alloc::<u8>(60).unwrap_err(), Error::OutOfMemory);
    Reset::reset(&mut twice);
    assert_eq!(twice.underlying_allocator.underlying_allocator.end_index(), 0);
    twice.allocator().alloc::<u8>(60)?;
    Ok(())
}

/// Both work under a lock if the allocator below allows it.
#[test]
fn wrappers_under_a_lock_are_shared_by_threads() -> Result<(), Error> {
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let mut validation = validation_wrap(arena);
        let thread_safe = ThreadSafeAllocator::new(&mut validation);
        thread_safe.allocator().create::<u64>()?;
        let thread_safe = ThreadSafeAllocator::new(&mut ledger);
        let allocator = thread_safe.allocator();
        std::thread::scope(|scope| {
            for n in 1..4 {
                scope.spawn(move || {
                    let memory = allocator.alloc::<u8>(n).unwrap();
                    // SAFETY: it is live.
                    unsafe { allocator.free(memory) };
                });
            }
        });
    }
    ledger.assert_no_leaks();
    static_assertions::assert_impl_all!(LedgerAllocator<SyncAllocator<'static>>: Send);
    static_assertions::assert_not_impl_any!(LedgerAllocator<Allocator<'static>>: Send, Sync);
    static_assertions::assert_impl_all!(ValidationAllocator<SyncAllocator<'static>>: Send, Sync);
    static_assertions::assert_not_impl_any!(ValidationAllocator<Allocator<'static>>: Send, Sync);
    Ok(())
}

/// The ledger counts live blocks through every kind of change.
#[test]
fn ledger_counts_live_blocks() -> Result<(), Error> {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ledger = LedgerAllocator::init(arena.allocator());
    let allocator = ledger.allocator();
    let a = allocator.alloc::<u8>(10)?;
    let b = allocator.alloc::<u8>(20)?;
    assert_eq!((ledger.live(), ledger.live_bytes()), (2, 30));
    // SAFETY: each call passes a live block with its current length.
    unsafe {
        let b = allocator.remap(b, 25).unwrap();
        assert_eq!((ledger.live(), ledger.live_bytes()), (2, 35));
        assert!(allocator.remap(a, 1000).is_none());
        assert!(!allocator.resize(a, 1000));
        let a = allocator.realloc(a, 1000)?;
        assert_eq!((ledger.live(), ledger.live_bytes()), (2, 1025));
        allocator.free(b);
        allocator.free(a);
    }
    assert_eq!((ledger.live(), ledger.live_bytes()), (0, 0));
    ledger.assert_no_leaks();
    Ok(())
}

#[test]
#[should_panic(expected = "2 blocks are live; the first has ")]
fn ledger_detects_leaks() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ledger = LedgerAllocator::init(arena.allocator());
    ledger.allocator().create::<u64>().unwrap();
    ledger.allocator().create::<u64>().unwrap();
    ledger.assert_no_leaks();
}

#[test]
#[should_panic(expected = "1 block is live; the first has ")]
fn ledger_detects_a_single_leak() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ledger = LedgerAllocator::init(arena.allocator());
    ledger.allocator().create::<u64>().unwrap();
    ledger.assert_no_leaks();
}

/// Each breach of clauses non-zero to dead-pointer by a caller aborts, before the child is called.
#[rstest]
#[case::alloc_nothing(Misuse::AllocNothing, "alloc of 0 bytes (clause non-zero)")]
#[case::resize_to_nothing(Misuse::ResizeToNothing, "resize of 16 to 0 bytes (clause non-zero)")]
#[case::remap_to_nothing(Misuse::RemapToNothing, "remap of 16 to 0 bytes (clause non-zero)")]
#[case::free_nothing(Misuse::FreeNothing, "has a length of 16 bytes, not 0")]
#[case::free_shorter(Misuse::FreeShorter, "has a length of 16 bytes, not 15")]
#[case::resize_longer(Misuse::ResizeLonger, "has a length of 16 bytes, not 17")]
#[case::old_length(Misuse::RemapWithOldLength, "has a length of 12 bytes, not 16")]
#[case::weaker(Misuse::FreeWeakerAligned, "has an alignment of 8 bytes, not 1")]
#[case::stronger(Misuse::RemapStrongerAligned, "has an alignment of 8 bytes, not 16")]
#[case::foreign(Misuse::FreeForeign, " is not a block of this allocator")]
#[case::inside(Misuse::FreeInside, "is inside the live block of 16 bytes")]
#[case::behind(Misuse::FreeBehind, "is not a block of this allocator")]
#[case::twice(Misuse::FreeTwice, "has already been freed")]
#[case::freed(Misuse::ResizeFreed, "resize of a block of 16 bytes: clause dead-pointer")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn ledger_aborts_on_a_breach(#[case] misuse: Misuse, #[case] message: &str) {
    let text = aborts(message, || {
        // The arena can shrink in place, which one of the cases needs.
        let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        commit(misuse, LedgerAllocator::init(arena.allocator()).allocator());
    });
    assert!(text.contains("LedgerAllocator: ") && text.contains(message), "{text}");
    assert!(text.contains("called by 0x1234"), "the message names the caller: {text}");
}

/// The child's results are checked too.
#[rstest]
#[case::misaligned(7, Alignment::_4, "alloc of 7 bytes: clause new-block: 0x41 is not aligned to 4 bytes")]
#[case::overlapping(
    7,
    Alignment::_1,
    "alloc of 7 bytes: clause new-block: the block of 7 bytes at 0x41 overlaps the"
)]
#[case::too_long(isize::MAX as usize + 1, Alignment::_1, "clause no-overflow: a block of ")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn ledger_aborts_on_a_breach_by_its_child(
    #[case] len: usize,
    #[case] alignment: Alignment,
    #[case] message: &str,
) {
    let text = aborts(message, || {
        let ledger = LedgerAllocator::init(odd_allocator());
        // SAFETY: the length is not zero; the memory is not touched.
        unsafe {
            let _ = ledger.allocator().raw_alloc(len, alignment, 0);
            let _ = ledger.allocator().raw_alloc(len, alignment, 0);
        }
    });
    assert!(text.contains("the child broke the contract in ") && text.contains(message), "{text}");
}

/// With symbols, the message names the calling function.
#[cfg(feature = "backtrace")]
#[test]
#[cfg_attr(
    any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))),
    ignore = "calls have no return address in Miri and on some processors"
)]
fn ledger_names_the_caller() {
    #[inline(never)]
    fn frees_too_little(allocator: Allocator<'_>, memory: NonNull<[u8]>) {
        // SAFETY: violated on purpose: the ledger detects it first.
        unsafe { allocator.free(bytes(memory.cast(), memory.len() - 1)) };
    }
    let text = aborts("caller", || {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        frees_too_little(ledger.allocator(), ledger.allocator().alloc::<u8>(16).unwrap());
    });
    assert!(text.contains("frees_too_little at ") && text.contains("validation.rs:"), "{text}");
}

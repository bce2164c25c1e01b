//! The conformance kit over every allocator of the crate, alone and stacked, and over broken ones that it must catch.
#![cfg(feature = "std")]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, C_ALLOCATOR, Check, DebugAllocator, DebugConfig,
    FixedBufferAllocator, PAGE_ALLOCATOR, RAW_C_ALLOCATOR, RUST_ALLOCATOR, SMP_ALLOCATOR, SafeAllocator,
    SafeOptions, SbrkAllocator, SharedArenaAllocator, stack_fallback,
};
use zigalloc::testing::{
    FailingAllocator, FailingConfig, LedgerAllocator, StrictConfig, UnreliableAllocator, UnreliableConfig,
    test_allocator, test_allocator_aligned, test_allocator_aligned_shrink, test_allocator_large_alignment,
    test_allocator_strict, test_allocator_strict_with, test_handles_strict, validation_wrap,
};
use zigalloc::trace::{CountingAllocator, FmtSink, LoggedCall, LoggingAllocator, Sink};
use zigalloc::{Alignment, Allocator, Handle, SyncAllocator, ThreadSafeAllocator, VTable, state};

// ---- the allocators ----

/// A test to run on an allocator.
type Test = fn(Allocator<'_>);

/// Makes an allocator and runs the test on it.
type Subject = fn(Test);

/// Enough for the kit over an allocator that never reuses a freed block, plus the overhead of another one.
const BUFFER_LEN: usize = 16 << 20;

fn buffer() -> Box<[MaybeUninit<u8>]> {
    Box::new_uninit_slice(BUFFER_LEN)
}

fn page(test: Test) {
    test(*PAGE_ALLOCATOR);
}

fn c(test: Test) {
    test(*C_ALLOCATOR);
}

fn rust(test: Test) {
    test(*RUST_ALLOCATOR);
}

fn smp(test: Test) {
    test(*SMP_ALLOCATOR);
}

fn fixed_buffer(test: Test) {
    test(FixedBufferAllocator::init(&mut buffer()).allocator());
}

/// A buffer that starts at an odd address.
fn odd_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    let odd = 1 + usize::from(buffer.as_ptr().addr() % 2 == 1);
    test(FixedBufferAllocator::init(&mut buffer[odd..]).allocator());
}

fn lock_free_fixed_buffer(test: Test) {
    test(*FixedBufferAllocator::init(&mut buffer()).thread_safe_allocator());
}

fn arena_over_page(test: Test) {
    test(ArenaAllocator::init(PAGE_ALLOCATOR).allocator());
}

fn shared_arena_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        // SAFETY: one thread.
        let child = unsafe { SyncAllocator::new_unchecked(ledger.allocator()) };
        test(*SharedArenaAllocator::init(child).allocator());
    }
    ledger.assert_no_leaks();
}

fn arena_over_smp(test: Test) {
    test(ArenaAllocator::init(SMP_ALLOCATOR).allocator());
}

fn arena_over_raw_c(test: Test) {
    test(ArenaAllocator::init(RAW_C_ALLOCATOR).allocator());
}

fn arena_over_rust(test: Test) {
    test(ArenaAllocator::init(RUST_ALLOCATOR).allocator());
}

fn arena_over_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    test(ArenaAllocator::init(fixed_buffer.allocator()).allocator());
}

fn sbrk_over_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    test(*SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer)).allocator());
}

fn arena_over_sbrk(test: Test) {
    let mut buffer = buffer();
    let sbrk = SbrkAllocator::init(FixedBufferAllocator::init(&mut buffer));
    test(ArenaAllocator::init(sbrk.allocator()).allocator());
}

fn buffer_first_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let mut buffer = [MaybeUninit::uninit(); 5000];
    test(BufferFirstAllocator::init(&mut buffer[1..], ledger.allocator()).allocator());
    ledger.assert_no_leaks();
}

/// Two buffers, backed by one that has room.
fn buffer_first_over_buffer_first(test: Test) {
    let (mut small, mut medium) = ([MaybeUninit::uninit(); 100], [MaybeUninit::uninit(); 1000]);
    let mut large = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut large);
    let fallback = BufferFirstAllocator::init(&mut medium, fixed_buffer.allocator());
    test(BufferFirstAllocator::init(&mut small, fallback.allocator()).allocator());
}

fn stack_fallback_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    test(stack_fallback::<4096, _>(ledger.allocator()).get());
    ledger.assert_no_leaks();
}

fn thread_safe_over_stack_fallback(test: Test) {
    let mut stack_fallback = stack_fallback::<1000, _>(SMP_ALLOCATOR);
    test(*ThreadSafeAllocator::new(&mut stack_fallback).allocator());
}

fn arena_over_stack_fallback(test: Test) {
    let stack_fallback = stack_fallback::<4096, _>(C_ALLOCATOR);
    test(ArenaAllocator::init(stack_fallback.get()).allocator());
}

fn thread_safe_over_arena_over_page(test: Test) {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    test(*ThreadSafeAllocator::new(&mut arena).allocator());
}

fn thread_safe_over_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    test(*ThreadSafeAllocator::new(&mut fixed_buffer).allocator());
}

fn thread_safe_over_ledger_over_c(test: Test) {
    let mut ledger = LedgerAllocator::init(C_ALLOCATOR);
    test(*ThreadSafeAllocator::new(&mut ledger).allocator());
    ledger.assert_no_leaks();
}

fn failing_over_page(test: Test) {
    test(FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default()).allocator());
}

/// No resize succeeds in place.
fn no_resizes_over_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let config = FailingConfig { resize_fail_index: 0, ..FailingConfig::default() };
    test(FailingAllocator::init(fixed_buffer.allocator(), config).allocator());
}

/// Inside scopes, which leave a spare node at most.
fn scopes_of_an_arena(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let mut arena = ArenaAllocator::init(ledger.allocator());
        arena.allocator().alloc::<u8>(100).unwrap();
        let capacity = arena.query_capacity();
        let mut outer = arena.scope();
        let inner = outer.scope();
        test(inner.allocator());
        drop(inner);
        drop(outer);
        // A node that has grown stays longer.
        assert!(ledger.live() <= 2 && arena.query_capacity() >= capacity);
    }
    ledger.assert_no_leaks();
}

fn counting_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let counting = CountingAllocator::init(ledger.allocator());
    test(counting.allocator());
    let counts = counting.snapshot();
    assert_eq!((counts.live_bytes, counts.live_blocks), (0, 0), "{counts}");
    ledger.assert_no_leaks();
}

/// Nothing may be refused, since the kit expects small requests to succeed; but each remap moves, and no resize works.
fn unreliable_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let config = UnreliableConfig {
        refuse_alloc: 0,
        refuse_resize: 100,
        refuse_remap: 0,
        move_remap: 100,
        ..UnreliableConfig::default()
    };
    test(UnreliableAllocator::init(ledger.allocator(), config).allocator());
    ledger.assert_no_leaks();
}

fn logging_over_c(test: Test) {
    let logging = LoggingAllocator::init(C_ALLOCATOR, FmtSink(String::new()));
    test(*logging.allocator());
    assert_eq!(logging.lost_lines(), 0);
}

/// The sink reads every call, so that none can be lost; a lock is around it.
fn thread_safe_over_logging_over_counting(test: Test) {
    struct Looks(u64);
    impl Sink for Looks {
        fn write(&mut self, call: &LoggedCall) -> std::fmt::Result {
            self.0 += u64::from(!call.is_refused());
            Ok(())
        }
    }
    let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    let mut logging = LoggingAllocator::init(counting.allocator(), Looks(0));
    test(*ThreadSafeAllocator::new(&mut logging).allocator());
    let counts = counting.snapshot();
    let served = [counts.alloc, counts.resize, counts.remap].map(|calls| calls.calls - calls.refused);
    assert_eq!(logging.into_sink().0, served.iter().sum::<u64>() + counts.free);
}

fn validation_over_arena(test: Test) {
    test(validation_wrap(ArenaAllocator::init(PAGE_ALLOCATOR)).allocator());
}

fn ledger_over_page(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    test(ledger.allocator());
    ledger.assert_no_leaks();
}

/// Ledgers above and below the arena: both its users and the arena keep the contract.
fn ledgers_around_arena(test: Test) {
    let below = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let arena = ArenaAllocator::init(below.allocator());
        let above = LedgerAllocator::init(arena.allocator());
        test(above.allocator());
        above.assert_no_leaks();
    }
    below.assert_no_leaks();
}

/// A debug allocator that aborts when it finds an error.
fn debug<C: Handle>(child: C, page_size: usize) -> DebugAllocator<C> {
    let report = |report: &_| panic!("{report}");
    let config = DebugConfig { safety: true, stack_trace_frames: 1, page_size, report, ..DEBUG };
    DebugAllocator::with_config(child, config)
}

const DEBUG: DebugConfig = DebugConfig::DEFAULT;

fn debug_over_page(test: Test) {
    let debug = debug(PAGE_ALLOCATOR, DEBUG.page_size);
    test(*debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

fn debug_over_c(test: Test) {
    let debug = debug(C_ALLOCATOR, DEBUG.page_size);
    test(*debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

/// Small pages, so that many blocks are large.
fn debug_over_rust(test: Test) {
    let debug = debug(RUST_ALLOCATOR, 4096);
    test(*debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

fn debug_over_arena_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let arena = ArenaAllocator::init(ledger.allocator());
        let debug = debug(arena.allocator(), DEBUG.page_size);
        test(debug.allocator());
        assert_eq!(debug.deinit(), Check::Ok);
    }
    ledger.assert_no_leaks();
}

fn debug_over_fixed_buffer(test: Test) {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let debug = debug(fixed_buffer.allocator(), 4096);
    test(debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

/// A safe allocator that aborts when it finds an error.
fn safe<C: Handle>(child: C, options: SafeOptions) -> SafeAllocator<C> {
    SafeAllocator::init(child, SafeOptions { check_write_after_free: true, ..options })
}

fn safe_over_page(test: Test) {
    let safe = safe(PAGE_ALLOCATOR, SafeOptions::DEFAULT);
    test(*safe.allocator());
    assert_eq!(safe.deinit(), 0);
}

fn safe_over_c(test: Test) {
    let safe = safe(C_ALLOCATOR, SafeOptions { stack_trace_frames: 0, ..SafeOptions::DEFAULT });
    test(*safe.allocator());
    assert_eq!(safe.deinit(), 0);
}

fn safe_over_arena_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let arena = ArenaAllocator::init(ledger.allocator());
        let safe = safe(arena.allocator(), SafeOptions { stack_trace_frames: 1, ..SafeOptions::DEFAULT });
        test(safe.allocator());
        assert_eq!(safe.deinit(), 0);
    }
    ledger.assert_no_leaks();
}

fn arena_over_debug(test: Test) {
    let debug = debug(PAGE_ALLOCATOR, DEBUG.page_size);
    test(ArenaAllocator::init(debug.allocator()).allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

fn thread_safe_over_debug(test: Test) {
    let mut debug = debug(PAGE_ALLOCATOR, DEBUG.page_size);
    test(*ThreadSafeAllocator::new(&mut debug).allocator());
    assert_eq!(debug.deinit(), Check::Ok);
}

/// A stack of everything.
fn tower(test: Test) {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let lowest = LedgerAllocator::init(fixed_buffer.allocator());
    {
        let lower = ArenaAllocator::init(lowest.allocator());
        let failing = FailingAllocator::init(lower.allocator(), FailingConfig::default());
        let middle = LedgerAllocator::init(failing.allocator());
        let upper = validation_wrap(ArenaAllocator::init(middle.allocator()));
        // SAFETY: one thread.
        let thread_safe = unsafe { ThreadSafeAllocator::from_child(upper.allocator()) };
        test(*thread_safe.allocator());
        drop(upper);
        middle.assert_no_leaks();
    }
    lowest.assert_no_leaks();
}

// ---- the kit over them ----

/// T1, T2, T3, T4, and this crate's strict kit, over each allocator. To add an allocator, add a line. Miri takes
/// seconds for each, and skips combinations of allocators that have their own lines.
#[rstest]
#[case::page(page)]
#[case::c(c)]
#[case::rust(rust)]
#[case::fixed_buffer(fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: the test `small_buffers` has a buffer at an odd address too")]
#[case::odd_fixed_buffer(odd_fixed_buffer)]
#[case::lock_free_fixed_buffer(lock_free_fixed_buffer)]
#[case::arena_over_page(arena_over_page)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_raw_c(arena_over_raw_c)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_rust(arena_over_rust)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_fixed_buffer(arena_over_fixed_buffer)]
#[case::thread_safe_over_arena_over_page(thread_safe_over_arena_over_page)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_fixed_buffer(thread_safe_over_fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_ledger_over_c(thread_safe_over_ledger_over_c)]
#[cfg_attr(miri, ignore = "to save time: the tests in `out_of_memory` put it below every other allocator")]
#[case::failing_over_page(failing_over_page)]
#[cfg_attr(miri, ignore = "to save time: the tests in `out_of_memory` put it below every other allocator")]
#[case::no_resizes_over_fixed_buffer(no_resizes_over_fixed_buffer)]
#[cfg_attr(
    miri,
    ignore = "to save time: four of the five tests wrap what they test in a ValidationAllocator"
)]
#[case::validation_over_arena(validation_over_arena)]
#[cfg_attr(miri, ignore = "to save time: other cases have a LedgerAllocator as the child")]
#[case::ledger_over_page(ledger_over_page)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::ledgers_around_arena(ledgers_around_arena)]
#[case::smp(smp)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_smp(arena_over_smp)]
#[case::sbrk_over_fixed_buffer(sbrk_over_fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_sbrk(arena_over_sbrk)]
#[cfg_attr(
    miri,
    ignore = "to save time: a test in `heap::shared_arena` runs the strict conformance test on it"
)]
#[case::shared_arena_over_ledger(shared_arena_over_ledger)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::buffer_first_over_ledger(buffer_first_over_ledger)]
#[case::buffer_first_over_buffer_first(buffer_first_over_buffer_first)]
#[case::stack_fallback_over_ledger(stack_fallback_over_ledger)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_stack_fallback(thread_safe_over_stack_fallback)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_stack_fallback(arena_over_stack_fallback)]
#[case::scopes_of_an_arena(scopes_of_an_arena)]
#[case::counting_over_ledger(counting_over_ledger)]
#[case::unreliable_over_ledger(unreliable_over_ledger)]
#[case::logging_over_c(logging_over_c)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_logging_over_counting(thread_safe_over_logging_over_counting)]
#[case::debug_over_page(debug_over_page)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::debug_over_c(debug_over_c)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::debug_over_rust(debug_over_rust)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::debug_over_arena_over_ledger(debug_over_arena_over_ledger)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::debug_over_fixed_buffer(debug_over_fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::safe_over_page(safe_over_page)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::safe_over_c(safe_over_c)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::safe_over_arena_over_ledger(safe_over_arena_over_ledger)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::arena_over_debug(arena_over_debug)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_debug(thread_safe_over_debug)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::tower(tower)]
fn conforms(
    #[case] subject: Subject,
    #[values(
        test_allocator,
        test_allocator_aligned,
        test_allocator_large_alignment,
        test_allocator_aligned_shrink,
        strictly
    )]
    test: Test,
) {
    subject(test);
}

/// Runs the strict kit for several seeds, each with its own program.
fn strictly(allocator: Allocator<'_>) {
    // Most allocators of this crate are over the system, and Miri aborts a program that requests nearly all memory.
    let config =
        StrictConfig { huge_lengths: !cfg!(any(miri, target_arch = "wasm32")), ..StrictConfig::default() };
    for seed in 1..=if cfg!(miri) { 1 } else { 3 } {
        // The second program cannot expect memory that the first has used up.
        let must_serve = if seed == 1 { config.must_serve } else { 0 };
        test_allocator_strict_with(allocator, &StrictConfig { seed, must_serve, ..config });
    }
}

/// Lengths near the end of the address space, for allocators that are not over the system: Miri can then check the
/// pointers too.
#[rstest]
#[case(fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: the test `small_buffers` has a buffer at an odd address too")]
#[case(odd_fixed_buffer)]
#[case(lock_free_fixed_buffer)]
#[case(arena_over_fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case(buffer_first_over_buffer_first)]
#[case(sbrk_over_fixed_buffer)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case(tower)]
fn impossible_requests_are_refused(#[case] subject: Subject) {
    subject(test_allocator_strict);
}

/// T1, T2, T3, T4: as Zig's test of this name.
#[test]
fn page_allocator() {
    zigs_four(*PAGE_ALLOCATOR);
}

/// T1, T2, T3, T4: as Zig's test of this name.
#[test]
fn c_allocator() {
    zigs_four(*C_ALLOCATOR);
}

/// T1: as Zig's test of this name. The others need alignments that it does not support.
#[test]
fn raw_c_allocator() {
    test_allocator(*RAW_C_ALLOCATOR);
    strictly(*RAW_C_ALLOCATOR);
}

/// T1, T2, T3, T4: as Zig's test of this name, over one arena.
#[test]
fn arena_allocator() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    zigs_four(arena.allocator());
    arena.deinit();
}

fn zigs_four(allocator: Allocator<'_>) {
    test_allocator(allocator);
    test_allocator_aligned(allocator);
    test_allocator_large_alignment(allocator);
    test_allocator_aligned_shrink(allocator);
}

/// A buffer of any size, from zero bytes to several pages: only requests that do not fit are refused.
#[test]
fn small_buffers() {
    let mut buffer = buffer();
    let lens: &[usize] = if cfg!(miri) { &[7, 1000] } else { &[0, 1, 7, 16, 64, 100, 1000, 9000] };
    for &len in lens {
        let config = StrictConfig { must_serve: len / 2, ..StrictConfig::default() };
        for misalignment in if cfg!(miri) { 1..2 } else { 0..64 } {
            let fixed_buffer = FixedBufferAllocator::init(&mut buffer[misalignment..][..len]);
            test_allocator_strict_with(fixed_buffer.allocator(), &config);
        }
    }
}

/// Two handles to one state are the same allocator.
#[test]
fn handles_of_one_state_are_equivalent() {
    let mut buffer = buffer();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let arena = ArenaAllocator::init(fixed_buffer.allocator());
    // SAFETY: handles to the same arena.
    unsafe { test_handles_strict([arena.allocator(), arena.allocator()], &StrictConfig::default()) };
}

// ---- allocators that break the contract ----

/// A fault that the strict kit must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    RefusesEverything,
    RefusesAfterRefusing,
    AlignsTheOffset,
    AlignsToAPageAtMost,
    ServesAlignmentsThatDoNotExist,
    ServesHugeLengths,
    WrapsHugeLengths,
    BlocksTouch,
    HandsOutFreedMiddle,
    ResizeAlwaysSaysTrue,
    ResizeSaysTrueToHugeLengths,
    ResizeSaysTrueAndForgets,
    ResizeSaysFalseAndShrinks,
    ResizeSaysFalseAndWrites,
    RemapForgets,
    RemapShiftsByOne,
    RemapCopiesTheLastByteNot,
    RemapSaysNullAndFrees,
    RemapMisaligns,
    FreeWrites,
}

/// A bump allocator over a buffer, with a fault. All its blocks lie in the buffer, so even a caller that relies on
/// them stays inside it.
struct Broken<'b> {
    fault: Fault,
    buffer: NonNull<u8>,
    len: usize,
    end: Cell<usize>,
    refused: Cell<bool>,
    borrow: std::marker::PhantomData<&'b mut [MaybeUninit<u8>]>,
}

impl<'b> Broken<'b> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    fn new(fault: Fault, buffer: &'b mut [MaybeUninit<u8>]) -> Broken<'b> {
        // Odd, so that aligning the offset alone gives a misaligned address.
        let odd = 1 + usize::from(buffer.as_ptr().addr() % 2 == 1);
        let buffer = &mut buffer[odd..];
        let (len, end, refused) = (buffer.len(), Cell::new(0), Cell::new(false));
        let buffer = NonNull::from(buffer).cast();
        Broken { fault, buffer, len, end, refused, borrow: std::marker::PhantomData }
    }

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: breaking the contract is the purpose; the memory is valid all the same.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len);
        // SAFETY: an offset into the buffer.
        unsafe { self.buffer.as_ptr().add(offset) }
    }

    fn place(&self, len: usize, alignment: Alignment) -> Option<usize> {
        if self.fault == Fault::RefusesEverything
            || (self.fault == Fault::RefusesAfterRefusing && self.refused.get())
        {
            return None;
        }
        let alignment = match self.fault {
            _ if !alignment.is_valid() => match self.fault {
                Fault::ServesAlignmentsThatDoNotExist => Alignment::_1,
                _ => return None,
            },
            Fault::AlignsToAPageAtMost => alignment.min(Alignment::from_byte_units(4096)),
            _ => alignment,
        };
        let address = self.buffer.addr().get() + self.end.get();
        let from = if self.fault == Fault::AlignsTheOffset { self.end.get() } else { address };
        let start = self.end.get() + (from.wrapping_neg() & (alignment.to_byte_units() - 1));
        match self.fault {
            // Half of the address space does not exist, but 100 bytes do.
            Fault::ServesHugeLengths if len > isize::MAX as usize => return Some(start),
            Fault::WrapsHugeLengths => {
                let end = start.wrapping_add(len);
                if end <= self.len {
                    self.end.set(end);
                    return Some(start);
                }
                return None;
            }
            _ => {}
        }
        let end = start.checked_add(len).filter(|&end| end <= self.len)?;
        // The last byte of this block is the first of the next.
        self.end.set(end - usize::from(self.fault == Fault::BlocksTouch));
        Some(start)
    }

    fn is_last(&self, memory: *mut u8, len: usize) -> bool {
        memory.addr() + len == self.buffer.addr().get() + self.end.get()
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let start = this.place(len, alignment);
        if start.is_none() {
            this.refused.set(true);
        }
        NonNull::new(this.at(start?))
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        _: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // Writes to the block's start: a byte that no pattern of the kit has there twice in a row.
        // SAFETY: a live block has at least one byte, which the kit has written.
        let spoil = || unsafe { memory.write(!memory.read()) };
        match this.fault {
            Fault::ResizeAlwaysSaysTrue if new_len < 1 << 30 => return true,
            Fault::ResizeSaysTrueToHugeLengths if new_len > 1 << 30 => return true,
            Fault::ResizeSaysTrueAndForgets => spoil(),
            Fault::ResizeSaysFalseAndWrites => {
                spoil();
                return false;
            }
            Fault::ResizeSaysFalseAndShrinks => {
                if this.is_last(memory, len) && new_len < len {
                    this.end.set(this.end.get() - (len - new_len));
                }
                return false;
            }
            _ => {}
        }
        if !this.is_last(memory, len) {
            return new_len <= len;
        }
        let start = this.end.get() - len;
        match start.checked_add(new_len) {
            Some(end) if end <= this.len => {
                this.end.set(end);
                true
            }
            _ => false,
        }
    }

    /// Always moves.
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.fault == Fault::RemapSaysNullAndFrees && this.is_last(memory, len) {
            this.end.set(this.end.get() - len);
            return None;
        }
        let requested = match this.fault {
            Fault::RemapMisaligns => Alignment::_1,
            _ => alignment,
        };
        let start = this.place(new_len, requested)?;
        let (new, kept) = (this.at(start), len.min(new_len));
        // SAFETY: both blocks are in the buffer and have at least `kept` bytes. They do not overlap, since the new
        // one is after all others; `copy` would even allow it.
        unsafe {
            match this.fault {
                Fault::RemapForgets => new.write_bytes(0, new_len),
                Fault::RemapShiftsByOne if kept > 2 => {
                    new.write(0);
                    new.add(1).copy_from(memory, kept - 1);
                }
                Fault::RemapCopiesTheLastByteNot => {
                    new.write_bytes(!memory.add(kept - 1).read(), new_len);
                    new.copy_from(memory, kept - 1);
                }
                _ => new.copy_from(memory, kept),
            }
        }
        NonNull::new(new)
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let offset = memory.addr() - this.buffer.addr().get();
        match this.fault {
            // A "free list" whose link is after the block.
            Fault::FreeWrites if offset + len < this.end.get() => {
                let behind = this.at(offset + len);
                // SAFETY: in the used part of the buffer. It may be padding, so it is not read.
                unsafe { behind.write(0xF5) };
            }
            Fault::HandsOutFreedMiddle => this.end.set(this.end.get().min(offset)),
            _ if this.is_last(memory, len) => this.end.set(offset),
            _ => {}
        }
    }
}

/// Returns the message of the strict kit's panic, if it panics.
fn caught(test: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(test)).err()?;
    Some(panic.downcast_ref::<String>().cloned().expect("a panic with a formatted message"))
}

/// The same allocator without a fault passes, so the failures below are due to the faults.
#[test]
fn faultless_allocator_passes() {
    let mut buffer = buffer();
    test_allocator_strict(Broken::new(Fault::None, &mut buffer).allocator());
}

/// Every fault is caught, and the message names the function and the clause or requirement.
#[rstest]
#[case(Fault::RefusesEverything, &["alloc of 40 bytes", "returned null", "StrictConfig requires 16384 bytes"])]
#[case(Fault::RefusesAfterRefusing, &["alloc of 24 bytes", "returned null"])]
#[case(Fault::AlignsTheOffset, &["alloc of 40 bytes", "clause new-block", "is not aligned to 8 bytes"])]
#[case(Fault::AlignsToAPageAtMost, &["clause new-block", "is not aligned to "])]
#[case(Fault::ServesAlignmentsThatDoNotExist, &["alloc of 1 byte", "clause no-overflow", "invalid alignment"])]
#[case(Fault::ServesHugeLengths, &["alloc of", "clause no-overflow", "no block can be that long"])]
#[case(Fault::WrapsHugeLengths, &["alloc of", "clause no-overflow", "no block can be that long"])]
#[case(Fault::BlocksTouch, &["alloc of", "clause new-block", "overlaps the live block"])]
#[case(Fault::HandsOutFreedMiddle, &["clause new-block", "overlaps the live block"])]
#[case(Fault::ResizeAlwaysSaysTrue, &["clause new-block", "overlaps the live block"])]
#[case(Fault::ResizeSaysTrueToHugeLengths, &["resize of 40 to", "clause no-overflow", "no block can be that long"])]
#[case(Fault::ResizeSaysTrueAndForgets, &["content", "byte 0"])]
#[case(Fault::ResizeSaysFalseAndShrinks, &["clause new-block", "overlaps the live block"])]
#[case(Fault::ResizeSaysFalseAndWrites, &["content", "byte 0"])]
#[case(Fault::RemapForgets, &["after remap returned a pointer", "content", "byte 0"])]
#[case(Fault::RemapShiftsByOne, &["after remap returned a pointer", "content", "byte 0"])]
#[case(Fault::RemapCopiesTheLastByteNot, &["after remap returned a pointer", "content"])]
#[case(Fault::RemapSaysNullAndFrees, &["clause new-block", "overlaps the live block"])]
#[case(Fault::RemapMisaligns, &["remap of", "clause new-block", "is not aligned to"])]
#[case(Fault::FreeWrites, &["after other calls", "content", "byte 0", "is 0xf5"])]
#[cfg_attr(miri, ignore = "it tests what the conformance test reports, which is the same in Miri")]
fn broken_allocators_are_caught(#[case] fault: Fault, #[case] messages: &[&str]) {
    let mut buffer = buffer();
    let broken = Broken::new(fault, &mut buffer);
    let message = caught(|| test_allocator_strict(broken.allocator()))
        .unwrap_or_else(|| panic!("{fault:?} was not caught"));
    assert!(message.starts_with("test_allocator_strict: "), "{message}");
    for part in messages {
        assert!(message.contains(part), "{fault:?} was caught as something else: {message}");
    }
}

/// Handles with separate states over the same memory are not copies of each other.
#[test]
fn inequivalent_handles_are_caught() {
    let mut buffer = buffer();
    let one = Broken::new(Fault::None, &mut buffer);
    let other = Broken { end: one.end.clone(), refused: one.refused.clone(), ..one };
    let handles = [one.allocator(), other.allocator()];
    // SAFETY: neither touches the blocks that it is passed beyond their length.
    let message = caught(|| unsafe { test_handles_strict(handles, &StrictConfig::default()) });
    let message = message.expect("two allocators are not one");
    assert!(message.contains("clause new-block") && message.contains("overlaps the live block"), "{message}");
}

/// Zig's four tests catch an allocator that refuses, and one that loses contents.
#[rstest]
#[case(test_allocator, "test_allocator: alloc of 100 pointers: out of memory")]
#[case(test_allocator_aligned, "test_allocator_aligned: aligned_alloc of 10 bytes: out of memory")]
#[case(
    test_allocator_large_alignment,
    "test_allocator_large_alignment: aligned_alloc of 500 bytes: out of memory"
)]
#[case(
    test_allocator_aligned_shrink,
    "test_allocator_aligned_shrink: aligned_alloc of two pages and 50 bytes: out of memory"
)]
fn refusing_allocators_are_caught(#[case] test: Test, #[case] expected: &str) {
    assert_eq!(caught(|| test(Allocator::FAILING)).as_deref(), Some(expected));
}

#[test]
fn lost_content_is_caught() {
    let mut buffer = buffer();
    let broken = Broken::new(Fault::RemapForgets, &mut buffer);
    let message = caught(|| test_allocator_aligned_shrink(broken.allocator())).unwrap();
    assert!(message.contains("bytes 0 and 60 are "), "{message}");
}

/// 39 blocks at multiples of 32 pages are more than the kit checks.
#[test]
fn over_aligning_allocators_are_caught() {
    /// 32 of the largest pages of any supported machine.
    const OVER_ALIGNMENT: usize = (32 * 64) << 10;
    unsafe extern "C" fn alloc(ctx: *mut (), len: usize, _: Alignment, ra: usize) -> Option<NonNull<u8>> {
        // SAFETY: passed on unchanged, except for the alignment.
        unsafe { Broken::alloc(ctx, len, Alignment::from_byte_units(OVER_ALIGNMENT), ra) }
    }
    let mut buffer: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(41 * OVER_ALIGNMENT);
    let over = Broken::new(Fault::None, &mut buffer);
    const VTABLE: VTable = VTable { alloc, ..Broken::VTABLE };
    // SAFETY: as `Broken`, with another alignment.
    let allocator = unsafe { Allocator::from_state(&over, &VTABLE) };
    let message = caught(|| test_allocator_aligned_shrink(allocator)).unwrap();
    assert!(message.contains("39 blocks in a row are aligned to "), "{message}");
}

//! The conformance kit over debug allocators with unusual options, and over a child that fails at every single call.

use std::mem::MaybeUninit;

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{
    LedgerAllocator, StrictConfig, check_all_allocation_failures, test_allocator, test_allocator_aligned,
    test_allocator_aligned_shrink, test_allocator_large_alignment, test_allocator_strict_with,
};
use zigalloc::{Error, SyncAllocator};
use zigalloc_support::{Bump, Random, run_random_program};

use super::*;

type Test = fn(Allocator<'_>);

fn without_safety_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let config = DebugConfig { safety: false, page_size: 16 << 10, enable_memory_limit: true, ..CONFIG };
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    test(debug.allocator());
    assert_eq!(debug.total_requested_bytes(), 0);
    drop(debug);
    ledger.assert_no_leaks();
}

fn keeping_everything_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let config = DebugConfig { never_unmap: true, retain_metadata: true, stack_trace_frames: 3, ..CONFIG };
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    test(debug.allocator());
    assert_eq!(debug.deinit(), Check::Ok);
    ledger.assert_no_leaks();
}

/// Debug allocators on top of each other: the upper one must keep the contract with the lower one.
fn over_another(test: Test) {
    let config = DebugConfig { quarantine: 1 << 20, ..CONFIG };
    let below = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let above = DebugAllocator::with_config(below.allocator(), SMALL_PAGES);
    test(*above.allocator());
    assert_eq!((above.deinit(), below.deinit()), (Check::Ok, Check::Ok));
}

/// T1, T2, T3, T4, and this crate's strict kit, with other options than in the kit's own tests; nothing is reported
/// or leaked.
#[rstest]
#[cfg_attr(miri, ignore = "to save time: `contract::conformance` runs the same on other debug allocators")]
fn conforms(
    #[values(without_safety_over_ledger, keeping_everything_over_ledger, over_another)] subject: fn(Test),
    #[values(
        test_allocator,
        test_allocator_aligned,
        test_allocator_large_alignment,
        test_allocator_aligned_shrink,
        strictly,
        random_program
    )]
    test: Test,
) {
    subject(test);
    assert_eq!(reports(), []);
}

/// The kit's own defaults; less under Miri, where it also runs over debug allocators elsewhere.
fn strict() -> StrictConfig {
    let config = StrictConfig::default();
    if cfg!(miri) { StrictConfig { must_serve: 2 << 10, steps: 20, ..config } } else { config }
}

fn strictly(allocator: Allocator<'_>) {
    // Miri aborts a program that requests nearly all memory of the system.
    let config = StrictConfig { huge_lengths: !cfg!(any(miri, target_arch = "wasm32")), ..strict() };
    test_allocator_strict_with(allocator, &config);
}

fn random_program(allocator: Allocator<'_>) {
    let arena = ArenaAllocator::init(allocator);
    run_random_program(arena.allocator(), &mut Random::new(1), if cfg!(miri) { 50 } else { 3000 });
}

/// Lengths near the end of the address space, over a child that can be asked for them under Miri too.
#[test]
fn impossible_requests_are_refused() {
    let mut buffer: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(8 << 20);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let config = DebugConfig { enable_memory_limit: true, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(fixed_buffer.allocator(), config);
    test_allocator_strict_with(debug.allocator(), &strict());
    assert_eq!((debug.total_requested_bytes(), debug.deinit()), (0, Check::Ok));
}

/// Makes every kind of call; with blocks of three classes and two large ones.
fn exercise(a: Allocator<'_>) -> Result<(), Error> {
    struct Blocks<'a>(Allocator<'a>, Vec<NonNull<[u8]>>);
    impl Drop for Blocks<'_> {
        fn drop(&mut self) {
            // SAFETY: the blocks are live, with these lengths.
            self.1.drain(..).for_each(|memory| unsafe { self.0.free(memory) });
        }
    }
    let mut blocks = Blocks(a, Vec::new());
    // Less of each under Miri.
    let (blocks_wanted, changes_wanted) = if cfg!(miri) { (6, 4..6) } else { (8, 0..8) };
    for len in &[8, 1000, 5000, 8, 30, 9000, 1000, 1000][..blocks_wanted] {
        blocks.1.push(a.alloc(*len)?);
    }
    let changes = [(0, 6), (0, 900), (1, 5001), (2, 10), (5, 9001), (3, 5002), (6, 6000), (4, 7000)];
    for &(i, new_len) in &changes[changes_wanted] {
        // SAFETY: the block is live, with this length.
        blocks.1[i] = unsafe { a.realloc(blocks.1[i], new_len) }?;
    }
    Ok(())
}

/// Each call of the child fails in turn: the program gets the error, and nothing is lost. The child never reuses an
/// address; otherwise the table of freed blocks might or might not have to grow.
#[rstest]
#[case(false, false)]
#[case(true, false)]
#[case(true, true)]
fn every_failing_child_call_is_returned(#[case] retain_metadata: bool, #[case] never_unmap: bool) {
    let bump = Bump::new(0, 4 << 20);
    let config = DebugConfig { enable_memory_limit: true, retain_metadata, never_unmap, ..SMALL_PAGES };
    check_all_allocation_failures(bump.allocator(), |child| {
        let debug = DebugAllocator::with_config(child, config);
        let result = exercise(debug.allocator());
        assert_eq!(debug.total_requested_bytes(), 0);
        assert_eq!(debug.deinit(), Check::Ok);
        result
    })
    .unwrap();
    assert_eq!(bump.live(), 0);
    assert_eq!(reports(), []);
}

/// Only one call of the child fails, resizes included, and the allocator is fully usable afterwards.
#[test]
fn single_refusal_leaves_the_allocator_usable() {
    let run = |refused| {
        let bump = Bump::new(0, 1 << 20);
        bump.grants_growth.set(true);
        bump.refused_request.set(refused);
        let debug = DebugAllocator::with_config(bump.allocator(), SMALL_PAGES);
        let result = exercise(debug.allocator());
        let count = bump.requests.get();
        bump.refused_request.set(None);
        assert_eq!(exercise(debug.allocator()), Ok(()), "after the refusal of {refused:?}");
        assert_eq!(debug.deinit(), Check::Ok);
        assert_eq!(bump.live(), 0);
        (count, result)
    };
    let (count, result) = run(None);
    assert_eq!(result, Ok(()));
    let step = if cfg!(miri) { 2 } else { 1 };
    let failures = (0..count).step_by(step).filter(|&n| run(Some(n)).1.is_err()).count();
    assert!(failures * step > 5 && failures < count, "{failures} of {count}");
    assert_eq!(reports(), []);
}

#[test]
fn is_send_if_its_child_is() {
    static_assertions::assert_impl_all!(DebugAllocator<SyncAllocator<'static>>: Send, Sync);
    static_assertions::assert_not_impl_any!(DebugAllocator<Allocator<'static>>: Send, Sync);
}

//! The conformance kit with unusual options, and over a child that fails at every single call.

use std::mem::MaybeUninit;

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, SafeAllocator};
use zigalloc::testing::{
    LedgerAllocator, StrictConfig, check_all_allocation_failures, test_allocator, test_allocator_aligned,
    test_allocator_aligned_shrink, test_allocator_large_alignment, test_allocator_strict_with,
};
use zigalloc::{Error, SyncAllocator};
use zigalloc_support::{Bump, Random, run_random_program};

use super::*;

type Test = fn(Allocator<'_>);

fn over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let safe = SafeAllocator::init(ledger.allocator(), SafeOptions { safe_mode_footers: false, ..PLAIN });
    test(safe.allocator());
    assert_eq!(safe.deinit(), 0);
    ledger.assert_no_leaks();
}

fn small_buckets_over_ledger(test: Test) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let options = SafeOptions { bucket_size_log2: 8, block_size_log2: 8, stack_trace_frames: 1, ..PLAIN };
    let safe = SafeAllocator::init(ledger.allocator(), options);
    test(safe.allocator());
    assert_eq!(safe.deinit(), 0);
    ledger.assert_no_leaks();
}

/// Safe allocators on top of each other: the upper one must keep the contract with the lower one.
fn over_another(test: Test) {
    let below = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { bucket_size_log2: 16, ..PLAIN });
    let above = SafeAllocator::init(below.allocator(), TRACED);
    test(*above.allocator());
    assert_eq!((above.deinit(), below.deinit()), (0, 0));
}

/// T1, T2, T3, T4, and this crate's strict kit; nothing is reported or leaked.
#[rstest]
fn conforms(
    #[values(over_ledger, small_buckets_over_ledger, over_another)] subject: fn(Test),
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
    let mut buffer: Box<[MaybeUninit<u8>]> = Box::new_uninit_slice(16 << 20);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let safe = SafeAllocator::init(fixed_buffer.allocator(), PLAIN);
    test_allocator_strict_with(safe.allocator(), &strict());
    assert_eq!(safe.deinit(), 0);
}

/// Makes every kind of call; small blocks of several buckets, and large ones.
fn exercise(a: Allocator<'_>) -> Result<(), Error> {
    struct Blocks<'a>(Allocator<'a>, Vec<NonNull<[u8]>>);
    impl Drop for Blocks<'_> {
        fn drop(&mut self) {
            // SAFETY: the blocks are live, with these lengths.
            self.1.drain(..).for_each(|memory| unsafe { self.0.free(memory) });
        }
    }
    let mut blocks = Blocks(a, Vec::new());
    for len in [8, 1000, 5000, 8, 30, 9000, 3000, 3000] {
        blocks.1.push(a.alloc(len)?);
    }
    let changes =
        [(0, 6), (0, 900), (1, 5001), (2, 10), (5, 9001), (3, 5002), (6, 8000), (4, 7000), (7, 2900)];
    for (i, new_len) in changes {
        // SAFETY: the block is live, with this length.
        blocks.1[i] = unsafe { a.realloc(blocks.1[i], new_len) }?;
    }
    Ok(())
}

/// SA-12: each call of the child fails in turn: the program gets the error, and nothing is lost.
#[test]
fn every_failing_child_call_is_returned() {
    let bump = Bump::new(0, 8 << 20);
    check_all_allocation_failures(bump.allocator(), |child| {
        let safe = SafeAllocator::init(child, PLAIN);
        let result = exercise(safe.allocator());
        assert_eq!(safe.deinit(), 0);
        result
    })
    .unwrap();
    assert_eq!((bump.live(), reports()), (0, vec![]));
}

/// SA-12, SA-18, SA-19: only one call of the child fails, resizes included, and the allocator is fully usable
/// afterwards.
#[test]
fn single_refusal_leaves_the_allocator_usable() {
    let run = |refused| {
        let bump = Bump::new(0, 1 << 20);
        bump.grants_growth.set(true);
        bump.refused_request.set(refused);
        let safe = SafeAllocator::init(bump.allocator(), PLAIN);
        let result = exercise(safe.allocator());
        let count = bump.requests.get();
        bump.refused_request.set(None);
        assert_eq!(exercise(safe.allocator()), Ok(()), "after the refusal of {refused:?}");
        assert_eq!((safe.deinit(), bump.live()), (0, 0));
        (count, result)
    };
    let (count, result) = run(None);
    assert_eq!(result, Ok(()));
    let failures = (0..count).filter(|&n| run(Some(n)).1.is_err()).count();
    assert!(failures > 5 && failures < count, "{failures} of {count}");
    assert_eq!(reports(), []);
}

#[test]
fn is_send_if_its_child_is() {
    static_assertions::assert_impl_all!(SafeAllocator<SyncAllocator<'static>>: Send, Sync);
    static_assertions::assert_not_impl_any!(SafeAllocator<Allocator<'static>>: Send, Sync);
}

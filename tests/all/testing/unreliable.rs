//! `UnreliableAllocator`: refusals and moves at random, within the contract.

use std::mem::MaybeUninit;
use std::thread;

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, SharedArenaAllocator};
use zigalloc::testing::{LedgerAllocator, UnreliableAllocator, UnreliableConfig};
use zigalloc::{Alignment, Allocator, SlicePtr};
use zigalloc_support::{Random, run_random_program};

/// Only the given percentages, and no others.
const RELIABLE: UnreliableConfig = UnreliableConfig {
    seed: 0,
    refuse_alloc: 0,
    refuse_resize: 0,
    refuse_remap: 0,
    move_remap: 0,
    reuse: true,
};

/// How many of a thousand calls of each kind are refused: alloc, resize, remap.
fn refusals(config: UnreliableConfig) -> [usize; 3] {
    let unreliable = UnreliableAllocator::init(PAGE_ALLOCATOR, config);
    let allocator = unreliable.allocator();
    let block = PAGE_ALLOCATOR.alloc::<u8>(100).unwrap();
    let mut counts = [0; 3];
    for _ in 0..1000 {
        match allocator.alloc::<u8>(1) {
            // SAFETY: a live block, not used afterwards.
            Ok(memory) => unsafe { allocator.free(memory) },
            Err(_) => counts[0] += 1,
        }
        // SAFETY: a live block of the child, whose length stays.
        counts[1] += usize::from(!unsafe { allocator.resize(block, 100) });
        // SAFETY: the same; the page allocator does not move it.
        counts[2] += usize::from(unsafe { allocator.remap(block, 100) }.is_none());
    }
    // SAFETY: a live block, freed once.
    unsafe { PAGE_ALLOCATOR.free(block) };
    assert_eq!(unreliable.refusals(), counts.iter().sum::<usize>());
    counts
}

/// OT-03: each kind of call is refused as often as configured, and the others are not.
#[rstest]
#[case::none(RELIABLE, [0..=0, 0..=0, 0..=0])]
#[case::alloc(UnreliableConfig { refuse_alloc: 10, ..RELIABLE }, [60..=140, 0..=0, 0..=0])]
#[case::resize(UnreliableConfig { refuse_resize: 50, ..RELIABLE }, [0..=0, 420..=580, 0..=0])]
#[case::remap(UnreliableConfig { refuse_remap: 90, ..RELIABLE }, [0..=0, 0..=0, 860..=940])]
#[case::all(
    UnreliableConfig { refuse_alloc: 255, refuse_resize: 100, refuse_remap: 101, ..RELIABLE },
    [1000..=1000, 1000..=1000, 1000..=1000]
)]
#[cfg_attr(miri, ignore = "three thousand calls; the random programs below make the same ones")]
fn calls_are_refused_as_often_as_configured(
    #[case] config: UnreliableConfig,
    #[case] expected: [std::ops::RangeInclusive<usize>; 3],
) {
    for seed in [0, 1, u64::MAX] {
        let found = refusals(UnreliableConfig { seed, ..config });
        for (found, expected) in found.iter().zip(&expected) {
            assert!(expected.contains(found), "seed {seed}: {found} is not in {expected:?}");
        }
    }
}

/// The same seed refuses the same calls; another one, others.
#[test]
fn seeds_determine_the_refusals() {
    let run = |seed| {
        let unreliable = UnreliableAllocator::init(
            PAGE_ALLOCATOR,
            UnreliableConfig { seed, refuse_alloc: 50, ..RELIABLE },
        );
        let allocator = unreliable.allocator();
        let serves = |_| {
            let memory = allocator.alloc::<u8>(1);
            // SAFETY: a live block, not used afterwards.
            memory.map(|memory| unsafe { allocator.free(memory) }).is_ok()
        };
        (0..64).map(serves).collect::<Vec<bool>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// OT-03: a remap moves although the block could stay, keeps the contents, and frees the old block; a shrink too.
#[rstest]
fn remap_moves_and_keeps_the_contents(#[values(50, 100, 5000)] new_len: usize) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let unreliable =
        UnreliableAllocator::init(ledger.allocator(), UnreliableConfig { move_remap: 100, ..RELIABLE });
    let allocator = unreliable.allocator();
    let old = allocator.dupe(&[7_u8; 100]).unwrap();
    // SAFETY: a live block, whose old pointer is not used afterwards.
    let new = unsafe { allocator.remap(old, new_len) }.expect("the child has memory");
    assert_ne!(new.addr(), old.addr());
    assert_eq!((unreliable.moves(), ledger.live(), new.len()), (1, 1, new_len));
    // SAFETY: the common part is initialised; the block is freed once.
    unsafe {
        let kept = new.with_len(new_len.min(100));
        assert!(kept.as_ref().iter().all(|byte| *byte == 7));
        allocator.free(new);
    }
    ledger.assert_no_leaks();
}

/// A remap that cannot get a second block changes nothing.
#[test]
fn remap_without_memory_changes_nothing() {
    let mut buffer = [MaybeUninit::uninit(); 100];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let unreliable =
        UnreliableAllocator::init(fixed_buffer.allocator(), UnreliableConfig { move_remap: 100, ..RELIABLE });
    let allocator = unreliable.allocator();
    let block = allocator.dupe(&[7_u8; 60]).unwrap();
    // SAFETY: a live block.
    assert!(unsafe { allocator.remap(block, 61) }.is_none());
    // SAFETY: a live block, initialised.
    assert!(unsafe { block.as_ref() }.iter().all(|byte| *byte == 7));
    assert_eq!((unreliable.moves(), fixed_buffer.end_index()), (0, 60));
}

/// OT-05: without reuse, an address is handed out once, and the child frees all of them.
#[test]
fn addresses_are_not_reused() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let unreliable =
        UnreliableAllocator::init(arena.allocator(), UnreliableConfig { reuse: false, ..RELIABLE });
    let allocator = unreliable.allocator();
    let mut seen = Vec::new();
    for _ in 0..50 {
        let memory = allocator.create::<u64>().unwrap();
        assert!(!seen.contains(&memory));
        seen.push(memory);
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.destroy(memory) };
    }
}

/// OT-05: a random program over it keeps the contract with the child, whatever is refused.
#[rstest]
fn random_programs_keep_the_contract(#[values(1, 2, 3)] seed: u64, #[values(true, false)] reuse: bool) {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let ledger = LedgerAllocator::init(arena.allocator());
    let unreliable = UnreliableAllocator::init(
        ledger.allocator(),
        UnreliableConfig { seed, reuse, ..UnreliableConfig::default() },
    );
    let steps = if cfg!(miri) { 60 } else { 2000 };
    {
        let upper = LedgerAllocator::init(unreliable.allocator());
        run_random_program(upper.allocator(), &mut Random::new(seed), steps);
    }
    assert!(unreliable.refusals() > 0);
    assert!(unreliable.moves() > 0 || cfg!(miri));
}

/// OT-04: several threads over one buffer, where calls fail now and then, as below Zig's lock-free arena.
#[test]
fn threads_share_it() {
    let mut buffer = vec![MaybeUninit::uninit(); if cfg!(miri) { 1 << 13 } else { 1 << 20 }];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let config = UnreliableConfig { seed: 5, refuse_remap: 100, ..UnreliableConfig::default() };
    let unreliable = UnreliableAllocator::init(fixed_buffer.thread_safe_allocator(), config);
    let arena = SharedArenaAllocator::init(unreliable.allocator());
    let allocator = arena.allocator();
    let rounds = if cfg!(miri) { 20 } else { 500 };
    thread::scope(|scope| {
        for n in 1..4_u8 {
            scope.spawn(move || {
                for _ in 0..rounds {
                    let Ok(memory) = allocator.dupe(&[n; 40]) else { continue };
                    // SAFETY: a live block that only this thread has; it is not freed.
                    assert_eq!(unsafe { memory.as_ref() }, [n; 40]);
                }
            });
        }
    });
    assert!(unreliable.refusals() > 0 || cfg!(miri));
}

/// An impossible alignment reaches the child, which refuses it.
#[test]
fn requests_are_passed_on_unchanged() {
    let unreliable = UnreliableAllocator::init(PAGE_ALLOCATOR, RELIABLE);
    let handle: Allocator<'_> = *unreliable.allocator();
    // SAFETY: the length is not zero.
    assert!(unsafe { handle.raw_alloc(usize::MAX, Alignment::_1, 0) }.is_none());
    assert_eq!(unreliable.refusals(), 0, "the child's refusals are not counted");
}
